//! What is under a prefix: the order of a listing, and what of it gets a URL.
//!
//! What holds here: each listed key is parsed and judged like a key that somebody asked for; what cannot be signed safely, or is
//! not allowed, is left out and counted. A listing is never cut off in silence: too many objects are refused. What was found
//! is not believed after a policy or the namespace changed, nor across a restart.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::Problem;
use crate::api::{Method, Reason};
use crate::engine::evaluate::evaluation::SigningInputs;
use crate::engine::protocol::{ListRequest, ListResponse};
use crate::engine::store::{HeldCredentials, shifted};
use crate::issue::listed::{FoundObjects, ListedKey as Object};
use crate::issue::{listing_hash, unfit_keys};
use crate::policy::{Grant, Key, ListSelection, Namespace, PolicySet};

/// How long all pages together may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The most objects that a resource may have.
pub(in crate::engine) fn most(list: &ListSelection, grant: &Grant) -> u32 {
    list.max_objects
        .map_or(grant.max_objects, |most| most.min(grant.max_objects))
}

/// The listing that a resource needs.
pub(in crate::engine) fn order(
    inputs: &SigningInputs,
    list: &ListSelection,
    held: &HeldCredentials,
    now: Timestamp,
) -> ListRequest {
    ListRequest {
        target: inputs.ask_target.clone(),
        bucket: inputs.authorized.request.bucket.clone(),
        wanted: list.clone(),
        most: most(list, &inputs.authorized.grant),
        credentials: held.credentials.clone(),
        ca_bundle: inputs.ca_bundle.clone(),
        signed_at: shifted(now, held.skew),
        timeout: TIMEOUT,
    }
}

/// Judges what was listed.
pub(in crate::engine) fn evaluate(
    policies: &PolicySet,
    namespace: &Namespace<'_>,
    inputs: &SigningInputs,
    list: &ListSelection,
    listing: ListResponse,
    now: Timestamp,
) -> Result<FoundObjects, Problem> {
    let request = &inputs.authorized.request;
    let all = listing.objects.len();
    let objects: Vec<Object> = listing
        .objects
        .into_iter()
        // The spec may ask for less than it did when this was listed.
        .filter(|listed| list.keeps(&listed.key))
        .filter_map(|listed| {
            Some(Object {
                key: Key::parse(&listed.key).ok()?,
                listed: Some((listed.size, listed.etag)),
            })
        })
        .collect();
    let keys: Vec<Key> = objects.iter().map(|object| object.key.clone()).collect();
    let listed = policies.decide_listed(namespace, request, &keys);
    if listed.unknown {
        return Err(Problem {
            reason: Reason::PolicyUnknown,
            message: format!(
                "some objects under \"{}\" in bucket \"{}\" may be allowed by a PresignedURLPolicy that cannot be read: an \
                 admin must mend it; until then nothing new is issued and nothing is taken away",
                list.prefix.as_str().escape_debug(),
                request.bucket
            ),
            needs_human: true,
        });
    }
    let objects: Vec<Object> = objects
        .into_iter()
        .zip(listed.allowed)
        .filter_map(|(object, allowed)| allowed.then_some(object))
        .collect();
    let objects = without_unfit(objects, inputs);
    let skipped = u32::try_from(all - objects.len()).unwrap_or(u32::MAX);
    let found = u32::try_from(objects.len()).unwrap_or(u32::MAX);
    if found < list.min_objects {
        return Err(too_few(inputs, list, found, skipped));
    }
    let hash = listing_hash(objects.iter().map(|object| {
        let (size, etag) = object
            .listed
            .as_ref()
            .map_or((0, ""), |(size, etag)| (*size, etag.as_str()));
        (object.key.as_str(), size, etag)
    }));
    let right = &inputs.authorized.grant;
    // Without an object nothing is signed, and the right to list is all there is. What is signed never outlives it.
    let grant = listed.grant.unwrap_or_else(|| right.clone());
    Ok(FoundObjects {
        objects,
        skipped,
        hash,
        grant: Grant {
            max_duration: grant.max_duration.min(right.max_duration),
            ..grant
        },
        at: now,
    })
}

/// Leaves out what the files that are asked for cannot hold: whoever may upload must not be able to end a listing.
fn without_unfit(objects: Vec<Object>, inputs: &SigningInputs) -> Vec<Object> {
    let authorized = &inputs.authorized;
    let keys: Vec<&str> = objects.iter().map(|object| object.key.as_str()).collect();
    let unfit: BTreeSet<String> = unfit_keys(&authorized.wishes.formats, Method::Get, &keys)
        .into_iter()
        .map(ToOwned::to_owned)
        .collect();
    objects
        .into_iter()
        .filter(|object| !unfit.contains(object.key.as_str()))
        .collect()
}

fn too_few(inputs: &SigningInputs, list: &ListSelection, found: u32, skipped: u32) -> Problem {
    let left_out = match skipped {
        0 => String::new(),
        n => format!(
            " ({n} more were left out: their keys cannot be signed safely, no policy allows them, or a file of spec.formats cannot \
             hold them)"
        ),
    };
    Problem {
        reason: Reason::NoObjects,
        message: format!(
            "{found} objects were found under \"{}\" in bucket \"{}\"{left_out}, and spec.list.minObjects asks for {}: upload \
             them, mend spec.prefix or spec.list, or ask for fewer; it is listed again",
            list.prefix.as_str().escape_debug(),
            inputs.authorized.request.bucket,
            list.min_objects
        ),
        needs_human: false,
    }
}

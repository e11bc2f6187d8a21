//! What is under a prefix: the order of a listing, and what of it gets a URL.
//!
//! What holds here: each listed key is parsed and judged like a key that somebody asked for; what cannot be signed safely, or is
//! not allowed, is left out and counted. A listing is never cut off in silence: too many objects are refused. What was found
//! is not believed after a policy or the namespace changed, nor across a restart.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::ask::{ListOrder, Listing};
use super::judge::Allowed;
use super::memory::Trouble;
use super::sign::Object;
use super::store::{Held, shifted};
use super::time::later;
use crate::api::{Method, Reason};
use crate::issue::{listing_hash, unfit_keys};
use crate::policy::{Grant, Key, ListRequest, Namespace, PolicySet};

/// How long a listing is good for a signature.
pub(super) const FRESH: Duration = Duration::from_mins(5);
/// How long all pages together may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// What a listing found that gets URLs.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub(super) objects: Vec<Object>,
    /// How many were left out.
    pub(super) skipped: u32,
    pub(super) hash: String,
    /// What signs those that are allowed.
    pub(super) grant: Grant,
    pub(super) at: Timestamp,
}

impl Found {
    /// Whether it may still be signed from.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.at <= now && now < later(self.at, FRESH)
    }
}

/// The most objects that a resource may have.
pub(super) fn most(list: &ListRequest, grant: &Grant) -> u32 {
    list.max_objects
        .map_or(grant.max_objects, |most| most.min(grant.max_objects))
}

/// The listing that a resource needs.
pub(super) fn order(
    allowed: &Allowed,
    list: &ListRequest,
    held: &Held,
    now: Timestamp,
) -> ListOrder {
    ListOrder {
        target: allowed.ask_target.clone(),
        bucket: allowed.granted.request.bucket.clone(),
        wanted: list.clone(),
        most: most(list, &allowed.granted.grant),
        credentials: held.credentials.clone(),
        ca_bundle: allowed.ca_bundle.clone(),
        signed_at: shifted(now, held.skew),
        timeout: TIMEOUT,
    }
}

/// Judges what was listed.
pub(super) fn judge(
    policies: &PolicySet,
    namespace: &Namespace<'_>,
    allowed: &Allowed,
    list: &ListRequest,
    listing: Listing,
    now: Timestamp,
) -> Result<Found, Trouble> {
    let request = &allowed.granted.request;
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
        return Err(Trouble {
            reason: Reason::PolicyUnknown,
            message: format!(
                "some objects under \"{}\" in bucket \"{}\" may be allowed by a PresignedURLPolicy that cannot be read: an \
                 admin must mend it; until then nothing new is issued and nothing is taken away",
                list.prefix.as_str().escape_debug(),
                request.bucket
            ),
            stalled: true,
        });
    }
    let objects: Vec<Object> = objects
        .into_iter()
        .zip(listed.allowed)
        .filter_map(|(object, allowed)| allowed.then_some(object))
        .collect();
    let objects = without_unfit(objects, allowed);
    let skipped = u32::try_from(all - objects.len()).unwrap_or(u32::MAX);
    let found = u32::try_from(objects.len()).unwrap_or(u32::MAX);
    if found < list.min_objects {
        return Err(too_few(allowed, list, found, skipped));
    }
    let hash = listing_hash(objects.iter().map(|object| {
        let (size, etag) = object
            .listed
            .as_ref()
            .map_or((0, ""), |(size, etag)| (*size, etag.as_str()));
        (object.key.as_str(), size, etag)
    }));
    let right = &allowed.granted.grant;
    // Without an object nothing is signed, and the right to list is all there is. What is signed never outlives it.
    let grant = listed.grant.unwrap_or_else(|| right.clone());
    Ok(Found {
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
fn without_unfit(objects: Vec<Object>, allowed: &Allowed) -> Vec<Object> {
    let granted = &allowed.granted;
    let keys: Vec<&str> = objects.iter().map(|object| object.key.as_str()).collect();
    let unfit: BTreeSet<String> = unfit_keys(&granted.wishes.formats, Method::Get, &keys)
        .into_iter()
        .map(ToOwned::to_owned)
        .collect();
    objects
        .into_iter()
        .filter(|object| !unfit.contains(object.key.as_str()))
        .collect()
}

fn too_few(allowed: &Allowed, list: &ListRequest, found: u32, skipped: u32) -> Trouble {
    let left_out = match skipped {
        0 => String::new(),
        n => format!(
            " ({n} more were left out: their keys cannot be signed safely, no policy allows them, or a file of spec.formats cannot \
             hold them)"
        ),
    };
    Trouble {
        reason: Reason::NoObjects,
        message: format!(
            "{found} objects were found under \"{}\" in bucket \"{}\"{left_out}, and spec.list.minObjects asks for {}: upload \
             them, mend spec.prefix or spec.list, or ask for fewer; it is listed again",
            list.prefix.as_str().escape_debug(),
            allowed.granted.request.bucket,
            list.min_objects
        ),
        stalled: false,
    }
}

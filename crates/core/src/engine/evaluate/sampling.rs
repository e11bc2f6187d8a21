//! The requests that verify URLs, and the outcome that their answers give.
//!
//! What holds here:
//! - A request is a GET of the first byte at the operator's own endpoint, so it changes nothing at the store.
//!   For an upload or a removal it shows only what a read can show.
//! - An outcome carries the hash of the signed content. The status records that hash, so a restart verifies
//!   nothing again.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{ConditionStatus, GetOptions, SignedHashes};
use crate::engine::cache::verification::Verification;
use crate::engine::evaluate::evaluation::SigningInputs;
use crate::engine::protocol::{S3Request, S3Result};
use crate::engine::s3::{ObjectSubject, ObjectVerdict, verify_object};
use crate::engine::store::HeldCredentials;
use crate::issue::listed::FoundObjects;
use crate::issue::verification_hash;
use crate::request::{Key, Objects, Options, Request};
use crate::signing::{Operation, presign};
use crate::time::{between, shifted};

/// The most objects of a resource that are requested.
const SAMPLE: usize = 4;
/// The life of a URL that only verifies.
const LIFE: Duration = Duration::from_mins(2);
/// The last segment of a key that should not exist.
const PROBE_KEY: &str = "presigned-url-operator-verify";

/// The hash of issued content, as an outcome carries it.
pub(in crate::engine) fn hash_of(hashes: &SignedHashes) -> String {
    verification_hash(&hashes.spec, &hashes.store, &hashes.credential)
}

/// The same hash for content that is not signed yet.
pub(in crate::engine) fn hash_of_next(inputs: &SigningInputs, held: &HeldCredentials) -> String {
    verification_hash(&inputs.authorized.spec_hash, &inputs.store_hash, &held.hash)
}

/// The keys to request: all of a few, else some between the first and the last.
///
/// For an upload or a removal it is a key beside the object that should not exist: a tenant who may only write
/// or remove an object does not learn from `Verified` whether it exists.
pub(in crate::engine) fn sample(request: &Request, found: Option<&FoundObjects>) -> Vec<Key> {
    let is_read = is_read(request);
    let folder = |key: &Key| {
        let folder = key.as_str().rsplit_once('/');
        folder.map_or(String::new(), |(folder, _)| format!("{folder}/"))
    };
    match &request.objects {
        Objects::Key(key) if is_read => vec![key.clone()],
        Objects::Keys(keys) if is_read => evenly_spaced(keys, Clone::clone),
        Objects::Key(key) => sibling_probe_key(&folder(key)),
        Objects::Keys(keys) => keys
            .first()
            .map_or_else(Vec::new, |key| sibling_probe_key(&folder(key))),
        Objects::List(_) => found.map_or_else(Vec::new, |found| {
            evenly_spaced(&found.objects, |object| object.key.clone())
        }),
        Objects::Under(prefix) => sibling_probe_key(prefix.as_str()),
    }
}

fn is_read(request: &Request) -> bool {
    matches!(request.options, Options::Get(_) | Options::Head(_))
}

/// A key under this prefix that should not exist; a short one if the prefix leaves little room.
fn sibling_probe_key(prefix: &str) -> Vec<Key> {
    [PROBE_KEY, "0"]
        .iter()
        .find_map(|name| Key::parse(&format!("{prefix}{name}")).ok())
        .into_iter()
        .collect()
}

fn evenly_spaced<T>(all: &[T], key: impl Fn(&T) -> Key) -> Vec<Key> {
    let last = all.len().saturating_sub(1);
    let count = SAMPLE.min(all.len());
    (0..count)
        .filter_map(|at| all.get(at * last / count.saturating_sub(1).max(1)))
        .map(key)
        .collect()
}

/// A request for each key; none for a key that cannot be signed.
pub(in crate::engine) fn verification_requests(
    inputs: &SigningInputs,
    held: &HeldCredentials,
    sample: &[Key],
    now: Timestamp,
) -> Vec<(Key, S3Request)> {
    let options = Options::Get(match &inputs.authorized.grant.options {
        Options::Get(get) | Options::Head(get) => get.clone(),
        Options::Put(_) | Options::Delete | Options::Post(_) => GetOptions::default(),
    });
    let signed_at = shifted(now, held.skew);
    let life = held
        .credentials
        .expires_at
        .map_or(LIFE, |end| LIFE.min(between(signed_at, end)));
    sample
        .iter()
        .filter_map(|key| {
            let operation = Operation {
                bucket: &inputs.authorized.request.bucket,
                key,
                options: &options,
            };
            let target = &inputs.operator_target;
            let presigned = presign(&operation, target, &held.credentials, signed_at, life).ok()?;
            let request = S3Request {
                url: presigned.url,
                headers: Vec::new(),
            };
            Some((key.clone(), request))
        })
        .collect()
}

/// The outcome of a verification: the worst answer decides, and the first of equally bad ones.
pub(in crate::engine) fn verification(
    inputs: &SigningInputs,
    sample: &[Key],
    answers: &[S3Result],
    hash: String,
    now: Timestamp,
) -> Option<Verification> {
    let request = &inputs.authorized.request;
    // The message names the object of the spec, not the key beside it that was requested.
    let named = match &request.objects {
        Objects::Under(prefix) => Some(format!("{prefix}*")),
        _ if is_read(request) => None,
        Objects::Key(key) => Some(key.to_string()),
        Objects::Keys(keys) => keys.first().map(ToString::to_string),
        Objects::List(_) => None,
    };
    let verdicts = sample.iter().zip(answers).map(|(key, answer)| {
        verify_object(
            answer,
            &ObjectSubject {
                target: &inputs.operator_target,
                bucket: &request.bucket,
                key: named.as_deref().unwrap_or(key.as_str()),
                options: &request.options,
            },
        )
    });
    let rank = |verdict: &ObjectVerdict| match verdict.status {
        ConditionStatus::False => 0,
        ConditionStatus::Unknown => 1,
        ConditionStatus::True => 2,
    };
    let verdict = verdicts.min_by_key(rank)?;
    Some(Verification {
        hash,
        verdict,
        at: now,
    })
}

//! Trying what was signed: which objects are asked for, and what the condition `Verified` says of the
//! answers.
//!
//! What holds here: a try is a GET of the first byte through the operator's own endpoint, so nothing is ever
//! written by it; what an upload or a removal would meet is told as far as a read shows it. A try never holds
//! up a Secret unless `verify: Require` asks for it, and an outcome is remembered by what was signed, so that
//! a restart tries nothing again.

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
use crate::time::shifted;

/// How many objects of a resource are tried.
const SAMPLE: usize = 4;
/// The life of a URL that is only tried.
const LIFE: Duration = Duration::from_mins(2);
/// The last segment of a key that is asked for where a form's sender will choose one.
const PROBE_KEY: &str = "presigned-url-operator-verify";

/// The hash of what a proof speaks of.
pub(in crate::engine) fn hash_of(hashes: &SignedHashes) -> String {
    verification_hash(&hashes.spec, &hashes.store, &hashes.credential)
}

/// The same for what is not signed yet.
pub(in crate::engine) fn hash_of_next(inputs: &SigningInputs, held: &HeldCredentials) -> String {
    verification_hash(&inputs.authorized.spec_hash, &inputs.store_hash, &held.hash)
}

/// The objects that are tried: all of a few, else some from the first to the last.
///
/// What is no read is tried beside the object: whoever may only write or remove is not told whether it
/// exists.
pub(in crate::engine) fn sample(request: &Request, found: Option<&FoundObjects>) -> Vec<Key> {
    let reads = reads(request);
    let folder = |key: &Key| {
        let folder = key.as_str().rsplit_once('/');
        folder.map_or(String::new(), |(folder, _)| format!("{folder}/"))
    };
    match &request.objects {
        Objects::Key(key) if reads => vec![key.clone()],
        Objects::Keys(keys) if reads => spread(keys, Clone::clone),
        Objects::Key(key) => sibling_probe_key(&folder(key)),
        Objects::Keys(keys) => keys
            .first()
            .map_or_else(Vec::new, |key| sibling_probe_key(&folder(key))),
        Objects::List(_) => found.map_or_else(Vec::new, |found| {
            spread(&found.objects, |object| object.key.clone())
        }),
        Objects::Under(prefix) => sibling_probe_key(prefix.as_str()),
    }
}

fn reads(request: &Request) -> bool {
    matches!(request.options, Options::Get(_) | Options::Head(_))
}

/// A key that nobody has, as near as the length of keys allows.
fn sibling_probe_key(prefix: &str) -> Vec<Key> {
    [PROBE_KEY, "0"]
        .iter()
        .find_map(|name| Key::parse(&format!("{prefix}{name}")).ok())
        .into_iter()
        .collect()
}

fn spread<T>(all: &[T], key: impl Fn(&T) -> Key) -> Vec<Key> {
    let last = all.len().saturating_sub(1);
    let count = SAMPLE.min(all.len());
    (0..count)
        .filter_map(|at| all.get(at * last / count.saturating_sub(1).max(1)))
        .map(key)
        .collect()
}

/// The requests that try these objects; none where nothing can be signed.
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
    let left = held
        .credentials
        .expires_at
        .map_or(LIFE, |end| LIFE.min(crate::time::between(signed_at, end)));
    sample
        .iter()
        .filter_map(|key| {
            let operation = Operation {
                bucket: &inputs.authorized.request.bucket,
                key,
                options: &options,
            };
            let target = &inputs.operator_target;
            let presigned = presign(&operation, target, &held.credentials, signed_at, left).ok()?;
            let ask = S3Request {
                url: presigned.url,
                headers: Vec::new(),
            };
            Some((key.clone(), ask))
        })
        .collect()
}

/// What the answers come to: the first that is not good, else that all were.
pub(in crate::engine) fn verification(
    inputs: &SigningInputs,
    sample: &[Key],
    answers: &[S3Result],
    hash: String,
    now: Timestamp,
) -> Option<Verification> {
    let request = &inputs.authorized.request;
    // What is tried beside its object is told by the object; a form's sender chooses it.
    let meant = match &request.objects {
        Objects::Under(prefix) => Some(format!("{prefix}*")),
        _ if reads(request) => None,
        Objects::Key(key) => Some(key.to_string()),
        Objects::Keys(keys) => keys.first().map(ToString::to_string),
        Objects::List(_) => None,
    };
    let verdicts = sample.iter().zip(answers).map(|(key, asked)| {
        verify_object(
            asked,
            &ObjectSubject {
                target: &inputs.operator_target,
                bucket: &request.bucket,
                key: meant.as_deref().unwrap_or(key.as_str()),
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

//! The requests that verify URLs, and the outcome that their answers give.
//!
//! What holds here:
//! - A request is a GET of the first byte or a HEAD at the operator's own endpoint, so it changes nothing at
//!   the store. For an upload or a removal it shows only what a read can show. What is signed for HEAD is
//!   requested by HEAD.
//! - Of many objects each shape of key is requested: one that a URL encodes, one that it does not, and the
//!   longest.
//! - An outcome carries the hash of the signed content. The status records that hash, so a restart verifies
//!   nothing again.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{ConditionStatus, GetOptions, SignedHashes};
use crate::engine::cache::verification::{Verification, rejects_signature};
use crate::engine::evaluate::signing_inputs::SigningInputs;
use crate::engine::protocol::{S3Method, S3Request, S3Result};
use crate::engine::s3::{ObjectSubject, ObjectVerdict, verify_head, verify_object};
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

/// The keys to request: all of a few, else one of each shape, and some from the first to the last.
///
/// For an upload or a removal it is a key beside the object that should not exist: a tenant who may only
/// write or remove an object does not learn from `Verified` whether it exists.
pub(in crate::engine) fn sample(request: &Request, found: Option<&FoundObjects>) -> Vec<Key> {
    let is_read = is_read(request);
    let folder = |key: &Key| {
        let folder = key.as_str().rsplit_once('/');
        folder.map_or(String::new(), |(folder, _)| format!("{folder}/"))
    };
    match &request.objects {
        Objects::Key(key) if is_read => vec![key.clone()],
        Objects::Keys(keys) if is_read => each_shape(keys.iter()),
        Objects::Key(key) => sibling_probe_key(&folder(key)),
        Objects::Keys(keys) => keys
            .first()
            .map_or_else(Vec::new, |key| sibling_probe_key(&folder(key))),
        Objects::List(_) => found.map_or_else(Vec::new, |found| {
            each_shape(found.objects.iter().map(|object| &object.key))
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

/// A key that a URL encodes, one that it does not, the longest, and as many more as there is room for, from
/// the first to the last. In the order of the keys.
fn each_shape<'a>(keys: impl Iterator<Item = &'a Key>) -> Vec<Key> {
    let keys: Vec<&Key> = keys.collect();
    let last = keys.len().saturating_sub(1);
    let longest = |(at, key): &(usize, &&Key)| (encoded_length(key), Reverse(*at));
    let shapes = [
        keys.iter()
            .position(|key| encoded_length(key) > key.as_str().len()),
        keys.iter()
            .position(|key| encoded_length(key) == key.as_str().len()),
        keys.iter()
            .enumerate()
            .max_by_key(longest)
            .map(|(at, _)| at),
    ];
    let spread = (0..SAMPLE).map(|at| at * last / (SAMPLE - 1));
    let mut chosen = BTreeSet::new();
    for at in shapes
        .into_iter()
        .flatten()
        .chain(spread)
        .chain(0..keys.len())
    {
        if chosen.len() == SAMPLE {
            break;
        }
        chosen.insert(at);
    }
    let chosen = chosen.into_iter().filter_map(|at| keys.get(at));
    chosen.map(|key| (*key).clone()).collect()
}

/// How long a key is in a URL, in which what is no letter, digit or one of `-._~/` takes three characters a
/// byte.
fn encoded_length(key: &Key) -> usize {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let bytes = key.as_str().bytes();
    bytes.map(|b| if plain(b) { 1 } else { 3 }).sum()
}

/// The requests for each key: a GET, and a HEAD after it if a URL for HEAD is issued, since a HEAD that is
/// refused does not say why. None for a key that cannot be signed.
pub(in crate::engine) fn verification_requests(
    inputs: &SigningInputs,
    held: &HeldCredentials,
    sample: &[Key],
    now: Timestamp,
) -> Vec<((Key, S3Method), S3Request)> {
    let authorized = &inputs.authorized;
    let get = match &authorized.grant.options {
        Options::Get(get) | Options::Head(get) => get.clone(),
        Options::Put(_) | Options::Delete | Options::Post(_) => GetOptions::default(),
    };
    let with_head = matches!(
        (&authorized.grant.options, &authorized.request.objects),
        (Options::Head(_), _) | (Options::Get(_), Objects::Key(_))
    );
    let mut methods = vec![(S3Method::Get, Options::Get(get.clone()))];
    if with_head {
        methods.push((S3Method::Head, Options::Head(get)));
    }
    let signed_at = shifted(now, held.skew);
    // A proxy may show another clock than that of the server behind it: the request is valid by both.
    let life = LIFE + held.skew.unsigned_abs();
    let life = held
        .credentials
        .expires_at
        .map_or(life, |end| life.min(between(signed_at, end)));
    let requests = sample.iter().flat_map(|key| {
        methods.iter().map(|(method, options)| {
            let operation = Operation {
                bucket: &authorized.request.bucket,
                key,
                options,
            };
            let target = &inputs.operator_target;
            let presigned = presign(&operation, target, &held.credentials, signed_at, life).ok()?;
            let request = S3Request {
                method: *method,
                url: presigned.url,
                headers: presigned.headers,
            };
            Some(((key.clone(), *method), request))
        })
    });
    requests.flatten().collect()
}

/// The outcome of a verification: the worst answer decides, and the first of equally bad ones.
pub(in crate::engine) fn verification(
    inputs: &SigningInputs,
    sample: &[(Key, S3Method)],
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
    let gets = sample.iter().zip(answers).enumerate();
    let gets = gets.filter(|(_, ((_, method), _))| *method == S3Method::Get);
    let verdicts = gets.map(|(at, ((key, _), get))| {
        let subject = ObjectSubject {
            target: &inputs.operator_target,
            bucket: &request.bucket,
            key: named.as_deref().unwrap_or(key.as_str()),
            options: &request.options,
        };
        // The HEAD of the same object follows.
        let head = match sample.get(at + 1) {
            Some((_, S3Method::Head)) => answers.get(at + 1),
            _ => None,
        };
        match head {
            Some(head) => verify_head(get, head, &subject),
            None => verify_object(get, &subject),
        }
    });
    let rank = |verdict: &ObjectVerdict| match verdict.status {
        ConditionStatus::False if rejects_signature(verdict.reason) => 0,
        ConditionStatus::False => 1,
        ConditionStatus::Unknown => 2,
        ConditionStatus::True => 3,
    };
    let verdict = verdicts.min_by_key(rank)?;
    Some(Verification {
        hash,
        verdict,
        at: now,
    })
}

#[cfg(test)]
mod tests {
    //! Which keys of many are requested.

    use super::*;

    fn sampled(keys: &[String]) -> Vec<String> {
        let keys: Vec<Key> = keys.iter().map(|key| Key::parse(key).unwrap()).collect();
        let sample = each_shape(keys.iter());
        sample.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn of_many_keys_each_shape_is_requested() {
        let mut keys: Vec<String> = (0..1_000).map(|n| format!("a/{n:04}.csv")).collect();
        keys[617] = "a/0617 part.csv".to_owned();
        keys[618] = format!("a/0618-{}.csv", "long".repeat(20));
        let given = sampled(&keys);
        assert_eq!(given.len(), SAMPLE);
        for at in [0, 617, 618] {
            assert!(given.contains(&keys[at]), "{at}: {given:?}");
        }
        // One plain key among keys that are encoded.
        let mut keys: Vec<String> = (0..1_000).map(|n| format!("b/{n:04} ü.csv")).collect();
        keys[400] = "b/0400.csv".to_owned();
        assert!(sampled(&keys).contains(&keys[400]));
        assert!(sampled(&keys).contains(&keys[0]));
    }

    #[test]
    fn of_equal_keys_the_first_and_the_last_are_requested_and_of_few_all() {
        let keys: Vec<String> = (0..100).map(|n| format!("a/{n:04}.csv")).collect();
        assert_eq!(
            sampled(&keys),
            ["a/0000.csv", "a/0033.csv", "a/0066.csv", "a/0099.csv"]
        );
        for count in 0..=SAMPLE {
            assert_eq!(sampled(&keys[..count]), keys[..count]);
        }
    }
}

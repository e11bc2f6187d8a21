//! One probe of a store: a signed GET of a key that does not exist, and what its answer says of the version
//! that signed it.
//!
//! What holds here:
//! - the key is made from a hash, in a bucket that a dependent may use, so no object of anybody is read;
//! - a version is rejected only if the answer names the signature, the key, the session or the region, or is
//!   not S3's; missing rights reject nothing;
//! - the first probe of a location binds as the probe of a change does;
//! - a version is accepted only if the answer shows that the store checked the signature;
//! - the meaning of the answer and the sentence are those of `s3/`, and a sentence decides nothing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::clock_skew::shifted;
use super::config::StoreConfig;
use super::credentials::{HeldCredentials, expired};
use super::unsigned_headers;
use crate::api::{
    ClusterObjectStoreStatus, Condition, ConditionStatus, ConditionType, GetOptions, Reason,
    condition,
};
use crate::engine::protocol::{CredentialsError, S3Method, S3Request, S3Result};
use crate::engine::s3::{Diagnosis, Subject, describe, diagnose};
use crate::issue::data_hash;
use crate::request::{Bucket, Key, Options};
use crate::signing::{Operation, presign};

/// How long a probe's URL lives, from 30 s before it is made.
const LIFE: i64 = 300;
const BACKDATE: i64 = 30;
/// By how much a signature's date may be off before an answer says nothing of the credentials.
const MAX_DATE_ERROR: SignedDuration = SignedDuration::from_secs(60);

/// What a probe says of the version that signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum ProbeVerdict {
    /// The store accepts the signature.
    Accepted,
    /// The store answers by an error that neither accepts nor rejects the signature.
    Undecided(Reason, String),
    /// The version cannot work: nothing is signed with it.
    Rejected(Reason, String),
    /// No answer came, or one that every version would get now.
    Inconclusive(Reason, String),
    /// The clock that dated the signature was wrong: the probe is made again by the right one.
    SignedByWrongClock,
}

impl ProbeVerdict {
    /// Whether the region or the server is wrong, whatever key signs.
    pub(super) fn rejects_any_key(&self) -> bool {
        matches!(self, Self::Rejected(reason, _) if *reason != Reason::CredentialsInvalid)
    }
}

/// A rejection of before the start. It stands until an answer, for what the spec names now and what its
/// source gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecoveredRejection {
    pub(super) verdict: ProbeVerdict,
    /// The hash of the credentials that were rejected; `None` if the place is rejected, whatever signs.
    pub(super) credentials: Option<String>,
}

/// What was known of the location (endpoint, region, addressing style) before the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// Nothing: the store is new.
    New,
    /// It replaces another one that is in use.
    Moved,
    /// The store accepted a signature there before.
    Proven,
}

/// The requests of a probe: a plain one, and the same with a header that is not signed.
///
/// # Errors
/// Why nothing could be signed.
pub(super) fn requests(
    config: &StoreConfig,
    held: &HeldCredentials,
    bucket: &Bucket,
    uid: &str,
    offset: SignedDuration,
    now: Timestamp,
) -> Result<Vec<S3Request>, (Reason, String)> {
    let target = match config.target(None, bucket) {
        Some(Ok(target)) => target,
        Some(Err(error)) => return Err((Reason::StoreInvalid, error.to_string())),
        None => return Ok(Vec::new()),
    };
    let name = data_hash([
        ("store", uid.as_bytes()),
        ("at", now.as_second().to_string().as_bytes()),
    ]);
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let key: String = "presigned-probe-".chars().chain(letters).collect();
    let key = Key::parse(&key).map_err(|error| (Reason::StoreInvalid, error.to_string()))?;
    let signed_at = shifted(now, offset - SignedDuration::from_secs(BACKDATE));
    let left = held
        .credentials
        .expires_at
        .map_or(LIFE, |end| end.as_second() - signed_at.as_second());
    // The store's clock may be ahead, so that a session has expired there and not here.
    let life = u64::try_from(left.min(LIFE)).ok().filter(|life| *life > 0);
    let expires = life.map(Duration::from_secs).ok_or_else(|| {
        let CredentialsError { reason, message } = expired();
        (reason, message)
    })?;
    let options = Options::Get(GetOptions::default());
    let operation = Operation {
        bucket,
        key: &key,
        options: &options,
    };
    let presigned = presign(&operation, &target, &held.credentials, signed_at, expires)
        .map_err(|error| (Reason::CredentialsInvalid, error.to_string()))?;
    let plain = S3Request {
        method: S3Method::Get,
        url: presigned.url,
        headers: Vec::new(),
    };
    if config.is_aws() {
        return Ok(vec![plain]);
    }
    let (name, value) = unsigned_headers::HEADER;
    let with_header = S3Request {
        headers: vec![(name.to_owned(), value.to_owned())],
        ..plain.clone()
    };
    Ok(vec![plain, with_header])
}

/// Says what the answer to the plain request means. `offset` is what was added to the operator's time for the
/// signature.
pub(super) fn verdict(
    result: &S3Result,
    config: &StoreConfig,
    location: Location,
    offset: SignedDuration,
) -> ProbeVerdict {
    let diagnosis = diagnose(result);
    let skew = result.as_ref().ok().and_then(|answer| answer.skew);
    let wrong_clock = skew.is_some_and(|skew| (skew - offset).abs() > MAX_DATE_ERROR);
    let sentence = || {
        let (host, address) = (config.host(), config.address());
        let subject = Subject::Store {
            host: &host,
            address: &address,
            region: &config.region,
        };
        describe(&diagnosis, &subject)
    };
    match &diagnosis {
        Diagnosis::AccessDenied { .. }
        | Diagnosis::ClockSkewed { .. }
        | Diagnosis::CredentialsRefused { .. }
        | Diagnosis::SignatureRefused { .. }
        | Diagnosis::OtherError { .. }
            if wrong_clock =>
        {
            ProbeVerdict::SignedByWrongClock
        }
        Diagnosis::SignatureMismatch { .. }
        | Diagnosis::UnknownAccessKey
        | Diagnosis::CredentialsRefused { .. }
        | Diagnosis::SignatureRefused { .. }
        | Diagnosis::InvalidToken => {
            ProbeVerdict::Rejected(Reason::CredentialsInvalid, sentence().1)
        }
        Diagnosis::ClockSkewed { .. }
        | Diagnosis::Unavailable { .. }
        | Diagnosis::Unreachable(_) => {
            let (reason, why) = sentence();
            ProbeVerdict::Inconclusive(reason, why)
        }
        // Each of AWS's endpoints is of one region, and only the bucket can be in another one.
        Diagnosis::WrongRegion { .. }
            if location == Location::Moved || (location == Location::New && !config.is_aws()) =>
        {
            let (reason, why) = sentence();
            ProbeVerdict::Rejected(reason, why)
        }
        // A server that answers without S3's errors, or that has an object of every key, is not an S3 server.
        // If one answered there before, a proxy or another server answers in its place now.
        Diagnosis::Readable { .. }
        | Diagnosis::OutOfRange { .. }
        | Diagnosis::NotS3 { .. }
        | Diagnosis::Redirected { .. } => match location {
            Location::Proven => {
                ProbeVerdict::Inconclusive(Reason::UnexpectedResponse, sentence().1)
            }
            Location::New | Location::Moved => {
                ProbeVerdict::Rejected(Reason::UnexpectedResponse, sentence().1)
            }
        },
        // A store looks for rights, objects, their versions and their keys once it has accepted the
        // signature.
        Diagnosis::AccessDenied { .. }
        | Diagnosis::NoSuchKey { .. }
        | Diagnosis::NoSuchVersion { .. }
        | Diagnosis::Archived { .. }
        | Diagnosis::Deleted { .. }
        | Diagnosis::DeleteMarker { .. }
        | Diagnosis::CustomerKey { .. }
        | Diagnosis::Kms { .. }
        | Diagnosis::CapExceeded => ProbeVerdict::Accepted,
        // It may look for the bucket and its region, or find another fault, before it checks the signature.
        _ => {
            let (reason, why) = sentence();
            ProbeVerdict::Undecided(reason, why)
        }
    }
}

/// What `Ready` adds if a change is not used and what was used before it is.
pub(in crate::engine) const STILL_USED: &str = "; what was used before the change is still used";

/// The rejection that the status reports of this generation. Its sentence decides nothing, and is kept
/// unchanged but for its end: after a start nothing is known that was used before.
pub(super) fn recover_rejection(
    status: &ClusterObjectStoreStatus,
    generation: i64,
) -> Option<RecoveredRejection> {
    let ready = recorded_ready(status, generation)?;
    if ready.status != ConditionStatus::False {
        return None;
    }
    let by_reason = |reason: Reason| ready.reason == reason.as_str();
    // Only a probe gives the first two; credentials that were fetched can be invalid by themselves.
    let (reason, credentials) = if by_reason(Reason::WrongRegion) {
        (Reason::WrongRegion, None)
    } else if by_reason(Reason::UnexpectedResponse) {
        (Reason::UnexpectedResponse, None)
    } else if by_reason(Reason::CredentialsInvalid) {
        let hash = status.internal.rejected_credentials.clone()?;
        (Reason::CredentialsInvalid, Some(hash))
    } else {
        return None;
    };
    let said = &ready.message;
    let message = said.strip_suffix(STILL_USED).unwrap_or(said).to_owned();
    Some(RecoveredRejection {
        verdict: ProbeVerdict::Rejected(reason, message),
        credentials,
    })
}

/// Whether the status reports that the store accepted a signature by this generation of the spec.
pub(super) fn was_accepted(status: &ClusterObjectStoreStatus, generation: i64) -> bool {
    let remembered =
        status.internal.proven == Some(true) && status.observed_generation == Some(generation);
    remembered
        || recorded_ready(status, generation).is_some_and(|ready| {
            ready.status == ConditionStatus::True
                && ready.reason == Reason::CredentialsReady.as_str()
        })
}

fn recorded_ready(status: &ClusterObjectStoreStatus, generation: i64) -> Option<&Condition> {
    let ready = condition(&status.conditions, ConditionType::Ready);
    ready.filter(|ready| ready.observed_generation == Some(generation))
}

#[cfg(test)]
mod tests;

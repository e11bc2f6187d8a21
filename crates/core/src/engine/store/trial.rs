//! One look at a store: a signed GET of a key that does not exist, and what its answer says of the credentials, the endpoint
//! and the region.
//!
//! What holds here: the key is made from a hash, in a bucket that a dependent may use, so nobody's object is read. Only an
//! answer that names the signature, the key, the session or the region says that they can't work; a want of rights does
//! not. The sentences are ours.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::HeldCredentials;
use super::compiled::StoreConfig;
use super::probe;
use super::skew::shifted;
use crate::api::{GetOptions, Reason};
use crate::engine::protocol::{ErrorCode, S3Request, S3Response, S3Result, TransportError};
use crate::issue::data_hash;
use crate::policy::{Bucket, Key, Options};
use crate::signing::{Operation, presign};

/// How long a look's URL lives, from 30 s before it is made.
const LIFE: i64 = 300;
const BACKDATE: i64 = 30;
/// By how much a signature's date may be off before an answer says nothing of the credentials.
const MISDATED: SignedDuration = SignedDuration::from_secs(60);

/// The codes by which a server says that the credentials can't work, and what follows the server's name then.
const REJECTIONS: [(ErrorCode, &str); 3] = [
    (
        ErrorCode::SignatureDoesNotMatch,
        "computes another signature: mend the secret access key, or the region and the endpoint if they were changed",
    ),
    (
        ErrorCode::InvalidAccessKeyId,
        "does not know the access key ID: mend it, or create it there",
    ),
    (
        ErrorCode::InvalidToken,
        "refuses the session token, or the session has ended: renew the credentials",
    ),
];

/// What a look says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Verdict {
    /// The store took the signature.
    Works,
    /// It can't work.
    Rejected(Reason, String),
    /// No answer, or none that tells.
    TransportError(Reason, String),
    /// The signature was dated by a wrong clock: it is to be made again by the right one.
    Misdated,
}

/// The requests of a look: a plain one, and the same with a header that is not signed.
///
/// # Errors
/// Why nothing could be signed.
pub(super) fn asks(
    compiled: &StoreConfig,
    held: &HeldCredentials,
    bucket: &Bucket,
    uid: &str,
    correction: SignedDuration,
    now: Timestamp,
) -> Result<Vec<S3Request>, (Reason, String)> {
    let target = match compiled.target(None, bucket) {
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
    let signed_at = shifted(now, correction - SignedDuration::from_secs(BACKDATE));
    let left = held
        .credentials
        .expires_at
        .map_or(LIFE, |end| end.as_second() - signed_at.as_second());
    let expires = Duration::from_secs(u64::try_from(left.clamp(1, LIFE)).unwrap_or(1));
    let options = Options::Get(GetOptions::default());
    let operation = Operation {
        bucket,
        key: &key,
        options: &options,
    };
    let presigned = presign(&operation, &target, &held.credentials, signed_at, expires)
        .map_err(|error| (Reason::CredentialsInvalid, error.to_string()))?;
    let plain = S3Request {
        url: presigned.url,
        headers: Vec::new(),
    };
    if compiled.is_aws() {
        return Ok(vec![plain]);
    }
    let (name, value) = probe::HEADER;
    let with_header = S3Request {
        headers: vec![(name.to_owned(), value.to_owned())],
        ..plain.clone()
    };
    Ok(vec![plain, with_header])
}

/// What the answer to the plain request says. `moved` where another endpoint, region or style is tried; `correction` is
/// what the signature was dated by.
pub(super) fn verdict(
    asked: &S3Result,
    compiled: &StoreConfig,
    moved: bool,
    correction: SignedDuration,
) -> Verdict {
    let answer = match asked {
        Ok(answer) => answer,
        Err(unreached) => return unreached_verdict(*unreached, &compiled.host()),
    };
    let misdated = answer
        .skew
        .is_some_and(|skew| (skew - correction).abs() > MISDATED);
    match answer.code {
        Some(ErrorCode::AccessDenied | ErrorCode::RequestTimeTooSkewed | ErrorCode::Other)
            if misdated =>
        {
            Verdict::Misdated
        }
        Some(code) => of_code(code, answer, compiled, moved),
        None if (500..600).contains(&answer.status) => busy(&compiled.host()),
        // What answers without S3's errors, or holds every key, is no S3.
        None if moved => Verdict::Rejected(
            Reason::UnexpectedAnswer,
            format!(
                "{} does not answer as an S3 server does: mend spec.s3.endpoint",
                compiled.host()
            ),
        ),
        None => Verdict::Works,
    }
}

fn of_code(code: ErrorCode, answer: &S3Response, compiled: &StoreConfig, moved: bool) -> Verdict {
    let host = compiled.host();
    let rejection = REJECTIONS.iter().find(|(of, _)| *of == code);
    if let Some((_, why)) = rejection {
        return rejected(&host, why);
    }
    match code {
        ErrorCode::WrongRegion if moved => {
            let right = answer.region.as_ref().map_or_else(
                || "name the region in which the buckets are".to_owned(),
                |region| format!("the bucket that was asked for is in {region}"),
            );
            Verdict::Rejected(
                Reason::WrongRegion,
                format!(
                    "{host} does not serve region {}: {right} (spec.s3.region)",
                    compiled.region
                ),
            )
        }
        ErrorCode::RequestTimeTooSkewed => Verdict::TransportError(
            Reason::ClockSkewed,
            format!("{host} says that its clock differs too much from the operator's"),
        ),
        ErrorCode::Unavailable => busy(&host),
        // Rights, objects, buckets: the signature was taken.
        _ => Verdict::Works,
    }
}

fn rejected(host: &str, why: &str) -> Verdict {
    Verdict::Rejected(Reason::CredentialsInvalid, format!("{host} {why}"))
}

/// What a look said before the operator started, by the sentence that the status tells: the credentials can't work. What a
/// fetch said is another sentence, and a fetch tells it again.
pub(super) fn told(sentence: &str, compiled: &StoreConfig) -> Option<Verdict> {
    let host = compiled.host();
    let mut rejections = REJECTIONS.iter().map(|(_, why)| rejected(&host, why));
    rejections.find(|verdict| matches!(verdict, Verdict::Rejected(_, said) if said == sentence))
}

fn busy(host: &str) -> Verdict {
    Verdict::TransportError(
        Reason::StoreUnavailable,
        format!("{host} says that it is not available now"),
    )
}

fn unreached_verdict(unreached: TransportError, host: &str) -> Verdict {
    let (reason, message) = match unreached {
        TransportError::Host => (
            Reason::HostNotFound,
            format!("the host name of {host} cannot be resolved from the operator"),
        ),
        TransportError::Connection => (
            Reason::ConnectionFailed,
            format!("{host} takes no connection from the operator"),
        ),
        TransportError::Tls => (
            Reason::TlsFailed,
            format!(
                "the certificate of {host} is not trusted, or names another host: set spec.s3.caBundle, or mend the certificate"
            ),
        ),
        TransportError::Timeout => (
            Reason::StoreUnavailable,
            format!("{host} did not answer in time"),
        ),
    };
    Verdict::TransportError(reason, message)
}

#[cfg(test)]
mod tests;

//! What a status says of its resource, read as a user reads it.

use presigned_core::api::{ConditionStatus, PresignedUrlStatus};
use presigned_core::engine::PresignedUrlSeen;

fn condition(status: &PresignedUrlStatus, type_: &str) -> Option<(ConditionStatus, Option<i64>)> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
        .map(|condition| (condition.status, condition.observed_generation))
}

/// What no watch tells the end of: the operator asks every five minutes.
const ASKED_AGAIN: [&str; 9] = [
    "SecretConflict",
    "NoSuchKey",
    "CredentialsInvalid",
    "CredentialsUnavailable",
    "CredentialsExpired",
    "CredentialsExpiryUnknown",
    "WrongRegion",
    "UnexpectedResponse",
    "StoreUnavailable",
];

/// Whether the status says what stands in the way, and no watch tells when that has gone: somebody else's
/// Secret of the name, what the store answers, what a source of credentials gives.
pub fn asked_again(status: &PresignedUrlStatus) -> bool {
    let mut conditions = status.conditions.iter();
    conditions.any(|c| c.type_ == "Ready" && ASKED_AGAIN.contains(&&*c.reason))
}

pub fn ready(status: &PresignedUrlStatus) -> bool {
    condition(status, "Ready").is_some_and(|(ready, _)| ready == ConditionStatus::True)
}

pub fn ready_generation(status: &PresignedUrlStatus) -> Option<i64> {
    condition(status, "Ready").and_then(|(_, generation)| generation)
}

pub fn allowed_true(status: &PresignedUrlStatus) -> bool {
    condition(status, "Allowed").is_some_and(|(allowed, _)| allowed == ConditionStatus::True)
}

pub fn renewed_false(status: &PresignedUrlStatus) -> bool {
    condition(status, "Renewed").is_some_and(|(renewed, _)| renewed == ConditionStatus::False)
}

pub fn verified_false(status: &PresignedUrlStatus) -> bool {
    condition(status, "Verified").is_some_and(|(verified, _)| verified == ConditionStatus::False)
}

pub fn suspended(seen: &PresignedUrlSeen) -> bool {
    seen.spec
        .as_ref()
        .is_ok_and(|spec| spec.suspend == Some(true))
}

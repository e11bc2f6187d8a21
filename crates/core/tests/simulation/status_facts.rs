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

/// Whether the status says that somebody else's Secret has the name.
pub fn conflicts(status: &PresignedUrlStatus) -> bool {
    let mut conditions = status.conditions.iter();
    conditions.any(|c| c.type_ == "Ready" && c.reason == "SecretConflict")
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

pub fn suspended(seen: &PresignedUrlSeen) -> bool {
    seen.spec
        .as_ref()
        .is_ok_and(|spec| spec.suspend == Some(true))
}

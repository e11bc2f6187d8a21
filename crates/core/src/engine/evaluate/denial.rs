//! When a refused resource loses its Secret.
//!
//! What holds here: the refusal is recorded before anything is removed on its account, and stands for the whole grace.

use jiff::Timestamp;

use crate::api::{ConditionStatus, ConditionType, PresignedUrlStatus};
use crate::engine::cache::index::Record;
use crate::engine::evaluate::condition;
use crate::engine::protocol::{DenialGrace, Settings};
use crate::engine::scheduler::wake::RequeueAt;

/// Since when the policies have refused, as the status tells it.
pub(in crate::engine) fn denied_since(status: &PresignedUrlStatus) -> Option<Timestamp> {
    condition(status, ConditionType::Allowed)
        .filter(|allowed| allowed.status == ConditionStatus::False)
        .map(|allowed| allowed.last_transition_time)
}

/// When a refused resource's Secret is removed; `None` if it is left to expire.
pub(in crate::engine) fn removal_at(
    record: &Record,
    settings: &Settings,
    now: Timestamp,
) -> Option<Timestamp> {
    match settings.denial_grace {
        DenialGrace::Never => None,
        DenialGrace::After(grace) => {
            let since = denied_since(&record.seen.status).unwrap_or(now);
            Some(since.checked_add(grace).unwrap_or(since))
        }
    }
}

/// Whether a refused resource's Secret is removed now. If it is removed later, that time is noted.
pub(in crate::engine) fn grace_is_over(
    record: &Record,
    settings: &Settings,
    now: Timestamp,
    requeue: &mut RequeueAt,
) -> bool {
    match removal_at(record, settings, now) {
        Some(at) if at > now => {
            requeue.at(at);
            false
        }
        at => at.is_some() && denied_since(&record.seen.status).is_some(),
    }
}

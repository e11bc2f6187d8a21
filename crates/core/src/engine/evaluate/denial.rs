//! When a refused resource loses its Secret.
//!
//! What holds here: the refusal is recorded before anything is removed on its account, and stands for the
//! whole grace.

use jiff::Timestamp;

use crate::api::denied_since;
use crate::engine::cache::index::Record;
use crate::engine::protocol::{DenialGrace, Settings};
use crate::engine::scheduler::wake::RequeueAt;

/// When a refused resource's Secret is removed; `None` if it is left to expire.
pub(in crate::engine) fn removal_at(
    record: &Record,
    settings: &Settings,
    now: Timestamp,
) -> Option<Timestamp> {
    match settings.denial_grace {
        DenialGrace::Never => None,
        DenialGrace::After(grace) => {
            let since = denied_since(&record.seen.status.conditions).unwrap_or(now);
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
        at => at.is_some() && denied_since(&record.seen.status.conditions).is_some(),
    }
}

//! Whether a denial stands, and when it removes the Secret.
//!
//! What holds here:
//! - The grace begins with the denial that the status records, and nothing is removed before it is recorded.

use jiff::Timestamp;

use crate::api::{MAX_POLICY_NAMES, denied_since};
use crate::engine::cache::record::Record;
use crate::engine::cache::state::Unrecorded;
use crate::engine::protocol::{DenialGrace, Settings};
use crate::engine::scheduler::wake::RequeueAt;

/// When the Secret of a denied resource is removed; `None` if it stays until its URLs expire.
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

/// Whether the Secret of a denied resource is removed now. A later time goes to `requeue`.
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

/// Whether a denial stands although these policies cannot be read: other policies allowed the issued URLs,
/// and they no longer do.
pub(in crate::engine) fn denial_stands(record: &Record, unreadable: &[String]) -> bool {
    let issued = match &record.state.unrecorded {
        Some(Unrecorded::Written(issued)) => &issued.policies,
        Some(Unrecorded::Removed(_)) => return false,
        None if record.seen.status.internal.secret.is_none() => return false,
        None => &record.seen.status.policy_refs,
    };
    // A full list may be incomplete.
    let complete = !issued.is_empty() && issued.len() < MAX_POLICY_NAMES;
    complete && !unreadable.iter().any(|policy| issued.contains(policy))
}

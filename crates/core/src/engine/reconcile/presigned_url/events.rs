//! Kubernetes Events for changes of the status.
//!
//! What holds here:
//! - Each transition of a condition has one Event, as long as the resource has few. A renewal that succeeds
//!   has none.

use jiff::Timestamp;

use crate::api::{Condition, ConditionStatus, ConditionType, PresignedUrlStatus, Reason};
use crate::api::{condition, is_ready};
use crate::engine::cache::record::Record;
use crate::engine::evaluate::one_shot::reports_expiry;
use crate::engine::protocol::{EventRecord, EventSubject};

/// Whether `Ready` is False for the reason of this condition.
fn says_ready(status: &PresignedUrlStatus, verified: &Condition) -> bool {
    let ready = condition(&status.conditions, ConditionType::Ready);
    verified.status == ConditionStatus::False
        && ready.is_some_and(|ready| {
            ready.status == ConditionStatus::False && ready.reason == verified.reason
        })
}

/// The Events for the change from the recorded status to this one.
pub(super) fn of_transition(
    record: &Record,
    new: &PresignedUrlStatus,
    now: Timestamp,
) -> Vec<EventRecord> {
    let old = &record.seen.status;
    let mut events = Vec::new();
    for (type_, action) in [
        (ConditionType::Ready, "Issue"),
        (ConditionType::Renewed, "Renew"),
        (ConditionType::Verified, "Verify"),
    ] {
        let Some(after) = condition(&new.conditions, type_) else {
            continue;
        };
        let before = condition(&old.conditions, type_);
        if before.is_some_and(|before| before.agrees_with(after)) {
            continue;
        }
        let good = after.status == ConditionStatus::True;
        let ended = type_ == ConditionType::Ready
            && (reports_expiry(record, new) || after.reason == Reason::Deleting.as_str());
        let queued = |condition: &Condition| condition.reason == Reason::ListingQueued.as_str();
        let silent = match type_ {
            // It comes by itself, and the condition says when.
            _ if queued(after) => true,
            // The Event of Ready reports that renewals work again, and also that the URL is gone.
            ConditionType::Renewed => {
                let ready = |status: &PresignedUrlStatus| is_ready(&status.conditions);
                let refused = after.reason == Reason::NeverRenewed.as_str();
                let was_queued = before.is_some_and(queued);
                !refused && (!ready(new) || good && (before.is_none() || was_queued || !ready(old)))
            }
            // Only a failed verification, and the end of one, are news.
            ConditionType::Verified => {
                let failed = |condition: &Condition| condition.status == ConditionStatus::False;
                let news = failed(after) || before.is_some_and(failed);
                // `Ready` says it if the store rejects the signature.
                !news
                    || says_ready(new, after)
                    || before.is_some_and(|before| says_ready(old, before))
            }
            _ => after.reason == Reason::Progressing.as_str(),
        };
        if silent {
            continue;
        }
        let Some(reason) = Reason::named(&after.reason) else {
            continue;
        };
        events.push(EventRecord {
            subject: EventSubject::PresignedUrl,
            namespace: Some(record.seen.namespace.clone()),
            name: record.seen.name.clone(),
            uid: record.seen.uid.to_string(),
            version: record.seen.resource_version.clone(),
            warning: !(good || ended),
            reason,
            action,
            note: after.message.clone(),
            at: now,
        });
    }
    events
}

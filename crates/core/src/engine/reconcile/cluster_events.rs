//! Kubernetes Events of stores and policies.
//!
//! What holds here:
//! - Each change of a recorded `Ready` has one Event, as long as the object has few: the rate is that of a
//!   PresignedURL. What is said for the first time and needs no action, as that a store was not probed yet,
//!   has none.
//! - The Event is made when the write of the status starts, since the watch may report the new status before
//!   the answer arrives, and it is published after everything else that is due.

use jiff::Timestamp;

use crate::api::{Condition, ConditionStatus, ConditionType, Reason, condition};
use crate::engine::protocol::{EventRecord, EventSubject, ObjectKey, Step};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::Ctx;

/// The object whose status changes.
pub(super) struct About<'a> {
    pub(super) subject: EventSubject,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
    pub(super) resource_version: &'a str,
}

/// The Event for the change from the recorded conditions to these.
pub(super) fn of_transition(
    about: &About<'_>,
    old: &[Condition],
    new: &[Condition],
    now: Timestamp,
) -> Option<Box<EventRecord>> {
    let after = condition(new, ConditionType::Ready)?;
    let before = condition(old, ConditionType::Ready);
    if before.is_some_and(|before| before.agrees_with(after))
        || after.reason == Reason::NotProbed.as_str()
    {
        return None;
    }
    let reason = Reason::named(&after.reason)?;
    Some(Box::new(EventRecord {
        subject: about.subject,
        namespace: None,
        name: about.name.to_owned(),
        uid: about.uid.to_owned(),
        version: about.resource_version.to_owned(),
        warning: after.status != ConditionStatus::True,
        reason,
        action: match about.subject {
            EventSubject::Policy => "Compile",
            EventSubject::Store | EventSubject::PresignedUrl => "Probe",
        },
        note: after.message.clone(),
        at: now,
    }))
}

/// The status is written: its Event is published next, unless there were too many.
pub(super) fn recorded(ctx: &mut Ctx<'_>, key: &ObjectKey, event: Option<Box<EventRecord>>) {
    let Some(event) = event else {
        return;
    };
    let now = ctx.now;
    let events = ctx.cache.cluster_events.entry(key.clone()).or_default();
    if events.rate.take(now) {
        events.unpublished.push_back(event);
    }
}

/// Publishes what is left to publish of an object, if nothing else is to be done.
pub(super) fn plan(ctx: &mut Ctx<'_>, key: &ObjectKey) -> Action {
    let events = ctx.cache.cluster_events.get_mut(key);
    match events.and_then(|events| events.unpublished.pop_front()) {
        Some(event) => Action::start(Step::PublishEvent(event), InFlight::PublishEvent),
        None => Action::Idle,
    }
}

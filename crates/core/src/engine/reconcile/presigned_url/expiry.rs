//! Deleting a one-shot resource whose end has passed for as long as `ttlAfterExpiry` says.
//!
//! What holds here:
//! - The end is recorded and the Secret removed before the resource is deleted.
//! - A clock in doubt deletes nothing.

use jiff::Timestamp;

use crate::engine::evaluate::one_shot;
use crate::engine::protocol::{ApiError, ObjectVersion, Retry, Step};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::Ctx;
use crate::engine::scheduler::retry::RECHECK;
use crate::time::later;

/// Plans the deletion, if its time has come.
pub(super) fn plan(ctx: &mut Ctx<'_>, uid: &str) -> Option<Action> {
    let record = ctx.cache.resources.get(uid)?;
    let seen = &record.seen;
    let end = seen.status.expires_at?;
    if !one_shot::is_one_shot(record) {
        return None;
    }
    if end > ctx.now {
        // A resource whose Secret was removed before its end has no other timer.
        ctx.requeue.at(end);
        return None;
    }
    let ttl = one_shot::ttl(record)?;
    if !one_shot::reports_expiry(record, &seen.status)
        || seen.status.secret_ref.is_some()
        || ctx.clock.contradicted()
    {
        return None;
    }
    let at = [ctx.clock.doubted_until, record.state.removal.retry.retry_at]
        .into_iter()
        .flatten()
        .fold(later(end, ttl), Timestamp::max);
    if at > ctx.now {
        ctx.requeue.at(at);
        return None;
    }
    let step = Step::DeleteResource {
        namespace: seen.namespace.clone(),
        name: seen.name.clone(),
        target: ObjectVersion {
            uid: seen.uid.to_string(),
            resource_version: Some(seen.resource_version.clone()),
        },
    };
    Some(Action::start(step, InFlight::DeleteResource))
}

/// The resource was deleted, or was not.
pub(super) fn completed(ctx: &mut Ctx<'_>, uid: &str, result: Result<(), ApiError>) {
    let now = ctx.now;
    match result {
        Ok(()) => {
            if let Some(state) = ctx.state(uid) {
                state.removal.undeleted = None;
                // The watch tells that it is gone. A finalizer may keep it for a while.
                state.removal.retry.retry_at = Some(later(now, RECHECK));
            }
        }
        Err(error) => {
            let class = ctx.classify(&error);
            if let Some(state) = ctx.state(uid) {
                state.removal.retry.record(class.retry, 0, uid, now);
                let lasting = !matches!(class.retry, Retry::Immediately | Retry::ThrottleAll(_));
                state.removal.undeleted = lasting.then_some(error);
            }
        }
    }
}

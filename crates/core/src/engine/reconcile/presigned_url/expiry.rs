//! Deleting a one-shot resource `ttlAfterExpiry` after its URLs expired.
//!
//! What holds here:
//! - The resource is deleted after its status reports the expiry and its Secret is removed.
//! - Nothing is deleted while the operator's clock is doubted.

use jiff::Timestamp;

use crate::engine::evaluate::one_shot;
use crate::engine::protocol::{ApiError, ObjectVersion, Retry, Step};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::Ctx;
use crate::engine::scheduler::retry::RECHECK;
use crate::time::later;

/// Plans the deletion of a one-shot resource, if it is due.
pub(super) fn plan(ctx: &mut Ctx<'_>, uid: &str) -> Option<Action> {
    let record = ctx.cache.resources.get(uid)?;
    let seen = &record.seen;
    let expires_at = seen.status.expiration_time?;
    if seen.deleting {
        return None;
    }
    if expires_at > ctx.now {
        // If the Secret was removed before the expiry, the resource has no other timer.
        ctx.requeue.at(expires_at);
        return None;
    }
    let ttl = one_shot::ttl(record)?;
    if !one_shot::reports_expiry(record, &seen.status)
        || seen.status.internal.secret.is_some()
        || ctx.clock.contradicted()
    {
        return None;
    }
    let at = [ctx.clock.doubted_until, record.state.removal.retry.retry_at]
        .into_iter()
        .flatten()
        .fold(later(expires_at, ttl), Timestamp::max);
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
                // The watch reports the removal. A finalizer may delay it.
                state
                    .removal
                    .retry
                    .wait_until(Some(later(now, RECHECK)), now);
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

//! Reading a resource again whose spec was not kept.
//!
//! What holds here:
//! - Of a resource beyond the share of its namespace no spec is kept, and no status that says so. Nothing is
//!   planned for it then. Once it lies within, it is read first.

use jiff::Timestamp;

use super::slots::has_room;
use crate::engine::cache::record::Kept;
use crate::engine::protocol::{ApiError, PresignedUrlSeen, Step};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::Ctx;
use crate::engine::scheduler::retry::RECHECK;
use crate::time::later;

/// Plans the read, if the resource needs one and nothing holds it up.
pub(super) fn plan(ctx: &mut Ctx<'_>, uid: &str) -> Option<Action> {
    let record = ctx.cache.resources.get(uid)?;
    if record.kept == Kept::Whole {
        return None;
    }
    if ctx.cache.shares.is_beyond(&record.seen) {
        // Its status says all there is to say.
        return (record.kept == Kept::WithoutStatus).then_some(Action::Idle);
    }
    if let Some(at) = record.state.issue.retry.blocked_until(ctx.now) {
        ctx.requeue.at(at);
        return None;
    }
    let step = Step::ReadResource {
        namespace: record.seen.namespace.clone(),
        name: record.seen.name.clone(),
    };
    if !has_room(ctx, uid, &step) {
        return Some(Action::Idle);
    }
    Some(Action::start(step, InFlight::ReadResource))
}

/// The resource was read.
pub(super) fn completed(
    ctx: &mut Ctx<'_>,
    uid: &str,
    result: Result<Option<Box<PresignedUrlSeen>>, ApiError>,
) {
    match result {
        Ok(Some(seen)) if &*seen.uid == uid => {
            for key in ctx.cache.resource_read(*seen) {
                ctx.enqueue(key);
            }
        }
        // It is gone, and the watch will say so.
        Ok(_) => look_again(ctx, uid, later(ctx.now, RECHECK)),
        Err(error) => ctx.record_failure(uid, &error),
    }
}

fn look_again(ctx: &mut Ctx<'_>, uid: &str, at: Timestamp) {
    if let Some(state) = ctx.state(uid) {
        state.issue.retry.wait_until(Some(at));
    }
}

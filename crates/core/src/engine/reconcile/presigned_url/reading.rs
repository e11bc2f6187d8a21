//! Reading a resource again whose spec was not kept.
//!
//! What holds here:
//! - Of a resource beyond the share of its namespace no spec is kept, and no status that says so. Nothing is
//!   planned for it then. Once it lies within, it is read first.

use crate::api::is_ready;
use crate::engine::cache::record::Kept;
use crate::engine::evaluate::reissue::issued;
use crate::engine::protocol::{ApiError, PresignedUrlSeen, Step};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::Ctx;
use crate::engine::reconcile::presigned_url::slots::has_room;
use crate::engine::scheduler::retry::RECHECK;
use crate::time::later;

/// Plans the read, if the resource needs one and nothing holds it up.
pub(super) fn plan(ctx: &mut Ctx<'_>, uid: &str) -> Option<Action> {
    let record = ctx.cache.resources.get(uid)?;
    if record.kept == Kept::Whole {
        return None;
    }
    if record.seen.deleting || ctx.cache.shares.is_beyond(&record.seen) {
        // Its status says all there is to say, and which Secret is to be removed.
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
        return wait(ctx, uid);
    }
    Some(Action::start(step, InFlight::ReadResource))
}

/// The resource waits for room. Its expiry is reported all the same.
fn wait(ctx: &mut Ctx<'_>, uid: &str) -> Option<Action> {
    let record = ctx.cache.resources.get(uid)?;
    match issued(record).filter(|issued| ctx.cache.alive(record, issued, ctx.now)) {
        Some(issued) => ctx.requeue.at(ctx.cache.ends_at(record, &issued)),
        None if is_ready(&record.seen.status.conditions) => return None,
        None => {}
    }
    Some(Action::Idle)
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
        Ok(_) => look_again(ctx, uid),
        Err(error) => ctx.record_failure(uid, &error),
    }
}

fn look_again(ctx: &mut Ctx<'_>, uid: &str) {
    let now = ctx.now;
    if let Some(state) = ctx.state(uid) {
        let at = later(now, RECHECK);
        state.issue.retry.wait_until(Some(at), now);
    }
}

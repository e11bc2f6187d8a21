//! Slow steps: each needs a slot of its store. Large steps: each needs room in memory.
//!
//! What holds here:
//! - A status that reports expired URLs as ready is corrected before a slow step starts.

use jiff::Timestamp;

use crate::api::is_ready;
use crate::engine::cache::record::Record;
use crate::engine::evaluate::reissue::issued;
use crate::engine::protocol::Step;
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::{Ctx, priority};
use crate::engine::reconcile::presigned_url::credentials::session_fetch_started;
use crate::engine::scheduler::limiter::slow_store;
use crate::engine::scheduler::priority::Priority;

/// Starts a slow step if its store has a slot; if not, the resource waits for one. Any other action stays.
pub(super) fn acquire(ctx: &mut Ctx<'_>, uid: &str, action: Action) -> Action {
    let Action::StartInSlot(step, in_flight) = action else {
        return action;
    };
    let Some(record) = ctx.cache.resources.get(uid) else {
        return Action::Idle;
    };
    let alive = issued(record).is_some_and(|issued| issued.alive(ctx.now));
    if is_ready(&record.seen.status.conditions) && !alive {
        return Action::AwaitSlot;
    }
    let priority = slot_priority(record, ctx.now);
    let namespace = &record.seen.namespace;
    let limiter = &mut ctx.cache.limiter;
    if !slow_store(&step).is_none_or(|store| limiter.try_acquire(store, uid, namespace, priority)) {
        return Action::AwaitSlot;
    }
    if let InFlight::FetchSession { store, session, .. } = &*in_flight {
        session_fetch_started(ctx, store, session);
    }
    Action::Start(step, in_flight)
}

/// Whether there is room for what a step takes. If not, the resource is planned again when there is.
pub(super) fn has_room(ctx: &mut Ctx<'_>, uid: &str, step: &Step) -> bool {
    let bytes = step.bytes();
    let Some(record) = ctx.cache.resources.get(uid).filter(|_| bytes > 0) else {
        return true;
    };
    let priority = slot_priority(record, ctx.now);
    let namespace = &record.seen.namespace;
    let budget = &mut ctx.cache.budget;
    budget.try_acquire(uid, namespace, bytes, priority)
}

/// The priority of a resource among those that wait for a slot. A resource that has a listing makes its next
/// slow step before others start. One that was never issued and has failed goes behind those with working
/// URLs.
fn slot_priority(record: &Record, now: Timestamp) -> (Priority, i64) {
    let state = &record.state;
    let (priority, rank) = priority(record, now);
    if state.listing.found.is_some() {
        (Priority::Urgent, i64::MIN)
    } else if state.issue.retry.failures > 0 && record.seen.status.issue_time.is_none() {
        (Priority::Routine, i64::MIN)
    } else {
        (priority, rank.max(i64::MIN + 1))
    }
}

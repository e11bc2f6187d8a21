//! Slow steps: each needs a slot of its store. Large steps: each needs room in memory.
//!
//! What holds here:
//! - A status that reports expired URLs as ready is corrected before a slow step starts.
//! - What waits is planned again as its priority rises, and moves forward.

use jiff::Timestamp;

use crate::api::is_ready;
use crate::engine::cache::record::Record;
use crate::engine::evaluate::reissue::issued;
use crate::engine::protocol::Step;
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::{Ctx, standing};
use crate::engine::reconcile::presigned_url::credentials::session_fetch_started;
use crate::engine::scheduler::limiter::slow_store;
use crate::engine::scheduler::priority::{Priority, Standing};

/// Starts a slow step if its store has a slot; if not, the resource waits for one. Any other action stays.
pub(super) fn acquire(ctx: &mut Ctx<'_>, uid: &str, action: Action) -> Action {
    let Action::StartInSlot(step, in_flight) = action else {
        return action;
    };
    let Some(record) = ctx.cache.resources.get(uid) else {
        return Action::Idle;
    };
    let alive = issued(record).is_some_and(|issued| ctx.cache.alive(record, &issued, ctx.now));
    if is_ready(&record.seen.status.conditions) && !alive {
        return Action::AwaitSlot;
    }
    let standing = slot_standing(record, ctx.now);
    let place = (standing.priority, standing.rank);
    let namespace = &record.seen.namespace;
    let limiter = &mut ctx.cache.limiter;
    if !slow_store(&step).is_none_or(|store| limiter.try_acquire(store, uid, namespace, place)) {
        wake_as_it_rises(ctx, standing);
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
    let standing = slot_standing(record, ctx.now);
    let place = (standing.priority, standing.rank);
    let namespace = &record.seen.namespace;
    let budget = &mut ctx.cache.budget;
    let has_room = budget.try_acquire(uid, namespace, bytes, place);
    if !has_room {
        wake_as_it_rises(ctx, standing);
    }
    has_room
}

/// The resource waits, and is planned again as its priority rises.
fn wake_as_it_rises(ctx: &mut Ctx<'_>, standing: Standing) {
    if let Some(at) = standing.rises_at {
        ctx.requeue.at(at);
    }
}

/// How urgent a resource is among those that wait for a slot. A resource that has a listing makes its next
/// slow step before others start, and one that is about to expire goes before it. One that was never issued
/// and has failed goes behind what is urgent in its own namespace, and takes turns with other namespaces.
fn slot_standing(record: &Record, now: Timestamp) -> Standing {
    let state = &record.state;
    let own = standing(record, now);
    if state.listing.found.is_some() {
        Standing {
            priority: own.priority.min(Priority::Urgent),
            rank: i64::MIN,
            ..own
        }
    } else if state.issue.retry.failures > 0 && record.seen.status.issue_time.is_none() {
        Standing::fixed(Priority::Urgent, i64::MAX)
    } else {
        Standing {
            rank: own.rank.max(i64::MIN + 1),
            ..own
        }
    }
}

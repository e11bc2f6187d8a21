//! Rolling a change of a store out to what was signed before it.
//!
//! What holds here: what depends on a store is signed again spread over `--resign-within`, nearest expiry
//! first.

use jiff::Timestamp;

use crate::engine::evaluate::reissue::issued;
use crate::engine::protocol::{ObjectKey, Uid};
use crate::engine::reconcile::context::Ctx;
use crate::engine::store::{ProbeOutcome, Store};
use crate::time::later;

/// The resources that are signed for a store.
pub(super) fn dependents(ctx: &Ctx<'_>, store: &str) -> Vec<ObjectKey> {
    ctx.cache
        .of_store(store)
        .map(|uid| ObjectKey::Resource(uid.clone()))
        .collect()
}

/// Another spec of a store is in use: nothing that stood in the way of its dependents before is a reason to
/// wait.
pub(super) fn config_adopted(ctx: &mut Ctx<'_>, store: &str) -> Vec<ObjectKey> {
    let concerned = dependents(ctx, store);
    for key in &concerned {
        if let ObjectKey::Resource(uid) = key
            && let Some(record) = ctx.cache.resources.get_mut(uid)
        {
            record.state.issue.retry.end_pause();
        }
    }
    schedule_rollout(ctx, store, false);
    concerned
}

/// Gives each dependent its time within `--resign-within`, nearest expiry first. With `key_only`, only those
/// that another key signed.
fn schedule_rollout(ctx: &mut Ctx<'_>, store: &str, key_only: bool) -> Vec<Uid> {
    let now = ctx.now;
    let hash = ctx
        .cache
        .stores
        .get(store)
        .and_then(|store| store.credentials())
        .map(|held| held.hash.clone());
    let mut affected: Vec<(Timestamp, Uid)> = ctx
        .cache
        .of_store(store)
        .filter_map(|uid| {
            let record = ctx.cache.resources.get(uid)?;
            let issued = issued(record)?;
            let another_key = Some(&issued.hashes.credential) != hash.as_ref();
            (another_key || !key_only).then(|| (issued.expires_at, uid.clone()))
        })
        .collect();
    affected.sort();
    let count = u32::try_from(affected.len()).unwrap_or(u32::MAX).max(1);
    let gap = ctx.settings.resign_within / count;
    for (at, (_, uid)) in affected.iter().enumerate() {
        if let Some(record) = ctx.cache.resources.get_mut(uid) {
            let slot = later(now, gap * u32::try_from(at).unwrap_or(u32::MAX));
            // A time that has passed belongs to an earlier change.
            let planned = record.state.rollout.due.filter(|planned| *planned > now);
            record.state.rollout.due = Some(planned.map_or(slot, |planned| planned.min(slot)));
        }
    }
    affected.into_iter().map(|(_, uid)| uid).collect()
}

/// Signs everything again if the store's clock is no longer the one that dated it: it would expire early.
pub(super) fn sign_again_if_clock_moved(ctx: &mut Ctx<'_>, name: &str) {
    if !ctx
        .cache
        .stores
        .get_mut(name)
        .is_some_and(Store::offset_changed)
    {
        return;
    }
    for uid in schedule_rollout(ctx, name, false) {
        if let Some(record) = ctx.cache.resources.get_mut(&uid) {
            record.state.rollout.signed_by_wrong_clock = true;
        }
        ctx.enqueue(ObjectKey::Resource(uid));
    }
}

/// The store's clock moved against the operator's: `Ready` ends with the URLs by the store's clock.
pub(super) fn plan_ends_if_clock_moved(ctx: &mut Ctx<'_>, name: &str) {
    let now = ctx.now;
    let store = ctx.cache.stores.get_mut(name);
    let Some((before, skew)) = store.and_then(Store::plan_ends) else {
        return;
    };
    let mut planned = Vec::new();
    for uid in ctx.cache.of_store(name) {
        let Some(issued) = ctx
            .cache
            .resources
            .get(uid)
            .and_then(|record| issued(record))
        else {
            continue;
        };
        let alive = issued.alive(now, skew);
        if alive != issued.alive(now, before) {
            planned.push((uid.clone(), now));
        } else if alive {
            planned.push((uid.clone(), issued.ends_at(skew)));
        }
    }
    for (uid, at) in planned {
        let key = ObjectKey::Resource(uid);
        if at <= now {
            ctx.enqueue(key);
        } else {
            ctx.queue.by(&key, at);
        }
    }
}

/// Resources that waited for the probe are requeued; those that a change concerns are signed again at their
/// scheduled time.
pub(super) fn version_adopted(ctx: &mut Ctx<'_>, name: &str, outcome: ProbeOutcome) {
    wake_waiting(ctx, name);
    let concerned: Vec<ObjectKey> = match outcome {
        ProbeOutcome::Unchanged => Vec::new(),
        ProbeOutcome::CredentialsAdopted => {
            let keys = schedule_rollout(ctx, name, true);
            keys.into_iter().map(ObjectKey::Resource).collect()
        }
        ProbeOutcome::ConfigAdopted => config_adopted(ctx, name),
    };
    for key in concerned {
        ctx.enqueue(key);
    }
}

fn wake_waiting(ctx: &mut Ctx<'_>, name: &str) {
    let Some(store) = ctx.cache.stores.get_mut(name) else {
        return;
    };
    let waiting = std::mem::take(&mut store.waiting);
    ctx.requeue_waiting(waiting);
}

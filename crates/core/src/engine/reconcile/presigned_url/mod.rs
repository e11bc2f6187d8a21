//! Reconciling a PresignedURL: first its Secret, then its status, then Events, deletion and verification.
//!
//! What holds here:
//! - The new Secret is written before the old one of another name is removed, and the status last.
//! - The status is written when there is nothing to do for the Secret, or nothing can be done now.
//! - A URL that expires during a wait for a store is reported and removed all the same.
//! - A resource that is being deleted loses its Secrets at once: a finalizer may keep it for days.

mod conditions;
mod credentials;
mod drift;
mod events;
mod expiry;
mod listing;
mod orphans;
mod reading;
mod rejection;
mod removal;
mod secret;
mod secret_name;
mod slots;
mod status;
mod status_messages;
mod verification;

use std::time::Duration;

use crate::api::is_ready;
use crate::engine::cache::record::{Kept, Record, store_name};
use crate::engine::evaluate::denial::grace_is_over;
use crate::engine::evaluate::evaluation::Evaluation;
use crate::engine::evaluate::one_shot::is_one_shot;
use crate::engine::evaluate::reissue::{awaits_rollout, is_suspicious, issued, may_issue, reissue};
use crate::engine::protocol::{ObjectKey, SecretAccess, Step, StepResult, TransportError, Uid};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::Ctx;
use crate::engine::store::Store;
use crate::issue::issued::Issued;
use crate::time::later;

/// How long a first issue may wait before the status reports what it waits for, and for how long a URL is not
/// reported as expired by a clock that was not read yet.
const SILENT_WAIT: Duration = Duration::from_secs(10);

/// Plans the next step of a resource.
pub(in crate::engine) fn plan(ctx: &mut Ctx<'_>, uid: &str) -> Action {
    let Some(record) = ctx.cache.resources.get(uid) else {
        return Action::Idle;
    };
    if !ctx.serves(record) {
        ctx.cache.orphans.forget_all(&record.seen.uid);
        return Action::Idle;
    }
    let store = ctx.cache.stores.get(store_name(&record.seen));
    if store.is_some_and(Store::awaits_trust) {
        return Action::Idle;
    }
    let evaluation = ctx.evaluate(record);
    let issued = issued(record);
    let issued = issued.as_ref();
    let is_deleting = record.seen.deleting;
    let awaits_namespace = is_new_in_unseen_namespace(ctx, record);
    if record.kept != Kept::Whole
        && let Some(action) = reading::plan(ctx, uid)
    {
        return action;
    }
    if matches!(evaluation, Evaluation::Deleting(..)) && !is_deleting {
        return plan_in_ending_namespace(ctx, uid, &evaluation);
    }
    let doubted = ctx.clock.is_doubted(ctx.now, &mut ctx.requeue);
    match plan_secret(ctx, uid, &evaluation, issued, doubted) {
        Action::AwaitStore => {
            ctx.enqueue_store(uid);
            wait(ctx, uid, &evaluation, issued)
        }
        Action::AwaitSlot => wait(ctx, uid, &evaluation, issued),
        // Its namespace is on its way.
        Action::Idle if awaits_namespace => wait(ctx, uid, &evaluation, issued),
        Action::Idle => {
            let action = settle(ctx, uid, &evaluation, issued);
            if matches!(action, Action::Idle) {
                ctx.cache.drop_content(uid);
            }
            action
        }
        Action::Start(step, _) if !slots::has_room(ctx, uid, &step) => {
            wait(ctx, uid, &evaluation, issued)
        }
        action => action,
    }
}

/// The namespace controller removes everything of a namespace that is being deleted. Only an expiry is
/// reported, since a finalizer may keep the resource.
fn plan_in_ending_namespace(ctx: &mut Ctx<'_>, uid: &str, evaluation: &Evaluation) -> Action {
    let Some(record) = ctx.cache.resources.get(uid) else {
        return Action::Idle;
    };
    ctx.cache.orphans.forget_all(&record.seen.uid);
    let issued = issued(record);
    let alive = |issued: &&Issued| ctx.cache.alive(record, issued, ctx.now);
    if let Some(issued) = issued.as_ref().filter(alive) {
        ctx.requeue.at(ctx.cache.ends_at(record, issued));
    } else if is_ready(&record.seen.status.conditions) {
        let action = status::plan(ctx, uid, evaluation, issued.as_ref());
        return action.unwrap_or(Action::Idle);
    }
    let state = ctx.cache.resources.get_mut(uid);
    let state = state.and_then(|record| record.state.any());
    match state.and_then(|state| state.events.pop_front()) {
        Some(event) => Action::start(Step::PublishEvent(event), InFlight::PublishEvent),
        None => Action::Idle,
    }
}

/// Plans the next step of the Secret. No expired Secret is removed while the operator's clock is `doubted`.
fn plan_secret(
    ctx: &mut Ctx<'_>,
    uid: &str,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
    doubted: bool,
) -> Action {
    let now = ctx.now;
    let Some(record) = ctx.cache.resources.get(uid) else {
        return Action::Idle;
    };
    let blocked = record.state.issue.retry.blocked_until(now);
    let removal_blocked = record.state.removal.retry.blocked_until(now);
    for at in [blocked, removal_blocked].into_iter().flatten() {
        ctx.requeue.at(at);
    }
    if let (Some(old), None) = (&record.state.secret.previous_secret, removal_blocked) {
        // If the spec names the old Secret again, the next issue takes it over, unless a problem blocks it.
        let taken_over = record.state.issue.problem.is_none()
            && may_issue(record, evaluation, now)
                .is_some_and(|inputs| inputs.authorized.secret_name == old.name);
        if !taken_over {
            return removal::plan(record, old, ctx.settings);
        }
    }
    let candidates = ctx.cache.orphans.of(&record.seen.uid);
    if removal_blocked.is_none()
        && let Some(action) = orphans::plan(ctx, uid, candidates, evaluation, issued, doubted)
    {
        return action;
    }
    let Some(record) = ctx.cache.resources.get(uid) else {
        return Action::Idle;
    };
    if let Some(issued) = issued {
        // What holds up a renewal holds up neither an inspection nor what puts the marks back.
        let waits = blocked.is_some() && record.state.secret.check_failed;
        if ctx.settings.secret_access == SecretAccess::Watch
            && !waits
            && !record.state.secret.drifted
            && is_suspicious(ctx.cache, record, issued)
        {
            return drift::plan(record, issued);
        }
        if !waits && let Some(action) = drift::plan_restore(record, issued, now, &mut ctx.requeue) {
            return action;
        }
        // The first of these timers reports the expiry, the second removes the Secret.
        for at in [ctx.cache.ends_at(record, issued), issued.expires_at] {
            if at > now && !issued.is_over(now) {
                ctx.requeue.at(at);
            }
        }
    }
    let mut awaits_slot = false;
    if let (Some(inputs), None) = (may_issue(record, evaluation, now), blocked) {
        let requeue = &mut ctx.requeue;
        match reissue(ctx.cache, record, inputs, issued, now, requeue) {
            None => {
                let scheduled =
                    issued.is_some_and(|issued| awaits_rollout(ctx.cache, record, inputs, issued));
                if let Some(action) = listing::plan_refresh(ctx, uid, inputs) {
                    return slots::acquire(ctx, uid, action);
                }
                // There is nothing to write, so no problem blocks it any more.
                if let Some(state) = ctx
                    .cache
                    .resources
                    .get_mut(uid)
                    .and_then(|record| record.state.any())
                {
                    state.settled(scheduled);
                }
                return Action::Idle;
            }
            Some(cause) => {
                let action = secret::plan(ctx, uid, inputs, issued, cause);
                match slots::acquire(ctx, uid, action) {
                    Action::Idle => {}
                    // Even during a wait for a slot, an expired Secret is removed below.
                    Action::AwaitSlot => awaits_slot = true,
                    action => return action,
                }
            }
        }
    }
    let Some(record) = ctx.cache.resources.get(uid) else {
        return Action::Idle;
    };
    // `secret::plan` may have set a pause.
    if let Some(at) = record.state.issue.retry.blocked_until(now) {
        ctx.requeue.at(at);
    }
    if let Some(issued) = issued
        && removal_blocked.is_none()
        && is_to_be_removed(ctx, uid, evaluation, issued, doubted)
        && let Some(record) = ctx.cache.resources.get(uid)
    {
        return removal::plan(record, &issued.secret, ctx.settings);
    }
    if awaits_slot {
        Action::AwaitSlot
    } else {
        Action::Idle
    }
}

/// Whether a Secret that is not replaced now is removed: it has expired, the grace of a denial is over, or
/// the resource is being deleted.
fn is_to_be_removed(
    ctx: &mut Ctx<'_>,
    uid: &str,
    evaluation: &Evaluation,
    issued: &Issued,
    doubted: bool,
) -> bool {
    let Some(record) = ctx.cache.resources.get(uid) else {
        return false;
    };
    if record.seen.deleting {
        return true;
    }
    if let Evaluation::Denied(_) = evaluation
        && grace_is_over(record, ctx.settings, ctx.now, &mut ctx.requeue)
    {
        return true;
    }
    // What is there may expire before what the status tells of.
    let found_expiry = record.state.secret.found_expiry;
    if let Some(at) = found_expiry.filter(|at| *at > ctx.now) {
        ctx.requeue.at(at);
    }
    let expired = issued.is_over(ctx.now)
        || evaluation.expired_at(record, ctx.now).is_some()
        || found_expiry.is_some_and(|at| at <= ctx.now);
    expired && !doubted
}

/// Whether the status reports nothing yet, and the namespace of the resource is not known yet.
fn is_new_in_unseen_namespace(ctx: &Ctx<'_>, record: &Record) -> bool {
    record.seen.status.conditions.is_empty()
        && ctx.cache.namespace_of(&record.seen.namespace).is_none()
}

/// The resource waits for its store. The status reports a URL that expires meanwhile, and the reason for a
/// long wait.
fn wait(ctx: &mut Ctx<'_>, uid: &str, evaluation: &Evaluation, issued: Option<&Issued>) -> Action {
    let now = ctx.now;
    let Some(record) = ctx.cache.resources.get(uid) else {
        return Action::Idle;
    };
    let alive = issued.is_some_and(|issued| ctx.cache.alive(record, issued, now));
    // Soon after a start the store's clock is not known, and the URL may live by it.
    let is_over = issued.is_none_or(|issued| issued.is_over(now));
    let unsure = !alive && !is_over && !ctx.cache.knows_clock_of(record);
    let Some(record) = ctx.cache.resources.get_mut(uid) else {
        return Action::Idle;
    };
    let silent = record.seen.status.conditions.is_empty();
    let since = *record.state.waiting_since.get_or_insert(now);
    let report_at = later(since, SILENT_WAIT);
    let expired = is_ready(&record.seen.status.conditions) && !alive;
    let may_report = report_at <= now;
    if (expired && (!unsure || may_report)) || (silent && may_report) {
        return settle(ctx, uid, evaluation, issued);
    }
    if silent || expired {
        ctx.requeue.at(report_at);
    }
    Action::Idle
}

/// There is nothing to do for the Secret now: a first verification, the status, then its Events, then what
/// may come after them.
fn settle(
    ctx: &mut Ctx<'_>,
    uid: &str,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
) -> Action {
    if let Some(action) = verification::before_status(ctx, uid, evaluation, issued) {
        return action;
    }
    if let Some(action) = status::plan(ctx, uid, evaluation, issued) {
        return action;
    }
    let Some(record) = ctx.cache.resources.get_mut(uid) else {
        return Action::Idle;
    };
    if let Some(state) = record.state.any() {
        state.unrecorded = None;
        state.waiting_since = None;
        state.secret.lost_version = None;
        if let Some(event) = state.events.pop_front() {
            return Action::start(Step::PublishEvent(event), InFlight::PublishEvent);
        }
        record.state.tidy();
    }
    if is_one_shot(record)
        && let Some(action) = expiry::plan(ctx, uid)
    {
        return action;
    }
    // The verification comes last: a slow store must not delay the status.
    let verification = verification::plan(ctx, uid, evaluation, issued).unwrap_or(Action::Idle);
    match slots::acquire(ctx, uid, verification) {
        Action::AwaitStore => {
            ctx.enqueue_store(uid);
            Action::Idle
        }
        Action::AwaitSlot => Action::Idle,
        action => action,
    }
}

/// A step of a resource is done. Returns whether its next plan comes before those of other objects.
pub(in crate::engine) fn completed(
    ctx: &mut Ctx<'_>,
    uid: &Uid,
    in_flight: InFlight,
    result: StepResult,
) -> bool {
    let mut continues = true;
    match (in_flight, result) {
        (
            InFlight::FetchSession {
                store,
                source,
                session,
            },
            StepResult::Credentials(result),
        ) => credentials::session_fetched(ctx, &store, &source, &session, Some(result)),
        // The store must not wait for an answer that never arrives.
        (
            InFlight::FetchSession {
                store,
                source,
                session,
            },
            _,
        ) => {
            credentials::session_fetched(ctx, &store, &source, &session, None);
        }
        (InFlight::ReadResource, StepResult::ResourceRead(result)) => {
            reading::completed(ctx, uid, result);
        }
        (InFlight::InspectDrift { name }, StepResult::Inspected(result)) => {
            drift::completed(ctx, uid, &name, result);
        }
        (InFlight::RestoreMarks { name }, StepResult::SecretWritten(result)) => {
            drift::restored(ctx, uid, &name, result);
        }
        (InFlight::InspectName, StepResult::Inspected(result)) => {
            secret_name::inspected(ctx, uid, result);
        }
        (InFlight::InspectRemoval, StepResult::Inspected(result)) => {
            removal::inspected(ctx, uid, result);
        }
        (InFlight::Create(write), StepResult::SecretWritten(result)) => {
            secret::created(ctx, uid, *write, result);
        }
        (InFlight::Update(write), StepResult::SecretWritten(result)) => {
            secret::updated(ctx, uid, *write, result);
        }
        (InFlight::Remove { name }, StepResult::SecretDeleted(result)) => {
            removal::completed(ctx, uid, &name, result);
        }
        (InFlight::FreeName { name }, StepResult::SecretDeleted(result)) => {
            secret_name::freed(ctx, uid, &name, result);
        }
        (InFlight::List { request_hash }, StepResult::Listed(result)) => {
            listing::completed(ctx, uid, &request_hash, result);
        }
        (InFlight::Sign, StepResult::Signed(job)) => secret::signed(ctx, uid, *job),
        (
            InFlight::Verify {
                keys,
                hash,
                gates_issue,
                status_waits,
            },
            StepResult::Responses(answers),
        ) => {
            // What took too long for the status is tried again after it.
            let timed_out = answers
                .iter()
                .any(|answer| matches!(answer, Err(TransportError::Timeout(_))));
            if !(status_waits && timed_out) {
                verification::completed(ctx, uid, &keys, hash, gates_issue, &answers);
            }
        }
        (
            InFlight::WriteStatus {
                status,
                events,
                newly_denied,
            },
            StepResult::StatusWritten(result),
        ) => {
            // After a success only Events remain. They wait until other resources have their first URL.
            continues = result.is_err();
            status::completed(ctx, uid, *status, events, newly_denied, result);
        }
        (InFlight::DeleteResource, StepResult::ResourceDeleted(result)) => {
            expiry::completed(ctx, uid, result);
        }
        (InFlight::PublishEvent, StepResult::Published) => {}
        // The next plan starts without earlier findings.
        (_, StepResult::NotRun) => forget_inspection(ctx, uid),
        (in_flight, _) => {
            ctx.unexpected(&ObjectKey::Resource(uid.clone()), in_flight.name());
            forget_inspection(ctx, uid);
        }
    }
    continues
}

fn forget_inspection(ctx: &mut Ctx<'_>, uid: &str) {
    if let Some(state) = ctx
        .cache
        .resources
        .get_mut(uid)
        .and_then(|record| record.state.any())
    {
        state.secret.inspected = None;
    }
}

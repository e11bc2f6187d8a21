//! What comes next for a ClusterObjectStore: fetch its credentials, probe it, roll a change out, report.
//!
//! What holds here:
//! - An operator reports on the stores of the resources that it serves. The one that serves the default class in
//!   all namespaces reports on the stores of which nobody else does as well.
//! - One fetch of a store is in flight at a time.
//! - The answer of a tenant's bucket that says nothing of the store does not count while another bucket can
//!   be probed.

mod rollout;
mod status;
mod trust_bundles;

use std::collections::BTreeSet;

use jiff::SignedDuration;

pub(in crate::engine) use self::trust_bundles::{named_trust_bundles, on_trust_bundle};

use self::rollout::{
    config_adopted, dependents, plan_ends_if_clock_moved, sign_again_if_clock_moved,
    version_adopted,
};
use crate::access::store_session_name;
use crate::api::Reason;
use crate::engine::cache::record::Record;
use crate::engine::cache::relist::{Delta, named};
use crate::engine::cache::relist::{Watched, drop_all};
use crate::engine::cache::verification::rejects_signature;
use crate::engine::cache::version::older;
use crate::engine::evaluate::evaluation::Evaluation;
use crate::engine::evaluate::reissue::issued;
use crate::engine::protocol::Observation;
use crate::engine::protocol::{
    Change, CredentialsError, FetchedCredentials, ObjectKey, S3Result, SOLE_OPERATOR, Session,
    Step, StepResult, StoreSeen,
};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::cluster_events;
use crate::engine::reconcile::context::Ctx;
use crate::engine::store::{ProbeOutcome, Reports, SpecUpdate, Store, TrustBundle};
use crate::request::Bucket;

/// Resources that are evaluated at most to find a bucket to probe.
const MAX_EVALUATED: usize = 1000;

/// Applies a change of a store.
pub(in crate::engine) fn on_event(ctx: &mut Ctx<'_>, change: Change<StoreSeen>) -> Vec<ObjectKey> {
    let index = &mut *ctx.cache;
    let place = |seen: &StoreSeen| named(&seen.name);
    if let Change::InitApply(seen) = &change
        && let Some(known) = index.stores.get(&seen.name)
    {
        let (shown, known) = (&seen.resource_version, &known.seen.resource_version);
        index
            .relists
            .listed(Watched::Stores, &place(seen), shown, known);
    }
    let known = index.stores.keys().map(named);
    match index.relists.apply(Watched::Stores, change, place, known) {
        Delta::Present(seen) => put_store(ctx, seen),
        Delta::Removed(seen) => drop_store(ctx, &seen.name),
        Delta::Absent(names) => drop_all(names, |(_, name)| drop_store(ctx, &name)),
    }
}

fn put_store(ctx: &mut Ctx<'_>, mut seen: StoreSeen) -> Vec<ObjectKey> {
    let now = ctx.now;
    let me = ctx.reports_as;
    let status = std::mem::take(&mut seen.status);
    let name = seen.name.clone();
    let key = ObjectKey::Store(name.clone());
    let trust = trust_bundles::known(ctx.cache, &seen);
    // The newer version ends the pause after a conflict.
    ctx.cache.status_retries.remove(&key);
    match ctx.cache.stores.get_mut(&name) {
        Some(known) if older(&seen.resource_version, &known.seen.resource_version) => {
            return Vec::new();
        }
        Some(known) => {
            if known.seen.uid != seen.uid {
                known.reports = Reports::default();
            }
            seen.status = known.reports.record(me, status);
            match known.update(seen, trust, now) {
                SpecUpdate::Same | SpecUpdate::OnTrial => return vec![key],
                SpecUpdate::Changed => {}
            }
        }
        None => {
            let mut reports = Reports::default();
            seen.status = reports.record(me, status);
            let store = first_seen((seen, trust), reports, ctx.clock.api_clock);
            ctx.cache.stores.insert(name.clone(), store);
        }
    }
    let mut concerned = config_adopted(ctx, &name);
    concerned.push(key);
    concerned
}

/// A store of which nothing is known but the object, its bundle and the API server's clock.
fn first_seen(
    (seen, trust): (StoreSeen, Option<TrustBundle>),
    reports: Reports,
    api_clock: Option<SignedDuration>,
) -> Store {
    let mut store = Store::new(seen, trust);
    store.reports = reports;
    if let Some(skew) = api_clock {
        store.api_clock_read(skew);
    }
    store
}

/// Forgets what a restart would forget of each store.
pub(in crate::engine) fn restart(ctx: &mut Ctx<'_>) {
    let api_clock = ctx.clock.api_clock;
    for store in ctx.cache.stores.values_mut() {
        let reports = std::mem::take(&mut store.reports).restarted();
        let seen = (store.seen.clone(), store.trust().cloned());
        *store = first_seen(seen, reports, api_clock);
    }
}

fn drop_store(ctx: &mut Ctx<'_>, name: &str) -> Vec<ObjectKey> {
    let key = ObjectKey::Store(name.to_owned());
    ctx.cache.stores.remove(name);
    ctx.cache.forget_cluster_object(&key);
    ctx.queue.forget(&key);
    dependents(ctx, name)
}

/// The API server's clock was read. Returns the stores that this changes, and the resources that wait for
/// them.
pub(in crate::engine) fn on_api_clock(ctx: &mut Ctx<'_>, skew: SignedDuration) -> Vec<ObjectKey> {
    let mut concerned = Vec::new();
    if ctx.clock.measured(skew) {
        // What has expired is removed only by a clock that no other one contradicts.
        concerned.extend(ctx.cache.resources.keys().cloned().map(ObjectKey::Resource));
    }
    for (name, store) in &mut ctx.cache.stores {
        let before = store.clock_skew().condition();
        store.api_clock_read(skew);
        if store.clock_skew().condition() == before && !store.moves_ends() {
            continue;
        }
        concerned.push(ObjectKey::Store(name.clone()));
        for uid in std::mem::take(&mut store.waiting) {
            if let Some(record) = ctx.cache.resources.get_mut(&uid) {
                record.state.issue.retry.end_pause();
            }
            concerned.push(ObjectKey::Resource(uid));
        }
    }
    concerned
}

/// What comes next for a store.
pub(in crate::engine) fn plan(ctx: &mut Ctx<'_>, name: &str) -> Action {
    let now = ctx.now;
    if !reports(ctx, name) {
        return status::plan_withdrawal(ctx, name);
    }
    let known = ctx.cache.stores.get(name);
    if known.is_some_and(Store::awaits_trust) {
        return Action::Idle;
    }
    let lacks_session = known.is_some_and(|store| store.lacks_session_to_probe(now))
        && bucket_to_probe(ctx, name, false).is_some();
    let Some(store) = ctx.cache.stores.get_mut(name) else {
        return Action::Idle;
    };
    if lacks_session {
        store.request_fetch();
    }
    // A probe that finds its credentials expired asks for others.
    let next = plan_fetch(ctx, name)
        .or_else(|| plan_probe(ctx, name))
        .or_else(|| plan_fetch(ctx, name));
    if let Some(next) = next {
        return next;
    }
    sign_again_if_clock_moved(ctx, name);
    plan_ends_if_clock_moved(ctx, name);
    if let Some(store) = ctx.cache.stores.get(name) {
        for at in store
            .next_fetch_at()
            .into_iter()
            .chain(store.next_probe_at(now))
        {
            ctx.requeue.at(at);
        }
    }
    match status::plan(ctx, name) {
        Action::Idle => cluster_events::plan(ctx, &ObjectKey::Store(name.to_owned())),
        action => action,
    }
}

/// Plans the fetch that is due.
fn plan_fetch(ctx: &mut Ctx<'_>, name: &str) -> Option<Action> {
    let source = ctx.cache.stores.get_mut(name)?.begin_fetch(ctx.now)?;
    let step = Step::FetchCredentials {
        store: name.to_owned(),
        source: Box::new(source),
        session: Session {
            name: store_session_name(name),
            policy: None,
        },
    };
    Some(Action::start(step, InFlight::FetchCredentials))
}

/// Whether this operator reports on a store.
fn reports(ctx: &Ctx<'_>, name: &str) -> bool {
    let me = ctx.reports_as;
    let alone = || {
        let store = ctx.cache.stores.get(name);
        store.is_some_and(|store| !store.reports.has_others(me))
    };
    ctx.served_of_store(name).next().is_some() || (me == SOLE_OPERATOR && alone())
}

/// Completes a step of a store. Returns whether the store is planned again at once.
pub(in crate::engine) fn completed(
    ctx: &mut Ctx<'_>,
    name: &str,
    in_flight: InFlight,
    result: StepResult,
    dirty: bool,
) -> bool {
    match (in_flight, result) {
        (InFlight::Probe, StepResult::Responses(answers)) => {
            probe_completed(ctx, name, Some(&answers));
        }
        (InFlight::Probe, StepResult::NotRun) => probe_completed(ctx, name, None),
        (InFlight::FetchCredentials, StepResult::Credentials(result)) => {
            fetch_completed(ctx, name, result);
        }
        // The store must not wait for an answer that never comes.
        (InFlight::FetchCredentials, StepResult::NotRun) => not_fetched(ctx, name),
        (InFlight::WriteStoreStatus(status, event), StepResult::StatusWritten(result)) => {
            return status::completed(ctx, name, (*status, event), result, dirty);
        }
        (InFlight::WriteStoreStatus(..), StepResult::NotRun)
        | (InFlight::PublishEvent, StepResult::Published | StepResult::NotRun) => {}
        (in_flight, _) => {
            ctx.unexpected(&ObjectKey::Store(name.to_owned()), in_flight.name());
            match in_flight {
                InFlight::Probe => probe_completed(ctx, name, None),
                InFlight::FetchCredentials => not_fetched(ctx, name),
                _ => {}
            }
        }
    }
    true
}

fn not_fetched(ctx: &mut Ctx<'_>, name: &str) {
    if let Some(store) = ctx.cache.stores.get_mut(name) {
        store.fetch_not_run();
    }
}

/// The probe of a store that is due, in a bucket that a dependent may use.
fn plan_probe(ctx: &mut Ctx<'_>, name: &str) -> Option<Action> {
    let now = ctx.now;
    // A second one if a candidate was due and the active version is due as well. A probe that cannot be
    // signed is no step.
    for _ in 0..3 {
        if !ctx.cache.stores.get(name)?.probe_due(now) {
            return None;
        }
        let mut bucket = bucket_to_probe(ctx, name, true);
        if bucket.is_none() && ctx.cache.stores.get(name)?.has_inconclusive_buckets() {
            bucket = bucket_to_probe(ctx, name, false);
        }
        let store = ctx.cache.stores.get_mut(name)?;
        let Some(bucket) = bucket else {
            let outcome = store.adopt_untested(now);
            version_adopted(ctx, name, outcome);
            return None;
        };
        if let Some((requests, ca_bundle)) = store.begin_probe(&bucket, now) {
            let step = Step::SendRequests {
                store: name.to_owned(),
                requests,
                ca_bundle,
                timeout: None,
            };
            return Some(Action::start(step, InFlight::Probe));
        }
        version_adopted(ctx, name, ProbeOutcome::Unchanged);
    }
    None
}

/// A bucket that the policies let a dependent use: a resource that may have nothing does not choose what the
/// operator probes. With `fresh`, only one that was not inconclusive yet.
fn bucket_to_probe(ctx: &Ctx<'_>, name: &str, fresh: bool) -> Option<Bucket> {
    let now = ctx.now;
    let store = ctx.cache.stores.get(name)?;
    let was_inconclusive = |record: &Record| {
        let spec = record.seen.spec.as_ref().ok();
        fresh && spec.is_some_and(|spec| store.is_inconclusive(&spec.bucket, now))
    };
    let dependents = store.waiting.iter().chain(ctx.cache.of_store(name));
    dependents
        .filter_map(|uid| ctx.cache.resources.get(uid))
        .filter(|record| ctx.serves(record) && !record.seen.deleting && !was_inconclusive(record))
        .take(MAX_EVALUATED)
        .find_map(|record| match ctx.evaluate(record) {
            Evaluation::Allowed(inputs) => Some(inputs.authorized.request.bucket.clone()),
            Evaluation::StoreUnusable { authorized, .. } => Some(authorized.request.bucket.clone()),
            Evaluation::Invalid(_)
            | Evaluation::Denied(_)
            | Evaluation::Undetermined(_)
            | Evaluation::Refused(..)
            | Evaluation::Deleting(..) => None,
        })
}

/// Completes a probe; `None` if it was not made.
fn probe_completed(ctx: &mut Ctx<'_>, name: &str, results: Option<&[S3Result]>) {
    let now = ctx.now;
    let Some(store) = ctx.cache.stores.get_mut(name) else {
        return;
    };
    // The answer of one tenant's bucket does not count while there is another bucket to probe.
    if store.should_try_another_bucket(results) {
        let another = bucket_to_probe(ctx, name, true).is_some();
        if let Some(store) = ctx.cache.stores.get_mut(name) {
            if another {
                return store.probe_another_bucket();
            }
            store.all_buckets_probed();
        }
    }
    let Some(store) = ctx.cache.stores.get_mut(name) else {
        return;
    };
    let rejected = store.rejected_keys().clone();
    let was = (store.is_rejected(), store.is_replaced());
    let outcome = store.complete_probe(results, now);
    let changed =
        rejected != *store.rejected_keys() || was != (store.is_rejected(), store.is_replaced());
    if let Some((true, reason, _)) = store.problem() {
        ctx.observations.push(Observation::Failed(reason));
    }
    version_adopted(ctx, name, outcome);
    if changed {
        rejection_changed(ctx, name);
    }
}

/// The store rejects what it did not reject before, or something else answers in its place, or the other way
/// round: the dependents report it, and verify at once what was rejected or proved nothing.
fn rejection_changed(ctx: &mut Ctx<'_>, name: &str) {
    for key in dependents(ctx, name) {
        if let ObjectKey::Resource(uid) = &key
            && let Some(record) = ctx.cache.resources.get_mut(uid)
            && let Some(state) = record.state.any()
            && let Some(outcome) = &state.verification.outcome
            && (rejects_signature(outcome.verdict.reason)
                || outcome.verdict.reason == Reason::UnexpectedResponse)
        {
            state.verification.retry_at = None;
        }
        ctx.enqueue(key);
    }
}

/// Completes a fetch: resources that waited are requeued, and those of another key are signed again at their
/// scheduled time.
fn fetch_completed(
    ctx: &mut Ctx<'_>,
    name: &str,
    result: Result<FetchedCredentials, CredentialsError>,
) {
    let now = ctx.now;
    if let Err(failure) = &result {
        ctx.observations.push(Observation::Failed(failure.reason));
    }
    let Some(store) = ctx.cache.stores.get(name) else {
        return;
    };
    // Only the first fetch since the start needs this: no credentials are known yet to compare with.
    let in_use: BTreeSet<String> = if store.credentials().is_none() {
        ctx.served_of_store(name)
            .filter_map(|record| {
                issued(record).filter(|issued| ctx.cache.alive(record, issued, now))
            })
            .map(|issued| issued.hashes.credential)
            .collect()
    } else {
        BTreeSet::new()
    };
    let Some(store) = ctx.cache.stores.get_mut(name) else {
        return;
    };
    let others = |hash: &str| in_use.iter().any(|in_use| in_use != hash);
    let outcome = if store.complete_fetch(result, others, now) {
        ProbeOutcome::CredentialsAdopted
    } else {
        ProbeOutcome::Unchanged
    };
    version_adopted(ctx, name, outcome);
}

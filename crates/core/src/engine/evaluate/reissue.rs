//! The plan of one resource: what is the next effect, given all that is known now.
//!
//! What holds here: a plan is made again after each step and looks at facts only, so a crash between two steps is no special
//! case. New before old: the new Secret is written before the old one of another name goes, and status last. Nothing is
//! created, changed or deleted that was not found to be this resource's own a moment ago.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{MANAGED_BY_LABEL, MANAGER};
use crate::engine::cache::index::{Index, Record, SecretVersion};
use crate::engine::cache::orphans;
use crate::engine::cache::state::{Cause, Unrecorded};
use crate::engine::evaluate::evaluation::{Evaluation, SigningInputs};
use crate::engine::evaluate::one_shot;
use crate::engine::evaluate::sampling::sample;
use crate::engine::protocol::{CredentialSource, ObservedSecret, Session, Step};
use crate::engine::protocol::{SecretAccess, Settings};
use crate::engine::reconcile::presigned_url::prerequisites::list_again;
use crate::engine::reconcile::presigned_url::secret::{inspect, issue, remove};
use crate::engine::reconcile::presigned_url::status::{denied_since, is_current, removal_at};
use crate::engine::scheduler::wake::RequeueAt;
use crate::issue::issued::Issued;
use crate::issue::{OwnerId, Ownership, ownership, renew_at};
use crate::policy::{Key, Objects};
use crate::time::later;

/// Between two heals of one resource.
const HEAL_PAUSE: Duration = Duration::from_mins(1);
/// Between two renewals, or two tries of what failed, that the annotation asked for.
pub(in crate::engine) const REQUEST_PAUSE: Duration = Duration::from_secs(30);
/// Between two looks at what only a person can mend.
pub(in crate::engine) const RECHECK: Duration = Duration::from_mins(5);

/// What a step was begun for, so that its result is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Purpose {
    /// A suspicion that the Secret is not what was written.
    Drift,
    /// A look at what is to be replaced.
    Replace,
    /// A look at what is to be removed.
    Removal,
    /// A new Secret.
    Create,
    /// A Secret that is ours, written again.
    Update,
    /// Removal of what may no longer be there.
    Remove,
    /// Removal of the Secret of the earlier name.
    Supersede,
    /// A look at what is under the prefix, for what these hashes say.
    List(String),
    /// Signatures of many objects.
    Sign,
    /// A try of these objects, with the hash of what they are signed for, and whether something is published by it.
    Prove(Vec<Key>, String, bool),
    /// Removal of what stands in the way and is ours, or was left by a dead owner of the same name.
    MakeRoom,
    /// A session of a store's role, narrowed to what is signed: the store, its source and the session.
    FetchSession(String, Box<CredentialSource>, Box<Session>),
}

/// What the plan says of a resource's Secret.
#[derive(Debug)]
pub(in crate::engine) enum Action {
    /// This step comes next.
    Step(Step, Purpose),
    /// The store fetches credentials first; the resource is looked at again after it.
    Waiting,
    /// The store has no room for a slow step of this resource yet; it is looked at again when there is some.
    WaitForSlot,
    /// Nothing to do until the times that were noted.
    Settled,
}

/// What is issued: what a write just made, else what the status tells.
pub(in crate::engine) fn issued(record: &Record) -> Option<Issued> {
    match &record.state.unrecorded {
        Some(Unrecorded::Written(issued)) => Some((**issued).clone()),
        Some(Unrecorded::Removed(_)) => None,
        None => Issued::of(&record.seen.status),
    }
}

/// Plans the Secret of a resource. Nothing is removed for its end while the operator's clock is `doubted`.
pub(in crate::engine) fn plan_secret(
    index: &mut Index,
    settings: &Settings,
    uid: &str,
    evaluation: &Evaluation,
    doubted: bool,
    now: Timestamp,
    requeue: &mut RequeueAt,
) -> Action {
    let Some(record) = index.resources.get(uid) else {
        return Action::Settled;
    };
    let blocked = record.state.retry_at.filter(|at| *at > now);
    if let Some(at) = blocked {
        requeue.at(at);
    }
    let removal_blocked = record.state.removal_retry_at.filter(|at| *at > now);
    if let Some(at) = removal_blocked {
        requeue.at(at);
    }
    if let (Some(old), None) = (&record.state.previous_secret, removal_blocked) {
        return remove(record, old, settings, Purpose::Supersede);
    }
    let issued = issued(record);
    if removal_blocked.is_none()
        && let Some(plan) = orphans::look(
            index,
            settings,
            uid,
            evaluation,
            issued.as_ref(),
            now,
            requeue,
        )
    {
        return plan;
    }
    let Some(record) = index.resources.get(uid) else {
        return Action::Settled;
    };
    if let Some(issued) = &issued {
        let watched = settings.secret_access == SecretAccess::Watch;
        if watched
            && blocked.is_none()
            && !record.state.drifted
            && suspicious(index, record, issued)
        {
            return inspect(record, &issued.secret.name, Purpose::Drift);
        }
        // An expiry is told and acted on by this timer, not when somebody happens to look.
        if issued.alive(now) {
            requeue.at(issued.expires_at);
        }
    }
    let may_issue = may_issue(record, evaluation, now);
    let mut in_line = false;
    if let (Some(inputs), None) = (may_issue, blocked) {
        match cause(index, record, inputs, issued.as_ref(), now, requeue) {
            None => {
                if let Some(plan) = look_again(index, uid, inputs, now, requeue) {
                    return plan;
                }
                let has_turn = issued
                    .as_ref()
                    .is_some_and(|issued| differs_from_store(index, inputs, issued));
                // Nothing is to be done, so nothing stands in the way of it any more.
                if let Some(state) = index.resources.get_mut(uid).and_then(|r| r.state.any()) {
                    let has_turn = has_turn || state.signed_by_wrong_clock;
                    state.settled(has_turn);
                }
                return Action::Settled;
            }
            Some(cause) => {
                match issue(index, settings, uid, inputs, issued.as_ref(), cause, now) {
                    Action::Settled => {}
                    // Who stands in line goes on below: what is dead does not wait with it.
                    Action::WaitForSlot => in_line = true,
                    plan => return plan,
                }
            }
        }
    }
    let Some(record) = index.resources.get(uid) else {
        return Action::Settled;
    };
    // What was just found to stand in the way is looked at again, though nothing else may happen until then.
    if let Some(at) = record.state.retry_at.filter(|at| *at > now) {
        requeue.at(at);
    }
    let rest = if in_line {
        Action::WaitForSlot
    } else {
        Action::Settled
    };
    // Nothing can be issued now: what is dead, or refused for long enough, goes.
    let Some(issued) = issued else {
        return rest;
    };
    if let Evaluation::Denied(_) = evaluation
        && grace_is_over(record, settings, now, requeue)
        && removal_blocked.is_none()
    {
        return remove(record, &issued.secret, settings, Purpose::Remove);
    }
    let dead = !issued.alive(now) || one_shot::ended(record, evaluation, now).is_some();
    if dead && !doubted && removal_blocked.is_none() {
        return remove(record, &issued.secret, settings, Purpose::Remove);
    }
    rest
}

/// Whether what a refused resource holds is to go now. The refusal is on record before anything is removed on its account.
/// Notes the time where it is to be later.
pub(in crate::engine) fn grace_is_over(
    record: &Record,
    settings: &Settings,
    now: Timestamp,
    requeue: &mut RequeueAt,
) -> bool {
    match removal_at(record, settings, now) {
        Some(at) if at > now => {
            requeue.at(at);
            false
        }
        at => at.is_some() && denied_since(&record.seen.status).is_some(),
    }
}

/// What may be issued now.
pub(in crate::engine) fn may_issue<'a>(
    record: &Record,
    evaluation: &'a Evaluation,
    now: Timestamp,
) -> Option<&'a SigningInputs> {
    match evaluation {
        Evaluation::Allowed(inputs)
            if !record.suspended() && !one_shot::closed(&inputs.authorized, now) =>
        {
            Some(inputs)
        }
        _ => None,
    }
}

/// Whether the Secret may not be what was written.
fn suspicious(index: &Index, record: &Record, issued: &Issued) -> bool {
    let secret = &issued.secret;
    let key = (record.seen.namespace.clone(), secret.name.clone());
    let Some(version) = index.secrets.get(&key) else {
        return true;
    };
    let written = version.uid == secret.uid && version.resource_version == secret.resource_version;
    !written && record.state.verified_version.as_ref() != Some(version)
}

/// Why a Secret is to be written now, if it is. Notes the time where it is to be later.
fn cause(
    index: &Index,
    record: &Record,
    inputs: &SigningInputs,
    issued: Option<&Issued>,
    now: Timestamp,
    requeue: &mut RequeueAt,
) -> Option<Cause> {
    let Some(issued) = issued else {
        return Some(Cause::First);
    };
    let state = &record.state;
    if inputs.authorized.shortens(issued) {
        return Some(Cause::Shortened);
    }
    if !inputs.authorized.covers(issued) {
        return Some(Cause::Changed);
    }
    if !issued.alive(now) {
        return Some(Cause::Due);
    }
    // A link keeps what was found when it was issued.
    if let (Some(found), None) = (&state.listing, &inputs.authorized.one_shot) {
        let life = u64::try_from(issued.life()).unwrap_or_default();
        if life > found.grant.max_duration.as_secs() {
            return Some(Cause::Shortened);
        }
        if issued.hashes.objects.as_ref() != Some(&found.hash) {
            return Some(Cause::Listed);
        }
    }
    let mut due = |at: Timestamp, cause: Cause| {
        if at <= now {
            return Some(cause);
        }
        requeue.at(at);
        None
    };
    if state.drifted {
        let next = state.healed_at.map_or(now, |at| later(at, HEAL_PAUSE));
        if let Some(cause) = due(next, Cause::Drift) {
            return Some(cause);
        }
    }
    if state.signed_by_wrong_clock || differs_from_store(index, inputs, issued) {
        let at = state.resign_at.unwrap_or(now);
        if let Some(cause) = due(at, Cause::Store) {
            return Some(cause);
        }
    }
    if inputs.authorized.one_shot.is_some() {
        return None;
    }
    let renewal = renew_at(
        issued.issued_at,
        issued.expires_at,
        inputs.authorized.request.renew_before,
        &record.seen.uid,
        issued.revision,
    );
    if let Some(cause) = due(renewal, Cause::Due) {
        return Some(cause);
    }
    match &record.seen.renew_request {
        Some(request) if issued.served_request.as_ref() != Some(request) => {
            due(later(issued.issued_at, REQUEST_PAUSE), Cause::Requested)
        }
        _ => None,
    }
}

/// Plans another look at what is under a prefix, where one is due. What was found and is no news is forgotten.
fn look_again(
    index: &mut Index,
    uid: &str,
    inputs: &SigningInputs,
    now: Timestamp,
    requeue: &mut RequeueAt,
) -> Option<Action> {
    let Objects::List(list) = &inputs.authorized.request.objects else {
        return None;
    };
    if inputs.authorized.one_shot.is_some() {
        return None;
    }
    let state = &mut *index.resources.get_mut(uid)?.state;
    if let Some(found) = state.listing.take() {
        state.listed_at = Some(found.at);
        state.sample = sample(&inputs.authorized.request, Some(&found));
    }
    let due = match (state.listed_at, list.refresh_interval) {
        (None, _) => now,
        (Some(at), Some(interval)) => later(at, interval),
        (Some(_), None) => return None,
    };
    if due > now {
        requeue.at(due);
        return None;
    }
    Some(list_again(index, uid, inputs, list, now, requeue))
}

/// Whether what is issued is to be signed again for what the store is by now.
fn differs_from_store(index: &Index, inputs: &SigningInputs, issued: &Issued) -> bool {
    issued.hashes.store != inputs.store_hash || signed_with_another_key(index, inputs, issued)
}

/// Whether the store's credentials are known to come from another source than those that signed.
pub(in crate::engine) fn signed_with_another_key(
    index: &Index,
    inputs: &SigningInputs,
    issued: &Issued,
) -> bool {
    let held = index
        .stores
        .get(&inputs.store)
        .and_then(|store| store.held.as_ref());
    held.is_some_and(|held| held.hash != issued.hashes.credential)
}

/// The version of a Secret that is as it was written; `None` where it is to be written anew.
pub(in crate::engine) fn intact(
    record: &Record,
    issued: &Issued,
    found: Option<&ObservedSecret>,
) -> Option<SecretVersion> {
    let found = found?;
    let content = found.content.as_ref()?;
    let me = OwnerId {
        uid: &record.seen.uid,
        name: &record.seen.name,
    };
    let label = found.labels.get(MANAGED_BY_LABEL).map(String::as_str);
    let same = found.uid == issued.secret.uid
        && !found.deleting
        && label == Some(MANAGER)
        && content.opaque
        && !content.immutable
        && content.data_hash == issued.secret.data_hash
        && ownership(&found.owners, me, &found.labels) == Ownership::Owned;
    same.then(|| SecretVersion {
        uid: found.uid.clone(),
        resource_version: found.resource_version.clone(),
    })
}

/// Whether a resource counts as one that holds a living URL of its store, and whether it is up to date with it.
pub(in crate::engine) fn counts(index: &Index, record: &Record, now: Timestamp) -> Option<bool> {
    // Nothing is cloned here: a store's count looks at every one of its resources.
    let status = &record.seen.status;
    let (expires_at, credential) = match &record.state.unrecorded {
        Some(Unrecorded::Written(issued)) => (issued.expires_at, &issued.hashes.credential),
        Some(Unrecorded::Removed(_)) => return None,
        // What a link leaves behind is no URL.
        None if status.secret_ref.is_none() => return None,
        None => (status.expires_at?, &status.hashes.as_ref()?.credential),
    };
    if expires_at <= now {
        return None;
    }
    let store = index
        .stores
        .get(crate::engine::cache::index::store_name(&record.seen))?;
    let held = store.held.as_ref()?;
    Some(held.hash == *credential && !record.state.needs_rollout)
}

/// Whether what is issued was signed for an earlier state of the store.
pub(in crate::engine) fn needs_rollout(
    record: &Record,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
    now: Timestamp,
) -> bool {
    match (evaluation, issued) {
        (Evaluation::Allowed(inputs), Some(issued)) => {
            issued.hashes.store != inputs.store_hash && is_current(record, evaluation, issued, now)
        }
        _ => false,
    }
}

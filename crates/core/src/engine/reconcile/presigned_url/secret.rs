//! Writing the Secret: whose it is, the signature, the write, and its result.
//!
//! What holds here:
//! - What is signed is signed at the last moment, on what was found a moment ago.
//! - Ownership decides before content: a third party's Secret ends the way.
//! - A Secret that was written is the truth from then on, and the status follows.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{Problem, Reason};
use crate::engine::cache::index::{Record, SecretVersion};
use crate::engine::cache::state::{Inspected, Unrecorded};
use crate::engine::evaluate::evaluation::SigningInputs;
use crate::engine::evaluate::reissue::issued;
use crate::engine::evaluate::sampling;
use crate::engine::protocol::Cause;
use crate::engine::protocol::Observation;
use crate::engine::protocol::{
    ApiError, ObjectVersion, ObservedSecret, SecretAccess, SecretWrite, Settings, Step,
};
use crate::engine::reconcile::action::{Action, InFlight, SecretInFlight};
use crate::engine::reconcile::context::Ctx;
use crate::engine::reconcile::presigned_url::prerequisites;
use crate::engine::scheduler::retry::RECHECK;
use crate::issue::issued::Issued;
use crate::issue::{
    OwnerId, Ownership, SecretMeta, SignedJob, SigningJob, WantedMeta, merge, ownership,
};
use crate::time::later;

/// The pause before a Secret that is being deleted is inspected again.
const DELETION_PAUSE: Duration = Duration::from_secs(5);

/// What a write replaces.
enum Base {
    /// Nothing has the name.
    Nothing,
    /// What was read a moment ago.
    Read(Box<ObservedSecret>),
    /// What cannot be read. The uid that our own create answered with tells it from others'.
    Unread(ObjectVersion),
}

/// Plans the next step towards a new Secret. [`Action::Idle`] means that something stands in the way, and the
/// state says what.
pub(super) fn plan(
    ctx: &mut Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
    issued: Option<&Issued>,
    cause: Cause,
) -> Action {
    match next_step(ctx, uid, inputs, issued, cause) {
        Err(Action::AcquireSlot(slow)) => prerequisites::acquire_slot(ctx, uid, inputs, *slow),
        Err(Action::Blocked(problem, retry_at)) => {
            if let Some(state) = ctx.state(uid) {
                state.issue.problem = Some(problem);
                state.issue.retry.wait_until(retry_at);
                state.secret.inspected = None;
                // Working URLs are not kept for a Secret that cannot be written.
                state.secret.signed = None;
                state.listing.found = None;
            }
            Action::Idle
        }
        Ok(action) | Err(action) => action,
    }
}

fn next_step(
    ctx: &mut Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
    issued: Option<&Issued>,
    cause: Cause,
) -> Result<Action, Action> {
    let now = ctx.now;
    let renewed = issued.filter(|issued| cause == Cause::Due && issued.alive(now));
    let living = renewed.map(|issued| issued.expires_at);
    let (held, found) = prerequisites::obtain(ctx, uid, inputs, living)?;
    let settings = ctx.settings;
    let Some(record) = ctx.cache.resources.get_mut(uid) else {
        return Err(Action::Idle);
    };
    let revision = next_revision(record, issued);
    let job = inputs.job(&held, &record.seen, found.as_deref(), revision, now);
    let signed = &record.state.secret.signed;
    if job.is_long() && !signed.as_ref().is_some_and(|s| job.is_served_by(s)) {
        return Err(Action::start(Step::Sign(Box::new(job)), InFlight::Sign));
    }
    let base = base(
        record,
        settings,
        &inputs.authorized.secret_name,
        issued,
        now,
    )?;
    let existing = existing(record, inputs, &base, now)?;
    write(record, inputs, &job, cause, &base, &existing, now)
}

fn next_revision(record: &Record, issued: Option<&Issued>) -> i64 {
    let last = issued
        .map(|issued| issued.revision)
        .or(record.seen.status.revision);
    last.unwrap_or(0) + 1
}

/// What the write replaces, if that is known well enough.
fn base(
    record: &mut Record,
    settings: &Settings,
    name: &str,
    issued: Option<&Issued>,
    now: Timestamp,
) -> Result<Base, Action> {
    let known = issued
        .map(|issued| &issued.secret)
        .filter(|secret| secret.name == name);
    match record.state.secret.inspected.take() {
        Some(Inspected::Nothing) => return Ok(Base::Nothing),
        Some(Inspected::Found(found)) => return Ok(Base::Read(found)),
        None => {}
    }
    let state = &mut record.state.secret;
    if settings.secret_access == SecretAccess::Watch {
        if known.is_none() && !state.name_taken {
            return Ok(Base::Nothing);
        }
        let step = Step::InspectSecret {
            namespace: record.seen.namespace.clone(),
            name: name.to_owned(),
            data: state.recreate,
        };
        return Err(Action::start(step, InFlight::InspectName));
    }
    if let Some(secret) = known.filter(|_| !state.drifted) {
        return Ok(Base::Unread(ObjectVersion {
            uid: secret.uid.clone(),
            resource_version: None,
        }));
    }
    if std::mem::take(&mut state.name_taken) {
        let message = format!(
            "a Secret \"{name}\" exists and the operator may not read Secrets here, so it cannot tell whose it is: choose \
             another spec.secretName, or delete that Secret"
        );
        return Err(conflict(message, now));
    }
    Ok(Base::Nothing)
}

/// What had the name was inspected.
pub(super) fn name_inspected(
    ctx: &mut Ctx<'_>,
    uid: &str,
    result: Result<Option<ObservedSecret>, ApiError>,
) {
    match result {
        Ok(found) => {
            if let Some(state) = ctx.state(uid) {
                state.secret.name_taken = found.is_some();
                state.secret.inspected = Some(match found {
                    Some(found) => Inspected::Found(Box::new(found)),
                    None => Inspected::Nothing,
                });
            }
        }
        Err(error) => ctx.record_failure(uid, &error),
    }
}

/// The metadata that is kept of what has the name, if it is ours to write.
fn existing(
    record: &Record,
    inputs: &SigningInputs,
    base: &Base,
    now: Timestamp,
) -> Result<SecretMeta, Action> {
    let Base::Read(found) = base else {
        return Ok(SecretMeta::default());
    };
    let name = &inputs.authorized.secret_name;
    if found.deleting {
        let problem = Problem {
            reason: Reason::Progressing,
            message: format!(
                "the Secret \"{name}\" is being deleted; a new one is written after that"
            ),
            needs_human: false,
        };
        return Err(Action::Blocked(problem, Some(later(now, DELETION_PAUSE))));
    }
    match ownership(&found.owners, owner(record), &found.labels) {
        Ownership::Foreign { what } => Err(conflict(
            format!(
                "the Secret \"{name}\" {what}, so it is left alone: choose another spec.secretName, or delete that Secret"
            ),
            now,
        )),
        Ownership::Owned if !record.state.secret.recreate || updatable(found) => Ok(SecretMeta {
            labels: found.labels.clone(),
            annotations: found.annotations.clone(),
            owners: found.owners.clone(),
        }),
        Ownership::Owned | Ownership::Abandoned => {
            let step = Step::DeleteSecret {
                namespace: record.seen.namespace.clone(),
                name: name.clone(),
                target: ObjectVersion {
                    uid: found.uid.clone(),
                    resource_version: Some(found.resource_version.clone()),
                },
            };
            let name = name.clone();
            Err(Action::start(step, InFlight::FreeName { name }))
        }
    }
}

/// What had the name was removed, or was not.
pub(super) fn name_freed(ctx: &mut Ctx<'_>, uid: &str, name: &str, result: Result<(), ApiError>) {
    match result {
        Ok(()) => {
            ctx.cache.forget_secret(uid, name);
            if let Some(state) = ctx.state(uid) {
                state.secret.inspected = Some(Inspected::Nothing);
                state.secret.name_taken = false;
                state.secret.recreate = false;
            }
        }
        Err(error) => ctx.record_failure(uid, &error),
    }
}

/// Many objects were signed by a step of their own.
pub(super) fn signed(ctx: &mut Ctx<'_>, uid: &str, job: SignedJob) {
    let now = ctx.now;
    let Some(state) = ctx.state(uid) else { return };
    match job.0 {
        Ok(signed) => state.secret.signed = Some(Box::new(signed)),
        Err(problem) => {
            state.issue.problem = Some(problem);
            state.issue.retry.wait_until(Some(later(now, RECHECK)));
        }
    }
}

/// Signs, if that was not done before, and makes the step.
fn write(
    record: &mut Record,
    inputs: &SigningInputs,
    job: &SigningJob,
    cause: Cause,
    base: &Base,
    existing: &SecretMeta,
    now: Timestamp,
) -> Result<Action, Action> {
    let before = record.state.secret.signed.take();
    let signed = match before.filter(|signed| job.is_served_by(signed)) {
        Some(signed) => *signed,
        None => job
            .sign()
            .map_err(|problem| Action::Blocked(problem, Some(later(now, RECHECK))))?,
    };
    if let Some(found) = record.state.listing.found.take() {
        record.state.listing.listed_at = Some(found.at);
        record.state.listing.sampled_keys =
            sampling::sample(&inputs.authorized.request, Some(&found));
    }
    let seen = &record.seen;
    let wanted = WantedMeta {
        labels: &signed.content.labels,
        annotations: &signed.content.annotations,
        owner_id: owner(record),
    };
    let SecretMeta {
        labels,
        annotations,
        owners,
    } = merge(existing, wanted);
    let finalizers = match base {
        Base::Read(found) => found.finalizers.clone(),
        Base::Nothing | Base::Unread(_) => Vec::new(),
    };
    let write = Box::new(SecretWrite {
        namespace: seen.namespace.clone(),
        name: inputs.authorized.secret_name.clone(),
        labels,
        annotations,
        owners,
        finalizers,
        data: signed.content.data,
    });
    let in_flight = Box::new(SecretInFlight {
        name: write.name.clone(),
        issued: signed.issued,
        cause,
    });
    let target = match base {
        Base::Nothing => {
            return Ok(Action::start(
                Step::CreateSecret(write),
                InFlight::Create(in_flight),
            ));
        }
        Base::Unread(target) => target.clone(),
        Base::Read(found) => ObjectVersion {
            uid: found.uid.clone(),
            resource_version: Some(found.resource_version.clone()),
        },
    };
    Ok(Action::start(
        Step::UpdateSecret { write, target },
        InFlight::Update(in_flight),
    ))
}

/// A Secret was created, or was not.
pub(super) fn created(
    ctx: &mut Ctx<'_>,
    uid: &str,
    in_flight: SecretInFlight,
    result: Result<ObjectVersion, ApiError>,
) {
    let readable = ctx.settings.secret_access == SecretAccess::Watch;
    match result {
        Ok(version) => written(ctx, uid, in_flight, version),
        Err(error) => {
            if let Some(state) = ctx.state(uid) {
                // After a lost answer the Secret may exist: it is inspected before anything is written again.
                let may_exist = match error {
                    ApiError::AlreadyExists => true,
                    ApiError::Timeout | ApiError::Unavailable => readable,
                    _ => false,
                };
                state.secret.name_taken |= may_exist;
            }
            ctx.record_failure(uid, &error);
        }
    }
}

/// A Secret was updated, or was not.
pub(super) fn updated(
    ctx: &mut Ctx<'_>,
    uid: &str,
    in_flight: SecretInFlight,
    result: Result<ObjectVersion, ApiError>,
) {
    let readable = ctx.settings.secret_access == SecretAccess::Watch;
    let error = match result {
        Ok(version) => return written(ctx, uid, in_flight, version),
        Err(error) => error,
    };
    let Some(state) = ctx.state(uid) else { return };
    let secret = &mut state.secret;
    match error {
        ApiError::Invalid if readable && !secret.recreate => {
            secret.recreate = true;
            return;
        }
        ApiError::NotFound if !readable => secret.drifted = true,
        ApiError::Conflict if !readable => {
            secret.drifted = true;
            secret.name_taken = true;
        }
        _ => {}
    }
    ctx.record_failure(uid, &error);
}

/// The Secret is the truth from now on, and the status follows.
fn written(ctx: &mut Ctx<'_>, uid: &str, in_flight: SecretInFlight, version: ObjectVersion) {
    let SecretInFlight {
        name,
        issued: mut fresh,
        cause,
    } = in_flight;
    let now = ctx.now;
    let Some(record) = ctx.cache.resources.get_mut(uid) else {
        return;
    };
    let before = issued(record)
        .map(|issued| issued.secret)
        .filter(|secret| secret.name != name);
    let resource_version = version.resource_version.unwrap_or_default();
    fresh.secret.uid.clone_from(&version.uid);
    fresh.secret.resource_version.clone_from(&resource_version);
    let state = &mut record.state;
    state.succeeded();
    state.unrecorded = Some(Unrecorded::Written(Box::new(fresh)));
    state.secret.verified_version = None;
    if cause == Cause::Drift {
        state.secret.healed_at = Some(now);
    }
    state.secret.previous_secret.take_if(|old| old.name == name);
    // One whose removal is blocked makes room, and is not forgotten.
    if let Some(before) = before
        && let Some(blocked) = state.secret.previous_secret.replace(Box::new(before))
    {
        ctx.cache.orphans.put(&record.seen.uid, &blocked.name);
    }
    ctx.observations.push(if cause.is_renewal() {
        Observation::Renewed(cause)
    } else {
        Observation::Issued
    });
    let namespace = record.seen.namespace.clone();
    let written = SecretVersion {
        uid: version.uid,
        resource_version,
    };
    ctx.cache.secret_written(&namespace, &name, written);
}

/// Whether nothing about the Secret itself forbids an update. If an update is refused all the same, somebody
/// else refuses it, who may refuse a new Secret too: the old one must stay.
fn updatable(found: &ObservedSecret) -> bool {
    found
        .content
        .as_ref()
        .is_some_and(|content| content.opaque && !content.immutable)
}

fn owner(record: &Record) -> OwnerId<'_> {
    OwnerId {
        uid: &record.seen.uid,
        name: &record.seen.name,
    }
}

fn conflict(message: String, now: Timestamp) -> Action {
    let problem = Problem {
        reason: Reason::SecretConflict,
        message,
        needs_human: true,
    };
    Action::Blocked(problem, Some(later(now, RECHECK)))
}

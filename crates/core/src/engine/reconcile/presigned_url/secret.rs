//! Writing the Secret: what comes first, the signature, the write, and its result.
//!
//! What holds here:
//! - The prerequisites come in this order: the listing, credentials, the permission to upload, the
//!   verification. Each that is missing is a step of its own, and the plan is made again after it.
//! - The signature is made last, from facts of a moment ago.
//! - A written Secret counts at once, and the status follows.

use std::sync::Arc;

use jiff::Timestamp;

use crate::api::{Problem, Reason};
use crate::engine::cache::record::Record;
use crate::engine::cache::state::Unrecorded;
use crate::engine::cache::version::SecretVersion;
use crate::engine::evaluate::reissue::issued;
use crate::engine::evaluate::sampling;
use crate::engine::evaluate::signing_inputs::SigningInputs;
use crate::engine::protocol::Cause;
use crate::engine::protocol::Observation;
use crate::engine::protocol::{
    ApiError, ObjectVersion, SecretAccess, SecretAnswer, SecretWrite, Step,
};
use crate::engine::reconcile::action::{Action, InFlight, SecretInFlight};
use crate::engine::reconcile::context::Ctx;
use crate::engine::reconcile::presigned_url::credentials::credentials;
use crate::engine::reconcile::presigned_url::secret_name::{Base, base, kept_metadata};
use crate::engine::reconcile::presigned_url::{listing, verification};
use crate::engine::scheduler::retry::RECHECK;
use crate::engine::store::{CredentialNeed, HeldCredentials, UploadPermission};
use crate::issue::issued::Issued;
use crate::issue::listed::FoundObjects;
use crate::issue::{SecretMeta, SignedJob, SigningJob, WantedMeta, merge};
use crate::request::Options;
use crate::time::later;

/// Plans the next step towards a new Secret. [`Action::Idle`] means that a problem blocks it, which is in the
/// state.
pub(super) fn plan(
    ctx: &mut Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
    issued: Option<&Issued>,
    cause: Cause,
) -> Action {
    let now = ctx.now;
    match next_step(ctx, uid, inputs, issued, cause) {
        Err(Action::Blocked(problem, retry_at)) => {
            if let Some(state) = ctx.state(uid) {
                state.issue.problem = Some(problem);
                state.issue.retry.wait_until(retry_at, now);
                state.secret.inspected = None;
                // Signed URLs are not kept for a Secret that cannot be written.
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
    let record = ctx.cache.resources.get(uid).ok_or(Action::Idle)?;
    let renewed =
        issued.filter(|issued| cause == Cause::Due && ctx.cache.alive(record, issued, now));
    let living = renewed.map(|issued| issued.expires_at);
    let (held, found) = prerequisites(ctx, uid, inputs, living, cause)?;
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
    let kept = kept_metadata(record, inputs, &base, now)?;
    write(record, inputs, &job, cause, &base, &kept, now)
}

/// What a signature needs: credentials, and under a prefix the listed objects. An `Err` is what comes first.
/// `living` is the expiry that the new URL must outlive.
fn prerequisites(
    ctx: &mut Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
    living: Option<Timestamp>,
    cause: Cause,
) -> Result<(Box<HeldCredentials>, Option<Arc<FoundObjects>>), Action> {
    let found = listing::obtain(ctx, uid, inputs, cause)?;
    let need = CredentialNeed {
        life: inputs.authorized.requested_life().effective(),
        living,
    };
    let held = credentials(ctx, uid, inputs, inputs.session.as_ref(), need);
    // Without credentials the store cannot be probed, so the permission would never be known.
    if matches!(held, Ok(_) | Err(Action::StartInSlot(..))) {
        check_upload_permission(ctx, uid, inputs)?;
    }
    let held = held?;
    verification::obtain(ctx, uid, inputs, &held, found.as_deref())?;
    Ok((held, found))
}

/// Whether an upload may be signed for the store at all. An `Err` is what comes first, or why it may not.
fn check_upload_permission(
    ctx: &mut Ctx<'_>,
    uid: &str,
    inputs: &SigningInputs,
) -> Result<(), Action> {
    let store = ctx
        .cache
        .stores
        .get_mut(&inputs.store)
        .ok_or(Action::AwaitStore)?;
    if !matches!(inputs.authorized.grant.options, Options::Put(_)) {
        return Ok(());
    }
    match store.upload_permission(inputs.session.is_some(), ctx.now) {
        UploadPermission::Allowed => Ok(()),
        UploadPermission::Wait => {
            store.waiting.insert(uid.into());
            Err(Action::AwaitStore)
        }
        UploadPermission::Refused(reason, message) => {
            store.waiting.insert(uid.into());
            let problem = Problem {
                needs_human: reason == Reason::UnsignedHeadersAccepted,
                reason,
                message,
            };
            Err(Action::Blocked(problem, None))
        }
    }
}

fn next_revision(record: &Record, issued: Option<&Issued>) -> i64 {
    let last = issued
        .map(|issued| issued.revision)
        .or(record.seen.status.revision);
    last.unwrap_or(0) + 1
}

/// Signs, unless a step signed before, and makes the step that writes the Secret.
fn write(
    record: &mut Record,
    inputs: &SigningInputs,
    job: &SigningJob,
    cause: Cause,
    base: &Base,
    kept: &SecretMeta,
    now: Timestamp,
) -> Result<Action, Action> {
    let before = record.state.secret.signed.take();
    let signed = match before.filter(|signed| job.is_served_by(signed)) {
        Some(signed) => *signed,
        None => job
            .sign()
            .map_err(|problem| Action::Blocked(problem, Some(later(now, RECHECK))))?,
    };
    // What was found serves a second attempt, if the Secret has another version than the known one.
    let found = match base {
        Base::AsWritten(ObjectVersion {
            resource_version: Some(_),
            ..
        }) => record.state.listing.found.clone(),
        _ => record.state.listing.found.take(),
    };
    if let Some(found) = found {
        record.state.listing.listed_at = Some(found.at);
        record.state.listing.sampled_keys =
            sampling::sample(&inputs.authorized.request, Some(&found));
    }
    let seen = &record.seen;
    let wanted = WantedMeta {
        labels: &signed.content.labels,
        annotations: &signed.content.annotations,
        owner_id: record.owner_id(),
    };
    let SecretMeta {
        labels,
        annotations,
        owners,
    } = merge(kept, wanted);
    let finalizers = match base {
        Base::Inspected(found) => found.finalizers.clone(),
        Base::Nothing | Base::AsWritten(_) => Vec::new(),
    };
    let all_ours = labels == signed.content.labels
        && annotations == signed.content.annotations
        && owners.len() == 1
        && finalizers.is_empty();
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
        all_ours,
    });
    let target = match base {
        Base::Nothing => {
            return Ok(Action::start(
                Step::CreateSecret(write),
                InFlight::Create(in_flight),
            ));
        }
        Base::AsWritten(target) => target.clone(),
        Base::Inspected(found) => ObjectVersion {
            uid: found.uid.clone(),
            resource_version: Some(found.resource_version.clone()),
        },
    };
    Ok(Action::start(
        Step::UpdateSecret { write, target },
        InFlight::Update(in_flight),
    ))
}

/// A job that had a step of its own was signed, or failed.
pub(super) fn signed(ctx: &mut Ctx<'_>, uid: &str, job: SignedJob) {
    let now = ctx.now;
    let Some(state) = ctx.state(uid) else { return };
    match job.0 {
        Ok(signed) => state.secret.signed = Some(Box::new(signed)),
        Err(problem) => {
            state.issue.problem = Some(problem);
            state.issue.retry.wait_until(Some(later(now, RECHECK)), now);
        }
    }
}

/// A Secret was created, or was not.
pub(super) fn created(
    ctx: &mut Ctx<'_>,
    uid: &str,
    in_flight: SecretInFlight,
    result: Result<SecretAnswer, ApiError>,
) {
    let readable = ctx.settings.secret_access == SecretAccess::Watch;
    match result {
        Ok(answer) => written(ctx, uid, in_flight, answer),
        Err(error) => {
            forget_what_stands(ctx, uid);
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
    result: Result<SecretAnswer, ApiError>,
) {
    let readable = ctx.settings.secret_access == SecretAccess::Watch;
    let error = match result {
        Ok(answer) => return written(ctx, uid, in_flight, answer),
        Err(error) => error,
    };
    forget_what_stands(ctx, uid);
    let Some(state) = ctx.state(uid) else { return };
    let conflict = matches!(error, ApiError::Conflict);
    if conflict && !readable && !state.secret.edited {
        state.secret.edited = true;
        return;
    }
    if conflict && readable && state.listing.found.is_some() {
        // What was found serves the attempt that follows the inspection.
        return ctx.record_failure(uid, &error);
    }
    state.listing.found = None;
    let in_doubt = !readable && matches!(error, ApiError::Timeout | ApiError::Unavailable);
    state.secret.in_doubt |= in_doubt;
    let for_objects = matches!(in_flight.cause, Cause::Listed | Cause::Shortened);
    if (for_objects || in_doubt) && state.listing.listed_at.is_some() {
        state.list_unpaced();
    }
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

/// A write failed: what the name stands for now is looked at before the next one.
fn forget_what_stands(ctx: &mut Ctx<'_>, uid: &str) {
    if let Some(record) = ctx.cache.resources.get_mut(uid) {
        record.all_ours = false;
    }
}

/// The Secret was written. It counts from now on, and the status follows.
fn written(ctx: &mut Ctx<'_>, uid: &str, in_flight: SecretInFlight, answer: SecretAnswer) {
    let SecretInFlight {
        name,
        issued: mut fresh,
        cause,
        all_ours,
    } = in_flight;
    let SecretAnswer { version, as_sent } = answer;
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
    record.all_ours = all_ours && as_sent;
    let state = &mut record.state;
    state.succeeded();
    state.rollout.signed_by_wrong_clock = false;
    state.unrecorded = Some(Unrecorded::Written(Box::new(fresh)));
    state.secret.verified_version = None;
    state.secret.edited = false;
    if cause == Cause::Drift {
        state.secret.healed_at = Some(now);
    }
    state.secret.previous_secret.take_if(|old| old.name == name);
    // One slot holds the previous Secret: an older one, whose removal is blocked, becomes an orphan.
    if let Some(before) = before
        && let Some(blocked) = state.secret.previous_secret.replace(Box::new(before))
    {
        ctx.cache.orphans.put(&record.seen.uid, &blocked.name, None);
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
    ctx.cache.secret_answered(uid, (&namespace, &name), written);
}

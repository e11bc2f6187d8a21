//! Drift: a Secret whose version is not the one that was written.
//!
//! What holds here:
//! - Another resourceVersion is a suspicion. Only an inspection of the Secret confirms drift.
//! - A problem that blocks a renewal does not block the inspection, since drift sets `Ready` to False.
//! - An owner reference or a mark that was dropped is put back whether or not anything can be signed:
//!   without it nothing removes the Secret with its resource.

use jiff::Timestamp;

use crate::engine::cache::record::Record;
use crate::engine::cache::version::SecretVersion;
use crate::engine::evaluate::reissue::{Finding, compare, expiry_of_own, heals_at, issued};
use crate::engine::protocol::{ApiError, ObjectVersion, ObservedSecret, SecretAnswer, Step};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::Ctx;
use crate::engine::scheduler::wake::RequeueAt;
use crate::issue::Owner;
use crate::issue::issued::Issued;

/// Plans the inspection of the Secret.
pub(super) fn plan(record: &Record, issued: &Issued) -> Action {
    let name = issued.secret.name.clone();
    let step = Step::InspectSecret {
        namespace: record.seen.namespace.clone(),
        name: name.clone(),
        data: true,
    };
    Action::start(step, InFlight::InspectDrift { name })
}

/// The Secret was inspected, or was not.
pub(super) fn completed(
    ctx: &mut Ctx<'_>,
    uid: &str,
    name: &str,
    result: Result<Option<ObservedSecret>, ApiError>,
) {
    if let Some(state) = ctx.state(uid) {
        state.secret.check_failed = result.is_err();
    }
    let found = match result {
        Ok(found) => found,
        Err(error) => return ctx.record_failure(uid, &error),
    };
    let Some(record) = ctx.cache.resources.get_mut(uid) else {
        return;
    };
    // What made it suspicious may be a label of somebody else, which the next write must keep.
    record.all_ours = false;
    let Some(issued) = issued(record) else { return };
    let finding = compare(record, &issued, found.as_ref());
    let found_expiry = found
        .as_ref()
        .and_then(|found| expiry_of_own(record, found));
    let key = (record.seen.namespace.clone(), name.to_owned());
    let secret = &mut record.state.secret;
    match finding {
        Finding::Intact(version) => {
            secret.verified_version = Some(version.clone());
            // If the watch reported a newer version meanwhile, that one stays known and is inspected next.
            ctx.cache.secret_answered(uid, (&key.0, &key.1), version);
        }
        Finding::Unmarked(version) => {
            secret.drifted = true;
            secret.unmarked = Some(version);
        }
        Finding::Changed => {
            secret.drifted = true;
            secret.unmarked = None;
            secret.found_expiry = found_expiry;
            if found.is_none() {
                ctx.cache.secrets.remove(&key.0, &key.1);
            }
        }
    }
}

/// Plans to put back the owner reference and the marks, if they are all that the Secret lost.
pub(super) fn plan_restore(
    record: &Record,
    issued: &Issued,
    now: Timestamp,
    requeue: &mut RequeueAt,
) -> Option<Action> {
    let found = record.state.secret.unmarked.as_ref()?;
    // What goes needs no owner.
    if record.seen.deleting || issued.is_over(now) {
        return None;
    }
    if let Some(at) = heals_at(record).filter(|at| *at > now) {
        requeue.at(at);
        return None;
    }
    let name = issued.secret.name.clone();
    let step = Step::RestoreMarks {
        namespace: record.seen.namespace.clone(),
        name: name.clone(),
        owner: Owner::of(record.owner_id()),
        target: ObjectVersion {
            uid: found.uid.clone(),
            resource_version: Some(found.resource_version.clone()),
        },
    };
    Some(Action::start(step, InFlight::RestoreMarks { name }))
}

/// The owner reference and the marks were put back, or were not.
pub(super) fn restored(
    ctx: &mut Ctx<'_>,
    uid: &str,
    name: &str,
    result: Result<SecretAnswer, ApiError>,
) {
    let now = ctx.now;
    let Some(record) = ctx.cache.resources.get_mut(uid) else {
        return;
    };
    let secret = &mut record.state.secret;
    let answered = matches!(
        &result,
        Ok(_) | Err(ApiError::Conflict | ApiError::NotFound)
    );
    secret.check_failed = !answered;
    match result {
        Ok(SecretAnswer { version, .. }) => {
            let version = SecretVersion {
                uid: version.uid,
                resource_version: version.resource_version.unwrap_or_default(),
            };
            secret.no_drift();
            secret.healed_at = Some(now);
            secret.verified_version = Some(version.clone());
            let namespace = record.seen.namespace.clone();
            ctx.cache.secret_answered(uid, (&namespace, name), version);
        }
        // It was changed or removed meanwhile: it is inspected again.
        Err(ApiError::Conflict | ApiError::NotFound) => secret.no_drift(),
        Err(error) => ctx.record_failure(uid, &error),
    }
}

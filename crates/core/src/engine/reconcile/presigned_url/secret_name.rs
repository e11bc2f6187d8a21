//! Whose is the Secret's name: what has it now, and whether the resource may write it.
//!
//! What holds here:
//! - Ownership decides before content: another owner's Secret is never changed.
//! - A conflict is checked again after as long as it has lasted, between five seconds and five minutes: the
//!   watch names no Secret without the operator's label.
//! - A Secret is inspected before it is replaced, unless it holds nothing of anybody else: then a write names
//!   the version that the last one made, and inspects the Secret if it has another one by now.
//! - An operator that may not read Secrets knows the Secret by the uid that the API server returned at its
//!   creation. The version that it returned is named first all the same: what a replica sent before another
//!   took over must not replace what that one wrote.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{Problem, Reason};
use crate::engine::cache::record::Record;
use crate::engine::cache::state::Inspected;
use crate::engine::evaluate::reissue::whose;
use crate::engine::evaluate::signing_inputs::SigningInputs;
use crate::engine::protocol::{
    ApiError, ObjectVersion, ObservedSecret, SecretAccess, Settings, Step,
};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::Ctx;
use crate::engine::scheduler::retry::RECHECK;
use crate::issue::issued::Issued;
use crate::issue::{Owner, Ownership, SecretMeta};
use crate::time::{between, later};

/// The pause before a Secret that is being deleted is inspected again.
const DELETION_PAUSE: Duration = Duration::from_secs(5);
/// The first pause before a conflict is checked again.
const CONFLICT_PAUSE: Duration = Duration::from_secs(5);
/// When a conflict is checked again; it follows what to do about it.
const CHECKED_AGAIN: &str = "the operator checks again within 5 minutes, and at once when the annotation presigned.dev/renew changes";

/// What a write replaces.
pub(super) enum Base {
    /// No Secret has the name.
    Nothing,
    /// The Secret that was inspected a moment ago.
    Inspected(Box<ObservedSecret>),
    /// A Secret that the operator wrote, and does not or may not inspect.
    AsWritten(ObjectVersion),
}

/// What the write replaces. An `Err` is the step that finds it out, or why it cannot be found out.
pub(super) fn base(
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
        Some(Inspected::Found(found)) => return Ok(Base::Inspected(found)),
        None => {}
    }
    let state = &mut record.state.secret;
    if settings.secret_access == SecretAccess::Watch {
        if known.is_none() && !state.name_taken {
            return Ok(Base::Nothing);
        }
        if let Some(secret) = known
            && record.all_ours
            && !state.name_taken
            && !state.recreate
        {
            return Ok(Base::AsWritten(ObjectVersion {
                uid: secret.uid.clone(),
                resource_version: Some(secret.resource_version.clone()),
            }));
        }
        let step = Step::InspectSecret {
            namespace: record.seen.namespace.clone(),
            name: name.to_owned(),
            data: state.recreate,
        };
        return Err(Action::start(step, InFlight::InspectName));
    }
    if let Some(secret) = known.filter(|_| !state.drifted) {
        return Ok(Base::AsWritten(ObjectVersion {
            uid: secret.uid.clone(),
            resource_version: (!state.edited).then(|| secret.resource_version.clone()),
        }));
    }
    if std::mem::take(&mut state.name_taken) {
        let message = format!(
            "a Secret \"{name}\" exists and the operator may not read Secrets here, so it cannot tell whose it is: choose \
             another spec.secretName, or delete that Secret; {CHECKED_AGAIN}"
        );
        return Err(conflict(record, message, now));
    }
    Ok(Base::Nothing)
}

/// The Secret with the name was inspected.
pub(super) fn inspected(
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

/// The metadata that the write keeps, if the Secret belongs to the resource. An `Err` frees the name, or says
/// why it stays taken.
pub(super) fn kept_metadata(
    record: &mut Record,
    inputs: &SigningInputs,
    base: &Base,
    now: Timestamp,
) -> Result<SecretMeta, Action> {
    let Base::Inspected(found) = base else {
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
    match whose(record, found) {
        Ownership::Foreign { what } => {
            let message = format!(
                "the Secret \"{name}\" {what}, so it is left alone: choose another spec.secretName, or delete that \
                 Secret; {CHECKED_AGAIN}"
            );
            Err(conflict(record, message, now))
        }
        Ownership::Owned | Ownership::Disowned
            if !record.state.secret.recreate || updatable(found) =>
        {
            Ok(SecretMeta {
                labels: found.labels.clone(),
                annotations: found.annotations.clone(),
                owners: found.owners.clone(),
            })
        }
        Ownership::Owned | Ownership::Disowned | Ownership::Abandoned => {
            let step = Step::DeleteSecret {
                namespace: record.seen.namespace.clone(),
                name: name.clone(),
                owner: Owner::of(record.owner_id()),
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

/// The Secret with the name was removed, or was not.
pub(super) fn freed(ctx: &mut Ctx<'_>, uid: &str, name: &str, result: Result<(), ApiError>) {
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

/// Whether the Secret itself allows an update. If an update is refused all the same, an admission webhook
/// refuses it, and it may refuse a new Secret too: then the old one must stay.
fn updatable(found: &ObservedSecret) -> bool {
    found
        .content
        .as_ref()
        .is_some_and(|content| content.opaque && !content.immutable)
}

fn conflict(record: &mut Record, message: String, now: Timestamp) -> Action {
    let since = *record.state.secret.conflict_since.get_or_insert(now);
    let pause = between(since, now).clamp(CONFLICT_PAUSE, RECHECK);
    let problem = Problem {
        reason: Reason::SecretConflict,
        message,
        needs_human: true,
    };
    Action::Blocked(problem, Some(later(now, pause)))
}

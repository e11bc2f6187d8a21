//! The way to a Secret's write or removal: credentials, whose the Secret is, the signature, the step.
//!
//! What holds here: what is signed is signed at the last moment, on what was found a moment ago. Whose a Secret is decides
//! before what is to be written; a foreign one ends the way.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::Problem;
use crate::api::{Reason, SecretRef};
use crate::engine::cache::index::{Index, Record};
use crate::engine::cache::state::{Cause, InProgress, Look};
use crate::engine::evaluate::evaluation::SigningInputs;
use crate::engine::evaluate::reissue::{Action, Purpose, RECHECK};
use crate::engine::evaluate::sampling;
use crate::engine::evaluate::signing::signing_job;
use crate::engine::protocol::{ObjectVersion, ObservedSecret, SecretWrite, Step};
use crate::engine::protocol::{SecretAccess, Settings};
use crate::engine::reconcile::presigned_url::prerequisites::{Halt, begin, needs};
use crate::issue::SigningJob;
use crate::issue::issued::Issued;
use crate::issue::{OwnerId, Ownership, SecretMeta, WantedMeta, merge, ownership};
use crate::time::later;

/// Until a Secret that is being deleted is looked at again.
const DELETION_PAUSE: Duration = Duration::from_secs(5);

/// What a write is made over.
enum Base {
    /// Nothing has the name.
    Nothing,
    /// What was read a moment ago.
    Read(Box<ObservedSecret>),
    /// What cannot be read: the uid that our own create answered with tells it from others'.
    Unread(ObjectVersion),
}

/// Plans the next step towards a new Secret.
pub(in crate::engine) fn issue(
    index: &mut Index,
    settings: &Settings,
    uid: &str,
    inputs: &SigningInputs,
    issued: Option<&Issued>,
    cause: Cause,
    now: Timestamp,
) -> Action {
    let renewed = issued.filter(|issued| cause == Cause::Due && issued.alive(now));
    let living = renewed.map(|issued| issued.expires_at);
    let needs = needs(index, uid, inputs, living, now);
    let Some(record) = index.resources.get_mut(uid) else {
        return Action::Settled;
    };
    let name = &inputs.authorized.secret_name;
    let planned = needs.and_then(|(held, found)| {
        let job = signing_job(
            inputs,
            &held,
            &record.seen,
            found.as_deref(),
            next_revision(record, issued),
            now,
        );
        let signed = &record.state.signed;
        if job.is_long() && !signed.as_ref().is_some_and(|s| job.is_served_by(s)) {
            return Err(Halt::Sign(Box::new(job)));
        }
        let base = base(record, settings, name, issued, now)?;
        let existing = existing(record, inputs, &base, now)?;
        write(record, inputs, &job, cause, &base, &existing, now)
    });
    match planned {
        Ok(plan) => plan,
        Err(Halt::Waiting) => Action::Waiting,
        Err(Halt::Slow(slow)) => begin(index, uid, inputs, *slow, now),
        Err(Halt::Inspect) => inspect(record, name, Purpose::Replace),
        Err(Halt::Sign(job)) => Action::Step(Step::Sign(job), Purpose::Sign),
        Err(Halt::MakeRoom(target)) => {
            let namespace = record.seen.namespace.clone();
            let step = Step::DeleteSecret {
                namespace,
                name: name.clone(),
                target,
            };
            Action::Step(step, Purpose::MakeRoom)
        }
        Err(Halt::Problem(problem, retry_at)) => {
            record.state.problem = Some(problem);
            record.state.retry_at = retry_at;
            record.state.inspected = None;
            // Working URLs are not kept for a Secret that cannot be written.
            record.state.signed = None;
            record.state.listing = None;
            Action::Settled
        }
    }
}

fn next_revision(record: &Record, issued: Option<&Issued>) -> i64 {
    let last = issued
        .map(|issued| issued.revision)
        .or(record.seen.status.revision);
    last.unwrap_or(0) + 1
}

/// What the write is made over, if it is known well enough.
fn base(
    record: &mut Record,
    settings: &Settings,
    name: &str,
    issued: Option<&Issued>,
    now: Timestamp,
) -> Result<Base, Halt> {
    let known = issued
        .map(|issued| &issued.secret)
        .filter(|secret| secret.name == name);
    let state = &mut record.state;
    match state.inspected.take() {
        Some(Look::Nothing) => return Ok(Base::Nothing),
        Some(Look::Found(found)) => return Ok(Base::Read(found)),
        None => {}
    }
    if settings.secret_access == SecretAccess::Watch {
        let taken = known.is_some() || state.name_taken;
        return if taken {
            Err(Halt::Inspect)
        } else {
            Ok(Base::Nothing)
        };
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

/// The metadata that is kept of what has the name, if it is ours to write.
fn existing(
    record: &Record,
    inputs: &SigningInputs,
    base: &Base,
    now: Timestamp,
) -> Result<SecretMeta, Halt> {
    let Base::Read(found) = base else {
        return Ok(SecretMeta::default());
    };
    let name = &inputs.authorized.secret_name;
    if found.deleting {
        let problem = Problem {
            reason: Reason::Progressing,
            message: format!(
                "the Secret \"{name}\" is being deleted; it is written anew after that"
            ),
            needs_human: false,
        };
        return Err(Halt::Problem(problem, Some(later(now, DELETION_PAUSE))));
    }
    match ownership(&found.owners, me(record), &found.labels) {
        Ownership::Foreign { what } => Err(conflict(
            format!(
                "the Secret \"{name}\" {what}, so it is left alone: choose another spec.secretName, or delete that Secret"
            ),
            now,
        )),
        Ownership::Owned if !record.state.recreate || updatable(found) => Ok(SecretMeta {
            labels: found.labels.clone(),
            annotations: found.annotations.clone(),
            owners: found.owners.clone(),
        }),
        Ownership::Owned | Ownership::Abandoned => Err(Halt::MakeRoom(ObjectVersion {
            uid: found.uid.clone(),
            resource_version: Some(found.resource_version.clone()),
        })),
    }
}

/// Signs, where that was not done before, and makes the step.
fn write(
    record: &mut Record,
    inputs: &SigningInputs,
    job: &SigningJob,
    cause: Cause,
    base: &Base,
    existing: &SecretMeta,
    now: Timestamp,
) -> Result<Action, Halt> {
    let before = record.state.signed.take();
    let signed = match before.filter(|signed| job.is_served_by(signed)) {
        Some(signed) => *signed,
        None => job
            .sign()
            .map_err(|problem| Halt::Problem(problem, Some(later(now, RECHECK))))?,
    };
    if let Some(found) = record.state.listing.take() {
        record.state.listed_at = Some(found.at);
        record.state.sample = sampling::sample(&inputs.authorized.request, Some(&found));
    }
    let seen = &record.seen;
    let wanted = WantedMeta {
        labels: &signed.content.labels,
        annotations: &signed.content.annotations,
        me: me(record),
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
    record.state.in_progress = Some(Box::new(InProgress {
        issued: signed.issued,
        cause,
    }));
    let target = match base {
        Base::Nothing => return Ok(Action::Step(Step::CreateSecret(write), Purpose::Create)),
        Base::Unread(target) => target.clone(),
        Base::Read(found) => ObjectVersion {
            uid: found.uid.clone(),
            resource_version: Some(found.resource_version.clone()),
        },
    };
    Ok(Action::Step(
        Step::UpdateSecret { write, target },
        Purpose::Update,
    ))
}

/// Whether nothing about the Secret itself forbids an update: who refuses one then is somebody else, who may refuse a new
/// Secret too, and the old one must stay.
fn updatable(found: &ObservedSecret) -> bool {
    found
        .content
        .as_ref()
        .is_some_and(|content| content.opaque && !content.immutable)
}

/// Plans a look at a Secret.
pub(in crate::engine) fn inspect(record: &Record, name: &str, purpose: Purpose) -> Action {
    let step = Step::InspectSecret {
        namespace: record.seen.namespace.clone(),
        name: name.to_owned(),
        data: purpose == Purpose::Drift || record.state.recreate,
    };
    Action::Step(step, purpose)
}

/// Plans the removal of a Secret that was ours when it was last seen.
pub(in crate::engine) fn remove(
    record: &Record,
    secret: &SecretRef,
    settings: &Settings,
    purpose: Purpose,
) -> Action {
    if record.state.removal_in_doubt {
        return inspect(record, &secret.name, Purpose::Removal);
    }
    let verified_version = record
        .state
        .verified_version
        .as_ref()
        .filter(|version| version.uid == secret.uid);
    let version = verified_version.map_or(&secret.resource_version, |version| {
        &version.resource_version
    });
    let resource_version = (settings.secret_access == SecretAccess::Watch).then(|| version.clone());
    let step = Step::DeleteSecret {
        namespace: record.seen.namespace.clone(),
        name: secret.name.clone(),
        target: ObjectVersion {
            uid: secret.uid.clone(),
            resource_version,
        },
    };
    Action::Step(step, purpose)
}

fn me(record: &Record) -> OwnerId<'_> {
    OwnerId {
        uid: &record.seen.uid,
        name: &record.seen.name,
    }
}

fn conflict(message: String, now: Timestamp) -> Halt {
    let problem = Problem {
        reason: Reason::SecretConflict,
        message,
        needs_human: true,
    };
    Halt::Problem(problem, Some(later(now, RECHECK)))
}

//! The way to a Secret's write or removal: credentials, whose the Secret is, the signature, the step.
//!
//! What holds here: what is signed is signed at the last moment, on what was found a moment ago. Whose a Secret is decides
//! before what is to be written; a foreign one ends the way.

use std::time::Duration;

use jiff::Timestamp;

use super::index::{Index, Record};
use super::judge::Allowed;
use super::memory::{Cause, Issued, Look, Pending, Trouble};
use super::obtain::{Halt, begin, needs};
use super::plan::{Purpose, RECHECK, SecretPlan};
use super::proof;
use super::settings::{SecretAccess, Settings};
use super::sign::SigningJob;
use super::step::{ObjectVersion, SecretSeen, SecretWrite, Step};
use super::time::later;
use crate::api::{Reason, SecretRef};
use crate::issue::{Me, Ownership, SecretMeta, WantedMeta, merge, ownership};

/// Until a Secret that is being deleted is looked at again.
const DELETION_PAUSE: Duration = Duration::from_secs(5);

/// What a write is made over.
enum Base {
    /// Nothing has the name.
    Nothing,
    /// What was read a moment ago.
    Read(Box<SecretSeen>),
    /// What cannot be read: the uid that our own create answered with tells it from others'.
    Unread(ObjectVersion),
}

/// Plans the next step towards a new Secret.
pub(super) fn issue(
    index: &mut Index,
    settings: &Settings,
    uid: &str,
    allowed: &Allowed,
    issued: Option<&Issued>,
    cause: Cause,
    now: Timestamp,
) -> SecretPlan {
    let renewed = issued.filter(|issued| cause == Cause::Due && issued.alive(now));
    let living = renewed.map(|issued| issued.expires_at);
    let needs = needs(index, uid, allowed, living, now);
    let Some(record) = index.resources.get_mut(uid) else {
        return SecretPlan::Settled;
    };
    let name = &allowed.granted.secret_name;
    let planned = needs.and_then(|(held, found)| {
        let job = SigningJob::new(
            allowed,
            &held,
            &record.seen,
            found.as_deref(),
            next_revision(record, issued),
            now,
        );
        let signed = &record.memory.signed;
        if job.is_long() && !signed.as_ref().is_some_and(|s| job.is_served_by(s)) {
            return Err(Halt::Sign(Box::new(job)));
        }
        let base = base(record, settings, name, issued, now)?;
        let existing = existing(record, allowed, &base, now)?;
        write(record, allowed, &job, cause, &base, &existing, now)
    });
    match planned {
        Ok(plan) => plan,
        Err(Halt::Waiting) => SecretPlan::Waiting,
        Err(Halt::Slow(slow)) => begin(index, uid, allowed, *slow, now),
        Err(Halt::Inspect) => inspect(record, name, Purpose::Replace),
        Err(Halt::Sign(job)) => SecretPlan::Step(Step::Sign(job), Purpose::Sign),
        Err(Halt::MakeRoom(target)) => {
            let namespace = record.seen.namespace.clone();
            let step = Step::DeleteSecret {
                namespace,
                name: name.clone(),
                target,
            };
            SecretPlan::Step(step, Purpose::MakeRoom)
        }
        Err(Halt::Trouble(trouble, retry_at)) => {
            record.memory.trouble = Some(trouble);
            record.memory.retry_at = retry_at;
            record.memory.inspected = None;
            // Working URLs are not kept for a Secret that cannot be written.
            record.memory.signed = None;
            record.memory.listing = None;
            SecretPlan::Settled
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
    let memory = &mut record.memory;
    match memory.inspected.take() {
        Some(Look::Nothing) => return Ok(Base::Nothing),
        Some(Look::Found(found)) => return Ok(Base::Read(found)),
        None => {}
    }
    if settings.secret_access == SecretAccess::Watch {
        let taken = known.is_some() || memory.occupied;
        return if taken {
            Err(Halt::Inspect)
        } else {
            Ok(Base::Nothing)
        };
    }
    if let Some(secret) = known.filter(|_| !memory.drifted) {
        return Ok(Base::Unread(ObjectVersion {
            uid: secret.uid.clone(),
            resource_version: None,
        }));
    }
    if std::mem::take(&mut memory.occupied) {
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
    allowed: &Allowed,
    base: &Base,
    now: Timestamp,
) -> Result<SecretMeta, Halt> {
    let Base::Read(found) = base else {
        return Ok(SecretMeta::default());
    };
    let name = &allowed.granted.secret_name;
    if found.deleting {
        let trouble = Trouble {
            reason: Reason::Progressing,
            message: format!(
                "the Secret \"{name}\" is being deleted; it is written anew after that"
            ),
            stalled: false,
        };
        return Err(Halt::Trouble(trouble, Some(later(now, DELETION_PAUSE))));
    }
    match ownership(&found.owners, me(record), &found.labels) {
        Ownership::Foreign { what } => Err(conflict(
            format!(
                "the Secret \"{name}\" {what}, so it is left alone: choose another spec.secretName, or delete that Secret"
            ),
            now,
        )),
        Ownership::Mine if !record.memory.replace || updatable(found) => Ok(SecretMeta {
            labels: found.labels.clone(),
            annotations: found.annotations.clone(),
            owners: found.owners.clone(),
        }),
        Ownership::Mine | Ownership::Leftover => Err(Halt::MakeRoom(ObjectVersion {
            uid: found.uid.clone(),
            resource_version: Some(found.resource_version.clone()),
        })),
    }
}

/// Signs, where that was not done before, and makes the step.
fn write(
    record: &mut Record,
    allowed: &Allowed,
    job: &SigningJob,
    cause: Cause,
    base: &Base,
    existing: &SecretMeta,
    now: Timestamp,
) -> Result<SecretPlan, Halt> {
    let before = record.memory.signed.take();
    let signed = match before.filter(|signed| job.is_served_by(signed)) {
        Some(signed) => *signed,
        None => job
            .sign()
            .map_err(|trouble| Halt::Trouble(trouble, Some(later(now, RECHECK))))?,
    };
    if let Some(found) = record.memory.listing.take() {
        record.memory.listed_at = Some(found.at);
        record.memory.sample = proof::sample(&allowed.granted.request, Some(&found));
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
        name: allowed.granted.secret_name.clone(),
        labels,
        annotations,
        owners,
        finalizers,
        data: signed.content.data,
    });
    record.memory.pending = Some(Box::new(Pending {
        issued: signed.issued,
        cause,
    }));
    let target = match base {
        Base::Nothing => return Ok(SecretPlan::Step(Step::CreateSecret(write), Purpose::Create)),
        Base::Unread(target) => target.clone(),
        Base::Read(found) => ObjectVersion {
            uid: found.uid.clone(),
            resource_version: Some(found.resource_version.clone()),
        },
    };
    Ok(SecretPlan::Step(
        Step::UpdateSecret { write, target },
        Purpose::Update,
    ))
}

/// Whether nothing about the Secret itself forbids an update: who refuses one then is somebody else, who may refuse a new
/// Secret too, and the old one must stay.
fn updatable(found: &SecretSeen) -> bool {
    found
        .content
        .as_ref()
        .is_some_and(|content| content.opaque && !content.immutable)
}

/// Plans a look at a Secret.
pub(super) fn inspect(record: &Record, name: &str, purpose: Purpose) -> SecretPlan {
    let step = Step::InspectSecret {
        namespace: record.seen.namespace.clone(),
        name: name.to_owned(),
        data: purpose == Purpose::Drift || record.memory.replace,
    };
    SecretPlan::Step(step, purpose)
}

/// Plans the removal of a Secret that was ours when it was last seen.
pub(super) fn remove(
    record: &Record,
    secret: &SecretRef,
    settings: &Settings,
    purpose: Purpose,
) -> SecretPlan {
    if record.memory.removal_in_doubt {
        return inspect(record, &secret.name, Purpose::Removal);
    }
    let trusted = record
        .memory
        .trusted
        .as_ref()
        .filter(|version| version.uid == secret.uid);
    let version = trusted.map_or(&secret.resource_version, |version| {
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
    SecretPlan::Step(step, purpose)
}

fn me(record: &Record) -> Me<'_> {
    Me {
        uid: &record.seen.uid,
        name: &record.seen.name,
    }
}

fn conflict(message: String, now: Timestamp) -> Halt {
    let trouble = Trouble {
        reason: Reason::SecretConflict,
        message,
        stalled: true,
    };
    Halt::Trouble(trouble, Some(later(now, RECHECK)))
}

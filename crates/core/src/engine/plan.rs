//! The plan of one resource: what is the next effect, given all that is known now.
//!
//! What holds here: a plan is made again after each step and looks at facts only, so a crash between two steps is no special
//! case. New before old: the new Secret is written before the old one of another name goes, and status last. Nothing is
//! created, changed or deleted that was not found to be this resource's own a moment ago.

use std::time::Duration;

use jiff::Timestamp;

use super::index::{Index, Record, SecretVersion};
use super::judge::{Allowed, Judged};
use super::memory::{Cause, Issued, Pending, Trouble};
use super::settings::{SecretAccess, Settings};
use super::status::{denied_since, is_current, removal_at};
use super::step::{ObjectVersion, SecretSeen, SecretWrite, Step};
use super::store::{Held, Supply};
use crate::api::{Reason, SecretRef};
use crate::issue::{Me, Ownership, SecretMeta, WantedMeta, merge, ownership, renew_at};

/// Between two heals of one resource.
const HEAL_PAUSE: Duration = Duration::from_secs(60);
/// Between two renewals that the annotation asked for.
const REQUEST_PAUSE: Duration = Duration::from_secs(30);
/// Between two looks at what only a person can mend.
pub(super) const RECHECK: Duration = Duration::from_secs(300);

/// What a step was begun for, so that its result is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
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
    /// Removal of what stands in the way and is ours, or was left by a dead owner of the same name.
    MakeRoom,
}

/// What the plan says of a resource's Secret.
#[derive(Debug)]
pub(super) enum SecretPlan {
    /// This step comes next.
    Step(Step, Purpose),
    /// The store fetches credentials first; the resource is looked at again after it.
    Waiting,
    /// Nothing to do until the times that were noted.
    Settled,
}

/// The earliest of the times at which something is due.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wake(pub(super) Option<Timestamp>);

impl Wake {
    pub(super) fn at(&mut self, time: Timestamp) {
        self.0 = Some(self.0.map_or(time, |old| old.min(time)));
    }
}

/// What is issued: what a write just made, else what the status tells.
pub(super) fn issued(record: &Record) -> Option<Issued> {
    record
        .memory
        .unsaved
        .clone()
        .unwrap_or_else(|| Issued::of(&record.seen.status))
}

pub(super) fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Plans the Secret of a resource.
pub(super) fn plan_secret(
    index: &mut Index,
    settings: &Settings,
    uid: &str,
    judged: &Judged,
    now: Timestamp,
    wake: &mut Wake,
) -> SecretPlan {
    let Some(record) = index.resources.get(uid) else {
        return SecretPlan::Settled;
    };
    let blocked = record.memory.retry_at.filter(|at| *at > now);
    if let Some(at) = blocked {
        wake.at(at);
    }
    let removal_blocked = record.memory.removal_retry_at.filter(|at| *at > now);
    if let Some(at) = removal_blocked {
        wake.at(at);
    }
    if let (Some(old), None) = (&record.memory.superseded, removal_blocked) {
        return remove(record, old, settings, Purpose::Supersede);
    }
    let issued = issued(record);
    if let Some(issued) = &issued {
        let watched = settings.secret_access == SecretAccess::Watch;
        if watched
            && blocked.is_none()
            && !record.memory.drifted
            && suspicious(index, record, issued)
        {
            return inspect(record, &issued.secret.name, Purpose::Drift);
        }
        // An expiry is told and acted on by this timer, not when somebody happens to look.
        if issued.alive(now) {
            wake.at(issued.expires_at);
        }
    }
    let suspended = record
        .seen
        .spec
        .as_ref()
        .is_ok_and(|spec| spec.suspend == Some(true));
    let may_issue = match judged {
        Judged::Allowed(allowed) if !suspended => Some(allowed),
        _ => None,
    };
    if let (Some(allowed), None) = (may_issue, blocked) {
        match cause(index, record, allowed, issued.as_ref(), now, wake) {
            None => {
                // Nothing is to be done, so nothing stands in the way of it.
                let record = index.resources.get_mut(uid);
                if let Some(memory) = record.map(|record| &mut record.memory) {
                    memory.trouble = None;
                    memory.failures = 0;
                    memory.last_failure = None;
                }
                return SecretPlan::Settled;
            }
            Some(cause) => {
                match issue(index, settings, uid, allowed, issued.as_ref(), cause, now) {
                    SecretPlan::Settled => {}
                    plan => return plan,
                }
            }
        }
    }
    // Nothing can be issued now: what is dead, or refused for long enough, goes.
    let (Some(record), Some(issued)) = (index.resources.get(uid), issued) else {
        return SecretPlan::Settled;
    };
    if let Judged::Denied(_) = judged
        && let Some(at) = removal_at(record, settings, now)
    {
        // The refusal is on record before anything is removed on its account.
        if at > now {
            wake.at(at);
        } else if denied_since(&record.seen.status).is_some() && removal_blocked.is_none() {
            return remove(record, &issued.secret, settings, Purpose::Remove);
        }
    }
    if !issued.alive(now) && removal_blocked.is_none() {
        return remove(record, &issued.secret, settings, Purpose::Remove);
    }
    SecretPlan::Settled
}

/// Whether the Secret may not be what was written.
fn suspicious(index: &Index, record: &Record, issued: &Issued) -> bool {
    let secret = &issued.secret;
    let key = (record.seen.namespace.clone(), secret.name.clone());
    let Some(version) = index.secrets.get(&key) else {
        return true;
    };
    let written = version.uid == secret.uid && version.resource_version == secret.resource_version;
    !written && record.memory.trusted.as_ref() != Some(version)
}

/// Why a Secret is to be written now, if it is. Notes the time where it is to be later.
fn cause(
    index: &Index,
    record: &Record,
    allowed: &Allowed,
    issued: Option<&Issued>,
    now: Timestamp,
    wake: &mut Wake,
) -> Option<Cause> {
    let Some(issued) = issued else {
        return Some(Cause::First);
    };
    let memory = &record.memory;
    if allowed.granted.shortens(issued) {
        return Some(Cause::Shortened);
    }
    if !allowed.granted.covers(issued) {
        return Some(Cause::Changed);
    }
    if !issued.alive(now) {
        return Some(Cause::Due);
    }
    let mut due = |at: Timestamp, cause: Cause| {
        if at <= now {
            return Some(cause);
        }
        wake.at(at);
        None
    };
    if memory.drifted {
        let next = memory.healed_at.map_or(now, |at| later(at, HEAL_PAUSE));
        if let Some(cause) = due(next, Cause::Drift) {
            return Some(cause);
        }
    }
    let store_differs = issued.hashes.store != allowed.store_hash;
    if store_differs || signed_with_another_key(index, allowed, issued) {
        let at = memory.resign_at.unwrap_or(now);
        if let Some(cause) = due(at, Cause::Store) {
            return Some(cause);
        }
    }
    let renewal = renew_at(
        issued.issued_at,
        issued.expires_at,
        allowed.granted.request.renew_before,
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

/// Whether the store's credentials are known to come from another source than those that signed.
pub(super) fn signed_with_another_key(index: &Index, allowed: &Allowed, issued: &Issued) -> bool {
    let held = index
        .stores
        .get(&allowed.store)
        .and_then(|store| store.held.as_ref());
    held.is_some_and(|held| held.hash != issued.hashes.credential)
}

/// Plans the next step towards a new Secret.
fn issue(
    index: &mut Index,
    settings: &Settings,
    uid: &str,
    allowed: &Allowed,
    issued: Option<&Issued>,
    cause: Cause,
    now: Timestamp,
) -> SecretPlan {
    let Some(store) = index.stores.get_mut(&allowed.store) else {
        return SecretPlan::Settled;
    };
    let held = match store.supply(allowed.granted.asked().effective(), now) {
        Supply::Ready(held) => held,
        Supply::Fetching => {
            store.waiting.insert(uid.to_owned());
            return SecretPlan::Waiting;
        }
        Supply::Failed(failure) => {
            let message = format!(
                "the ClusterObjectStore \"{}\": {}",
                allowed.store, failure.message
            );
            store.waiting.insert(uid.to_owned());
            let stalled = failure.reason != Reason::CredentialsUnavailable;
            trouble(index, uid, failure.reason, message, stalled, None);
            return SecretPlan::Settled;
        }
    };
    let Some(record) = index.resources.get_mut(uid) else {
        return SecretPlan::Settled;
    };
    let name = &allowed.granted.secret_name;
    let known = issued
        .map(|issued| &issued.secret)
        .filter(|secret| secret.name == *name);
    let readable = settings.secret_access == SecretAccess::Watch;
    let base = match record.memory.inspected.take() {
        Some(found) => found,
        None if readable && (known.is_some() || record.memory.occupied) => {
            return inspect(record, name, Purpose::Replace);
        }
        // Without the right to read, the uid that the create answered with is what tells ours from others'.
        None => known
            .filter(|_| !readable && !record.memory.drifted)
            .map(unread),
    };
    if record.memory.occupied && !readable && base.is_none() {
        record.memory.occupied = false;
        let message = format!(
            "a Secret \"{name}\" exists and the operator may not read Secrets here, so it cannot tell whose it is: choose \
             another spec.secretName, or delete that Secret"
        );
        trouble(
            index,
            uid,
            Reason::SecretConflict,
            message,
            true,
            Some(later(now, RECHECK)),
        );
        return SecretPlan::Settled;
    }
    write(index, uid, allowed, issued, cause, &held, base, now)
}

/// Decides by whose Secret was found, and signs at the last moment.
#[allow(
    clippy::too_many_arguments,
    reason = "the facts of one decision; a struct would be used once"
)]
fn write(
    index: &mut Index,
    uid: &str,
    allowed: &Allowed,
    issued: Option<&Issued>,
    cause: Cause,
    held: &Held,
    base: Option<SecretSeen>,
    now: Timestamp,
) -> SecretPlan {
    let Some(record) = index.resources.get_mut(uid) else {
        return SecretPlan::Settled;
    };
    let seen = &record.seen;
    let me = Me {
        uid: &seen.uid,
        name: &seen.name,
    };
    let existing = match &base {
        None => SecretMeta::default(),
        Some(found) if unread_marker(found) => SecretMeta::default(),
        Some(found) => match ownership(&found.owners, me, &found.labels) {
            _ if found.deleting => {
                let message = format!(
                    "the Secret \"{}\" is being deleted; it is written anew after that",
                    allowed.granted.secret_name
                );
                trouble(
                    index,
                    uid,
                    Reason::Progressing,
                    message,
                    false,
                    Some(later(now, Duration::from_secs(5))),
                );
                return SecretPlan::Settled;
            }
            Ownership::Foreign { what } => {
                let message = format!(
                    "the Secret \"{}\" {what}, so it is left alone: choose another spec.secretName, or delete that Secret",
                    allowed.granted.secret_name
                );
                trouble(
                    index,
                    uid,
                    Reason::SecretConflict,
                    message,
                    true,
                    Some(later(now, RECHECK)),
                );
                return SecretPlan::Settled;
            }
            Ownership::Mine if !record.memory.replace => SecretMeta {
                labels: found.labels.clone(),
                annotations: found.annotations.clone(),
                owners: found.owners.clone(),
            },
            Ownership::Mine | Ownership::Leftover => {
                let step = Step::DeleteSecret {
                    namespace: seen.namespace.clone(),
                    name: allowed.granted.secret_name.clone(),
                    target: version_of(found),
                };
                return SecretPlan::Step(step, Purpose::MakeRoom);
            }
        },
    };
    let revision = issued
        .map(|issued| issued.revision)
        .or(seen.status.revision)
        .unwrap_or(0)
        + 1;
    let signed = match super::sign::sign(allowed, held, seen, revision, now) {
        Ok(signed) => signed,
        Err(found) => {
            let Trouble {
                reason,
                message,
                stalled,
            } = found;
            trouble(
                index,
                uid,
                reason,
                message,
                stalled,
                Some(later(now, RECHECK)),
            );
            return SecretPlan::Settled;
        }
    };
    let merged = merge(
        &existing,
        WantedMeta {
            labels: &signed.content.labels,
            annotations: &signed.content.annotations,
            me,
        },
    );
    let write = Box::new(SecretWrite {
        namespace: seen.namespace.clone(),
        name: allowed.granted.secret_name.clone(),
        labels: merged.labels,
        annotations: merged.annotations,
        owners: merged.owners,
        data: signed.content.data,
    });
    record.memory.pending = Some(Box::new(Pending {
        issued: signed.issued,
        cause,
    }));
    match base {
        None => SecretPlan::Step(Step::CreateSecret(write), Purpose::Create),
        Some(found) => {
            let target = version_of(&found);
            SecretPlan::Step(Step::UpdateSecret { write, target }, Purpose::Update)
        }
    }
}

/// The precondition of a write over what was found.
fn version_of(found: &SecretSeen) -> ObjectVersion {
    let resource_version =
        Some(found.resource_version.clone()).filter(|version| !version.is_empty());
    ObjectVersion {
        uid: found.uid.clone(),
        resource_version,
    }
}

/// A Secret of which only what we wrote is known.
fn unread(secret: &SecretRef) -> SecretSeen {
    SecretSeen {
        uid: secret.uid.clone(),
        resource_version: String::new(),
        labels: std::collections::BTreeMap::new(),
        annotations: std::collections::BTreeMap::new(),
        owners: Vec::new(),
        deleting: false,
        content: None,
    }
}

/// Whether a base was never read: its uid is the only proof that it is ours.
fn unread_marker(found: &SecretSeen) -> bool {
    found.resource_version.is_empty()
}

fn inspect(record: &Record, name: &str, purpose: Purpose) -> SecretPlan {
    let step = Step::InspectSecret {
        namespace: record.seen.namespace.clone(),
        name: name.to_owned(),
        data: purpose == Purpose::Drift,
    };
    SecretPlan::Step(step, purpose)
}

/// Plans the removal of a Secret that was ours when it was last seen.
fn remove(
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

/// Notes what stands in the way; nothing is issued before `retry_at`.
pub(super) fn trouble(
    index: &mut Index,
    uid: &str,
    reason: Reason,
    message: String,
    stalled: bool,
    retry_at: Option<Timestamp>,
) {
    let Some(record) = index.resources.get_mut(uid) else {
        return;
    };
    record.memory.trouble = Some(Trouble {
        reason,
        message,
        stalled,
    });
    record.memory.retry_at = retry_at;
    record.memory.inspected = None;
}

/// What an inspection for drift says: `Ok` that the Secret is as it was written, `Err` that it is to be written anew.
pub(super) fn intact(
    record: &Record,
    issued: &Issued,
    found: Option<&SecretSeen>,
) -> Result<SecretVersion, ()> {
    let found = found.ok_or(())?;
    let me = Me {
        uid: &record.seen.uid,
        name: &record.seen.name,
    };
    let content = found.content.as_ref().ok_or(())?;
    let labelled = found
        .labels
        .get(crate::api::MANAGED_BY_LABEL)
        .map(String::as_str)
        == Some(crate::api::MANAGER);
    let same = found.uid == issued.secret.uid
        && !found.deleting
        && labelled
        && content.opaque
        && !content.immutable
        && content.data_hash == issued.secret.data_hash
        && ownership(&found.owners, me, &found.labels) == Ownership::Mine;
    if same {
        Ok(SecretVersion {
            uid: found.uid.clone(),
            resource_version: found.resource_version.clone(),
        })
    } else {
        Err(())
    }
}

/// Whether a resource counts as one that holds a living URL of its store, and whether it is up to date with it.
pub(super) fn counts(index: &Index, record: &Record, now: Timestamp) -> Option<bool> {
    let issued = issued(record).filter(|issued| issued.alive(now))?;
    let store = index.stores.get(super::index::store_name(&record.seen))?;
    let held = store.held.as_ref()?;
    Some(held.hash == issued.hashes.credential && !record.memory.outdated)
}

/// Whether what is issued was signed for an earlier state of the store.
pub(super) fn outdated(
    record: &Record,
    judged: &Judged,
    issued: Option<&Issued>,
    now: Timestamp,
) -> bool {
    match (judged, issued) {
        (Judged::Allowed(allowed), Some(issued)) => {
            issued.hashes.store != allowed.store_hash && is_current(record, judged, issued, now)
        }
        _ => false,
    }
}

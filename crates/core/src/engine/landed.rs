//! What became of a resource's Secret: what a look found, what was written, what was removed.
//!
//! What holds here: a Secret that was written is the truth from then on, and the status follows. What was to be removed is let
//! go where it is no longer ours.

use jiff::Timestamp;

use super::failure::ApiFailure;
use super::index::SecretVersion;
use super::memory::{Cause, Unsaved};
use super::plan::{Purpose, intact, issued};
use super::settings::SecretAccess;
use super::step::{ObjectVersion, SecretSeen};
use super::{Engine, Observation};
use crate::issue::{Me, Ownership, ownership};

impl Engine {
    /// A suspicion was looked into.
    pub(super) fn drift_inspected(&mut self, uid: &str, name: &str, found: Option<&SecretSeen>) {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        let Some(issued) = issued(record) else { return };
        let key = (record.seen.namespace.clone(), name.to_owned());
        if let Some(version) = intact(record, &issued, found) {
            record.memory.trusted = Some(version.clone());
            // An edit that was heard of meanwhile is newer than what was found, and is looked into next.
            self.index.secret_written(&key.0, &key.1, version);
            return;
        }
        record.memory.drifted = true;
        if found.is_none() {
            self.index.secrets.remove(&key);
        }
    }

    /// What was to be removed had changed: it is removed if it is still ours, and let go if it is not.
    pub(super) fn removal_inspected(&mut self, uid: &str, found: Option<&SecretSeen>) {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        record.memory.removal_in_doubt = false;
        let meant = record
            .memory
            .superseded
            .as_deref()
            .cloned()
            .or_else(|| issued(record).map(|issued| issued.secret));
        let me = Me {
            uid: &record.seen.uid,
            name: &record.seen.name,
        };
        let ours = found.filter(|found| {
            meant.is_some_and(|meant| meant.uid == found.uid)
                && ownership(&found.owners, me, &found.labels) == Ownership::Mine
        });
        match ours {
            Some(found) => record.memory.trusted = Some(version(found)),
            None => self.removed(uid),
        }
    }

    pub(super) fn removed(&mut self, uid: &str) {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        record.memory.removal_retry_at = None;
        record.memory.removal_in_doubt = false;
        // What stood in the way of an update is gone with what was to be updated.
        record.memory.retry_at = None;
        if record.memory.superseded.take().is_none() {
            let was = issued(record).map(Box::new);
            record.memory.unsaved = Some(Unsaved::Removed(was));
            record.memory.trusted = None;
            record.memory.drifted = false;
        }
    }

    pub(super) fn forget_secret(&mut self, uid: &str, name: &str) {
        if let Some(record) = self.index.resources.get(uid) {
            self.index
                .secrets
                .remove(&(record.seen.namespace.clone(), name.to_owned()));
        }
    }

    /// A Secret was written: it is the truth from now on, and the status follows.
    pub(super) fn secret_written(
        &mut self,
        uid: &str,
        name: &str,
        version: ObjectVersion,
        now: Timestamp,
    ) {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        let Some(pending) = record.memory.pending.take() else {
            return;
        };
        let before = issued(record)
            .map(|issued| issued.secret)
            .filter(|secret| secret.name != name);
        let mut fresh = pending.issued;
        let resource_version = version.resource_version.unwrap_or_default();
        fresh.secret.uid.clone_from(&version.uid);
        fresh.secret.resource_version.clone_from(&resource_version);
        let memory = &mut record.memory;
        memory.succeeded();
        memory.unsaved = Some(Unsaved::Written(Box::new(fresh)));
        memory.trusted = None;
        if pending.cause == Cause::Drift {
            memory.healed_at = Some(now);
        }
        memory.superseded.take_if(|old| old.name == name);
        // One whose removal is blocked makes room, and is not forgotten.
        if let Some(before) = before
            && let Some(blocked) = memory.superseded.replace(Box::new(before))
        {
            self.index.strays.put(&record.seen.uid, &blocked.name);
        }
        self.observations.push(if pending.cause.is_renewal() {
            Observation::Renewed(pending.cause)
        } else {
            Observation::Issued
        });
        let namespace = record.seen.namespace.clone();
        let written = SecretVersion {
            uid: version.uid,
            resource_version,
        };
        self.index.secret_written(&namespace, name, written);
    }

    pub(super) fn write_failed(
        &mut self,
        uid: &str,
        purpose: &Purpose,
        failure: &ApiFailure,
        now: Timestamp,
    ) {
        let readable = self.settings.secret_access == SecretAccess::Watch;
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        let memory = &mut record.memory;
        memory.pending = None;
        match (purpose, failure) {
            (Purpose::Create, ApiFailure::AlreadyExists) => memory.occupied = true,
            // It may have landed: look before writing again.
            (Purpose::Create, ApiFailure::Timeout | ApiFailure::Unavailable) if readable => {
                memory.occupied = true;
            }
            (Purpose::Update, ApiFailure::Invalid) if readable && !memory.replace => {
                memory.replace = true;
                return;
            }
            (Purpose::Update, ApiFailure::NotFound) if !readable => memory.drifted = true,
            (Purpose::Update, ApiFailure::Conflict) if !readable => {
                memory.drifted = true;
                memory.occupied = true;
            }
            (_, _) => {}
        }
        self.failed(uid, failure, now);
    }
}

fn version(found: &SecretSeen) -> SecretVersion {
    SecretVersion {
        uid: found.uid.clone(),
        resource_version: found.resource_version.clone(),
    }
}

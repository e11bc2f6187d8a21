//! What became of a resource's Secret: what a look found, what was written, what was removed.
//!
//! What holds here: a Secret that was written is the truth from then on, and the status follows. What was to be removed is let
//! go where it is no longer ours.

use jiff::Timestamp;

use crate::engine::cache::index::SecretVersion;
use crate::engine::cache::state::{Cause, Unrecorded};
use crate::engine::evaluate::reissue::{Purpose, intact, issued};
use crate::engine::protocol::ApiError;
use crate::engine::protocol::SecretAccess;
use crate::engine::protocol::{ObjectVersion, ObservedSecret};
use crate::engine::{Engine, Observation};
use crate::issue::{OwnerId, Ownership, ownership};

impl Engine {
    /// A suspicion was looked into.
    pub(in crate::engine) fn drift_inspected(
        &mut self,
        uid: &str,
        name: &str,
        found: Option<&ObservedSecret>,
    ) {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        let Some(issued) = issued(record) else { return };
        let key = (record.seen.namespace.clone(), name.to_owned());
        if let Some(version) = intact(record, &issued, found) {
            record.state.verified_version = Some(version.clone());
            // An edit that was heard of meanwhile is newer than what was found, and is looked into next.
            self.index.secret_written(&key.0, &key.1, version);
            return;
        }
        record.state.drifted = true;
        if found.is_none() {
            self.index.secrets.remove(&key);
        }
    }

    /// What was to be removed had changed: it is removed if it is still ours, and let go if it is not.
    pub(in crate::engine) fn removal_inspected(
        &mut self,
        uid: &str,
        found: Option<&ObservedSecret>,
    ) {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        record.state.removal_in_doubt = false;
        let meant = record
            .state
            .previous_secret
            .as_deref()
            .cloned()
            .or_else(|| issued(record).map(|issued| issued.secret));
        let me = OwnerId {
            uid: &record.seen.uid,
            name: &record.seen.name,
        };
        let ours = found.filter(|found| {
            meant.is_some_and(|meant| meant.uid == found.uid)
                && ownership(&found.owners, me, &found.labels) == Ownership::Owned
        });
        match ours {
            Some(found) => record.state.verified_version = Some(version(found)),
            None => self.removed(uid),
        }
    }

    pub(in crate::engine) fn removed(&mut self, uid: &str) {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        record.state.removal_retry_at = None;
        record.state.removal_in_doubt = false;
        // What stood in the way of an update is gone with what was to be updated.
        record.state.retry_at = None;
        if record.state.previous_secret.take().is_none() {
            let was = issued(record).map(Box::new);
            record.state.unrecorded = Some(Unrecorded::Removed(was));
            record.state.verified_version = None;
            record.state.drifted = false;
        }
    }

    pub(in crate::engine) fn forget_secret(&mut self, uid: &str, name: &str) {
        if let Some(record) = self.index.resources.get(uid) {
            self.index
                .secrets
                .remove(&(record.seen.namespace.clone(), name.to_owned()));
        }
    }

    /// A Secret was written: it is the truth from now on, and the status follows.
    pub(in crate::engine) fn secret_written(
        &mut self,
        uid: &str,
        name: &str,
        version: ObjectVersion,
        now: Timestamp,
    ) {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        let Some(in_progress) = record.state.in_progress.take() else {
            return;
        };
        let before = issued(record)
            .map(|issued| issued.secret)
            .filter(|secret| secret.name != name);
        let mut fresh = in_progress.issued;
        let resource_version = version.resource_version.unwrap_or_default();
        fresh.secret.uid.clone_from(&version.uid);
        fresh.secret.resource_version.clone_from(&resource_version);
        let state = &mut record.state;
        state.succeeded();
        state.unrecorded = Some(Unrecorded::Written(Box::new(fresh)));
        state.verified_version = None;
        if in_progress.cause == Cause::Drift {
            state.healed_at = Some(now);
        }
        state.previous_secret.take_if(|old| old.name == name);
        // One whose removal is blocked makes room, and is not forgotten.
        if let Some(before) = before
            && let Some(blocked) = state.previous_secret.replace(Box::new(before))
        {
            self.index.orphans.put(&record.seen.uid, &blocked.name);
        }
        self.observations.push(if in_progress.cause.is_renewal() {
            Observation::Renewed(in_progress.cause)
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

    pub(in crate::engine) fn write_failed(
        &mut self,
        uid: &str,
        purpose: &Purpose,
        failure: &ApiError,
        now: Timestamp,
    ) {
        let readable = self.settings.secret_access == SecretAccess::Watch;
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        let state = &mut record.state;
        state.in_progress = None;
        match (purpose, failure) {
            (Purpose::Create, ApiError::AlreadyExists) => state.name_taken = true,
            // It may have landed: look before writing again.
            (Purpose::Create, ApiError::Timeout | ApiError::Unavailable) if readable => {
                state.name_taken = true;
            }
            (Purpose::Update, ApiError::Invalid) if readable && !state.recreate => {
                state.recreate = true;
                return;
            }
            (Purpose::Update, ApiError::NotFound) if !readable => state.drifted = true,
            (Purpose::Update, ApiError::Conflict) if !readable => {
                state.drifted = true;
                state.name_taken = true;
            }
            (_, _) => {}
        }
        self.failed(uid, failure, now);
    }
}

fn version(found: &ObservedSecret) -> SecretVersion {
    SecretVersion {
        uid: found.uid.clone(),
        resource_version: found.resource_version.clone(),
    }
}

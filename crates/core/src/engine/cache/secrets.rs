//! Changes of Secrets: those of resources, and those with a store's credentials.
//!
//! What holds here:
//! - A Secret is known by its version alone; its data are never read here.
//! - A Secret that a resource controls, and whose name its status does not record, is a candidate for an
//!   orphan.

use crate::api::Reason;
use crate::engine::cache::index::Index;
use crate::engine::cache::relist::{Delta, NamespacedName, Watched, drop_all, named};
use crate::engine::cache::version::{SecretVersion, older};
use crate::engine::protocol::{Change, ObjectKey, SecretMetaSeen, Uid};
use crate::issue::controlling_uid;

impl Index {
    /// Applies a change of a Secret: resources that wait for its name need not wait any longer.
    pub(in crate::engine) fn secret_changed(
        &mut self,
        change: Change<SecretMetaSeen>,
    ) -> Vec<ObjectKey> {
        let affected = self.apply_secret(change);
        for key in &affected {
            if let Some(state) = self.state_of(key)
                && let Some(problem) = &state.issue.problem
                && problem.reason == Reason::SecretConflict
            {
                state.issue.retry.end_pause();
            }
        }
        affected
    }

    /// Applies a change of a Secret with credentials: the stores that read it fetch again.
    pub(in crate::engine) fn credentials_changed(
        &mut self,
        change: Change<SecretMetaSeen>,
    ) -> Vec<ObjectKey> {
        let affected = self.apply_own_secret(change);
        for key in &affected {
            if let ObjectKey::Store(name) = key
                && let Some(store) = self.stores.get_mut(name)
            {
                store.source_changed();
            }
        }
        affected
    }

    /// Applies a change of a Secret that carries the operator's label.
    fn apply_secret(&mut self, change: Change<SecretMetaSeen>) -> Vec<ObjectKey> {
        let identity = |seen: &SecretMetaSeen| (seen.namespace.clone(), seen.name.clone());
        if let Change::InitApply(seen) = &change
            && let Some(known) = self.secrets.get(&seen.namespace, &seen.name)
        {
            let (shown, known) = (&seen.resource_version, &known.resource_version);
            self.relists
                .listed(Watched::Secrets, &identity(seen), shown, known);
        }
        let known = self.secrets.names();
        match self
            .relists
            .apply(Watched::Secrets, change, identity, known)
        {
            Delta::Present(seen) => {
                let mut affected = self.note_candidate(&seen);
                let version = SecretVersion {
                    uid: seen.uid,
                    resource_version: seen.resource_version,
                };
                affected.extend(self.secret_written(&seen.namespace, &seen.name, version));
                affected
            }
            Delta::Removed(seen) => {
                let name = identity(&seen);
                let outlives =
                    |known: &SecretVersion| older(&seen.resource_version, &known.resource_version);
                if self.secrets.get(&name.0, &name.1).is_some_and(outlives) {
                    return self.of_secret(&seen.namespace, &seen.name);
                }
                let affected = self.drop_secret(&name);
                for key in &affected {
                    if let ObjectKey::Resource(uid) = key
                        && let Some(record) = self.resources.get_mut(uid)
                    {
                        record.state.secret.lost_version = Some(seen.resource_version.clone());
                    }
                }
                affected
            }
            Delta::Absent(names) => drop_all(names, |name| self.drop_secret(&name)),
        }
    }

    fn drop_secret(&mut self, name: &NamespacedName) -> Vec<ObjectKey> {
        self.secrets.remove(&name.0, &name.1);
        self.of_secret(&name.0, &name.1)
    }

    /// Stores the new version of a Secret, from a watch or from the answer to a write; an outdated version is
    /// ignored.
    pub(in crate::engine) fn secret_written(
        &mut self,
        namespace: &str,
        name: &str,
        version: SecretVersion,
    ) -> Vec<ObjectKey> {
        if self.secrets.put(namespace, name, version) {
            self.of_secret(namespace, name)
        } else {
            Vec::new()
        }
    }

    /// Takes the version that a step of a resource was answered with. Where the watch has lost the Secret in
    /// a later one, it will not tell of it again: the Secret stays unknown, and is inspected.
    pub(in crate::engine) fn secret_answered(
        &mut self,
        uid: &str,
        (namespace, name): (&str, &str),
        version: SecretVersion,
    ) {
        let state = self.resources.get_mut(uid);
        let state = state.and_then(|record| record.state.any());
        let lost = state.and_then(|state| state.secret.lost_version.take());
        if lost.is_none_or(|lost| !older(&version.resource_version, &lost)) {
            self.secrets.put(namespace, name, version);
        }
    }

    /// A Secret was removed.
    pub(in crate::engine) fn forget_secret(&mut self, uid: &str, name: &str) {
        if let Some(record) = self.resources.get(uid) {
            self.secrets.remove(&record.seen.namespace, name);
        }
    }

    /// Applies a change of a Secret in the operator's own namespace: the stores that read it are affected.
    fn apply_own_secret(&mut self, change: Change<SecretMetaSeen>) -> Vec<ObjectKey> {
        let identity = |seen: &SecretMetaSeen| named(&seen.name);
        if let Change::InitApply(seen) = &change
            && let Some(known) = self.own_secrets.get(&seen.name)
        {
            let shown = &seen.resource_version;
            self.relists
                .listed(Watched::OwnSecrets, &identity(seen), shown, known);
        }
        let known = self.own_secrets.keys().map(named);
        match self
            .relists
            .apply(Watched::OwnSecrets, change, identity, known)
        {
            Delta::Present(seen) => {
                let known = self.own_secrets.get(&seen.name);
                if known.is_some_and(|known| !older(known, &seen.resource_version)) {
                    return Vec::new();
                }
                let affected = self.reading(&seen.name);
                self.own_secrets.insert(seen.name, seen.resource_version);
                affected
            }
            Delta::Removed(seen) => self.drop_own_secret(&seen.name),
            Delta::Absent(names) => drop_all(names, |(_, name)| self.drop_own_secret(&name)),
        }
    }

    fn drop_own_secret(&mut self, name: &str) -> Vec<ObjectKey> {
        self.own_secrets.remove(name);
        self.reading(name)
    }

    /// Notes the owner of a Secret. At a start a Secret may be reported before its owner;
    /// [`Self::drop_unknown_owners`] forgets candidates whose owner never came.
    fn note_candidate(&mut self, seen: &SecretMetaSeen) -> Vec<ObjectKey> {
        let Some(uid) = controlling_uid(&seen.owners) else {
            return Vec::new();
        };
        match self.resources.get(uid) {
            Some(record) => {
                let recorded = record.seen.status.internal.secret.as_ref();
                let recorded = recorded.is_some_and(|recorded| recorded.name == seen.name);
                if recorded || record.seen.namespace != seen.namespace {
                    return Vec::new();
                }
            }
            None if self.relists.synced(Watched::Resources) => return Vec::new(),
            None => {}
        }
        let uid = Uid::from(uid);
        self.orphans.put(&uid, &seen.name, seen.expires_at);
        vec![ObjectKey::Resource(uid)]
    }

    /// Every first list is complete: an owner that is not known now does not exist.
    pub(in crate::engine) fn drop_unknown_owners(&mut self) {
        let resources = &self.resources;
        self.orphans.retain(|uid| resources.contains_key(uid));
    }

    /// The stores that read their credentials from a Secret.
    fn reading(&self, secret: &str) -> Vec<ObjectKey> {
        let reads = self
            .stores
            .iter()
            .filter(|(_, store)| store.reads_secret(secret));
        reads
            .map(|(name, _)| ObjectKey::Store(name.clone()))
            .collect()
    }
}

//! The known objects of the cluster, and the objects that each change affects.
//!
//! What holds here:
//! - An event is first applied, and then returns the keys that it affects.
//! - Nothing older replaces a known version, so a watch event that arrives after the answer to our own write
//!   starts nothing.
//! - An object that is not in a complete list is gone.
//! - Only compact values are kept: no managedFields, no data of any Secret.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::api::Reason;
use crate::engine::cache::orphans::Orphans;
use crate::engine::cache::relist::{Delta, NamespacedName, Relists, named};
use crate::engine::cache::state::{ReconcileState, StateCell};
use crate::engine::protocol::{
    Change, NamespaceSeen, PolicySeen, PresignedUrlSeen, SecretAccess, SecretMetaSeen,
    UnreadablePolicy,
};
use crate::engine::protocol::{ObjectKey, ObjectVersion, Uid};
use crate::engine::scheduler::limiter::StoreLimiter;
use crate::engine::scheduler::retry::RetryState;
use crate::engine::store::Store;
use crate::issue::data_hash;
use crate::policy::{CompiledPolicy, Namespace, PolicySet, SelectableNamespaces};

/// The longest renewal request that the status holds unchanged, in bytes.
const MAX_REQUEST: usize = 128;

/// A PresignedURL, and the operator's state of it.
#[derive(Debug)]
pub(in crate::engine) struct Record {
    pub(in crate::engine) seen: PresignedUrlSeen,
    pub(in crate::engine) state: StateCell,
}

impl Record {
    /// Whether the spec suspends new issues.
    pub(in crate::engine) fn suspended(&self) -> bool {
        let spec = self.seen.spec.as_ref();
        spec.is_ok_and(|spec| spec.suspend == Some(true))
    }
}

/// A policy as last seen, and whether it can be used.
#[derive(Debug)]
pub(in crate::engine) struct PolicyRecord {
    pub(in crate::engine) seen: PolicySeen,
    pub(in crate::engine) broken: Option<String>,
}

/// A Secret that the operator may have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct SecretVersion {
    pub(in crate::engine) uid: String,
    pub(in crate::engine) resource_version: String,
}

/// The watched kinds. Nothing is decided before each has one complete list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// PresignedURLs.
    Resources,
    /// PresignedURLPolicies.
    Policies,
    /// ClusterObjectStores.
    Stores,
    /// Namespaces.
    Namespaces,
    /// The operator's Secrets in tenants' namespaces.
    Secrets,
    /// Secrets in the operator's own namespace.
    OwnSecrets,
}

impl Watched {
    /// Every kind.
    pub(in crate::engine) const ALL: [Self; 6] = [
        Self::Resources,
        Self::Policies,
        Self::Stores,
        Self::Namespaces,
        Self::Secrets,
        Self::OwnSecrets,
    ];
}

/// All known objects.
#[derive(Debug, Default)]
pub(in crate::engine) struct Index {
    /// Boxed: a map keeps a third of its slots empty.
    pub(in crate::engine) resources: BTreeMap<Uid, Box<Record>>,
    pub(in crate::engine) policies: BTreeMap<String, PolicyRecord>,
    pub(in crate::engine) policy_set: PolicySet,
    pub(in crate::engine) stores: BTreeMap<String, Store>,
    /// When a failed status write of a store or a policy is retried.
    pub(in crate::engine) status_retries: BTreeMap<ObjectKey, RetryState>,
    pub(in crate::engine) namespaces: BTreeMap<String, NamespaceSeen>,
    pub(in crate::engine) secrets: BTreeMap<(String, String), SecretVersion>,
    pub(in crate::engine) own_secrets: BTreeMap<String, String>,
    /// Which resources may start a slow step to which store.
    pub(in crate::engine) limiter: StoreLimiter,
    by_namespace: BTreeMap<String, BTreeSet<Uid>>,
    by_store: BTreeMap<String, BTreeSet<Uid>>,
    /// Namespace and name of the Secret, and the uid of the resource that names it. There is nearly always
    /// one, for which a set per name would be large.
    by_secret: BTreeSet<(String, String, Uid)>,
    pub(in crate::engine) orphans: Orphans,
    pub(in crate::engine) relists: Relists,
}

/// The name of the store that a spec refers to.
pub(in crate::engine) fn store_name(seen: &PresignedUrlSeen) -> &str {
    let named = seen
        .spec
        .as_ref()
        .ok()
        .and_then(|spec| spec.store_ref.as_ref());
    named
        .and_then(|store| store.name.as_deref())
        .unwrap_or("default")
}

/// The name of the Secret that a spec refers to.
pub(in crate::engine) fn secret_name(seen: &PresignedUrlSeen) -> &str {
    let named = seen
        .spec
        .as_ref()
        .ok()
        .and_then(|spec| spec.secret_name.as_deref());
    named.unwrap_or(&seen.name)
}

/// Whether one resourceVersion is older than another. They are compared as numbers, since every supported API
/// server makes numbers; a version that is no number is never older.
pub(in crate::engine) fn older(one: &str, other: &str) -> bool {
    match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one), Ok(other)) => one < other,
        _ => false,
    }
}

impl Index {
    /// An empty index that expects lists of these namespaces, or of the whole cluster.
    pub(in crate::engine) fn expecting(
        namespaces: Option<&BTreeSet<String>>,
        secret_access: SecretAccess,
    ) -> Self {
        Self {
            relists: Relists::expecting(namespaces, secret_access),
            ..Self::default()
        }
    }

    /// The watched kinds whose first list is not complete.
    pub(in crate::engine) fn waiting_for(&self) -> impl Iterator<Item = Watched> {
        Watched::ALL
            .into_iter()
            .filter(|kind| !self.relists.synced(*kind))
    }

    /// Every key, stores and policies before the resources that depend on them.
    pub(in crate::engine) fn everything(&self) -> Vec<ObjectKey> {
        let stores = self.stores.keys().cloned().map(ObjectKey::Store);
        let policies = self.policies.keys().cloned().map(ObjectKey::Policy);
        let resources = self.resources.keys().cloned().map(ObjectKey::Resource);
        stores.chain(policies).chain(resources).collect()
    }

    /// Whether an object is known.
    pub(in crate::engine) fn contains(&self, key: &ObjectKey) -> bool {
        match key {
            ObjectKey::Resource(uid) => self.resources.contains_key(uid),
            ObjectKey::Store(name) => self.stores.contains_key(name),
            ObjectKey::Policy(name) => self.policies.contains_key(name),
        }
    }

    /// Whether a Secret was written that the status does not record yet.
    pub(in crate::engine) fn is_unrecorded(&self, key: &ObjectKey) -> bool {
        let ObjectKey::Resource(uid) = key else {
            return false;
        };
        self.resources
            .get(uid)
            .is_some_and(|record| record.state.unrecorded.is_some())
    }

    /// The wall clock was stepped: no pause lasts longer than intended.
    pub(in crate::engine) fn clock_stepped(&mut self, now: Timestamp, resign_within: Duration) {
        for record in self.resources.values_mut() {
            if let Some(state) = record.state.any() {
                state.clock_stepped(now, resign_within);
            }
        }
        for store in self.stores.values_mut() {
            store.clock_stepped(now);
        }
        self.status_retries.clear();
    }

    /// A namespace as policies evaluate it; `None` if it was not seen yet, so that its labels are unknown.
    pub(in crate::engine) fn namespace_of(&self, name: &str) -> Option<Namespace<'_>> {
        let known = self.namespaces.get(name)?;
        Some(Namespace {
            name: &known.name,
            labels: &known.labels,
        })
    }

    /// The resources of a namespace.
    pub(in crate::engine) fn in_namespace(&self, namespace: &str) -> Vec<ObjectKey> {
        resource_keys(self.by_namespace.get(namespace))
    }

    /// The resources that name a store.
    pub(in crate::engine) fn of_store(&self, store: &str) -> impl Iterator<Item = &Uid> {
        self.by_store.get(store).into_iter().flatten()
    }

    /// The resources that name a Secret.
    pub(in crate::engine) fn of_secret(&self, namespace: &str, name: &str) -> Vec<ObjectKey> {
        let first = (namespace.to_owned(), name.to_owned(), Uid::default());
        self.by_secret
            .range(first..)
            .take_while(|(in_namespace, called, _)| in_namespace == namespace && called == name)
            .map(|(_, _, uid)| ObjectKey::Resource(uid.clone()))
            .collect()
    }

    /// Applies a change of a PresignedURL.
    pub(in crate::engine) fn resource(
        &mut self,
        change: Change<PresignedUrlSeen>,
    ) -> Vec<ObjectKey> {
        let known = self.resources.iter().map(|(uid, record)| {
            let namespace = record.seen.namespace.clone();
            (namespace, uid.to_string())
        });
        let place = |seen: &PresignedUrlSeen| (seen.namespace.clone(), seen.uid.to_string());
        match self.relists.apply(Watched::Resources, change, place, known) {
            Delta::Present(seen) => self.put_resource(seen).into_iter().collect(),
            Delta::Removed(seen) => self.drop_resource(&seen.uid),
            Delta::Absent(uids) => all(uids, |(_, uid)| self.drop_resource(&uid)),
        }
    }

    /// Stores a PresignedURL; an outdated version is ignored.
    fn put_resource(&mut self, mut seen: PresignedUrlSeen) -> Option<ObjectKey> {
        seen.renew_request = seen.renew_request.map(short_request);
        let uid = seen.uid.clone();
        let state = match self.resources.get(&uid) {
            Some(known) if older(&seen.resource_version, &known.seen.resource_version) => {
                return None;
            }
            Some(known) if seen.resource_version == known.seen.resource_version => return None,
            Some(_) => self.unlink(&uid).map(|record| {
                let mut state = record.state;
                let asked =
                    seen.renew_request.is_some() && record.seen.renew_request != seen.renew_request;
                if let Some(state) = state.any() {
                    state.status.retry_at = None;
                    if asked {
                        state.renewal_requested();
                    }
                    if record.seen.generation != seen.generation {
                        state.reset_for_generation();
                    }
                }
                state
            }),
            None => Some(ReconcileState::of(&seen.status).into()),
        };
        self.by_namespace
            .entry(seen.namespace.clone())
            .or_default()
            .insert(uid.clone());
        self.by_store
            .entry(store_name(&seen).to_owned())
            .or_default()
            .insert(uid.clone());
        let secret = secret_name(&seen).to_owned();
        self.by_secret
            .insert((seen.namespace.clone(), secret, uid.clone()));
        let mut state = state.unwrap_or_default();
        state.tidy();
        let record = Record { seen, state };
        self.resources.insert(uid.clone(), Box::new(record));
        Some(ObjectKey::Resource(uid))
    }

    /// Forgets a PresignedURL. Other resources that name the same Secret are affected.
    fn drop_resource(&mut self, uid: &str) -> Vec<ObjectKey> {
        let Some(record) = self.unlink(uid) else {
            return Vec::new();
        };
        let mut affected = self.of_secret(&record.seen.namespace, secret_name(&record.seen));
        self.orphans.forget_all(&record.seen.uid);
        let reserved = self.limiter.forget(uid).into_iter().map(Uid::from);
        affected.extend(reserved.map(ObjectKey::Resource));
        affected.push(ObjectKey::Resource(uid.into()));
        affected.push(ObjectKey::Store(store_name(&record.seen).to_owned()));
        affected
    }

    fn unlink(&mut self, uid: &str) -> Option<Box<Record>> {
        let record = self.resources.remove(uid)?;
        let secret = (
            record.seen.namespace.clone(),
            secret_name(&record.seen).to_owned(),
            record.seen.uid.clone(),
        );
        remove_from(&mut self.by_namespace, &record.seen.namespace, uid);
        remove_from(
            &mut self.by_store,
            &store_name(&record.seen).to_owned(),
            uid,
        );
        self.by_secret.remove(&secret);
        Some(record)
    }

    /// Applies a change of a policy.
    pub(in crate::engine) fn policy(&mut self, change: Change<PolicySeen>) -> Vec<ObjectKey> {
        let known = self.policies.keys().map(named);
        let place = |seen: &PolicySeen| named(&seen.name);
        match self.relists.apply(Watched::Policies, change, place, known) {
            Delta::Present(seen) => self.put_policy(seen),
            Delta::Removed(seen) => self.drop_policy(&seen.name),
            Delta::Absent(names) => all(names, |(_, name)| self.drop_policy(&name)),
        }
    }

    fn put_policy(&mut self, seen: PolicySeen) -> Vec<ObjectKey> {
        let name = seen.name.clone();
        let known = self.policies.get(&name);
        if known.is_some_and(|known| older(&seen.resource_version, &known.seen.resource_version)) {
            return Vec::new();
        }
        let key = ObjectKey::Policy(name.clone());
        if known.is_some_and(|known| known.seen.uid == seen.uid && known.seen.spec == seen.spec) {
            // If only status or metadata changed, no decision changes.
            self.status_retries.remove(&key);
            let broken = self.policies.remove(&name).and_then(|known| known.broken);
            self.policies.insert(name, PolicyRecord { seen, broken });
            return vec![key];
        }
        self.status_retries.remove(&key);
        let mut affected = self.under_policy(&name);
        let compiled = match &seen.spec {
            Ok(spec) => CompiledPolicy::compile(&name, spec).map_err(|error| UnreadablePolicy {
                why: error.to_string(),
                namespaces: SelectableNamespaces::of(&spec.namespaces),
            }),
            Err(unreadable) => Err(unreadable.clone()),
        };
        let broken = match compiled {
            Ok(compiled) => {
                self.policy_set.insert(compiled);
                None
            }
            Err(UnreadablePolicy { why, namespaces }) => {
                self.policy_set.insert_unreadable(&name, namespaces);
                Some(why)
            }
        };
        affected.extend(self.under_policy(&name));
        affected.push(key);
        self.policies.insert(name, PolicyRecord { seen, broken });
        affected
    }

    fn drop_policy(&mut self, name: &str) -> Vec<ObjectKey> {
        let affected = self.under_policy(name);
        self.policies.remove(name);
        self.policy_set.remove(name);
        affected
    }

    /// The resources in the namespaces that the current version of a policy covers. No policy decides for a
    /// namespace that was not seen yet.
    fn under_policy(&self, policy: &str) -> Vec<ObjectKey> {
        let mut affected = Vec::new();
        for (name, resources) in &self.by_namespace {
            let namespace = self.namespace_of(name);
            if namespace.is_some_and(|namespace| self.policy_set.affects(policy, &namespace)) {
                affected.extend(resource_keys(Some(resources)));
            }
        }
        affected
    }

    /// Applies a change of a namespace.
    pub(in crate::engine) fn namespace(&mut self, change: Change<NamespaceSeen>) -> Vec<ObjectKey> {
        // A namespace lies in the scope of its own name.
        let known = self
            .namespaces
            .keys()
            .map(|name| (name.clone(), name.clone()));
        let place = |seen: &NamespaceSeen| (seen.name.clone(), seen.name.clone());
        match self
            .relists
            .apply(Watched::Namespaces, change, place, known)
        {
            Delta::Present(seen) => self.put_namespace(seen),
            Delta::Removed(seen) => self.drop_namespace(&seen.name),
            Delta::Absent(names) => all(names, |(_, name)| self.drop_namespace(&name)),
        }
    }

    fn put_namespace(&mut self, seen: NamespaceSeen) -> Vec<ObjectKey> {
        let known = self.namespaces.get(&seen.name);
        let same = known
            .is_some_and(|known| known.labels == seen.labels && known.deleting == seen.deleting);
        let name = seen.name.clone();
        self.namespaces.insert(name.clone(), seen);
        if same {
            return Vec::new();
        }
        self.in_namespace(&name)
    }

    fn drop_namespace(&mut self, name: &str) -> Vec<ObjectKey> {
        self.namespaces.remove(name);
        self.in_namespace(name)
    }

    /// Applies a change of a Secret that carries the operator's label.
    pub(in crate::engine) fn secret(&mut self, change: Change<SecretMetaSeen>) -> Vec<ObjectKey> {
        let known = self.secrets.keys().cloned();
        let place = |seen: &SecretMetaSeen| (seen.namespace.clone(), seen.name.clone());
        match self.relists.apply(Watched::Secrets, change, place, known) {
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
                let place = place(&seen);
                let outlives =
                    |known: &SecretVersion| older(&seen.resource_version, &known.resource_version);
                if self.secrets.get(&place).is_some_and(outlives) {
                    return self.of_secret(&seen.namespace, &seen.name);
                }
                self.drop_secret(&place)
            }
            Delta::Absent(places) => all(places, |place| self.drop_secret(&place)),
        }
    }

    fn drop_secret(&mut self, place: &NamespacedName) -> Vec<ObjectKey> {
        self.secrets.remove(place);
        self.of_secret(&place.0, &place.1)
    }

    /// Stores the new version of a Secret, from a watch or from the answer to a write; an outdated version is
    /// ignored.
    pub(in crate::engine) fn secret_written(
        &mut self,
        namespace: &str,
        name: &str,
        version: SecretVersion,
    ) -> Vec<ObjectKey> {
        let key = (namespace.to_owned(), name.to_owned());
        let known = self.secrets.get(&key);
        if known.is_some_and(|known| {
            *known == version || older(&version.resource_version, &known.resource_version)
        }) {
            return Vec::new();
        }
        self.secrets.insert(key, version);
        self.of_secret(namespace, name)
    }

    /// A Secret was removed.
    pub(in crate::engine) fn forget_secret(&mut self, uid: &str, name: &str) {
        if let Some(record) = self.resources.get(uid) {
            self.secrets
                .remove(&(record.seen.namespace.clone(), name.to_owned()));
        }
    }

    /// Applies a change of a Secret in the operator's own namespace: the stores that read it are affected.
    pub(in crate::engine) fn own_secret(
        &mut self,
        change: Change<SecretMetaSeen>,
    ) -> Vec<ObjectKey> {
        let known = self.own_secrets.keys().map(named);
        let place = |seen: &SecretMetaSeen| named(&seen.name);
        match self
            .relists
            .apply(Watched::OwnSecrets, change, place, known)
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
            Delta::Absent(names) => all(names, |(_, name)| self.drop_own_secret(&name)),
        }
    }

    fn drop_own_secret(&mut self, name: &str) -> Vec<ObjectKey> {
        self.own_secrets.remove(name);
        self.reading(name)
    }

    /// Applies a change of a policy or a namespace: the listings under a prefix were evaluated by other
    /// rules.
    pub(in crate::engine) fn rules_changed(
        &mut self,
        apply: impl FnOnce(&mut Self) -> Vec<ObjectKey>,
    ) -> Vec<ObjectKey> {
        let affected = apply(self);
        for key in &affected {
            if let Some(state) = self.state_of(key) {
                state.forget_listing();
            }
        }
        affected
    }

    /// Applies a change of a Secret: resources that wait for its name need not wait any longer.
    pub(in crate::engine) fn secret_changed(
        &mut self,
        change: Change<SecretMetaSeen>,
    ) -> Vec<ObjectKey> {
        let affected = self.secret(change);
        for key in &affected {
            if let Some(state) = self.state_of(key)
                && let Some(problem) = &state.issue.problem
                && problem.reason == Reason::SecretConflict
            {
                state.issue.retry.retry_at = None;
            }
        }
        affected
    }

    /// Applies a change of a Secret with credentials: the stores that read it fetch again.
    pub(in crate::engine) fn credentials_changed(
        &mut self,
        change: Change<SecretMetaSeen>,
    ) -> Vec<ObjectKey> {
        let affected = self.own_secret(change);
        for key in &affected {
            if let ObjectKey::Store(name) = key
                && let Some(store) = self.stores.get_mut(name)
            {
                store.source_changed();
            }
        }
        affected
    }

    /// The state of a resource, if there is any.
    fn state_of(&mut self, key: &ObjectKey) -> Option<&mut ReconcileState> {
        let ObjectKey::Resource(uid) = key else {
            return None;
        };
        self.resources.get_mut(uid)?.state.any()
    }

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

/// Takes the version that a write was answered with, unless the watch has reported a newer one.
pub(in crate::engine) fn take_newer(known: &mut String, version: ObjectVersion) {
    if let Some(new) = version.resource_version
        && !older(&new, known)
    {
        *known = new;
    }
}

/// A renewal request as the status holds it: a long one becomes a hash, since an annotation may have 256 KiB.
fn short_request(request: String) -> String {
    if request.len() <= MAX_REQUEST {
        return request;
    }
    data_hash([("renew", request.as_bytes())])
}

/// All keys that are affected if these objects are gone.
pub(in crate::engine) fn all(
    gone: Vec<NamespacedName>,
    forget: impl FnMut(NamespacedName) -> Vec<ObjectKey>,
) -> Vec<ObjectKey> {
    gone.into_iter().flat_map(forget).collect()
}

fn resource_keys(uids: Option<&BTreeSet<Uid>>) -> Vec<ObjectKey> {
    uids.into_iter()
        .flatten()
        .map(|uid| ObjectKey::Resource(uid.clone()))
        .collect()
}

fn remove_from<K: Ord>(index: &mut BTreeMap<K, BTreeSet<Uid>>, key: &K, uid: &str) {
    if let Some(uids) = index.get_mut(key) {
        uids.remove(uid);
        if uids.is_empty() {
            index.remove(key);
        }
    }
}

//! The index: all known objects of the cluster, and the resources that belong to a namespace, a store or a
//! Secret.
//!
//! What holds here:
//! - A change is applied in the file of its kind: `resources`, `rules` (policies and namespaces) and
//!   `secrets`. Stores are applied in `reconcile/store`, since another spec starts a rollout.
//! - A change is first applied, and then returns the keys that it affects.
//! - Only compact values are kept: no managedFields, and no data of any Secret.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::engine::cache::orphans::Orphans;
use crate::engine::cache::record::{ClusterEvents, PolicyRecord, Record, store_name};
use crate::engine::cache::relist::{Relists, Watched};
use crate::engine::cache::secret_versions::SecretVersions;
use crate::engine::cache::shares::Shares;
use crate::engine::cache::state::ReconcileState;
use crate::engine::protocol::{NamespaceSeen, ObjectKey, SecretAccess, Uid};
use crate::engine::scheduler::budget::ByteBudget;
use crate::engine::scheduler::event_rate::EventRate;
use crate::engine::scheduler::limiter::StoreLimiter;
use crate::engine::scheduler::listing_rate::ListingRates;
use crate::engine::scheduler::retry::RetryState;
use crate::engine::store::{Store, TrustBundle};
use crate::issue::issued::Issued;
use crate::policy::{Namespace, PolicySet};

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
    /// The Events of stores and policies.
    pub(in crate::engine) cluster_events: BTreeMap<ObjectKey, ClusterEvents>,
    pub(in crate::engine) namespaces: BTreeMap<String, NamespaceSeen>,
    pub(in crate::engine) secrets: SecretVersions,
    pub(in crate::engine) own_secrets: BTreeMap<String, String>,
    /// The ClusterTrustBundles that stores name, as far as the API server was asked.
    pub(in crate::engine) trust_bundles: BTreeMap<String, TrustBundle>,
    /// Which resources may start a slow step to which store.
    pub(in crate::engine) limiter: StoreLimiter,
    /// Which resources may have something large in memory.
    pub(in crate::engine) budget: ByteBudget,
    /// When resources may list.
    pub(in crate::engine) listing_rates: ListingRates,
    pub(super) by_namespace: BTreeMap<String, BTreeSet<Uid>>,
    pub(super) by_store: BTreeMap<String, BTreeSet<Uid>>,
    /// Of each namespace, the name of the Secret and the uid of the resource that names it. There is nearly
    /// always one, for which a set per name would be large.
    pub(super) by_secret: BTreeMap<String, BTreeSet<(Box<str>, Uid)>>,
    pub(in crate::engine) orphans: Orphans,
    pub(in crate::engine) relists: Relists,
    pub(in crate::engine) shares: Shares,
}

impl Index {
    /// An empty index that expects lists of these namespaces, or of the whole cluster, and keeps so many
    /// bytes for each namespace.
    pub(in crate::engine) fn expecting(
        namespaces: Option<&BTreeSet<String>>,
        secret_access: SecretAccess,
        namespace_share: usize,
    ) -> Self {
        Self {
            shares: Shares::of(namespace_share),
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

    /// A resource was planned, and its step is large or not. It keeps its room in memory while something large
    /// is kept for its next step. Returns the resources that have room now and are to be planned.
    pub(in crate::engine) fn room_used(&mut self, uid: &str, is_large: bool) -> Vec<String> {
        let record = || self.resources.get(uid);
        let holds = || is_large || record().is_some_and(|record| record.state.holds_content());
        self.budget.planned(uid, holds)
    }

    /// Forgets what a restart would forget of resources and of who waits for what.
    pub(in crate::engine) fn restart(&mut self) {
        for record in self.resources.values_mut() {
            record.state = ReconcileState::of(&record.seen.status).into();
            record.event_rate = EventRate::default();
            record.all_ours = false;
        }
        for policy in self.policies.values_mut() {
            policy.told = None;
        }
        self.status_retries.clear();
        self.cluster_events.clear();
        self.limiter = StoreLimiter::default();
        self.budget = ByteBudget::default();
        self.listing_rates = ListingRates::default();
    }

    /// A listing of a resource starts.
    pub(in crate::engine) fn listing_starts(&mut self, uid: &str, now: Timestamp) {
        if let Some(record) = self.resources.get_mut(uid) {
            record.state.listing.unpaced = false;
            self.listing_rates.starts(&record.seen.namespace, uid, now);
        }
    }

    /// The wall clock was stepped: no pause lasts longer than intended.
    pub(in crate::engine) fn clock_stepped(&mut self, now: Timestamp, resign_within: Duration) {
        for record in self.resources.values_mut() {
            if let Some(state) = record.state.any() {
                state.clock_stepped(now, resign_within);
            }
            record.event_rate = EventRate::default();
        }
        for store in self.stores.values_mut() {
            store.clock_stepped(now);
        }
        for events in self.cluster_events.values_mut() {
            events.rate = EventRate::default();
        }
        self.listing_rates.clock_stepped();
        self.status_retries.clear();
    }

    /// A store or a policy is gone: nothing waits for it any more.
    pub(in crate::engine) fn forget_cluster_object(&mut self, key: &ObjectKey) {
        self.status_retries.remove(key);
        self.cluster_events.remove(key);
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

    /// Whether the URLs of a resource can be used now, by what is known of the clock of its store.
    pub(in crate::engine) fn alive(
        &self,
        record: &Record,
        issued: &Issued,
        now: Timestamp,
    ) -> bool {
        issued.alive(now, self.skew_of(record))
    }

    /// When the URLs of a resource end, by what is known of the clock of its store.
    pub(in crate::engine) fn ends_at(&self, record: &Record, issued: &Issued) -> Timestamp {
        issued.ends_at(self.skew_of(record))
    }

    /// The clock of a resource's store less the operator's, as far as it is known.
    pub(in crate::engine) fn skew_of(&self, record: &Record) -> SignedDuration {
        let store = self.stores.get(store_name(&record.seen));
        store.map_or(SignedDuration::ZERO, |store| store.clock_skew().measured())
    }

    /// Whether the clock of a resource's store was read since the start.
    pub(in crate::engine) fn knows_clock_of(&self, record: &Record) -> bool {
        let store = self.stores.get(store_name(&record.seen));
        store.is_some_and(|store| store.clock_skew().store().is_some())
    }

    /// The resources that name a Secret.
    pub(in crate::engine) fn of_secret(&self, namespace: &str, name: &str) -> Vec<ObjectKey> {
        let Some(named) = self.by_secret.get(namespace) else {
            return Vec::new();
        };
        named
            .range((name.into(), Uid::default())..)
            .take_while(|(called, _)| &**called == name)
            .map(|(_, uid)| ObjectKey::Resource(uid.clone()))
            .collect()
    }

    /// The state of a resource, if there is any.
    pub(super) fn state_of(&mut self, key: &ObjectKey) -> Option<&mut ReconcileState> {
        let ObjectKey::Resource(uid) = key else {
            return None;
        };
        self.resources.get_mut(uid)?.state.any()
    }
}

pub(super) fn resource_keys(uids: Option<&BTreeSet<Uid>>) -> Vec<ObjectKey> {
    uids.into_iter()
        .flatten()
        .map(|uid| ObjectKey::Resource(uid.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    //! The index under lists of some namespaces.

    use super::*;
    use crate::engine::protocol::{Change, ListScope, PresignedUrlSeen, SecretMetaSeen};

    fn scope(namespace: &str) -> ListScope {
        ListScope::Namespace(namespace.to_owned())
    }

    #[test]
    fn a_list_of_one_namespace_keeps_what_the_index_knows_of_another() {
        let mut index = Index::expecting(
            Some(&["a", "b"].map(str::to_owned).into()),
            SecretAccess::Watch,
            usize::MAX,
        );
        for namespace in ["a", "b"] {
            index.namespace_changed(Change::Apply(NamespaceSeen {
                name: namespace.to_owned(),
                resource_version: "1".to_owned(),
                labels: BTreeMap::new(),
                deleting: false,
            }));
            index.secret_changed(Change::Apply(SecretMetaSeen {
                namespace: namespace.to_owned(),
                name: "s".to_owned(),
                uid: namespace.to_owned(),
                resource_version: "1".to_owned(),
                owners: Vec::new(),
                expires_at: None,
            }));
            index.resource_changed(Change::Apply(PresignedUrlSeen {
                uid: namespace.into(),
                namespace: namespace.to_owned(),
                name: "r".to_owned(),
                resource_version: "1".to_owned(),
                created_at: 0,
                generation: 1,
                deleting: false,
                renew_request: None,
                spec: Err("a spec is not needed here".to_owned()),
                status: Box::default(),
            }));
        }
        let list = || {
            [
                Change::Init { scope: scope("a") },
                Change::InitDone {
                    scope: scope("a"),
                    version: "1".to_owned(),
                },
            ]
        };
        let [begin, end] = list();
        index.namespace_changed(begin);
        index.namespace_changed(end);
        assert_eq!(index.namespaces.keys().collect::<Vec<_>>(), ["b"]);
        let [begin, end] = list().map(retyped);
        index.secret_changed(begin);
        index.secret_changed(end);
        let secrets = index.secrets.names().map(|(namespace, _)| namespace);
        assert_eq!(secrets.collect::<Vec<_>>(), ["b"]);
        let [begin, end] = list().map(retyped);
        index.resource_changed(begin);
        index.resource_changed(end);
        let resources = index
            .resources
            .values()
            .map(|record| &record.seen.namespace);
        assert_eq!(resources.collect::<Vec<_>>(), ["b"]);
    }

    /// The beginning or end of a list, for another kind.
    fn retyped<T>(change: Change<NamespaceSeen>) -> Change<T> {
        match change {
            Change::Init { scope } => Change::Init { scope },
            Change::InitDone { scope, version } => Change::InitDone { scope, version },
            other => panic!("{other:?} frames no list"),
        }
    }
}

//! Changes of policies and namespaces: the rules by which resources are evaluated.
//!
//! What holds here:
//! - A changed policy affects the resources in the namespaces that it selects, before and after the change.
//! - The affected resources forget their listings, since other rules selected the objects.

use crate::api::Reason;
use crate::engine::cache::index::{Index, resource_keys};
use crate::engine::cache::record::PolicyRecord;
use crate::engine::cache::relist::{Delta, Watched, drop_all, named};
use crate::engine::cache::version::older;
use crate::engine::protocol::{Change, NamespaceSeen, ObjectKey, PolicySeen, UnreadablePolicy};
use crate::policy::{CompiledPolicy, SelectableNamespaces};

impl Index {
    /// Applies a change of a policy.
    pub(in crate::engine) fn policy_changed(
        &mut self,
        change: Change<PolicySeen>,
    ) -> Vec<ObjectKey> {
        let identity = |seen: &PolicySeen| named(&seen.name);
        if let Change::InitApply(seen) = &change
            && let Some(known) = self.policies.get(&seen.name)
        {
            let (shown, known) = (&seen.resource_version, &known.seen.resource_version);
            self.relists
                .listed(Watched::Policies, &identity(seen), shown, known);
        }
        let known = self.policies.keys().map(named);
        let affected = match self
            .relists
            .apply(Watched::Policies, change, identity, known)
        {
            Delta::Present(seen) => self.put_policy(seen),
            Delta::Removed(seen) => self.drop_policy(&seen.name),
            Delta::Absent(names) => drop_all(names, |(_, name)| self.drop_policy(&name)),
        };
        self.forget_listings(&affected);
        affected
    }

    fn put_policy(&mut self, seen: PolicySeen) -> Vec<ObjectKey> {
        let name = seen.name.clone();
        let known = self.policies.get(&name);
        if known.is_some_and(|known| older(&seen.resource_version, &known.seen.resource_version)) {
            return Vec::new();
        }
        let key = ObjectKey::Policy(name.clone());
        self.status_retries.remove(&key);
        if known.is_some_and(|known| known.seen.uid == seen.uid && known.seen.spec == seen.spec) {
            // If only status or metadata changed, no decision changes.
            if let Some(known) = self.policies.get_mut(&name) {
                known.seen = seen;
            }
            return vec![key];
        }
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
        affected.extend(self.other_policies(&name));
        let record = PolicyRecord {
            seen,
            broken,
            told: None,
        };
        self.policies.insert(name, record);
        affected
    }

    fn drop_policy(&mut self, name: &str) -> Vec<ObjectKey> {
        let mut affected = self.under_policy(name);
        self.policies.remove(name);
        self.forget_cluster_object(&ObjectKey::Policy(name.to_owned()));
        self.policy_set.remove(name);
        affected.extend(self.other_policies(name));
        affected
    }

    /// The policies but one: a status names buckets that two policies both allow.
    fn other_policies(&self, name: &str) -> impl Iterator<Item = ObjectKey> {
        let others = self.policies.keys().filter(move |other| *other != name);
        others.cloned().map(ObjectKey::Policy)
    }

    /// What the policy's Ready condition gives as its reason.
    pub(in crate::engine) fn reason_of(&self, policy: &PolicyRecord) -> Reason {
        let compiled = self.policy_set.in_force(&policy.seen.name);
        match (&policy.broken, compiled.and_then(CompiledPolicy::lacks)) {
            (Some(_), _) => Reason::PolicyInvalid,
            (None, Some(_)) => Reason::AllowsNothing,
            (None, None) => Reason::Accepted,
        }
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
    pub(in crate::engine) fn namespace_changed(
        &mut self,
        change: Change<NamespaceSeen>,
    ) -> Vec<ObjectKey> {
        // A namespace lies in the scope of its own name.
        let known = self
            .namespaces
            .keys()
            .map(|name| (name.clone(), name.clone()));
        let identity = |seen: &NamespaceSeen| (seen.name.clone(), seen.name.clone());
        let affected = match self
            .relists
            .apply(Watched::Namespaces, change, identity, known)
        {
            Delta::Present(seen) => self.put_namespace(seen),
            Delta::Removed(seen) => self.drop_namespace(&seen.name),
            Delta::Absent(names) => drop_all(names, |(_, name)| self.drop_namespace(&name)),
        };
        self.forget_listings(&affected);
        affected
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

    /// The listings of these resources were evaluated by other rules.
    fn forget_listings(&mut self, affected: &[ObjectKey]) {
        for key in affected {
            if let ObjectKey::Resource(uid) = key
                && let Some(record) = self.resources.get_mut(uid)
                && record.lists()
            {
                record.state.rules_changed();
            }
        }
    }
}

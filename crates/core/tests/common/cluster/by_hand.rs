//! What people and other controllers do to the cluster.

use std::collections::BTreeMap;

use jiff::Timestamp;
use presigned_core::api::{
    ClusterObjectStoreSpec, CredentialsSecret, KIND, PresignedUrlPolicySpec, PresignedUrlSpec,
};
use presigned_core::engine::{
    Change, CredentialSource, Event, NamespaceSeen, PolicySeen, PresignedUrlSeen, SecretMetaSeen,
    StoreSeen, UnreadablePolicy, Watched,
};
use presigned_core::issue::Owner;
use presigned_core::policy::SelectableNamespaces;
use serde_json::{Value, json};

use super::{Cluster, Place, Secret};

impl Cluster {
    pub fn put_namespace(&mut self, name: &str, labels: &[(&str, &str)], now: Timestamp) {
        let labels = labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let seen = NamespaceSeen {
            name: name.to_owned(),
            resource_version: self.version(),
            labels,
            deleting: false,
        };
        self.namespaces.insert(name.to_owned(), seen.clone());
        self.report(
            Watched::Namespaces,
            Event::Namespace(Change::Apply(seen)),
            now,
        );
    }

    /// Begins the end of a namespace; [`Self::finish_namespace`] ends it.
    pub fn terminate_namespace(&mut self, name: &str, now: Timestamp) {
        let version = self.version();
        let Some(seen) = self.namespaces.get_mut(name) else {
            return;
        };
        seen.deleting = true;
        seen.resource_version = version;
        let seen = seen.clone();
        self.report(
            Watched::Namespaces,
            Event::Namespace(Change::Apply(seen)),
            now,
        );
    }

    pub fn finish_namespace(&mut self, name: &str, now: Timestamp) {
        let resources: Vec<Place> = self
            .resources
            .keys()
            .filter(|place| place.0 == name)
            .cloned()
            .collect();
        for (_, resource) in resources {
            self.delete_resource(name, &resource, now);
        }
        let secrets: Vec<Place> = self
            .secrets
            .keys()
            .filter(|place| place.0 == name)
            .cloned()
            .collect();
        for place in secrets {
            self.remove_secret(&place, now);
        }
        if let Some(mut seen) = self.namespaces.remove(name) {
            seen.resource_version = self.version();
            self.report(
                Watched::Namespaces,
                Event::Namespace(Change::Delete(seen)),
                now,
            );
        }
    }

    pub fn put_resource(
        &mut self,
        namespace: &str,
        name: &str,
        spec: Result<PresignedUrlSpec, String>,
        now: Timestamp,
    ) {
        let place = (namespace.to_owned(), name.to_owned());
        let spec = spec.map(Box::new);
        let version = self.version();
        let seen = if let Some(known) = self.resources.get_mut(&place) {
            if known.spec == spec {
                return;
            }
            known.spec = spec;
            known.generation += 1;
            known.resource_version = version;
            known.clone()
        } else {
            let seen = PresignedUrlSeen {
                uid: self.uid().into(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                resource_version: version,
                created_at: now.as_second(),
                generation: 1,
                deleting: false,
                renew_request: None,
                spec,
                status: Box::default(),
            };
            self.resources.insert(place, seen.clone());
            seen
        };
        self.report(
            Watched::Resources,
            Event::Resource(Change::Apply(seen)),
            now,
        );
    }

    pub fn annotate(&mut self, namespace: &str, name: &str, renew: &str, now: Timestamp) {
        let version = self.version();
        let place = (namespace.to_owned(), name.to_owned());
        let Some(known) = self.resources.get_mut(&place) else {
            return;
        };
        known.renew_request = Some(renew.to_owned());
        known.resource_version = version;
        let seen = known.clone();
        self.report(
            Watched::Resources,
            Event::Resource(Change::Apply(seen)),
            now,
        );
    }

    /// A deletion that a finalizer holds up; [`Self::delete_resource`] ends it.
    pub fn begin_deletion(&mut self, namespace: &str, name: &str, now: Timestamp) {
        let version = self.version();
        let place = (namespace.to_owned(), name.to_owned());
        let Some(seen) = self.resources.get_mut(&place) else {
            return;
        };
        if seen.deleting {
            return;
        }
        seen.deleting = true;
        seen.generation += 1;
        seen.resource_version = version;
        let event = Event::Resource(Change::Apply(seen.clone()));
        self.report(Watched::Resources, event, now);
    }

    pub fn delete_resource(&mut self, namespace: &str, name: &str, now: Timestamp) {
        let place = (namespace.to_owned(), name.to_owned());
        if let Some(mut seen) = self.resources.remove(&place) {
            seen.resource_version = self.version();
            seen.deleting = true;
            self.report(
                Watched::Resources,
                Event::Resource(Change::Delete(seen)),
                now,
            );
        }
    }

    /// A policy is applied; one that cannot be read may be about any namespace.
    pub fn put_policy(
        &mut self,
        name: &str,
        spec: Result<PresignedUrlPolicySpec, String>,
        now: Timestamp,
    ) {
        self.unreadable.remove(name);
        let spec = spec.map(Box::new).map_err(|why| UnreadablePolicy {
            why,
            namespaces: SelectableNamespaces::default(),
        });
        self.put_seen_policy(name, spec, now);
    }

    /// A policy that cannot be read but for its `spec.namespaces`, or parts of that.
    pub fn put_unreadable_policy(&mut self, name: &str, namespaces: &Value, now: Timestamp) {
        self.unreadable.insert(name.to_owned(), namespaces.clone());
        let unreadable = UnreadablePolicy {
            why: "unknown field bukets".to_owned(),
            namespaces: SelectableNamespaces::read(&json!({ "namespaces": namespaces })),
        };
        self.put_seen_policy(name, Err(unreadable), now);
    }

    fn put_seen_policy(
        &mut self,
        name: &str,
        spec: Result<Box<PresignedUrlPolicySpec>, UnreadablePolicy>,
        now: Timestamp,
    ) {
        let version = self.version();
        let seen = if let Some(known) = self.policies.get_mut(name) {
            if known.spec == spec {
                return;
            }
            known.spec = spec;
            known.generation += 1;
            known.resource_version = version;
            known.clone()
        } else {
            let seen = PolicySeen {
                name: name.to_owned(),
                uid: self.uid(),
                resource_version: version,
                generation: 1,
                spec,
                status: presigned_core::api::PresignedUrlPolicyStatus::default(),
            };
            self.policies.insert(name.to_owned(), seen.clone());
            seen
        };
        self.report(Watched::Policies, Event::Policy(Change::Apply(seen)), now);
    }

    pub fn delete_policy(&mut self, name: &str, now: Timestamp) {
        if let Some(mut seen) = self.policies.remove(name) {
            seen.resource_version = self.version();
            self.report(Watched::Policies, Event::Policy(Change::Delete(seen)), now);
        }
    }

    pub fn put_store(
        &mut self,
        name: &str,
        spec: Result<ClusterObjectStoreSpec, String>,
        now: Timestamp,
    ) {
        let version = self.version();
        let spec = spec.map(Box::new);
        let seen = if let Some(known) = self.stores.get_mut(name) {
            if known.spec == spec {
                return;
            }
            known.spec = spec;
            known.generation += 1;
            known.resource_version = version;
            known.clone()
        } else {
            let seen = StoreSeen {
                name: name.to_owned(),
                uid: self.uid(),
                resource_version: version,
                generation: 1,
                spec,
                status: presigned_core::api::ClusterObjectStoreStatus::default(),
            };
            self.stores.insert(name.to_owned(), seen.clone());
            seen
        };
        self.report(Watched::Stores, Event::Store(Change::Apply(seen)), now);
    }

    pub fn delete_store(&mut self, name: &str, now: Timestamp) {
        if let Some(mut seen) = self.stores.remove(name) {
            seen.resource_version = self.version();
            self.report(Watched::Stores, Event::Store(Change::Delete(seen)), now);
        }
    }

    /// Somebody writes a Secret in the operator's own namespace; the cloud model knows its contents.
    pub fn touch_own_secret(&mut self, name: &str, now: Timestamp) {
        let seen = SecretMetaSeen {
            namespace: "presigned-system".to_owned(),
            name: name.to_owned(),
            uid: format!("own-{name}"),
            resource_version: self.version(),
            owners: Vec::new(),
            expires_at: None,
        };
        self.own_secrets.insert(name.to_owned(), seen.clone());
        self.report(
            Watched::OwnSecrets,
            Event::OwnSecret(Change::Apply(seen)),
            now,
        );
    }

    /// A Secret in the operator's own namespace is deleted.
    pub fn delete_own_secret(&mut self, name: &str, now: Timestamp) {
        if let Some(seen) = self.own_secrets.remove(name) {
            let event = Event::OwnSecret(Change::Delete(seen));
            self.report(Watched::OwnSecrets, event, now);
        }
    }

    /// The version of the Secret that a source reads.
    pub fn credentials_secret(&self, source: &CredentialSource) -> Option<CredentialsSecret> {
        let source = match source {
            CredentialSource::AssumeRole { base, .. } => base,
            source => source,
        };
        let CredentialSource::Secret { name, .. } = source else {
            return None;
        };
        let seen = self.own_secrets.get(name)?;
        Some(CredentialsSecret {
            name: name.clone(),
            uid: seen.uid.clone(),
            resource_version: seen.resource_version.clone(),
        })
    }

    /// Somebody else than the operator creates a Secret, or does nothing where there is one.
    pub fn create_foreign_secret(&mut self, place: &Place, now: Timestamp) {
        if self.secrets.contains_key(place) {
            return;
        }
        let secret = Secret {
            uid: self.uid(),
            resource_version: String::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            owners: Vec::new(),
            data: BTreeMap::from([("password".to_owned(), b"precious".to_vec())]),
            opaque: true,
            immutable: false,
            edited: Some(now),
            created_for: None,
        };
        self.secrets.insert(place.clone(), secret);
        self.secret_changed(place, false, now);
    }

    /// Somebody else than the operator edits a Secret.
    pub fn edit_secret(&mut self, place: &Place, now: Timestamp, edit: impl FnOnce(&mut Secret)) {
        let Some(secret) = self.secrets.get_mut(place) else {
            return;
        };
        let was = secret.labelled();
        edit(secret);
        secret.edited = Some(now);
        self.secret_changed(place, was, now);
    }

    /// Somebody else than the operator deletes a Secret.
    pub fn delete_secret_by_hand(&mut self, place: &Place, now: Timestamp) {
        self.deleted_by_others.insert(place.clone(), now);
        self.remove_secret(place, now);
    }

    /// Deletes the Secrets of which every owner is gone.
    pub fn collect_garbage(&mut self, now: Timestamp) {
        let alive = |owner: &Owner| {
            owner.kind != KIND
                || self
                    .resources
                    .values()
                    .any(|known| *known.uid == *owner.uid)
        };
        let dead: Vec<Place> = self
            .secrets
            .iter()
            .filter(|(_, secret)| !secret.owners.is_empty() && !secret.owners.iter().any(alive))
            .map(|(place, _)| place.clone())
            .collect();
        for place in dead {
            self.deleted_by_others.insert(place.clone(), now);
            self.remove_secret(&place, now);
        }
    }
}

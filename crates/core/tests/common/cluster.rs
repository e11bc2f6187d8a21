//! A model of the API server: objects with uids, resourceVersions, generations and preconditions, and a log
//! for each watch.
//!
//! What holds here: it answers as a real one does; faults are injected elsewhere. It checks each write of the
//! operator: a write to a Secret that is not the acting resource's own is recorded in `violations`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use presigned_core::api::{
    ClusterObjectStoreSpec, CredentialsSecret, GROUP, KIND, MANAGED_BY_LABEL, MANAGER,
    NAME_ANNOTATION, PresignedUrlPolicySpec, PresignedUrlSpec,
};
use presigned_core::engine::{
    ApiError, Change, CredentialSource, Event, NamespaceSeen, ObjectKey, ObjectVersion,
    ObservedContent, ObservedSecret, PolicySeen, PresignedUrlSeen, SecretMetaSeen, SecretWrite,
    Step, StepResult, StoreSeen, UnreadablePolicy, Watched,
};
use presigned_core::issue::{Owner, data_hash};
use presigned_core::policy::SelectableNamespaces;
use serde_json::{Value, json};

/// A Secret in a tenant's namespace.
#[derive(Clone, Debug)]
pub struct Secret {
    pub uid: String,
    pub resource_version: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub owners: Vec<Owner>,
    pub data: BTreeMap<String, Vec<u8>>,
    pub opaque: bool,
    pub immutable: bool,
    /// When somebody else than the operator last changed it, since the operator last wrote it.
    pub edited: Option<Timestamp>,
    /// The resource for which the operator created it, and the one for which it wrote last.
    pub created_for: Option<String>,
}

impl Secret {
    /// A value as text.
    pub fn text(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(self.data.get(key)?).ok()
    }

    fn labelled(&self) -> bool {
        self.labels.get(MANAGED_BY_LABEL).map(String::as_str) == Some(MANAGER)
    }

    fn meta(&self, namespace: &str, name: &str) -> SecretMetaSeen {
        SecretMetaSeen {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: self.uid.clone(),
            resource_version: self.resource_version.clone(),
            owners: self.owners.clone(),
        }
    }
}

/// A namespace and a name.
pub type Place = (String, String);

/// The cluster.
#[derive(Debug, Default)]
pub struct Cluster {
    pub resources: BTreeMap<Place, PresignedUrlSeen>,
    pub policies: BTreeMap<String, PolicySeen>,
    /// `spec.namespaces` of the policies that cannot be read, as it was written.
    pub unreadable: BTreeMap<String, Value>,
    pub stores: BTreeMap<String, StoreSeen>,
    pub namespaces: BTreeMap<String, NamespaceSeen>,
    pub secrets: BTreeMap<Place, Secret>,
    pub own_secrets: BTreeMap<String, SecretMetaSeen>,
    /// Every event of a kind, with its time.
    pub log: BTreeMap<Watched, Vec<(Timestamp, Event)>>,
    /// Writes that the operator may never make.
    pub violations: Vec<String>,
    /// Whether the operator knows its Secrets by uid alone (no right to read Secrets).
    pub blind: bool,
    /// When a Secret that a resource relied on was deleted by somebody else.
    pub deleted_by_others: BTreeMap<Place, Timestamp>,
    /// How often a Secret and a status were really written for a resource.
    pub writes: BTreeMap<String, (u64, u64)>,
    counter: u64,
}

impl Cluster {
    /// An empty cluster; `blind` where the operator may not read Secrets.
    pub fn new(blind: bool) -> Self {
        Self {
            blind,
            ..Self::default()
        }
    }

    pub fn version(&mut self) -> String {
        self.counter += 1;
        self.counter.to_string()
    }

    pub fn uid(&mut self) -> String {
        self.counter += 1;
        format!("uid-{}", self.counter)
    }

    fn report(&mut self, kind: Watched, event: Event, now: Timestamp) {
        self.log.entry(kind).or_default().push((now, event));
    }

    /// The metadata of the Secrets that the operator's watch selects.
    pub fn labelled_secrets(&self) -> impl Iterator<Item = SecretMetaSeen> + '_ {
        self.secrets
            .iter()
            .filter(|(_, secret)| secret.labelled())
            .map(|((namespace, name), secret)| secret.meta(namespace, name))
    }

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

    fn delete_meant(
        &mut self,
        namespace: &str,
        name: &str,
        target: &ObjectVersion,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let place = (namespace.to_owned(), name.to_owned());
        if let Some(seen) = self.resources.get(&place) {
            matches(target, &seen.uid, &seen.resource_version)?;
            self.delete_resource(namespace, name, now);
        }
        Ok(())
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

    fn remove_secret(&mut self, place: &Place, now: Timestamp) {
        if let Some(mut secret) = self.secrets.remove(place) {
            secret.resource_version = self.version();
            if secret.labelled() {
                let event = Event::Secret(Change::Delete(secret.meta(&place.0, &place.1)));
                self.report(Watched::Secrets, event, now);
            }
        }
    }

    fn secret_changed(&mut self, place: &Place, was_labelled: bool, now: Timestamp) {
        let version = self.version();
        let Some(secret) = self.secrets.get_mut(place) else {
            return;
        };
        secret.resource_version = version;
        let meta = secret.meta(&place.0, &place.1);
        let change = match (was_labelled, secret.labelled()) {
            (_, true) => Change::Apply(meta),
            (true, false) => Change::Delete(meta),
            (false, false) => return,
        };
        self.report(Watched::Secrets, Event::Secret(change), now);
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

    /// Executes a step as a healthy API server would.
    #[allow(clippy::too_many_lines, reason = "one arm for each step")]
    pub fn execute(&mut self, work: &ObjectKey, step: &Step, now: Timestamp) -> StepResult {
        match step {
            Step::InspectSecret {
                namespace,
                name,
                data,
            } => StepResult::Inspected(Ok(self.inspect(namespace, name, *data))),
            Step::ReadResource { namespace, name } => {
                let place = (namespace.clone(), name.clone());
                let found = self.resources.get(&place).cloned();
                StepResult::ResourceRead(Ok(found.map(Box::new)))
            }
            Step::CreateSecret(write) => StepResult::SecretWritten(self.create(work, write, now)),
            Step::UpdateSecret { write, target } => {
                StepResult::SecretWritten(self.update(work, write, target, now))
            }
            Step::DeleteSecret {
                namespace,
                name,
                target,
            } => StepResult::SecretDeleted(self.delete(work, namespace, name, target, now)),
            Step::DeleteResource {
                namespace,
                name,
                target,
            } => StepResult::ResourceDeleted(self.delete_meant(namespace, name, target, now)),
            Step::WriteStatus {
                namespace,
                name,
                target,
                status,
            } => {
                let version = self.version();
                let place = (namespace.clone(), name.clone());
                let written = self
                    .resources
                    .get_mut(&place)
                    .ok_or(ApiError::NotFound)
                    .and_then(|seen| {
                        matches(target, &seen.uid, &seen.resource_version)?;
                        if *seen.status != **status {
                            *seen.status = (**status).clone();
                            seen.resource_version = version;
                        }
                        Ok(seen.clone())
                    });
                if written.is_ok() {
                    self.writes.entry(acting(work)).or_default().1 += 1;
                }
                StepResult::StatusWritten(written.map(|seen| {
                    let answer = answer(&seen.uid, &seen.resource_version);
                    self.report(
                        Watched::Resources,
                        Event::Resource(Change::Apply(seen)),
                        now,
                    );
                    answer
                }))
            }
            Step::WriteStoreStatus {
                name,
                target,
                status,
            } => {
                let version = self.version();
                let written = self
                    .stores
                    .get_mut(name)
                    .ok_or(ApiError::NotFound)
                    .and_then(|seen| {
                        matches(target, &seen.uid, &seen.resource_version)?;
                        seen.status = (**status).clone();
                        seen.resource_version = version;
                        Ok(seen.clone())
                    });
                StepResult::StatusWritten(written.map(|seen| {
                    let answer = answer(&seen.uid, &seen.resource_version);
                    self.report(Watched::Stores, Event::Store(Change::Apply(seen)), now);
                    answer
                }))
            }
            Step::WritePolicyStatus {
                name,
                target,
                status,
            } => {
                let version = self.version();
                let written = self
                    .policies
                    .get_mut(name)
                    .ok_or(ApiError::NotFound)
                    .and_then(|seen| {
                        matches(target, &seen.uid, &seen.resource_version)?;
                        seen.status = (**status).clone();
                        seen.resource_version = version;
                        Ok(seen.clone())
                    });
                StepResult::StatusWritten(written.map(|seen| {
                    let answer = answer(&seen.uid, &seen.resource_version);
                    self.report(Watched::Policies, Event::Policy(Change::Apply(seen)), now);
                    answer
                }))
            }
            Step::PublishEvent(_) => StepResult::Published,
            Step::FetchCredentials { .. }
            | Step::List { .. }
            | Step::SendRequests { .. }
            | Step::Sign(_) => unreachable!("the cloud's"),
        }
    }

    fn inspect(&mut self, namespace: &str, name: &str, data: bool) -> Option<ObservedSecret> {
        if self.blind {
            self.violations.push(format!(
                "the Secret {namespace}/{name} was read without the right to"
            ));
        }
        let secret = self.secrets.get(&(namespace.to_owned(), name.to_owned()))?;
        Some(ObservedSecret {
            uid: secret.uid.clone(),
            resource_version: secret.resource_version.clone(),
            labels: secret.labels.clone(),
            annotations: secret.annotations.clone(),
            owners: secret.owners.clone(),
            finalizers: Vec::new(),
            deleting: false,
            content: data.then(|| ObservedContent {
                data_hash: data_hash(
                    secret
                        .data
                        .iter()
                        .map(|(key, value)| (key.as_str(), value.as_slice())),
                ),
                opaque: secret.opaque,
                immutable: secret.immutable,
            }),
        })
    }

    fn create(
        &mut self,
        work: &ObjectKey,
        write: &SecretWrite,
        now: Timestamp,
    ) -> Result<ObjectVersion, ApiError> {
        let place = (write.namespace.clone(), write.name.clone());
        match self.namespaces.get(&write.namespace) {
            None => return Err(ApiError::NotFound),
            Some(namespace) if namespace.deleting => return Err(ApiError::NamespaceTerminating),
            Some(_) => {}
        }
        if self.secrets.contains_key(&place) {
            return Err(ApiError::AlreadyExists);
        }
        let mut secret = Secret {
            uid: self.uid(),
            resource_version: String::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            owners: Vec::new(),
            data: BTreeMap::new(),
            opaque: true,
            immutable: false,
            edited: None,
            created_for: Some(acting(work)),
        };
        fill(&mut secret, write);
        self.writes.entry(acting(work)).or_default().0 += 1;
        let uid = secret.uid.clone();
        self.secrets.insert(place.clone(), secret);
        self.secret_changed(&place, false, now);
        Ok(answer(&uid, &self.secrets[&place].resource_version))
    }

    fn update(
        &mut self,
        work: &ObjectKey,
        write: &SecretWrite,
        target: &ObjectVersion,
        now: Timestamp,
    ) -> Result<ObjectVersion, ApiError> {
        let place = (write.namespace.clone(), write.name.clone());
        let secret = self.secrets.get(&place).ok_or(ApiError::NotFound)?;
        matches(target, &secret.uid, &secret.resource_version)?;
        if secret.immutable || !secret.opaque {
            return Err(ApiError::Invalid);
        }
        self.check_owner(work, &place, "wrote over");
        self.writes.entry(acting(work)).or_default().0 += 1;
        let secret = self.secrets.get_mut(&place).ok_or(ApiError::NotFound)?;
        let was = secret.labelled();
        fill(secret, write);
        secret.edited = None;
        secret.created_for = Some(acting(work));
        let uid = secret.uid.clone();
        self.secret_changed(&place, was, now);
        Ok(answer(&uid, &self.secrets[&place].resource_version))
    }

    fn delete(
        &mut self,
        work: &ObjectKey,
        namespace: &str,
        name: &str,
        target: &ObjectVersion,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let place = (namespace.to_owned(), name.to_owned());
        let Some(secret) = self.secrets.get(&place) else {
            return Ok(());
        };
        matches(target, &secret.uid, &secret.resource_version)?;
        self.check_owner(work, &place, "deleted");
        self.remove_secret(&place, now);
        Ok(())
    }

    /// Records a violation if a Secret is not the acting resource's: promise 4.
    pub fn check_owner(&mut self, work: &ObjectKey, place: &Place, what: &str) {
        let Some(secret) = self.secrets.get(place) else {
            return;
        };
        let acting = acting(work);
        let name = self
            .resources
            .values()
            .find(|seen| *seen.uid == *acting)
            .map(|seen| seen.name.clone());
        let controller = secret
            .owners
            .iter()
            .find(|owner| owner.controller == Some(true));
        let own = controller.is_some_and(|owner| owner.uid == acting);
        // A namesake that is gone from the cluster has left it behind. Where the actor itself is gone, its
        // step was under way when it went, and what it left is whoever's comes next.
        let left = controller.is_some_and(|owner| {
            owner.kind == KIND
                && owner.api_version.starts_with(GROUP)
                && name.as_ref().is_none_or(|name| *name == owner.name)
                && !self.resources.values().any(|seen| *seen.uid == *owner.uid)
        });
        let written = secret.created_for.as_ref() == Some(&acting);
        let known = self.blind && written;
        // Another tool dropped the reference, and left what else tells whose it is.
        let named = secret.annotations.get(NAME_ANNOTATION);
        let disowned =
            controller.is_none() && written && secret.labelled() && named == name.as_ref();
        if !own && !left && !known && !disowned {
            self.violations.push(format!(
                "{acting} {what} the Secret {}/{} of {controller:?}",
                place.0, place.1
            ));
        }
    }
}

fn acting(work: &ObjectKey) -> String {
    match work {
        ObjectKey::Resource(uid) => uid.to_string(),
        ObjectKey::Store(name) | ObjectKey::Policy(name) => name.clone(),
    }
}

fn fill(secret: &mut Secret, write: &SecretWrite) {
    secret.labels.clone_from(&write.labels);
    secret.annotations.clone_from(&write.annotations);
    secret.owners.clone_from(&write.owners);
    secret.data = write
        .data
        .iter()
        .map(|(key, value)| (key.clone(), value.expose().to_vec()))
        .collect();
}

fn matches(target: &ObjectVersion, uid: &str, version: &str) -> Result<(), ApiError> {
    let same = target.uid == uid
        && target
            .resource_version
            .as_ref()
            .is_none_or(|wanted| wanted == version);
    if same {
        Ok(())
    } else {
        Err(ApiError::Conflict)
    }
}

fn answer(uid: &str, version: &str) -> ObjectVersion {
    ObjectVersion {
        uid: uid.to_owned(),
        resource_version: Some(version.to_owned()),
    }
}

//! A model of the API server: objects with uids, resourceVersions, generations and preconditions, and a log
//! for each watch.
//!
//! What holds here: it answers as a real one does; faults are injected elsewhere. It checks each write of the
//! operator: a write to a Secret that is not the acting resource's own is recorded in `violations`.

mod by_hand;
pub mod lease;
mod steps;

use std::collections::BTreeMap;

use jiff::Timestamp;
use presigned_core::api::{MANAGED_BY_LABEL, MANAGER};
use presigned_core::engine::{
    ApiError, Change, Event, NamespaceSeen, ObjectVersion, PolicySeen, PresignedUrlSeen,
    SecretMetaSeen, StoreSeen, Watched,
};
use presigned_core::issue::Owner;
use serde_json::Value;

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
            expires_at: self.told_expiry(),
        }
    }

    fn told_expiry(&self) -> Option<Timestamp> {
        let told = self.annotations.get("presigned.dev/expires-at")?;
        told.parse().ok()
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
    /// A label that an admission webhook adds to each Secret that is created.
    pub webhook_label: Option<String>,
    /// When a Secret that a resource relied on was deleted by somebody else.
    pub deleted_by_others: BTreeMap<Place, Timestamp>,
    /// How often a Secret and a status were really written for a resource.
    pub writes: BTreeMap<String, (u64, u64)>,
    /// The Lease of the replicas.
    pub leases: lease::Leases,
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

    /// The version that was given last.
    pub fn last_version(&self) -> String {
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

    fn remove_secret(&mut self, place: &Place, now: Timestamp) {
        if let Some(mut secret) = self.secrets.remove(place) {
            secret.resource_version = self.version();
            if secret.labelled() {
                let event = Event::Secret(Change::Delete(secret.meta(&place.0, &place.1)));
                self.report(Watched::Secrets, event, now);
            }
        }
    }
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

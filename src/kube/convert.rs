//! From objects of the API server to the values that the core takes.
//!
//! What holds here: nothing is left out silently. A spec that cannot be parsed is passed on as broken, with
//! the reason; a status keeps every field of it that can be parsed, since the status is the record of what
//! was issued. Of everything else only what decisions need is kept: no managed fields, no annotations, no
//! Secret data.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use presigned_core::api::{ClusterObjectStore, PresignedUrl, PresignedUrlPolicy};
use presigned_core::engine::{
    NamespaceSeen, PolicySeen, PresignedUrlSeen, SecretMetaSeen, StoreSeen, UnreadablePolicy,
};
use presigned_core::issue::{Owner, controlling_uid};
use presigned_core::policy::SelectableNamespaces;
use presigned_core::text::visible;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use super::list_watch::Versioned;
use super::text::cut;

/// The longest sentence about a spec that cannot be read, in bytes.
const WHY_LIMIT: usize = 512;

/// An object of kind `K` as it came: metadata, and the rest unparsed. It parses whatever its schema has
/// become, and keeps the status if only the spec is broken.
#[derive(Deserialize)]
#[serde(bound = "")]
pub(super) struct RawObject<K> {
    #[serde(default, rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(default, rename = "kind")]
    _kind: IgnoredAny,
    #[serde(default)]
    metadata: ObjectMetadata,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
    /// Their values are skipped unparsed.
    #[allow(clippy::zero_sized_map_values, reason = "serde flattens maps only")]
    #[serde(flatten)]
    unknown: BTreeMap<String, IgnoredAny>,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

impl<K> RawObject<K> {
    /// The spec. A field that stands beside it is a part of it that was put in the wrong place.
    fn spec<S: DeserializeOwned>(&self) -> Result<Box<S>, String> {
        if let Some(field) = self.unknown.keys().next() {
            let field = cut(&visible(field), WHY_LIMIT).to_owned();
            return Err(format!(
                "unknown field `{field}` beside the spec: put it in the place where it belongs, or remove it"
            ));
        }
        spec(&self.spec)
    }
}

/// The metadata that is used. The rest, managedFields and annotations above all, is most of an object and is
/// skipped unparsed.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectMetadata {
    annotations: Annotations,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<IgnoredAny>,
    generation: i64,
    name: String,
    namespace: String,
    resource_version: String,
    uid: String,
}

/// The annotations that are used.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "presigned.dev/renew")]
    renew: Option<String>,
}

/// What is used of a namespace.
#[derive(Deserialize)]
pub(super) struct NamespaceMetadata {
    metadata: UsedOfNamespace,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct UsedOfNamespace {
    deletion_timestamp: Option<IgnoredAny>,
    labels: BTreeMap<String, String>,
    name: String,
    resource_version: String,
}

/// What is used of a Secret: its data is never requested, and its labels and other annotations are skipped.
#[derive(Deserialize)]
pub(super) struct SecretMetadata {
    metadata: UsedOfSecret,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct UsedOfSecret {
    name: String,
    namespace: String,
    owner_references: Vec<OwnerReference>,
    annotations: UsedAnnotations,
    resource_version: String,
    uid: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UsedAnnotations {
    #[serde(rename = "presigned.dev/expires-at")]
    expires_at: Option<String>,
}

impl<K: 'static> Versioned for RawObject<K> {
    fn resource_version(&self) -> Option<&str> {
        Some(&self.metadata.resource_version)
    }
}

impl Versioned for NamespaceMetadata {
    fn resource_version(&self) -> Option<&str> {
        Some(&self.metadata.resource_version)
    }
}

impl Versioned for SecretMetadata {
    fn resource_version(&self) -> Option<&str> {
        Some(&self.metadata.resource_version)
    }
}

/// The core's view of a `PresignedURL`.
pub(super) fn resource(raw: RawObject<PresignedUrl>) -> PresignedUrlSeen {
    let spec = raw.spec();
    let meta = raw.metadata;
    PresignedUrlSeen {
        renew_request: meta.annotations.renew,
        created_at: meta.creation_timestamp.map_or(0, |time| time.0.as_second()),
        deleting: meta.deletion_timestamp.is_some(),
        uid: meta.uid.into(),
        namespace: meta.namespace,
        name: meta.name,
        resource_version: meta.resource_version,
        generation: meta.generation,
        spec,
        status: Box::new(status(raw.status)),
    }
}

/// The core's view of a `PresignedURLPolicy`.
pub(super) fn policy(raw: RawObject<PresignedUrlPolicy>) -> PolicySeen {
    let spec = raw.spec();
    let meta = raw.metadata;
    PolicySeen {
        name: meta.name,
        uid: meta.uid,
        resource_version: meta.resource_version,
        generation: meta.generation,
        spec: spec.map_err(|why| UnreadablePolicy {
            why,
            namespaces: SelectableNamespaces::read(&raw.spec),
        }),
        status: status(raw.status),
    }
}

/// The core's view of a `ClusterObjectStore`.
pub(super) fn store(raw: RawObject<ClusterObjectStore>) -> StoreSeen {
    let spec = raw.spec();
    let meta = raw.metadata;
    StoreSeen {
        name: meta.name,
        uid: meta.uid,
        resource_version: meta.resource_version,
        generation: meta.generation,
        spec,
        status: status(raw.status),
    }
}

/// The core's view of a namespace.
pub(super) fn namespace(NamespaceMetadata { metadata }: NamespaceMetadata) -> NamespaceSeen {
    NamespaceSeen {
        deleting: metadata.deletion_timestamp.is_some(),
        name: metadata.name,
        resource_version: metadata.resource_version,
        labels: metadata.labels,
    }
}

/// The core's view of a Secret. Of its owners it takes the one that may be a resource of ours.
pub(super) fn secret(SecretMetadata { metadata }: SecretMetadata) -> SecretMetaSeen {
    let mut owners: Vec<_> = metadata.owner_references.iter().map(owner).collect();
    let ours = controlling_uid(&owners).map(str::to_owned);
    owners.retain(|owner| owner.controller == Some(true) && Some(&owner.uid) == ours.as_ref());
    SecretMetaSeen {
        owners,
        expires_at: metadata
            .annotations
            .expires_at
            .and_then(|at| at.parse().ok()),
        namespace: metadata.namespace,
        name: metadata.name,
        uid: metadata.uid,
        resource_version: metadata.resource_version,
    }
}

/// The owner references of an object.
pub(super) fn owners(meta: &ObjectMeta) -> Vec<Owner> {
    meta.owner_references.iter().flatten().map(owner).collect()
}

fn owner(reference: &OwnerReference) -> Owner {
    Owner {
        api_version: reference.api_version.clone(),
        kind: reference.kind.clone(),
        name: reference.name.clone(),
        uid: reference.uid.clone(),
        controller: reference.controller,
        block_owner_deletion: reference.block_owner_deletion,
    }
}

fn spec<S: DeserializeOwned>(value: &Value) -> Result<Box<S>, String> {
    if value.is_null() {
        return Err("there is no spec".to_owned());
    }
    S::deserialize(value)
        .map(Box::new)
        .map_err(|e| cut(&visible(&e.to_string()), WHY_LIMIT).to_owned())
}

/// The status, without the fields that cannot be parsed: one of them must not take the record of what was
/// issued away.
fn status<S: DeserializeOwned + Default>(value: Value) -> S {
    if let Ok(whole) = S::deserialize(&value) {
        return whole;
    }
    let Value::Object(fields) = value else {
        return S::default();
    };
    let readable: Map<_, _> = fields
        .into_iter()
        .filter(|(name, value)| {
            let alone = Map::from_iter([(name.clone(), value.clone())]);
            serde_json::from_value::<S>(Value::Object(alone)).is_ok()
        })
        .collect();
    serde_json::from_value(Value::Object(readable)).unwrap_or_default()
}

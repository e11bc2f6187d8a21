//! From objects of the API server to the values that the core takes.
//!
//! What holds here: nothing is left out silently. A spec that cannot be parsed is passed on as broken, with
//! the reason; a status keeps every field of it that can be parsed, since the status is the record of what
//! was issued. Of everything else only what decisions need is kept: no managed fields, no annotations, no
//! Secret data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use presigned_core::api::{ClusterObjectStore, PresignedUrl, PresignedUrlPolicy, RENEW_ANNOTATION};
use presigned_core::engine::{
    NamespaceSeen, PolicySeen, PresignedUrlSeen, SecretMetaSeen, StoreSeen, UnreadablePolicy,
};
use presigned_core::issue::Owner;
use presigned_core::policy::SelectableNamespaces;
use presigned_core::text::visible;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::events::cut;

/// The longest sentence about a spec that cannot be read, in bytes.
const WHY_LIMIT: usize = 512;

/// An object of kind `K` as it came: metadata, and the rest unparsed. It parses whatever its schema has
/// become, like kube's `DeserializeGuard`, and keeps the status where only the spec is broken.
#[derive(Deserialize)]
#[serde(bound = "")]
pub(super) struct RawObject<K> {
    #[serde(default, deserialize_with = "used_metadata")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

/// The metadata that is used. The rest, managedFields above all, is most of an object and is skipped
/// unparsed.
fn used_metadata<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Used {
        annotations: Option<BTreeMap<String, String>>,
        deletion_timestamp: Option<Time>,
        generation: Option<i64>,
        name: Option<String>,
        namespace: Option<String>,
        resource_version: Option<String>,
        uid: Option<String>,
    }
    let Used {
        annotations,
        deletion_timestamp,
        generation,
        name,
        namespace,
        resource_version,
        uid,
    } = Used::deserialize(from)?;
    Ok(ObjectMeta {
        annotations,
        deletion_timestamp,
        generation,
        name,
        namespace,
        resource_version,
        uid,
        ..ObjectMeta::default()
    })
}

impl<K> Clone for RawObject<K> {
    fn clone(&self) -> Self {
        Self {
            metadata: self.metadata.clone(),
            spec: self.spec.clone(),
            status: self.status.clone(),
            kind: PhantomData,
        }
    }
}

impl<K> std::fmt::Debug for RawObject<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.metadata.name.as_deref();
        f.debug_struct("RawObject")
            .field("name", &name)
            .finish_non_exhaustive()
    }
}

impl<K: Resource> Resource for RawObject<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dt)
    }
    fn group(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dt)
    }
    fn version(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dt)
    }
    fn plural(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dt)
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// The core's view of a `PresignedURL`.
pub(super) fn resource(raw: RawObject<PresignedUrl>) -> PresignedUrlSeen {
    let mut meta = raw.metadata;
    let annotations = meta.annotations.as_mut();
    PresignedUrlSeen {
        renew_request: annotations.and_then(|a| a.remove(RENEW_ANNOTATION)),
        deleting: meta.deletion_timestamp.is_some(),
        uid: meta.uid.unwrap_or_default().into(),
        namespace: meta.namespace.unwrap_or_default(),
        name: meta.name.unwrap_or_default(),
        resource_version: meta.resource_version.unwrap_or_default(),
        generation: meta.generation.unwrap_or_default(),
        spec: spec(&raw.spec),
        status: Box::new(status(raw.status)),
    }
}

/// The core's view of a `PresignedURLPolicy`.
pub(super) fn policy(raw: RawObject<PresignedUrlPolicy>) -> PolicySeen {
    let meta = raw.metadata;
    PolicySeen {
        name: meta.name.unwrap_or_default(),
        uid: meta.uid.unwrap_or_default(),
        resource_version: meta.resource_version.unwrap_or_default(),
        generation: meta.generation.unwrap_or_default(),
        spec: spec(&raw.spec).map_err(|why| UnreadablePolicy {
            why,
            namespaces: SelectableNamespaces::read(&raw.spec),
        }),
        status: status(raw.status),
    }
}

/// The core's view of a `ClusterObjectStore`.
pub(super) fn store(raw: RawObject<ClusterObjectStore>) -> StoreSeen {
    let meta = raw.metadata;
    StoreSeen {
        name: meta.name.unwrap_or_default(),
        uid: meta.uid.unwrap_or_default(),
        resource_version: meta.resource_version.unwrap_or_default(),
        generation: meta.generation.unwrap_or_default(),
        spec: spec(&raw.spec),
        status: status(raw.status),
    }
}

/// The core's view of a namespace.
pub(super) fn namespace(meta: ObjectMeta) -> NamespaceSeen {
    NamespaceSeen {
        deleting: meta.deletion_timestamp.is_some(),
        name: meta.name.unwrap_or_default(),
        resource_version: meta.resource_version.unwrap_or_default(),
        labels: meta.labels.unwrap_or_default(),
    }
}

/// The core's view of a Secret.
pub(super) fn secret(meta: ObjectMeta) -> SecretMetaSeen {
    SecretMetaSeen {
        owners: owners(&meta),
        namespace: meta.namespace.unwrap_or_default(),
        name: meta.name.unwrap_or_default(),
        uid: meta.uid.unwrap_or_default(),
        resource_version: meta.resource_version.unwrap_or_default(),
    }
}

/// The owner references of an object.
pub(super) fn owners(meta: &ObjectMeta) -> Vec<Owner> {
    let references = meta.owner_references.iter().flatten();
    references
        .map(|owner| Owner {
            api_version: owner.api_version.clone(),
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
            controller: owner.controller,
            block_owner_deletion: owner.block_owner_deletion,
        })
        .collect()
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

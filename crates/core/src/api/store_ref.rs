//! References to a store: as a spec may write it, and as it is meant.
//!
//! What holds here: what a spec leaves out is filled in once, in the status.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// The store that a `PresignedURL` is signed for.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoreRef {
    /// The kind of the store. Left out: `ClusterObjectStore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "StoreKind")]
    pub kind: Option<StoreKind>,
    /// The store's name. Left out: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::DNS_SUBDOMAIN))]
    pub name: Option<String>,
}

/// The kinds of store that can be named.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreKind {
    /// A cluster-scoped store.
    ClusterObjectStore,
}

/// The store of a resource, with every part of its reference.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveStoreRef {
    /// The kind of the store.
    pub kind: StoreKind,
    /// The store's name.
    #[schemars(length(max = 253))]
    pub name: Box<str>,
}

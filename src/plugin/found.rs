//! Objects of the cluster as they stand there.
//!
//! What holds here: a spec is kept as it was found, so that one of a newer operator can be shown too.

use kube::core::object::Object;
use presigned_core::api::{ClusterObjectStoreStatus, PresignedUrlStatus};
use serde_json::Value;

/// A `PresignedURL` whose spec was not interpreted.
pub type Found = Object<Value, PresignedUrlStatus>;
/// A `ClusterObjectStore` whose spec was not interpreted.
pub type FoundStore = Object<Value, ClusterObjectStoreStatus>;
/// A `PresignedURLPolicy` of which nothing was interpreted.
pub type FoundPolicy = Object<Value, Value>;

//! Objects of the API server as a read found them, and the version that a write is based on.

use std::collections::BTreeMap;

use crate::issue::Owner;

/// One version of an object: the precondition of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectVersion {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion; `None` if only the uid is known (a delete of an object that was never seen).
    pub resource_version: Option<String>,
}

/// What the API server answered to a write of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretAnswer {
    /// The version that the write made.
    pub version: ObjectVersion,
    /// Whether the labels, the annotations, the owners and the finalizers are those that were sent: no
    /// admission webhook changed them.
    pub as_sent: bool,
}

/// A Secret as an inspection found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedSecret {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its owner references.
    pub owners: Vec<Owner>,
    /// Its finalizers.
    pub finalizers: Vec<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// What a read of the whole Secret found; `None` after a read of its metadata.
    pub content: Option<ObservedContent>,
}

/// What a read of a whole Secret found; never the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedContent {
    /// `issue::data_hash` of its data.
    pub data_hash: String,
    /// Whether its type is Opaque.
    pub opaque: bool,
    /// Whether it is immutable.
    pub immutable: bool,
}

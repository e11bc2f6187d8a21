//! Objects of the API server as a read found them, and the version that a write was decided on.

use std::collections::BTreeMap;

use crate::issue::Owner;

/// A certain version of an object: the precondition of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectVersion {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion; `None` where only the uid is known (a delete of what was never seen).
    pub resource_version: Option<String>,
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
    /// What only a read of the whole tells.
    pub content: Option<ObservedContent>,
}

/// What a read of a whole Secret tells; never the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedContent {
    /// `issue::data_hash` of its data.
    pub data_hash: String,
    /// Whether its type is Opaque.
    pub opaque: bool,
    /// Whether it is immutable.
    pub immutable: bool,
}

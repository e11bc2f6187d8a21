//! The identity of a reconciled object.
//!
//! What holds here:
//! - At most one step of a key is in flight at a time.

use std::sync::Arc;

/// The uid of a PresignedURL: one allocation, shared by every map that holds it.
pub type Uid = Arc<str>;

/// The object that a step belongs to. At most one step of an object is in flight at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// A PresignedURL, by uid.
    Resource(Uid),
    /// A ClusterObjectStore, by name.
    Store(String),
    /// A PresignedURLPolicy, by name.
    Policy(String),
}

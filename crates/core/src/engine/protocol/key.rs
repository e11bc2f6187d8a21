//! What a step belongs to: the identity of a reconciled object.
//!
//! What holds here: at most one step of a key is in flight at a time.

use std::sync::Arc;

/// The uid of a PresignedURL. One is kept, and shared by all that look a resource up.
pub type Uid = Arc<str>;

/// What a step belongs to. At most one step of a work is under way at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// A PresignedURL, by uid.
    Resource(Uid),
    /// A ClusterObjectStore, by name.
    Store(String),
    /// A PresignedURLPolicy, by name.
    Policy(String),
}

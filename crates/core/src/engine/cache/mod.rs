//! What is known: of the cluster, and of what was done and no status tells yet.
//!
//! What holds here: nothing is decided here.

pub(in crate::engine) mod index;
pub(in crate::engine) mod orphans;
pub(in crate::engine) mod relist;
pub(in crate::engine) mod state;

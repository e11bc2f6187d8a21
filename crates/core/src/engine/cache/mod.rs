//! The cache: what is known of the cluster, of the stores, and of the steps that no status records yet.
//!
//! What holds here:
//! - Nothing is decided here.
//! - Nothing older replaces a known version.

pub(in crate::engine) mod index;
pub(in crate::engine) mod orphans;
pub(in crate::engine) mod record;
pub(in crate::engine) mod relist;
mod resources;
mod rules;
mod secret_versions;
mod secrets;
pub(in crate::engine) mod shares;
pub(in crate::engine) mod state;
pub(in crate::engine) mod verification;
pub(in crate::engine) mod version;

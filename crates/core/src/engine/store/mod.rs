//! Stores: the spec, the credentials, and what probes found out. A state machine without I/O.
//!
//! What holds here:
//! - this is the only cache of credentials;
//! - the last credentials that worked are used until they expire, whatever the source says meanwhile;
//! - other credentials, another endpoint, region or style are a candidate, which is probed before it is used;
//!   until then everything is evaluated and signed by the active version;
//! - adopting a candidate is one assignment;
//! - nothing of the cache of resources is known here.
//!
//! `state` holds what is known of a store. `fetch`, `probe`, `adopt` and `lease` are its methods, by what
//! they are for.

mod adopt;
mod clock_skew;
mod config;
mod credentials;
mod fetch;
mod inconclusive_buckets;
mod lease;
mod probe;
mod probe_verdict;
mod probing;
mod reports;
mod state;
mod sts_sessions;
mod trust_bundle;
mod unsigned_headers;
mod version;

pub(super) use adopt::ProbeOutcome;
pub(super) use config::StoreConfig;
pub(super) use credentials::{CredentialNeed, HeldCredentials, REFRESH_PAUSE};
pub(super) use lease::Lease;
pub(super) use probe_verdict::{ProbeVerdict, STILL_USED};
pub(super) use reports::Reports;
pub(super) use state::{SpecUpdate, Store};
pub(super) use trust_bundle::{TrustBundle, named_bundle};
pub(super) use unsigned_headers::UploadPermission;

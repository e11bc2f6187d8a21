//! The one place that calls the API server.
//!
//! What holds here: every call has a time limit and is counted; what comes back from a failure is a class,
//! never the server's text; a write names what it was decided on and its answer holds metadata only. Objects
//! whose data is secret are never given to a function that logs what it cannot parse.

mod call;
mod client;
mod cluster;
mod convert;
mod delete;
mod events;
mod fence;
mod http;
mod leases;
mod list_watch;
mod pieces;
mod resources;
mod reviews;
mod secrets;
mod server_clock;
mod status;
mod text;
mod tokens;
mod trust_bundles;
mod watch;

pub(crate) use call::outcome;
pub use call::{Calls, TIMEOUT, Target, Verb, failure};
pub use client::{ClientError, connect, connect_as_person};
pub use cluster::Cluster;
pub use events::event_kind;
pub use reviews::ScrapeReviews;
pub use server_clock::{Measured, ServerClock};
pub use status::StatusKind;
pub use tokens::Pod;
pub use trust_bundles::watch_trust_bundles;
pub use watch::{Scope, watch_all};

#[cfg(test)]
mod tests;

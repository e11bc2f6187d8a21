//! A model of the world around the engine, shared by the scenario tests and the simulation.
//!
//! What holds here: one thread, whole seconds of simulated time, and no randomness but [`rng::Rng`]. Nothing
//! in this folder decides what the operator should do; it only does what an API server, a cloud and a shell
//! would do.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::doc_markdown,
    reason = "shared by two test programs, each of which uses a part of it"
)]

pub mod bucket;
pub mod cloud;
pub mod cluster;
pub mod iam;
pub mod post_form;
pub mod rng;
#[path = "sigv4_verifier.rs"]
pub mod sigv4_verifier;
pub mod specs;
pub mod url;
pub mod watch;
pub mod world;

use jiff::Timestamp;

/// A time from seconds.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

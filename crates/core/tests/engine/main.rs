//! Scenarios: the engine's main lines, one promise each, with every step named.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

#[path = "../common/mod.rs"]
mod common;

mod absence;
mod blind;
mod clocks;
mod gitops;
mod issue;
mod links;
mod objects;
mod probes;
mod proof;
mod refusal;
mod roles;
mod scene;
mod secrets;
mod sessions;
mod stores;
mod trials;

//! The operator against real servers: one binary, a module a theme, one control plane for all.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the report"
)]

mod admission;
mod alone;
mod cluster;
mod columns;
mod deciding;
mod drift;
mod examples;
mod faults;
mod forms;
mod issuing;
mod links;
mod listing;
mod many;
mod ownership;
mod posting;
mod programs;
mod rotation;
mod sessions;
mod skewed;
mod stores;
mod support;
mod surroundings;
mod telling;
mod trials;
mod unsigned;
mod verifying;

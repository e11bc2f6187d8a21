//! Scenarios of the engine: one promise each, with every step named.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

#[path = "../common/mod.rs"]
mod common;

mod absence_budget;
mod clocks;
mod cluster_events;
mod conflicts;
mod deletion;
mod denial;
mod event_rate;
mod fairness;
mod figures;
mod first_probe;
mod gitops;
mod issue;
mod leadership;
mod listing_rate;
mod messages;
mod no_secret_access;
mod objects;
mod one_shot;
mod one_shot_deletion;
mod overload;
mod ownership;
mod pages;
mod policies;
mod probes;
mod rejection;
mod reliability;
mod relists;
mod requester_pays;
mod roles;
mod scene;
mod secrets;
mod sessions;
mod shards;
mod shares;
mod slow_clock;
mod store_changes;
mod store_restarts;
mod stores;
mod trust_bundles;
mod unreadable_policies;
mod unrecorded_expiry;
mod untested_stores;
mod verification;
mod watched;

//! The operator against real servers: one binary, a module for each subject, one control plane for all.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the report"
)]

mod admission;
mod browser;
mod bundles;
mod clock_skew;
mod cluster;
mod columns;
mod consumers;
mod drift;
mod endpoints;
mod environment;
mod examples;
mod faults;
mod fence;
mod finalizers;
mod form_uploads;
mod forms;
mod issuing;
mod leadership;
mod links;
mod listing;
mod observability;
mod outages;
mod own_cluster;
mod ownership;
mod plugin;
mod policies;
mod ports;
mod programs;
mod proxies;
mod restore;
mod rotation;
mod security;
mod sessions;
mod shards;
mod snapshots;
mod snippets;
mod statuses;
mod store_changes;
mod stores;
mod strict;
mod support;
mod traces;
mod transfer;
mod trust_bundles;
mod unsigned_headers;
mod verification;
mod watch_lists;

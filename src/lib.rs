//! The shell of presigned-url-operator: it watches, calls and holds the clock, and decides nothing.
//!
//! What holds here: every decision is made in `presigned_core`; every call to the API server goes through [`kube`]; what
//! a log line, a metric or a condition may say is bounded in [`telemetry`] and by the core's own sentences.

pub mod cli;
pub mod controller;
pub mod kube;
mod skew;
pub mod stores;
pub mod telemetry;

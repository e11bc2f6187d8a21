//! The shell of presigned-url-operator: it watches, makes calls and holds the clock, and decides nothing.
//!
//! What holds here: every decision is made in `presigned_core`; every call to the API server goes through
//! [`kube`], and every other request through [`http`]; only [`clock`] reads a clock; what a log line, a
//! metric or a condition may say is bounded in [`telemetry`] and by the core's own sentences. Imports run one
//! way: [`cli`] -> [`controller`] -> [`kube`], [`credentials`], [`s3`] and [`telemetry`]; [`credentials`]
//! also imports [`kube`], and these three import [`http`], as does [`traces`]. [`transfer`] is what [`cli`]
//! calls for `fetch` and `push`, and imports [`kube`] and [`http`]. The kubectl plugin, [`plugin`], is a
//! program of its own beside the operator.
// Tests stand outside: they may ask the system what time it is.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod cli;
pub mod clock;
pub mod controller;
pub mod credentials;
pub mod http;
pub mod kube;
pub mod plugin;
pub mod s3;
pub mod telemetry;
pub mod traces;
pub mod transfer;

#[cfg(test)]
mod test_log;

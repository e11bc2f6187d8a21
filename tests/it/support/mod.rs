//! The fixture of each test of the running operator: a world of its own on the control plane that all tests
//! share.
//!
//! What holds here: the operator under test is the real binary, with the service account and the RBAC that
//! the chart renders. At the end of each test its logs, Events, statuses and metrics are searched for
//! secrets.

mod actions;
mod consumer;
mod fetch;
mod observe;
mod operator;
mod processes;
mod rbac;
mod secret_watcher;
mod world;

pub(crate) use actions::merge;
pub(crate) use fetch::{S3Response, curl, edit_mounted, files_below, http, mounted, program, run};
pub(crate) use observe::{condition, says, store_condition, store_says, text};
pub(crate) use operator::Operator;
pub(crate) use processes::{seen_by_everybody, waits_to_print};
pub(crate) use rbac::{render, roles, tool};
pub(crate) use secret_watcher::{SecretWatcher, leaks};
pub(crate) use world::{Setup, World};

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// The longest wait. Only a failing test, or one on a very busy machine, waits that long.
pub(crate) const LONG: Duration = Duration::from_secs(90);

/// Polls until `look` succeeds. On a time-out the message holds its last failure.
pub(crate) async fn eventually<T, E: Debug>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(instead) => assert!(
                Instant::now() < deadline,
                "gave up waiting until {what}; instead: {instead:#?}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

//! What every test of the running operator stands on: a world of its own on the control plane that all share.
//!
//! What holds here: the operator under test is the real binary, as the service account and with the rights that the chart
//! renders; whatever a test does, in its end its logs, Events, statuses and metrics are searched for secrets.

mod acts;
mod fetch;
mod looks;
mod operator;
mod rights;
mod witness;
mod world;

pub(crate) use acts::merge;
pub(crate) use fetch::{S3Response, curl, edit_mounted, files_below, http, mounted, program, run};
pub(crate) use looks::{condition, says, store_condition, store_says, text};
pub(crate) use operator::Operator;
pub(crate) use rights::tool;
pub(crate) use witness::told;
pub(crate) use world::{Setup, World};

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// A busy machine takes long; nothing waits this long when all is well.
pub(crate) const LONG: Duration = Duration::from_secs(90);

/// Looks until there is something to see. What was seen last is told when it never comes.
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

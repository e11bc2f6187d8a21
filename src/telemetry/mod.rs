//! What the operator shows of itself: logs, metrics, health.
//!
//! What holds here: nothing that leaves this module can hold a URL, a signature or a key. Log levels below
//! `info` apply to the operator's own crates only, and metric labels are words of ours.

mod access;
mod health;
mod logs;
mod metrics;
mod serve;

pub use access::{Reviewer, Verdict};
pub use health::{Readiness, WatchState, health_router, metrics_router};
#[cfg(test)]
pub(crate) use logs::subscriber as log_subscriber;
pub use logs::{LogFormat, LogLevel, init as init_logs};
pub use metrics::{Metrics, Soonest};
pub use serve::{ServeError, bind, serve};

#[cfg(test)]
mod tests;

//! What the operator shows of itself: logs, metrics, health.
//!
//! What holds here: nothing that leaves this module can hold a URL, a signature or a key. Log levels below
//! `info` apply to the operator's own crates only, and metric labels are words of ours or names of resources.

mod health;
mod logs;
mod metrics;

pub use health::{Readiness, ServeError, WatchState, bind, health_router, metrics_router, serve};
pub use logs::{LogFormat, LogLevel, init as init_logs};
pub use metrics::{Expiry, Metrics};

#[cfg(test)]
mod tests;

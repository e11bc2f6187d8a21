//! Tests of the test servers themselves: what the product's tests believe must hold.
#![allow(clippy::expect_used, reason = "in a test, a panic is the report")]

mod cluster;
mod control_plane;
mod fault_proxy;
mod faulty_s3_proxy;
mod prerequisites;
mod s3;
mod strict_s3;
mod unreachable;
mod unsigned_headers;

use std::time::{Duration, Instant};

/// A busy machine takes long; nothing waits this long when all is well.
const PATIENCE: Duration = Duration::from_mins(1);

/// Asks `holds` until it says yes.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "gave up waiting until {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

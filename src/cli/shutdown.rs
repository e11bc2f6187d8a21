//! Signals: at the first the operator finishes what is in flight, at the second the process ends.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that SIGTERM or SIGINT cancels. A second signal exits at once: a person who asks twice means it.
pub(super) fn on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut term = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?;
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {} _ = interrupt.recv() => {} }
        tracing::info!("asked to stop: finishing what is in flight");
        token.cancel();
        tokio::select! { _ = term.recv() => {} _ = interrupt.recv() => {} }
        tracing::warn!("asked to stop again: stopping now");
        std::process::exit(130);
    });
    Ok(stop)
}

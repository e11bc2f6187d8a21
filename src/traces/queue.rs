//! The queue of finished spans, and the task that sends them.
//!
//! What holds here: who ends a span never waits. The queue is bounded; a span that does not fit, or that the
//! collector did not take, is dropped and counted. That the collector takes nothing is logged once, and once
//! that it does again.

use std::mem;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::collector::{Exporter, Failure};
use crate::telemetry::Metrics;

/// How many spans wait at most; about a KiB each.
pub(super) const QUEUE: usize = 2048;
/// How many are sent at once.
const BATCH: usize = 512;
/// How long a span waits for others to be sent with.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a stop waits until all is sent. With what steps and the Lease may take before, it is less than
/// the chart's grace period.
const FLUSH: Duration = Duration::from_secs(3);

/// Where spans go when they end.
#[derive(Debug)]
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    metrics: Metrics,
}

/// The task that sends.
#[derive(Debug)]
pub(super) struct Sending {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Starts the task that sends what is queued.
pub(super) fn start(exporter: Exporter, metrics: Metrics) -> (Queue, Sending) {
    let (sender, spans) = mpsc::channel(QUEUE);
    let stop = CancellationToken::new();
    let task = Task {
        spans,
        exporter,
        metrics: metrics.clone(),
        stop: stop.clone(),
        failure: None,
        lost: 0,
    };
    let queue = Queue {
        spans: sender,
        metrics,
    };
    let task = tokio::spawn(task.run());
    (queue, Sending { stop, task })
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.metrics.spans_dropped(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Sending {
    /// Sends what is queued, for as long as a stop may wait for it.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(FLUSH, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::warn!("stopping before the collector took the last spans");
        }
    }
}

struct Task {
    spans: mpsc::Receiver<SpanData>,
    exporter: Exporter,
    metrics: Metrics,
    stop: CancellationToken,
    /// Why the last batch was not taken.
    failure: Option<Failure>,
    /// How many spans were lost since then.
    lost: usize,
}

impl Task {
    async fn run(mut self) {
        let mut batch = Vec::new();
        let mut ticks = tokio::time::interval(PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let room = BATCH - batch.len();
            tokio::select! {
                () = self.stop.cancelled() => break,
                _ = ticks.tick() => {}
                taken = self.spans.recv_many(&mut batch, room) => {
                    if taken == 0 {
                        break;
                    }
                    if batch.len() < BATCH {
                        continue;
                    }
                }
            }
            self.send(&mut batch).await;
        }
        loop {
            while batch.len() < BATCH
                && let Ok(span) = self.spans.try_recv()
            {
                batch.push(span);
            }
            if batch.is_empty() {
                return;
            }
            self.send(&mut batch).await;
        }
    }

    async fn send(&mut self, batch: &mut Vec<SpanData>) {
        if batch.is_empty() {
            return;
        }
        let number = batch.len();
        match self.exporter.export(mem::take(batch)).await {
            Ok(()) => {
                if self.failure.take().is_some() {
                    let lost = mem::take(&mut self.lost);
                    tracing::info!(lost, "the collector of traces takes spans again");
                }
            }
            Err(failure) => {
                self.lost += number;
                self.metrics
                    .spans_dropped(u64::try_from(number).unwrap_or_default());
                if self.failure.as_ref() != Some(&failure) {
                    tracing::warn!(
                        "the collector of traces takes no spans, and they are dropped: {failure}"
                    );
                    self.failure = Some(failure);
                }
            }
        }
    }
}

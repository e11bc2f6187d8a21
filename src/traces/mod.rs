//! Traces: what the operator did for an object, step by step, sent to an OpenTelemetry collector (OTLP over
//! HTTP, protobuf) if a flag names one.
//!
//! What holds here: without the flag nothing is recorded and nothing is sent. A span holds names of objects
//! and words of ours, never a URL, a key of an object, a signature or a credential. A collector that is down
//! or silent costs nobody time: spans wait in a queue that is bounded, what does not fit is dropped and
//! counted, and only a task of its own waits for the collector. All times are those of the operator's clock.

mod collector;
mod endpoint;
mod queue;
mod span;

use std::sync::Arc;

use anyhow::Context as _;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};

pub use endpoint::{Endpoint, SamplingRatio};
pub use span::{Named, Outcome, StepSpan, Trace};

use crate::clock::Clock;
use crate::http::Connections;
use crate::telemetry::Metrics;
use queue::Sending;

/// The name of the operator in traces, unless `OTEL_SERVICE_NAME` gives another.
const SERVICE: &str = "presigned-url-operator";
const SERVICE_NAME: &str = "service.name";

/// Where traces go, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The collector.
    pub endpoint: Endpoint,
    /// The share of traces that are recorded.
    pub sampling: SamplingRatio,
}

/// Who sends.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The operator's own namespace.
    pub namespace: String,
    /// The pod's name.
    pub instance: String,
}

/// The traces of one operator. Off, it records nothing.
#[derive(Debug)]
pub struct Traces(Option<On>);

#[derive(Debug)]
struct On {
    tracer: SdkTracer,
    metrics: Metrics,
    clock: Clock,
    sending: Sending,
}

impl Traces {
    /// Traces that go to a collector from now on; off, if there is none. Headers for it, such as those that
    /// authorize, are read from `OTEL_EXPORTER_OTLP_HEADERS`.
    ///
    /// # Errors
    /// If the exporter cannot be made.
    pub fn start(
        destination: Option<&Destination>,
        sender: &Sender,
        connections: &Arc<Connections>,
        metrics: &Metrics,
        clock: &Clock,
    ) -> anyhow::Result<Self> {
        let Some(destination) = destination else {
            return Ok(Self(None));
        };
        let resource = resource(sender);
        let exporter =
            collector::exporter(&destination.endpoint, Arc::clone(connections), &resource)
                .context("traces cannot be exported")?;
        let (queue, sending) = queue::start(exporter, metrics.clone());
        let sampler = Sampler::TraceIdRatioBased(destination.sampling.get());
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_resource(resource)
            .with_span_processor(queue)
            .build();
        Ok(Self(Some(On {
            tracer: provider.tracer(SERVICE),
            metrics: metrics.clone(),
            clock: clock.clone(),
            sending,
        })))
    }

    /// Whether anything is recorded.
    #[must_use]
    pub const fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins the trace of an object; `None` if nothing is recorded at all.
    #[must_use]
    pub fn begin(&self, object: Named<'_>) -> Option<Trace> {
        let on = self.0.as_ref()?;
        Some(Trace::begin(&on.tracer, &on.clock, object))
    }

    /// Counts a span that was not recorded.
    pub fn drop_one(&self) {
        if let Some(on) = &self.0 {
            on.metrics.spans_dropped(1);
        }
    }

    /// Sends what is recorded, and waits for it for a while that fits into the time that a pod has to stop.
    pub async fn stop(self) {
        if let Some(on) = self.0 {
            on.sending.stop().await;
        }
    }
}

/// What all spans have in common. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win.
fn resource(sender: &Sender) -> Resource {
    let ours = [
        KeyValue::new(SERVICE_NAME, SERVICE),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", sender.instance.clone()),
        KeyValue::new("k8s.namespace.name", sender.namespace.clone()),
        KeyValue::new("k8s.pod.name", sender.instance.clone()),
    ];
    let resource = Resource::builder_empty()
        .with_attributes(ours)
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    let name = std::env::var("OTEL_SERVICE_NAME").ok();
    let name = name.filter(|name| !name.is_empty());
    let name = name.map(|name| KeyValue::new(SERVICE_NAME, name));
    resource.with_attributes(name).build()
}

#[cfg(test)]
mod tests;

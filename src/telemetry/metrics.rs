//! Metrics: counters of what was done, and times that are read at the scrape.
//!
//! What holds here: a label's value is a word of ours (a reason, a verb, a step) or the name of a resource
//! that exists at the scrape, so that the number of series is bounded by what the cluster holds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use presigned_core::api::Reason;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// When the URLs of a resource end and are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The resource's namespace.
    pub namespace: String,
    /// The resource's name.
    pub name: String,
    /// When the first of its URLs dies.
    pub expires_at: Timestamp,
    /// When they will be replaced; `None` where they will not.
    pub renew_at: Option<Timestamp>,
}

/// Everything that `/metrics` shows. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    issued: Counter,
    renewed: Counter,
    denied: Counter,
    errors: Family<ErrorLabels, Counter>,
    api_calls: Family<CallLabels, Counter>,
    steps: Family<StepLabels, Histogram>,
    queue: Family<QueueLabels, Gauge>,
    signing: Histogram,
    resources: Family<ReadyLabels, Gauge>,
    clock_steps: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    verb: &'static str,
    resource: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    step: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    priority: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReadyLabels {
    ready: &'static str,
}

impl Metrics {
    /// All metrics, at zero. `expiries` is called at each scrape and must be quick.
    #[must_use]
    pub fn new(expiries: impl Fn() -> Vec<Expiry> + Send + Sync + 'static) -> Self {
        let mut registry = Registry::with_prefix("presigned");
        let issued = Counter::default();
        registry.register(
            "issued",
            "First issues of a resource's URLs",
            issued.clone(),
        );
        let renewed = Counter::default();
        registry.register(
            "renewed",
            "Replacements of a resource's URLs",
            renewed.clone(),
        );
        let denied = Counter::default();
        registry.register("denied", "Resources that turned denied", denied.clone());
        let errors = Family::default();
        registry.register(
            "errors",
            "Failed attempts, by condition reason",
            errors.clone(),
        );
        let api_calls = Family::default();
        registry.register(
            "api_calls",
            "Calls to the API server, by verb, resource and outcome; watches are not counted",
            api_calls.clone(),
        );
        let steps: Family<StepLabels, Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.5, 12)));
        registry.register(
            "step_duration_seconds",
            "How long a step of the plan took, by step",
            steps.clone(),
        );
        let queue = Family::default();
        registry.register(
            "queue_depth",
            "Resources that wait for their next step, by priority",
            queue.clone(),
        );
        let signing = Histogram::new(exponential_buckets(0.000_01, 2.5, 12));
        registry.register(
            "sign_duration_seconds",
            "How long signing and checking the URLs of one resource took; only of resources with more than 32 URLs, which are signed in a step of their own",
            signing.clone(),
        );
        let resources = Family::default();
        registry.register(
            "resources",
            "PresignedURLs, by the status of their Ready condition",
            resources.clone(),
        );
        let clock_steps = Counter::default();
        registry.register(
            "clock_steps",
            "Steps of the wall clock that were seen",
            clock_steps.clone(),
        );
        registry.register_collector(Box::new(Expiries(Box::new(expiries))));
        Self {
            registry: Arc::new(registry),
            issued,
            renewed,
            denied,
            errors,
            api_calls,
            steps,
            queue,
            signing,
            resources,
            clock_steps,
        }
    }

    /// Counts a step of the wall clock.
    pub fn clock_step(&self) {
        self.clock_steps.inc();
    }

    /// Counts a first issue.
    pub fn issued(&self) {
        self.issued.inc();
    }

    /// Counts a renewal.
    pub fn renewed(&self) {
        self.renewed.inc();
    }

    /// Counts a resource that turned denied.
    pub fn denied(&self) {
        self.denied.inc();
    }

    /// Counts a failed attempt.
    pub fn error(&self, reason: Reason) {
        let labels = ErrorLabels {
            reason: reason.as_str(),
        };
        self.errors.get_or_create(&labels).inc();
    }

    /// Counts a call to the API server.
    pub fn api_call(&self, verb: &'static str, resource: &'static str, outcome: &'static str) {
        let labels = CallLabels {
            verb,
            resource,
            outcome,
        };
        self.api_calls.get_or_create(&labels).inc();
    }

    /// Records how long a step took.
    pub fn step(&self, step: &'static str, took: Duration) {
        self.steps
            .get_or_create(&StepLabels { step })
            .observe(took.as_secs_f64());
    }

    /// Says how much waits at a priority.
    pub fn queue_depth(&self, priority: &'static str, depth: usize) {
        self.queue
            .get_or_create(&QueueLabels { priority })
            .set(gauge(depth));
    }

    /// Records how long signing took.
    pub fn signed(&self, took: Duration) {
        self.signing.observe(took.as_secs_f64());
    }

    /// Says how many resources have a status of Ready: `True`, `False` or `Unknown`.
    pub fn resources(&self, ready: &'static str, number: usize) {
        self.resources
            .get_or_create(&ReadyLabels { ready })
            .set(gauge(number));
    }

    /// The text of `/metrics`, in the `OpenMetrics` format.
    ///
    /// # Errors
    /// None that a text buffer can have; the encoder's type is passed on.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(Vec::new)
    }
}

fn gauge(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The two gauges that are computed at the scrape.
struct Expiries(Box<dyn Fn() -> Vec<Expiry> + Send + Sync>);

impl fmt::Debug for Expiries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expiries")
    }
}

impl Collector for Expiries {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let expiries = (self.0)();
        let mut family = encoder.encode_descriptor(
            "url_expiry_timestamp_seconds",
            "When the first URL of a resource dies",
            None,
            MetricType::Gauge,
        )?;
        for expiry in &expiries {
            let labels = labels(expiry);
            ConstGauge::new(expiry.expires_at.as_second())
                .encode(family.encode_family(&labels)?)?;
        }
        let mut family = encoder.encode_descriptor(
            "url_renewal_timestamp_seconds",
            "When the URLs of a resource will be replaced",
            None,
            MetricType::Gauge,
        )?;
        for expiry in &expiries {
            let Some(renew_at) = expiry.renew_at else {
                continue;
            };
            let labels = labels(expiry);
            ConstGauge::new(renew_at.as_second()).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn labels(expiry: &Expiry) -> [(&'static str, &str); 2] {
    [("namespace", &expiry.namespace), ("name", &expiry.name)]
}

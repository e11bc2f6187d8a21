//! Metrics: counters of what was done, and times that are read at the scrape.
//!
//! What holds here: a label's value is a word of ours (a reason, a verb, a step), so that the number of
//! series is bounded whatever the cluster holds, and `/metrics` shows no name of a namespace or a resource.

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

/// The soonest times among the URLs that will be replaced; URLs that end on purpose do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Soonest {
    /// When the first of them dies.
    pub expiry: Option<Timestamp>,
    /// When the first of them is due to be replaced.
    pub renewal: Option<Timestamp>,
}

/// Everything that `/metrics` shows. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    issued: Counter,
    renewed: Counter,
    denied: Counter,
    errors: Family<ReasonLabels, Counter>,
    api_calls: Family<CallLabels, Counter>,
    steps: Family<StepLabels, Histogram>,
    queue: Family<QueueLabels, Gauge>,
    signing: Histogram,
    resources: Family<ReadyLabels, Gauge>,
    policies: Family<ReasonLabels, Gauge>,
    clock_steps: Counter,
    leader: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
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
    /// All metrics, at zero. `soonest` is called at each scrape and must be quick.
    #[must_use]
    pub fn new(soonest: impl Fn() -> Soonest + Send + Sync + 'static) -> Self {
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
        let policies = Family::default();
        registry.register(
            "policies",
            "PresignedURLPolicies, by the reason of their Ready condition",
            policies.clone(),
        );
        let clock_steps = Counter::default();
        registry.register(
            "clock_steps",
            "Steps of the wall clock that were seen",
            clock_steps.clone(),
        );
        let leader = Gauge::default();
        registry.register(
            "leader",
            "1 if this instance leads, 0 if it follows; one without an election leads",
            leader.clone(),
        );
        registry.register_collector(Box::new(SoonestTimes(Box::new(soonest))));
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
            policies,
            clock_steps,
            leader,
        }
    }

    /// Says whether this instance leads.
    pub fn leading(&self, leading: bool) {
        self.leader.set(leading.into());
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
        let labels = ReasonLabels {
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

    /// Says how many policies have a reason in their Ready condition.
    pub fn policies(&self, reason: Reason, number: usize) {
        let labels = ReasonLabels {
            reason: reason.as_str(),
        };
        self.policies.get_or_create(&labels).set(gauge(number));
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
        Self::new(Soonest::default)
    }
}

fn gauge(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The two gauges that are computed at the scrape.
struct SoonestTimes(Box<dyn Fn() -> Soonest + Send + Sync>);

impl fmt::Debug for SoonestTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SoonestTimes")
    }
}

impl Collector for SoonestTimes {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Soonest { expiry, renewal } = (self.0)();
        let gauges = [
            (
                "next_expiry_timestamp_seconds",
                "When the first of the URLs dies that are to be replaced before",
                expiry,
            ),
            (
                "next_renewal_timestamp_seconds",
                "When the next URL is due to be replaced; in the past, it is late",
                renewal,
            ),
        ];
        for (name, help, at) in gauges {
            if let Some(at) = at {
                let gauge = ConstGauge::new(at.as_second());
                let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                gauge.encode(metric)?;
            }
        }
        Ok(())
    }
}

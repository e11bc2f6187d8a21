//! Metrics: counters of what was done, and times that are read at the scrape.
//!
//! What holds here: a label's value is a word of ours (a reason, a verb, a step) or the name of a store, of
//! which an administrator makes each. So the number of series is bounded whatever tenants make, and `/metrics`
//! shows no name of a namespace or a resource.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use presigned_core::api::{LimitedBy, Reason};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};

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
    verified: Family<StatusLabels, Gauge>,
    lives_cut: Family<CutLabels, Gauge>,
    policies: Family<ReasonLabels, Gauge>,
    clock_skews: ClockSkews,
    clock_steps: Counter,
    spans_dropped: Counter,
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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CutLabels {
    by: &'static str,
    below_half: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreLabels {
    store: String,
}

impl Metrics {
    /// All metrics, at zero. `soonest` is called at each scrape and must be quick.
    #[must_use]
    pub fn new(soonest: impl Fn() -> Soonest + Send + Sync + 'static) -> Self {
        let mut registry = Registry::with_prefix("presigned");
        let issued = add(&mut registry, "issued", "First issues of a resource's URLs");
        let renewed = add(
            &mut registry,
            "renewed",
            "Replacements of a resource's URLs",
        );
        let denied = add(&mut registry, "denied", "Resources that turned denied");
        let errors = add(
            &mut registry,
            "errors",
            "Failed attempts, by condition reason",
        );
        let api_calls = add(
            &mut registry,
            "api_calls",
            "Calls to the API server, by verb, resource and outcome; watches are not counted",
        );
        let steps: Family<StepLabels, Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.5, 12)));
        registry.register(
            "step_duration_seconds",
            "How long a step of the plan took, by step",
            steps.clone(),
        );
        let queue = add(
            &mut registry,
            "queue_depth",
            "Resources that wait for their next step, by priority",
        );
        let signing = Histogram::new(exponential_buckets(0.000_01, 2.5, 12));
        registry.register(
            "sign_duration_seconds",
            "How long signing and checking the URLs of one resource took; only of resources with more than 32 URLs, which are signed in a step of their own",
            signing.clone(),
        );
        let resources = add(
            &mut registry,
            "resources",
            "PresignedURLs, by the status of their Ready condition",
        );
        let verified = add(
            &mut registry,
            "verified",
            "PresignedURLs, by the status of their Verified condition; those that have none are not counted",
        );
        let lives_cut = add(
            &mut registry,
            "lives_cut",
            "PresignedURLs whose URLs live at least a tenth shorter than requested, by what cut the life and by whether less than half is left",
        );
        let policies = add(
            &mut registry,
            "policies",
            "PresignedURLPolicies, by the reason of their Ready condition",
        );
        let clock_steps = add(
            &mut registry,
            "clock_steps",
            "Steps of the wall clock that were seen",
        );
        let spans_dropped = add(
            &mut registry,
            "spans_dropped",
            "Spans of traces that did not reach the collector",
        );
        let leader = add(
            &mut registry,
            "leader",
            "1 if this instance leads, 0 if it follows; one without an election leads",
        );
        let clock_skews = ClockSkews::default();
        registry.register_collector(Box::new(clock_skews.clone()));
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
            verified,
            lives_cut,
            policies,
            clock_skews,
            clock_steps,
            spans_dropped,
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

    /// Counts spans of traces that did not reach the collector.
    pub fn spans_dropped(&self, number: u64) {
        self.spans_dropped.inc_by(number);
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

    /// Says how many resources have a status of Verified: `true`, `false` or `unknown`.
    pub fn verified(&self, status: &'static str, number: usize) {
        self.verified
            .get_or_create(&StatusLabels { status })
            .set(gauge(number));
    }

    /// Says how many resources have URLs whose life something cut, and left less than half of or more.
    pub fn lives_cut(&self, by: LimitedBy, below_half: bool, number: usize) {
        let labels = CutLabels {
            by: match by {
                LimitedBy::Duration => "Duration",
                LimitedBy::Credentials => "Credentials",
                LimitedBy::SignatureAge => "SignatureAge",
                LimitedBy::SigV4 => "SigV4",
            },
            below_half: if below_half { "true" } else { "false" },
        };
        self.lives_cut.get_or_create(&labels).set(gauge(number));
    }

    /// Says by how many seconds the clock of each store is ahead of the operator's. A store that is not named
    /// any more has no series.
    pub fn clock_skews(&self, skews: BTreeMap<String, i64>) {
        *self.clock_skews.lock() = skews;
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

/// Registers a metric that begins at zero.
fn add<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(Soonest::default)
    }
}

fn gauge(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The skew of each store's clock. All are replaced at once, so that no scrape sees some of them.
#[derive(Clone, Debug, Default)]
struct ClockSkews(Arc<Mutex<BTreeMap<String, i64>>>);

impl ClockSkews {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for ClockSkews {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let skews = self.lock();
        if skews.is_empty() {
            return Ok(());
        }
        let mut metric = encoder.encode_descriptor(
            "clock_skew_seconds",
            "The clock of a store less the operator's, as its last answers showed it",
            None,
            MetricType::Gauge,
        )?;
        for (store, skew) in skews.iter() {
            let labels = StoreLabels {
                store: store.clone(),
            };
            ConstGauge::new(*skew).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
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
                "When the first of the URLs that are renewed expires",
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

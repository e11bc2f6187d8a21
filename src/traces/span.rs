//! Spans: one for all that is done for an object in a row, and below it one for each step.
//!
//! What holds here: the attributes are those below and no others. A trace that is not sampled records
//! nothing, and so do its steps.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use opentelemetry::trace::{SpanBuilder, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

use crate::clock::Clock;

const KIND: &str = "presigned.kind";
const NAMESPACE: &str = "presigned.namespace";
const NAME: &str = "presigned.name";
const UID: &str = "presigned.uid";
const STORE: &str = "presigned.store";
const STEP: &str = "presigned.step";
const OUTCOME: &str = "presigned.outcome";

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A word of ours.
    pub word: &'static str,
    /// Whether it counts as a failure.
    pub failed: bool,
}

/// An object, as its trace names it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'a> {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace, if it is in one.
    pub namespace: Option<&'a str>,
    /// Its name.
    pub name: Option<&'a str>,
    /// Its uid.
    pub uid: Option<&'a str>,
    /// Its store.
    pub store: Option<&'a str>,
}

/// All that is done for an object in a row.
#[derive(Debug)]
pub struct Trace {
    context: Context,
    common: Vec<KeyValue>,
    tracer: SdkTracer,
    clock: Clock,
}

/// A step that is under way.
#[derive(Debug)]
pub struct StepSpan {
    context: Context,
    builder: SpanBuilder,
    started: SystemTime,
    tracer: SdkTracer,
}

impl Trace {
    /// Begins the trace of an object.
    pub(super) fn begin(tracer: &SdkTracer, clock: &Clock, object: Named<'_>) -> Self {
        let Named {
            kind,
            namespace,
            name,
            uid,
            store,
        } = object;
        let text =
            |key, value: Option<&str>| value.map(|value| KeyValue::new(key, value.to_owned()));
        let common: Vec<KeyValue> = [
            Some(KeyValue::new(KIND, kind)),
            text(NAMESPACE, namespace),
            text(NAME, name),
            text(UID, uid),
            text(STORE, store),
        ]
        .into_iter()
        .flatten()
        .collect();
        let builder = SpanBuilder::from_name(format!("reconcile {kind}"))
            .with_start_time(now(clock))
            .with_attributes(common.clone());
        let root = tracer.build_with_context(builder, &Context::new());
        Self {
            context: Context::new().with_span(root),
            common,
            tracer: tracer.clone(),
            clock: clock.clone(),
        }
    }

    /// Begins a step; `None` if the trace is not recorded.
    #[must_use]
    pub fn step(&self, step: &'static str) -> Option<StepSpan> {
        if !self.context.span().is_recording() {
            return None;
        }
        let mut attributes = self.common.clone();
        attributes.push(KeyValue::new(STEP, step));
        let started = now(&self.clock);
        Some(StepSpan {
            context: self.context.clone(),
            builder: SpanBuilder::from_name(step)
                .with_start_time(started)
                .with_attributes(attributes),
            started,
            tracer: self.tracer.clone(),
        })
    }

    /// Ends the trace at a time, with what is then known of the object.
    pub fn end(self, at: Timestamp, word: &'static str) {
        let span = self.context.span();
        span.set_attribute(KeyValue::new(OUTCOME, word));
        span.end_with_timestamp(SystemTime::from(at));
    }
}

impl StepSpan {
    /// Ends the step after a while. The trace of a step that failed has failed too.
    pub fn end(self, took: Duration, outcome: Outcome) {
        use opentelemetry::trace::Span as _;
        let Self {
            context,
            builder,
            started,
            tracer,
        } = self;
        let mut span = tracer.build_with_context(builder, &context);
        span.set_attribute(KeyValue::new(OUTCOME, outcome.word));
        if outcome.failed {
            span.set_status(Status::error(outcome.word));
            context.span().set_status(Status::error(outcome.word));
        }
        span.end_with_timestamp(started + took);
    }
}

fn now(clock: &Clock) -> SystemTime {
    SystemTime::from(clock.wall())
}

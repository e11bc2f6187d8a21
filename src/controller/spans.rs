//! The traces of what is under way: which steps belong to one.
//!
//! What holds here: a trace begins with the first step of an object and ends with the last before the object
//! rests. A step that has to wait for a turn of its own, such as an Event behind other objects' first issues,
//! begins another. What is kept is bounded by the steps that are under way.
//! The engine is locked only if there is a trace to look at.

use std::collections::HashMap;

use jiff::Timestamp;
use presigned_core::engine::{Engine, ObjectKey};

use super::shared_engine::SharedEngine;
use crate::traces::{Named, StepSpan, Trace, Traces};

/// How many traces may be open. There are rarely more than steps in flight.
const OPEN: usize = 1024;

/// What the outcome of a trace is if its object is gone, or has no Ready condition yet.
const GONE: &str = "gone";
const UNKNOWN: &str = "unknown";

/// The open traces.
#[derive(Debug)]
pub(super) struct Spans {
    traces: Traces,
    open: HashMap<ObjectKey, Open>,
    /// The objects of which a step has ended since the last look.
    ended: Vec<ObjectKey>,
}

#[derive(Debug)]
struct Open {
    trace: Trace,
    /// When its last step ended.
    until: Timestamp,
}

impl Spans {
    pub(super) fn new(traces: Traces) -> Self {
        Self {
            traces,
            open: HashMap::new(),
            ended: Vec::new(),
        }
    }

    /// A step of an object begins.
    pub(super) fn step(
        &mut self,
        engine: &SharedEngine,
        key: &ObjectKey,
        step: &'static str,
        now: Timestamp,
    ) -> Option<StepSpan> {
        if !self.traces.are_on() {
            return None;
        }
        if let Some(open) = self.open.get(key) {
            return open.trace.step(step);
        }
        if self.open.len() >= OPEN {
            self.traces.drop_one();
            return None;
        }
        let trace = self.traces.begin(named(&engine.lock(), key))?;
        let span = trace.step(step);
        self.open.insert(key.clone(), Open { trace, until: now });
        span
    }

    /// A step of an object has ended.
    pub(super) fn ended(&mut self, key: &ObjectKey, now: Timestamp) {
        if let Some(open) = self.open.get_mut(key) {
            open.until = now;
            self.ended.push(key.clone());
        }
    }

    /// Ends the traces of the objects that rest now, of those that a step has ended of.
    pub(super) fn settle(&mut self, engine: &SharedEngine) {
        if self.ended.is_empty() {
            return;
        }
        let engine = engine.lock();
        for key in std::mem::take(&mut self.ended) {
            self.rest(&engine, &key);
        }
    }

    /// Ends the traces of all objects that rest now: some wait for a slot after all.
    pub(super) fn settle_all(&mut self, engine: &SharedEngine) {
        if self.open.is_empty() {
            return;
        }
        let engine = engine.lock();
        let keys: Vec<ObjectKey> = self.open.keys().cloned().collect();
        for key in keys {
            self.rest(&engine, &key);
        }
    }

    fn rest(&mut self, engine: &Engine, key: &ObjectKey) {
        if !engine.is_under_way(key)
            && let Some(open) = self.open.remove(key)
        {
            open.end(engine, key);
        }
    }

    /// Ends all traces.
    pub(super) fn end(self, engine: &SharedEngine) -> Traces {
        let engine = engine.lock();
        for (key, open) in self.open {
            open.end(&engine, &key);
        }
        self.traces
    }
}

impl Open {
    fn end(self, engine: &Engine, key: &ObjectKey) {
        let word = match engine.subject(key) {
            None => GONE,
            Some(subject) => subject.reason.map_or(UNKNOWN, |reason| reason.as_str()),
        };
        self.trace.end(self.until, word);
    }
}

/// An object, as its trace names it.
fn named<'a>(engine: &'a Engine, key: &'a ObjectKey) -> Named<'a> {
    let (kind, uid) = match key {
        ObjectKey::Resource(uid) => ("PresignedURL", Some(&**uid)),
        ObjectKey::Store(_) => ("ClusterObjectStore", None),
        ObjectKey::Policy(_) => ("PresignedURLPolicy", None),
    };
    let subject = engine.subject(key);
    Named {
        kind,
        namespace: subject.and_then(|subject| subject.namespace),
        name: subject.map(|subject| subject.name),
        uid,
        store: subject.and_then(|subject| subject.store),
    }
}

//! What the engine tells, as metrics.
//!
//! What holds here: each gauge that counts objects is set to zero where there are none, so a dashboard shows 0
//! and an alert ends. A replica that follows has no objects, and reports zeros.

use std::collections::BTreeMap;

use presigned_core::api::{ConditionStatus, LimitedBy};
use presigned_core::engine::{Engine, LifeCut, Observation};

use super::shared_engine::SharedEngine;
use crate::telemetry::Metrics;

/// Counts what happened; with `all`, also counts all objects.
pub(super) fn report(engine: &SharedEngine, metrics: &Metrics, all: bool) {
    let mut engine = engine.lock();
    for observation in engine.observations() {
        match observation {
            Observation::Issued => metrics.issued(),
            Observation::Renewed(_) => metrics.renewed(),
            Observation::Denied => metrics.denied(),
            Observation::Failed(reason) => metrics.error(reason),
        }
    }
    let (urgent, routine, in_flight) = engine.load();
    metrics.queue_depth("urgent", urgent);
    metrics.queue_depth("routine", routine);
    metrics.queue_depth("in_flight", in_flight);
    if all {
        resources(&engine, metrics);
        for (reason, number) in engine.policies() {
            metrics.policies(reason, number);
        }
        let skews = engine.clock_skews();
        metrics.clock_skews(
            skews
                .map(|(store, skew)| (store.to_owned(), skew.as_secs()))
                .collect(),
        );
    }
}

/// Counts the resources.
fn resources(engine: &Engine, metrics: &Metrics) {
    let mut ready = BTreeMap::from(["true", "false"].map(|status| (status, 0)));
    let mut verified = BTreeMap::from(["true", "false", "unknown"].map(|status| (status, 0)));
    let mut cut: BTreeMap<LifeCut, usize> = cuts().map(|cut| (cut, 0)).collect();
    for figures in engine.figures() {
        let is_ready = if figures.ready { "true" } else { "false" };
        *ready.entry(is_ready).or_default() += 1;
        if let Some(status) = figures.verified {
            *verified.entry(word(status)).or_default() += 1;
        }
        if let Some(life_cut) = figures.life_cut {
            *cut.entry(life_cut).or_default() += 1;
        }
    }
    for (status, number) in ready {
        metrics.resources(status, number);
    }
    for (status, number) in verified {
        metrics.verified(status, number);
    }
    for (LifeCut { by, below_half }, number) in cut {
        metrics.lives_cut(by, below_half, number);
    }
}

/// Each way in which a life can be cut.
fn cuts() -> impl Iterator<Item = LifeCut> {
    let by = [
        LimitedBy::Duration,
        LimitedBy::Credentials,
        LimitedBy::SignatureAge,
        LimitedBy::SigV4,
    ];
    by.into_iter()
        .flat_map(|by| [false, true].map(|below_half| LifeCut { by, below_half }))
}

const fn word(status: ConditionStatus) -> &'static str {
    match status {
        ConditionStatus::True => "true",
        ConditionStatus::False => "false",
        ConditionStatus::Unknown => "unknown",
    }
}

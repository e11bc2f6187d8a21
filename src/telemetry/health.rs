//! `/livez`, `/readyz` and `/metrics`.
//!
//! What holds here: ready means that everything that decisions are made from has been seen once; an error
//! that comes later does not take readiness back, because a pod that restarts would know even less.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::access::{Reviewer, admit};
use super::metrics::Metrics;

/// How far a watch has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WatchState {
    /// It has not begun.
    #[default]
    Waiting,
    /// Its first list is under way.
    Listing,
    /// Its first list cannot be had.
    Failing(String),
    /// Its first list is complete.
    Synced,
}

/// What the operator waits for before it is ready. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<String, WatchState>>>);

impl Readiness {
    /// Sets the state of one thing; what is synced stays synced.
    pub fn set(&self, name: &str, state: WatchState) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = states.entry(name.to_owned()).or_default();
        if *old != WatchState::Synced {
            *old = state;
        }
    }

    /// Waits for one thing no longer.
    pub fn forget(&self, name: &str) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.remove(name);
    }

    /// What is still waited for, one sentence each; empty means ready.
    #[must_use]
    pub fn waits_for(&self) -> Vec<String> {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if states.is_empty() {
            return vec!["start-up".to_owned()];
        }
        states
            .iter()
            .filter_map(|(name, state)| match state {
                WatchState::Waiting => Some(format!("{name}: not begun")),
                WatchState::Listing => Some(format!("{name}: the first list is under way")),
                WatchState::Failing(why) => Some(format!("{name}: {why}")),
                WatchState::Synced => None,
            })
            .collect()
    }
}

/// `/livez` and `/readyz`.
pub fn health_router(readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(readiness)
}

/// `/metrics`; with a reviewer, for those whose bearer token it allows.
pub fn metrics_router(metrics: Metrics, reviewer: Option<Arc<dyn Reviewer>>) -> Router {
    let routes = Router::new()
        .route("/metrics", get(scrape))
        .with_state(metrics);
    match reviewer {
        Some(reviewer) => routes.layer(from_fn_with_state(reviewer, admit)),
        None => routes,
    }
}

async fn readyz(State(readiness): State<Readiness>) -> Response {
    let waits_for = readiness.waits_for();
    if waits_for.is_empty() {
        return "ok\n".into_response();
    }
    let body = format!("waiting for:\n{}\n", waits_for.join("\n"));
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}

async fn scrape(State(metrics): State<Metrics>) -> Response {
    match metrics.encode() {
        Ok(text) => (
            [(
                header::CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

//! The loop: events in, steps out, results back.
//!
//! What holds here: nothing is decided here. The engine gets events and gives steps; each step runs in a task
//! of its own; the claim to lead is checked before each, and before each write within it. Without a claim no
//! step begins, and events are still taken, so that a replica that follows can lead at once. When the
//! operator is asked to stop, steps that have begun are finished and nothing new begins. An operator whose
//! cluster was restored to a backup stops like that by itself, since all that it knows is of another history:
//! the next one begins with what the cluster holds.

mod election;
mod executor;
mod outcome;
mod report;
mod runtime;
mod shared_engine;
mod spans;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use presigned_core::engine::{Event, ObjectKey, StepResult};
use presigned_core::lease::{Claim, Term, Turn};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;

pub use election::Candidacy;
pub use executor::StepExecutor;
pub use runtime::{Runtime, Settings, build};
pub use shared_engine::SharedEngine;

use crate::clock::{Clock, StepDetector};
use spans::Spans;

/// How often due steps are taken and metrics updated.
const TICK: Duration = Duration::from_secs(1);
/// How many ticks lie between two counts of all resources.
const COUNT_TICKS: u32 = 5;
/// How long a stop waits for what is in flight.
const DRAIN: Duration = Duration::from_secs(20);
/// How many events are taken at once.
const BATCH: usize = 256;

/// Why an operator ends by itself.
const WENT_BACK: &str = "the API server knows less than it told before: its etcd was restored to a backup, or \
    another cluster answers at its address; the operator ends, so that it is started again and reads everything anew";

/// Steps under way.
struct StepsInFlight {
    tasks: JoinSet<(ObjectKey, StepResult)>,
    keys: HashMap<Id, ObjectKey>,
    spans: Spans,
}

/// Runs the operator until it is asked to stop, and then finishes the steps that have begun.
///
/// # Errors
/// If a server of health or metrics broke, or if the cluster was restored to a backup.
pub async fn run(runtime: Runtime) -> anyhow::Result<()> {
    let Runtime {
        engine,
        executor,
        clock,
        server_clock,
        mut events,
        watches,
        trust_bundles,
        went_back,
        metrics,
        stop,
        servers,
        mut leadership,
        traces,
    } = runtime;
    let mut term = Term::new();
    let mut step_detector = StepDetector::new(clock.clone());
    let mut steps = StepsInFlight {
        tasks: JoinSet::new(),
        keys: HashMap::new(),
        spans: Spans::new(traces),
    };
    let mut server_times = server_clock.changes();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::with_capacity(BATCH);
    let mut count = 0_u32;
    let mut deadline = None;
    loop {
        let claim = *leadership.claims.borrow_and_update();
        let idle = steps.tasks.is_empty() && deadline.is_none();
        lead_or_follow(&engine, &clock, term.turn(claim, clock.monotonic(), idle));
        metrics.leading(term.leading());
        if term.leading() {
            begin(&engine, &executor, &clock, claim, &mut steps);
        }
        steps.spans.settle(&engine);
        if let Some(deadline) = deadline
            && (steps.tasks.is_empty() || clock.monotonic() > deadline)
        {
            break;
        }
        tokio::select! {
            Ok(()) = leadership.claims.changed() => {}
            Ok(()) = server_times.changed() => on_server_time(&engine, &mut server_times, &clock),
            taken = events.recv_many(&mut batch, BATCH) => {
                // What is known of the clock comes before what is decided by it.
                if server_times.has_changed().unwrap_or(false) {
                    on_server_time(&engine, &mut server_times, &clock);
                }
                if take(&engine, &mut batch, &trust_bundles, clock.wall()) {
                    went_back.cancel();
                }
                if taken == 0 {
                    tracing::error!("every watch has ended; stopping");
                    break;
                }
            }
            Some(ended) = steps.tasks.join_next_with_id() => finish(&engine, &mut steps, ended, &clock),
            _ = ticks.tick() => {
                if step_detector.stepped() {
                    tracing::warn!("the wall clock was stepped: every plan is made again");
                    metrics.clock_step();
                    server_clock.forget();
                    engine.lock().on(Event::ClockStepped, clock.wall());
                }
                count = (count + 1) % COUNT_TICKS;
                report::report(&engine, &metrics, count == 0);
                steps.spans.settle_all(&engine);
            }
            () = went_back.cancelled(), if !stop.is_cancelled() => {
                tracing::error!("{WENT_BACK}");
                stop.cancel();
            }
            () = stop.cancelled(), if deadline.is_none() => {
                engine.lock().drain();
                deadline = Some(clock.monotonic() + DRAIN);
            }
        }
    }
    report::report(&engine, &metrics, true);
    let idle = steps.tasks.is_empty();
    if !idle {
        tracing::warn!(
            steps = steps.tasks.len(),
            "stopping before everything in flight was done"
        );
    }
    drop(watches);
    leadership.release(idle).await;
    // The Lease first: nobody waits for traces.
    let traces = steps.spans.end(&engine);
    traces.stop().await;
    tracing::info!("stopped");
    runtime::join(servers).await?;
    anyhow::ensure!(!went_back.is_cancelled(), WENT_BACK);
    Ok(())
}

/// Passes events to the engine, and the bundles that stores name to their watch. Whether one of the events
/// showed that the cluster was restored to a backup.
fn take(
    engine: &SharedEngine,
    events: &mut Vec<Event>,
    trust_bundles: &watch::Sender<BTreeSet<String>>,
    now: Timestamp,
) -> bool {
    let mut engine = engine.lock();
    let of_stores = events.iter().any(|event| matches!(event, Event::Store(_)));
    for event in events.drain(..) {
        engine.on(event, now);
    }
    if of_stores {
        let named = engine.named_trust_bundles();
        trust_bundles.send_if_modified(|known| {
            let differs = *known != named;
            *known = named;
            differs
        });
    }
    engine.history_went_back()
}

/// Passes the last measure of the API server's clock to the engine.
fn on_server_time(
    engine: &SharedEngine,
    server_times: &mut watch::Receiver<Option<SignedDuration>>,
    clock: &Clock,
) {
    if let Some(skew) = *server_times.borrow_and_update() {
        engine.lock().on(Event::ApiClock(skew), clock.wall());
    }
}

/// Makes the engine lead or follow.
fn lead_or_follow(engine: &SharedEngine, clock: &Clock, turn: Option<Turn>) {
    match turn {
        None => {}
        Some(Turn::Follow) => {
            tracing::info!("following: another instance leads, or nobody yet");
            engine.lock().follow();
        }
        Some(Turn::Lead) => {
            tracing::info!("leading");
            engine.lock().lead(clock.wall());
        }
    }
}

/// Begins every step that may begin now.
fn begin(
    engine: &SharedEngine,
    executor: &StepExecutor,
    clock: &Clock,
    claim: Claim,
    steps: &mut StepsInFlight,
) {
    let now = clock.wall();
    loop {
        let next = engine.lock().next(now);
        let Some((key, step)) = next else { return };
        if !claim.holds(clock.monotonic()) {
            engine.lock().done(&key, StepResult::NotRun, now);
            return;
        }
        let span = steps.spans.step(engine, &key, executor::name(&step), now);
        let executor = executor.clone();
        let its_key = key.clone();
        let task = steps.tasks.spawn(async move {
            let result = executor.execute(step, claim, now, span).await;
            (its_key, result)
        });
        steps.keys.insert(task.id(), key);
    }
}

/// Takes up the result of a step.
fn finish(
    engine: &SharedEngine,
    steps: &mut StepsInFlight,
    ended: Result<(Id, (ObjectKey, StepResult)), JoinError>,
    clock: &Clock,
) {
    let now = clock.wall();
    match ended {
        Ok((id, (key, result))) => {
            steps.keys.remove(&id);
            engine.lock().done(&key, result, now);
            steps.spans.ended(&key, now);
        }
        Err(error) => {
            // Nobody knows how far the step came: its object is evaluated again.
            tracing::error!(
                panicked = error.is_panic(),
                "a step ended without a result; this is a fault of the operator"
            );
            if let Some(key) = steps.keys.remove(&error.id()) {
                engine.lock().done(&key, StepResult::NotRun, now);
                steps.spans.ended(&key, now);
            }
        }
    }
}

//! What every plan and every completion works with.
//!
//! What holds here: it borrows the engine's parts for one turn, and its time does not change meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::Problem;
use crate::api::Reason;
use crate::engine::cache::index::{Index, Record, store_name};
use crate::engine::cache::state::ReconcileState;
use crate::engine::evaluate::clock_doubt::ClockDoubt;
use crate::engine::evaluate::evaluation::{Evaluation, evaluate};
use crate::engine::evaluate::one_shot::reports_expiry;
use crate::engine::protocol::Observation;
use crate::engine::protocol::{ApiError, ErrorClass, ObjectKey, Retry, Settings, Uid, classify};
use crate::engine::scheduler::queue::{Priority, Queue};
use crate::engine::scheduler::wake::RequeueAt;
use crate::issue::ReservedKeys;
use crate::time::later;

/// Retries without a pause that may follow each other; then pauses come between.
pub(in crate::engine) const IMMEDIATE_RETRIES: u32 = 5;
/// The pause of everything if the API server asks for one and does not say how long.
const DEFAULT_THROTTLE: Duration = Duration::from_secs(5);
/// The longest pause of everything: a server's word is not believed beyond it.
const MAX_THROTTLE: Duration = Duration::from_mins(1);

/// One turn of the engine.
pub(in crate::engine) struct Ctx<'a> {
    pub(in crate::engine) cache: &'a mut Index,
    pub(in crate::engine) queue: &'a mut Queue,
    pub(in crate::engine) settings: &'a Settings,
    pub(in crate::engine) reserved: &'a ReservedKeys,
    pub(in crate::engine) clock: &'a mut ClockDoubt,
    pub(in crate::engine) observations: &'a mut Vec<Observation>,
    pub(in crate::engine) throttled_until: &'a mut Option<Timestamp>,
    pub(in crate::engine) now: Timestamp,
    /// When the object of this turn is looked at again.
    pub(in crate::engine) requeue: RequeueAt,
}

impl Ctx<'_> {
    /// What a resource is allowed.
    pub(in crate::engine) fn evaluate(&self, record: &Record) -> Evaluation {
        evaluate(self.cache, self.settings, self.reserved, record)
    }

    /// The state of a resource, if the resource is there.
    pub(in crate::engine) fn state(&mut self, uid: &str) -> Option<&mut ReconcileState> {
        Some(&mut *self.cache.resources.get_mut(uid)?.state)
    }

    /// Whether a resource is this instance's.
    pub(in crate::engine) fn serves(&self, record: &Record) -> bool {
        match &record.seen.spec {
            Ok(spec) => spec.class == self.settings.class,
            // Whose it is cannot be told. The instance without a class says what is wrong with it.
            Err(_) => self.settings.class.is_none(),
        }
    }

    /// Queues an object by its priority.
    pub(in crate::engine) fn enqueue(&mut self, key: ObjectKey) {
        let (priority, rank) = match &key {
            ObjectKey::Store(_) | ObjectKey::Policy(_) => (Priority::Urgent, 0),
            ObjectKey::Resource(uid) => match self.cache.resources.get(uid) {
                None => {
                    self.queue.forget(&key);
                    return;
                }
                Some(record) => priority(record, self.now),
            },
        };
        self.queue.push(key, priority, rank);
    }

    /// A resource waits for something that its store fetches or probes: the store is planned at once.
    pub(in crate::engine) fn enqueue_store(&mut self, uid: &str) {
        if let Some(record) = self.cache.resources.get(uid) {
            let store = store_name(&record.seen).to_owned();
            self.queue
                .push(ObjectKey::Store(store), Priority::Urgent, 0);
        }
    }

    /// Those that waited for a store go on.
    pub(in crate::engine) fn wake(&mut self, waiting: BTreeSet<Uid>) {
        for uid in waiting {
            if let Some(record) = self.cache.resources.get_mut(&uid)
                && let Some(state) = record.state.any()
            {
                state.issue.retry.retry_at = None;
            }
            self.enqueue(ObjectKey::Resource(uid));
        }
    }

    /// Classifies a failure, pauses everything if the server asks for it, and counts it.
    pub(in crate::engine) fn classify(&mut self, error: &ApiError) -> ErrorClass {
        let class = classify(error);
        if let Retry::ThrottleAll(asked) = class.retry {
            self.throttle(asked);
        }
        if class.retry != Retry::Immediately {
            self.observations.push(Observation::Failed(class.reason));
        }
        class
    }

    /// Calls the API server no more until then.
    fn throttle(&mut self, asked: Option<Duration>) {
        let pause = asked
            .unwrap_or(DEFAULT_THROTTLE)
            .clamp(Duration::from_secs(1), MAX_THROTTLE);
        let until = later(self.now, pause);
        *self.throttled_until = Some(self.throttled_until.map_or(until, |old| old.max(until)));
    }

    /// The end of the pause after a failed write of a store's or a policy's status, if there is one.
    pub(in crate::engine) fn status_paused_until(&self, key: &ObjectKey) -> Option<Timestamp> {
        let retry = self.cache.status_retries.get(key)?;
        retry.blocked_until(self.now)
    }

    /// The status of a store or a policy could not be written. Tells whether the plan goes on at once: never,
    /// but something that changed meanwhile (`dirty`) is planned in its turn.
    pub(in crate::engine) fn status_failed(
        &mut self,
        key: ObjectKey,
        error: &ApiError,
        dirty: bool,
    ) -> bool {
        let class = self.classify(error);
        let seed = match &key {
            ObjectKey::Store(name) | ObjectKey::Policy(name) => name.clone(),
            ObjectKey::Resource(uid) => uid.to_string(),
        };
        let retry = self.cache.status_retries.entry(key.clone()).or_default();
        retry.record(class.retry, 0, &seed, self.now);
        if dirty {
            // What changed meanwhile may be the newer version that the conflict speaks of.
            retry.retry_at = None;
            self.enqueue(key);
        } else {
            let at = retry.retry_at.unwrap_or(self.now);
            self.queue.at(&key, Some(at));
        }
        false
    }

    /// A call to the API server failed: nothing is issued before the next attempt, and what is issued stays.
    pub(in crate::engine) fn record_failure(&mut self, uid: &str, error: &ApiError) {
        let class = self.classify(error);
        let now = self.now;
        let Some(state) = self.state(uid) else { return };
        state.secret.inspected = None;
        state
            .issue
            .retry
            .record(class.retry, IMMEDIATE_RETRIES, uid, now);
        if let Some(problem) = problem_of(&class) {
            state.issue.problem = Some(problem);
        }
    }

    /// Something outside did not do what it should: it is tried again, and what is issued stays.
    pub(in crate::engine) fn record_problem(&mut self, uid: &str, problem: Problem) {
        self.observations.push(Observation::Failed(problem.reason));
        let now = self.now;
        let Some(state) = self.state(uid) else { return };
        state.issue.retry.record_problem(&problem, uid, now);
        state.issue.problem = Some(problem);
    }

    /// A result that does not belong to the step in flight: a fault of the program. Nothing is taken for
    /// done.
    pub(in crate::engine) fn unexpected(&mut self, key: &ObjectKey, what: &'static str) {
        tracing::error!(object = ?key, step = what, "the result does not belong to the step");
        self.observations
            .push(Observation::Failed(Reason::ApiError));
    }
}

/// Seconds before the expiry in which a renewal goes before others' first issues.
const EXPIRES_SOON: i64 = 600;

/// The priority of a resource, and its rank within that priority: what is about to expire goes first, then
/// what was never issued, then the remaining life decides.
pub(in crate::engine) fn priority(record: &Record, now: Timestamp) -> (Priority, i64) {
    let status = &record.seen.status;
    let (Some(issued), Some(expires)) = (status.issued_at, status.expires_at) else {
        return (Priority::Urgent, i64::MIN);
    };
    if reports_expiry(record, status) {
        return (Priority::Routine, i64::MAX);
    }
    let remaining = expires.as_second() - now.as_second();
    let life = expires.as_second() - issued.as_second();
    if remaining.saturating_mul(4) < life {
        if remaining < EXPIRES_SOON {
            return (Priority::Expiring, remaining);
        }
        (Priority::Urgent, remaining)
    } else {
        (Priority::Routine, remaining)
    }
}

/// The problem that the conditions report after a failure; `None` for a conflict, which the next attempt
/// solves, and while all calls pause.
pub(in crate::engine) fn problem_of(class: &ErrorClass) -> Option<Problem> {
    let needs_human = match class.retry {
        Retry::Immediately | Retry::ThrottleAll(_) => return None,
        Retry::Backoff => false,
        Retry::OnChange => class.reason != Reason::NamespaceTerminating,
    };
    Some(Problem {
        reason: class.reason,
        message: class.sentence.to_owned(),
        needs_human,
    })
}

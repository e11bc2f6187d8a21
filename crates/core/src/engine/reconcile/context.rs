//! The context of one turn of the engine: what every plan and every completion reads and changes.
//!
//! What holds here:
//! - It borrows the parts of the engine for one turn, and `now` does not change during the turn.
//! - Objects are queued here, each by its priority.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::Problem;
use crate::api::Reason;
use crate::engine::cache::index::Index;
use crate::engine::cache::record::{Record, store_name};
use crate::engine::cache::state::ReconcileState;
use crate::engine::evaluate::clock_doubt::ClockDoubt;
use crate::engine::evaluate::evaluation::{Evaluation, evaluate};
use crate::engine::evaluate::one_shot::reports_expiry;
use crate::engine::protocol::Observation;
use crate::engine::protocol::{ApiError, ErrorClass, ObjectKey, Retry, Settings, Uid, classify};
use crate::engine::scheduler::priority::{Priority, Standing};
use crate::engine::scheduler::queue::{Queue, Ticket};
use crate::engine::scheduler::wake::RequeueAt;
use crate::engine::store::Store;
use crate::issue::ReservedKeys;
use crate::time::later;

/// The most retries in a row without a pause between them.
pub(in crate::engine) const IMMEDIATE_RETRIES: u32 = 5;
/// The pause of all calls if the API server requests one and names no time.
const DEFAULT_THROTTLE: Duration = Duration::from_secs(5);
/// The longest pause of all calls, whatever time the API server names.
const MAX_THROTTLE: Duration = Duration::from_mins(1);
/// The least time between two counts of a store's URLs.
const RECOUNT: Duration = Duration::from_secs(1);

/// One turn of the engine.
pub(in crate::engine) struct Ctx<'a> {
    pub(in crate::engine) cache: &'a mut Index,
    pub(in crate::engine) queue: &'a mut Queue,
    pub(in crate::engine) settings: &'a Settings,
    /// The name by which this operator reports on stores.
    pub(in crate::engine) reports_as: &'a str,
    pub(in crate::engine) reserved: &'a ReservedKeys,
    pub(in crate::engine) clock: &'a mut ClockDoubt,
    pub(in crate::engine) observations: &'a mut Vec<Observation>,
    pub(in crate::engine) throttled_until: &'a mut Option<Timestamp>,
    /// Whether nothing new is started any more.
    pub(in crate::engine) draining: bool,
    /// In whole seconds.
    pub(in crate::engine) now: Timestamp,
    /// The same moment with its fraction of a second.
    pub(in crate::engine) moment: Timestamp,
    /// When the object of this turn is planned again.
    pub(in crate::engine) requeue: RequeueAt,
}

impl Ctx<'_> {
    /// Whether a resource may be issued.
    pub(in crate::engine) fn evaluate(&self, record: &Record) -> Evaluation {
        evaluate(self.cache, self.settings, self.reserved, record)
    }

    /// The state of a resource, if the resource is there.
    pub(in crate::engine) fn state(&mut self, uid: &str) -> Option<&mut ReconcileState> {
        Some(&mut *self.cache.resources.get_mut(uid)?.state)
    }

    /// Whether a resource belongs to this instance, by its class.
    pub(in crate::engine) fn serves(&self, record: &Record) -> bool {
        record.is_served_by(self.settings.class.as_deref())
    }

    /// The resources of a store that belong to this instance.
    pub(in crate::engine) fn served_of_store(&self, store: &str) -> impl Iterator<Item = &Record> {
        self.cache
            .of_store(store)
            .filter_map(|uid| Some(&**self.cache.resources.get(uid)?))
            .filter(|record| self.serves(record))
    }

    /// Queues an object by its priority, and again as that rises.
    pub(in crate::engine) fn enqueue(&mut self, key: ObjectKey) {
        let Some((namespace, standing)) = place(self.cache, &key, self.now) else {
            self.queue.forget(&key);
            return;
        };
        if let Some(at) = standing.rises_at {
            self.queue.by(&key, at);
        }
        self.queue
            .push(key, namespace, standing.priority, standing.rank);
    }

    /// Queues an object that has started, at least at the priority of its ticket, and again as its own rises:
    /// it continues before another one starts.
    pub(in crate::engine) fn proceed(&mut self, key: ObjectKey, ticket: Ticket) {
        let Some((namespace, standing)) = place(self.cache, &key, self.now) else {
            return;
        };
        if let Some(at) = standing.rises_at {
            self.queue.by(&key, at);
        }
        let priority = ticket.priority.min(standing.priority);
        self.queue.proceed(key, namespace, priority, ticket);
    }

    /// Queues the store of a resource that waits for it.
    pub(in crate::engine) fn enqueue_store(&mut self, uid: &str) {
        if let Some(record) = self.cache.resources.get(uid) {
            let store = store_name(&record.seen).to_owned();
            self.queue
                .push(ObjectKey::Store(store), "", Priority::Urgent, 0);
        }
    }

    /// Plans a store soon, because the count of its URLs may have changed: once a second, not once a
    /// resource.
    pub(in crate::engine) fn requeue_store(&mut self, store: String) {
        if self.cache.stores.contains_key(&store) {
            let at = later(self.now, RECOUNT);
            self.queue.by(&ObjectKey::Store(store), at);
        }
    }

    /// A store answered a resource, and the answer may have shown the store's clock.
    pub(in crate::engine) fn store_clock_read(
        &mut self,
        store: &str,
        skew: Option<SignedDuration>,
    ) {
        if let (Some(skew), Some(known)) = (skew, self.cache.stores.get_mut(store)) {
            known.store_clock_read(skew, self.now);
            self.requeue_store(store.to_owned());
        }
    }

    /// Queues the resources that waited for a store.
    pub(in crate::engine) fn requeue_waiting(&mut self, waiting: BTreeSet<Uid>) {
        for uid in waiting {
            if let Some(record) = self.cache.resources.get_mut(&uid)
                && let Some(state) = record.state.any()
            {
                state.issue.retry.end_pause();
            }
            self.enqueue(ObjectKey::Resource(uid));
        }
    }

    /// Classifies a failure of the API server and counts it. If the server requests a pause, all calls pause.
    pub(in crate::engine) fn classify(&mut self, error: &ApiError) -> ErrorClass {
        let class = classify(error);
        if let Retry::ThrottleAll(pause) = class.retry {
            self.throttle(pause);
        }
        if class.retry != Retry::Immediately {
            self.observations.push(Observation::Failed(class.reason));
        }
        class
    }

    /// No step calls the API server during the requested pause.
    fn throttle(&mut self, requested: Option<Duration>) {
        let pause = requested
            .unwrap_or(DEFAULT_THROTTLE)
            .clamp(Duration::from_secs(1), MAX_THROTTLE);
        let until = later(self.moment, pause);
        *self.throttled_until = Some(self.throttled_until.map_or(until, |old| old.max(until)));
    }

    /// The end of the pause after a failed write of a store's or a policy's status, if there is one.
    pub(in crate::engine) fn status_paused_until(&self, key: &ObjectKey) -> Option<Timestamp> {
        let retry = self.cache.status_retries.get(key)?;
        retry.blocked_until(self.now)
    }

    /// The status of a store or a policy could not be written. Returns false: the next plan does not follow
    /// at once. If the object changed during the write (`dirty`), it is queued.
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
            // The change may be the newer version that caused the conflict.
            retry.end_pause();
            self.enqueue(key);
        } else {
            let at = retry.retry_at.unwrap_or(self.now);
            self.queue.at(&key, Some(at));
        }
        false
    }

    /// A call to the API server failed: nothing is issued before the retry, and the issued Secret stays.
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

    /// Whether something else answers in place of the store, so that what it answers proves nothing.
    pub(in crate::engine) fn store_is_replaced(&self, name: &str) -> bool {
        let store = self.cache.stores.get(name);
        store.is_some_and(Store::is_replaced)
    }

    /// A store or an STS failed: nothing is issued before the retry, and the issued Secret stays.
    pub(in crate::engine) fn record_problem(&mut self, uid: &str, problem: Problem) {
        self.observations.push(Observation::Failed(problem.reason));
        let now = self.now;
        let Some(state) = self.state(uid) else { return };
        state.issue.retry.record_problem(&problem, uid, now);
        state.issue.problem = Some(problem);
    }

    /// The result does not belong to the step in flight. That is a bug: it is logged and counted, and the
    /// step counts as not done.
    pub(in crate::engine) fn unexpected(&mut self, key: &ObjectKey, what: &'static str) {
        tracing::error!(object = ?key, step = what, "the result does not belong to the step");
        self.observations
            .push(Observation::Failed(Reason::APIError));
    }
}

/// The namespace of an object that is queued now, empty if it has none, and how urgent the object is; `None` if
/// it is a resource that is gone.
fn place<'a>(cache: &'a Index, key: &ObjectKey, now: Timestamp) -> Option<(&'a str, Standing)> {
    match key {
        ObjectKey::Store(_) | ObjectKey::Policy(_) => {
            Some(("", Standing::fixed(Priority::Urgent, 0)))
        }
        ObjectKey::Resource(uid) => {
            let record = cache.resources.get(uid)?;
            Some((&record.seen.namespace, standing(record, now)))
        }
    }
}

/// How urgent a resource is: what is about to expire goes first, then what was never issued, then the
/// remaining life decides.
pub(in crate::engine) fn standing(record: &Record, now: Timestamp) -> Standing {
    let status = &record.seen.status;
    if record.seen.deleting && status.internal.secret.is_some() {
        return Standing::fixed(Priority::Urgent, i64::MIN);
    }
    let (Some(issued), Some(expires)) = (status.issue_time, status.expiration_time) else {
        return Standing::fixed(Priority::Urgent, i64::MIN);
    };
    if reports_expiry(record, status) {
        return Standing::fixed(Priority::Routine, i64::MAX);
    }
    Standing::of_life(issued, expires, now)
}

/// The problem that the conditions report after a failure; `None` for a conflict, which the next attempt
/// solves, and while all calls pause.
pub(in crate::engine) fn problem_of(class: &ErrorClass) -> Option<Problem> {
    let needs_human = match class.retry {
        Retry::Immediately | Retry::ThrottleAll(_) => return None,
        Retry::Backoff => false,
        Retry::OnceAllowed => true,
        Retry::OnChange => class.reason != Reason::NamespaceTerminating,
    };
    Some(Problem {
        reason: class.reason,
        message: class.sentence.clone().into_owned(),
        needs_human,
    })
}

//! What comes next for a resource: its Secret, then the status that tells of it, then what follows from that.
//!
//! What holds here: the status is written once the Secret is as it should be, or cannot be now. Events, the deletion of a link
//! that has ended, and tries come after it. A URL that dies while something outside is waited for is told of all the same.

mod landed;
pub(in crate::engine) mod listing;
pub(in crate::engine) mod prerequisites;
pub(in crate::engine) mod secret;
pub(in crate::engine) mod status;
mod status_messages;
mod verification;

use std::time::Duration;

use jiff::Timestamp;

use crate::engine::cache::index::{Record, store_name};
use crate::engine::evaluate::evaluation::{Evaluation, evaluate};
use crate::engine::evaluate::one_shot;
use crate::engine::evaluate::reissue::{self as plan, Action};
use crate::engine::protocol::{ObjectKey, ObjectVersion, Step};
use crate::engine::scheduler::queue::Priority;
use crate::engine::scheduler::wake::RequeueAt;
use crate::engine::{Engine, InFlight, Next};
use crate::time::later;

/// Who waits for longer than this before the first issue is told so.
const PATIENCE: Duration = Duration::from_secs(10);

impl Engine {
    /// What comes next for a resource.
    pub(in crate::engine) fn plan_resource(&mut self, uid: &str, now: Timestamp) -> Next {
        let Some(record) = self.index.resources.get(uid) else {
            return Next::Idle(None);
        };
        let terminating = self
            .index
            .namespaces
            .get(&record.seen.namespace)
            .is_some_and(|ns| ns.deleting);
        // What is being deleted takes its Secret along by its owner reference.
        if record.seen.deleting || terminating || !self.serves(record) {
            self.index.orphans.forget_all(&record.seen.uid);
            return Next::Idle(None);
        }
        let evaluation = evaluate(&self.index, &self.settings, &self.reserved, record);
        let mut requeue = RequeueAt::default();
        let doubted = self.clock_is_doubted(now, &mut requeue);
        match plan::plan_secret(
            &mut self.index,
            &self.settings,
            uid,
            &evaluation,
            doubted,
            now,
            &mut requeue,
        ) {
            Action::Step(step, purpose) => {
                let name = judged_secret(&step);
                return Next::Step(step, InFlight::Secret(purpose, name));
            }
            Action::Waiting => {
                self.needs_its_store(uid);
                return self.wait(uid, &evaluation, now, requeue);
            }
            Action::WaitForSlot => return self.wait(uid, &evaluation, now, requeue),
            Action::Settled => {}
        }
        self.settle(uid, &evaluation, now, requeue)
    }

    /// A resource waits for something that its store fetches or tries: the store's plan is made at once.
    pub(in crate::engine) fn needs_its_store(&mut self, uid: &str) {
        if let Some(record) = self.index.resources.get(uid) {
            let store = store_name(&record.seen).to_owned();
            self.queue
                .push(ObjectKey::Store(store), Priority::Urgent, 0);
        }
    }

    /// Whether nothing may be taken for dead by the operator's clock: the API server's contradicts it, or it was stepped a
    /// moment ago and the API server has not told its own since.
    fn clock_is_doubted(&self, now: Timestamp, requeue: &mut RequeueAt) -> bool {
        let doubted_until = self.doubted_until.filter(|until| *until > now);
        match (self.api_clock, doubted_until) {
            (None, Some(until)) => {
                requeue.at(until);
                true
            }
            (measured, _) => one_shot::contradicted(measured),
        }
    }

    /// Something outside comes first. What the status says of a URL that has died meanwhile cannot wait for it, and who waits
    /// for long is told so.
    fn wait(
        &mut self,
        uid: &str,
        evaluation: &Evaluation,
        now: Timestamp,
        mut requeue: RequeueAt,
    ) -> Next {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return Next::Idle(None);
        };
        let silent = record.seen.status.conditions.is_empty();
        let alive = plan::issued(record).is_some_and(|issued| issued.alive(now));
        let since = *record.state.waiting_since.get_or_insert(now);
        let patience = later(since, PATIENCE);
        if (status::says_ready(&record.seen.status) && !alive) || (silent && patience <= now) {
            return self.settle(uid, evaluation, now, requeue);
        }
        if silent {
            requeue.at(patience);
        }
        Next::Idle(requeue.0)
    }

    /// The Secret is as it should be, or cannot be now: the status tells so.
    fn settle(
        &mut self,
        uid: &str,
        evaluation: &Evaluation,
        now: Timestamp,
        mut requeue: RequeueAt,
    ) -> Next {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return Next::Idle(None);
        };
        let issued = plan::issued(record);
        let needs_rollout = plan::needs_rollout(record, evaluation, issued.as_ref(), now);
        if record.state.needs_rollout != needs_rollout {
            record.state.needs_rollout = needs_rollout;
        }
        let desired = status::desired(record, evaluation, issued.as_ref(), &self.settings, now);
        if desired != *record.seen.status {
            if let Some(at) = record.state.status_retry_at.filter(|at| *at > now) {
                requeue.at(at);
                return Next::Idle(requeue.0);
            }
            let step = Step::WriteStatus {
                namespace: record.seen.namespace.clone(),
                name: record.seen.name.clone(),
                target: ObjectVersion {
                    uid: record.seen.uid.to_string(),
                    resource_version: Some(record.seen.resource_version.clone()),
                },
                status: Box::new(desired.clone()),
            };
            let notices = status::notices(record, &desired, now);
            let refused = status::denied_since(&desired).is_some()
                && status::denied_since(&record.seen.status).is_none();
            return Next::Step(step, InFlight::Status(Box::new(desired), notices, refused));
        }
        if let Some(state) = record.state.any() {
            state.unrecorded = None;
            state.waiting_since = None;
        }
        if let Some(notice) = record.state.any().and_then(|m| m.notices.pop_front()) {
            return Next::Step(Step::PublishEvent(notice), InFlight::EventRecord);
        }
        if let Some(step) = one_shot::deletion(
            record,
            self.doubted_until,
            self.api_clock,
            now,
            &mut requeue,
        ) {
            return Next::Step(step, InFlight::Deletion);
        }
        if let Some(renews) = desired.renew_at.filter(|at| *at > now) {
            requeue.at(renews);
        }
        // Last of all: a slow store delays nothing that others wait for.
        let tried = self.try_it(uid, evaluation, issued.as_ref(), now, &mut requeue);
        if let Some(record) = self.index.resources.get_mut(uid) {
            record.state.tidy();
        }
        tried.unwrap_or(Next::Idle(requeue.0))
    }

    /// Whether a resource is this instance's.
    pub(in crate::engine) fn serves(&self, record: &Record) -> bool {
        match &record.seen.spec {
            Ok(spec) => spec.class == self.settings.class,
            // Whose it is cannot be told; the instance without a class says what is wrong with it.
            Err(_) => self.settings.class.is_none(),
        }
    }
}

/// How urgent a resource is: never issued before all, then by the life that is left.
pub(in crate::engine) fn urgency(record: &Record, now: Timestamp) -> (Priority, i64) {
    let status = &record.seen.status;
    let (Some(issued), Some(expires)) = (status.issued_at, status.expires_at) else {
        return (Priority::Urgent, i64::MIN);
    };
    if one_shot::is_over(status) {
        return (Priority::Routine, i64::MAX);
    }
    let left = expires.as_second() - now.as_second();
    let life = expires.as_second() - issued.as_second();
    if left.saturating_mul(4) < life {
        (Priority::Urgent, left)
    } else {
        (Priority::Routine, left)
    }
}

/// The name of the Secret that a step is about.
fn judged_secret(step: &Step) -> String {
    match step {
        Step::InspectSecret { name, .. } | Step::DeleteSecret { name, .. } => name.clone(),
        Step::CreateSecret(write) | Step::UpdateSecret { write, .. } => write.name.clone(),
        _ => String::new(),
    }
}

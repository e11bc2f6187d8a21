//! What comes next for a resource: its Secret, then the status that tells of it, then what follows from that.
//!
//! What holds here: the status is written once the Secret is as it should be, or cannot be now. Events, the deletion of a link
//! that has ended, and tries come after it. A URL that dies while something outside is waited for is told of all the same.

use std::time::Duration;

use jiff::Timestamp;

use super::index::{Record, store_name};
use super::judge::{Judged, judge};
use super::plan::{self, SecretPlan, Wake};
use super::queue::Priority;
use super::step::{ObjectVersion, Step, Work};
use super::time::later;
use super::{Doing, Engine, Next, link, status};

/// Who waits for longer than this before the first issue is told so.
const PATIENCE: Duration = Duration::from_secs(10);

impl Engine {
    /// What comes next for a resource.
    pub(super) fn plan_resource(&mut self, uid: &str, now: Timestamp) -> Next {
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
            self.index.strays.forget_all(&record.seen.uid);
            return Next::Idle(None);
        }
        let judged = judge(&self.index, &self.settings, &self.reserved, record);
        let mut wake = Wake::default();
        let doubted = self.clock_is_doubted(now, &mut wake);
        match plan::plan_secret(
            &mut self.index,
            &self.settings,
            uid,
            &judged,
            doubted,
            now,
            &mut wake,
        ) {
            SecretPlan::Step(step, purpose) => {
                let name = judged_secret(&step);
                return Next::Step(step, Doing::Secret(purpose, name));
            }
            SecretPlan::Waiting => {
                self.needs_its_store(uid);
                return self.wait(uid, &judged, now, wake);
            }
            SecretPlan::InLine => return self.wait(uid, &judged, now, wake),
            SecretPlan::Settled => {}
        }
        self.settle(uid, &judged, now, wake)
    }

    /// A resource waits for something that its store fetches or tries: the store's plan is made at once.
    pub(super) fn needs_its_store(&mut self, uid: &str) {
        if let Some(record) = self.index.resources.get(uid) {
            let store = store_name(&record.seen).to_owned();
            self.queue.push(Work::Store(store), Priority::Urgent, 0);
        }
    }

    /// Whether nothing may be taken for dead by the operator's clock: the API server's contradicts it, or it was stepped a
    /// moment ago and the API server has not told its own since.
    fn clock_is_doubted(&self, now: Timestamp, wake: &mut Wake) -> bool {
        let doubted_until = self.doubted_until.filter(|until| *until > now);
        match (self.api_clock, doubted_until) {
            (None, Some(until)) => {
                wake.at(until);
                true
            }
            (told, _) => link::contradicted(told),
        }
    }

    /// Something outside comes first. What the status says of a URL that has died meanwhile cannot wait for it, and who waits
    /// for long is told so.
    fn wait(&mut self, uid: &str, judged: &Judged, now: Timestamp, mut wake: Wake) -> Next {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return Next::Idle(None);
        };
        let silent = record.seen.status.conditions.is_empty();
        let alive = plan::issued(record).is_some_and(|issued| issued.alive(now));
        let since = *record.memory.waits_since.get_or_insert(now);
        let patience = later(since, PATIENCE);
        if (status::says_ready(&record.seen.status) && !alive) || (silent && patience <= now) {
            return self.settle(uid, judged, now, wake);
        }
        if silent {
            wake.at(patience);
        }
        Next::Idle(wake.0)
    }

    /// The Secret is as it should be, or cannot be now: the status tells so.
    fn settle(&mut self, uid: &str, judged: &Judged, now: Timestamp, mut wake: Wake) -> Next {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return Next::Idle(None);
        };
        let issued = plan::issued(record);
        let outdated = plan::outdated(record, judged, issued.as_ref(), now);
        if record.memory.outdated != outdated {
            record.memory.outdated = outdated;
        }
        let desired = status::desired(record, judged, issued.as_ref(), &self.settings, now);
        if desired != *record.seen.status {
            if let Some(at) = record.memory.status_retry_at.filter(|at| *at > now) {
                wake.at(at);
                return Next::Idle(wake.0);
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
            return Next::Step(step, Doing::Status(Box::new(desired), notices, refused));
        }
        if let Some(memory) = record.memory.any() {
            memory.unsaved = None;
            memory.waits_since = None;
        }
        if let Some(notice) = record.memory.any().and_then(|m| m.notices.pop_front()) {
            return Next::Step(Step::PublishEvent(notice), Doing::Notice);
        }
        if let Some(step) =
            link::deletion(record, self.doubted_until, self.api_clock, now, &mut wake)
        {
            return Next::Step(step, Doing::Deletion);
        }
        if let Some(renews) = desired.renew_at.filter(|at| *at > now) {
            wake.at(renews);
        }
        // Last of all: a slow store delays nothing that others wait for.
        let tried = self.try_it(uid, judged, issued.as_ref(), now, &mut wake);
        if let Some(record) = self.index.resources.get_mut(uid) {
            record.memory.tidy();
        }
        tried.unwrap_or(Next::Idle(wake.0))
    }

    /// Whether a resource is this instance's.
    pub(super) fn serves(&self, record: &Record) -> bool {
        match &record.seen.spec {
            Ok(spec) => spec.class == self.settings.class,
            // Whose it is cannot be told; the instance without a class says what is wrong with it.
            Err(_) => self.settings.class.is_none(),
        }
    }
}

/// How urgent a resource is: never issued before all, then by the life that is left.
pub(super) fn urgency(record: &Record, now: Timestamp) -> (Priority, i64) {
    let status = &record.seen.status;
    let (Some(issued), Some(expires)) = (status.issued_at, status.expires_at) else {
        return (Priority::Urgent, i64::MIN);
    };
    if link::is_over(status) {
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

//! What became of a step: the results are taken up here, and the plan is made again.
//!
//! What holds here: every result of every step has its line. A failure goes through the one table of failures; what was
//! not done is never taken for done.

use std::time::Duration;

use jiff::Timestamp;

use super::failure::{ApiFailure, Retry, consequence};
use super::memory::{Look, Trouble};
use super::plan::{Purpose, RECHECK};
use super::settings::SecretAccess;
use super::step::{ObjectVersion, StepResult, Work};
use super::time::{later, whole};
use super::{Doing, Engine, Observation};
use crate::api::{PresignedUrlStatus, Reason};
use crate::issue::backoff;

/// Looks that may follow each other at once; then a pause comes between.
const REPLANS: u32 = 5;
/// The pause of everything where the API server asks for one and does not say how long.
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// The longest pause of everything: a server's word is not believed beyond it.
const LONGEST_SLOW_DOWN: Duration = Duration::from_mins(1);
/// Between two counts of a store's URLs.
pub(super) const RECOUNT: Duration = Duration::from_secs(1);
/// Between two tries of a store's or policy's status.
const STATUS_PAUSE: Duration = Duration::from_secs(15);

impl Engine {
    /// Tells what became of a step.
    pub fn done(&mut self, work: &Work, result: StepResult, now: Timestamp) {
        let now = whole(now);
        let Some((priority, dirty)) = self.queue.end(work) else {
            return;
        };
        let Some(doing) = self.doing.remove(work) else {
            return;
        };
        if let Work::Resource(uid) = work {
            for next in self.index.slots.ended(uid) {
                self.enqueue(Work::Resource(next.into()), now);
            }
        }
        let told = matches!(
            (work, &result),
            (Work::Resource(_), StepResult::StatusWritten(Ok(_)))
        );
        match (work, doing, result) {
            (Work::Resource(uid), Doing::Secret(purpose, name), result) => {
                self.secret_done(uid, &purpose, &name, result, now);
            }
            (
                Work::Resource(uid),
                Doing::Status(status, notices, refused),
                StepResult::StatusWritten(result),
            ) => {
                if result.is_ok() {
                    if refused {
                        self.observations.push(Observation::Denied);
                    }
                    if let Some(record) = self.index.resources.get_mut(uid) {
                        let notices = notices.into_iter().map(Box::new);
                        record.memory.notices.extend(notices);
                    }
                }
                self.status_done(uid, *status, result, now);
            }
            (Work::Resource(uid), Doing::Deletion, StepResult::ResourceDeleted(result)) => {
                self.resource_deleted(uid, result, now);
            }
            (Work::Store(name), Doing::Look, StepResult::Asked(asked)) => {
                self.looked(name, Some(&asked), now);
            }
            (Work::Store(name), Doing::Look, _) => self.looked(name, None, now),
            (Work::Store(name), Doing::Fetch, StepResult::Credentials(result)) => {
                self.fetched(name, result, now);
            }
            // Not tried: the store must not wait for an answer that never comes.
            (Work::Store(name), Doing::Fetch, _) => {
                if let Some(store) = self.index.stores.get_mut(name) {
                    store.not_fetched();
                }
            }
            (Work::Store(name), Doing::StoreStatus(status), StepResult::StatusWritten(result)) => {
                match result {
                    Ok(version) => {
                        if let Some(store) = self.index.stores.get_mut(name)
                            && store.seen.uid == version.uid
                        {
                            store.seen.status = *status;
                            take_newer(&mut store.seen.resource_version, version);
                        }
                    }
                    Err(failure) => return self.cluster_status_failed(work, &failure, dirty, now),
                }
            }
            (
                Work::Policy(name),
                Doing::PolicyStatus(status),
                StepResult::StatusWritten(result),
            ) => match result {
                Ok(version) => {
                    if let Some(policy) = self.index.policies.get_mut(name)
                        && policy.seen.uid == version.uid
                    {
                        policy.seen.status = *status;
                        take_newer(&mut policy.seen.resource_version, version);
                    }
                }
                Err(failure) => return self.cluster_status_failed(work, &failure, dirty, now),
            },
            // Nothing was tried, or a notice went out.
            (_, _, _) => {}
        }
        if !self.exists(work) {
            return;
        }
        if told {
            // What is left of it, an Event perhaps, waits until others have their first URL.
            self.enqueue(work.clone(), now);
        } else {
            // What has begun goes on before anything new begins.
            self.queue.push(work.clone(), priority, i64::MIN);
        }
    }

    fn exists(&self, work: &Work) -> bool {
        match work {
            Work::Resource(uid) => self.index.resources.contains_key(uid),
            Work::Store(name) => self.index.stores.contains_key(name),
            Work::Policy(name) => self.index.policies.contains_key(name),
        }
    }

    fn secret_done(
        &mut self,
        uid: &str,
        purpose: &Purpose,
        name: &str,
        result: StepResult,
        now: Timestamp,
    ) {
        match (purpose, result) {
            (Purpose::FetchSession(store, source, session), result) => {
                let result = match result {
                    StepResult::Credentials(result) => Some(result),
                    _ => None,
                };
                self.session_fetched((store, source, session), result, now);
            }
            (Purpose::Drift, StepResult::Inspected(Ok(found))) => {
                self.drift_inspected(uid, name, found.as_ref());
            }
            (Purpose::Replace, StepResult::Inspected(Ok(found))) => {
                if let Some(record) = self.index.resources.get_mut(uid) {
                    record.memory.occupied = found.is_some();
                    record.memory.inspected =
                        Some(found.map_or(Look::Nothing, |found| Look::Found(Box::new(found))));
                }
            }
            (Purpose::Removal, StepResult::Inspected(Ok(found))) => {
                self.removal_inspected(uid, found.as_ref());
            }
            (Purpose::Create | Purpose::Update, StepResult::SecretWritten(Ok(version))) => {
                self.secret_written(uid, name, version, now);
            }
            (Purpose::Create | Purpose::Update, StepResult::SecretWritten(Err(failure))) => {
                self.write_failed(uid, purpose, &failure, now);
            }
            (Purpose::MakeRoom, StepResult::SecretDeleted(Ok(()))) => {
                self.forget_secret(uid, name);
                if let Some(record) = self.index.resources.get_mut(uid) {
                    record.memory.inspected = Some(Look::Nothing);
                    record.memory.occupied = false;
                    record.memory.replace = false;
                }
            }
            (Purpose::Remove | Purpose::Supersede, StepResult::SecretDeleted(Ok(()))) => {
                self.forget_secret(uid, name);
                self.removed(uid);
            }
            (
                Purpose::Remove | Purpose::Supersede,
                StepResult::SecretDeleted(Err(ApiFailure::Conflict)),
            ) => {
                // Another version than was known; without the right to read, the uid alone was asked for, and it is
                // another Secret.
                if self.settings.secret_access == SecretAccess::None {
                    self.removed(uid);
                } else if let Some(record) = self.index.resources.get_mut(uid) {
                    record.memory.removal_in_doubt = true;
                }
            }
            (Purpose::Remove | Purpose::Supersede, StepResult::SecretDeleted(Err(failure)))
            | (Purpose::Removal, StepResult::Inspected(Err(failure))) => {
                // What cannot be removed holds up nothing that is to be written.
                let write_at = self.index.resources.get(uid);
                let write_at = write_at.and_then(|record| record.memory.retry_at);
                self.failed(uid, &failure, now);
                if let Some(record) = self.index.resources.get_mut(uid) {
                    record.memory.retry_at = write_at;
                    let pause = match consequence(&failure).retry {
                        Retry::Await => RECHECK,
                        _ => backoff(record.memory.failures.max(1), uid),
                    };
                    record.memory.removal_retry_at = Some(later(now, pause));
                }
            }
            (_, StepResult::Inspected(Err(failure)) | StepResult::SecretDeleted(Err(failure))) => {
                self.failed(uid, &failure, now);
            }
            (Purpose::List(made_for), StepResult::Listed(result)) => {
                self.listed(uid, made_for, result, now);
            }
            (Purpose::Sign, StepResult::Signed(job)) => {
                if let Some(record) = self.index.resources.get_mut(uid) {
                    match job.0 {
                        Ok(signed) => record.memory.signed = Some(Box::new(signed)),
                        Err(trouble) => {
                            record.memory.trouble = Some(trouble);
                            record.memory.retry_at = Some(later(now, RECHECK));
                        }
                    }
                }
            }
            (Purpose::Prove(sample, hash, first), StepResult::Asked(answers)) => {
                self.tried(uid, sample, &answers, (hash, *first), now);
            }
            // The step was not tried: the plan is made afresh.
            (_, _) => {
                if let Some(record) = self.index.resources.get_mut(uid) {
                    record.memory.pending = None;
                    record.memory.inspected = None;
                }
            }
        }
    }

    /// What follows from a failure, by the one table.
    pub(super) fn failed(&mut self, uid: &str, failure: &ApiFailure, now: Timestamp) {
        let what = consequence(failure);
        if let Retry::PauseAll(asked) = what.retry {
            self.pause(asked, now);
        }
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        let memory = &mut record.memory;
        memory.inspected = None;
        match what.retry {
            Retry::PauseAll(_) => {}
            Retry::Replan => {
                memory.replans += 1;
                if memory.replans > REPLANS {
                    memory.retry_at = Some(later(now, backoff(memory.replans - REPLANS, uid)));
                }
                return;
            }
            Retry::Backoff => {
                memory.failures = memory.failures.saturating_add(1);
                memory.last_failure = Some(now);
                memory.retry_at = Some(later(now, backoff(memory.failures, uid)));
                memory.trouble = Some(Trouble {
                    reason: what.reason,
                    message: what.sentence.to_owned(),
                    stalled: false,
                });
            }
            Retry::Await => {
                memory.retry_at = Some(later(now, RECHECK));
                let stalled = what.reason != Reason::NamespaceTerminating;
                memory.trouble = Some(Trouble {
                    reason: what.reason,
                    message: what.sentence.to_owned(),
                    stalled,
                });
            }
        }
        self.observations.push(Observation::Failed(what.reason));
    }

    pub(super) fn pause(&mut self, asked: Option<Duration>, now: Timestamp) {
        let until = later(
            now,
            asked
                .unwrap_or(SLOW_DOWN)
                .min(LONGEST_SLOW_DOWN)
                .max(Duration::from_secs(1)),
        );
        self.paused_until = Some(self.paused_until.map_or(until, |old| old.max(until)));
    }

    fn status_done(
        &mut self,
        uid: &str,
        new: PresignedUrlStatus,
        result: Result<ObjectVersion, ApiFailure>,
        now: Timestamp,
    ) {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        match result {
            Ok(version) => {
                if let Some(memory) = record.memory.any() {
                    memory.status_retry_at = None;
                    memory.replans = 0;
                }
                *record.seen.status = new;
                take_newer(&mut record.seen.resource_version, version);
                let store = super::index::store_name(&record.seen).to_owned();
                // A store counts all of its URLs at each look: once a second, not once a resource.
                if self.index.stores.contains_key(&store) {
                    self.queue.by(&Work::Store(store), later(now, RECOUNT));
                }
            }
            Err(failure) => {
                let what = consequence(&failure);
                let pause = match what.retry {
                    // The newer version is on its way; its arrival ends the pause.
                    Retry::Replan | Retry::Backoff => backoff(record.memory.replans.max(1), uid),
                    Retry::Await => RECHECK,
                    Retry::PauseAll(asked) => {
                        self.pause(asked, now);
                        return;
                    }
                };
                record.memory.replans = record.memory.replans.saturating_add(1);
                record.memory.status_retry_at = Some(later(now, pause));
                if what.retry != Retry::Replan {
                    self.observations.push(Observation::Failed(what.reason));
                }
            }
        }
    }

    fn cluster_status_failed(
        &mut self,
        work: &Work,
        failure: &ApiFailure,
        dirty: bool,
        now: Timestamp,
    ) {
        let what = consequence(failure);
        if let Retry::PauseAll(asked) = what.retry {
            self.pause(asked, now);
        }
        if what.retry != Retry::Replan {
            self.observations.push(Observation::Failed(what.reason));
        }
        if dirty {
            self.enqueue(work.clone(), now);
        } else {
            self.queue.at(work, Some(later(now, STATUS_PAUSE)));
        }
    }
}

/// The answer to a write is newer than what was known, unless the watch was faster.
fn take_newer(known: &mut String, version: ObjectVersion) {
    if let Some(new) = version.resource_version
        && !super::index::older(&new, known)
    {
        *known = new;
    }
}

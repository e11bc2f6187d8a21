//! What became of a step: the results are taken up here, and the plan is made again.
//!
//! What holds here: every result of every step has its line. A failure goes through the one table of failures; what was
//! not done is never taken for done.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::Problem;
use crate::api::{PresignedUrlStatus, Reason};
use crate::engine::cache::state::Look;
use crate::engine::evaluate::reissue::{Purpose, RECHECK};
use crate::engine::protocol::SecretAccess;
use crate::engine::protocol::{ApiError, Retry, classify};
use crate::engine::protocol::{ObjectKey, ObjectVersion, StepResult};
use crate::engine::{Engine, InFlight, Observation};
use crate::issue::backoff;
use crate::time::{later, whole};

/// Looks that may follow each other at once; then a pause comes between.
const REPLANS: u32 = 5;
/// The pause of everything where the API server asks for one and does not say how long.
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// The longest pause of everything: a server's word is not believed beyond it.
const MAX_SLOW_DOWN: Duration = Duration::from_mins(1);
/// Between two counts of a store's URLs.
pub(in crate::engine) const RECOUNT: Duration = Duration::from_secs(1);
/// Between two tries of a store's or policy's status.
const STATUS_PAUSE: Duration = Duration::from_secs(15);

impl Engine {
    /// Tells what became of a step.
    pub fn done(&mut self, work: &ObjectKey, result: StepResult, now: Timestamp) {
        let now = whole(now);
        let Some((priority, dirty)) = self.queue.end(work) else {
            return;
        };
        let Some(in_flight) = self.in_flight.remove(work) else {
            return;
        };
        if let ObjectKey::Resource(uid) = work {
            for next in self.index.limiter.ended(uid) {
                self.enqueue(ObjectKey::Resource(next.into()), now);
            }
        }
        let recorded = matches!(
            (work, &result),
            (ObjectKey::Resource(_), StepResult::StatusWritten(Ok(_)))
        );
        match (work, in_flight, result) {
            (ObjectKey::Resource(uid), InFlight::Secret(purpose, name), result) => {
                self.secret_done(uid, &purpose, &name, result, now);
            }
            (
                ObjectKey::Resource(uid),
                InFlight::Status(status, notices, refused),
                StepResult::StatusWritten(result),
            ) => {
                if result.is_ok() {
                    if refused {
                        self.observations.push(Observation::Denied);
                    }
                    if let Some(record) = self.index.resources.get_mut(uid) {
                        let notices = notices.into_iter().map(Box::new);
                        record.state.notices.extend(notices);
                    }
                }
                self.status_done(uid, *status, result, now);
            }
            (ObjectKey::Resource(uid), InFlight::Deletion, StepResult::ResourceDeleted(result)) => {
                self.resource_deleted(uid, result, now);
            }
            (ObjectKey::Store(name), InFlight::Look, StepResult::Responses(asked)) => {
                self.looked(name, Some(&asked), now);
            }
            (ObjectKey::Store(name), InFlight::Look, _) => self.looked(name, None, now),
            (ObjectKey::Store(name), InFlight::Fetch, StepResult::Credentials(result)) => {
                self.fetched(name, result, now);
            }
            // Not tried: the store must not wait for an answer that never comes.
            (ObjectKey::Store(name), InFlight::Fetch, _) => {
                if let Some(store) = self.index.stores.get_mut(name) {
                    store.not_fetched();
                }
            }
            (
                ObjectKey::Store(name),
                InFlight::StoreStatus(status),
                StepResult::StatusWritten(result),
            ) => match result {
                Ok(version) => {
                    if let Some(store) = self.index.stores.get_mut(name)
                        && store.seen.uid == version.uid
                    {
                        store.seen.status = *status;
                        take_newer(&mut store.seen.resource_version, version);
                    }
                }
                Err(failure) => return self.cluster_status_failed(work, &failure, dirty, now),
            },
            (
                ObjectKey::Policy(name),
                InFlight::PolicyStatus(status),
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
        if recorded {
            // What is left of it, an Event perhaps, waits until others have their first URL.
            self.enqueue(work.clone(), now);
        } else {
            // What has begun goes on before anything new begins.
            self.queue.push(work.clone(), priority, i64::MIN);
        }
    }

    fn exists(&self, work: &ObjectKey) -> bool {
        match work {
            ObjectKey::Resource(uid) => self.index.resources.contains_key(uid),
            ObjectKey::Store(name) => self.index.stores.contains_key(name),
            ObjectKey::Policy(name) => self.index.policies.contains_key(name),
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
                    record.state.name_taken = found.is_some();
                    record.state.inspected =
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
                    record.state.inspected = Some(Look::Nothing);
                    record.state.name_taken = false;
                    record.state.recreate = false;
                }
            }
            (Purpose::Remove | Purpose::Supersede, StepResult::SecretDeleted(Ok(()))) => {
                self.forget_secret(uid, name);
                self.removed(uid);
            }
            (
                Purpose::Remove | Purpose::Supersede,
                StepResult::SecretDeleted(Err(ApiError::Conflict)),
            ) => {
                // Another version than was known; without the right to read, the uid alone was asked for, and it is
                // another Secret.
                if self.settings.secret_access == SecretAccess::None {
                    self.removed(uid);
                } else if let Some(record) = self.index.resources.get_mut(uid) {
                    record.state.removal_in_doubt = true;
                }
            }
            (Purpose::Remove | Purpose::Supersede, StepResult::SecretDeleted(Err(failure)))
            | (Purpose::Removal, StepResult::Inspected(Err(failure))) => {
                // What cannot be removed holds up nothing that is to be written.
                let write_at = self.index.resources.get(uid);
                let write_at = write_at.and_then(|record| record.state.retry_at);
                self.failed(uid, &failure, now);
                if let Some(record) = self.index.resources.get_mut(uid) {
                    record.state.retry_at = write_at;
                    let pause = match classify(&failure).retry {
                        Retry::OnChange => RECHECK,
                        _ => backoff(record.state.failures.max(1), uid),
                    };
                    record.state.removal_retry_at = Some(later(now, pause));
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
                        Ok(signed) => record.state.signed = Some(Box::new(signed)),
                        Err(problem) => {
                            record.state.problem = Some(problem);
                            record.state.retry_at = Some(later(now, RECHECK));
                        }
                    }
                }
            }
            (Purpose::Prove(sample, hash, first), StepResult::Responses(answers)) => {
                self.tried(uid, sample, &answers, (hash, *first), now);
            }
            // The step was not tried: the plan is made afresh.
            (_, _) => {
                if let Some(record) = self.index.resources.get_mut(uid) {
                    record.state.in_progress = None;
                    record.state.inspected = None;
                }
            }
        }
    }

    /// What follows from a failure, by the one table.
    pub(in crate::engine) fn failed(&mut self, uid: &str, failure: &ApiError, now: Timestamp) {
        let what = classify(failure);
        if let Retry::ThrottleAll(asked) = what.retry {
            self.pause(asked, now);
        }
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        let state = &mut record.state;
        state.inspected = None;
        match what.retry {
            Retry::ThrottleAll(_) => {}
            Retry::Immediately => {
                state.immediate_retries += 1;
                if state.immediate_retries > REPLANS {
                    state.retry_at =
                        Some(later(now, backoff(state.immediate_retries - REPLANS, uid)));
                }
                return;
            }
            Retry::Backoff => {
                state.failures = state.failures.saturating_add(1);
                state.last_failure = Some(now);
                state.retry_at = Some(later(now, backoff(state.failures, uid)));
                state.problem = Some(Problem {
                    reason: what.reason,
                    message: what.sentence.to_owned(),
                    needs_human: false,
                });
            }
            Retry::OnChange => {
                state.retry_at = Some(later(now, RECHECK));
                let needs_human = what.reason != Reason::NamespaceTerminating;
                state.problem = Some(Problem {
                    reason: what.reason,
                    message: what.sentence.to_owned(),
                    needs_human,
                });
            }
        }
        self.observations.push(Observation::Failed(what.reason));
    }

    pub(in crate::engine) fn pause(&mut self, asked: Option<Duration>, now: Timestamp) {
        let until = later(
            now,
            asked
                .unwrap_or(SLOW_DOWN)
                .min(MAX_SLOW_DOWN)
                .max(Duration::from_secs(1)),
        );
        self.paused_until = Some(self.paused_until.map_or(until, |old| old.max(until)));
    }

    fn status_done(
        &mut self,
        uid: &str,
        new: PresignedUrlStatus,
        result: Result<ObjectVersion, ApiError>,
        now: Timestamp,
    ) {
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        match result {
            Ok(version) => {
                if let Some(state) = record.state.any() {
                    state.status_retry_at = None;
                    state.immediate_retries = 0;
                }
                *record.seen.status = new;
                take_newer(&mut record.seen.resource_version, version);
                let store = crate::engine::cache::index::store_name(&record.seen).to_owned();
                // A store counts all of its URLs at each look: once a second, not once a resource.
                if self.index.stores.contains_key(&store) {
                    self.queue.by(&ObjectKey::Store(store), later(now, RECOUNT));
                }
            }
            Err(failure) => {
                let what = classify(&failure);
                let pause = match what.retry {
                    // The newer version is on its way; its arrival ends the pause.
                    Retry::Immediately | Retry::Backoff => {
                        backoff(record.state.immediate_retries.max(1), uid)
                    }
                    Retry::OnChange => RECHECK,
                    Retry::ThrottleAll(asked) => {
                        self.pause(asked, now);
                        return;
                    }
                };
                record.state.immediate_retries = record.state.immediate_retries.saturating_add(1);
                record.state.status_retry_at = Some(later(now, pause));
                if what.retry != Retry::Immediately {
                    self.observations.push(Observation::Failed(what.reason));
                }
            }
        }
    }

    fn cluster_status_failed(
        &mut self,
        work: &ObjectKey,
        failure: &ApiError,
        dirty: bool,
        now: Timestamp,
    ) {
        let what = classify(failure);
        if let Retry::ThrottleAll(asked) = what.retry {
            self.pause(asked, now);
        }
        if what.retry != Retry::Immediately {
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
        && !crate::engine::cache::index::older(&new, known)
    {
        *known = new;
    }
}

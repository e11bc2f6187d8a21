//! The plans of stores and policies: credentials, and what their statuses say.
//!
//! What holds here: one fetch a store at a time; a change of a store is spread over those that depend on it, nearest expiry
//! first; counts are written at most every ten seconds, and a resync that finds nothing new writes nothing.

mod status;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::access::store_session_name;
use crate::api::{
    ClusterObjectStoreStatus, ConditionStatus, ConditionType, PresignedUrlPolicyStatus, Reason,
    set_condition,
};
use crate::engine::cache::index::{Record, Watched, all};
use crate::engine::cache::relist::{Delta, named};
use crate::engine::evaluate::evaluation::{Evaluation, evaluate};
use crate::engine::evaluate::one_shot::contradicted;
use crate::engine::evaluate::reissue::issued;
use crate::engine::protocol::CredentialsError;
use crate::engine::protocol::S3Result;
use crate::engine::protocol::{Change, StoreSeen};
use crate::engine::protocol::{CredentialSource, ObjectKey, ObjectVersion, Session, Step, Uid};
use crate::engine::store::{Looked, Store, Updated};
use crate::engine::{Engine, InFlight, Next, Observation};
use crate::policy::Bucket;
use crate::signing::Credentials;
use crate::time::later;

/// Between two writes of a store's counts.
const COUNT_PAUSE: Duration = Duration::from_secs(10);
/// Dependents that are judged at most to find a bucket to look into.
const MAX_JUDGED: usize = 1000;

impl Engine {
    /// Applies a change of a store.
    pub(in crate::engine) fn on_store(
        &mut self,
        change: Change<StoreSeen>,
        now: Timestamp,
    ) -> Vec<ObjectKey> {
        let index = &mut self.index;
        let known = index.stores.keys().map(named);
        let place = |seen: &StoreSeen| named(&seen.name);
        match index.relists.apply(Watched::Stores, change, place, known) {
            Delta::Present(seen) => self.put_store(seen, now),
            Delta::Removed(seen) => self.drop_store(&seen.name),
            Delta::Absent(names) => all(names, |(name, _)| self.drop_store(&name)),
        }
    }

    fn put_store(&mut self, seen: StoreSeen, now: Timestamp) -> Vec<ObjectKey> {
        let name = seen.name.clone();
        let work = ObjectKey::Store(name.clone());
        match self.index.stores.get_mut(&name) {
            Some(known)
                if crate::engine::cache::index::older(
                    &seen.resource_version,
                    &known.seen.resource_version,
                ) =>
            {
                return Vec::new();
            }
            Some(known) => match known.update(seen, now) {
                Updated::Same | Updated::OnTrial => return vec![work],
                Updated::Changed => {}
            },
            None => {
                let mut store = Store::new(seen);
                if let Some(skew) = self.api_clock {
                    store.clocks.read_api(skew);
                }
                self.index.stores.insert(name.clone(), store);
            }
        }
        let mut concerned = self.spec_in_use(&name, now);
        concerned.push(work);
        concerned
    }

    /// Another spec of a store is in use: nothing that stood in the way of its dependents before is a reason to wait.
    fn spec_in_use(&mut self, store: &str, now: Timestamp) -> Vec<ObjectKey> {
        let concerned = self.dependents(store);
        for work in &concerned {
            if let ObjectKey::Resource(uid) = work
                && let Some(record) = self.index.resources.get_mut(uid)
            {
                record.state.retry_at = None;
            }
        }
        self.spread(store, now, false);
        concerned
    }

    /// The API server's clock was read: stores of which that makes a difference are concerned, and who waits for them.
    pub(in crate::engine) fn on_api_clock(&mut self, skew: SignedDuration) -> Vec<ObjectKey> {
        let before = self.api_clock.replace(skew);
        let mut concerned = Vec::new();
        if before.is_none() || contradicted(before) != contradicted(self.api_clock) {
            // What has ended is taken away by a clock that is not contradicted only.
            concerned.extend(
                self.index
                    .resources
                    .keys()
                    .cloned()
                    .map(ObjectKey::Resource),
            );
        }
        for (name, store) in &mut self.index.stores {
            let before = store.clocks.condition();
            store.clocks.read_api(skew);
            if store.clocks.condition() == before {
                continue;
            }
            concerned.push(ObjectKey::Store(name.clone()));
            for uid in std::mem::take(&mut store.waiting) {
                if let Some(record) = self.index.resources.get_mut(&uid) {
                    record.state.retry_at = None;
                }
                concerned.push(ObjectKey::Resource(uid));
            }
        }
        concerned
    }

    fn drop_store(&mut self, name: &str) -> Vec<ObjectKey> {
        self.index.stores.remove(name);
        self.queue.forget(&ObjectKey::Store(name.to_owned()));
        self.dependents(name)
    }

    fn dependents(&self, store: &str) -> Vec<ObjectKey> {
        self.index
            .of_store(store)
            .map(|uid| ObjectKey::Resource(uid.clone()))
            .collect()
    }

    /// Gives each dependent its time within `--resign-within`, nearest expiry first. With `key_only`, only those that
    /// another key signed.
    fn spread(&mut self, store: &str, now: Timestamp, key_only: bool) -> Vec<Uid> {
        let hash = self
            .index
            .stores
            .get(store)
            .and_then(|s| s.held.as_ref())
            .map(|held| held.hash.clone());
        let mut affected: Vec<(Timestamp, Uid)> = self
            .index
            .of_store(store)
            .filter_map(|uid| {
                let record = self.index.resources.get(uid)?;
                let issued = issued(record)?;
                let another_key = Some(&issued.hashes.credential) != hash.as_ref();
                (another_key || !key_only).then(|| (issued.expires_at, uid.clone()))
            })
            .collect();
        affected.sort();
        let count = u32::try_from(affected.len()).unwrap_or(u32::MAX).max(1);
        let gap = self.settings.resign_within / count;
        for (at, (_, uid)) in affected.iter().enumerate() {
            if let Some(record) = self.index.resources.get_mut(uid) {
                let slot = later(now, gap * u32::try_from(at).unwrap_or(u32::MAX));
                // A turn that has passed was that of an earlier change, and says nothing of this one.
                let planned = record.state.resign_at.filter(|planned| *planned > now);
                record.state.resign_at = Some(planned.map_or(slot, |planned| planned.min(slot)));
            }
        }
        affected.into_iter().map(|(_, uid)| uid).collect()
    }

    pub(in crate::engine) fn plan_store(&mut self, name: &str, now: Timestamp) -> Next {
        if !self.settings.whole_cluster && self.index.of_store(name).next().is_none() {
            return Next::Idle(None);
        }
        let Some(store) = self.index.stores.get_mut(name) else {
            return Next::Idle(None);
        };
        if let Some(source) = store.fetch_now(now) {
            return Next::Step(
                Step::FetchCredentials {
                    store: name.to_owned(),
                    source: Box::new(source),
                    session: Session {
                        name: store_session_name(name),
                        policy: None,
                    },
                },
                InFlight::Fetch,
            );
        }
        if let Some(next) = self.look(name, now) {
            return next;
        }
        self.redate(name, now);
        let Some(store) = self.index.stores.get(name) else {
            return Next::Idle(None);
        };
        let requeue = store.wake().into_iter().chain(store.look_at(now)).min();
        let (desired, counted) = self.store_status(store, now);
        let old = &store.seen.status;
        if desired == *old {
            return Next::Idle(requeue);
        }
        // Counts and dates alone can wait a little; what a person waits for cannot.
        let said = |status: &ClusterObjectStoreStatus| {
            status
                .conditions
                .iter()
                .map(|c| (c.type_.clone(), c.status, c.reason.clone()))
                .collect::<Vec<_>>()
        };
        if counted
            && said(&desired) == said(old)
            && let Some(at) = store.status_written_at
            && later(at, COUNT_PAUSE) > now
        {
            let next = later(at, COUNT_PAUSE);
            return Next::Idle(Some(requeue.map_or(next, |requeue| requeue.min(next))));
        }
        let step = Step::WriteStoreStatus {
            name: name.to_owned(),
            target: ObjectVersion {
                uid: store.seen.uid.clone(),
                resource_version: Some(store.seen.resource_version.clone()),
            },
            status: Box::new(desired.clone()),
        };
        if let Some(store) = self.index.stores.get_mut(name) {
            store.status_written_at = Some(now);
        }
        Next::Step(step, InFlight::StoreStatus(Box::new(desired)))
    }

    /// Signs everything again where the store's clock is not what it was dated by any more: it would die before its end.
    fn redate(&mut self, name: &str, now: Timestamp) {
        if !self.index.stores.get_mut(name).is_some_and(Store::redates) {
            return;
        }
        for uid in self.spread(name, now, false) {
            if let Some(record) = self.index.resources.get_mut(&uid) {
                record.state.signed_by_wrong_clock = true;
            }
            self.enqueue(ObjectKey::Resource(uid), now);
        }
    }

    pub(in crate::engine) fn plan_policy(&mut self, name: &str, now: Timestamp) -> Next {
        let Some(policy) = self.index.policies.get(name) else {
            return Next::Idle(None);
        };
        let (ready, reason, message) = match &policy.broken {
            None => (
                ConditionStatus::True,
                Reason::InForce,
                "the policy is in force".to_owned(),
            ),
            Some(why) => (
                ConditionStatus::False,
                Reason::PolicyInvalid,
                format!("the policy allows nothing until it can be read: {why}"),
            ),
        };
        let generation = Some(policy.seen.generation);
        let mut conditions = policy.seen.status.conditions.clone();
        set_condition(
            &mut conditions,
            ConditionType::Ready,
            ready,
            (reason, message),
            generation,
            now,
        );
        let desired = PresignedUrlPolicyStatus {
            observed_generation: generation,
            conditions,
        };
        if desired == policy.seen.status {
            return Next::Idle(None);
        }
        let step = Step::WritePolicyStatus {
            name: name.to_owned(),
            target: ObjectVersion {
                uid: policy.seen.uid.clone(),
                resource_version: Some(policy.seen.resource_version.clone()),
            },
            status: Box::new(desired.clone()),
        };
        Next::Step(step, InFlight::PolicyStatus(Box::new(desired)))
    }

    /// The look at a store that is due, in a bucket that a dependent may use.
    fn look(&mut self, name: &str, now: Timestamp) -> Option<Next> {
        // A second one where a change was on trial and what is in use is due as well; what cannot be signed is no step.
        for _ in 0..3 {
            if !self.index.stores.get(name)?.look_due(now) {
                return None;
            }
            let mut bucket = self.bucket_of(name, true, now);
            if bucket.is_none() && self.index.stores.get(name)?.has_passed_any() {
                bucket = self.bucket_of(name, false, now);
            }
            let store = self.index.stores.get_mut(name)?;
            let Some(bucket) = bucket else {
                let looked = store.nobody_to_try_for(now);
                self.adopted(name, looked, now);
                return None;
            };
            if let Some((asks, ca_bundle)) = store.begin_look(&bucket, now) {
                let step = Step::SendRequests {
                    store: name.to_owned(),
                    asks,
                    ca_bundle,
                };
                return Some(Next::Step(step, InFlight::Look));
            }
            self.adopted(name, Looked::Nothing, now);
        }
        None
    }

    /// A bucket that the policies let a dependent use: who may ask for nothing cannot choose where the operator looks.
    /// With `fresh`, only one that did not yet say nothing of the store.
    fn bucket_of(&self, name: &str, fresh: bool, now: Timestamp) -> Option<Bucket> {
        let store = self.index.stores.get(name)?;
        let passed = |record: &Record| {
            let spec = record.seen.spec.as_ref().ok();
            fresh && spec.is_some_and(|spec| store.has_passed(&spec.bucket, now))
        };
        let dependents = store.waiting.iter().chain(self.index.of_store(name));
        dependents
            .filter_map(|uid| self.index.resources.get(uid))
            .filter(|record| self.serves(record) && !record.seen.deleting && !passed(record))
            .take(MAX_JUDGED)
            .find_map(|record| {
                match evaluate(&self.index, &self.settings, &self.reserved, record) {
                    Evaluation::Allowed(inputs) => Some(inputs.authorized.request.bucket.clone()),
                    Evaluation::StoreUnusable { authorized, .. } => {
                        Some(authorized.request.bucket.clone())
                    }
                    Evaluation::Invalid(_)
                    | Evaluation::Denied(_)
                    | Evaluation::Undetermined(_) => None,
                }
            })
    }

    /// Takes up the answers of a look; `None` where it was not tried.
    pub(in crate::engine) fn looked(
        &mut self,
        name: &str,
        asked: Option<&[S3Result]>,
        now: Timestamp,
    ) {
        let Some(store) = self.index.stores.get_mut(name) else {
            return;
        };
        // What one tenant's bucket says is not the store's word while there is another bucket to ask.
        if store.passes(asked) {
            let another = self.bucket_of(name, true, now).is_some();
            if let Some(store) = self.index.stores.get_mut(name) {
                if another {
                    return store.look_elsewhere();
                }
                store.looked_everywhere();
            }
        }
        let Some(store) = self.index.stores.get_mut(name) else {
            return;
        };
        let looked = store.looked(asked, now);
        if let Some((true, reason, _)) = store.trouble() {
            self.observations.push(Observation::Failed(reason));
        }
        self.adopted(name, looked, now);
    }

    /// Who waited for a look goes on; what a change concerns is signed again in its turn.
    fn adopted(&mut self, name: &str, looked: Looked, now: Timestamp) {
        self.wake_waiting(name, now);
        let concerned: Vec<ObjectKey> = match looked {
            Looked::Nothing => Vec::new(),
            Looked::Credentials => {
                let spread = self.spread(name, now, true);
                spread.into_iter().map(ObjectKey::Resource).collect()
            }
            Looked::Spec => self.spec_in_use(name, now),
        };
        for work in concerned {
            self.enqueue(work, now);
        }
    }

    fn wake_waiting(&mut self, name: &str, now: Timestamp) {
        let Some(store) = self.index.stores.get_mut(name) else {
            return;
        };
        let waiting = std::mem::take(&mut store.waiting);
        self.wake_all(waiting, now);
    }

    fn wake_all(&mut self, waiting: BTreeSet<Uid>, now: Timestamp) {
        for uid in waiting {
            if let Some(record) = self.index.resources.get_mut(&uid) {
                record.state.retry_at = None;
            }
            self.enqueue(ObjectKey::Resource(uid), now);
        }
    }

    /// Takes up the result of a fetch: those that waited go on, and those of another key are signed again in their turn.
    pub(in crate::engine) fn fetched(
        &mut self,
        name: &str,
        result: Result<Credentials, CredentialsError>,
        now: Timestamp,
    ) {
        if let Err(failure) = &result {
            self.observations.push(Observation::Failed(failure.reason));
        }
        let Some(store) = self.index.stores.get(name) else {
            return;
        };
        // Only the first fetch since the start asks, where nothing else tells what is in use.
        let living: BTreeSet<String> = if store.held.is_none() {
            let records = self.index.of_store(name);
            records
                .filter_map(|uid| issued(self.index.resources.get(uid)?))
                .filter(|issued| issued.alive(now))
                .map(|issued| issued.hashes.credential)
                .collect()
        } else {
            BTreeSet::new()
        };
        let Some(store) = self.index.stores.get_mut(name) else {
            return;
        };
        let others = |hash: &str| living.iter().any(|living| living != hash);
        let looked = if store.fetched(result, others, now) {
            Looked::Credentials
        } else {
            Looked::Nothing
        };
        self.adopted(name, looked, now);
    }

    /// Takes up the end of a session's fetch: those that waited for it go on.
    pub(in crate::engine) fn session_fetched(
        &mut self,
        (name, source, session): (&str, &CredentialSource, &Session),
        result: Option<Result<Credentials, CredentialsError>>,
        now: Timestamp,
    ) {
        if let Some(Err(failure)) = &result {
            self.observations.push(Observation::Failed(failure.reason));
        }
        if let Some(store) = self.index.stores.get_mut(name) {
            let waited = store.session_fetched(session, source, result, now);
            self.wake_all(waited, now);
        }
    }
}

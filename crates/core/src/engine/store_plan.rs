//! The plans of stores and policies: credentials, and what their statuses say.
//!
//! What holds here: one fetch a store at a time; a change of a store is spread over those that depend on it, nearest expiry
//! first; counts are written at most every ten seconds, and a resync that finds nothing new writes nothing.

use std::time::Duration;

use jiff::Timestamp;

use super::event::{Change, StoreSeen};
use super::failure::CredentialsFailure;
use super::index::{Framed, Watched, absent};
use super::plan::{counts, issued};
use super::step::{ObjectVersion, Session, Step, Work};
use super::store::Store;
use super::store::session_name;
use super::time::later;
use super::{Doing, Engine, Next, Observation};
use crate::api::{
    ClusterObjectStoreStatus, ConditionStatus, ConditionType, PresignedUrlPolicyStatus, Reason,
    UrlCounts, set_condition,
};
use crate::signing::Credentials;

/// Between two writes of a store's counts.
const COUNT_PAUSE: Duration = Duration::from_secs(10);

impl Engine {
    /// Applies a change of a store.
    pub(super) fn on_store(&mut self, change: Change<StoreSeen>, now: Timestamp) -> Vec<Work> {
        let framed = self.index.frame(Watched::Stores, &change, |seen| {
            (seen.name.clone(), String::new())
        });
        let mut concerned = Vec::new();
        match framed {
            Framed::Begun => {}
            Framed::Gone(seen) => concerned.extend(self.drop_store(&seen.name)),
            Framed::Done(listed) => {
                let gone = absent(self.index.stores.keys(), |name| {
                    listed.contains(&(name.clone(), String::new()))
                });
                for name in gone {
                    concerned.extend(self.drop_store(&name));
                }
            }
            Framed::There => {
                if let Change::InitApply(seen) | Change::Apply(seen) = change {
                    concerned.extend(self.put_store(seen, now));
                }
            }
        }
        concerned
    }

    fn put_store(&mut self, seen: StoreSeen, now: Timestamp) -> Vec<Work> {
        let name = seen.name.clone();
        let work = Work::Store(name.clone());
        match self.index.stores.get_mut(&name) {
            Some(known)
                if super::index::older(&seen.resource_version, &known.seen.resource_version) =>
            {
                return Vec::new();
            }
            Some(known) => {
                if !known.update(seen) {
                    return vec![work];
                }
            }
            None => {
                self.index.stores.insert(name.clone(), Store::new(seen));
            }
        }
        let mut concerned = self.dependents(&name);
        for work in &concerned {
            if let Work::Resource(uid) = work
                && let Some(record) = self.index.resources.get_mut(uid)
            {
                record.memory.retry_at = None;
            }
        }
        self.spread(&name, now, false);
        concerned.push(work);
        concerned
    }

    fn drop_store(&mut self, name: &str) -> Vec<Work> {
        self.index.stores.remove(name);
        self.queue.forget(&Work::Store(name.to_owned()));
        self.dependents(name)
    }

    fn dependents(&self, store: &str) -> Vec<Work> {
        self.index
            .of_store(store)
            .map(|uid| Work::Resource(uid.clone()))
            .collect()
    }

    /// Gives each dependent its time within `--resign-within`, nearest expiry first. With `key_only`, only those that
    /// another key signed.
    fn spread(&mut self, store: &str, now: Timestamp, key_only: bool) -> Vec<String> {
        let hash = self
            .index
            .stores
            .get(store)
            .and_then(|s| s.held.as_ref())
            .map(|held| held.hash.clone());
        let mut affected: Vec<(Timestamp, String)> = self
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
                let planned = record.memory.resign_at.filter(|planned| *planned > now);
                record.memory.resign_at = Some(planned.map_or(slot, |planned| planned.min(slot)));
            }
        }
        affected.into_iter().map(|(_, uid)| uid).collect()
    }

    pub(super) fn plan_store(&mut self, name: &str, now: Timestamp) -> Next {
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
                        name: session_name(name),
                        policy: None,
                    },
                },
                Doing::Fetch,
            );
        }
        let Some(store) = self.index.stores.get(name) else {
            return Next::Idle(None);
        };
        let wake = store.wake();
        let (desired, counted) = self.store_status(store, now);
        let old = &store.seen.status;
        if desired == *old {
            return Next::Idle(wake);
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
            return Next::Idle(Some(wake.map_or(next, |wake| wake.min(next))));
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
        Next::Step(step, Doing::StoreStatus(Box::new(desired)))
    }

    /// The status that tells the truth of a store, and whether its URLs could be counted.
    fn store_status(&self, store: &Store, now: Timestamp) -> (ClusterObjectStoreStatus, bool) {
        let old = &store.seen.status;
        let (ready, reason, message) = match (&store.compiled, &store.failure, &store.held) {
            (Err(why), _, _) => (false, Reason::StoreInvalid, why.clone()),
            (Ok(_), Some(failure), held) => {
                let still = held
                    .as_ref()
                    .filter(|held| held.credentials.expires_at.is_none_or(|end| now < end));
                let and = still.map_or(
                    "",
                    |_| "; the credentials that were fetched before are still used",
                );
                (false, failure.reason, format!("{}{and}", failure.message))
            }
            (Ok(_), None, Some(_)) => (
                true,
                Reason::CredentialsReady,
                "credentials are at hand; they are first tried when a URL is used".into(),
            ),
            // Not fetched yet: what the status says stands until something else is known.
            (Ok(_), None, None) => return (old.clone(), false),
        };
        let generation = Some(store.seen.generation);
        let mut conditions = old.conditions.clone();
        set_condition(
            &mut conditions,
            ConditionType::Ready,
            ready.into(),
            (reason, message),
            generation,
            now,
        );
        let mut urls = UrlCounts::default();
        let counted = store.held.is_some();
        if counted {
            let records = self
                .index
                .of_store(&store.seen.name)
                .filter_map(|uid| self.index.resources.get(uid));
            for current in records.filter_map(|record| counts(&self.index, record, now)) {
                urls.total += 1;
                urls.on_current_credentials += u32::from(current);
            }
            let (status, reason) = if urls.total == urls.on_current_credentials {
                (ConditionStatus::True, Reason::RolledOut)
            } else {
                (ConditionStatus::False, Reason::RollingOut)
            };
            let message = match reason {
                Reason::RolledOut => "every living URL was signed with the current credentials and endpoint".to_owned(),
                _ => "living URLs of earlier credentials or another endpoint are being replaced: status.urls counts them"
                    .to_owned(),
            };
            set_condition(
                &mut conditions,
                ConditionType::CredentialsRolledOut,
                status,
                (reason, message),
                generation,
                now,
            );
        }
        let end = store
            .held
            .as_ref()
            .and_then(|held| held.credentials.expires_at);
        // A new session of the same role is no news while the one that was told still lives.
        let told = old
            .credentials_expire_at
            .filter(|told| now < *told && end.is_some());
        let status = ClusterObjectStoreStatus {
            observed_generation: generation,
            conditions,
            credentials_expire_at: told.or(end),
            urls: if counted { Some(urls) } else { old.urls },
            absence_budget: None,
        };
        (status, counted)
    }

    pub(super) fn plan_policy(&mut self, name: &str, now: Timestamp) -> Next {
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
        Next::Step(step, Doing::PolicyStatus(Box::new(desired)))
    }

    /// Takes up the result of a fetch: those that waited go on, and those of another key are signed again in their turn.
    pub(super) fn fetched(
        &mut self,
        name: &str,
        result: Result<Credentials, CredentialsFailure>,
        now: Timestamp,
    ) {
        let Some(store) = self.index.stores.get_mut(name) else {
            return;
        };
        if let Err(failure) = &result {
            self.observations.push(Observation::Failed(failure.reason));
        }
        let changed = store.fetched(result, now);
        let waiting = std::mem::take(&mut store.waiting);
        let mut concerned: Vec<String> = waiting.into_iter().collect();
        for uid in &concerned {
            if let Some(record) = self.index.resources.get_mut(uid) {
                record.memory.retry_at = None;
            }
        }
        if changed {
            concerned.extend(self.spread(name, now, true));
        }
        for uid in concerned {
            self.enqueue(Work::Resource(uid), now);
        }
    }
}

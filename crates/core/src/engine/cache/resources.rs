//! Changes of PresignedURLs.
//!
//! What holds here:
//! - A newer version keeps the state of a resource. Another generation of the spec resets what the old spec
//!   caused.
//! - What lies beyond the share of its namespace is known, and not kept.
//! - The index finds a resource by its namespace, its store and its Secret.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use crate::api::{ConditionType, PresignedUrlStatus, Reason, condition};
use crate::engine::cache::index::Index;
use crate::engine::cache::record::{Kept, Record, secret_names, store_name};
use crate::engine::cache::relist::{Delta, Watched, drop_all};
use crate::engine::cache::shares::Shares;
use crate::engine::cache::state::ReconcileState;
use crate::engine::cache::version::older;
use crate::engine::protocol::{Change, ObjectKey, PresignedUrlSeen, Uid};
use crate::engine::scheduler::event_rate::EventRate;
use crate::issue::data_hash;

/// The longest renewal request that the status holds unchanged, in bytes.
const MAX_REQUEST: usize = 128;

impl Index {
    /// Applies a change of a PresignedURL.
    pub(in crate::engine) fn resource_changed(
        &mut self,
        change: Change<PresignedUrlSeen>,
    ) -> Vec<ObjectKey> {
        let identity = |seen: &PresignedUrlSeen| (seen.namespace.clone(), seen.uid.to_string());
        if let Change::InitApply(seen) = &change
            && let Some(known) = self.resources.get(&seen.uid)
        {
            let (shown, known) = (&seen.resource_version, &known.seen.resource_version);
            self.relists
                .listed(Watched::Resources, &identity(seen), shown, known);
        }
        let known = self.resources.iter().map(|(uid, record)| {
            let namespace = record.seen.namespace.clone();
            (namespace, uid.to_string())
        });
        match self
            .relists
            .apply(Watched::Resources, change, identity, known)
        {
            Delta::Present(seen) => self.put_resource(seen),
            Delta::Removed(seen) => self.drop_resource(&seen.uid),
            Delta::Absent(uids) => drop_all(uids, |(_, uid)| self.drop_resource(&uid)),
        }
    }

    /// A PresignedURL was read whose spec was not kept.
    pub(in crate::engine) fn resource_read(&mut self, seen: PresignedUrlSeen) -> Vec<ObjectKey> {
        // Another one of its name is left to the watch.
        if self.resources.contains_key(&seen.uid) {
            return self.put_resource(seen);
        }
        Vec::new()
    }

    /// Stores a PresignedURL; an outdated version is ignored.
    fn put_resource(&mut self, mut seen: PresignedUrlSeen) -> Vec<ObjectKey> {
        seen.renew_request = seen.renew_request.map(short_request);
        let uid = seen.uid.clone();
        let mut requested = false;
        let known = self.resources.get(&uid);
        let event_rate = known.map_or_else(EventRate::default, |known| known.event_rate);
        let all_ours = known.is_some_and(|known| known.all_ours);
        let state = match known {
            Some(known) if older(&seen.resource_version, &known.seen.resource_version) => {
                return Vec::new();
            }
            Some(known)
                if seen.resource_version == known.seen.resource_version
                    && (known.kept == Kept::Whole || self.shares.is_beyond(&seen)) =>
            {
                return Vec::new();
            }
            Some(_) => self.unlink(&uid).map(|record| {
                let mut state = record.state;
                requested =
                    seen.renew_request.is_some() && record.seen.renew_request != seen.renew_request;
                if let Some(state) = state.any() {
                    state.status.end_pause();
                    if requested {
                        state.renewal_requested();
                    }
                    if record.seen.generation != seen.generation {
                        state.reset_for_generation();
                    }
                }
                state
            }),
            None => Some(ReconcileState::of(&seen.status).into()),
        };
        self.by_namespace
            .entry(seen.namespace.clone())
            .or_default()
            .insert(uid.clone());
        let store = store_name(&seen).to_owned();
        self.by_store
            .entry(store.clone())
            .or_default()
            .insert(uid.clone());
        let names = secret_names(&seen).map(|name| (name.into(), uid.clone()));
        let of_namespace = self.by_secret.entry(seen.namespace.clone());
        of_namespace.or_default().extend(names);
        let mut state = state.unwrap_or_default();
        state.tidy();
        let moved = self.shares.put(&seen);
        let kept = Kept::Whole;
        let record = Record {
            seen,
            state,
            kept,
            event_rate,
            all_ours,
        };
        self.resources.insert(uid.clone(), Box::new(record));
        self.keep_what_is_within(&uid);
        let mut affected = vec![ObjectKey::Resource(uid)];
        affected.extend(self.across_the_border(moved));
        affected.extend(requested.then(|| self.ask_store_again(&store)).flatten());
        affected
    }

    /// A renewal was requested: the store does not wait long for credentials that it did not get.
    fn ask_store_again(&mut self, store: &str) -> Option<ObjectKey> {
        let known = self.stores.get_mut(store)?;
        let earlier = known.renewal_requested();
        earlier.then(|| ObjectKey::Store(store.to_owned()))
    }

    /// Resources that are beyond the share of their namespace now, or within it again.
    fn across_the_border(&mut self, moved: Vec<Uid>) -> impl Iterator<Item = ObjectKey> + use<> {
        for uid in &moved {
            self.keep_what_is_within(uid);
        }
        moved.into_iter().map(ObjectKey::Resource)
    }

    /// Nothing follows for a resource now: what was kept for it goes.
    pub(in crate::engine) fn drop_content(&mut self, uid: &str) {
        let Some(record) = self.resources.get_mut(uid) else {
            return;
        };
        if let Some(state) = record.state.any() {
            state.drop_content();
            record.state.tidy();
        }
        keep_what_is_within(&self.shares, record);
    }

    fn keep_what_is_within(&mut self, uid: &str) {
        if let Some(record) = self.resources.get_mut(uid) {
            keep_what_is_within(&self.shares, record);
        }
    }

    /// Forgets a PresignedURL. Other resources that name the same Secret are affected.
    fn drop_resource(&mut self, uid: &str) -> Vec<ObjectKey> {
        let Some(record) = self.unlink(uid) else {
            return Vec::new();
        };
        let names = secret_names(&record.seen);
        let affected = names.flat_map(|name| self.of_secret(&record.seen.namespace, name));
        let mut affected: Vec<ObjectKey> = affected.collect();
        self.orphans.forget_all(&record.seen.uid);
        let mut freed = self.limiter.forget(uid);
        freed.extend(self.budget.forget(uid));
        self.listing_rates.forget(&record.seen.namespace, uid);
        affected.extend(freed.into_iter().map(Uid::from).map(ObjectKey::Resource));
        affected.push(ObjectKey::Resource(uid.into()));
        affected.push(ObjectKey::Store(store_name(&record.seen).to_owned()));
        let moved = self.shares.remove(&record.seen);
        affected.extend(self.across_the_border(moved));
        affected
    }

    fn unlink(&mut self, uid: &str) -> Option<Box<Record>> {
        let record = self.resources.remove(uid)?;
        remove_from(&mut self.by_namespace, &record.seen.namespace, uid);
        remove_from(
            &mut self.by_store,
            &store_name(&record.seen).to_owned(),
            uid,
        );
        for name in secret_names(&record.seen) {
            let secret = (Box::from(name), record.seen.uid.clone());
            remove_from(&mut self.by_secret, &record.seen.namespace, &secret);
        }
        Some(record)
    }
}

/// Keeps nothing that is large of a resource beyond the share of its namespace.
fn keep_what_is_within(shares: &Shares, record: &mut Record) {
    if !shares.is_beyond(&record.seen) {
        return;
    }
    record.kept = Kept::WithoutSpec;
    record.seen.keep_where_it_belongs();
    let seen = &mut record.seen;
    let ready = condition(&seen.status.conditions, ConditionType::Ready);
    let told = ready.is_some_and(|ready| {
        ready.reason == Reason::NamespaceShareExceeded.as_str()
            && ready.observed_generation == Some(seen.generation)
    });
    if told && seen.status.internal.secret.is_none() {
        record.kept = Kept::WithoutStatus;
        *seen.status = PresignedUrlStatus::default();
    }
    if let Some(state) = record.state.any() {
        state.drop_content();
        state.forget_listing();
    }
}

/// A renewal request as the status holds it: a long one becomes a hash, since an annotation may have 256 KiB.
fn short_request(request: String) -> String {
    if request.len() <= MAX_REQUEST {
        return request;
    }
    data_hash([("renew", request.as_bytes())])
}

fn remove_from<K, V, Q>(index: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &Q)
where
    K: Ord,
    V: Ord + Borrow<Q>,
    Q: Ord + ?Sized,
{
    if let Some(values) = index.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            index.remove(key);
        }
    }
}

//! Changes of PresignedURLs.
//!
//! What holds here:
//! - A newer version keeps the state of a resource. Another generation of the spec resets what the old spec
//!   caused.
//! - The index finds a resource by its namespace, its store and its Secret.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::cache::index::Index;
use crate::engine::cache::record::{Record, secret_name, store_name};
use crate::engine::cache::relist::{Delta, Watched, drop_all};
use crate::engine::cache::state::ReconcileState;
use crate::engine::cache::version::older;
use crate::engine::protocol::{Change, ObjectKey, PresignedUrlSeen, Uid};
use crate::issue::data_hash;

/// The longest renewal request that the status holds unchanged, in bytes.
const MAX_REQUEST: usize = 128;

impl Index {
    /// Applies a change of a PresignedURL.
    pub(in crate::engine) fn resource_changed(
        &mut self,
        change: Change<PresignedUrlSeen>,
    ) -> Vec<ObjectKey> {
        let known = self.resources.iter().map(|(uid, record)| {
            let namespace = record.seen.namespace.clone();
            (namespace, uid.to_string())
        });
        let identity = |seen: &PresignedUrlSeen| (seen.namespace.clone(), seen.uid.to_string());
        match self
            .relists
            .apply(Watched::Resources, change, identity, known)
        {
            Delta::Present(seen) => self.put_resource(seen).into_iter().collect(),
            Delta::Removed(seen) => self.drop_resource(&seen.uid),
            Delta::Absent(uids) => drop_all(uids, |(_, uid)| self.drop_resource(&uid)),
        }
    }

    /// Stores a PresignedURL; an outdated version is ignored.
    fn put_resource(&mut self, mut seen: PresignedUrlSeen) -> Option<ObjectKey> {
        seen.renew_request = seen.renew_request.map(short_request);
        let uid = seen.uid.clone();
        let state = match self.resources.get(&uid) {
            Some(known) if older(&seen.resource_version, &known.seen.resource_version) => {
                return None;
            }
            Some(known) if seen.resource_version == known.seen.resource_version => return None,
            Some(_) => self.unlink(&uid).map(|record| {
                let mut state = record.state;
                let requested =
                    seen.renew_request.is_some() && record.seen.renew_request != seen.renew_request;
                if let Some(state) = state.any() {
                    state.status.retry_at = None;
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
        self.by_store
            .entry(store_name(&seen).to_owned())
            .or_default()
            .insert(uid.clone());
        let secret = secret_name(&seen).to_owned();
        self.by_secret
            .insert((seen.namespace.clone(), secret, uid.clone()));
        let mut state = state.unwrap_or_default();
        state.tidy();
        let record = Record { seen, state };
        self.resources.insert(uid.clone(), Box::new(record));
        Some(ObjectKey::Resource(uid))
    }

    /// Forgets a PresignedURL. Other resources that name the same Secret are affected.
    fn drop_resource(&mut self, uid: &str) -> Vec<ObjectKey> {
        let Some(record) = self.unlink(uid) else {
            return Vec::new();
        };
        let mut affected = self.of_secret(&record.seen.namespace, secret_name(&record.seen));
        self.orphans.forget_all(&record.seen.uid);
        let reserved = self.limiter.forget(uid).into_iter().map(Uid::from);
        affected.extend(reserved.map(ObjectKey::Resource));
        affected.push(ObjectKey::Resource(uid.into()));
        affected.push(ObjectKey::Store(store_name(&record.seen).to_owned()));
        affected
    }

    fn unlink(&mut self, uid: &str) -> Option<Box<Record>> {
        let record = self.resources.remove(uid)?;
        let secret = (
            record.seen.namespace.clone(),
            secret_name(&record.seen).to_owned(),
            record.seen.uid.clone(),
        );
        remove_from(&mut self.by_namespace, &record.seen.namespace, uid);
        remove_from(
            &mut self.by_store,
            &store_name(&record.seen).to_owned(),
            uid,
        );
        self.by_secret.remove(&secret);
        Some(record)
    }
}

/// A renewal request as the status holds it: a long one becomes a hash, since an annotation may have 256 KiB.
fn short_request(request: String) -> String {
    if request.len() <= MAX_REQUEST {
        return request;
    }
    data_hash([("renew", request.as_bytes())])
}

fn remove_from<K: Ord>(index: &mut BTreeMap<K, BTreeSet<Uid>>, key: &K, uid: &str) {
    if let Some(uids) = index.get_mut(key) {
        uids.remove(uid);
        if uids.is_empty() {
            index.remove(key);
        }
    }
}

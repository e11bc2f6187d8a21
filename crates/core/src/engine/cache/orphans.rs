//! Secrets that may belong to a resource although its status does not record them.
//!
//! What holds here:
//! - A candidate is known by its owner reference alone. Other code decides whether it is an orphan.

use std::collections::BTreeSet;

use crate::engine::cache::index::{Index, Watched};
use crate::engine::protocol::{ObjectKey, SecretMetaSeen, Uid};
use crate::issue::controlling_uid;

/// Uids of resources, and the names of Secrets that may be their orphans.
#[derive(Debug, Default)]
pub(in crate::engine) struct Orphans(BTreeSet<(Uid, String)>);

impl Orphans {
    /// The candidates of one resource. It is called for each plan, and allocates nothing if there are none.
    pub(in crate::engine) fn of(&self, uid: &Uid) -> Vec<(Uid, String)> {
        let candidates = self.0.range((uid.clone(), String::new())..);
        candidates
            .take_while(|(of, _)| of == uid)
            .cloned()
            .collect()
    }

    /// Notes that a Secret may be an orphan of this resource.
    pub(in crate::engine) fn put(&mut self, uid: &Uid, name: &str) {
        self.0.insert((uid.clone(), name.to_owned()));
    }

    /// The candidate is no orphan, or its removal is planned.
    pub(in crate::engine) fn remove(&mut self, candidate: &(Uid, String)) {
        self.0.remove(candidate);
    }

    /// The resource is gone, and its Secrets with it.
    pub(in crate::engine) fn forget_all(&mut self, uid: &Uid) {
        for candidate in self.of(uid) {
            self.0.remove(&candidate);
        }
    }
}

impl Index {
    /// Notes the owner of a Secret. At a start a Secret may be reported before its owner;
    /// [`Self::drop_unknown_owners`] forgets candidates whose owner never came.
    pub(in crate::engine) fn note_candidate(&mut self, seen: &SecretMetaSeen) -> Vec<ObjectKey> {
        let Some(uid) = controlling_uid(&seen.owners) else {
            return Vec::new();
        };
        match self.resources.get(uid) {
            Some(record) => {
                let recorded = record.seen.status.secret_ref.as_ref();
                let recorded = recorded.is_some_and(|recorded| recorded.name == seen.name);
                if recorded || record.seen.namespace != seen.namespace {
                    return Vec::new();
                }
            }
            None if self.relists.synced(Watched::Resources) => return Vec::new(),
            None => {}
        }
        let uid = Uid::from(uid);
        self.orphans.put(&uid, &seen.name);
        vec![ObjectKey::Resource(uid)]
    }

    /// Every first list is complete: an owner that is not known now does not exist.
    pub(in crate::engine) fn drop_unknown_owners(&mut self) {
        let resources = &self.resources;
        self.orphans
            .0
            .retain(|(uid, _)| resources.contains_key(uid));
    }
}

//! Secrets that may belong to a resource although its status does not record them.
//!
//! What holds here:
//! - A candidate is known by its owner reference alone. Other code decides whether it is an orphan.

use std::collections::BTreeSet;

use crate::engine::protocol::Uid;

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

    /// Keeps the candidates of these resources alone.
    pub(super) fn retain(&mut self, is_known: impl Fn(&Uid) -> bool) {
        self.0.retain(|(uid, _)| is_known(uid));
    }

    /// The resource is gone, and its Secrets with it.
    pub(in crate::engine) fn forget_all(&mut self, uid: &Uid) {
        for candidate in self.of(uid) {
            self.0.remove(&candidate);
        }
    }
}

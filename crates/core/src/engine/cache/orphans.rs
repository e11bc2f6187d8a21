//! Secrets that may belong to a resource although its status does not record them.
//!
//! What holds here:
//! - A candidate is known by its owner reference alone. Other code decides whether it is an orphan.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::engine::protocol::Uid;

/// Uids of resources, the names of Secrets that may be their orphans, and when the URLs of each expire, if
/// that is known.
#[derive(Debug, Default)]
pub(in crate::engine) struct Orphans(BTreeMap<(Uid, String), Option<Timestamp>>);

/// A candidate: the uid of the resource and the name of the Secret, and when its URLs expire, if that is
/// known.
pub(in crate::engine) type Candidate = ((Uid, String), Option<Timestamp>);

impl Orphans {
    /// The candidates of one resource. It is called for each plan, and allocates nothing if there are none.
    pub(in crate::engine) fn of(&self, uid: &Uid) -> Vec<Candidate> {
        let candidates = self.0.range((uid.clone(), String::new())..);
        candidates
            .take_while(|((of, _), _)| of == uid)
            .map(|(candidate, expires_at)| (candidate.clone(), *expires_at))
            .collect()
    }

    /// Notes that a Secret may be an orphan of this resource, and what is learnt of its expiry.
    pub(in crate::engine) fn put(&mut self, uid: &Uid, name: &str, expires_at: Option<Timestamp>) {
        let known = self.0.entry((uid.clone(), name.to_owned())).or_default();
        *known = expires_at.or(*known);
    }

    /// The candidate is no orphan, or its removal is planned.
    pub(in crate::engine) fn remove(&mut self, candidate: &(Uid, String)) {
        self.0.remove(candidate);
    }

    /// Keeps the candidates of these resources alone.
    pub(super) fn retain(&mut self, is_known: impl Fn(&Uid) -> bool) {
        self.0.retain(|(uid, _), _| is_known(uid));
    }

    /// The resource is gone, and its Secrets with it.
    pub(in crate::engine) fn forget_all(&mut self, uid: &Uid) {
        for (candidate, _) in self.of(uid) {
            self.0.remove(&candidate);
        }
    }
}

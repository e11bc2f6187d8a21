//! Secrets of a resource that its status does not tell of: whoever wrote one died before the status was written.
//!
//! What holds here: usually the next write of the same name takes one over. Where there is none, since the resource is refused by
//! then or wants another name, it would stay for as long as the resource, with a URL that nobody may have. A suspect is known
//! by its owner reference alone; it is looked at before it is removed, as all that is removed in doubt.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::api::SecretRef;
use crate::engine::cache::index::{Index, Watched, older};
use crate::engine::evaluate::evaluation::Evaluation;
use crate::engine::evaluate::reissue::{Action, Purpose, grace_is_over, may_issue};
use crate::engine::protocol::SecretMetaSeen;
use crate::engine::protocol::{ObjectKey, Uid};
use crate::engine::protocol::{SecretAccess, Settings};
use crate::engine::reconcile::presigned_url::secret::remove;
use crate::engine::scheduler::wake::RequeueAt;
use crate::issue::controlling_uid;
use crate::issue::issued::Issued;

/// Uids of resources, and the names of Secrets that may be their strays.
#[derive(Debug, Default)]
pub(in crate::engine) struct Orphans(BTreeSet<(Uid, String)>);

impl Orphans {
    /// Those of one resource. It is asked at each plan: nothing is allocated where there are none.
    fn of(&self, uid: &Uid) -> Vec<(Uid, String)> {
        let candidates = self.0.range((uid.clone(), String::new())..);
        candidates
            .take_while(|(of, _)| of == uid)
            .cloned()
            .collect()
    }

    /// Suspects that a Secret is a stray of this resource.
    pub(in crate::engine) fn put(&mut self, uid: &Uid, name: &str) {
        self.0.insert((uid.clone(), name.to_owned()));
    }

    /// The resource is gone; its Secrets go with it.
    pub(in crate::engine) fn forget_all(&mut self, uid: &Uid) {
        for candidate in self.of(uid) {
            self.0.remove(&candidate);
        }
    }
}

impl Index {
    /// Takes up whose a Secret is. At a start a Secret may be told before its owner is; whose owner never came is forgotten
    /// by [`Self::drop_unknown_owners`].
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

    /// Every first list is complete: who is not known now is not there.
    pub(in crate::engine) fn drop_unknown_owners(&mut self) {
        let resources = &self.resources;
        self.orphans
            .0
            .retain(|(uid, _)| resources.contains_key(uid));
    }
}

/// Plans the end of a stray, if there is one whose time has come.
pub(in crate::engine) fn look(
    index: &mut Index,
    settings: &Settings,
    uid: &str,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
    now: Timestamp,
    requeue: &mut RequeueAt,
) -> Option<Action> {
    let candidates = index.orphans.of(&index.resources.get(uid)?.seen.uid);
    for candidate in candidates {
        let name = &candidate.1;
        let record = index.resources.get(uid)?;
        let place = (record.seen.namespace.clone(), name.clone());
        let known = index.secrets.get(&place);
        let Some(version) = known.filter(|_| issued.is_none_or(|it| it.secret.name != *name))
        else {
            index.orphans.0.remove(&candidate);
            continue;
        };
        // A status that is newer than the Secret may be on its way, and tell of it.
        if older(&record.seen.resource_version, &version.resource_version) {
            continue;
        }
        let due = match evaluation {
            // It is taken over by what is issued next.
            Evaluation::Allowed(inputs) => {
                may_issue(record, evaluation, now).is_none()
                    || inputs.authorized.secret_name != *name
            }
            Evaluation::StoreUnusable { authorized, .. } => authorized.secret_name != *name,
            Evaluation::Undetermined(_) => false,
            Evaluation::Invalid(_) => true,
            Evaluation::Denied(_) => grace_is_over(record, settings, now, requeue),
        };
        if due {
            let stray = SecretRef {
                name: name.clone(),
                uid: version.uid.clone(),
                resource_version: version.resource_version.clone(),
                data_hash: String::new(),
            };
            index.orphans.0.remove(&candidate);
            let record = index.resources.get_mut(uid)?;
            record.state.previous_secret = Some(Box::new(stray.clone()));
            record.state.removal_in_doubt = settings.secret_access == SecretAccess::Watch;
            return Some(remove(record, &stray, settings, Purpose::Supersede));
        }
    }
    None
}

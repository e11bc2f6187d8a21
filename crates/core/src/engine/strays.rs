//! Secrets of a resource that its status does not tell of: whoever wrote one died before the status was written.
//!
//! What holds here: usually the next write of the same name takes one over. Where there is none, since the resource is refused by
//! then or wants another name, it would stay for as long as the resource, with a URL that nobody may have. A suspect is known
//! by its owner reference alone; it is looked at before it is removed, as all that is removed in doubt.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::event::SecretMetaSeen;
use super::index::{Index, Watched, older};
use super::judge::Judged;
use super::memory::Issued;
use super::plan::{Purpose, SecretPlan, Wake, grace_is_over, may_issue};
use super::settings::{SecretAccess, Settings};
use super::step::{Uid, Work};
use super::write::remove;
use crate::api::SecretRef;
use crate::issue::controlling_uid;

/// Uids of resources, and the names of Secrets that may be their strays.
#[derive(Debug, Default)]
pub(super) struct Strays(BTreeSet<(Uid, String)>);

impl Strays {
    /// Those of one resource. It is asked at each plan: nothing is allocated where there are none.
    fn of(&self, uid: &Uid) -> Vec<(Uid, String)> {
        let suspects = self.0.range((uid.clone(), String::new())..);
        suspects.take_while(|(of, _)| of == uid).cloned().collect()
    }

    /// Suspects that a Secret is a stray of this resource.
    pub(super) fn put(&mut self, uid: &Uid, name: &str) {
        self.0.insert((uid.clone(), name.to_owned()));
    }

    /// The resource is gone; its Secrets go with it.
    pub(super) fn forget_all(&mut self, uid: &Uid) {
        for suspect in self.of(uid) {
            self.0.remove(&suspect);
        }
    }
}

impl Index {
    /// Takes up whose a Secret is. At a start a Secret may be told before its owner is; whose owner never came is forgotten
    /// by [`Self::forget_strangers`].
    pub(super) fn suspect(&mut self, seen: &SecretMetaSeen) -> Vec<Work> {
        let Some(uid) = controlling_uid(&seen.owners) else {
            return Vec::new();
        };
        match self.resources.get(uid) {
            Some(record) => {
                let told = record.seen.status.secret_ref.as_ref();
                let told = told.is_some_and(|told| told.name == seen.name);
                if told || record.seen.namespace != seen.namespace {
                    return Vec::new();
                }
            }
            None if self.frames.synced(Watched::Resources) => return Vec::new(),
            None => {}
        }
        let uid = Uid::from(uid);
        self.strays.put(&uid, &seen.name);
        vec![Work::Resource(uid)]
    }

    /// Every first list is complete: who is not known now is not there.
    pub(super) fn forget_strangers(&mut self) {
        let resources = &self.resources;
        self.strays.0.retain(|(uid, _)| resources.contains_key(uid));
    }
}

/// Plans the end of a stray, if there is one whose time has come.
pub(super) fn look(
    index: &mut Index,
    settings: &Settings,
    uid: &str,
    judged: &Judged,
    issued: Option<&Issued>,
    now: Timestamp,
    wake: &mut Wake,
) -> Option<SecretPlan> {
    let suspects = index.strays.of(&index.resources.get(uid)?.seen.uid);
    for suspect in suspects {
        let name = &suspect.1;
        let record = index.resources.get(uid)?;
        let place = (record.seen.namespace.clone(), name.clone());
        let known = index.secrets.get(&place);
        let Some(version) = known.filter(|_| issued.is_none_or(|it| it.secret.name != *name))
        else {
            index.strays.0.remove(&suspect);
            continue;
        };
        // A status that is newer than the Secret may be on its way, and tell of it.
        if older(&record.seen.resource_version, &version.resource_version) {
            continue;
        }
        let due = match judged {
            // It is taken over by what is issued next.
            Judged::Allowed(allowed) => {
                may_issue(record, judged, now).is_none() || allowed.granted.secret_name != *name
            }
            Judged::NoStore { granted, .. } => granted.secret_name != *name,
            Judged::Unknown(_) => false,
            Judged::Invalid(_) => true,
            Judged::Denied(_) => grace_is_over(record, settings, now, wake),
        };
        if due {
            let stray = SecretRef {
                name: name.clone(),
                uid: version.uid.clone(),
                resource_version: version.resource_version.clone(),
                data_hash: String::new(),
            };
            index.strays.0.remove(&suspect);
            let record = index.resources.get_mut(uid)?;
            record.memory.superseded = Some(Box::new(stray.clone()));
            record.memory.removal_in_doubt = settings.secret_access == SecretAccess::Watch;
            return Some(remove(record, &stray, settings, Purpose::Supersede));
        }
    }
    None
}

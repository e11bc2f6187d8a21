//! The records of the cache: an object as it was last seen, and what the operator knows beyond it.

use std::collections::VecDeque;

use crate::api::{PresignedUrlStatus, Reason};
use crate::engine::cache::state::{StateCell, Unrecorded};
use crate::engine::protocol::{EventRecord, PolicySeen, PresignedUrlSeen};
use crate::engine::scheduler::event_rate::EventRate;
use crate::issue::OwnerId;
use crate::issue::issued::Issued;

/// A PresignedURL, and the operator's state of it.
#[derive(Debug)]
pub(in crate::engine) struct Record {
    pub(in crate::engine) seen: PresignedUrlSeen,
    pub(in crate::engine) state: StateCell,
    pub(in crate::engine) kept: Kept,
    /// How many Events were published of it.
    pub(in crate::engine) event_rate: EventRate,
    /// The Secret as it was last written holds nothing of anybody else, so a write over just that version needs
    /// no inspection before it.
    pub(in crate::engine) all_ours: bool,
}

/// How much of a resource is kept. It is all of it while the share of its namespace takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Kept {
    /// All that was seen.
    Whole,
    /// Where it belongs, and not what it asks for.
    WithoutSpec,
    /// Not even its status, which says already that the share is exceeded, and names no Secret.
    WithoutStatus,
}

/// Where it is recorded what is issued.
pub(in crate::engine) enum Recorded<'a> {
    /// By a write that no status records yet.
    ByWrite(&'a Issued),
    ByStatus(&'a PresignedUrlStatus),
}

impl Record {
    /// Where it is recorded what is issued; `None` if there is no Secret.
    pub(in crate::engine) fn issued(&self) -> Option<Recorded<'_>> {
        let status = &*self.seen.status;
        match &self.state.unrecorded {
            Some(Unrecorded::Written(issued)) => Some(Recorded::ByWrite(issued)),
            Some(Unrecorded::Removed(_)) => None,
            // The status of a one-shot resource keeps its times after the Secret is gone.
            None => (status.internal.secret.is_some()).then_some(Recorded::ByStatus(status)),
        }
    }

    /// The resource as the owner of its Secret.
    pub(in crate::engine) fn owner_id(&self) -> OwnerId<'_> {
        OwnerId {
            uid: &self.seen.uid,
            name: &self.seen.name,
        }
    }

    /// Whether the operator of a class serves the resource; `None` is the default class.
    pub(in crate::engine) fn is_served_by(&self, class: Option<&str>) -> bool {
        match &self.seen.spec {
            Ok(spec) => spec.class.as_deref() == class,
            // The class of an unreadable spec is unknown. The operator of the default class reports the error.
            Err(_) => class.is_none(),
        }
    }

    /// Whether the spec lists a prefix.
    pub(in crate::engine) fn lists(&self) -> bool {
        let spec = self.seen.spec.as_ref();
        spec.is_ok_and(|spec| spec.prefix.is_some())
    }

    /// Whether the spec suspends new issues.
    pub(in crate::engine) fn suspended(&self) -> bool {
        let spec = self.seen.spec.as_ref();
        spec.is_ok_and(|spec| spec.suspend == Some(true))
    }
}

/// The Events of a store or a policy.
#[derive(Debug, Default)]
pub(in crate::engine) struct ClusterEvents {
    /// What happened and was not published yet, oldest first.
    pub(in crate::engine) unpublished: VecDeque<Box<EventRecord>>,
    /// How many were published.
    pub(in crate::engine) rate: EventRate,
}

/// A policy as last seen, and whether it can be used.
#[derive(Debug)]
pub(in crate::engine) struct PolicyRecord {
    pub(in crate::engine) seen: PolicySeen,
    pub(in crate::engine) broken: Option<String>,
    /// What this operator last wrote into the status.
    pub(in crate::engine) told: Option<Told>,
}

/// What an operator says of one generation of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Told {
    pub(in crate::engine) generation: i64,
    pub(in crate::engine) reason: Reason,
    pub(in crate::engine) message: String,
}

/// The name of the store that a spec refers to.
pub(in crate::engine) fn store_name(seen: &PresignedUrlSeen) -> &str {
    let named = seen
        .spec
        .as_ref()
        .ok()
        .and_then(|spec| spec.store_ref.as_ref());
    named
        .and_then(|store| store.name.as_deref())
        .unwrap_or("default")
}

/// The name of the Secret that a spec refers to.
pub(in crate::engine) fn secret_name(seen: &PresignedUrlSeen) -> &str {
    let named = seen
        .spec
        .as_ref()
        .ok()
        .and_then(|spec| spec.secret_name.as_deref());
    named.unwrap_or(&seen.name)
}

/// The names of the Secrets that a resource is about: the one that it names, and the one that it has. They
/// differ as long as the spec that names another Secret issues nothing.
pub(in crate::engine) fn secret_names(seen: &PresignedUrlSeen) -> impl Iterator<Item = &str> {
    let named = secret_name(seen);
    let present = seen.status.internal.secret.as_ref();
    let present = present.map(|secret| secret.name.as_str());
    let present = present.filter(|present| *present != named);
    std::iter::once(named).chain(present)
}

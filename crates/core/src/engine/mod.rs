//! The engine: what is known, what is due, and what comes next.
//!
//! # Expected flow
//! The shell tells what it sees with [`Engine::on`], takes steps with [`Engine::next`], carries each out, and tells what
//! became of it with [`Engine::done`]. The plan of a work is made again on each result.
//!
//! # Guarantees
//! - Nothing is decided before every watched kind's first list is complete.
//! - At most one step of a work is under way; the number of all is bounded.
//! - The same events, results and times make the same steps: there is no clock, no dice and no unordered collection here.
//!
//! # Assumptions
//! `now` is wall-clock time. It may step either way; [`Event::ClockStepped`] then makes every plan anew.

mod cache;
mod evaluate;
mod protocol;
mod reconcile;
mod s3;
mod scheduler;
mod store;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

pub use crate::issue::{SignedJob, SigningJob};
pub use cache::index::Watched;
pub use cache::state::Cause;
pub use protocol::{
    ApiError, Change, CredentialSource, CredentialsError, DenialGrace, ErrorClass, ErrorCode,
    Event, EventRecord, ListError, ListRequest, ListResponse, ListedObject, NamespaceSeen,
    ObjectKey, ObjectVersion, ObservedContent, ObservedSecret, PolicySeen, PresignedUrlSeen, Retry,
    S3Request, S3Response, S3Result, SecretAccess, SecretMetaSeen, SecretWrite, Session, Settings,
    Step, StepResult, StoreSeen, Sts, TransportError, Uid, classify,
};
pub use scheduler::queue::Priority;

use crate::api::{ClusterObjectStoreStatus, PresignedUrlPolicyStatus, PresignedUrlStatus, Reason};
use crate::issue::ReservedKeys;
use crate::time::{ceil, whole};
use cache::index::Index;
use evaluate::one_shot;
use evaluate::reissue::{self as plan, Purpose};
use reconcile::presigned_url::{status, urgency};
use scheduler::queue::Queue;

/// Steps that only urgent work may take, of those in flight.
const URGENT_SLOTS: usize = 8;

/// The engine of one operator.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    reserved: ReservedKeys,
    index: Index,
    queue: Queue,
    in_flight: BTreeMap<ObjectKey, InFlight>,
    observations: Vec<Observation>,
    paused_until: Option<Timestamp>,
    /// After a step of the clock: what is deleted by the clock alone waits until then.
    doubted_until: Option<Timestamp>,
    draining: bool,
    /// The API server's clock less the operator's.
    api_clock: Option<SignedDuration>,
}

/// What a work is doing, so that the result of its step is understood.
#[derive(Debug)]
enum InFlight {
    Secret(Purpose, String),
    /// A status, what Events tell of the change, and whether it is a new refusal. They are made when the write begins: a
    /// watch may bring the new status before the write is answered, and then nothing would seem to have changed.
    Status(Box<PresignedUrlStatus>, Vec<EventRecord>, bool),
    StoreStatus(Box<ClusterObjectStoreStatus>),
    PolicyStatus(Box<PresignedUrlPolicyStatus>),
    Fetch,
    Deletion,
    Look,
    EventRecord,
}

/// Something worth counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// A Secret was written for the first time.
    Issued,
    /// A Secret was written again, and why.
    Renewed(Cause),
    /// The policies refuse what they did not refuse before.
    Denied,
    /// A step failed.
    Failed(Reason),
}

/// What comes next for a work.
enum Next {
    Step(Step, InFlight),
    Idle(Option<Timestamp>),
}

/// A look at a resource for metrics.
#[derive(Clone, Copy, Debug)]
pub struct ResourceFigures<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Whether its status says Ready.
    pub ready: bool,
    /// When its URL dies.
    pub expires_at: Option<Timestamp>,
    /// When it is renewed.
    pub renew_at: Option<Timestamp>,
}

impl Engine {
    /// An engine that knows nothing yet.
    ///
    /// # Errors
    /// A sentence where the settings cannot be used.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let reserved = ReservedKeys::with(&settings.template_deny)?;
        let queue = Queue::new(
            settings.concurrency,
            URGENT_SLOTS.min(settings.concurrency / 2),
        );
        Ok(Self {
            settings,
            reserved,
            index: Index::default(),
            queue,
            in_flight: BTreeMap::new(),
            observations: Vec::new(),
            paused_until: None,
            doubted_until: None,
            draining: false,
            api_clock: None,
        })
    }

    /// Tells what was seen.
    pub fn on(&mut self, event: Event, now: Timestamp) {
        let now = whole(now);
        let was_synced = self.synced();
        let concerned = match event {
            Event::Resource(change) => self.index.resource(change),
            Event::Policy(change) => {
                let concerned = self.index.policy(change);
                self.list_anew(&concerned);
                concerned
            }
            Event::Namespace(change) => {
                let concerned = self.index.namespace(change);
                self.list_anew(&concerned);
                concerned
            }
            Event::Secret(change) => self.on_secret(change),
            Event::OwnSecret(change) => {
                let stores = self.index.own_secret(change);
                for work in &stores {
                    if let ObjectKey::Store(name) = work
                        && let Some(store) = self.index.stores.get_mut(name)
                    {
                        store.changed();
                    }
                }
                stores
            }
            Event::Store(change) => self.on_store(change, now),
            Event::ApiClock(skew) => self.on_api_clock(skew),
            Event::ClockStepped => {
                self.clock_stepped(now);
                self.everything()
            }
        };
        let concerned = if !was_synced && self.synced() {
            self.index.drop_unknown_owners();
            self.everything()
        } else {
            concerned
        };
        if self.synced() {
            for work in concerned {
                self.enqueue(work, now);
            }
        }
    }

    /// The next step to carry out, if there is one now. The shell calls until there is none.
    pub fn next(&mut self, now: Timestamp) -> Option<(ObjectKey, Step)> {
        let now = whole(now);
        if !self.synced() || self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        self.paused_until = None;
        for work in self.queue.due(now) {
            self.enqueue(work, now);
        }
        while let Some((work, priority)) = self.queue.pop() {
            if self.draining && !self.has_begun(&work) {
                continue;
            }
            let next = match &work {
                ObjectKey::Resource(uid) => self.plan_resource(uid, now),
                ObjectKey::Store(name) => self.plan_store(name, now),
                ObjectKey::Policy(name) => self.plan_policy(name, now),
            };
            if let ObjectKey::Resource(uid) = &work {
                let step = match &next {
                    Next::Step(step, _) => Some(step),
                    Next::Idle(_) => None,
                };
                for reserved in self.index.limiter.planned(uid, step) {
                    self.enqueue(ObjectKey::Resource(reserved.into()), now);
                }
            }
            match next {
                Next::Step(step, in_flight) => {
                    self.queue.begin(work.clone(), priority);
                    self.in_flight.insert(work.clone(), in_flight);
                    return Some((work, step));
                }
                Next::Idle(requeue) => self.queue.at(&work, requeue),
            }
        }
        None
    }

    /// Begins nothing new from now on: only what has been written is still put on record.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// When something is due next; the shell need not ask before.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        // In a pause nothing is given out, however long it has been due.
        self.paused_until
            .or_else(|| self.queue.next_due())
            .map(ceil)
    }

    /// The kinds whose first list is still awaited.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<Watched> {
        self.awaited().collect()
    }

    /// Asked at each event and each step: nothing is allocated for the answer.
    fn awaited(&self) -> impl Iterator<Item = Watched> {
        let secrets_are_watched = self.settings.secret_access == SecretAccess::Watch;
        self.index.waiting_for(secrets_are_watched)
    }

    /// How many works wait (urgent, routine), and how many steps are in flight.
    #[must_use]
    pub fn load(&self) -> (usize, usize, usize) {
        let (urgent, routine) = self.queue.depth();
        (urgent, routine, self.queue.in_flight())
    }

    /// What happened since the last call, for metrics.
    pub fn observations(&mut self) -> Vec<Observation> {
        std::mem::take(&mut self.observations)
    }

    /// A look at each resource, for metrics.
    pub fn figures(&self) -> impl Iterator<Item = ResourceFigures<'_>> {
        self.index.resources.values().map(|record| ResourceFigures {
            namespace: &record.seen.namespace,
            name: &record.seen.name,
            ready: status::says_ready(&record.seen.status),
            // What a link leaves behind is no URL that could die.
            expires_at: record
                .seen
                .status
                .secret_ref
                .as_ref()
                .and(record.seen.status.expires_at),
            renew_at: record.seen.status.renew_at,
        })
    }

    /// Whether a Secret was written that the status does not tell yet.
    fn has_begun(&self, work: &ObjectKey) -> bool {
        let ObjectKey::Resource(uid) = work else {
            return false;
        };
        self.index
            .resources
            .get(uid)
            .is_some_and(|record| record.state.unrecorded.is_some())
    }

    fn synced(&self) -> bool {
        self.awaited().next().is_none()
    }

    fn everything(&self) -> Vec<ObjectKey> {
        let stores = self.index.stores.keys().cloned().map(ObjectKey::Store);
        let policies = self.index.policies.keys().cloned().map(ObjectKey::Policy);
        let resources = self
            .index
            .resources
            .keys()
            .cloned()
            .map(ObjectKey::Resource);
        stores.chain(policies).chain(resources).collect()
    }

    /// Pauses end at wall times: after a step back they would last for as long as the step.
    fn clock_stepped(&mut self, now: Timestamp) {
        self.paused_until = None;
        self.doubted_until = Some(one_shot::doubt(now));
        self.api_clock = None;
        let resign_within = self.settings.resign_within;
        for record in self.index.resources.values_mut() {
            if let Some(state) = record.state.any() {
                state.clock_stepped(now, plan::RECHECK, resign_within);
            }
        }
        for store in self.index.stores.values_mut() {
            store.clock_stepped(now);
        }
    }

    /// Queues a work by how urgent it is.
    fn enqueue(&mut self, work: ObjectKey, now: Timestamp) {
        let (priority, rank) = match &work {
            ObjectKey::Store(_) | ObjectKey::Policy(_) => (Priority::Urgent, 0),
            ObjectKey::Resource(uid) => match self.index.resources.get(uid) {
                None => {
                    self.queue.forget(&work);
                    return;
                }
                Some(record) => urgency(record, now),
            },
        };
        self.queue.push(work, priority, rank);
    }

    /// A Secret changed: who waits for its name need not wait any longer.
    fn on_secret(&mut self, change: Change<SecretMetaSeen>) -> Vec<ObjectKey> {
        let concerned = self.index.secret(change);
        for work in &concerned {
            if let ObjectKey::Resource(uid) = work
                && let Some(record) = self.index.resources.get_mut(uid)
                && record
                    .state
                    .problem
                    .as_ref()
                    .is_some_and(|problem| problem.reason == Reason::SecretConflict)
            {
                record.state.retry_at = None;
            }
        }
        concerned
    }
}

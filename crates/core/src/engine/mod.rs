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

mod ask;
mod event;
mod failure;
mod frame;
mod index;
mod judge;
mod landed;
mod link;
mod listing;
mod memory;
mod obtain;
mod outcome;
mod plan;
mod proof;
mod queue;
mod resource;
mod scope;
mod settings;
mod sign;
mod slots;
mod status;
mod step;
mod store;
mod store_plan;
mod store_status;
mod strays;
mod time;
mod tries;
mod verdict;
mod words;
mod write;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

pub use ask::{
    Answer, Ask, Asked, ErrorCode, ListFailure, ListOrder, ListedObject, Listing, Unreached,
};
pub use event::{
    Change, Event, NamespaceSeen, PolicySeen, ResourceSeen, SecretMetaSeen, StoreSeen,
};
pub use failure::{ApiFailure, Consequence, CredentialsFailure, Retry, consequence};
pub use index::Watched;
pub use memory::Cause;
pub use queue::Priority;
pub use settings::{DenialGrace, SecretAccess, Settings};
pub use sign::{SignedJob, SigningJob};
pub use step::{
    ContentSeen, CredentialSource, Notice, ObjectVersion, SecretSeen, SecretWrite, Session, Step,
    StepResult, Sts, Uid, Work,
};

use crate::api::{ClusterObjectStoreStatus, PresignedUrlPolicyStatus, PresignedUrlStatus, Reason};
use crate::issue::ReservedKeys;
use index::Index;
use plan::Purpose;
use queue::Queue;
use resource::urgency;
use time::{ceil, whole};

/// Steps that only urgent work may take, of those in flight.
const URGENT_SLOTS: usize = 8;

/// The engine of one operator.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    reserved: ReservedKeys,
    index: Index,
    queue: Queue,
    doing: BTreeMap<Work, Doing>,
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
enum Doing {
    Secret(Purpose, String),
    /// A status, what Events tell of the change, and whether it is a new refusal. They are made when the write begins: a
    /// watch may bring the new status before the write is answered, and then nothing would seem to have changed.
    Status(Box<PresignedUrlStatus>, Vec<Notice>, bool),
    StoreStatus(Box<ClusterObjectStoreStatus>),
    PolicyStatus(Box<PresignedUrlPolicyStatus>),
    Fetch,
    Deletion,
    Look,
    Notice,
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
    Step(Step, Doing),
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
            doing: BTreeMap::new(),
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
                    if let Work::Store(name) = work
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
            self.index.forget_strangers();
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
    pub fn next(&mut self, now: Timestamp) -> Option<(Work, Step)> {
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
                Work::Resource(uid) => self.plan_resource(uid, now),
                Work::Store(name) => self.plan_store(name, now),
                Work::Policy(name) => self.plan_policy(name, now),
            };
            if let Work::Resource(uid) = &work {
                let step = match &next {
                    Next::Step(step, _) => Some(step),
                    Next::Idle(_) => None,
                };
                for offered in self.index.slots.planned(uid, step) {
                    self.enqueue(Work::Resource(offered.into()), now);
                }
            }
            match next {
                Next::Step(step, doing) => {
                    self.queue.begin(work.clone(), priority);
                    self.doing.insert(work.clone(), doing);
                    return Some((work, step));
                }
                Next::Idle(wake) => self.queue.at(&work, wake),
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
    fn has_begun(&self, work: &Work) -> bool {
        let Work::Resource(uid) = work else {
            return false;
        };
        self.index
            .resources
            .get(uid)
            .is_some_and(|record| record.memory.unsaved.is_some())
    }

    fn synced(&self) -> bool {
        self.awaited().next().is_none()
    }

    fn everything(&self) -> Vec<Work> {
        let stores = self.index.stores.keys().cloned().map(Work::Store);
        let policies = self.index.policies.keys().cloned().map(Work::Policy);
        let resources = self.index.resources.keys().cloned().map(Work::Resource);
        stores.chain(policies).chain(resources).collect()
    }

    /// Pauses end at wall times: after a step back they would last for as long as the step.
    fn clock_stepped(&mut self, now: Timestamp) {
        self.paused_until = None;
        self.doubted_until = Some(link::doubt(now));
        self.api_clock = None;
        let resign_within = self.settings.resign_within;
        for record in self.index.resources.values_mut() {
            if let Some(memory) = record.memory.any() {
                memory.clock_stepped(now, plan::RECHECK, resign_within);
            }
        }
        for store in self.index.stores.values_mut() {
            store.clock_stepped(now);
        }
    }

    /// Queues a work by how urgent it is.
    fn enqueue(&mut self, work: Work, now: Timestamp) {
        let (priority, rank) = match &work {
            Work::Store(_) | Work::Policy(_) => (Priority::Urgent, 0),
            Work::Resource(uid) => match self.index.resources.get(uid) {
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
    fn on_secret(&mut self, change: Change<SecretMetaSeen>) -> Vec<Work> {
        let concerned = self.index.secret(change);
        for work in &concerned {
            if let Work::Resource(uid) = work
                && let Some(record) = self.index.resources.get_mut(uid)
                && record
                    .memory
                    .trouble
                    .as_ref()
                    .is_some_and(|trouble| trouble.reason == Reason::SecretConflict)
            {
                record.memory.retry_at = None;
            }
        }
        concerned
    }
}

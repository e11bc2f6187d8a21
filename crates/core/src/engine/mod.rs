//! The engine: it takes events and results, and decides the next step of each object.
//!
//! # Expected flow
//! The shell reports what it sees with [`Engine::on`], takes steps with [`Engine::next`], carries each out,
//! and reports its result with [`Engine::done`]. Each result makes a new plan for its object.
//!
//! # Guarantees
//! - Nothing is decided before the first list of every watched kind and scope is complete.
//! - At most one step of an object is in flight; the number of all steps in flight is bounded.
//! - The same events, results and times make the same steps: no clock, no random number and no unordered
//!   collection is used.
//!
//! # Assumptions
//! `now` is wall-clock time. It may step either way; [`Event::ClockStepped`] then makes every plan anew.

mod cache;
mod evaluate;
mod figures;
mod protocol;
mod reconcile;
mod s3;
mod scheduler;
mod store;
mod subject;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

pub use crate::issue::{SignedJob, SigningJob};
pub use cache::relist::Watched;
pub use cache::version::older;
pub use evaluate::target::{no_store, store_target};
pub use figures::{LifeCut, ResourceFigures};
pub use protocol::{
    ApiError, Cause, Change, CodeName, CredentialSource, CredentialsError, DenialGrace, ErrorClass,
    ErrorCode, Event, EventRecord, EventSubject, FetchedCredentials, KmsError, ListError,
    ListRequest, ListResponse, ListScope, ListedObject, NamespaceSeen, ObjectKey, ObjectVersion,
    Observation, ObservedContent, ObservedSecret, PageError, PolicySeen, PresignedUrlSeen,
    ProxyError, Refuser, Retry, S3Method, S3Request, S3Response, S3Result, SOLE_OPERATOR,
    SecretAccess, SecretAnswer, SecretMetaSeen, SecretWrite, Session, Settings, Step, StepResult,
    StoreSeen, Sts, TlsError, TransportError, TrustBundleSeen, Uid, UnreadablePolicy, classify,
};
pub use scheduler::priority::Priority;
pub use subject::Subject;

use crate::api::Reason;
use crate::issue::ReservedKeys;
use crate::time::{ceil, whole};
use cache::index::Index;
use evaluate::clock_doubt::ClockDoubt;
use reconcile::action::{Action, InFlight};
use reconcile::context::Ctx;
use reconcile::{policy, presigned_url, store as cluster_store};
use scheduler::queue::Queue;
use scheduler::wake::RequeueAt;

/// The slots for steps in flight that only urgent objects may take.
const URGENT_SLOTS: usize = 8;

/// The engine of one operator.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    /// The name by which this operator reports on stores.
    reports_as: String,
    reserved: ReservedKeys,
    index: Index,
    queue: Queue,
    in_flight: BTreeMap<ObjectKey, InFlight>,
    observations: Vec<Observation>,
    /// No step calls the API server before this time.
    throttled_until: Option<Timestamp>,
    clock: ClockDoubt,
    draining: bool,
    /// Another instance leads: events are applied, and nothing is planned.
    following: bool,
}

impl Engine {
    /// An engine that knows nothing yet.
    ///
    /// # Errors
    /// A sentence if the settings cannot be used.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let reserved = ReservedKeys::with(&settings.template_deny)?;
        let queue = Self::empty_queue(&settings);
        let index = Index::expecting(
            settings.namespaces.as_ref(),
            settings.secret_access,
            settings.namespace_share,
        );
        Ok(Self {
            reports_as: settings.reports_as(),
            settings,
            reserved,
            index,
            queue,
            in_flight: BTreeMap::new(),
            observations: Vec::new(),
            throttled_until: None,
            clock: ClockDoubt::default(),
            draining: false,
            following: false,
        })
    }

    fn empty_queue(settings: &Settings) -> Queue {
        let urgent_slots = URGENT_SLOTS.min(settings.concurrency / 2);
        Queue::new(settings.concurrency, urgent_slots)
    }

    /// Applies an event, and queues the objects that it affects.
    pub fn on(&mut self, event: Event, now: Timestamp) {
        let was_synced = self.synced();
        let mut ctx = self.ctx(now);
        let affected = match event {
            Event::Resource(change) => ctx.cache.resource_changed(change),
            Event::Policy(change) => ctx.cache.policy_changed(change),
            Event::Namespace(change) => ctx.cache.namespace_changed(change),
            Event::Secret(change) => ctx.cache.secret_changed(change),
            Event::OwnSecret(change) => ctx.cache.credentials_changed(change),
            Event::Store(change) => cluster_store::on_event(&mut ctx, change),
            Event::TrustBundle { name, seen } => {
                cluster_store::on_trust_bundle(&mut ctx, name, seen)
            }
            Event::ApiClock(difference) => cluster_store::on_api_clock(&mut ctx, difference),
            Event::ClockStepped => {
                *ctx.throttled_until = None;
                ctx.clock.stepped(ctx.now);
                ctx.cache.clock_stepped(ctx.now, ctx.settings.resign_within);
                ctx.cache.everything()
            }
        };
        if !self.synced() {
            return;
        }
        let affected = if was_synced {
            affected
        } else {
            self.index.drop_unknown_owners();
            self.index.everything()
        };
        if self.following {
            return;
        }
        let mut ctx = self.ctx(now);
        for key in affected {
            ctx.enqueue(key);
        }
    }

    /// The next step to carry out, if any can start now. The shell calls this until it returns `None`.
    pub fn next(&mut self, now: Timestamp) -> Option<(ObjectKey, Step)> {
        if self.following || !self.synced() {
            return None;
        }
        if self.throttled_until.is_some_and(|until| whole(now) < until) {
            return None;
        }
        self.throttled_until = None;
        let mut ctx = self.ctx(now);
        for key in ctx.queue.due(ctx.now) {
            ctx.enqueue(key);
        }
        while let Some((key, ticket)) = self.queue.pop() {
            if self.draining && !self.index.is_unrecorded(&key) {
                continue;
            }
            let mut ctx = self.ctx(now);
            let action = match &key {
                ObjectKey::Resource(uid) => presigned_url::plan(&mut ctx, uid),
                ObjectKey::Store(name) => cluster_store::plan(&mut ctx, name),
                ObjectKey::Policy(name) => policy::plan(&mut ctx, name),
            };
            let step = match &action {
                Action::Start(step, _) => Some(&**step),
                _ => None,
            };
            if let ObjectKey::Resource(uid) = &key {
                let mut free = ctx.cache.limiter.planned(uid, step);
                let is_large = step.is_some_and(|step| step.bytes() > 0 || step.writes_a_secret());
                free.extend(ctx.cache.room_used(uid, is_large));
                if let Some(Step::List { .. }) = step {
                    ctx.cache.listing_starts(uid, ctx.now);
                }
                for uid in free {
                    ctx.enqueue(ObjectKey::Resource(uid.into()));
                }
            }
            let requeue = ctx.requeue.earliest();
            if let Action::Start(step, in_flight) = action {
                self.queue.begin(key.clone(), ticket);
                self.in_flight.insert(key.clone(), *in_flight);
                return Some((key, *step));
            }
            self.queue.at(&key, requeue);
        }
        None
    }

    /// Applies the result of a step.
    pub fn done(&mut self, key: &ObjectKey, result: StepResult, now: Timestamp) {
        let Some((ticket, dirty)) = self.queue.end(key) else {
            return;
        };
        let Some(in_flight) = self.in_flight.remove(key) else {
            return;
        };
        let mut ctx = self.ctx(now);
        if let ObjectKey::Resource(uid) = key {
            for uid in ctx.cache.limiter.ended(uid) {
                ctx.enqueue(ObjectKey::Resource(uid.into()));
            }
        }
        let continues = match key {
            ObjectKey::Resource(uid) => {
                let continues = presigned_url::completed(&mut ctx, uid, in_flight, result);
                if !continues {
                    ctx.enqueue(key.clone());
                }
                continues
            }
            ObjectKey::Store(name) => {
                cluster_store::completed(&mut ctx, name, in_flight, result, dirty)
            }
            ObjectKey::Policy(name) => policy::completed(&mut ctx, name, in_flight, result, dirty),
        };
        if continues && self.index.contains(key) {
            self.ctx(now).proceed(key.clone(), ticket);
        }
    }

    fn ctx(&mut self, now: Timestamp) -> Ctx<'_> {
        Ctx {
            cache: &mut self.index,
            queue: &mut self.queue,
            settings: &self.settings,
            reports_as: &self.reports_as,
            reserved: &self.reserved,
            clock: &mut self.clock,
            observations: &mut self.observations,
            throttled_until: &mut self.throttled_until,
            draining: self.draining,
            now: whole(now),
            moment: now,
            requeue: RequeueAt::default(),
        }
    }

    /// Starts nothing new from now on: only Secrets that are already written are still recorded in a status.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Another instance leads: no step starts from now on, and events are still applied. Steps in flight go
    /// on to their results.
    pub fn follow(&mut self) {
        self.following = true;
    }

    /// This instance leads from now on. It forgets what a restart would forget, since another instance may
    /// have acted meanwhile and the statuses alone tell what it did; then it plans everything. No step may be
    /// in flight.
    pub fn lead(&mut self, now: Timestamp) {
        self.following = false;
        self.throttled_until = None;
        self.queue = Self::empty_queue(&self.settings);
        let mut ctx = self.ctx(now);
        ctx.cache.restart();
        cluster_store::restart(&mut ctx);
        if self.synced() {
            let everything = self.index.everything();
            let mut ctx = self.ctx(now);
            for key in everything {
                ctx.enqueue(key);
            }
        }
    }

    /// When something is due next; the shell need not call [`Self::next`] earlier unless it has an event or a
    /// result.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        // While all calls are throttled, no step starts, however long it has been due.
        self.throttled_until
            .or_else(|| self.queue.next_due())
            .map(ceil)
    }

    /// The kinds whose first list is not complete yet.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<Watched> {
        self.awaited().collect()
    }

    /// The ClusterTrustBundles that stores name: the shell watches these and no other.
    #[must_use]
    pub fn named_trust_bundles(&self) -> BTreeSet<String> {
        cluster_store::named_trust_bundles(&self.index)
    }

    /// Whether a list showed that the cluster was restored to a backup: what is known here is of the history
    /// before, and only a new engine can be trusted.
    #[must_use]
    pub fn history_went_back(&self) -> bool {
        self.index.relists.history_went_back()
    }

    /// Called for each event and each step, so it allocates nothing.
    fn awaited(&self) -> impl Iterator<Item = Watched> {
        self.index.waiting_for()
    }

    /// How many objects wait (urgent, routine), and how many steps are in flight.
    #[must_use]
    pub fn load(&self) -> (usize, usize, usize) {
        let (urgent, routine) = self.queue.depth();
        (urgent, routine, self.queue.in_flight())
    }

    /// What happened since the last call, for metrics.
    pub fn observations(&mut self) -> Vec<Observation> {
        std::mem::take(&mut self.observations)
    }

    /// The figures of each resource that this instance serves, for metrics. An instance that follows has none:
    /// the leader reports them.
    pub fn figures(&self) -> impl Iterator<Item = ResourceFigures> {
        let leading = (!self.following).then_some(&self.index.resources);
        let records = leading.into_iter().flat_map(BTreeMap::values);
        let class = self.settings.class.as_deref();
        records
            .filter(move |record| record.is_served_by(class))
            .map(|record| ResourceFigures::of(record))
    }

    /// How many policies there are, by the reason of their Ready condition.
    #[must_use]
    pub fn policies(&self) -> BTreeMap<Reason, usize> {
        let reasons = [
            Reason::Accepted,
            Reason::AllowsNothing,
            Reason::PolicyInvalid,
        ];
        let mut counts = BTreeMap::from(reasons.map(|reason| (reason, 0)));
        if self.following {
            return counts;
        }
        for policy in self.index.policies.values() {
            *counts.entry(self.index.reason_of(policy)).or_default() += 1;
        }
        counts
    }

    /// The clock of each store less the operator's, of the stores that have shown theirs. An instance that
    /// follows reads no clock.
    pub fn clock_skews(&self) -> impl Iterator<Item = (&str, SignedDuration)> {
        let leading = (!self.following).then_some(&self.index.stores);
        let stores = leading.into_iter().flatten();
        stores.filter_map(|(name, store)| Some((name.as_str(), store.clock_skew().store()?)))
    }

    /// What an object is called and how it stands; `None` if it is gone.
    #[must_use]
    pub fn subject(&self, key: &ObjectKey) -> Option<Subject<'_>> {
        Subject::of(&self.index, key)
    }

    /// Whether a step of an object is in flight, or the next one goes before those of objects that have not
    /// started.
    #[must_use]
    pub fn is_under_way(&self, key: &ObjectKey) -> bool {
        self.in_flight.contains_key(key) || self.queue.continues(key)
    }

    fn synced(&self) -> bool {
        self.awaited().next().is_none()
    }
}

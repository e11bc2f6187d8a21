//! Stores: the spec, the credentials, and what probes found out. A state machine without I/O.
//!
//! What holds here:
//! - this is the only cache of credentials;
//! - the last credentials that worked are used until they end, whatever the source says meanwhile;
//! - other credentials, another endpoint, region or style are a [`Candidate`], which is probed before it is
//!   used; until then everything is evaluated and signed by the active [`Version`];
//! - adopting a candidate is one assignment;
//! - nothing of the cache of resources is known here.

mod clock_skew;
mod config;
mod credentials;
mod inconclusive_buckets;
mod lease;
mod probe;
mod probe_verdict;
mod sts_sessions;
mod unsigned_headers;
mod version;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::{ConditionStatus, ConditionType, SessionScope, condition};
use crate::engine::protocol::StoreSeen;
use crate::engine::protocol::{CredentialSource, Uid};
use crate::time::later;
use clock_skew::ClockSkew;
pub(super) use clock_skew::shifted;
pub(super) use config::StoreConfig;
use credentials::Fetch;
pub(super) use credentials::HeldCredentials;
use credentials::ended;
pub(super) use lease::{CredentialNeed, Lease};
pub(super) use probe::ProbeOutcome;
use probe::Probing;
pub(super) use probe_verdict::ProbeVerdict;
use sts_sessions::StsSessions;
use unsigned_headers::UnsignedHeaderCheck;
pub(super) use unsigned_headers::UploadPermission;
use version::{Candidate, Version};

/// Between two fetches that were made to lengthen a life.
pub(super) const REFRESH_PAUSE: Duration = Duration::from_mins(1);
/// What credentials must have left to sign anything.
const MIN_REMAINING: Duration = Duration::from_mins(1);
/// By how much the date of living URLs may be off before they are signed again; less than what a renewal
/// leaves at least.
const MAX_DATE_ERROR: SignedDuration = SignedDuration::from_secs(60);
/// Between two fetches of credentials that only a person can fix.
const RECHECK: Duration = Duration::from_mins(5);

/// A store, and what is known of its credentials.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) seen: StoreSeen,
    /// What resources are evaluated by and signed with: it stays while a candidate is tried.
    active: Version,
    /// What is tried before it is used.
    candidate: Option<Box<Candidate>>,
    /// What the fetch under way asks for.
    fetching: Option<CredentialSource>,
    /// The credentials may have changed since they were fetched: nothing is signed with them before the next
    /// fetch.
    stale: bool,
    probing: Probing,
    /// The offset by which the living URLs were dated.
    dated_by: Option<SignedDuration>,
    sessions: StsSessions,
    /// Resources that wait for what is wanted or under way.
    pub(super) waiting: BTreeSet<Uid>,
    /// When the status was last written, so that counts do not write it over and over.
    pub(super) status_written_at: Option<Timestamp>,
}

/// What a newer version of the object means for what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpecUpdate {
    /// Nothing.
    Same,
    /// What is signed may differ.
    Changed,
    /// What is signed may differ once it was tried.
    OnTrial,
}

impl Store {
    pub(super) fn new(seen: StoreSeen) -> Self {
        let config = compile(&seen);
        let accepted = probe_verdict::was_accepted(&seen.status, seen.generation);
        let clock = condition(&seen.status.conditions, ConditionType::ClockSkewed);
        let answered =
            accepted || clock.is_some_and(|clock| clock.status == ConditionStatus::False);
        let rejected = probe_verdict::recover_rejection(&seen.status, seen.generation);
        let rejected = rejected.filter(|_| config.is_ok());
        let unsigned = UnsignedHeaderCheck::of(config.as_ref().ok(), &seen.status, seen.generation);
        let mut active = Version::new(config, unsigned, ClockSkew::default());
        active.proven = accepted;
        Self {
            active,
            candidate: None,
            probing: Probing::new(answered, rejected),
            seen,
            fetching: None,
            stale: false,
            dated_by: None,
            sessions: StsSessions::default(),
            waiting: BTreeSet::new(),
            status_written_at: None,
        }
    }

    /// Applies a newer version of the object.
    pub(super) fn update(&mut self, seen: StoreSeen, now: Timestamp) -> SpecUpdate {
        let anew = self.seen.uid != seen.uid;
        if !anew && self.seen.spec == seen.spec {
            self.seen = seen;
            return SpecUpdate::Same;
        }
        if anew {
            let fetching = self.fetching.take();
            let waiting = std::mem::take(&mut self.waiting);
            let skew = self.active.skew;
            *self = Self::new(seen);
            self.fetching = fetching;
            self.waiting = waiting;
            self.active.skew = skew.of_another_endpoint();
            return SpecUpdate::Changed;
        }
        let config = compile(&seen);
        self.seen = seen;
        self.active.probe.at = Some(now);
        self.probing.turn += 1;
        self.probing.recovered = None;
        let (old, new) = match (&self.active.config, config) {
            (Ok(old), Ok(new)) => (old, new),
            (old, new) => {
                let source = |form: &Result<StoreConfig, String>| {
                    form.as_ref().ok().map(|form| form.source.clone())
                };
                if source(old) != source(&new) {
                    // What another source gave signs nothing here: the endpoint may be another provider's
                    // now.
                    self.active.credentials = None;
                    self.active.fetch = Fetch::begin();
                    self.forget_sessions();
                }
                self.active.unsigned = new.as_ref().map_or(UnsignedHeaderCheck::Untested, |new| {
                    UnsignedHeaderCheck::of(Some(new), &self.seen.status, self.seen.generation)
                });
                self.candidate = None;
                self.active.config = new;
                self.active.probe.verdict = None;
                self.active.proven = false;
                self.forget_rejected_keys();
                self.active.skew = self.active.skew.of_another_endpoint();
                return SpecUpdate::Changed;
            }
        };
        let another_source = old.source != new.source;
        if self.active.credentials.is_some() && (another_source || new.moved_from(old)) {
            let known = self.candidate.take();
            self.candidate = Some(Box::new(Candidate::of_spec(new, &self.active, known, now)));
            return SpecUpdate::OnTrial;
        }
        if new.default_endpoint != old.default_endpoint {
            self.active.unsigned =
                UnsignedHeaderCheck::of(Some(&new), &self.seen.status, self.seen.generation);
        }
        if another_source {
            self.active.fetch = Fetch::begin();
            self.forget_sessions();
        }
        // A candidate with other credentials of the same source stays.
        self.candidate = self
            .candidate
            .take()
            .filter(|candidate| {
                candidate.own_fetch().is_none()
                    && candidate.version.credentials.is_some()
                    && !another_source
            })
            .map(|mut candidate| {
                candidate.version.config = Ok(new.clone());
                candidate.restart_trial(now);
                candidate
            });
        self.active.config = Ok(new);
        SpecUpdate::Changed
    }

    /// The source is another one. A session is known by its name and policy alone, and a fetch that is under
    /// way comes to nothing: who waited for it asks the new source.
    fn forget_sessions(&mut self) {
        self.waiting.extend(self.sessions.clear());
    }

    /// The spec that resources are judged by and signed with, or why it cannot be used.
    pub(super) fn config(&self) -> Result<&StoreConfig, &str> {
        self.active.config.as_ref().map_err(String::as_str)
    }

    /// The credentials that sign.
    pub(super) fn credentials(&self) -> Option<&HeldCredentials> {
        self.active.credentials.as_ref()
    }

    /// What the store does with headers that were not signed.
    pub(super) fn unsigned_headers(&self) -> UnsignedHeaderCheck {
        self.active.unsigned
    }

    /// How far the clocks are apart.
    pub(super) fn clock_skew(&self) -> ClockSkew {
        self.active.skew
    }

    /// The API server's clock was read.
    pub(super) fn api_clock_read(&mut self, skew: SignedDuration) {
        self.active.skew.read_api(skew);
        if let Some(candidate) = &mut self.candidate {
            candidate.version.skew.read_api(skew);
        }
    }

    pub(super) fn reads_secret(&self, secret: &str) -> bool {
        let candidate = self.candidate.as_ref();
        let candidate = candidate.and_then(|candidate| candidate.version.config());
        let mut configs = self.active.config().into_iter().chain(candidate);
        configs.any(|config| config.reads_secret(secret))
    }

    /// The clock was stepped: no pause may become longer than it was meant to be.
    pub(super) fn clock_stepped(&mut self, now: Timestamp) {
        self.active.fetch.clock_stepped(now);
        if let Some(candidate) = &mut self.candidate {
            candidate.clock_stepped(now);
        }
        self.status_written_at = self.status_written_at.filter(|time| *time <= now);
        self.active.skew.forget();
        self.probing.clock_read = false;
        self.sessions.hurry();
        self.active.probe.at = self.active.probe.at.map(|_| now);
        self.probing.turn += 1;
    }

    /// Whether living URLs were dated by an offset that is wrong by now. It says so once for each change.
    pub(super) fn offset_changed(&mut self) -> bool {
        if !self.probing.clock_read || self.active.skew.too_far_apart().is_some() {
            return false;
        }
        let offset = self.active.skew.offset();
        let before = *self.dated_by.get_or_insert(offset);
        let differs = (offset - before).abs() > MAX_DATE_ERROR;
        if differs {
            self.dated_by = Some(offset);
        }
        differs
    }

    /// Whether the store's clock is to be read before anything is signed; a probe without an answer is
    /// enough.
    fn needs_measurement(&mut self, now: Timestamp) -> bool {
        // A store that nobody used for hours was not probed: what its clock showed then says nothing of now.
        let due = self.active.probe.at;
        if due.is_some_and(|due| later(due, probe::WATCH) <= now) {
            self.probing.clock_read = false;
        }
        if self.probing.clock_read {
            return false;
        }
        if self.active.useful_credentials(now).is_some() {
            self.active.probe.at = Some(now);
            return true;
        }
        // A role's narrowed sessions sign without the store's own, and a probe needs the store's own.
        if self.may_fetch_to_probe(now) {
            self.active.fetch.want();
        }
        self.active.fetch.failure.is_none() && (self.active.fetch.wanted || self.fetching.is_some())
    }

    /// Whether a probe is due that a fetch of the store's own session would make possible. If a role's sessions
    /// are narrowed, each signer fetches its own session, and nobody else asks for another of the store's own.
    pub(super) fn lacks_session_to_probe(&self, now: Timestamp) -> bool {
        let narrows = self
            .active
            .config()
            .is_some_and(|config| config.scope != SessionScope::Store);
        let due = self.active.probe.at.is_some_and(|at| at <= now);
        narrows && due && self.may_fetch_to_probe(now)
    }

    fn may_fetch_to_probe(&self, now: Timestamp) -> bool {
        let credentials = self.active.credentials.as_ref();
        let ended = credentials.is_some_and(|held| !held.is_useful(now));
        let fetch = &self.active.fetch;
        ended && fetch.failure.is_none() && !fetch.recently(now)
    }

    /// Whether a PUT may be signed.
    /// `narrowed`: the session that signs may do nothing else, if the store's scope is Request.
    pub(super) fn upload_permission(&mut self, narrowed: bool, now: Timestamp) -> UploadPermission {
        let Ok(config) = &self.active.config else {
            return UploadPermission::Wait;
        };
        let permission = self
            .active
            .unsigned
            .upload_permission(config, narrowed, &self.seen.name);
        if permission != UploadPermission::Wait {
            return permission;
        }
        // Without useful credentials there is no probe to wait for.
        if self.active.useful_credentials(now).is_some() {
            if self.active.unsigned == UnsignedHeaderCheck::Untested {
                self.active.probe.at = Some(now);
            }
            return UploadPermission::Wait;
        }
        UnsignedHeaderCheck::Unclear.upload_permission(config, narrowed, &self.seen.name)
    }
}

fn compile(seen: &StoreSeen) -> Result<StoreConfig, String> {
    seen.spec
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|spec| StoreConfig::of(spec))
}

//! What is known of one store, and what a newer version of its object changes.
//!
//! What holds here:
//! - the active version stays as it is while a candidate is on trial;
//! - whatever was learned of another location or from another source is forgotten with it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::clock_skew::ClockSkew;
use super::config::StoreConfig;
use super::credentials::HeldCredentials;
use super::probe_verdict::{recover_rejection, was_accepted};
use super::probing::Probing;
use super::reports::Reports;
use super::sts_sessions::StsSessions;
use super::trust_bundle::{TrustBundle, named_bundle};
use super::unsigned_headers::{UnsignedHeaderCheck, UploadPermission};
use super::version::{Candidate, Fetch, Version};
use crate::api::{ConditionStatus, ConditionType, condition};
use crate::engine::protocol::{CredentialSource, StoreSeen, Uid};
use crate::issue::issued::CLOCKS_AGREE;

/// By how much the date of URLs that still work may be off before they are signed again; less than what a
/// renewal leaves at least.
const MAX_DATE_ERROR: SignedDuration = SignedDuration::from_secs(60);

/// A store, and what is known of its credentials.
#[derive(Debug)]
pub(in crate::engine) struct Store {
    /// The object as it was last seen; its status is this operator's own report.
    pub(in crate::engine) seen: StoreSeen,
    /// What is known of the ClusterTrustBundle that the spec names; `None` if it names none, or nothing is
    /// known yet.
    trust: Option<TrustBundle>,
    /// The whole status.
    pub(in crate::engine) reports: Reports,
    /// What resources are evaluated by and signed with: it stays while a candidate is on trial.
    pub(super) active: Version,
    /// What is probed before it is used.
    pub(super) candidate: Option<Box<Candidate>>,
    /// Other credentials of the source in use, if the candidate has another source; else they are the
    /// candidate's. They are probed before they are used as well.
    pub(super) new_key: Option<Box<Candidate>>,
    /// The source of the fetch under way.
    pub(super) fetching: Option<CredentialSource>,
    /// The credentials may have changed since they were fetched: nothing is signed with them before the next
    /// fetch.
    pub(super) stale: bool,
    pub(super) probing: Probing,
    /// The offset by which the URLs that still work were dated.
    pub(super) dated_by: Option<SignedDuration>,
    /// How far the clocks were apart when the ends of its URLs were last planned.
    ends_planned_by: SignedDuration,
    pub(super) sessions: StsSessions,
    /// Resources that wait for a fetch or a probe.
    pub(in crate::engine) waiting: BTreeSet<Uid>,
    /// When the status was last written, so that counts do not write it over and over.
    pub(in crate::engine) status_written_at: Option<Timestamp>,
}

/// What a newer version of the object means for what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum SpecUpdate {
    /// Nothing.
    Same,
    /// What is signed may differ.
    Changed,
    /// What is signed may differ once the change was probed.
    OnTrial,
}

impl Store {
    /// A store that was not known before. `trust` is what is known of the bundle that it names.
    pub(in crate::engine) fn new(seen: StoreSeen, trust: Option<TrustBundle>) -> Self {
        let config = compile(&seen, trust.as_ref());
        let accepted = was_accepted(&seen.status, seen.generation);
        let clock = condition(&seen.status.conditions, ConditionType::ClockInSync);
        let answered = accepted || clock.is_some_and(|clock| clock.status == ConditionStatus::True);
        let rejected = recover_rejection(&seen.status, seen.generation);
        let rejected = rejected.filter(|_| config.is_ok());
        let unsigned = UnsignedHeaderCheck::of(config.as_ref().ok(), &seen.status, seen.generation);
        let mut active = Version::new(config, unsigned, ClockSkew::default());
        active.proven = accepted;
        Self {
            active,
            candidate: None,
            new_key: None,
            probing: Probing::new(answered, rejected),
            seen,
            trust,
            reports: Reports::default(),
            fetching: None,
            stale: false,
            dated_by: None,
            ends_planned_by: SignedDuration::ZERO,
            sessions: StsSessions::default(),
            waiting: BTreeSet::new(),
            status_written_at: None,
        }
    }

    /// Applies a newer version of the object, or of the bundle that it names: other certificates are an edit
    /// of the spec.
    pub(in crate::engine) fn update(
        &mut self,
        seen: StoreSeen,
        trust: Option<TrustBundle>,
        now: Timestamp,
    ) -> SpecUpdate {
        // Nothing was planned for a store that began without its bundle, so it begins now.
        let begins = self.awaits_trust() && self.active.config.is_err();
        let anew = self.seen.uid != seen.uid || begins;
        if !anew && self.seen.spec == seen.spec && self.trusts_the_same(trust.as_ref()) {
            self.seen = seen;
            self.trust = trust;
            return SpecUpdate::Same;
        }
        if anew {
            let fetching = self.fetching.take();
            let waiting = std::mem::take(&mut self.waiting);
            let reports = std::mem::take(&mut self.reports);
            let skew = self.active.skew;
            *self = Self::new(seen, trust);
            self.fetching = fetching;
            self.waiting = waiting;
            self.reports = reports;
            self.active.skew = skew.of_another_endpoint();
            return SpecUpdate::Changed;
        }
        let config = compile(&seen, trust.as_ref());
        self.seen = seen;
        self.trust = trust;
        if self.awaits_trust() {
            // What is in use stays as it is, and nothing is planned before more is known.
            return SpecUpdate::Same;
        }
        self.active.probe.at = Some(now);
        self.probing.turn += 1;
        self.probing.recovered = None;
        let (old, new) = match (&self.active.config, config) {
            (Ok(old), Ok(new)) => (old, new),
            (old, new) => {
                let source = |config: &Result<StoreConfig, String>| {
                    config.as_ref().ok().map(|config| config.source.clone())
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
                self.new_key = None;
                self.active.config = new;
                self.forget_place();
                return SpecUpdate::Changed;
            }
        };
        let another_source = old.source != new.source;
        let moved = new.moved_from(old);
        if self.active.credentials.is_some() && (another_source || moved) {
            // Other credentials of the source in use stay on trial, whatever the store names meanwhile.
            let (old, key) = (old.clone(), self.take_key_on_trial());
            let before = self.candidate.take();
            let mut candidate = Candidate::of_spec(new, &self.active, before, now);
            if another_source {
                let key = key.map(|key| Candidate::of_credentials(old, key, &self.active, now));
                self.new_key = key.map(Box::new);
            } else {
                candidate.version.credentials = key;
            }
            self.candidate = Some(Box::new(candidate));
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
        // Other credentials of the same source stay on trial.
        self.candidate = self
            .candidate
            .take()
            .filter(|candidate| {
                candidate.own_fetch().is_none() && candidate.version.credentials.is_some()
            })
            .or(self.new_key.take())
            .filter(|_| !another_source)
            .map(|mut candidate| {
                candidate.version.config = Ok(new.clone());
                candidate.restart_trial(now);
                candidate
            });
        self.active.config = Ok(new);
        if moved {
            self.forget_place();
        }
        SpecUpdate::Changed
    }

    /// Whether the spec names a bundle of which nothing is known yet: nothing is planned for the store and what
    /// depends on it, as if it had not been listed.
    pub(in crate::engine) fn awaits_trust(&self) -> bool {
        self.trust.is_none() && self.names_bundle().is_some()
    }

    /// The ClusterTrustBundle that the spec names.
    pub(in crate::engine) fn names_bundle(&self) -> Option<&str> {
        named_bundle(self.seen.spec.as_ref().ok()?)
    }

    /// What is known of the bundle that the spec names.
    pub(in crate::engine) const fn trust(&self) -> Option<&TrustBundle> {
        self.trust.as_ref()
    }

    /// Why the certificates in use are not those of the bundle, if they are not.
    pub(in crate::engine) fn lost_bundle(&self) -> Option<&str> {
        self.trust.as_ref()?.lost()
    }

    /// Whether it signs with the same certificates, or lacks them for the same reason.
    fn trusts_the_same(&self, trust: Option<&TrustBundle>) -> bool {
        self.trust.as_ref().map(TrustBundle::certificates) == trust.map(TrustBundle::certificates)
    }

    /// The active version is of another place now, without a trial: what was learned says nothing of it, and
    /// nothing is signed before its first probe.
    fn forget_place(&mut self) {
        self.active.probe.verdict = None;
        self.active.proven = false;
        self.active.skew = self.active.skew.of_another_endpoint();
        self.probing.clock_read = false;
        self.probing.forget_rejected_keys();
    }

    /// Takes the other credentials of the source in use from what is on trial, if there are any.
    fn take_key_on_trial(&mut self) -> Option<HeldCredentials> {
        let candidate = self.candidate.as_mut();
        let candidate = candidate.filter(|candidate| candidate.own_fetch().is_none());
        let beside = self.new_key.take();
        let beside = beside.and_then(|key| key.version.credentials);
        beside.or_else(|| candidate.and_then(|candidate| candidate.version.credentials.take()))
    }

    /// Everything that is probed before it is used.
    pub(super) fn on_trial(&self) -> impl Iterator<Item = &Candidate> {
        let both = self.candidate.iter().chain(&self.new_key);
        both.map(|candidate| &**candidate)
    }

    /// Everything that is probed before it is used.
    pub(super) fn on_trial_mut(&mut self) -> impl Iterator<Item = &mut Candidate> {
        let both = self.candidate.iter_mut().chain(&mut self.new_key);
        both.map(|candidate| &mut **candidate)
    }

    /// The source is another one. A session is known by its name and policy alone. The result of a fetch that
    /// is under way is dropped: the resources that waited for it fetch from the new source.
    pub(super) fn forget_sessions(&mut self) {
        self.waiting.extend(self.sessions.clear());
    }

    /// The spec that resources are evaluated by and signed with, or why it cannot be used.
    pub(in crate::engine) fn config(&self) -> Result<&StoreConfig, &str> {
        self.active.config.as_ref().map_err(String::as_str)
    }

    /// The credentials that sign.
    pub(in crate::engine) fn credentials(&self) -> Option<&HeldCredentials> {
        self.active.credentials.as_ref()
    }

    /// What the store does with headers that were not signed.
    pub(in crate::engine) fn unsigned_headers(&self) -> UnsignedHeaderCheck {
        self.active.unsigned
    }

    /// How far the clocks are apart.
    pub(in crate::engine) fn clock_skew(&self) -> ClockSkew {
        self.active.skew
    }

    /// The API server's clock was read.
    pub(in crate::engine) fn api_clock_read(&mut self, skew: SignedDuration) {
        self.active.skew.read_api(skew);
        for candidate in self.on_trial_mut() {
            candidate.version.skew.read_api(skew);
        }
    }

    pub(in crate::engine) fn reads_secret(&self, secret: &str) -> bool {
        let candidate = self.candidate.as_ref();
        let candidate = candidate.and_then(|candidate| candidate.version.config());
        let mut configs = self.active.config().into_iter().chain(candidate);
        configs.any(|config| config.reads_secret(secret))
    }

    /// The clock was stepped: no pause may become longer than it was meant to be.
    pub(in crate::engine) fn clock_stepped(&mut self, now: Timestamp) {
        self.active.fetch.clock_stepped(now);
        for candidate in self.on_trial_mut() {
            candidate.clock_stepped(now);
        }
        self.status_written_at = self.status_written_at.filter(|time| *time <= now);
        self.active.skew.forget();
        self.probing.clock_read = false;
        self.sessions.clear_pauses();
        self.active.probe.at = self.active.probe.at.map(|_| now);
        self.probing.turn += 1;
    }

    /// Whether URLs that still work were dated by an offset that is wrong by now. True once for each change.
    pub(in crate::engine) fn offset_changed(&mut self) -> bool {
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

    /// Whether the clocks are further apart, or nearer, than when the ends of its URLs were last planned.
    pub(in crate::engine) fn moves_ends(&self) -> bool {
        let moved = self.active.skew.measured() - self.ends_planned_by;
        moved.abs() > CLOCKS_AGREE
    }

    /// How far the clocks were apart when the ends of its URLs were last planned, and are now, if that moves
    /// the ends. They count as planned from now on.
    pub(in crate::engine) fn plan_ends(&mut self) -> Option<(SignedDuration, SignedDuration)> {
        let moves = self.moves_ends();
        moves.then(|| {
            let skew = self.active.skew.measured();
            (std::mem::replace(&mut self.ends_planned_by, skew), skew)
        })
    }

    /// Whether a PUT may be signed.
    /// `narrowed`: the session that signs may do nothing else, if the store's scope is Request.
    pub(in crate::engine) fn upload_permission(
        &mut self,
        narrowed: bool,
        now: Timestamp,
    ) -> UploadPermission {
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

fn compile(seen: &StoreSeen, trust: Option<&TrustBundle>) -> Result<StoreConfig, String> {
    let spec = seen.spec.as_ref().map_err(Clone::clone)?;
    if named_bundle(spec).is_none() {
        return StoreConfig::of(spec, None);
    }
    let trust = trust.ok_or("the ClusterTrustBundle that it names is not known yet")?;
    StoreConfig::of(spec, Some(trust.certificates()?))
}

//! Versions of a store: the active one, and the candidate that is tried before it is used.
//!
//! What holds here:
//! - if an answer says that a candidate cannot work, the active version stays in use, and the candidate is
//!   probed again with growing pauses;
//! - a store that answered before must answer again before a candidate is used; one that never answered holds
//!   nothing back, since signing needs no answer;
//! - an active version that is known not to work holds nothing back either.

use std::time::Duration;

use jiff::Timestamp;

use super::clock_skew::ClockSkew;
use super::config::StoreConfig;
use super::credentials::{Fetch, HeldCredentials};
use super::probe::ProbeOutcome;
use super::probe_verdict::ProbeVerdict;
use super::unsigned_headers::UnsignedHeaderCheck;
use super::{RECHECK, Store};
use crate::api::Reason;
use crate::issue::backoff;
use crate::time::{between, later};

/// How long living URLs of other credentials hold back a candidate without an answer, if the credentials that
/// signed them are gone.
const HOLD: Duration = Duration::from_mins(15);

/// One version of a store: what signs, and what is known of it.
#[derive(Debug)]
pub(super) struct Version {
    /// The spec, or why it cannot be used. Of a candidate it always can.
    pub(super) config: Result<StoreConfig, String>,
    /// The fetch from its source. A candidate of the same source leaves that to the active version.
    pub(super) fetch: Fetch,
    /// What signs. A candidate that has none is tried with those of the active version, if the source is the
    /// same.
    pub(super) credentials: Option<HeldCredentials>,
    pub(super) probe: ProbeState,
    /// What its endpoint does with headers that were not signed.
    pub(super) unsigned: UnsignedHeaderCheck,
    /// What the clock of its endpoint showed.
    pub(super) skew: ClockSkew,
    /// Whether the store ever accepted a signature at its endpoint, in its region and by its style.
    pub(super) proven: bool,
}

/// When a version is probed, and what the last probe said.
#[derive(Debug, Default)]
pub(super) struct ProbeState {
    pub(super) at: Option<Timestamp>,
    pub(super) failures: u32,
    pub(super) verdict: Option<ProbeVerdict>,
}

/// A version on trial.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) version: Version,
    /// Whether its credentials come from another source than the active version's.
    own_source: bool,
    since: Timestamp,
}

impl Version {
    /// A version of which nothing was fetched or probed.
    pub(super) fn new(
        config: Result<StoreConfig, String>,
        unsigned: UnsignedHeaderCheck,
        skew: ClockSkew,
    ) -> Self {
        Self {
            config,
            fetch: Fetch::begin(),
            credentials: None,
            probe: ProbeState::default(),
            unsigned,
            skew,
            proven: false,
        }
    }

    pub(super) fn config(&self) -> Option<&StoreConfig> {
        self.config.as_ref().ok()
    }

    /// Whether another endpoint, region or style is meant.
    pub(super) fn moved_from(&self, other: &Self) -> bool {
        match (self.config(), other.config()) {
            (Some(this), Some(other)) => this.moved_from(other),
            _ => true,
        }
    }

    /// The credentials, if something can still be signed with them.
    pub(super) fn useful_credentials(&self, now: Timestamp) -> Option<&HeldCredentials> {
        let held = self.credentials.as_ref();
        held.filter(|held| held.is_useful(now))
    }
}

impl Candidate {
    /// A newer spec.
    pub(super) fn of_spec(
        config: StoreConfig,
        active: &Version,
        before: Option<Box<Self>>,
        now: Timestamp,
    ) -> Self {
        let own_source = active
            .config()
            .is_none_or(|active| active.source != config.source);
        let unsigned = if config.is_aws() {
            UnsignedHeaderCheck::Rejected
        } else {
            UnsignedHeaderCheck::Untested
        };
        // What was fetched for an earlier candidate from the same source is on trial still.
        let before = before.filter(|before| {
            let before = before.version.config();
            before.is_some_and(|before| before.source == config.source)
        });
        let skew = active.skew.of_another_endpoint();
        let mut version = Version::new(Ok(config), unsigned, skew);
        if let Some(before) = before {
            version.credentials = before.version.credentials;
            if own_source && before.own_source {
                version.fetch = before.version.fetch;
            }
        }
        version.probe.at = Some(now);
        Self {
            version,
            own_source,
            since: now,
        }
    }

    /// Other credentials.
    pub(super) fn of_credentials(
        config: StoreConfig,
        held: HeldCredentials,
        active: &Version,
        now: Timestamp,
    ) -> Self {
        let mut candidate = Self::of_spec(config, active, None, now);
        candidate.version.credentials = Some(held);
        candidate
    }

    /// The fetch of its own source, if it has another one than the active version.
    pub(super) fn own_fetch(&self) -> Option<&Fetch> {
        self.own_source.then_some(&self.version.fetch)
    }

    pub(super) fn own_fetch_mut(&mut self) -> Option<&mut Fetch> {
        self.own_source.then_some(&mut self.version.fetch)
    }

    /// It changed again: it is tried at once.
    pub(super) fn restart_trial(&mut self, now: Timestamp) {
        self.version.probe = ProbeState {
            at: Some(now),
            ..ProbeState::default()
        };
    }

    pub(super) fn clock_stepped(&mut self, now: Timestamp) {
        if let Some(fetch) = self.own_fetch_mut() {
            fetch.clock_stepped(now);
        }
        self.version.skew.forget();
        self.version.probe.at = Some(now);
        self.since = self.since.min(now);
    }

    /// Whether there is something to try it with.
    pub(super) const fn is_ready(&self) -> bool {
        !self.own_source || self.version.credentials.is_some()
    }

    /// Whether it is to be probed now.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.is_ready() && self.version.probe.at.is_some_and(|at| at <= now)
    }

    /// Whether it is not known yet if it works, and will be soon.
    pub(super) fn is_pending(&self) -> bool {
        let failed = self
            .own_fetch()
            .is_some_and(|fetch| fetch.failure.is_some());
        let version = &self.version;
        version.probe.verdict.is_none() && (version.credentials.is_some() || !failed)
    }

    /// The whole version that it becomes: it takes over from the active one what the two share.
    fn completed(self, active: &mut Version) -> Version {
        let moved = self.version.moved_from(active);
        let Self {
            version:
                Version {
                    config,
                    fetch,
                    credentials,
                    probe,
                    unsigned,
                    skew,
                    proven,
                },
            own_source,
            since: _,
        } = self;
        Version {
            config,
            fetch: if own_source {
                fetch
            } else {
                std::mem::take(&mut active.fetch)
            },
            credentials: credentials.or_else(|| active.credentials.take()),
            probe,
            unsigned: if moved { unsigned } else { active.unsigned },
            skew: if moved { skew } else { active.skew },
            proven: if moved { proven } else { active.proven },
        }
    }

    /// Why it is not in use, if that is known: reason and sentence.
    pub(super) fn obstacle(&self) -> Option<(Reason, String)> {
        match (
            &self.version.probe.verdict,
            self.own_fetch().and_then(|fetch| fetch.failure.as_ref()),
        ) {
            (
                Some(
                    ProbeVerdict::Rejected(reason, why)
                    | ProbeVerdict::Inconclusive(reason, why)
                    | ProbeVerdict::Undecided(reason, why),
                ),
                _,
            ) => Some((*reason, why.clone())),
            (_, Some(failure)) => Some((failure.reason, failure.message.clone())),
            (_, None) => None,
        }
    }
}

impl Store {
    /// No dependent has a bucket to probe: the candidate is used at once.
    pub(in crate::engine) fn adopt_untested(&mut self, now: Timestamp) -> ProbeOutcome {
        if self
            .candidate
            .as_ref()
            .is_some_and(|candidate| candidate.is_ready())
        {
            return self.adopt(None, now);
        }
        ProbeOutcome::Unchanged
    }

    /// What is wrong with the candidate (true), or with the fetch of the active version: reason and sentence.
    pub(in crate::engine) fn problem(&self) -> Option<(bool, Reason, String)> {
        let candidate = self
            .candidate
            .as_ref()
            .and_then(|candidate| candidate.obstacle());
        let fetch = self.active.fetch.failure.as_ref();
        candidate
            .map(|(reason, why)| (true, reason, why))
            .or_else(|| fetch.map(|failure| (false, failure.reason, failure.message.clone())))
    }

    /// Whether a change of the store is tried, or waits to be.
    pub(in crate::engine) const fn has_candidate(&self) -> bool {
        self.candidate.is_some()
    }

    /// Whether credentials that have not ended are in use.
    pub(in crate::engine) fn has_living_credentials(&self, now: Timestamp) -> bool {
        let held = self.active.credentials.as_ref();
        held.is_some_and(|held| held.credentials.expires_at.is_none_or(|end| now < end))
    }

    /// Whether the store itself rejected the credentials that `Ready` speaks of: those on trial only if
    /// nothing else is in use, for a start finds nothing that was in use before.
    pub(in crate::engine) fn credentials_rejected(&self, now: Timestamp) -> bool {
        let candidate = self.candidate.as_ref();
        let verdict = match self.problem() {
            Some((true, ..)) if self.has_living_credentials(now) => None,
            Some((true, ..)) => {
                candidate.and_then(|candidate| candidate.version.probe.verdict.as_ref())
            }
            Some((false, ..)) => None,
            None => self.verdict().filter(|_| self.active.config.is_ok()),
        };
        matches!(
            verdict,
            Some(ProbeVerdict::Rejected(Reason::CredentialsInvalid, _))
        )
    }

    /// Whether the store rejected the active version: nothing is signed with it.
    pub(in crate::engine) const fn is_rejected(&self) -> bool {
        matches!(self.active.probe.verdict, Some(ProbeVerdict::Rejected(..)))
    }

    /// Whether the active version is no better than a candidate with this verdict.
    pub(super) fn active_is_no_better(&self, verdict: &ProbeVerdict, now: Timestamp) -> bool {
        if self.is_rejected() {
            return true;
        }
        if !matches!(verdict, ProbeVerdict::Inconclusive(..)) {
            return false;
        }
        match (&self.active.credentials, &self.candidate) {
            (Some(held), _) => !held.is_useful(now),
            (None, Some(candidate)) => between(candidate.since, now) >= HOLD,
            (None, None) => false,
        }
    }

    /// The candidate becomes the active version.
    pub(super) fn adopt(&mut self, verdict: Option<ProbeVerdict>, now: Timestamp) -> ProbeOutcome {
        let Some(candidate) = self.candidate.take() else {
            return ProbeOutcome::Unchanged;
        };
        let (used, tried) = (self.active.config(), candidate.version.config());
        let same = used == tried;
        if used.map(|used| &used.source) != tried.map(|tried| &tried.source) {
            self.forget_sessions();
        }
        if candidate.own_fetch().is_some() {
            self.stale = candidate.version.fetch.wanted;
        }
        if candidate.version.moved_from(&self.active) {
            self.forget_rejected_keys();
        }
        self.active = candidate.completed(&mut self.active);
        self.probing.turn += 1;
        self.active.probe.failures = 0;
        self.probing.answered |= verdict == Some(ProbeVerdict::Accepted);
        self.probing.clock_read |= verdict.is_some();
        self.active.proven |= verdict == Some(ProbeVerdict::Accepted);
        let pause = match verdict {
            Some(ProbeVerdict::Accepted) => self.watch(),
            Some(ProbeVerdict::Undecided(..)) => RECHECK,
            Some(_) => backoff(1, &self.seen.uid),
            None => Duration::ZERO,
        };
        self.active.probe.at = Some(later(now, pause));
        self.active.probe.verdict = verdict;
        self.probing.recovered = None;
        if same {
            ProbeOutcome::CredentialsAdopted
        } else {
            ProbeOutcome::ConfigAdopted
        }
    }
}

//! Versions of a store: the active one, and those on trial, which are probed before they are used.
//!
//! What holds here:
//! - a version is complete: its config, the fetch of its credentials, its probe, its clock;
//! - a candidate of the same source leaves the fetch to the active version.

use std::time::Duration;

use jiff::Timestamp;

use super::clock_skew::ClockSkew;
use super::config::StoreConfig;
use super::credentials::{HeldCredentials, RECHECK, REFRESH_PAUSE, REQUEST_PAUSE};
use super::probe_verdict::ProbeVerdict;
use super::unsigned_headers::UnsignedHeaderCheck;
use crate::api::Reason;
use crate::engine::protocol::CredentialsError;
use crate::issue::backoff;
use crate::time::{between, later};

/// Between two probes of a store with which all is well.
pub(super) const WATCH: Duration = Duration::from_hours(1);
/// Until the next probe, if one answer alone decides nothing and uploads wait for it.
const AGAIN: Duration = Duration::from_secs(10);

/// One version of a store: what signs, and what is known of it.
#[derive(Debug)]
pub(super) struct Version {
    /// The spec, or why it cannot be used. Of a candidate it always can.
    pub(super) config: Result<StoreConfig, String>,
    /// The fetch from its source. A candidate of the same source leaves that to the active version.
    pub(super) fetch: Fetch,
    /// What signs. A candidate that has none is probed with those of the active version, if the source is the
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

/// How far the fetch from one source has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetch {
    pub(super) wanted: bool,
    failures: u32,
    pub(super) retry_at: Option<Timestamp>,
    fetched_at: Option<Timestamp>,
    pub(super) failure: Option<CredentialsError>,
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
    pub(super) since: Timestamp,
}

/// Which version is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// The one in use.
    Active,
    /// The one on trial.
    Candidate,
    /// The new key on trial beside a candidate of another source.
    NewKey,
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

    /// The pause after a probe that the store accepted: shorter if not all is as it should be.
    pub(super) fn watch(&self) -> Duration {
        match self.unsigned {
            UnsignedHeaderCheck::RefusedOnce { accepted: false } => AGAIN,
            _ if self.skew.is_unsure() => AGAIN,
            UnsignedHeaderCheck::Unclear | UnsignedHeaderCheck::RefusedOnce { accepted: true } => {
                RECHECK
            }
            _ if !self.skew.offset().is_zero() => RECHECK,
            UnsignedHeaderCheck::Untested
            | UnsignedHeaderCheck::Rejected
            | UnsignedHeaderCheck::Accepted => WATCH,
        }
    }
}

impl Fetch {
    pub(super) const fn begin() -> Self {
        Self {
            wanted: true,
            failures: 0,
            retry_at: None,
            fetched_at: None,
            failure: None,
        }
    }

    /// What it failed for may have gone: the next comes soon. Returns whether it comes earlier.
    pub(super) fn hasten(&mut self) -> bool {
        let (Some(last), Some(next)) = (self.fetched_at, self.retry_at) else {
            return false;
        };
        let soon = later(last, REQUEST_PAUSE);
        if self.failure.is_none() || soon >= next {
            return false;
        }
        self.retry_at = Some(soon);
        true
    }

    /// Asks for a fetch as soon as possible.
    pub(super) const fn want(&mut self) {
        self.wanted = true;
        self.retry_at = None;
        self.failures = 0;
    }

    pub(super) fn due(&self, now: Timestamp) -> bool {
        self.wanted || self.retry_at.is_some_and(|at| at <= now)
    }

    pub(super) const fn start(&mut self, now: Timestamp) {
        self.wanted = false;
        self.retry_at = None;
        self.fetched_at = Some(now);
    }

    pub(super) fn failed(&mut self, failure: CredentialsError, uid: &str, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        let pause = match failure.reason {
            Reason::CredentialsUnavailable => backoff(self.failures, uid),
            _ => RECHECK,
        };
        self.retry_at = Some(later(now, pause));
        self.failure = Some(failure);
    }

    pub(super) fn worked(&mut self) {
        self.failures = 0;
        self.failure = None;
    }

    pub(super) fn recently(&self, now: Timestamp) -> bool {
        self.fetched_at
            .is_some_and(|at| between(at, now) < REFRESH_PAUSE)
    }

    pub(super) fn clock_stepped(&mut self, now: Timestamp) {
        let longest = later(now, RECHECK);
        self.retry_at = self.retry_at.map(|time| time.min(longest));
        self.fetched_at = self.fetched_at.filter(|time| *time <= now);
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

    /// It changed again: it is probed at once.
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

    /// Whether there are credentials to probe it with.
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
    pub(super) fn completed(self, active: &mut Version) -> Version {
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

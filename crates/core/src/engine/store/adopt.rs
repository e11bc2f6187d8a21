//! A candidate becomes the active version, and what is reported while it does not.
//!
//! What holds here:
//! - if an answer says that a candidate cannot work, the active version stays in use, and the candidate is
//!   probed again with growing pauses;
//! - a store that answered before must answer again before a candidate is used; one that never answered holds
//!   nothing back, since signing needs no answer;
//! - an active version that is known not to work holds nothing back either.

use std::time::Duration;

use jiff::Timestamp;

use super::credentials::RECHECK;
use super::probe_verdict::ProbeVerdict;
use super::state::Store;
use super::version::{Candidate, Slot};
use crate::api::Reason;
use crate::issue::backoff;
use crate::time::{between, later};

/// How long URLs of other credentials that still work hold back a candidate without an answer, if the
/// credentials that signed them are gone.
const HOLD: Duration = Duration::from_mins(15);

/// What a probe led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum ProbeOutcome {
    /// Nothing that is signed differs.
    Unchanged,
    /// Other credentials are in use.
    CredentialsAdopted,
    /// Another endpoint, region or style is in use.
    ConfigAdopted,
}

impl Store {
    /// No dependent has a bucket to probe: what is on trial is used at once.
    pub(in crate::engine) fn adopt_untested(&mut self, now: Timestamp) -> ProbeOutcome {
        let candidate = self.candidate.as_ref();
        if candidate.is_some_and(|candidate| candidate.is_ready()) {
            return self.adopt(Slot::Candidate, None, now);
        }
        self.adopt(Slot::NewKey, None, now)
    }

    /// What is wrong with the candidate (true), or with the fetch of the active version: reason and sentence.
    pub(in crate::engine) fn problem(&self) -> Option<(bool, Reason, String)> {
        let candidate = self.on_trial().find_map(Candidate::obstacle);
        let fetch = self.active.fetch.failure.as_ref();
        candidate
            .map(|(reason, why)| (true, reason, why))
            .or_else(|| fetch.map(|failure| (false, failure.reason, failure.message.clone())))
    }

    /// Whether a change of the store is on trial, or waits for its probe.
    pub(in crate::engine) const fn has_candidate(&self) -> bool {
        self.candidate.is_some()
    }

    /// Whether credentials that have not expired are in use.
    pub(in crate::engine) fn has_living_credentials(&self, now: Timestamp) -> bool {
        let held = self.active.credentials.as_ref();
        held.is_some_and(|held| held.credentials.expires_at.is_none_or(|end| now < end))
    }

    /// The hash of the credentials that the store rejects, of those that the next start finds: those on trial
    /// if there are any.
    pub(in crate::engine) fn rejected_credentials(&self) -> Option<String> {
        let candidate = self.candidate.as_ref();
        let version = candidate.map_or(&self.active, |candidate| &candidate.version);
        let verdict = match candidate {
            Some(_) => version.probe.verdict.as_ref(),
            None => self.verdict(),
        };
        let rejected = matches!(
            verdict,
            Some(ProbeVerdict::Rejected(Reason::CredentialsInvalid, _))
        );
        let config = version.config().filter(|_| rejected)?;
        let held = version.credentials.as_ref();
        let held = held.or(self.active.credentials.as_ref());
        Some(held.map_or_else(|| config.session_hash(), |held| held.hash.clone()))
    }

    /// Whether the store accepted a signature at the place that the spec names.
    pub(in crate::engine) fn is_proven(&self) -> bool {
        match &self.candidate {
            Some(candidate) if self.is_moving() => candidate.version.proven,
            _ => self.active.proven,
        }
    }

    /// Whether another endpoint, region or style is on trial: what is known of the place in use says nothing
    /// of the place that the spec names.
    pub(in crate::engine) fn is_moving(&self) -> bool {
        let candidate = self.candidate.as_ref();
        candidate.is_some_and(|candidate| candidate.version.moved_from(&self.active))
    }

    /// Whether the store rejected the active version: nothing is signed with it.
    pub(in crate::engine) fn is_rejected(&self) -> bool {
        matches!(self.verdict(), Some(ProbeVerdict::Rejected(..)))
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

    /// What is on trial becomes the active version.
    pub(super) fn adopt(
        &mut self,
        slot: Slot,
        verdict: Option<ProbeVerdict>,
        now: Timestamp,
    ) -> ProbeOutcome {
        let candidate = match slot {
            Slot::Active => None,
            Slot::Candidate => self.candidate.take(),
            Slot::NewKey => self.new_key.take(),
        };
        let Some(candidate) = candidate else {
            return ProbeOutcome::Unchanged;
        };
        let (active, adopted) = (self.active.config(), candidate.version.config());
        let same = active == adopted;
        if active.map(|config| &config.source) != adopted.map(|config| &config.source) {
            self.forget_sessions();
            self.new_key = None;
        }
        if candidate.own_fetch().is_some() {
            self.stale = candidate.version.fetch.wanted;
        }
        if candidate.version.moved_from(&self.active) {
            self.probing.forget_rejected_keys();
        }
        self.active = candidate.completed(&mut self.active);
        self.probing.turn += 1;
        self.active.probe.failures = 0;
        self.probing.answered |= verdict == Some(ProbeVerdict::Accepted);
        // What nobody could probe signs nothing before its first probe.
        self.probing.clock_read = verdict.is_some();
        self.active.proven |= verdict == Some(ProbeVerdict::Accepted);
        let pause = match verdict {
            Some(ProbeVerdict::Accepted) => self.active.watch(),
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

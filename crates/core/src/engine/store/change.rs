//! Changes that are tried before they are used.
//!
//! What holds here: where the answer says that a change can't work, what was used before stays in use and the change is
//! tried again, with growing pauses. A store that answered before must answer again before its change is used; one that
//! never did is not held back, since a signature needs nobody. What is known not to work either is no reason to wait.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Store;
use super::compiled::StoreConfig;
use super::held::{Fetch, HeldCredentials};
use super::look::Looked;
use super::probe::Known;
use super::trial::Verdict;
use crate::api::Reason;
use crate::issue::backoff;
use crate::time::{between, later};

/// How long living URLs of other credentials hold a change back that nobody answers to, where the earlier credentials are
/// not at hand any more.
const HOLD: Duration = Duration::from_mins(15);

/// A change on trial.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) compiled: StoreConfig,
    /// The fetch of its own source, where it has another than what is in use.
    pub(super) fetch: Option<Fetch>,
    /// The credentials that are tried; those in use where there are none.
    pub(super) held: Option<HeldCredentials>,
    since: Timestamp,
    pub(super) failures: u32,
    pub(super) verdict: Option<Verdict>,
    pub(super) at: Timestamp,
    pub(super) unsigned: Known,
    /// What another endpoint's clock showed: it is the store's only once the change is in use.
    pub(super) skew: Option<SignedDuration>,
}

impl Change {
    /// A newer spec.
    pub(super) fn of_spec(
        compiled: StoreConfig,
        another_source: bool,
        before: Option<Box<Self>>,
        now: Timestamp,
    ) -> Self {
        // What was fetched for an earlier change from the same source is on trial still.
        let before = before.filter(|before| before.compiled.source == compiled.source);
        let (fetch, held) = before.map_or((None, None), |before| (before.fetch, before.held));
        Self {
            unsigned: if compiled.is_aws() {
                Known::Rejected
            } else {
                Known::Untried
            },
            compiled,
            fetch: another_source.then(|| fetch.unwrap_or_else(Fetch::begin)),
            held,
            skew: None,
            since: now,
            failures: 0,
            verdict: None,
            at: now,
        }
    }

    /// Other credentials.
    pub(super) fn of_credentials(
        compiled: StoreConfig,
        held: HeldCredentials,
        now: Timestamp,
    ) -> Self {
        Self {
            held: Some(held),
            ..Self::of_spec(compiled, false, None, now)
        }
    }

    /// It changed again: it is tried at once.
    pub(super) fn again(&mut self, now: Timestamp) {
        self.verdict = None;
        self.failures = 0;
        self.at = now;
    }

    pub(super) fn clock_stepped(&mut self, now: Timestamp) {
        if let Some(fetch) = &mut self.fetch {
            fetch.clock_stepped(now);
        }
        self.at = now;
        self.since = self.since.min(now);
    }

    /// Whether there is something to try it with.
    pub(super) const fn is_ready(&self) -> bool {
        self.fetch.is_none() || self.held.is_some()
    }

    /// Whether it is not known yet if it works, and will be soon.
    pub(super) fn is_pending(&self) -> bool {
        let failed = self
            .fetch
            .as_ref()
            .is_some_and(|fetch| fetch.failure.is_some());
        self.verdict.is_none() && (self.held.is_some() || !failed)
    }

    /// Why it is not in use, where that is known: reason and sentence.
    pub(super) fn obstacle(&self) -> Option<(Reason, String)> {
        match (
            &self.verdict,
            self.fetch.as_ref().and_then(|fetch| fetch.failure.as_ref()),
        ) {
            (Some(Verdict::Rejected(reason, why) | Verdict::TransportError(reason, why)), _) => {
                Some((*reason, why.clone()))
            }
            (_, Some(failure)) => Some((failure.reason, failure.message.clone())),
            (_, None) => None,
        }
    }
}

impl Store {
    /// There is nobody to try a change for: it is used at once.
    pub(in crate::engine) fn nobody_to_try_for(&mut self, now: Timestamp) -> Looked {
        if self.change.as_ref().is_some_and(|change| change.is_ready()) {
            return self.adopt(None, now);
        }
        Looked::Nothing
    }

    /// What is wrong with a change (true), or with fetching what is in use: reason and sentence.
    pub(in crate::engine) fn trouble(&self) -> Option<(bool, Reason, String)> {
        let change = self.change.as_ref().and_then(|change| change.obstacle());
        let fetch = self.fetch.failure.as_ref();
        change
            .map(|(reason, why)| (true, reason, why))
            .or_else(|| fetch.map(|failure| (false, failure.reason, failure.message.clone())))
    }

    /// Whether what is in use is no better than a change that got this verdict.
    pub(super) fn no_better(&self, verdict: &Verdict, now: Timestamp) -> bool {
        if matches!(self.look.verdict, Some(Verdict::Rejected(..))) {
            return true;
        }
        if !matches!(verdict, Verdict::TransportError(..)) {
            return false;
        }
        match (&self.held, &self.change) {
            (Some(held), _) => !held.is_useful(now),
            (None, Some(change)) => between(change.since, now) >= HOLD,
            (None, None) => false,
        }
    }

    /// The change is in use from now on.
    pub(super) fn adopt(&mut self, verdict: Option<Verdict>, now: Timestamp) -> Looked {
        let Some(change) = self.change.take() else {
            return Looked::Nothing;
        };
        let Change {
            compiled,
            fetch,
            held,
            since: _,
            failures: _,
            verdict: _,
            at: _,
            unsigned,
            skew,
        } = *change;
        let used = self.compiled.as_ref().ok();
        let same = used == Some(&compiled);
        let moved = used.is_none_or(|used| compiled.moved_from(used));
        if used.is_none_or(|used| used.source != compiled.source) {
            self.forget_sessions();
        }
        if moved {
            self.unsigned = unsigned;
            self.clocks.moved(skew);
        }
        self.compiled = Ok(compiled);
        self.held = held.or(self.held.take());
        if let Some(fetch) = fetch {
            self.fetch = fetch;
            self.stale = self.fetch.wanted;
        }
        self.look.turn += 1;
        self.look.failures = 0;
        self.look.answered |= verdict == Some(Verdict::Works);
        self.look.dated |= verdict.is_some();
        let pause = match verdict {
            Some(Verdict::Works) => self.watch(),
            Some(_) => backoff(1, &self.seen.uid),
            None => Duration::ZERO,
        };
        self.look.at = Some(later(now, pause));
        self.look.verdict = verdict;
        self.look.told = None;
        if same {
            Looked::Credentials
        } else {
            Looked::Spec
        }
    }
}

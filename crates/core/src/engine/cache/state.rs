//! What the operator remembers of a resource while it runs, beyond the resource itself.
//!
//! What holds here: nothing that a restart may not lose. The status is the record; memory only keeps what a write did until
//! the status tells it, what troubles a resource until it ends, and what was seen and need not be looked at again.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{PresignedUrlStatus, Problem, SecretRef};
use crate::engine::cache::index::SecretVersion;
use crate::engine::evaluate::sampling::Verification;
use crate::engine::protocol::ApiError;
use crate::engine::protocol::{EventRecord, ObservedSecret};
use crate::issue::issued::Issued;
use crate::issue::listed::FoundObjects;
use crate::issue::signing_job::Signed;
use crate::policy::Key;
use crate::time::later;

/// A write of a Secret that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct InProgress {
    pub(in crate::engine) issued: Issued,
    pub(in crate::engine) cause: Cause,
}

/// Why a Secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing was issued before.
    First,
    /// The spec asks for something else.
    Changed,
    /// The store's endpoint, region or credentials are others.
    Store,
    /// A policy allows a shorter life only.
    Shortened,
    /// The time has come, or was missed.
    Due,
    /// The annotation asked for it.
    Requested,
    /// The objects under the prefix are others.
    Listed,
    /// The Secret is gone or was edited.
    Drift,
}

impl Cause {
    /// Whether it is a renewal of what was issued before, which no Event tells.
    #[must_use]
    pub const fn is_renewal(self) -> bool {
        !matches!(self, Self::First)
    }
}

/// What a write did that the status does not tell yet.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) enum Unrecorded {
    /// A Secret was written.
    Written(Box<Issued>),
    /// The Secret was removed, and what it held.
    Removed(Option<Box<Issued>>),
}

/// What a look at a Secret's name found.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) enum Look {
    /// Nothing.
    Nothing,
    /// A Secret.
    Found(Box<ObservedSecret>),
}

/// The memory of a resource, which takes room only while there is something to remember: of nearly all resources there is
/// nothing. It reads as an empty [`ReconcileState`] then, and a change makes one.
#[derive(Debug, Default)]
pub(in crate::engine) struct StateCell(Option<Box<ReconcileState>>);

/// What is remembered of a resource.
#[derive(Debug, Default, PartialEq)]
pub(in crate::engine) struct ReconcileState {
    /// What writes did that the status does not tell yet.
    pub(in crate::engine) unrecorded: Option<Unrecorded>,
    pub(in crate::engine) problem: Option<Problem>,
    pub(in crate::engine) failures: u32,
    pub(in crate::engine) last_failure: Option<Timestamp>,
    /// Nothing is issued before this time.
    pub(in crate::engine) retry_at: Option<Timestamp>,
    /// How often the plan was made again at once, without a success between.
    pub(in crate::engine) immediate_retries: u32,
    /// A removal that failed is not tried again before this time.
    pub(in crate::engine) removal_retry_at: Option<Timestamp>,
    /// Why the resource could not be deleted after its link's end.
    pub(in crate::engine) undeleted: Option<ApiError>,
    /// A removal met another version of the Secret than was known: it is looked at first.
    pub(in crate::engine) removal_in_doubt: bool,
    /// The Secret cannot be updated in place (its type, or immutable): it is deleted and created anew.
    pub(in crate::engine) recreate: bool,
    /// A version of the Secret that was found to hold what was written, though its resourceVersion differs.
    pub(in crate::engine) verified_version: Option<SecretVersion>,
    /// The Secret was found changed and is to be written again.
    pub(in crate::engine) drifted: bool,
    pub(in crate::engine) healed_at: Option<Timestamp>,
    /// What a first look at the Secret's name found: the base of the write that follows at once.
    pub(in crate::engine) inspected: Option<Look>,
    /// A Secret of the name exists, so a create would fail.
    pub(in crate::engine) name_taken: bool,
    /// When a change of the store is taken up.
    pub(in crate::engine) resign_at: Option<Timestamp>,
    /// Whether what is issued was dated by another clock than the store's is by now.
    pub(in crate::engine) signed_by_wrong_clock: bool,
    /// Whether what is issued was signed for an earlier endpoint, region or key of the store.
    pub(in crate::engine) needs_rollout: bool,
    pub(in crate::engine) in_progress: Option<Box<InProgress>>,
    /// The old Secret that is to be removed once the new one is written.
    pub(in crate::engine) previous_secret: Option<Box<SecretRef>>,
    pub(in crate::engine) notices: VecDeque<Box<EventRecord>>,
    /// What was found under the prefix, until it is written or found to be no news.
    pub(in crate::engine) listing: Option<Arc<FoundObjects>>,
    /// When it was last looked; `None` looks again before long: the policies or the namespace changed, or nobody did yet.
    pub(in crate::engine) listed_at: Option<Timestamp>,
    /// What a step signed for the write that follows.
    pub(in crate::engine) signed: Option<Box<Signed>>,
    /// Objects of the last listing, for a try of what was written.
    pub(in crate::engine) sample: Vec<Key>,
    pub(in crate::engine) verification: Option<Box<Verification>>,
    pub(in crate::engine) tries: u32,
    /// When what did not work is tried again.
    pub(in crate::engine) verify_at: Option<Timestamp>,
    /// Since when a first issue waits for its turn.
    pub(in crate::engine) waiting_since: Option<Timestamp>,
    /// The status is not written again before this time.
    pub(in crate::engine) status_retry_at: Option<Timestamp>,
}

/// What is read where nothing is remembered.
static NOTHING: LazyLock<ReconcileState> = LazyLock::new(ReconcileState::default);

impl Deref for StateCell {
    type Target = ReconcileState;

    fn deref(&self) -> &ReconcileState {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for StateCell {
    fn deref_mut(&mut self) -> &mut ReconcileState {
        self.0.get_or_insert_default()
    }
}

impl StateCell {
    /// What there is to change by a change that forgets something.
    pub(in crate::engine) fn any(&mut self) -> Option<&mut ReconcileState> {
        self.0.as_deref_mut()
    }

    /// Gives the room back where nothing is remembered any more.
    pub(in crate::engine) fn tidy(&mut self) {
        if self.0.as_ref().is_some_and(|state| **state == *NOTHING) {
            self.0 = None;
        }
    }
}

impl From<ReconcileState> for StateCell {
    fn from(state: ReconcileState) -> Self {
        Self(Some(Box::new(state)))
    }
}

impl ReconcileState {
    /// What a status remembers of failures, so that a restart does not begin to count anew.
    pub(in crate::engine) fn of(status: &PresignedUrlStatus) -> Self {
        Self {
            failures: status.failed_attempts.unwrap_or_default(),
            last_failure: status.last_failure_time,
            ..Self::default()
        }
    }

    /// The spec changed: what stood in the way of the old one is no reason to wait.
    pub(in crate::engine) fn reset_for_generation(&mut self) {
        self.clear_problems();
        self.listed_at = None;
        self.sample = Vec::new();
        self.verification = None;
        self.tries = 0;
        self.verify_at = None;
    }

    /// Nothing stands in the way any more.
    fn clear_problems(&mut self) {
        self.problem = None;
        self.failures = 0;
        self.last_failure = None;
        self.retry_at = None;
        self.immediate_retries = 0;
        self.inspected = None;
        self.name_taken = false;
        self.listing = None;
        self.signed = None;
        self.resign_at = None;
        self.recreate = false;
        self.removal_retry_at = None;
        self.removal_in_doubt = false;
    }

    /// A person asked for a renewal, so perhaps what stood in the way is mended: the wait after a failure is cut to
    /// `pause`, which is also all that asking again and again can do.
    pub(in crate::engine) fn renewal_requested(&mut self, pause: Duration) {
        let after = |failed: Option<Timestamp>, again: Option<Timestamp>| match (failed, again) {
            (Some(failed), Some(again)) => Some(again.min(later(failed, pause))),
            (_, again) => again,
        };
        self.retry_at = after(self.last_failure, self.retry_at);
        self.verify_at = after(
            self.verification
                .as_ref()
                .map(|verification| verification.at),
            self.verify_at,
        );
    }

    /// What is issued is what is wanted, now or until its turn to follow the store.
    pub(in crate::engine) fn settled(&mut self, has_turn: bool) {
        if !has_turn {
            self.resign_at = None;
        }
        if self.previous_secret.is_some() {
            // What keeps the old Secret from going is still to be told.
            return;
        }
        self.problem = None;
        self.failures = 0;
        self.last_failure = None;
    }

    /// The clock was stepped: no pause may become longer than it was meant to be.
    pub(in crate::engine) fn clock_stepped(
        &mut self,
        now: Timestamp,
        longest: Duration,
        resign: Duration,
    ) {
        let by = |longest| now.checked_add(longest).unwrap_or(now);
        let bounded = |time: Option<Timestamp>, end: Timestamp| time.map(|time| time.min(end));
        self.retry_at = bounded(self.retry_at, by(longest));
        self.removal_retry_at = bounded(self.removal_retry_at, by(longest));
        self.status_retry_at = bounded(self.status_retry_at, by(longest));
        self.verify_at = bounded(self.verify_at, by(longest));
        self.listed_at = self.listed_at.filter(|at| *at <= now);
        self.resign_at = bounded(self.resign_at, by(resign));
        self.healed_at = bounded(self.healed_at, now);
    }

    /// A write worked.
    pub(in crate::engine) fn succeeded(&mut self) {
        self.clear_problems();
        self.drifted = false;
        self.needs_rollout = false;
        self.signed_by_wrong_clock = false;
        self.in_progress = None;
    }
}

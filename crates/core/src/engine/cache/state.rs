//! The state of a resource that the operator keeps while it runs, beyond the resource itself.
//!
//! What holds here:
//! - A restart may lose all of it. The status is the record.
//! - It keeps the result of a write until the status records it, problems until they end, and findings until
//!   they are old.
//! - Each part has its own reset, so a part is forgotten as a whole.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{PresignedUrlStatus, Problem, Reason, WrittenSecret};
use crate::engine::cache::verification::Verification;
use crate::engine::cache::version::SecretVersion;
use crate::engine::protocol::{ApiError, EventRecord, ObservedSecret};
use crate::engine::scheduler::retry::{RECHECK, RetryState};
use crate::issue::issued::Issued;
use crate::issue::listed::FoundObjects;
use crate::issue::signing_job::Signed;
use crate::request::Key;
use crate::time::later;

/// The least time between two renewals, or two attempts after a failure, that the annotation can request. It
/// is below the 30 seconds after which `kubectl wait` gives up by default.
pub(in crate::engine) const REQUEST_PAUSE: Duration = Duration::from_secs(25);
/// The same for the first request of a resource, and for a look at a conflict: it asks no store.
pub(in crate::engine) const SHORT_REQUEST_PAUSE: Duration = Duration::from_secs(5);

/// The result of a write that the status does not record yet.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) enum Unrecorded {
    /// A Secret was written.
    Written(Box<Issued>),
    /// The Secret was removed, with the content that it held.
    Removed(Option<Box<Issued>>),
}

/// The result of an inspection of the Secret's name.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) enum Inspected {
    /// No Secret has the name.
    Nothing,
    /// This Secret has the name.
    Found(Box<ObservedSecret>),
}

/// The state of a resource. It takes memory only while there is something to remember: nearly all resources
/// have nothing. Without memory it reads as an empty [`ReconcileState`], and a change allocates one.
#[derive(Debug, Default)]
pub(in crate::engine) struct StateCell(Option<Box<ReconcileState>>);

/// The operator's state of a resource.
#[derive(Debug, Default, PartialEq)]
pub(in crate::engine) struct ReconcileState {
    /// The result of a write that the status does not record yet.
    pub(in crate::engine) unrecorded: Option<Unrecorded>,
    pub(in crate::engine) secret: SecretState,
    pub(in crate::engine) issue: IssueState,
    pub(in crate::engine) removal: RemovalState,
    pub(in crate::engine) status: RetryState,
    pub(in crate::engine) listing: ListingState,
    pub(in crate::engine) verification: VerificationState,
    pub(in crate::engine) rollout: RolloutState,
    /// Events that are not published yet.
    pub(in crate::engine) events: VecDeque<Box<EventRecord>>,
    /// Since when the first issue waits for something outside.
    pub(in crate::engine) waiting_since: Option<Timestamp>,
}

/// The state of the Secret beyond its version.
#[derive(Debug, Default, PartialEq)]
pub(in crate::engine) struct SecretState {
    /// A version whose content is what was written, though its resourceVersion differs.
    pub(in crate::engine) verified_version: Option<SecretVersion>,
    /// The Secret was found changed and must be written again.
    pub(in crate::engine) drifted: bool,
    /// The answer to a write was lost, and the Secret may not be read: it is written again, since nobody knows
    /// whether it holds what the status tells of.
    pub(in crate::engine) in_doubt: bool,
    /// All that drifted is the owner reference or a mark, as found at this version: they are put back, and
    /// nothing is signed.
    pub(in crate::engine) unmarked: Option<SecretVersion>,
    /// When the URLs expire of the Secret that was found, if it is the resource's and not what the status
    /// tells of: the operator stopped between the two writes.
    pub(in crate::engine) found_expiry: Option<Timestamp>,
    /// The last inspection of a suspicious version, or what puts the marks back, failed: the next waits for
    /// the end of the pause.
    pub(in crate::engine) check_failed: bool,
    pub(in crate::engine) healed_at: Option<Timestamp>,
    /// The result of an inspection of the Secret's name: the base of the write that follows at once.
    pub(in crate::engine) inspected: Option<Inspected>,
    /// A Secret of the name exists, so a create would fail.
    pub(in crate::engine) name_taken: bool,
    /// The Secret has another version than the operator wrote, and may not be read: its uid alone tells whose
    /// it is.
    pub(in crate::engine) edited: bool,
    /// Since when somebody else's Secret has had the name.
    pub(in crate::engine) conflict_since: Option<Timestamp>,
    /// The Secret cannot be updated in place (its type, or immutable): it is deleted and created again.
    pub(in crate::engine) recreate: bool,
    /// The content that a step signed for the write that follows.
    pub(in crate::engine) signed: Option<Box<Signed>>,
    /// Since when an orphan with the Secret's current name waits for a write that takes it over.
    pub(in crate::engine) orphan_since: Option<Timestamp>,
    /// The version with which the watch lost the Secret, while a write may be under way: what the write is
    /// answered with may be older than this.
    pub(in crate::engine) lost_version: Option<String>,
    /// The old Secret, to be removed once the new one is written.
    pub(in crate::engine) previous_secret: Option<Box<WrittenSecret>>,
}

/// The problem that blocks an issue.
#[derive(Debug, Default, PartialEq)]
pub(in crate::engine) struct IssueState {
    pub(in crate::engine) problem: Option<Problem>,
    pub(in crate::engine) retry: RetryState,
}

/// The problem that blocks a removal: of the Secret, or of the resource after its end.
#[derive(Debug, Default, PartialEq)]
pub(in crate::engine) struct RemovalState {
    pub(in crate::engine) retry: RetryState,
    /// A removal met another version of the Secret than the known one: it is inspected first, if it may be.
    pub(in crate::engine) in_doubt: bool,
    /// Why the resource could not be deleted after its end.
    pub(in crate::engine) undeleted: Option<ApiError>,
}

/// The state of the objects under the prefix.
#[derive(Debug, Default, PartialEq)]
pub(in crate::engine) struct ListingState {
    /// The result of a listing, until it is written or changes nothing.
    pub(in crate::engine) found: Option<Arc<FoundObjects>>,
    /// When the objects were last listed; `None` lists soon: the policies or the namespace changed, or
    /// nothing was listed yet.
    pub(in crate::engine) listed_at: Option<Timestamp>,
    /// No rate delays the next listing. It is no refresh: the policies or the namespace changed, and what they
    /// withdrew goes as soon as it is listed; or what was listed could not be written.
    pub(in crate::engine) unpaced: bool,
    /// The last listing failed: its problem stays until the next one.
    pub(in crate::engine) failed: bool,
    /// Keys of the last listing, for the verification of the written URLs.
    pub(in crate::engine) sampled_keys: Vec<Key>,
}

/// The state of the verification of the URLs.
#[derive(Debug, Default, PartialEq)]
pub(in crate::engine) struct VerificationState {
    pub(in crate::engine) outcome: Option<Box<Verification>>,
    /// Failed attempts in a row.
    pub(in crate::engine) attempts: u32,
    /// When a failed verification is retried.
    pub(in crate::engine) retry_at: Option<Timestamp>,
}

/// What a change of the store means for the issued content.
#[derive(Debug, Default, PartialEq)]
pub(in crate::engine) struct RolloutState {
    /// When the content is signed again for the change.
    pub(in crate::engine) due: Option<Timestamp>,
    /// The issued content was dated by a clock that differs from the store's clock now.
    pub(in crate::engine) signed_by_wrong_clock: bool,
    /// The issued content was signed for an earlier endpoint, region or key of the store.
    pub(in crate::engine) needed: bool,
}

/// The state that is read if nothing is remembered.
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
    /// The state, if there is any: a caller that only clears fields allocates none.
    pub(in crate::engine) fn any(&mut self) -> Option<&mut ReconcileState> {
        self.0.as_deref_mut()
    }

    /// Frees the memory if nothing is remembered any more.
    pub(in crate::engine) fn tidy(&mut self) {
        if self.0.as_ref().is_some_and(|state| **state == *NOTHING) {
            self.0 = None;
        }
    }
}

impl From<ReconcileState> for StateCell {
    fn from(state: ReconcileState) -> Self {
        Self((state != *NOTHING).then(|| Box::new(state)))
    }
}

impl ReconcileState {
    /// The failures that a status records, so that a restart does not count from zero.
    pub(in crate::engine) fn of(status: &PresignedUrlStatus) -> Self {
        let failures = status.internal.failed_attempts.unwrap_or_default();
        Self {
            issue: IssueState {
                problem: None,
                retry: RetryState::restored(failures, status.last_failure_time),
            },
            ..Self::default()
        }
    }

    /// The spec changed: a problem of the old spec is no reason to wait.
    pub(in crate::engine) fn reset_for_generation(&mut self) {
        self.clear_problems();
        self.listing = ListingState {
            unpaced: self.listing.unpaced,
            ..ListingState::default()
        };
        self.verification = VerificationState::default();
    }

    /// No problem remains.
    fn clear_problems(&mut self) {
        self.issue = IssueState::default();
        self.secret.reset_attempt();
        self.listing.found = None;
        self.rollout.due = None;
        self.removal.retry.reset();
        self.removal.in_doubt = false;
    }

    /// A person requested a renewal and may have fixed the problem: the pause after a failure is cut to
    /// [`REQUEST_PAUSE`], or to [`SHORT_REQUEST_PAUSE`], which bound repeated requests too.
    pub(in crate::engine) fn renewal_requested(&mut self) {
        let problem = self.issue.problem.as_ref();
        let conflicts = problem.is_some_and(|problem| problem.reason == Reason::SecretConflict);
        self.issue.retry.cut(if conflicts {
            SHORT_REQUEST_PAUSE
        } else {
            REQUEST_PAUSE
        });
        self.removal.retry.cut(REQUEST_PAUSE);
        let verification = &mut self.verification;
        if let (Some(outcome), Some(again)) = (&verification.outcome, verification.retry_at) {
            verification.retry_at = Some(again.min(later(outcome.at, REQUEST_PAUSE)));
        }
    }

    /// The issued Secret is current, or its re-signing is scheduled.
    pub(in crate::engine) fn settled(&mut self, rollout_is_scheduled: bool) {
        if !rollout_is_scheduled {
            self.rollout.due = None;
        }
        if self.secret.previous_secret.is_some() {
            // The status still reports why the old Secret is not removed.
            return;
        }
        if self.listing.failed {
            return;
        }
        self.issue.problem = None;
        self.issue.retry.failures = 0;
        self.issue.retry.last_failure = None;
        // A Secret whose removal failed is current again: a policy allows it, or the clock was stepped back.
        self.removal = RemovalState::default();
    }

    /// Whether something large is kept for a step that follows.
    pub(in crate::engine) fn holds_content(&self) -> bool {
        self.secret.signed.is_some() || self.listing.found.is_some()
    }

    /// What was kept for a step that does not follow now is made again when it does.
    pub(in crate::engine) fn drop_content(&mut self) {
        self.secret.signed = None;
        self.listing.found = None;
    }

    /// The clock was stepped: no pause becomes longer than intended.
    pub(in crate::engine) fn clock_stepped(&mut self, now: Timestamp, resign_within: Duration) {
        let latest = later(now, RECHECK);
        let bounded = |time: Option<Timestamp>, end: Timestamp| time.map(|time| time.min(end));
        self.issue.retry.clock_stepped(latest);
        self.removal.retry.clock_stepped(latest);
        self.status.clock_stepped(latest);
        self.verification.retry_at = bounded(self.verification.retry_at, latest);
        self.listing.listed_at = self.listing.listed_at.filter(|at| *at <= now);
        self.rollout.due = bounded(self.rollout.due, later(now, resign_within));
        self.secret.healed_at = bounded(self.secret.healed_at, now);
        self.secret.conflict_since = bounded(self.secret.conflict_since, now);
        self.secret.orphan_since = bounded(self.secret.orphan_since, now);
    }

    /// A Secret was written.
    pub(in crate::engine) fn succeeded(&mut self) {
        self.clear_problems();
        self.secret.no_drift();
        self.secret.orphan_since = None;
        self.rollout = RolloutState::default();
    }

    /// The policies or the namespace changed: the listing was evaluated by other rules.
    pub(in crate::engine) fn rules_changed(&mut self) {
        self.list_unpaced();
        self.issue.retry.end_pause();
    }

    /// The prefix is listed again, and no rate delays that.
    pub(in crate::engine) fn list_unpaced(&mut self) {
        self.forget_listing();
        self.listing.unpaced = true;
    }

    /// The prefix is listed again.
    pub(in crate::engine) fn forget_listing(&mut self) {
        self.listing.found = None;
        self.listing.listed_at = None;
    }
}

impl SecretState {
    /// The Secret is what was written, or there is none.
    pub(in crate::engine) fn no_drift(&mut self) {
        self.drifted = false;
        self.in_doubt = false;
        self.unmarked = None;
        self.found_expiry = None;
    }

    /// The next attempt to write starts without earlier findings.
    fn reset_attempt(&mut self) {
        self.inspected = None;
        self.name_taken = false;
        self.conflict_since = None;
        self.recreate = false;
        self.signed = None;
    }
}

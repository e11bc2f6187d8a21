//! What the operator remembers of a resource while it runs, beyond the resource itself.
//!
//! What holds here: nothing that a restart may not lose. The status is the record; memory only keeps what a write did until
//! the status tells it, what troubles a resource until it ends, and what was seen and need not be looked at again.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;

use super::failure::ApiFailure;
use super::index::SecretVersion;
use super::listing::Found;
use super::proof::Proof;
use super::sign::Signed;
use super::step::{Notice, SecretSeen};
use super::time::later;
use crate::api::{LimitedBy, Method, PresignedUrlStatus, Reason, SecretRef, SignedHashes};
use crate::policy::Key;

/// By how many seconds a URL may be dated ahead of the clock.
const AHEAD: i64 = 300;

/// What stands in a Secret now, as status tells it or as a write just made it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::struct_field_names,
    reason = "issuedAt is the status's own word"
)]
pub(super) struct Issued {
    pub(super) secret: SecretRef,
    pub(super) method: Method,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) limited_by: Option<LimitedBy>,
    pub(super) objects: u32,
    pub(super) skipped: Option<u32>,
    pub(super) hashes: SignedHashes,
    pub(super) revision: i64,
    pub(super) served_request: Option<String>,
}

/// What stands in the way of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) reason: Reason,
    pub(super) message: String,
    /// Whether only a person can mend it.
    pub(super) stalled: bool,
}

/// A write of a Secret that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) issued: Issued,
    pub(super) cause: Cause,
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
pub(super) enum Unsaved {
    /// A Secret was written.
    Written(Box<Issued>),
    /// The Secret was removed, and what it held.
    Removed(Option<Box<Issued>>),
}

/// What a look at a Secret's name found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing.
    Nothing,
    /// A Secret.
    Found(Box<SecretSeen>),
}

/// The memory of a resource, which takes room only while there is something to remember: of nearly all resources there is
/// nothing. It reads as an empty [`Memory`] then, and a change makes one.
#[derive(Debug, Default)]
pub(super) struct Remembered(Option<Box<Memory>>);

/// What is remembered of a resource.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Memory {
    /// What writes did that the status does not tell yet.
    pub(super) unsaved: Option<Unsaved>,
    pub(super) trouble: Option<Trouble>,
    pub(super) failures: u32,
    pub(super) last_failure: Option<Timestamp>,
    /// Nothing is issued before this time.
    pub(super) retry_at: Option<Timestamp>,
    /// How often the plan was made again at once, without a success between.
    pub(super) replans: u32,
    /// A removal that failed is not tried again before this time.
    pub(super) removal_retry_at: Option<Timestamp>,
    /// Why the resource could not be deleted after its link's end.
    pub(super) undeleted: Option<ApiFailure>,
    /// A removal met another version of the Secret than was known: it is looked at first.
    pub(super) removal_in_doubt: bool,
    /// The Secret cannot be updated in place (its type, or immutable): it is deleted and created anew.
    pub(super) replace: bool,
    /// A version of the Secret that was found to hold what was written, though its resourceVersion differs.
    pub(super) trusted: Option<SecretVersion>,
    /// The Secret was found changed and is to be written again.
    pub(super) drifted: bool,
    pub(super) healed_at: Option<Timestamp>,
    /// What a first look at the Secret's name found: the base of the write that follows at once.
    pub(super) inspected: Option<Look>,
    /// A Secret of the name exists, so a create would fail.
    pub(super) occupied: bool,
    /// When a change of the store is taken up.
    pub(super) resign_at: Option<Timestamp>,
    /// Whether what is issued was dated by another clock than the store's is by now.
    pub(super) misdated: bool,
    /// Whether what is issued was signed for an earlier endpoint, region or key of the store.
    pub(super) outdated: bool,
    pub(super) pending: Option<Box<Pending>>,
    /// The old Secret that is to be removed once the new one is written.
    pub(super) superseded: Option<Box<SecretRef>>,
    pub(super) notices: VecDeque<Box<Notice>>,
    /// What was found under the prefix, until it is written or found to be no news.
    pub(super) listing: Option<Arc<Found>>,
    /// When it was last looked; `None` looks again before long: the policies or the namespace changed, or nobody did yet.
    pub(super) listed_at: Option<Timestamp>,
    /// What a step signed for the write that follows.
    pub(super) signed: Option<Box<Signed>>,
    /// Objects of the last listing, for a try of what was written.
    pub(super) sample: Vec<Key>,
    pub(super) proof: Option<Box<Proof>>,
    pub(super) tries: u32,
    /// When what did not work is tried again.
    pub(super) try_at: Option<Timestamp>,
    /// Since when a first issue waits for its turn.
    pub(super) waits_since: Option<Timestamp>,
    /// The status is not written again before this time.
    pub(super) status_retry_at: Option<Timestamp>,
}

/// Whether a URL of that date was signed by a clock that ran ahead.
pub(super) fn ahead(issued_at: Timestamp, now: Timestamp) -> bool {
    issued_at.as_second() - now.as_second() > AHEAD
}

/// What is read where nothing is remembered.
static NOTHING: LazyLock<Memory> = LazyLock::new(Memory::default);

impl Deref for Remembered {
    type Target = Memory;

    fn deref(&self) -> &Memory {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for Remembered {
    fn deref_mut(&mut self) -> &mut Memory {
        self.0.get_or_insert_default()
    }
}

impl Remembered {
    /// What there is to change by a change that forgets something.
    pub(super) fn any(&mut self) -> Option<&mut Memory> {
        self.0.as_deref_mut()
    }

    /// Gives the room back where nothing is remembered any more.
    pub(super) fn tidy(&mut self) {
        if self.0.as_ref().is_some_and(|memory| **memory == *NOTHING) {
            self.0 = None;
        }
    }
}

impl From<Memory> for Remembered {
    fn from(memory: Memory) -> Self {
        Self(Some(Box::new(memory)))
    }
}

impl Memory {
    /// What a status remembers of failures, so that a restart does not begin to count anew.
    pub(super) fn of(status: &PresignedUrlStatus) -> Self {
        Self {
            failures: status.failed_attempts.unwrap_or_default(),
            last_failure: status.last_failure_time,
            ..Self::default()
        }
    }

    /// The spec changed: what stood in the way of the old one is no reason to wait.
    pub(super) fn begin_anew(&mut self) {
        self.unblock();
        self.listed_at = None;
        self.sample = Vec::new();
        self.proof = None;
        self.tries = 0;
        self.try_at = None;
    }

    /// Nothing stands in the way any more.
    fn unblock(&mut self) {
        self.trouble = None;
        self.failures = 0;
        self.last_failure = None;
        self.retry_at = None;
        self.replans = 0;
        self.inspected = None;
        self.occupied = false;
        self.listing = None;
        self.signed = None;
        self.resign_at = None;
        self.replace = false;
        self.removal_retry_at = None;
        self.removal_in_doubt = false;
    }

    /// A person asked for a renewal, so perhaps what stood in the way is mended: the wait after a failure is cut to
    /// `pause`, which is also all that asking again and again can do.
    pub(super) fn asked_for(&mut self, pause: Duration) {
        let after = |failed: Option<Timestamp>, again: Option<Timestamp>| match (failed, again) {
            (Some(failed), Some(again)) => Some(again.min(later(failed, pause))),
            (_, again) => again,
        };
        self.retry_at = after(self.last_failure, self.retry_at);
        self.try_at = after(self.proof.as_ref().map(|proof| proof.at), self.try_at);
    }

    /// What is issued is what is wanted, now or until its turn to follow the store.
    pub(super) fn at_ease(&mut self, has_turn: bool) {
        if !has_turn {
            self.resign_at = None;
        }
        if self.superseded.is_some() {
            // What keeps the old Secret from going is still to be told.
            return;
        }
        self.trouble = None;
        self.failures = 0;
        self.last_failure = None;
    }

    /// The clock was stepped: no pause may become longer than it was meant to be.
    pub(super) fn clock_stepped(&mut self, now: Timestamp, longest: Duration, resign: Duration) {
        let by = |longest| now.checked_add(longest).unwrap_or(now);
        let bounded = |time: Option<Timestamp>, end: Timestamp| time.map(|time| time.min(end));
        self.retry_at = bounded(self.retry_at, by(longest));
        self.removal_retry_at = bounded(self.removal_retry_at, by(longest));
        self.status_retry_at = bounded(self.status_retry_at, by(longest));
        self.try_at = bounded(self.try_at, by(longest));
        self.listed_at = self.listed_at.filter(|at| *at <= now);
        self.resign_at = bounded(self.resign_at, by(resign));
        self.healed_at = bounded(self.healed_at, now);
    }

    /// A write worked.
    pub(super) fn succeeded(&mut self) {
        self.unblock();
        self.drifted = false;
        self.outdated = false;
        self.misdated = false;
        self.pending = None;
    }
}

impl Issued {
    /// What the status says is issued.
    pub(super) fn of(status: &PresignedUrlStatus) -> Option<Self> {
        Some(Self {
            secret: status.secret_ref.clone()?,
            method: status.method.unwrap_or_default(),
            issued_at: status.issued_at?,
            expires_at: status.expires_at?,
            limited_by: status.limited_by,
            objects: status.objects.unwrap_or(1),
            skipped: status.skipped_objects,
            hashes: status.hashes.clone()?,
            revision: status.revision?,
            served_request: status.last_renew_request.clone(),
        })
    }

    /// Whether its URLs can be used: they have not ended, and were not signed by a clock that ran ahead. A server takes a
    /// date that lies a few minutes in the future, and refuses more.
    pub(super) fn alive(&self, now: Timestamp) -> bool {
        now < self.expires_at && !ahead(self.issued_at, now)
    }

    /// The life that was issued, in seconds.
    pub(super) fn life(&self) -> i64 {
        self.expires_at.as_second() - self.issued_at.as_second()
    }
}

//! The record of one issue: the content of a Secret, taken from the status or from the write that made it.

use jiff::{SignedDuration, Timestamp};

use crate::api::{LimitedBy, Method, PresignedUrlStatus, SignedHashes, WrittenSecret};

/// A difference up to which two clocks agree.
pub(crate) const CLOCKS_AGREE: SignedDuration = SignedDuration::from_secs(15);
/// By how many seconds the date of a URL may be ahead of the clock.
const AHEAD: i64 = 300;

/// The content of a Secret now, from the status or from a write that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::struct_field_names,
    reason = "issueTime is the status's own word"
)]
pub(crate) struct Issued {
    pub(crate) secret: WrittenSecret,
    pub(crate) method: Method,
    pub(crate) issued_at: Timestamp,
    /// The date of the signature: later than `issued_at` if a link was signed again.
    pub(crate) signed_at: Timestamp,
    /// By the operator's clock, as it was at the signature.
    pub(crate) expires_at: Timestamp,
    /// By how many seconds the store's clock was ahead of the operator's at the signature.
    pub(crate) clock_offset: i32,
    pub(crate) limited_by: Option<LimitedBy>,
    pub(crate) objects: u32,
    pub(crate) skipped: Option<u32>,
    pub(crate) hashes: SignedHashes,
    pub(crate) revision: i64,
    pub(crate) served_request: Option<String>,
    /// The names of the policies that allowed it.
    pub(crate) policies: Vec<String>,
}

impl Issued {
    /// The issued content that the status records.
    pub(crate) fn of(status: &PresignedUrlStatus) -> Option<Self> {
        Some(Self {
            secret: status.internal.secret.clone()?,
            method: status.method.unwrap_or_default(),
            issued_at: status.issue_time?,
            signed_at: status.internal.signature_time.or(status.issue_time)?,
            expires_at: status.expiration_time?,
            clock_offset: status.internal.clock_offset.unwrap_or_default(),
            limited_by: status.limited_by,
            objects: status.objects.unwrap_or(1),
            skipped: status.skipped_objects,
            hashes: status.internal.hashes.clone()?,
            revision: status.revision?,
            served_request: status.last_renew_request.clone(),
            policies: status.policy_refs.clone(),
        })
    }

    /// Whether its URLs can be used at a store whose clock is `skew` ahead of the operator's: they have not
    /// expired, and were not signed by a clock that ran ahead. A server accepts a date that lies a few minutes
    /// in the future, and refuses a later one.
    pub(crate) fn alive(&self, now: Timestamp, skew: SignedDuration) -> bool {
        now < self.ends_at(skew) && !ahead(self.signed_at, now)
    }

    /// When its URLs expire at a store whose clock is `skew` ahead of the operator's.
    pub(crate) fn ends_at(&self, skew: SignedDuration) -> Timestamp {
        ends_at(self.expires_at, self.clock_offset, skew)
    }

    /// Whether the operator's own clock says that its URLs are over. No other clock removes a Secret.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.expires_at || ahead(self.signed_at, now)
    }

    /// The issued lifetime, in seconds.
    pub(crate) fn life(&self) -> i64 {
        self.expires_at.as_second() - self.issued_at.as_second()
    }
}

/// When a URL expires by the operator's clock as it is now. `expires_at` is by that clock as it was at the
/// signature, `offset` is how many seconds the store's clock was ahead of it then, and `skew` is how far it is
/// ahead now. The end only becomes earlier: a URL that lives longer than its Secret says is none to rely on.
pub(crate) fn ends_at(expires_at: Timestamp, offset: i32, skew: SignedDuration) -> Timestamp {
    let earlier = skew - SignedDuration::from_secs(offset.into());
    if earlier > CLOCKS_AGREE {
        expires_at.checked_sub(earlier).unwrap_or(expires_at)
    } else {
        expires_at
    }
}

/// Whether a URL of that date was signed by a clock that ran ahead.
pub(crate) fn ahead(date: Timestamp, now: Timestamp) -> bool {
    date.as_second() - now.as_second() > AHEAD
}

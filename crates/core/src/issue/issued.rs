//! The record of one issue: the content of a Secret, taken from the status or from the write that made it.

use jiff::Timestamp;

use crate::api::{LimitedBy, Method, PresignedUrlStatus, SignedHashes, WrittenSecret};

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
    pub(crate) expires_at: Timestamp,
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
            limited_by: status.limited_by,
            objects: status.objects.unwrap_or(1),
            skipped: status.skipped_objects,
            hashes: status.internal.hashes.clone()?,
            revision: status.revision?,
            served_request: status.last_renew_request.clone(),
            policies: status.policy_refs.clone(),
        })
    }

    /// Whether its URLs can be used: they have not expired, and were not signed by a clock that ran ahead. A
    /// server accepts a date that lies a few minutes in the future, and refuses a later one.
    pub(crate) fn alive(&self, now: Timestamp) -> bool {
        now < self.expires_at && !ahead(self.signed_at, now)
    }

    /// The issued lifetime, in seconds.
    pub(crate) fn life(&self) -> i64 {
        self.expires_at.as_second() - self.issued_at.as_second()
    }
}

/// Whether a URL of that date was signed by a clock that ran ahead.
pub(crate) fn ahead(date: Timestamp, now: Timestamp) -> bool {
    date.as_second() - now.as_second() > AHEAD
}

//! Whether the signed URLs work, as far as a store has shown.
//!
//! What holds here:
//! - An outcome permits a publication under `verify: Require` only while it is younger than [`FRESH`].

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{Problem, Reason};
use crate::engine::s3::ObjectVerdict;
use crate::time::later;

/// How long an outcome permits a publication under `verify: Require`.
const FRESH: Duration = Duration::from_mins(5);

/// The outcome of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Verification {
    /// The hash of the signed content.
    pub(in crate::engine) hash: String,
    pub(in crate::engine) verdict: ObjectVerdict,
    pub(in crate::engine) at: Timestamp,
}

impl Verification {
    /// Whether S3 accepted it, as far as a read can show.
    pub(in crate::engine) fn is_good(&self) -> bool {
        self.verdict.passes()
    }

    /// Whether it permits the publication of the content with this hash.
    pub(in crate::engine) fn permits(&self, hash: &str, now: Timestamp) -> bool {
        self.hash == hash && self.is_good() && self.at <= now && now < later(self.at, FRESH)
    }

    /// Why nothing is published under `verify: Require`.
    pub(in crate::engine) fn problem(&self) -> Problem {
        let ObjectVerdict {
            reason, message, ..
        } = &self.verdict;
        Problem {
            reason: *reason,
            message: format!("nothing is published that did not work (verify: Require): {message}"),
            needs_human: !ends_by_itself(*reason),
        }
    }
}

/// Whether the reason of a failed verification means that the store rejects the signature: the URL is dead
/// then, whatever the object is.
pub(in crate::engine) const fn rejects_signature(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::CredentialsInvalid
            | Reason::SignatureDoesNotMatch
            | Reason::WrongRegion
            | Reason::ClockSkewed
    )
}

/// Whether the problem may end without a person.
const fn ends_by_itself(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::StoreUnavailable
            | Reason::ConnectionFailed
            | Reason::HostNotFound
            | Reason::UnexpectedResponse
            | Reason::ObjectArchived
            // An object that is uploaded later exists then.
            | Reason::NoSuchKey
    )
}

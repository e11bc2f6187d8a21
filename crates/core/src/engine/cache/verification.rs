//! Whether what was signed works, as far as a store told.

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
    /// The hash of what was signed.
    pub(in crate::engine) hash: String,
    pub(in crate::engine) verdict: ObjectVerdict,
    pub(in crate::engine) at: Timestamp,
}

impl Verification {
    /// Whether S3 accepted it, as far as can be seen.
    pub(in crate::engine) fn is_good(&self) -> bool {
        self.verdict.passes()
    }

    /// Whether it permits the publication of what this hash stands for.
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

/// Whether time alone may fix it.
const fn ends_by_itself(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::StoreUnavailable
            | Reason::ConnectionFailed
            | Reason::HostNotFound
            | Reason::UnexpectedAnswer
            // An object that is uploaded later exists then.
            | Reason::NoSuchKey
    )
}

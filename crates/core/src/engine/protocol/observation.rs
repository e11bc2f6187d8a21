//! What the engine counts for metrics.

use crate::api::Reason;

/// Something worth counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// A Secret was written for the first time.
    Issued,
    /// A Secret was written again, and why.
    Renewed(Cause),
    /// The policies refuse what they did not refuse before.
    Denied,
    /// A step failed.
    Failed(Reason),
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

//! What the engine counts for metrics.

use crate::api::Reason;

/// Something to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// A Secret was written for the first time.
    Issued,
    /// A Secret was written again, for this cause.
    Renewed(Cause),
    /// The policies refuse a resource that they did not refuse before.
    Denied,
    /// A step failed.
    Failed(Reason),
}

/// Why a Secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing was issued before.
    First,
    /// The spec requests something else.
    Changed,
    /// The store's endpoint, region or credentials have changed.
    Store,
    /// A policy allows only a shorter life now.
    Shortened,
    /// The renewal is due or overdue.
    Due,
    /// The annotation requested it.
    Requested,
    /// The objects under the prefix have changed.
    Listed,
    /// The Secret is gone or was edited.
    Drift,
}

impl Cause {
    /// Whether it is a renewal of earlier content; no Kubernetes Event reports it.
    #[must_use]
    pub const fn is_renewal(self) -> bool {
        !matches!(self, Self::First)
    }
}

//! The claim to lead, and how long it lasts beside the Lease.

use std::time::Duration;

/// How long the others wait for a Lease that does not change before they take it.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How long a renewal lets its holder lead.
pub const CLAIM_DURATION: Duration = Duration::from_secs(10);
/// The pause between two attempts to renew or to acquire.
pub const RETRY_PERIOD: Duration = Duration::from_secs(2);

/// A claim to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    until: Option<Duration>,
}

impl Claim {
    /// The claim of an operator that runs alone.
    #[must_use]
    pub const fn always() -> Self {
        Self { until: None }
    }

    /// The claim of an operator that follows.
    #[must_use]
    pub const fn none() -> Self {
        Self::until(Duration::ZERO)
    }

    /// A claim that holds until a moment of the monotonic clock.
    #[must_use]
    pub const fn until(moment: Duration) -> Self {
        Self {
            until: Some(moment),
        }
    }

    /// Whether it holds at a moment of the monotonic clock.
    #[must_use]
    pub fn holds(&self, monotonic: Duration) -> bool {
        self.until.is_none_or(|until| monotonic < until)
    }
}

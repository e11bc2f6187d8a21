//! Who may act: a claim to lead is a value with an end, checked before each write.
//!
//! What holds here: a claim that is not renewed ends by itself, on the monotonic clock of the one who holds it; nobody has
//! to take it away. With one replica the claim is [`Claim::always`].

use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_ends_by_itself() {
        let claim = Claim::until(Duration::from_secs(15));
        assert!(claim.holds(Duration::from_secs(14)));
        assert!(!claim.holds(Duration::from_secs(15)));
        assert!(Claim::always().holds(Duration::MAX));
    }
}

//! When an engine leads and when it follows, by the claim of its instance.
//!
//! What holds here: an engine follows as soon as the claim is over. It leads again only if no step of its
//! last term is on its way: the result of such a step would be taken for one of the new term.

use std::time::Duration;

use super::claim::Claim;

/// What an engine has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It leads from now on.
    Lead,
    /// It follows from now on.
    Follow,
}

/// Whether an engine leads.
#[derive(Clone, Debug)]
pub struct Term {
    leading: bool,
}

impl Term {
    /// The term of a new engine: it leads until it is told to follow.
    #[must_use]
    pub const fn new() -> Self {
        Self { leading: true }
    }

    /// Whether the engine leads.
    #[must_use]
    pub const fn leading(&self) -> bool {
        self.leading
    }

    /// What changes for the engine at a moment of the monotonic clock. `idle` says that no step is on its
    /// way.
    pub fn turn(&mut self, claim: Claim, monotonic: Duration, idle: bool) -> Option<Turn> {
        let holds = claim.holds(monotonic);
        if self.leading && !holds {
            self.leading = false;
            Some(Turn::Follow)
        } else if !self.leading && holds && idle {
            self.leading = true;
            Some(Turn::Lead)
        } else {
            None
        }
    }
}

impl Default for Term {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    //! Terms, in seconds of the monotonic clock.

    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn who_runs_alone_leads_from_the_start() {
        let mut term = Term::new();
        assert_eq!(term.turn(Claim::always(), at(0), true), None);
        assert!(term.leading());
    }

    #[test]
    fn a_term_ends_with_its_claim_and_the_next_begins_with_nothing_on_its_way() {
        let mut term = Term::new();
        let claim = Claim::until(at(10));
        assert_eq!(term.turn(claim, at(9), false), None);
        assert_eq!(term.turn(claim, at(10), false), Some(Turn::Follow));
        assert_eq!(term.turn(claim, at(11), true), None);
        let claim = Claim::until(at(30));
        assert_eq!(
            term.turn(claim, at(20), false),
            None,
            "a step of the last term"
        );
        assert!(!term.leading());
        assert_eq!(term.turn(claim, at(21), true), Some(Turn::Lead));
    }
}

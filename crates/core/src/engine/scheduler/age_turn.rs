//! The turn of whoever has waited longest.
//!
//! What holds here:
//! - One grant in eight goes to whoever has waited longest, whatever its priority, so nobody waits for ever.
//! - A grant in the usual order that goes to the same one counts as its turn.

/// One grant in so many goes to whoever has waited longest.
const ONE_IN: u8 = 8;

/// Counts grants in the usual order until the turn of whoever has waited longest.
#[derive(Debug, Default)]
pub(super) struct AgeTurn {
    passed_over: u8,
}

impl AgeTurn {
    /// Whether the next grant goes to whoever has waited longest.
    pub(super) fn is_due(&self) -> bool {
        self.passed_over + 1 >= ONE_IN
    }

    /// Somebody got something: whoever has waited longest (`oldest`), or another.
    pub(super) fn granted(&mut self, oldest: bool) {
        self.passed_over = if oldest {
            0
        } else {
            (self.passed_over + 1).min(ONE_IN - 1)
        };
    }
}

#[cfg(test)]
mod tests {
    //! When the turn comes.

    use super::*;

    #[test]
    fn the_turn_comes_after_seven_others_and_stays_until_it_is_used() {
        let mut turn = AgeTurn::default();
        for _ in 0..7 {
            assert!(!turn.is_due());
            turn.granted(false);
        }
        assert!(turn.is_due());
        turn.granted(false);
        assert!(turn.is_due());
        turn.granted(true);
        assert!(!turn.is_due());
    }
}

//! How urgent an object is, and where it waits.
//!
//! What holds here:
//! - What has a life rises as its end comes near. Whoever queues it names that moment to its timer, so what
//!   waits is queued again as it rises.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::time::{between, shifted};

/// How much of a life is left at most as it goes before others' first issues: the time that a renewal may
/// need for a slot and for its slow steps.
const EXPIRES_SOON: Duration = Duration::from_mins(10);

/// How urgent an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// What is issued expires within minutes.
    Expiring,
    /// Never issued, little life left, a denial, or a store: others wait for it.
    Urgent,
    /// Everything else.
    Routine,
}

/// Where an object waits among those of its namespace: priority, rank within it, then arrival.
pub(super) type QueuePosition = (Priority, i64, u64);

/// How urgent an object is now, and when it is more urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Standing {
    pub(in crate::engine) priority: Priority,
    /// A lower rank goes first within a priority.
    pub(in crate::engine) rank: i64,
    /// When the priority rises.
    pub(in crate::engine) rises_at: Option<Timestamp>,
}

impl Standing {
    /// It stays as it is.
    pub(in crate::engine) const fn fixed(priority: Priority, rank: i64) -> Self {
        Self {
            priority,
            rank,
            rises_at: None,
        }
    }

    /// What has a life: it is urgent in the last quarter, and about to expire in the last ten minutes, or in
    /// the last half of a shorter life. The nearest end goes first.
    pub(in crate::engine) fn of_life(from: Timestamp, until: Timestamp, now: Timestamp) -> Self {
        let life = between(from, until);
        let before_end = |left: Duration| {
            let left = SignedDuration::try_from(left).unwrap_or(SignedDuration::MAX);
            shifted(until, -left)
        };
        let expiring_at = before_end(EXPIRES_SOON.min(life / 2));
        let urgent_at = before_end(life / 4);
        let (priority, rises_at) = if now >= expiring_at {
            (Priority::Expiring, None)
        } else if now >= urgent_at {
            (Priority::Urgent, Some(expiring_at))
        } else {
            (Priority::Routine, Some(urgent_at.min(expiring_at)))
        };
        Self {
            priority,
            rank: until.as_second(),
            rises_at,
        }
    }
}

#[cfg(test)]
mod tests {
    //! When the priority rises.

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// The priorities of a life of so many seconds, each with how much is left as it begins.
    fn rises(life: i64) -> Vec<(Priority, i64)> {
        let mut now = at(0);
        let mut seen = Vec::new();
        loop {
            let standing = Standing::of_life(at(0), at(life), now);
            seen.push((standing.priority, at(life).as_second() - now.as_second()));
            let Some(next) = standing.rises_at else {
                return seen;
            };
            let before = Timestamp::from_second(next.as_second() - 1).unwrap();
            let before = Standing::of_life(at(0), at(life), before);
            assert_eq!(before.priority, standing.priority, "it rises no earlier");
            assert!(next > now, "it rises later than now");
            now = next;
        }
    }

    #[test]
    fn a_life_is_urgent_in_its_last_quarter_and_about_to_expire_in_its_last_ten_minutes() {
        use Priority::{Expiring, Routine, Urgent};
        let day = 86_400;
        let long = [(Routine, day), (Urgent, day / 4), (Expiring, 600)];
        assert_eq!(rises(day), long);
        assert_eq!(
            rises(3600),
            [(Routine, 3600), (Urgent, 900), (Expiring, 600)]
        );
    }

    #[test]
    fn a_short_life_leaves_half_of_it_to_the_slow_steps_of_its_renewal() {
        use Priority::{Expiring, Routine};
        assert_eq!(rises(1800), [(Routine, 1800), (Expiring, 600)]);
        assert_eq!(rises(600), [(Routine, 600), (Expiring, 300)]);
        assert_eq!(rises(300), [(Routine, 300), (Expiring, 150)]);
    }

    #[test]
    fn the_rank_does_not_change_as_time_passes_and_the_nearest_end_goes_first() {
        let rank = |until, now| Standing::of_life(at(0), at(until), at(now)).rank;
        assert_eq!(rank(3600, 0), rank(3600, 3000));
        assert!(rank(3600, 0) < rank(3601, 3000));
    }
}

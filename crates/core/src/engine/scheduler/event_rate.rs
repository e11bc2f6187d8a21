//! How many Events of one resource are published: as many as client-go's spam filter lets through.
//!
//! What holds here:
//! - [`BURST`] Events need no pause, and from then on one is published every [`MINUTES`]. The others are
//!   dropped: the conditions say what is so.
//! - It takes four bytes a resource.

use jiff::Timestamp;

/// How many Events need no pause between them.
const BURST: u32 = 25;
/// The pause between Events beyond those, in minutes.
const MINUTES: u32 = 5;

/// The Events of one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct EventRate {
    /// Each Event moves it on by the pause; in minutes since 1970.
    paid_until: u32,
}

impl EventRate {
    /// Whether an Event may be published now. It counts.
    pub(in crate::engine) fn take(&mut self, now: Timestamp) -> bool {
        let now = u32::try_from(now.as_second() / 60).unwrap_or_default();
        let paid = self.paid_until.max(now);
        let may = paid - now <= MINUTES * (BURST - 1);
        if may {
            self.paid_until = paid.saturating_add(MINUTES);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    //! How many.

    use super::*;

    #[test]
    fn there_are_as_many_events_of_a_resource_as_client_go_would_send() {
        let mut rate = EventRate::default();
        let mut taken = |second: i64| {
            let now = Timestamp::from_second(1_800_000_000 + second).unwrap();
            (0..100).filter(|_| rate.take(now)).count()
        };
        assert_eq!(taken(0), 25);
        assert_eq!(taken(240), 0);
        assert_eq!(taken(300), 1);
        assert_eq!(taken(900), 2);
        assert_eq!(taken(86_400), 25, "no more are saved up");
    }
}

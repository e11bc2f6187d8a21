//! Whether the operator's clock is trusted enough to remove something because its time is over.
//!
//! What holds here:
//! - After a step of the clock nothing is removed until the API server's clock confirms it, or 15 minutes
//!   pass.
//! - Nothing is removed while the clock differs from the API server's by more than 5 minutes.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::engine::scheduler::wake::RequeueAt;
use crate::time::later;

/// How long nothing is removed after a step of the clock: a second step may correct the first.
const DOUBT: Duration = Duration::from_mins(15);
/// The largest difference from the API server's clock at which the operator's clock is trusted.
const MAX_DIFFERENCE: SignedDuration = SignedDuration::from_mins(5);

/// What is known about the operator's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct ClockDoubt {
    /// Until when nothing is removed after a step of the clock.
    pub(in crate::engine) doubted_until: Option<Timestamp>,
    /// The API server's clock minus the operator's.
    pub(in crate::engine) api_clock: Option<SignedDuration>,
}

impl ClockDoubt {
    /// The wall clock was stepped.
    pub(in crate::engine) fn stepped(&mut self, now: Timestamp) {
        self.doubted_until = Some(later(now, DOUBT));
        self.api_clock = None;
    }

    /// The API server's clock was measured. Returns whether that changes what may be removed.
    pub(in crate::engine) fn measured(&mut self, difference: SignedDuration) -> bool {
        let before = *self;
        self.api_clock = Some(difference);
        before.api_clock.is_none() || before.contradicted() != self.contradicted()
    }

    /// Whether the API server's clock shows that the operator's is wrong.
    pub(in crate::engine) fn contradicted(&self) -> bool {
        self.api_clock
            .is_some_and(|difference| difference.abs() > MAX_DIFFERENCE)
    }

    /// Whether nothing may be removed for its expiry now. The time at which the doubt ends goes to `requeue`.
    pub(in crate::engine) fn is_doubted(&self, now: Timestamp, requeue: &mut RequeueAt) -> bool {
        match (
            self.api_clock,
            self.doubted_until.filter(|until| *until > now),
        ) {
            (None, Some(until)) => {
                requeue.at(until);
                true
            }
            (_, _) => self.contradicted(),
        }
    }
}

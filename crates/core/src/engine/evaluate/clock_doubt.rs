//! Whether the operator's clock may declare a URL expired.
//!
//! What holds here:
//! - A clock that was stepped a moment ago declares nothing expired until the API server confirms it, or 15
//!   minutes pass.
//! - A clock that differs from the API server's by more than 5 minutes declares nothing expired.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::engine::scheduler::wake::RequeueAt;
use crate::time::later;

/// How long nothing is deleted by the clock after it was stepped: one step may be followed by its correction.
const DOUBT: Duration = Duration::from_mins(15);
/// By how much the API server's clock may differ before nothing is deleted by the operator's.
const MAX_DIFFERENCE: SignedDuration = SignedDuration::from_mins(5);

/// What is known of the operator's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct ClockDoubt {
    /// After a step of the clock: what is deleted by the clock alone waits until then.
    pub(in crate::engine) doubted_until: Option<Timestamp>,
    /// The API server's clock less the operator's.
    pub(in crate::engine) api_clock: Option<SignedDuration>,
}

impl ClockDoubt {
    /// The wall clock was stepped.
    pub(in crate::engine) fn stepped(&mut self, now: Timestamp) {
        self.doubted_until = Some(later(now, DOUBT));
        self.api_clock = None;
    }

    /// The API server's clock was measured. Tells whether that changes what may be declared expired.
    pub(in crate::engine) fn measured(&mut self, difference: SignedDuration) -> bool {
        let before = *self;
        self.api_clock = Some(difference);
        before.api_clock.is_none() || before.contradicted() != self.contradicted()
    }

    /// Whether the API server's clock says that the operator's is wrong.
    pub(in crate::engine) fn contradicted(&self) -> bool {
        self.api_clock
            .is_some_and(|difference| difference.abs() > MAX_DIFFERENCE)
    }

    /// Whether no URL may be declared expired now. If the doubt ends by itself, that time is noted.
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

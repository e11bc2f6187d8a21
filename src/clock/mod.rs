//! The operator's one clock. It has two faces.
//!
//! What holds here: the clock is made once, where the operator is put together, and everything that needs the
//! time holds a clone of it; outside this file no code of the operator reads a clock (`clippy.toml` forbids
//! it). Wall-clock time is for lifetimes, and for nothing that is measured. Monotonic time is for time-outs,
//! for durations, for the claim to lead, and for noticing that the wall clock was stepped.
#![allow(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the system's clocks"
)]

mod skew;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

pub(crate) use skew::skew;

/// How far the faces may drift apart between two readings before the wall clock counts as stepped.
const STEP: Duration = Duration::from_secs(30);

/// The clock. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Clock {
    started: Instant,
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock")
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}

impl Clock {
    /// The system's clock; monotonic time starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            wall: Arc::new(Timestamp::now),
        }
    }

    /// A clock whose wall-clock time stands still.
    #[cfg(test)]
    pub(crate) fn stopped_at(now: Timestamp) -> Self {
        Self {
            started: Instant::now(),
            wall: Arc::new(move || now),
        }
    }

    /// Wall-clock time.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        (self.wall)()
    }

    /// The time since the start, which no step of the wall clock changes.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    /// The instant that monotonic time is at, for time-outs and durations.
    #[must_use]
    pub fn instant(&self) -> Instant {
        Instant::now()
    }

    /// The duration since an earlier instant.
    #[must_use]
    pub fn since(&self, earlier: Instant) -> Duration {
        self.instant().saturating_duration_since(earlier)
    }
}

/// Notices that the wall clock was stepped between two readings.
#[derive(Debug)]
pub struct StepDetector {
    clock: Clock,
    last: (Timestamp, Duration),
}

impl StepDetector {
    /// Takes the first reading.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let last = (clock.wall(), clock.monotonic());
        Self { clock, last }
    }

    /// Whether the wall clock was stepped since the last reading.
    pub fn stepped(&mut self) -> bool {
        let now = (self.clock.wall(), self.clock.monotonic());
        let stepped = differ(self.last, now);
        self.last = now;
        stepped
    }
}

/// Whether the wall clock advanced by another duration than the monotonic one between two readings.
fn differ(before: (Timestamp, Duration), after: (Timestamp, Duration)) -> bool {
    let wall = after.0.as_millisecond() - before.0.as_millisecond();
    let monotonic =
        i64::try_from((after.1.saturating_sub(before.1)).as_millis()).unwrap_or(i64::MAX);
    wall.abs_diff(monotonic) > u64::try_from(STEP.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    //! Steps of the clock.

    use super::*;

    #[test]
    fn a_step_of_the_wall_clock_is_seen_either_way() {
        let at = |wall, monotonic| {
            (
                Timestamp::from_second(wall).unwrap(),
                Duration::from_secs(monotonic),
            )
        };
        assert!(!differ(at(1_000, 0), at(1_010, 10)));
        assert!(
            !differ(at(1_000, 0), at(1_039, 10)),
            "29 s of drift are no step"
        );
        assert!(differ(at(1_000, 0), at(1_041, 10)));
        assert!(differ(at(1_000, 0), at(900, 10)));
    }

    #[test]
    fn clones_of_a_clock_tell_the_same_time() {
        let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let clock = Clock::stopped_at(noon);
        let clone = clock.clone();
        assert_eq!(clone.wall(), noon);
        assert_eq!(clone.started, clock.started);
    }
}

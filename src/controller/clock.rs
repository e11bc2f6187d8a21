//! The one clock of the operator. It has two faces.
//!
//! What holds here: wall-clock time is for lifetimes, and for nothing that is measured; the monotonic face is for time-outs, the
//! claim to lead, and for seeing that the wall clock was stepped. Nobody else reads either.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// How far the faces may part between two looks before the wall clock was stepped.
const STEP: Duration = Duration::from_secs(30);

/// The clock.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    last: (Timestamp, Duration),
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            last: (Timestamp::now(), Duration::ZERO),
        }
    }

    /// Wall-clock time.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Time since the start, which no step touches.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether the wall clock was stepped since the last look.
    pub fn stepped(&mut self) -> bool {
        let now = (self.wall(), self.monotonic());
        let stepped = parted(self.last, now);
        self.last = now;
        stepped
    }
}

/// Whether the wall clock went another way than the monotonic one between two looks.
fn parted(before: (Timestamp, Duration), after: (Timestamp, Duration)) -> bool {
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
        assert!(!parted(at(1_000, 0), at(1_010, 10)));
        assert!(
            !parted(at(1_000, 0), at(1_039, 10)),
            "29 s of drift are none of our business"
        );
        assert!(parted(at(1_000, 0), at(1_041, 10)));
        assert!(parted(at(1_000, 0), at(900, 10)));
    }
}

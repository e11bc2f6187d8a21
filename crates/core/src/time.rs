//! Arithmetic of times that cannot fail: what would leave the calendar stops at its end.

use std::time::Duration;

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

/// The time so much later.
pub(crate) fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The time from one to another in whole seconds; zero where it is past.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(to.as_second() - from.as_second()).unwrap_or_default())
}

/// A time of one clock as a clock shows it that differs by this.
pub(crate) fn shifted(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(time)
}

/// Whole seconds: finer times reach neither signatures nor statuses.
pub(crate) fn whole(now: Timestamp) -> Timestamp {
    rounded(now, RoundMode::Floor)
}

/// The whole second that a time has come at the latest; [`whole`] of an earlier one would still be before it.
pub(crate) fn ceil(time: Timestamp) -> Timestamp {
    rounded(time, RoundMode::Ceil)
}

fn rounded(time: Timestamp, mode: RoundMode) -> Timestamp {
    let to_seconds = TimestampRound::new().smallest(Unit::Second).mode(mode);
    time.round(to_seconds).unwrap_or(time)
}

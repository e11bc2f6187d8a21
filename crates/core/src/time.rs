//! Arithmetic of times that cannot fail: a result outside the calendar becomes the first or last time of it.

use std::time::Duration;

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

/// The time plus a duration.
pub(crate) fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The time from one to another in whole seconds; zero if it is past.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(to.as_second() - from.as_second()).unwrap_or_default())
}

/// The time plus a signed difference between two clocks.
pub(crate) fn shifted(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(time)
}

/// The time cut to whole seconds: signatures and statuses hold no finer times.
pub(crate) fn whole(now: Timestamp) -> Timestamp {
    rounded(now, RoundMode::Floor)
}

/// The first whole second that is not before a time; [`whole`] may return an earlier one.
pub(crate) fn ceil(time: Timestamp) -> Timestamp {
    rounded(time, RoundMode::Ceil)
}

fn rounded(time: Timestamp, mode: RoundMode) -> Timestamp {
    let to_seconds = TimestampRound::new().smallest(Unit::Second).mode(mode);
    time.round(to_seconds).unwrap_or(time)
}

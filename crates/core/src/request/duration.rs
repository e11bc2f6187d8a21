//! Durations in specs: Go's format without a sign, in whole seconds.
//!
//! What holds here: nothing is guessed. The empty text, signs, bare numbers, words and anything that
//! overflows are refused, because a duration that is read wrongly is a URL that lives too long.

use std::fmt::Write as _;
use std::time::Duration;

use super::error::DurationError;

/// The signature's limit for the life of a URL: seven days.
pub(crate) const MAX_LIFE: Duration = Duration::from_hours(168);
/// The shortest life of a URL.
pub(crate) const MIN_LIFE: Duration = Duration::from_mins(1);
/// The longest text; it is the schema's bound as well.
const MAX_TEXT: usize = 32;
/// Units and their nanoseconds. `ms` and `m` share a letter, so the longer one stands first.
const UNITS: [(&str, u128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];
/// The same, and days, which Go's format has not.
const UNITS_AND_DAYS: [(&str, u128); 8] = {
    let [a, b, c, d, e, f, g] = UNITS;
    [a, b, c, d, e, f, g, ("d", 86_400_000_000_000)]
};
const NO_DURATION: &str = "is not a duration";
const NANOS_PER_SECOND: u128 = 1_000_000_000;
/// Go's limit: a duration has 63 bits of nanoseconds.
const MAX_NANOS: u128 = i64::MAX as u128;

/// Parses Go's duration format: one or more numbers, each with a unit (`h`, `m`, `s`, `ms`, `us`, `ns`).
/// Fractions of a second in the sum are dropped, so that a life is never longer than what was written.
///
/// # Errors
/// A text that is empty, signed, without a unit, not a duration, shorter than a second, or longer than Go can
/// hold.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let parsed = parse(text).and_then(|duration| {
        if duration.is_zero() {
            return Err("is shorter than a second");
        }
        Ok(duration)
    });
    parsed.map_err(|fault| refused(text, fault))
}

/// As [`parse_duration`], but accepts `0s`: a delay may be none.
pub(super) fn parse_delay(text: &str) -> Result<Duration, DurationError> {
    parse(text).map_err(|fault| refused(text, fault))
}

/// Writes a duration shortly, in whole seconds: `12h`, `1h30m`, `45s`, `0s`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [
        (seconds / 3600, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let mut text = String::new();
    for (count, unit) in parts.into_iter().filter(|&(count, _)| count > 0) {
        let _ = write!(text, "{count}{unit}");
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// The error about a text; of one that counts in days, what to write in their place.
fn refused(text: &str, fault: &'static str) -> DurationError {
    match parse_in(text, &UNITS_AND_DAYS) {
        Ok(days) if fault == NO_DURATION => DurationError::days(text, &format_duration(days)),
        _ => DurationError::new(text, fault),
    }
}

fn parse(text: &str) -> Result<Duration, &'static str> {
    parse_in(text, &UNITS)
}

fn parse_in(text: &str, units: &[(&str, u128)]) -> Result<Duration, &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.len() > MAX_TEXT {
        return Err("is too long for a duration");
    }
    if text.starts_with(['-', '+']) {
        return Err("has a sign");
    }
    let mut nanos = 0_u128;
    let mut rest = text;
    while !rest.is_empty() {
        let (part, after) = one_part(rest, units)?;
        nanos += part;
        rest = after;
    }
    if nanos > MAX_NANOS {
        return Err("is longer than can be held");
    }
    let seconds =
        u64::try_from(nanos / NANOS_PER_SECOND).map_err(|_| "is longer than can be held")?;
    Ok(Duration::from_secs(seconds))
}

/// The nanoseconds of the first number with its unit, at most [`MAX_NANOS`], and the text after it.
fn one_part<'a>(text: &'a str, units: &[(&str, u128)]) -> Result<(u128, &'a str), &'static str> {
    let (whole, rest) = digits(text);
    if whole.is_empty() {
        return Err(NO_DURATION);
    }
    let (fraction, rest) = match rest.strip_prefix('.').map(digits) {
        None => ("", rest),
        Some(("", _)) => return Err(NO_DURATION),
        Some(fraction) => fraction,
    };
    let Some((unit, rest)) = units
        .iter()
        .find_map(|&(name, nanos)| Some((nanos, rest.strip_prefix(name)?)))
    else {
        return Err(if rest.is_empty() {
            "has a number without a unit"
        } else {
            NO_DURATION
        });
    };
    let too_long = "is longer than can be held";
    let whole: u128 = whole.parse().map_err(|_| too_long)?;
    let whole = whole.checked_mul(unit).ok_or(too_long)?;
    // Twelve digits are finer than a nanosecond of an hour; further digits are dropped, as fractions of
    // seconds are.
    let fraction = fraction.get(..12).unwrap_or(fraction);
    let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| too_long)?);
    let part = match fraction {
        "" => 0,
        _ => fraction.parse::<u128>().map_err(|_| too_long)? * unit / scale,
    };
    match whole.checked_add(part) {
        Some(sum) if sum <= MAX_NANOS => Ok((sum, rest)),
        _ => Err(too_long),
    }
}

fn digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

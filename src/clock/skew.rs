//! How far another clock is from ours, by the `Date` of its answers.
//!
//! What holds here: a measure is as good as the answer was quick, and never better than half a second.

use std::time::Duration;

use http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};

/// A `Date` is cut to whole seconds: on average the clock that wrote it was half of one further.
const HALF_A_SECOND: SignedDuration = SignedDuration::from_millis(500);

/// By how much the clock that wrote `Date` is ahead of ours, halfway between question and answer. What a
/// cache answers has the date of another day.
pub(crate) fn skew(headers: &HeaderMap, sent: Timestamp, took: Duration) -> Option<SignedDuration> {
    if headers.contains_key(header::AGE) {
        return None;
    }
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let ours = sent.checked_add(took / 2).ok()?;
    Some(date.duration_since(ours) + HALF_A_SECOND)
}

#[cfg(test)]
mod tests {
    //! Dates of all kinds.

    use super::*;

    fn of(headers: &[(header::HeaderName, &str)], took: u64) -> Option<SignedDuration> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        let sent = "2026-11-22T12:00:00Z".parse().unwrap();
        skew(&headers, sent, Duration::from_secs(took))
    }

    #[test]
    fn a_clock_is_measured_against_the_middle_of_the_request() {
        let millis = |skew: Option<SignedDuration>| skew.unwrap().as_millis();
        let date = |text| [(header::DATE, text)];
        assert_eq!(millis(of(&date("Sun, 22 Nov 2026 12:00:00 GMT"), 0)), 500);
        assert_eq!(
            millis(of(&date("Sun, 22 Nov 2026 12:07:00 GMT"), 4)),
            418_500
        );
        assert_eq!(
            millis(of(&date("Sun, 22 Nov 2026 11:59:00 GMT"), 0)),
            -59_500
        );
    }

    #[test]
    fn what_is_no_date_of_now_measures_nothing() {
        let date = (header::DATE, "Sun, 22 Nov 2026 12:00:00 GMT");
        assert_eq!(of(&[], 0), None);
        assert_eq!(of(&[(header::DATE, "yesterday")], 0), None);
        assert_eq!(of(&[date, (header::AGE, "3600")], 0), None);
    }
}

//! Durations of specs.

use std::time::Duration;

use proptest::prelude::*;

use super::super::{format_duration, parse_duration};

#[test]
fn go_durations_are_read_in_whole_seconds() {
    for (text, seconds) in [
        ("1s", 1),
        ("90m", 5400),
        ("12h", 43_200),
        ("1h30m", 5400),
        ("1h30m15s", 5415),
        ("1.5h", 5400),
        ("1.0001h", 3600),
        ("1m1m", 120),
        ("1500ms", 1),
        ("1999999us", 1),
        ("1999999µs", 1),
        ("2000000000ns", 2),
        ("0h5m", 300),
        ("0.999999999999999999999s1s", 1),
        ("168h", 604_800),
    ] {
        assert_eq!(
            parse_duration(text),
            Ok(Duration::from_secs(seconds)),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_duration_is_refused_with_an_example() {
    for (text, reason) in [
        ("", "\"\" is empty"),
        ("-1h", "\"-1h\" has a sign"),
        ("+1h", "\"+1h\" has a sign"),
        ("1h-1m", "\"1h-1m\" is not a duration"),
        ("soon", "\"soon\" is not a duration"),
        ("1h ago", "\"1h ago\" is not a duration"),
        (" 1h", "\" 1h\" is not a duration"),
        ("1 h", "\"1 h\" is not a duration"),
        ("10", "\"10\" has a number without a unit"),
        ("1h30", "\"1h30\" has a number without a unit"),
        ("1.h", "\"1.h\" is not a duration"),
        (".5h", "\".5h\" is not a duration"),
        ("1..5h", "\"1..5h\" is not a duration"),
        ("d", "\"d\" is not a duration"),
        ("1w", "\"1w\" is not a duration"),
        ("1H", "\"1H\" is not a duration"),
        ("PT1H", "\"PT1H\" is not a duration"),
        ("١h", "\"١h\" is not a duration"),
        ("0s", "\"0s\" is shorter than a second"),
        ("999ms", "\"999ms\" is shorter than a second"),
        ("2562048h", "\"2562048h\" is longer than can be held"),
        (
            "99999999999999999999999999999h",
            "is longer than can be held",
        ),
        ("2562047h2562047h", "is longer than can be held"),
        (
            "1h1h1h1h1h1h1h1h1h1h1h1h1h1h1h1h1h",
            "is too long for a duration",
        ),
    ] {
        let message = parse_duration(text).expect_err(text).to_string();
        assert!(message.contains(reason), "{message}");
        assert!(
            message
                .ends_with("; write numbers with units, for example \"12h\", \"90m\" or \"1h30m\""),
            "{message}"
        );
    }
}

#[test]
fn days_are_answered_with_hours() {
    for (text, hours) in [
        ("1d", "24h"),
        ("7d", "168h"),
        ("1d12h", "36h"),
        ("0.5d", "12h"),
    ] {
        let message = parse_duration(text).expect_err(text).to_string();
        let words = format!("\"{text}\" counts in days, and days are not a unit: write {hours}");
        assert_eq!(message, words);
    }
}

#[test]
fn durations_are_written_shortly() {
    for (seconds, text) in [
        (0, "0s"),
        (45, "45s"),
        (60, "1m"),
        (5400, "1h30m"),
        (43_200, "12h"),
        (604_800, "168h"),
        (3601, "1h1s"),
        (3661, "1h1m1s"),
    ] {
        assert_eq!(format_duration(Duration::from_secs(seconds)), text);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(seconds in 1..10_000_000_u64) {
        let duration = Duration::from_secs(seconds);
        prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9.smhnuµ+-]{0,34}|\\PC{0,40}") {
        if let Ok(duration) = parse_duration(&text) {
            prop_assert!(duration >= Duration::from_secs(1));
            prop_assert_eq!(duration.subsec_nanos(), 0);
        }
    }
}

//! Promises 2, 7 and 9: the overlap, the herd that is none, and the pauses.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{NOON, at, hours, secs};
use crate::issue::{Renew, backoff, refresh_gains, renew_at};

/// The earliest and the latest renewal over many resources, as seconds after the issue.
fn window(life: i64, renew: Option<Renew>) -> (i64, i64) {
    let waits = || {
        (0..2_000).map(|n| {
            renew_at(at(NOON), at(NOON + life), renew, &format!("uid-{n}"), 1).as_second() - NOON
        })
    };
    (waits().min().unwrap(), waits().max().unwrap())
}

#[test]
fn renewal_begins_when_two_thirds_of_the_real_life_are_left() {
    let (first, last) = window(12 * 3600, None);
    assert!(last <= 4 * 3600 && last > 4 * 3600 - 60, "{last}");
    assert!((10_080..10_140).contains(&first), "{first}");
}

#[test]
fn renew_before_decides_the_latest_renewal() {
    let (_, last) = window(36_000, Some(Renew::Left(hours(1))));
    assert!((32_350..=32_400).contains(&last), "{last}");
    let (_, last) = window(36_000, Some(Renew::Percentage(25)));
    assert!((26_950..=27_000).contains(&last), "{last}");
    let (_, last) = window(1_090, Some(Renew::Percentage(50)));
    assert!((540..=545).contains(&last), "{last}");
}

#[test]
fn two_minutes_are_left_if_the_life_allows_them() {
    for renew in [Renew::Left(secs(1)), Renew::Percentage(1)] {
        assert!(window(600, Some(renew)).1 <= 480);
        assert!(window(181, Some(renew)).1 <= 61);
        assert!(window(180, Some(renew)).1 <= 60);
        assert!(
            window(60, Some(renew)).1 <= 20,
            "of a short life, two thirds"
        );
    }
}

#[test]
fn a_renew_before_longer_than_the_life_does_not_loop() {
    for renew in [
        Renew::Left(hours(100)),
        Renew::Percentage(90),
        Renew::Percentage(255),
    ] {
        let (first, last) = window(36_000, Some(renew));
        assert!(
            (3_600..3_620).contains(&first),
            "a tenth has passed: {first}"
        );
        assert!(
            (5_120..=5_142).contains(&last),
            "and even there the jitter spreads: {last}"
        );
    }
}

#[test]
fn a_renewal_is_never_planned_after_the_end_of_a_life_without_length() {
    for life in [-5, 0, 1] {
        assert!(
            renew_at(at(NOON), at(NOON + life), None, "u", 1).as_second() <= NOON + life.max(0)
        );
    }
}

#[test]
fn the_jitter_is_the_same_after_a_restart_and_differs_by_revision() {
    let plan = |revision| renew_at(at(NOON), at(NOON + 43_200), None, "6f1c-golden", revision);
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
    // A golden: a changed hash would move every renewal of every installation at its upgrade.
    assert_eq!(plan(7).to_string(), "2026-11-21T15:50:10Z");
}

#[test]
fn a_thousand_resources_of_one_moment_do_not_renew_in_one_moment() {
    let seconds: BTreeSet<Timestamp> = (0..1_000)
        .map(|n| renew_at(at(NOON), at(NOON + 43_200), None, &format!("uid-{n}"), 1))
        .collect();
    assert!(seconds.len() > 800, "{} different seconds", seconds.len());
}

#[test]
fn credentials_are_fetched_first_if_that_gains_a_quarter() {
    // (asked, what is left, what a new session gives, worth it)
    let table = [
        (hours(12), hours(1), hours(1), false),
        (hours(12), secs(2701), hours(1), false),
        (hours(12), secs(2700), hours(1), true),
        (hours(1), hours(2), hours(12), false),
        (hours(1), secs(2700), hours(12), true),
        (hours(1), secs(2701), hours(12), false),
        (hours(1), secs(0), hours(1), true),
        (hours(1), hours(1), secs(0), false),
        (secs(0), secs(0), hours(1), false),
        (hours(1), hours(2), hours(1), false),
    ];
    for (asked, remaining, session, worth) in table {
        assert_eq!(
            refresh_gains(asked, remaining, session),
            worth,
            "{asked:?} {remaining:?} {session:?}"
        );
    }
}

#[test]
fn pauses_double_from_five_seconds_to_five_minutes() {
    for (failures, longest) in [
        (0, 5),
        (1, 5),
        (2, 10),
        (3, 20),
        (6, 160),
        (7, 300),
        (u32::MAX, 300),
    ] {
        let pauses: BTreeSet<Duration> = (0..200)
            .map(|n| backoff(failures, &format!("uid-{n}")))
            .collect();
        assert!(
            pauses.len() > 190,
            "what failed together is not retried together"
        );
        let (first, last) = (pauses.first().unwrap(), pauses.last().unwrap());
        assert!(
            *last <= secs(longest) && *first >= secs(longest) * 4 / 5,
            "{failures}"
        );
    }
    assert_eq!(backoff(3, "u"), backoff(3, "u"));
}

fn any_renew() -> impl Strategy<Value = Option<Renew>> {
    proptest::option::of(prop_oneof![
        any::<u64>().prop_map(|s| Renew::Left(secs(s))),
        (0_u64..700_000).prop_map(|s| Renew::Left(secs(s))),
        any::<u8>().prop_map(Renew::Percentage),
    ])
}

proptest! {
    #[test]
    fn every_renewal_leaves_the_overlap_and_waits_a_tenth(
        life in prop_oneof![60_i64..300, 300_i64..604_800],
        renew in any_renew(),
        uid in "[a-f0-9-]{36}",
        revision in any::<i64>(),
    ) {
        let wait = renew_at(at(NOON), at(NOON + life), renew, &uid, revision).as_second() - NOON;
        prop_assert!(wait * 10 >= life, "{wait} of {life}");
        let left = life - wait;
        prop_assert!(left >= if life > 180 { 120 } else { life * 2 / 3 }, "{left} of {life}");
        if renew.is_none() {
            prop_assert!(left * 3 >= life * 2);
        }
    }

    #[test]
    fn times_at_the_edges_are_no_panic(a in any::<i64>(), b in any::<i64>(), renew in any_renew()) {
        if let (Ok(a), Ok(b)) = (Timestamp::from_second(a), Timestamp::from_second(b)) {
            let _ = renew_at(a, b, renew, "u", 1);
        }
        let _ = renew_at(Timestamp::MIN, Timestamp::MAX, renew, "u", 1);
    }
}

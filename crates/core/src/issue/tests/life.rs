//! Promise 1: the expiry that is said is the expiry that is.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{NOON, at, hours, secs};
use crate::api::LimitedBy;
use crate::issue::{
    EndOutOfReach, FixedTimes, Life, MIN_LIFE, RequestedLife, TooShort, keep_end, plan_life,
};

const WEEK: i64 = 604_800;

fn requested(duration: Option<Duration>, policy_max: Duration) -> RequestedLife {
    RequestedLife {
        duration,
        policy_max,
    }
}

fn plan(requested: RequestedLife, creds: Option<i64>, age: Option<u64>) -> Result<Life, TooShort> {
    plan_life(
        at(NOON),
        requested,
        creds.map(|s| at(NOON + s)),
        age.map(secs),
    )
}

#[test]
fn noon_is_noon() {
    assert_eq!(at(NOON).to_string(), "2026-11-21T12:00:00Z");
}

#[test]
fn the_signature_is_dated_back_and_the_life_is_counted_from_now() {
    let now = at(NOON) + SignedDuration::from_millis(999);
    let life = plan_life(now, requested(Some(hours(1)), hours(12)), None, None).unwrap();
    assert_eq!(
        life,
        Life {
            signed_at: at(NOON - 30),
            expires_in: secs(3630),
            issued_at: at(NOON),
            expires_at: at(NOON + 3600),
            limited_by: None,
        }
    );
}

#[test]
fn a_limit_that_costs_more_than_a_tenth_of_the_life_is_named() {
    use LimitedBy::{Credentials, Duration, SignatureAge};
    let hour = 3600;
    // (what holds, asked, the rule's maximum, credentials' end, maxSignatureAge, life in seconds, limited by)
    #[rustfmt::skip]
    let table = [
        ("as asked", Some(hours(1)), hours(12), None, None, hour, None),
        ("left out: 12h", None, hours(24), None, None, 12 * hour, None),
        ("left out: the rule's maximum", None, hours(1), None, None, hour, Some(Duration)),
        ("left out: a little less is not said", None, hours(11), None, None, 11 * hour, None),
        ("credentials end first", Some(hours(2)), hours(2), Some(hour), None, hour, Some(Credentials)),
        ("credentials cost a tenth: not said", Some(hours(1)), hours(2), Some(3240), None, 3240, None),
        ("credentials cost more", Some(hours(1)), hours(2), Some(3239), None, 3239, Some(Credentials)),
        ("credentials that outlive it", Some(hours(1)), hours(2), Some(hour), None, hour, None),
        ("signature age, from the signature's date", Some(hours(1)), hours(2), None, Some(600), 570, Some(SignatureAge)),
        ("the least of all", None, hours(2), Some(400), Some(600), 400, Some(Credentials)),
        ("a week, less what was dated back", Some(hours(168)), hours(200), None, None, WEEK - 30, None),
        ("of two equal limits the first is named", None, hours(1), Some(hour), Some(3630), hour, Some(Duration)),
        ("never more than the rule allows", Some(hours(3)), hours(1), None, None, hour, Some(Duration)),
        ("the shortest", Some(secs(60)), hours(1), None, None, 60, None),
    ];
    for (what, duration, max, creds, age, seconds, limited_by) in table {
        let life = plan(requested(duration, max), creds, age).unwrap();
        assert_eq!(life.expires_at, at(NOON + seconds), "{what}");
        assert_eq!(life.limited_by, limited_by, "{what}");
    }
}

#[test]
fn a_life_under_a_minute_is_a_failure_that_names_its_cause() {
    let table = [
        (
            Some(hours(1)),
            Some(59),
            None,
            59,
            Some(LimitedBy::Credentials),
        ),
        (
            Some(hours(1)),
            Some(-5),
            None,
            -5,
            Some(LimitedBy::Credentials),
        ),
        (None, None, Some(89), 59, Some(LimitedBy::SignatureAge)),
        (Some(secs(59)), None, None, 59, None),
    ];
    for (duration, creds, age, seconds, limited_by) in table {
        assert_eq!(
            plan(requested(duration, hours(12)), creds, age),
            Err(TooShort {
                seconds,
                limited_by
            })
        );
    }
    assert_eq!(
        plan(requested(None, secs(30)), None, None)
            .unwrap_err()
            .limited_by,
        Some(LimitedBy::Duration)
    );
}

#[test]
fn each_refusal_says_what_to_do() {
    for (by, remedy) in [
        (Some(LimitedBy::Credentials), "renew them"),
        (Some(LimitedBy::SignatureAge), "raise it to 2m"),
        (Some(LimitedBy::Duration), "raise it to 1m"),
        (None, "set spec.duration to 1m"),
    ] {
        let text = TooShort {
            seconds: -7,
            limited_by: by,
        }
        .to_string();
        assert!(
            text.contains(remedy) && text.contains("live for 0 s"),
            "{text}"
        );
    }
}

#[test]
fn a_fraction_of_a_second_of_the_credentials_is_not_counted_on() {
    let end = at(NOON + 100) + SignedDuration::from_millis(900);
    let life = plan_life(at(NOON), requested(None, hours(12)), Some(end), None).unwrap();
    assert_eq!(life.expires_at, at(NOON + 100));
}

#[test]
fn a_clock_at_either_end_of_time_stays_within_it() {
    let plan = |now| plan_life(now, requested(None, hours(12)), None, None).unwrap();
    assert_eq!(plan(Timestamp::MIN).signed_at, Timestamp::MIN);
    assert_eq!(plan(Timestamp::MAX).expires_at, Timestamp::MAX);
}

proptest! {
    #[test]
    fn no_url_outlives_any_of_its_limits(
        millis in 0_i64..1_000,
        duration in proptest::option::of(0_u64..700_000),
        max in 0_u64..700_000,
        creds in proptest::option::of(-100_000_i64..700_000),
        age in proptest::option::of(0_u64..700_000),
    ) {
        let now = at(NOON) + SignedDuration::from_millis(millis);
        let creds = creds.map(|s| at(NOON + s) + SignedDuration::from_millis(500));
        let requested = requested(duration.map(secs), secs(max));
        let Ok(life) = plan_life(now, requested, creds, age.map(secs)) else { return Ok(()); };
        let total = SignedDuration::try_from(life.expires_in).unwrap();
        prop_assert_eq!(life.expires_at, life.signed_at + total);
        prop_assert_eq!(life.signed_at, life.issued_at - SignedDuration::from_secs(30));
        prop_assert!(life.issued_at <= now);
        prop_assert!(life.expires_in <= secs(604_800));
        prop_assert!(creds.is_none_or(|end| life.expires_at <= end));
        prop_assert!(age.is_none_or(|age| life.expires_in <= secs(age)));
        let length = life.expires_at.duration_since(life.issued_at);
        prop_assert!(length >= SignedDuration::try_from(MIN_LIFE).unwrap());
        prop_assert!(length <= SignedDuration::try_from(requested.effective()).unwrap());
    }

    #[test]
    fn a_clock_at_the_end_of_time_is_no_panic(now in i64::MIN..i64::MAX, life in any::<u64>()) {
        if let Ok(now) = Timestamp::from_second(now) {
            let all = Duration::from_secs(life);
            let _ = plan_life(now, requested(Some(all), all), Some(Timestamp::MAX), Some(all));
            let _ = plan_life(now, requested(Some(all), all), Some(Timestamp::MIN), Some(all));
        }
    }
}

fn again(creds: Option<i64>, age: Option<u64>) -> Result<Life, EndOutOfReach> {
    let fixed = FixedTimes {
        issued_at: at(NOON - 600),
        expires_at: at(NOON + 3000),
    };
    keep_end(at(NOON), fixed, creds.map(|s| at(NOON + s)), age.map(secs))
}

#[test]
fn a_link_that_is_signed_again_keeps_its_times() {
    let kept = Life {
        signed_at: at(NOON - 30),
        expires_in: secs(3030),
        issued_at: at(NOON - 600),
        expires_at: at(NOON + 3000),
        limited_by: None,
    };
    assert_eq!(again(None, None), Ok(kept));
    assert_eq!(again(Some(3000), Some(3030)), Ok(kept), "just enough");
}

#[test]
fn a_link_whose_end_is_out_of_reach_is_not_signed_shorter() {
    let out = |reach, limited_by| {
        Err(EndOutOfReach {
            end: at(NOON + 3000),
            reach: at(NOON + reach),
            limited_by,
        })
    };
    assert_eq!(again(Some(2999), None), out(2999, LimitedBy::Credentials));
    assert_eq!(again(None, Some(3029)), out(2999, LimitedBy::SignatureAge));
    let said = again(Some(60), Some(2000)).unwrap_err().to_string();
    assert!(
        said.contains("2026-11-21T12:50:00Z") && said.contains("2026-11-21T12:01:00Z"),
        "{said}"
    );
    assert!(said.contains("renew them"), "{said}");
}

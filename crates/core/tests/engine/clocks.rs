//! Promise 14, the clock is watched: signatures are dated by the store's clock, and nothing is signed if the
//! clocks are too far apart.

use std::time::Duration;

use jiff::SignedDuration;
use presigned_core::api::ConditionStatus::{False, True, Unknown};
use presigned_core::api::{PresignedUrlSpec, Renew, Verify};
use presigned_core::engine::{ApiError, Event, TransportError};

use crate::common::at;
use crate::common::cloud::Source;
use crate::common::url::Parts;
use crate::common::world::{Fault, StepKind};
use crate::scene::{HOME, NS, Scene};

fn issued_at_a_store_that_is_ahead_by(seconds: i64) -> Scene {
    let mut scene = Scene::new();
    scene.0.cloud.server(HOME).ahead = seconds;
    // The first probe measures the clock, and later issues are corrected.
    scene.apply("first", |_| {});
    scene.run(30);
    scene.apply("dl", |_| {});
    scene.run(30);
    scene
}

#[test]
fn what_is_signed_is_dated_by_the_stores_clock_and_timers_by_the_operators() {
    for seconds in [-200, 200] {
        let scene = issued_at_a_store_that_is_ahead_by(seconds);
        assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
        let parts = Parts::of(&scene.url("dl")).unwrap();
        let status = scene.status("dl");
        let issued_at = status.issue_time.unwrap().as_second();
        assert_eq!(parts.start.as_second(), issued_at - 30 + seconds);
        let expires_at = status.expiration_time.unwrap().as_second();
        assert_eq!(expires_at, parts.end.as_second() - seconds);
        assert!(scene.works(&scene.url("dl")));
        assert_eq!(
            scene.store_says("ClockInSync"),
            (False, "ClockSkewed".to_owned())
        );
    }
}

#[test]
fn a_small_difference_is_none() {
    let scene = issued_at_a_store_that_is_ahead_by(14);
    let parts = Parts::of(&scene.url("dl")).unwrap();
    let issued_at = scene.status("dl").issue_time.unwrap().as_second();
    assert_eq!(parts.start.as_second(), issued_at - 30);
    assert_eq!(
        scene.store_says("ClockInSync"),
        (True, "ClockInSync".to_owned())
    );
}

#[test]
fn a_session_ends_by_the_stores_clock() {
    let mut scene = Scene::new();
    scene.0.cloud.server(HOME).ahead = 240;
    let now = scene.0.now;
    let sessions = Source::Sessions {
        length: 3600,
        current: None,
    };
    scene.0.cloud.sources.insert("s3".to_owned(), sessions);
    scene.0.cluster.touch_own_secret("s3", now);
    scene.apply("first", |_| {});
    scene.run(30);
    scene.apply("dl", |_| {});
    scene.run(30);
    let parts = Parts::of(&scene.url("dl")).unwrap();
    let ends = scene.0.cloud.keys[&parts.access_key_id].ends.unwrap();
    assert!(parts.end <= ends);
    let expires_at = scene.status("dl").expiration_time.unwrap();
    assert_eq!(expires_at.as_second(), ends.as_second() - 240);
}

#[test]
fn beyond_five_minutes_nothing_is_signed_and_living_urls_stay() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    scene.0.cloud.server(HOME).ahead = -1000;
    scene.run(2 * 3600);
    scene.apply("new", |_| {});
    scene.run(60);
    assert_eq!(scene.ready("new"), (false, "ClockSkewed".to_owned()));
    assert_eq!(scene.store_says("ClockInSync").0, False);
    assert_eq!(scene.url("dl"), url);
    assert!(scene.ready("dl").0);
    scene.0.cloud.server(HOME).ahead = 0;
    scene.run(700);
    assert_eq!(scene.ready("new"), (true, "Issued".to_owned()));
    assert_eq!(scene.store_says("ClockInSync").0, True);
}

#[test]
fn the_api_servers_clock_counts_if_the_store_never_showed_its_own() {
    let mut scene = Scene::new();
    scene.0.cloud.server(HOME).down = Some(TransportError::Timeout(Duration::from_secs(5)));
    scene.run(5);
    scene
        .0
        .report(&Event::ApiClock(SignedDuration::from_secs(-400)));
    scene.apply("dl", |_| {});
    scene.run(60);
    assert_eq!(scene.ready("dl"), (false, "ClockSkewed".to_owned()));
    scene
        .0
        .report(&Event::ApiClock(SignedDuration::from_secs(-100)));
    scene.run(30);
    let parts = Parts::of(&scene.url("dl")).unwrap();
    let issued_at = scene.status("dl").issue_time.unwrap().as_second();
    assert_eq!(parts.start.as_second(), issued_at - 130);
    scene
        .0
        .report(&Event::ApiClock(SignedDuration::from_secs(0)));
    scene.run(30);
    let not_read = (Unknown, "ClockUnknown".to_owned());
    assert_eq!(scene.store_says("ClockInSync"), not_read);
}

#[test]
fn a_step_of_the_operators_clock_makes_every_measure_anew() {
    let mut scene = issued_at_a_store_that_is_ahead_by(120);
    scene.0.step_clock(3600);
    scene.0.cloud.server(HOME).ahead = 0;
    scene.run(30);
    assert_eq!(scene.store_says("ClockInSync").0, True);
}

const DAY: i64 = 24 * 3600;

/// Things that were issued, and then a start of the operator on a node whose clock is ahead of everybody's by
/// a day.
fn boots_a_day_ahead() -> Scene {
    let mut scene = Scene::issued("dl");
    scene.apply("link", |spec| {
        spec.renew = Some(Renew::Never);
        spec.duration = Some("2h".to_owned());
        spec.ttl_after_expiry = Some("0s".to_owned());
    });
    scene.run(30);
    scene.0.crash(0);
    scene.0.now = at(scene.0.now.as_second() + DAY);
    scene.0.cloud.server(HOME).ahead = -DAY;
    scene.0.start();
    scene
        .0
        .report(&Event::ApiClock(SignedDuration::from_secs(-DAY)));
    scene.run(1200);
    scene
}

fn is_there(scene: &Scene, name: &str) -> bool {
    let resources = &scene.0.cluster.resources;
    resources.contains_key(&Scene::place(name)) && scene.secret(name).is_some()
}

#[test]
fn a_clock_that_the_api_server_contradicts_takes_nothing_away() {
    let mut scene = boots_a_day_ahead();
    for name in ["dl", "link"] {
        assert!(is_there(&scene, name), "{name}");
        assert_eq!(scene.ready(name), (false, "Expired".to_owned()));
        assert!(scene.works(&scene.url(name)), "{name}");
    }
    scene.0.cloud.server(HOME).ahead = 0;
    scene.0.step_clock(-DAY);
    scene.run(30);
    for name in ["dl", "link"] {
        assert!(is_there(&scene, name), "{name}");
        assert_eq!(scene.ready(name), (true, "Issued".to_owned()));
        assert!(scene.works(&scene.url(name)), "{name}");
    }
}

#[test]
fn an_expired_secret_is_removed_as_soon_as_the_clocks_agree() {
    let mut scene = boots_a_day_ahead();
    // It was the API server's clock that was behind.
    scene
        .0
        .report(&Event::ApiClock(SignedDuration::from_secs(0)));
    scene.run(30);
    assert!(scene.secret("link").is_none());
    let resources = &scene.0.cluster.resources;
    assert!(!resources.contains_key(&Scene::place("link")));
}

/// Something that may not be signed again, at an operator whose clock was just stepped back by more than an
/// hour.
fn steps_back() -> Scene {
    let mut scene = Scene::issued("dl");
    scene.apply("dl", |spec| spec.suspend = Some(true));
    scene.run(30);
    scene.0.step_clock(-5000);
    scene.run(600);
    assert!(scene.secret("dl").is_some());
    scene
}

#[test]
fn a_step_of_the_clock_that_is_taken_back_takes_nothing_away() {
    let mut scene = steps_back();
    scene.0.step_clock(5000);
    scene.run(1200);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    assert!(scene.works(&scene.url("dl")));
}

#[test]
fn a_secret_that_expired_by_a_stepped_clock_goes_once_the_api_servers_clock_agrees() {
    let mut scene = steps_back();
    scene
        .0
        .report(&Event::ApiClock(SignedDuration::from_secs(0)));
    scene.run(10);
    assert!(scene.secret("dl").is_none());
}

#[test]
fn a_secret_that_expired_by_a_stepped_clock_goes_after_a_while_if_no_server_shows_the_time() {
    let mut scene = steps_back();
    scene.run(600);
    assert!(scene.secret("dl").is_none());
}

#[test]
fn the_first_signature_waits_for_the_stores_clock() {
    let mut scene = Scene::new();
    scene.0.cloud.server(HOME).ahead = 240;
    scene.apply("link", |spec| {
        spec.renew = Some(Renew::Never);
        spec.duration = Some("2m".to_owned());
    });
    scene.run(5);
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
    assert!(scene.works(&scene.url("link")));
}

#[test]
fn a_signature_by_a_clock_that_was_fixed_since_is_replaced() {
    let mut scene = issued_at_a_store_that_is_ahead_by(-280);
    let url = scene.url("dl");
    scene.0.cloud.server(HOME).ahead = 0;
    scene.run(900);
    assert_ne!(scene.url("dl"), url);
    let parts = Parts::of(&scene.url("dl")).unwrap();
    let expires_at = scene.status("dl").expiration_time.unwrap();
    assert_eq!(
        parts.end, expires_at,
        "it lives as long as the status reports"
    );
    let settled = scene.url("dl");
    scene.run(900);
    assert_eq!(scene.url("dl"), settled, "once");
}

#[test]
fn the_first_signature_after_hours_without_any_waits_for_the_stores_clock() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    scene.0.cluster.delete_resource(NS, "dl", now);
    scene.run(3 * 3600);
    scene.0.cloud.server(HOME).ahead = -1000;
    scene.apply("next", |_| {});
    scene.run(60);
    assert_eq!(scene.ready("next"), (false, "ClockSkewed".to_owned()));
    assert!(scene.secret("next").is_none(), "no server would take it");
}

#[test]
fn what_a_stores_clock_showed_stands_over_a_restart_until_it_is_read_again() {
    let mut scene = issued_at_a_store_that_is_ahead_by(120);
    // Nobody may use the store any more, so nothing probes it.
    let now = scene.0.now;
    scene.0.cluster.delete_policy("base", now);
    scene.run(3600);
    let skewed = (False, "ClockSkewed".to_owned());
    assert_eq!(scene.store_says("ClockInSync"), skewed);
    scene.restart();
    scene.run(600);
    assert_eq!(scene.store_says("ClockInSync"), skewed);
}

#[test]
fn no_pause_becomes_longer_as_the_clock_is_stepped_back() {
    let mut scene = Scene::new();
    scene.apply("dl", |spec| spec.verify = Some(Verify::Require));
    scene.run(1200);
    assert_eq!(scene.ready("dl"), (false, "NoSuchKey".to_owned()));
    scene.0.cloud.put_object("data", "team-a/file.bin");
    scene.0.step_clock(-5000);
    scene.run(330);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

/// A resource two hours after its issue, whose Secret somebody deletes. While the new one is on its way, the
/// clock is stepped back.
fn steps_back_during(step: StepKind, edit: impl FnOnce(&mut PresignedUrlSpec)) -> Scene {
    let mut scene = Scene::new();
    scene.apply("dl", |spec| spec.duration = Some("12h".to_owned()));
    scene.apply("dl", edit);
    scene.run(2 * 3600);
    let now = scene.0.now;
    let place = Scene::place("dl");
    scene.0.faults.slow.insert(step, 3);
    scene.0.cluster.delete_secret_by_hand(&place, now);
    scene.run(2);
    assert!(scene.secret("dl").is_none());
    scene.0.step_clock(-5000);
    scene.0.faults.slow.clear();
    scene
}

#[test]
fn what_was_on_its_way_as_the_clock_was_stepped_back_is_signed_again() {
    for renew in [None, Some(Renew::Never)] {
        let mut scene = steps_back_during(StepKind::CreateSecret, |spec| spec.renew = renew);
        let steps = scene.steps(|scene| scene.run(30));
        assert_eq!(steps[0], StepKind::CreateSecret, "{steps:?}");
        assert!(scene.works(&scene.url("dl")), "{renew:?}");
        assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
        let steps = scene.steps(|scene| scene.run(600));
        assert_eq!(steps, [], "{renew:?}");
    }
}

#[test]
fn what_was_signed_before_the_clock_was_stepped_back_is_not_written() {
    let mut scene = steps_back_during(StepKind::Sign, |spec| {
        let keys = (0..40).map(|at| format!("team-a/{at}"));
        spec.key = None;
        spec.keys = Some(keys.collect::<Vec<_>>().into());
        spec.renew = Some(Renew::Never);
    });
    let steps = scene.steps(|scene| scene.run(30));
    assert_eq!(
        steps,
        [
            StepKind::Sign,
            StepKind::Sign,
            StepKind::InspectSecret,
            StepKind::CreateSecret,
            StepKind::WriteStatus
        ]
    );
}

#[test]
fn a_status_that_was_written_unheard_holds_back_no_later_one() {
    let mut scene = Scene::new();
    scene.plan(StepKind::WriteStatus, Fault::Landed(ApiError::Timeout));
    scene.apply("dl", |spec| spec.duration = Some("12h".to_owned()));
    scene.run(2);
    assert_eq!(scene.status("dl").revision, Some(1));
    // What is issued is dated ahead of the clock now, and is signed again.
    scene.0.step_clock(-600);
    scene.run(30);
    assert_eq!(scene.status("dl").revision, Some(2));
}

#[test]
fn a_start_tells_no_end_by_a_clock_that_it_has_not_read() {
    let mut scene = issued_at_a_store_that_is_ahead_by(-200);
    scene.apply("late", |spec| {
        spec.duration = Some("5m".to_owned());
        spec.renew_before = Some("1m".to_owned());
    });
    scene.run(30);
    let ends = scene.status("late").expiration_time.unwrap();
    scene.run(ends.as_second() - scene.0.now.as_second() - 190);
    scene.slow(StepKind::FetchCredentials, 5);
    scene.restart();
    let steps = scene.steps(|scene| {
        for _ in 0..60 {
            scene.run(1);
            assert!(scene.ready("late").0, "{}", scene.0.now);
        }
    });
    assert!(!steps.contains(&StepKind::PublishEvent), "{steps:?}");
    assert!(scene.works(&scene.url("late")));
}

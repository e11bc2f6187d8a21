//! An operator whose clock is behind: a URL ends by the store's clock, and so does `Ready`.

use jiff::SignedDuration;
use presigned_core::api::{PresignedUrlSpec, Renew};
use presigned_core::engine::Event;

use crate::scene::HOME;
use crate::watched::Watched;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

fn two_hours(spec: &mut PresignedUrlSpec) {
    spec.duration = Some("2h".to_owned());
}

fn link(spec: &mut PresignedUrlSpec) {
    two_hours(spec);
    spec.renew = Some(Renew::Never);
}

fn issued(edit: fn(&mut PresignedUrlSpec)) -> Watched {
    let mut watched = Watched::begin(|_| {});
    watched.issue(edit);
    watched
}

#[test]
fn a_clock_that_stays_behind_shows_no_dead_url_as_ready() {
    for edit in [two_hours, link] {
        let mut watched = issued(edit);
        watched.live_on(30 * MINUTE - 30);
        watched.set_clock(-1200);
        watched.live_on(90 * MINUTE - 1);
        watched.live(2);
        assert_eq!(
            watched.scene.ready("dl"),
            (false, "Expired".to_owned()),
            "it ended by the store's clock"
        );
        let renewed = watched.scene.condition("dl", "Renewed").reason;
        assert_eq!(renewed, "ClockSkewed");
        watched.live(2 * HOUR);
    }
}

#[test]
fn a_dead_url_is_removed_by_the_operators_clock_alone() {
    // The store is ahead, and the API server says that the operator is right.
    let mut watched = issued(link);
    watched.scene.0.cloud.server(HOME).ahead = 1200;
    watched
        .scene
        .0
        .report(&Event::ApiClock(SignedDuration::ZERO));
    watched.live(2 * HOUR - MINUTE);
    assert!(!watched.is_ready());
    assert!(watched.scene.secret("dl").is_some());
    // The store's clock is put right.
    watched.scene.0.cloud.server(HOME).ahead = 0;
    watched.live(10);
    watched.live(2 * MINUTE);
    assert!(watched.scene.secret("dl").is_none());
}

#[test]
fn what_ended_by_the_stores_clock_is_issued_again_once_the_clock_is_right() {
    let mut watched = issued(two_hours);
    watched.live(30 * MINUTE);
    watched.set_clock(-1200);
    watched.live(100 * MINUTE);
    let old = watched.scene.url("dl");
    assert!(!watched.is_ready());
    watched.set_clock(1200);
    watched.live(MINUTE);
    watched.is_renewed(&old);
    watched.live_on(3 * HOUR);
}

#[test]
fn before_a_first_issue_a_clock_that_is_behind_signs_nothing() {
    let mut watched = Watched::begin(|_| {});
    watched.live(30);
    watched.set_clock(-1200);
    watched.scene.apply("dl", two_hours);
    watched.live(2 * HOUR);
    assert_eq!(watched.scene.ready("dl"), (false, "ClockSkewed".to_owned()));
    assert!(watched.scene.secret("dl").is_none());
    watched.set_clock(1200);
    watched.live(MINUTE);
    assert!(watched.is_ready());
    watched.live_on(3 * HOUR);
}

#[test]
fn a_clock_that_is_behind_by_what_is_corrected_costs_no_url() {
    for edit in [two_hours, link] {
        let mut watched = issued(edit);
        watched.live_on(30 * MINUTE);
        watched.set_clock(-240);
        watched.live_on(HOUR);
        watched.live(HOUR);
    }
}

#[test]
fn a_link_that_was_dated_by_the_stores_clock_lives_to_its_end_over_a_restart() {
    let mut watched = Watched::begin(|scene| scene.0.cloud.server(HOME).ahead = 240);
    watched.issue(link);
    let end = watched.scene.status("dl").expiration_time.unwrap();
    watched.scene.restart();
    let left = end.as_second() - watched.scene.0.now.as_second();
    watched.live_on(left - 1);
    assert_eq!(watched.scene.status("dl").revision, Some(1));
    watched.live(2);
    assert_eq!(watched.scene.ready("dl"), (false, "Expired".to_owned()));
}

#[test]
fn the_api_servers_clock_ends_a_url_if_the_store_shows_none() {
    let mut watched = issued(two_hours);
    watched.live(30 * MINUTE);
    let down = presigned_core::engine::TransportError::Connection;
    watched.scene.0.cloud.server(HOME).down = Some(down);
    watched.set_clock(-1200);
    let ahead = SignedDuration::from_secs(1200);
    watched.scene.0.report(&Event::ApiClock(ahead));
    watched.live(2 * HOUR);
    assert!(!watched.is_ready());
}

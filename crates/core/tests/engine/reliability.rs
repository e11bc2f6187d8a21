//! Faults that docs/reliability.md names: through each, what is Ready works second by second, a Secret of
//! somebody else stays as it is, and a renewal costs two writes at most.

use std::time::Duration;

use jiff::SignedDuration;
use presigned_core::api::{Reason, Renew, Verify};
use presigned_core::engine::{ApiError, Refuser, TransportError};

use crate::common::cloud::Source;
use crate::common::world::{Fault, StepKind};
use crate::scene::{HOME, NS};
use crate::watched::Watched;

#[test]
fn an_operator_that_is_killed_at_any_step_of_a_renewal_leaves_no_dead_url() {
    // A renewal that is verified first: a request to the store, the Secret, the status.
    for kind in [
        StepKind::SendRequests,
        StepKind::UpdateSecret,
        StepKind::WriteStatus,
    ] {
        for (fault, landed) in [
            (Fault::CrashBefore(20), false),
            (Fault::CrashAfter(20), true),
        ] {
            let mut watched = Watched::with(|scene| {
                scene.0.cloud.put_object("data", "team-a/file.bin");
                scene.apply("dl", |spec| spec.verify = Some(Verify::Require));
            });
            let old = watched.scene.url("dl");
            watched.until_renewal();
            watched.scene.plan(kind, fault);
            let writes = watched.writes_within(200);
            let planned = &watched.scene.0.faults.planned;
            assert!(planned.is_empty(), "{kind:?} was a step of it");
            watched.is_renewed(&old);
            // If the Secret was written and no status tells of it, it is written once more.
            let unheard = match kind {
                StepKind::UpdateSecret => landed,
                StepKind::WriteStatus => !landed,
                _ => false,
            };
            assert_eq!(
                writes,
                2 + usize::from(unheard),
                "{kind:?}, landed: {landed}"
            );
        }
    }
}

#[test]
fn an_api_server_that_fails_over_a_due_renewal_costs_no_url_and_no_write() {
    let slow_down = ApiError::TooManyRequests {
        retry_after: Some(Duration::from_secs(3)),
    };
    // A 500 and a 503 are one class; a call that hangs is given up after ten seconds.
    for (error, seconds) in [
        (slow_down, 0),
        (ApiError::Unavailable, 0),
        (ApiError::Timeout, 10),
    ] {
        let mut watched = Watched::new();
        let old = watched.scene.url("dl");
        watched.until_renewal();
        let before = watched.scene.0.records.len();
        watched.scene.0.faults.outage = Some((Fault::Lost(error.clone()), seconds));
        // 20 minutes of the old URL are left.
        watched.live_on(15 * 60);
        assert_eq!(watched.scene.url("dl"), old, "{error:?}");
        watched.scene.0.faults.outage = None;
        watched.live_on(5 * 60);
        watched.is_renewed(&old);
        assert_eq!(watched.writes_since(before), 2, "{error:?}");
    }
}

#[test]
fn an_api_server_that_knows_no_rights_for_a_moment_costs_no_url() {
    let mut watched = Watched::begin(|_| {});
    watched.issue(|spec| spec.duration = Some("5m".to_owned()));
    let old = watched.scene.url("dl");
    watched.until_renewal();
    let before = watched.scene.0.records.len();
    watched.scene.0.faults.outage = Some((Fault::Lost(ApiError::Forbidden), 0));
    watched.live_on(8);
    // Something new does not wait for minutes either.
    watched.scene.apply("new", |_| {});
    watched.live_on(2);
    watched.scene.0.faults.outage = None;
    watched.live_on(10);
    watched.is_renewed(&old);
    assert_eq!(watched.scene.ready("new"), (true, "Issued".to_owned()));
    assert_eq!(watched.writes_since(before), 4, "two for each");
}

#[test]
fn the_end_of_a_url_is_reported_though_a_status_was_refused_before() {
    let mut watched = Watched::begin(|_| {});
    watched.issue(|spec| {
        spec.duration = Some("10m".to_owned());
        spec.renew = Some(Renew::Never);
    });
    let end = watched.scene.status("dl").expiration_time.unwrap();
    let left = end.as_second() - watched.scene.0.now.as_second();
    watched.live_on(left - 200);
    watched.scene.0.faults.outage = Some((Fault::Lost(ApiError::Forbidden), 0));
    watched.scene.apply("dl", |spec| spec.suspend = Some(true));
    // The pause after the last refusal is longer than what is left.
    watched.live_on(199);
    watched.scene.0.faults.outage = None;
    watched.live(10 * 60);
    assert!(!watched.is_ready());
}

#[test]
fn a_pause_that_the_api_server_asks_for_is_not_cut_by_a_fraction_of_a_second() {
    let mut watched = Watched::new();
    watched.until_renewal();
    let pause = SignedDuration::from_secs(3);
    let slow_down = ApiError::TooManyRequests {
        retry_after: Some(pause.unsigned_abs()),
    };
    let refused = Fault::Lost(slow_down);
    watched.scene.plan(StepKind::UpdateSecret, refused);
    watched.scene.0.now += SignedDuration::from_millis(1900);
    watched.scene.0.second();
    assert!(watched.scene.0.faults.planned.is_empty());
    let next = watched.scene.0.next_due().unwrap();
    assert!(next.duration_since(watched.scene.0.now) >= pause, "{next}");
}

#[test]
fn an_answer_that_is_lost_after_the_write_of_a_renewal_costs_two_more_writes_at_most() {
    // A status that landed is known by the watch.
    for (kind, writes) in [(StepKind::UpdateSecret, 4), (StepKind::WriteStatus, 2)] {
        for error in [ApiError::Timeout, ApiError::Unavailable] {
            let mut watched = Watched::new();
            let old = watched.scene.url("dl");
            watched.until_renewal();
            let before = watched.scene.0.records.len();
            watched.scene.plan(kind, Fault::Landed(error.clone()));
            for _ in 0..5 * 60 {
                watched.live(1);
                assert!(watched.scene.works(&watched.scene.url("dl")));
            }
            assert!(watched.scene.0.faults.planned.is_empty());
            watched.is_renewed(&old);
            assert_eq!(watched.writes_since(before), writes, "{kind:?} {error:?}");
        }
    }
}

#[test]
fn what_a_full_quota_refuses_is_tried_again_every_five_minutes() {
    let mut watched = Watched::new();
    watched.live_on(60);
    for _ in 0..1000 {
        let full = ApiError::Refused(Refuser::Quota("full".to_owned()));
        watched
            .scene
            .plan(StepKind::CreateSecret, Fault::Lost(full));
    }
    watched.scene.apply("new", |_| {});
    watched.scene.run(10);
    let tries = |watched: &Watched| 1000 - watched.scene.0.faults.planned.len();
    assert_eq!(tries(&watched), 1);
    watched.live_on(60 * 60);
    assert_eq!(tries(&watched), 13, "every five minutes");
    watched.scene.0.faults.planned.clear();
    watched.live(5 * 60);
    assert_eq!(watched.scene.ready("new"), (true, "Issued".to_owned()));
}

#[test]
fn rights_on_secrets_that_are_taken_away_and_given_back_cost_no_url() {
    let mut watched = Watched::new();
    let old = watched.scene.url("dl");
    watched.until_renewal();
    for _ in 0..1000 {
        let refused = Fault::Lost(ApiError::Forbidden);
        watched.scene.plan(StepKind::UpdateSecret, refused);
    }
    watched.live_on(15 * 60);
    assert_eq!(watched.scene.url("dl"), old);
    assert_eq!(watched.scene.condition("dl", "Renewed").reason, "Forbidden");
    watched.scene.0.faults.planned.clear();
    let writes = watched.writes_within(300);
    watched.is_renewed(&old);
    assert_eq!(writes, 2);
}

#[test]
fn a_renewal_while_the_store_is_down_is_two_writes_as_always() {
    let mut watched = Watched::new();
    let old = watched.scene.url("dl");
    watched.until_renewal();
    watched.scene.0.cloud.server(HOME).down = Some(TransportError::Connection);
    let before = watched.scene.0.records.len();
    watched.live_on(120);
    assert_eq!(watched.writes_since(before), 2);
    watched.is_renewed(&old);
    watched.live_on(40 * 60);
    watched.scene.0.cloud.server(HOME).down = None;
    watched.live_on(40 * 60);
}

#[test]
fn credentials_that_expire_take_no_living_url_and_new_ones_bring_it_back() {
    let mut watched = Watched::new();
    watched.until_renewal();
    let old = watched.scene.url("dl");
    let gone = Source::Fails(Reason::CredentialsExpired);
    let kept = watched.scene.0.cloud.sources.insert("s3".to_owned(), gone);
    let now = watched.scene.0.now;
    watched.scene.0.cluster.touch_own_secret("s3", now);
    watched.live(60 * 60);
    let kept = kept.unwrap();
    watched.scene.0.cloud.sources.insert("s3".to_owned(), kept);
    let now = watched.scene.0.now;
    watched.scene.0.cluster.touch_own_secret("s3", now);
    watched.live(60);
    watched.is_renewed(&old);
}

#[test]
fn a_clock_that_moves_by_twenty_minutes_leaves_no_dead_url() {
    for by in [1200, -1200] {
        let mut watched = Watched::new();
        let old = watched.scene.url("dl");
        watched.live(60);
        // The operator's clock alone: the store's stays.
        watched.scene.0.step_clock(by);
        watched.scene.0.cloud.server(HOME).ahead = -by;
        watched.live(5 * 60);
        assert_eq!(watched.scene.url("dl"), old, "nothing is signed meanwhile");
        watched.scene.0.step_clock(-by);
        watched.scene.0.cloud.server(HOME).ahead = 0;
        watched.live(40 * 60);
        watched.is_renewed(&old);
    }
}

#[test]
fn a_policys_edit_while_a_renewal_is_in_flight_holds_from_its_next_step() {
    let mut watched = Watched::new();
    watched.until_renewal();
    watched.scene.slow(StepKind::UpdateSecret, 5);
    watched.live(3);
    let now = watched.scene.0.now;
    watched.scene.0.cluster.delete_policy("base", now);
    watched.live(9 * 60);
    assert_eq!(
        watched.scene.ready("dl"),
        (false, "PolicyDenied".to_owned())
    );
    watched.live(3 * 60);
    assert!(watched.scene.secret("dl").is_none(), "the grace is over");
}

#[test]
fn a_namespace_that_is_deleted_while_a_renewal_is_in_flight_takes_its_secrets_along() {
    for in_flight in [StepKind::UpdateSecret, StepKind::WriteStatus] {
        let mut watched = Watched::new();
        watched.until_renewal();
        watched.scene.slow(in_flight, 5);
        watched.live(3);
        let now = watched.scene.0.now;
        watched.scene.0.cluster.terminate_namespace(NS, now);
        let before = watched.scene.0.records.len();
        watched.live(30);
        assert!(watched.writes_since(before) <= 2, "{in_flight:?}");
        let now = watched.scene.0.now;
        watched.scene.0.cluster.finish_namespace(NS, now);
        let steps = watched.scene.steps(|scene| scene.run(900));
        assert_eq!(steps, [], "nobody does anything for what is gone");
        assert!(watched.scene.secret("dl").is_none());
        assert_eq!(watched.scene.0.violations, [""; 0]);
    }
}

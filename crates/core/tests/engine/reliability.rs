//! Faults that docs/reliability.md names: through each, what is Ready works second by second, a Secret of
//! somebody else stays as it is, and a renewal costs two writes at most.

use presigned_core::api::{Reason, Verify};
use presigned_core::engine::{ApiError, TransportError};

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
fn rights_on_secrets_that_are_taken_away_and_given_back_cost_no_url() {
    let mut watched = Watched::new();
    let old = watched.scene.url("dl");
    watched.until_renewal();
    for _ in 0..1000 {
        let refused = Fault::Lost(ApiError::Forbidden);
        watched.scene.plan(StepKind::UpdateSecret, refused);
    }
    watched.live(15 * 60);
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
    watched.scene.run(120);
    assert_eq!(watched.writes_since(before), 2);
    watched.scene.0.cloud.server(HOME).down = None;
    watched.is_renewed(&old);
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
    let mut watched = Watched::new();
    watched.until_renewal();
    watched.scene.slow(StepKind::UpdateSecret, 5);
    watched.scene.run(3);
    let now = watched.scene.0.now;
    watched.scene.0.cluster.terminate_namespace(NS, now);
    watched.scene.run(30);
    let now = watched.scene.0.now;
    watched.scene.0.cluster.finish_namespace(NS, now);
    let steps = watched.scene.steps(|scene| scene.run(900));
    assert_eq!(steps, [], "nobody does anything for what is gone");
    assert!(watched.scene.secret("dl").is_none());
    assert_eq!(watched.scene.0.violations, [""; 0]);
}

//! Conflicts about a Secret's name, and requests for a renewal: when they are heeded.

use presigned_core::engine::{ApiError, CredentialsError};

use crate::common::world::{Fault, StepKind};
use crate::scene::{NS, Scene};

/// Another tool's Secret has the name, and no label tells the watch of it.
fn conflict(blind: bool) -> Scene {
    let mut scene = if blind { Scene::blind() } else { Scene::new() };
    let now = scene.0.now;
    scene
        .0
        .cluster
        .create_foreign_secret(&Scene::place("dl"), now);
    scene.apply("dl", |_| {});
    scene.run(20);
    assert_eq!(scene.ready("dl"), (false, "SecretConflict".to_owned()));
    scene
}

fn end(scene: &mut Scene) {
    let now = scene.0.now;
    scene
        .0
        .cluster
        .delete_secret_by_hand(&Scene::place("dl"), now);
}

fn annotate(scene: &mut Scene, request: &str) {
    let now = scene.0.now;
    scene.0.cluster.annotate(NS, "dl", request, now);
}

#[test]
fn a_young_conflict_ends_within_seconds_of_the_other_secrets_end() {
    for blind in [false, true] {
        let mut scene = conflict(blind);
        end(&mut scene);
        scene.run(25);
        assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()), "{blind}");
    }
}

#[test]
fn an_old_conflict_says_how_often_it_is_looked_at_and_is_looked_at_so_often() {
    for blind in [false, true] {
        let mut scene = conflict(blind);
        let looks = scene.steps(|scene| scene.run(24 * 3600)).len();
        assert!((280..310).contains(&looks), "in a day: {looks}");
        let message = scene.condition("dl", "Ready").message;
        let when = "the operator checks again within 5 minutes, and at once when the annotation presigned.dev/renew changes";
        assert!(message.contains(when), "{message}");
        end(&mut scene);
        scene.run(305);
        assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    }
}

#[test]
fn a_conflict_writes_its_status_once() {
    let mut scene = conflict(false);
    let writes = scene.writes(|scene| scene.run(24 * 3600));
    assert_eq!(writes, []);
}

#[test]
fn the_annotation_looks_at_a_conflict_at_once() {
    for blind in [false, true] {
        let mut scene = conflict(blind);
        scene.run(3600);
        end(&mut scene);
        annotate(&mut scene, "1");
        scene.run(5);
        assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()), "{blind}");
        assert_eq!(scene.status("dl").last_renew_request.as_deref(), Some("1"));
    }
}

#[test]
fn a_renewal_that_is_requested_right_after_the_first_issue_comes_within_seconds() {
    let mut scene = Scene::new();
    scene.apply("dl", |_| {});
    scene.run(3);
    assert!(scene.ready("dl").0);
    annotate(&mut scene, "1");
    scene.run(6);
    assert_eq!(scene.status("dl").last_renew_request.as_deref(), Some("1"));
    assert_eq!(scene.status("dl").revision, Some(2));
    // Nobody who waits for the next one with `kubectl wait` waits in vain.
    annotate(&mut scene, "2");
    scene.run(27);
    assert_eq!(scene.status("dl").last_renew_request.as_deref(), Some("2"));
}

#[test]
fn requests_for_renewals_without_end_are_served_a_few_times_a_minute() {
    let mut scene = Scene::issued("dl");
    let steps = scene.steps(|scene| {
        for request in 0..150 {
            annotate(scene, &request.to_string());
            scene.run(2);
        }
    });
    let writes = steps.iter().filter(|kind| **kind == StepKind::UpdateSecret);
    let writes = writes.count();
    assert!((10..=14).contains(&writes), "in five minutes: {writes}");
}

#[test]
fn the_annotation_is_heeded_after_every_trouble_that_may_have_gone_by_itself() {
    let lost = |error: &ApiError| Fault::Lost(error.clone());
    let troubles = [
        ApiError::Forbidden,
        ApiError::Invalid,
        ApiError::TooLarge,
        ApiError::Unavailable,
        ApiError::Other(None),
    ];
    for trouble in &troubles {
        let mut scene = Scene::new();
        for _ in 0..20 {
            scene.plan(StepKind::CreateSecret, lost(trouble));
        }
        scene.apply("dl", |_| {});
        scene.run(60);
        assert!(!scene.ready("dl").0, "{trouble:?}");
        // It has gone, and nobody tells the operator.
        scene.0.faults.planned.clear();
        annotate(&mut scene, "1");
        scene.run(7);
        assert_eq!(
            scene.ready("dl"),
            (true, "Issued".to_owned()),
            "{trouble:?}"
        );
    }
    // An earlier Secret that could not be removed.
    let mut scene = Scene::issued("dl");
    for _ in 0..20 {
        scene.plan(StepKind::DeleteSecret, lost(&ApiError::Forbidden));
    }
    scene.apply("dl", |spec| spec.secret_name = Some("new".to_owned()));
    scene.run(60);
    assert!(scene.secret("dl").is_some());
    scene.0.faults.planned.clear();
    annotate(&mut scene, "1");
    scene.run(7);
    assert!(scene.secret("dl").is_none());
}

#[test]
fn the_annotation_asks_the_store_again_for_credentials_that_it_did_not_get() {
    let mut scene = Scene::new();
    let failure = CredentialsError {
        reason: presigned_core::api::Reason::CredentialsUnavailable,
        message: "the provider is down".to_owned(),
    };
    for _ in 0..50 {
        let fault = Fault::NoCredentials(failure.clone());
        scene.plan(StepKind::FetchCredentials, fault);
    }
    scene.apply("dl", |_| {});
    scene.run(900);
    assert!(!scene.ready("dl").0);
    scene.0.faults.planned.clear();
    annotate(&mut scene, "1");
    scene.run(10);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn requests_without_end_look_at_a_conflict_once_in_five_seconds() {
    let mut scene = conflict(false);
    let looks = scene.steps(|scene| {
        for request in 0..300 {
            annotate(scene, &request.to_string());
            scene.run(1);
        }
    });
    assert!((30..=70).contains(&looks.len()), "{}", looks.len());
}

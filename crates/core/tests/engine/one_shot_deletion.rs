//! `ttlAfterExpiry`: an expired link is deleted.

use presigned_core::engine::ApiError;

use crate::common::world::{Fault, StepKind};
use crate::one_shot::{issued, never, run_to_end};
use crate::scene::{NS, Scene};

#[test]
fn after_its_time_a_link_that_ended_is_deleted() {
    let mut scene = Scene::new();
    scene.apply("link", never("2h"));
    scene.apply("link", |spec| {
        spec.ttl_after_expiry = Some("24h".to_owned());
    });
    scene.run(30);
    run_to_end(&mut scene, 24 * 3600 - 5);
    let farewell = scene.condition("link", "Ready").message;
    assert!(farewell.contains("is deleted at"), "{farewell}");
    let steps = scene.steps(|scene| scene.run(10));
    assert_eq!(steps, [StepKind::DeleteResource]);
    assert!(
        !scene
            .0
            .cluster
            .resources
            .contains_key(&Scene::place("link"))
    );
}

#[test]
fn without_a_ttl_nothing_is_deleted() {
    let mut scene = issued("2h");
    run_to_end(&mut scene, 365 * 24 * 3600);
    assert!(
        scene
            .0
            .cluster
            .resources
            .contains_key(&Scene::place("link"))
    );
}

#[test]
fn a_ttl_that_cannot_be_read_deletes_nothing() {
    for text in ["", "soon", "0", "-0s", "0.s", "8761h"] {
        let mut scene = issued("2h");
        scene.apply("link", |spec| spec.ttl_after_expiry = Some(text.to_owned()));
        scene.run(30);
        run_to_end(&mut scene, 366 * 24 * 3600);
        let link = scene.0.cluster.resources.get(&Scene::place("link"));
        assert!(link.is_some(), "{text:?}");
        assert_eq!(scene.ready("link"), (false, "Expired".to_owned()));
        let farewell = scene.condition("link", "Ready").message;
        assert!(!farewell.contains("is deleted at"), "{farewell}");
    }
}

#[test]
fn an_ended_link_refuses_a_renewal_whatever_went_wrong_before() {
    let mut scene = issued("2h");
    scene.plan(StepKind::DeleteSecret, Fault::Lost(ApiError::Unavailable));
    run_to_end(&mut scene, 600);
    assert!(scene.secret("link").is_none());
    let now = scene.0.now;
    scene.0.cluster.annotate(NS, "link", "please", now);
    scene.run(30);
    assert_eq!(scene.condition("link", "Renewed").reason, "NeverRenewed");
}

#[test]
fn a_clock_in_doubt_deletes_nothing() {
    let mut scene = Scene::new();
    scene.apply("link", never("2h"));
    scene.apply("link", |spec| spec.ttl_after_expiry = Some("0s".to_owned()));
    scene.run(30);
    scene.0.step_clock(24 * 3600);
    scene.run(14 * 60);
    assert_eq!(scene.ready("link"), (false, "Expired".to_owned()));
    scene.0.step_clock(-24 * 3600);
    scene.run(30 * 60);
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
    run_to_end(&mut scene, 5);
    assert!(
        !scene
            .0
            .cluster
            .resources
            .contains_key(&Scene::place("link"))
    );
}

#[test]
fn a_forbidden_deletion_is_reported_and_retried() {
    let mut scene = Scene::new();
    scene.apply("link", never("2h"));
    scene.apply("link", |spec| spec.ttl_after_expiry = Some("1h".to_owned()));
    scene.run(30);
    for _ in 0..20 {
        scene.plan(StepKind::DeleteResource, Fault::Lost(ApiError::Forbidden));
    }
    run_to_end(&mut scene, 3600 + 60);
    scene.0.faults.planned.clear();
    assert_eq!(scene.ready("link"), (false, "Expired".to_owned()));
    assert_eq!(scene.condition("link", "Stalled").reason, "Forbidden");
    scene.run(600);
    assert!(
        !scene
            .0
            .cluster
            .resources
            .contains_key(&Scene::place("link"))
    );
}

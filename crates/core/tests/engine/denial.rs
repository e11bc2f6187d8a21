//! Refusals: the grace, its end, and policies that cannot be read.

use presigned_core::engine::ApiError;

use crate::common::world::{Fault, StepKind};
use crate::scene::Scene;

fn refuse(scene: &mut Scene) {
    let now = scene.0.now;
    scene.0.cluster.delete_policy("base", now);
}

#[test]
fn a_refused_secret_goes_after_the_grace() {
    let mut scene = Scene::issued("dl");
    refuse(&mut scene);
    scene.run(590);
    assert_eq!(scene.ready("dl"), (false, "PolicyDenied".to_owned()));
    assert!(scene.secret("dl").is_some());
    scene.run(20);
    assert!(scene.secret("dl").is_none());
    let writes = scene.writes(|scene| scene.run(24 * 3600));
    assert_eq!(writes, []);
}

#[test]
fn a_refusal_that_is_taken_back_within_the_grace_removes_nothing() {
    let mut scene = Scene::issued("dl");
    let old = scene.url("dl");
    refuse(&mut scene);
    scene.run(300);
    scene.allow("12h");
    let steps = scene.steps(|scene| scene.run(3600));
    assert_eq!(steps, [StepKind::WriteStatus, StepKind::PublishEvent]);
    assert_eq!(scene.url("dl"), old);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn the_grace_goes_on_over_a_restart() {
    let mut scene = Scene::issued("dl");
    refuse(&mut scene);
    scene.run(400);
    scene.restart();
    scene.run(150);
    assert!(scene.secret("dl").is_some());
    scene.run(100);
    assert!(scene.secret("dl").is_none());
}

#[test]
fn a_policy_that_cannot_be_read_removes_nothing() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    scene
        .0
        .cluster
        .put_policy("base", Err("unknown field bukets".to_owned()), now);
    scene.run(3600);
    assert!(scene.ready("dl").0, "it lives");
    assert_eq!(scene.condition("dl", "Allowed").reason, "PolicyUnknown");
    assert!(scene.secret("dl").is_some());
}

#[test]
fn a_policy_that_allows_less_time_shortens_the_life_at_once() {
    let mut scene = Scene::issued("dl");
    scene.allow("1h");
    scene.run(30);
    let status = scene.status("dl");
    let life = status.expires_at.unwrap().as_second() - status.issued_at.unwrap().as_second();
    assert_eq!(life, 3600);
    assert!(scene.ready("dl").0);
}

#[test]
fn a_policy_edit_that_changes_nothing_writes_no_resource() {
    let mut scene = Scene::issued("dl");
    let steps = scene.steps(|scene| {
        scene.allow("24h");
        scene.run(60);
    });
    assert_eq!(steps, []);
}

#[test]
fn a_secret_that_changed_before_its_removal_is_read_again_and_then_removed() {
    let mut scene = Scene::issued("dl");
    refuse(&mut scene);
    scene.plan(StepKind::DeleteSecret, Fault::Lost(ApiError::Conflict));
    let steps = scene.steps(|scene| scene.run(700));
    // The first delete never landed.
    let (look, removal) = (StepKind::InspectSecret, StepKind::DeleteSecret);
    assert!(
        steps.windows(2).any(|steps| steps == [look, removal]),
        "{steps:?}"
    );
    assert!(scene.secret("dl").is_none());
    assert!(scene.status("dl").secret_ref.is_none());
}

#[test]
fn a_secret_that_lost_its_owner_reference_before_its_removal_stays() {
    let mut scene = Scene::issued("dl");
    refuse(&mut scene);
    scene.run(300);
    let now = scene.0.now;
    scene
        .0
        .cluster
        .edit_secret(&Scene::place("dl"), now, |secret| secret.owners.clear());
    scene.run(700);
    assert!(scene.secret("dl").is_some(), "it is its owner's now");
    assert!(scene.status("dl").secret_ref.is_none());
    let writes = scene.writes(|scene| scene.run(24 * 3600));
    assert_eq!(writes, []);
}

#[test]
fn a_removal_that_is_forbidden_is_tried_every_five_minutes() {
    let mut scene = Scene::issued("dl");
    refuse(&mut scene);
    for _ in 0..4 {
        scene.plan(StepKind::DeleteSecret, Fault::Lost(ApiError::Forbidden));
    }
    scene.run(600 + 14 * 60);
    assert!(scene.secret("dl").is_some(), "tries are five minutes apart");
    scene.run(15 * 60);
    assert!(scene.secret("dl").is_none());
}

//! Resources that are being deleted, and namespaces that end: a finalizer may keep them for days.

use presigned_core::api::ConditionStatus;
use presigned_core::engine::{ApiError, ObjectKey};

use crate::common::specs;
use crate::common::url::Parts;
use crate::common::world::{Fault, StepKind};
use crate::scene::{NS, Scene};

/// A user deletes `dl`, and a finalizer keeps it.
fn delete(scene: &mut Scene) {
    let now = scene.0.now;
    scene.0.cluster.begin_deletion(NS, "dl", now);
}

/// The Secret is gone, and the status says why.
fn assert_gone(scene: &Scene) {
    assert!(scene.secret("dl").is_none());
    assert_eq!(scene.ready("dl"), (false, "Deleting".to_owned()));
    assert_eq!(scene.status("dl").internal.secret, None);
}

#[test]
fn a_resource_that_a_finalizer_keeps_loses_its_secret_at_once() {
    let mut scene = Scene::issued("dl");
    let steps = scene.steps(|scene| {
        delete(scene);
        scene.run(5);
    });
    let expected = [
        StepKind::DeleteSecret,
        StepKind::WriteStatus,
        StepKind::PublishEvent,
    ];
    assert_eq!(steps, expected);
    assert_gone(&scene);
    assert_eq!(
        scene.condition("dl", "Allowed").status,
        ConditionStatus::Unknown
    );
    let message = scene.condition("dl", "Ready").message;
    assert!(message.contains("finalizer"), "{message}");
    // Nothing that happens brings it back.
    let steps = scene.steps(|scene| {
        let now = scene.0.now;
        scene.0.cluster.annotate(NS, "dl", "1", now);
        scene.allow("2h");
        scene.restart();
        scene.run(24 * 3600);
    });
    let writes = steps.into_iter().filter(|kind| kind.writes());
    assert_eq!(writes.collect::<Vec<_>>(), []);
    assert_gone(&scene);
    let now = scene.0.now;
    scene.0.cluster.delete_resource(NS, "dl", now);
    let steps = scene.steps(|scene| scene.run(600));
    assert_eq!(steps, []);
}

#[test]
fn a_secret_that_is_being_written_when_the_deletion_comes_goes_too() {
    let mut scene = Scene::new();
    scene.slow(StepKind::CreateSecret, 10);
    scene.apply("dl", |_| {});
    scene.run(5);
    delete(&mut scene);
    scene.run(30);
    assert_gone(&scene);
    // Without a Secret there is nothing to remove.
    let mut scene = Scene::new();
    let now = scene.0.now;
    scene
        .0
        .cluster
        .put_resource(NS, "dl", Ok(specs::get("data", "team-a/file.bin")), now);
    delete(&mut scene);
    let steps = scene.steps(|scene| scene.run(30));
    assert_eq!(steps, [StepKind::WriteStatus, StepKind::PublishEvent]);
    assert_gone(&scene);
}

#[test]
fn every_secret_of_a_resource_goes_with_it() {
    // One of an earlier name whose removal failed.
    let mut scene = Scene::issued("dl");
    scene.plan(StepKind::DeleteSecret, Fault::Lost(ApiError::Unavailable));
    scene.apply("dl", |spec| spec.secret_name = Some("new".to_owned()));
    scene.run(2);
    assert!(scene.secret("dl").is_some() && scene.secret("new").is_some());
    delete(&mut scene);
    scene.run(30);
    assert_gone(&scene);
    assert!(scene.secret("new").is_none());
    // One that a crash left, and that no status tells of.
    let mut scene = Scene::new();
    scene.plan(StepKind::WriteStatus, Fault::CrashBefore(5));
    scene.apply("dl", |_| {});
    scene.run(2);
    assert!(scene.secret("dl").is_some());
    delete(&mut scene);
    scene.run(30);
    assert_gone(&scene);
}

#[test]
fn a_secret_that_lost_its_owner_reference_goes_with_its_resource() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    // As the garbage collector does it for `--cascade=orphan`.
    let place = Scene::place("dl");
    scene
        .0
        .cluster
        .edit_secret(&place, now, |secret| secret.owners.clear());
    delete(&mut scene);
    scene.run(30);
    assert_gone(&scene);
}

#[test]
fn a_foreign_secret_of_the_name_stays_when_the_resource_goes() {
    let mut scene = Scene::new();
    let now = scene.0.now;
    scene
        .0
        .cluster
        .create_foreign_secret(&Scene::place("dl"), now);
    scene.apply("dl", |_| {});
    scene.run(30);
    assert_eq!(scene.ready("dl"), (false, "SecretConflict".to_owned()));
    delete(&mut scene);
    scene.run(600);
    assert_eq!(scene.ready("dl"), (false, "Deleting".to_owned()));
    assert!(scene.secret("dl").is_some());
}

#[test]
fn whatever_the_spec_and_the_policies_say_a_deletion_removes_the_secret() {
    for case in ["denied", "suspended", "invalid", "one-shot", "no store"] {
        let mut scene = Scene::new();
        scene.apply("dl", |spec| {
            if case == "one-shot" {
                spec.renew = Some(presigned_core::api::Renew::Never);
            }
        });
        scene.run(30);
        let now = scene.0.now;
        match case {
            "denied" => scene.0.cluster.delete_policy("base", now),
            "suspended" => scene.apply("dl", |spec| spec.suspend = Some(true)),
            "invalid" => scene
                .0
                .cluster
                .put_resource(NS, "dl", Err("no".to_owned()), now),
            "no store" => scene.0.cluster.delete_store("default", now),
            _ => {}
        }
        scene.run(30);
        assert!(scene.secret("dl").is_some(), "{case}");
        delete(&mut scene);
        scene.run(10);
        assert!(scene.secret("dl").is_none(), "{case}");
        assert_eq!(scene.ready("dl"), (false, "Deleting".to_owned()), "{case}");
    }
}

#[test]
fn a_removal_at_the_deletion_that_fails_is_told_and_tried_again() {
    let mut scene = Scene::issued("dl");
    for _ in 0..20 {
        scene.plan(StepKind::DeleteSecret, Fault::Lost(ApiError::Forbidden));
    }
    delete(&mut scene);
    scene.run(30);
    scene.0.faults.planned.clear();
    let ready = scene.condition("dl", "Ready");
    assert_eq!(ready.reason, "Forbidden");
    assert!(ready.message.contains("RBAC"), "{}", ready.message);
    scene.run(300);
    assert_gone(&scene);
}

#[test]
fn an_operator_that_may_not_read_secrets_removes_them_too() {
    let mut scene = Scene::blind();
    scene.apply("dl", |_| {});
    scene.run(30);
    delete(&mut scene);
    scene.run(5);
    assert_gone(&scene);
}

#[test]
fn a_name_is_free_for_another_as_soon_as_its_resource_is_being_deleted() {
    let mut scene = Scene::issued("dl");
    scene.apply("other", |spec| spec.secret_name = Some("dl".to_owned()));
    scene.run(60);
    assert_eq!(scene.ready("other"), (false, "SecretConflict".to_owned()));
    delete(&mut scene);
    scene.run(10);
    assert_eq!(scene.ready("other"), (true, "Issued".to_owned()));
}

#[test]
fn the_expiry_is_told_in_a_namespace_that_never_ends() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    scene.0.cluster.terminate_namespace(NS, now);
    let life = scene.status("dl").expiration_time.unwrap().as_second() - now.as_second();
    let steps = scene.steps(|scene| scene.run(life - 1));
    assert_eq!(steps, []);
    assert!(scene.ready("dl").0);
    scene.run(3);
    assert_eq!(scene.ready("dl"), (false, "Expired".to_owned()));
    let told = scene.0.events.iter();
    assert_eq!(
        told.filter(|event| event.reason.as_str() == "Expired")
            .count(),
        1
    );
}

#[test]
fn the_expiry_is_told_while_everything_else_fails() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    scene.0.cluster.delete_policy("base", now);
    scene.run(2);
    // Neither the removal nor an inspection works for hours.
    for _ in 0..400 {
        scene.plan(StepKind::DeleteSecret, Fault::Lost(ApiError::Forbidden));
        scene.plan(StepKind::InspectSecret, Fault::Lost(ApiError::Forbidden));
    }
    let life = scene.status("dl").expiration_time.unwrap().as_second() - scene.0.now.as_second();
    scene.run(life + 2);
    assert!(!scene.ready("dl").0);
    let key = ObjectKey::Resource(scene.0.cluster.resources[&Scene::place("dl")].uid.clone());
    assert!(scene.0.records.iter().any(|record| record.key == key));
}

/// The Secret was made anew, a crash kept the status from telling of it, and nothing is signed since.
fn with_a_secret_made_anew() -> Scene {
    let mut scene = Scene::issued("dl");
    let key = Parts::of(&scene.url("dl")).unwrap().access_key_id;
    scene.plan(StepKind::CreateSecret, Fault::CrashAfter(5));
    let now = scene.0.now;
    scene
        .0
        .cluster
        .delete_secret_by_hand(&Scene::place("dl"), now);
    scene.run(2);
    let now = scene.0.now;
    scene.0.cloud.keys.get_mut(&key).unwrap().revoked = Some(now);
    scene.run(60);
    let told = scene.status("dl").internal.secret.clone();
    let there = scene.secret("dl").unwrap();
    assert_ne!(told.unwrap().uid, there.uid);
    scene
}

#[test]
fn a_secret_made_anew_that_no_status_tells_of_goes_as_the_spec_names_another() {
    let mut scene = with_a_secret_made_anew();
    scene.apply("dl", |spec| spec.secret_name = Some("other".to_owned()));
    scene.run(600);
    assert!(scene.secret("dl").is_some(), "nothing is in its place yet");
    scene.rotate();
    scene.run(600);
    assert!(scene.secret("other").is_some());
    assert!(scene.secret("dl").is_none());
}

#[test]
fn a_secret_made_anew_that_no_status_tells_of_goes_as_its_resource_is_deleted() {
    let mut scene = with_a_secret_made_anew();
    let now = scene.0.now;
    scene.0.cluster.begin_deletion(NS, "dl", now);
    scene.run(60);
    assert!(scene.secret("dl").is_none());
}

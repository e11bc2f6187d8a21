//! Owner references that others drop from a Secret that was written for the resource.

use presigned_core::api::Verify;
use presigned_core::engine::ApiError;

use crate::common::cluster::Secret;
use crate::common::world::{Fault, StepKind};
use crate::scene::{NS, Scene};

/// Another tool edits the Secret of `dl`.
fn edit(scene: &mut Scene, edit: impl FnOnce(&mut Secret)) {
    let now = scene.0.now;
    scene.0.cluster.edit_secret(&Scene::place("dl"), now, edit);
}

fn controller(scene: &Scene) -> Option<&str> {
    let secret = scene.secret("dl")?;
    let mut owners = secret.owners.iter();
    let controller = owners.find(|owner| owner.controller == Some(true))?;
    Some(&controller.uid)
}

fn uid(scene: &Scene) -> String {
    scene.0.cluster.resources[&Scene::place("dl")]
        .uid
        .to_string()
}

#[test]
fn an_owner_reference_that_another_tool_drops_is_put_back() {
    let drops = [
        (|secret| secret.owners.clear()) as fn(&mut Secret),
        |secret| secret.owners[0].controller = None,
        |secret| secret.owners[0].controller = Some(false),
        |secret| {
            // The owner of another kind stays.
            secret.owners[0].kind = "ConfigMap".to_owned();
            secret.owners[0].uid = "of-a-config-map".to_owned();
            secret.owners[0].controller = None;
        },
    ];
    for (which, drop) in drops.into_iter().enumerate() {
        let mut scene = Scene::issued("dl");
        let before = scene.secret("dl").unwrap().uid.clone();
        let events = scene.0.events.len();
        edit(&mut scene, drop);
        scene.run(15);
        assert_eq!(controller(&scene), Some(&*uid(&scene)), "{which}");
        assert_eq!(scene.secret("dl").unwrap().uid, before, "it is the same");
        assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
        assert!(scene.works(&scene.url("dl")));
        assert_eq!(scene.0.events.len(), events, "nobody need know");
        let guest = "of-a-config-map";
        let kept = scene.secret("dl").unwrap().owners.iter();
        assert_eq!(
            kept.filter(|owner| owner.uid == guest).count(),
            usize::from(which == 3)
        );
    }
}

#[test]
fn what_signs_nothing_new_gets_its_owner_reference_back_and_keeps_its_content() {
    let stops = [
        (|scene| scene.apply("dl", |spec| spec.suspend = Some(true))) as fn(&mut Scene),
        // The policies deny it: the Secret stays for the grace.
        |scene| scene.allow_buckets(&["other"]),
        |scene| scene.0.cluster.delete_store("default", scene.0.now),
        // The spec names another Secret, and issues nothing.
        |scene| {
            scene.apply("dl", |spec| {
                spec.key = Some("../escape".to_owned());
                spec.secret_name = Some("other".to_owned());
            });
        },
    ];
    for (which, stop) in stops.into_iter().enumerate() {
        let mut scene = Scene::issued("dl");
        stop(&mut scene);
        scene.run(60);
        let before = scene.secret("dl").unwrap().clone();
        let status = scene.status("dl").clone();
        edit(&mut scene, |secret| secret.owners.clear());
        scene.run(30);
        assert_eq!(controller(&scene), Some(&*uid(&scene)), "{which}");
        let after = scene.secret("dl").unwrap();
        assert_eq!((&after.uid, &after.data), (&before.uid, &before.data));
        assert_eq!(*scene.status("dl"), status, "nobody need know");
        // The same for a mark, and not before a minute is over.
        edit(&mut scene, |secret| secret.annotations.clear());
        scene.run(10);
        assert!(scene.secret("dl").unwrap().annotations.is_empty());
        scene.run(60);
        let after = scene.secret("dl").unwrap();
        assert_eq!(after.annotations["presigned.dev/presigned-url"], "dl");
        assert_eq!(after.data, before.data);
    }
}

#[test]
fn a_renewal_that_is_held_up_does_not_hold_up_what_puts_the_owner_reference_back() {
    let mut scene = Scene::issued("dl");
    scene.apply("dl", |spec| {
        spec.verify = Some(Verify::Require);
        spec.key = Some("team-a/absent.bin".to_owned());
    });
    // By now five minutes pass between two attempts.
    scene.run(1200);
    assert_eq!(scene.ready("dl"), (false, "NoSuchKey".to_owned()));
    for _ in 0..3 {
        edit(&mut scene, |secret| secret.owners.clear());
        scene.run(61);
        assert_eq!(controller(&scene), Some(&*uid(&scene)));
    }
}

#[test]
fn an_owner_reference_that_cannot_be_put_back_is_tried_again() {
    for fault in [ApiError::Forbidden, ApiError::Timeout, ApiError::Conflict] {
        let mut scene = Scene::issued("dl");
        scene.apply("dl", |spec| spec.suspend = Some(true));
        scene.run(30);
        scene.plan(StepKind::RestoreMarks, Fault::Lost(fault.clone()));
        edit(&mut scene, |secret| secret.owners.clear());
        scene.run(400);
        assert_eq!(scene.0.faults.planned, []);
        assert_eq!(controller(&scene), Some(&*uid(&scene)), "{fault:?}");
    }
}

#[test]
fn a_change_of_the_content_is_never_taken_over_with_the_owner_reference() {
    let mut scene = Scene::issued("dl");
    scene.apply("dl", |spec| spec.suspend = Some(true));
    scene.run(30);
    edit(&mut scene, |secret| {
        secret.owners.clear();
        secret.data.insert("url".to_owned(), b"theirs".to_vec());
    });
    let steps = scene.steps(|scene| scene.run(90));
    assert!(!steps.contains(&StepKind::RestoreMarks), "{steps:?}");
}

#[test]
fn an_owner_reference_that_was_dropped_during_a_restart_is_put_back() {
    let mut scene = Scene::issued("dl");
    scene.0.crash(60);
    edit(&mut scene, |secret| secret.owners.clear());
    scene.run(90);
    assert_eq!(controller(&scene), Some(&*uid(&scene)));
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn a_secret_that_lost_owner_and_marks_is_left_alone_and_the_message_tells_what_is_so() {
    for (taken, strip) in [
        ("label", (|secret| secret.labels.clear()) as fn(&mut Secret)),
        ("annotation", |secret| secret.annotations.clear()),
    ] {
        let mut scene = Scene::issued("dl");
        edit(&mut scene, |secret| {
            secret.owners.clear();
            strip(secret);
        });
        let version = scene.secret("dl").unwrap().resource_version.clone();
        scene.run(30);
        assert_eq!(scene.ready("dl"), (false, "SecretConflict".to_owned()));
        assert_eq!(scene.secret("dl").unwrap().resource_version, version);
        let message = scene.condition("dl", "Ready").message;
        let told = "was written for this resource, and since then lost its owner reference and its";
        assert!(
            message.contains(told) && message.contains(taken),
            "{message}"
        );
    }
}

#[test]
fn a_secret_with_the_label_that_no_status_tells_of_is_not_adopted() {
    let mut scene = Scene::issued("other");
    let place = Scene::place("dl");
    // A copy of what was written for another resource, marks and all.
    let mut copy = scene.secret("other").unwrap().clone();
    copy.uid = "a-copy".to_owned();
    copy.owners.clear();
    copy.created_for = None;
    copy.annotations
        .insert("presigned.dev/presigned-url".to_owned(), "dl".to_owned());
    scene.0.cluster.secrets.insert(place.clone(), copy);
    let now = scene.0.now;
    scene.0.cluster.edit_secret(&place, now, |_| {});
    scene.apply("dl", |_| {});
    scene.run(3600);
    assert_eq!(scene.ready("dl"), (false, "SecretConflict".to_owned()));
    let message = scene.condition("dl", "Ready").message;
    assert!(
        message.contains("is not the one that the status records"),
        "{message}"
    );
}

#[test]
fn a_secret_with_another_uid_than_the_recorded_one_is_not_adopted() {
    let mut scene = Scene::issued("dl");
    let mut copy = scene.secret("dl").unwrap().clone();
    copy.uid = "a-copy".to_owned();
    copy.owners.clear();
    copy.created_for = None;
    let (place, now) = (Scene::place("dl"), scene.0.now);
    scene.0.cluster.delete_secret_by_hand(&place, now);
    scene.0.cluster.secrets.insert(place.clone(), copy);
    scene.0.cluster.edit_secret(&place, now, |_| {});
    scene.run(60);
    assert_eq!(scene.ready("dl"), (false, "SecretConflict".to_owned()));
    assert_eq!(scene.secret("dl").unwrap().uid, "a-copy");
}

#[test]
fn a_mark_that_is_removed_comes_back_before_the_owner_goes() {
    let mut scene = Scene::issued("dl");
    for strip in [
        (|secret| secret.labels.clear()) as fn(&mut Secret),
        |secret| secret.annotations.clear(),
        |secret| secret.owners.clear(),
    ] {
        edit(&mut scene, strip);
        scene.run(70);
        assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
        assert_eq!(controller(&scene), Some(&*uid(&scene)));
        let secret = scene.secret("dl").unwrap();
        assert_eq!(secret.annotations["presigned.dev/presigned-url"], "dl");
        assert!(secret.labels.contains_key("presigned.dev/managed-by"));
    }
}

#[test]
fn another_controller_is_never_taken_away() {
    let mut scene = Scene::issued("dl");
    edit(&mut scene, |secret| {
        secret.owners[0].kind = "Certificate".to_owned();
        secret.owners[0].api_version = "cert-manager.io/v1".to_owned();
        secret.owners[0].uid = "of-a-certificate".to_owned();
    });
    scene.run(60);
    assert_eq!(scene.ready("dl"), (false, "SecretConflict".to_owned()));
    assert_eq!(controller(&scene), Some("of-a-certificate"));
}

#[test]
fn what_lost_its_owner_reference_is_removed_all_the_same_when_it_is_time() {
    // It expired while the operator was away.
    let mut scene = Scene::issued("dl");
    scene.apply("dl", |spec| spec.suspend = Some(true));
    scene.run(30);
    scene.0.crash(12 * 3600);
    edit(&mut scene, |secret| secret.owners.clear());
    scene.run(12 * 3600 + 60);
    assert!(scene.secret("dl").is_none());
    assert_eq!(scene.status("dl").internal.secret, None);
    // Renamed: the old one goes once the new one is written, whatever became of it meanwhile.
    let mut scene = Scene::issued("dl");
    scene.plan(StepKind::DeleteSecret, Fault::Lost(ApiError::Forbidden));
    scene.apply("dl", |spec| spec.secret_name = Some("new".to_owned()));
    scene.run(20);
    edit(&mut scene, |secret| secret.owners.clear());
    scene.run(400);
    assert!(scene.secret("dl").is_none());
    assert!(scene.works(&scene.url("new")));
}

#[test]
fn of_a_resource_that_goes_the_reference_need_not_come_back() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    scene.0.cluster.delete_resource(NS, "dl", now);
    edit(&mut scene, |secret| secret.owners.clear());
    let steps = scene.steps(|scene| scene.run(600));
    assert_eq!(steps, []);
}

//! Changes of a store are probed before they are used: one that cannot work is not used, and the working
//! settings stay.

use std::time::Duration;

use presigned_core::api::ClusterObjectStoreStatus;
use presigned_core::api::ConditionStatus::{False, True, Unknown};
use presigned_core::engine::TransportError;

use crate::common::specs;
use crate::common::url::Parts;
use crate::common::world::StepKind;
use crate::scene::{HOME, NS, OTHER, Scene};

fn signer(scene: &Scene, name: &str) -> String {
    Parts::of(&scene.url(name)).unwrap().access_key_id
}

fn says(
    status: presigned_core::api::ConditionStatus,
    reason: &str,
) -> (presigned_core::api::ConditionStatus, String) {
    (status, reason.to_owned())
}

/// A new key that the server does not know.
fn rotate_to_a_bad_key(scene: &mut Scene) -> String {
    let key = scene.rotate();
    let now = scene.0.now;
    scene.0.cloud.keys.get_mut(&key).unwrap().revoked = Some(now);
    key
}

/// The store names a source that gives nothing, so the change cannot be used.
fn name_a_missing_source(scene: &mut Scene) {
    let edited = specs::store(OTHER, Some("missing"));
    scene.edit_store(|spec| *spec = edited);
    scene.run(60);
    assert_eq!(
        scene.store_says("Ready"),
        says(False, "CredentialsNotFound")
    );
}

#[test]
fn a_new_key_that_cannot_work_is_not_used_and_a_fixed_one_is() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    assert_eq!(scene.store_says("Ready"), says(True, "CredentialsReady"));
    let bad = rotate_to_a_bad_key(&mut scene);
    scene.run(3600);
    assert_eq!(scene.url("dl"), url);
    assert_eq!(scene.store_says("Ready"), says(False, "CredentialsInvalid"));
    assert!(scene.ready("dl").0);
    scene.apply("new", |_| {});
    scene.run(10);
    assert!(scene.works(&scene.url("new")), "the old key signs on");
    scene.0.cloud.keys.get_mut(&bad).unwrap().revoked = None;
    let now = scene.0.now;
    scene.0.cluster.touch_own_secret("s3", now);
    scene.run(310);
    assert_eq!(signer(&scene, "dl"), bad);
    assert_eq!(scene.store_says("Ready"), says(True, "CredentialsReady"));
    assert_eq!(scene.store_says("CredentialsRolledOut").0, True);
}

#[test]
fn a_key_that_works_only_later_is_taken_up_by_itself() {
    let mut scene = Scene::issued("dl");
    let bad = rotate_to_a_bad_key(&mut scene);
    scene.run(3600);
    scene.0.cloud.keys.get_mut(&bad).unwrap().revoked = None;
    scene.run(620);
    assert_eq!(signer(&scene, "dl"), bad);
}

#[test]
fn after_a_restart_a_new_key_is_tried_before_living_urls_are_signed_again() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    let bad = rotate_to_a_bad_key(&mut scene);
    scene.restart();
    scene.run(3600);
    assert_eq!(scene.url("dl"), url);
    assert!(scene.ready("dl").0);
    scene.apply("new", |_| {});
    scene.run(10);
    assert_eq!(scene.ready("new"), (false, "CredentialsInvalid".to_owned()));
    scene.0.cloud.keys.get_mut(&bad).unwrap().revoked = None;
    scene.run(620);
    assert_eq!(signer(&scene, "dl"), bad);
    assert!(scene.ready("new").0);
}

#[test]
fn a_start_does_not_take_back_that_a_key_was_rejected() {
    let mut scene = Scene::issued("dl");
    let key = signer(&scene, "dl");
    let now = scene.0.now;
    scene.0.cloud.keys.get_mut(&key).unwrap().revoked = Some(now);
    scene.run(2 * 3600);
    assert_eq!(scene.store_says("Ready"), says(False, "CredentialsInvalid"));
    scene.0.cluster.delete_resource(NS, "dl", now);
    scene.run(60);
    let writes = scene.writes(|scene| {
        scene.restart();
        scene.run(60);
    });
    assert!(!writes.contains(&StepKind::WriteStoreStatus), "{writes:?}");
    // Who uses it has it tried.
    scene.0.cloud.keys.get_mut(&key).unwrap().revoked = None;
    scene.apply("new", |_| {});
    scene.run(600);
    assert_eq!(scene.store_says("Ready"), says(True, "CredentialsReady"));
}

#[test]
fn a_reworded_message_in_the_status_changes_nothing_after_a_start() {
    let mut scene = Scene::issued("dl");
    let key = signer(&scene, "dl");
    let now = scene.0.now;
    scene.0.cloud.keys.get_mut(&key).unwrap().revoked = Some(now);
    scene.run(2 * 3600);
    scene.0.cluster.delete_resource(NS, "dl", now);
    scene.run(60);
    let store = scene.0.cluster.stores.get_mut("default").unwrap();
    for condition in &mut store.status.conditions {
        condition.message = format!("as an earlier release said it: {}", condition.type_);
    }
    let reported = store.status.clone();
    let writes = scene.writes(|scene| {
        scene.restart();
        scene.run(60);
    });
    assert_eq!(scene.store_says("Ready"), says(False, "CredentialsInvalid"));
    let now_reported = &scene.0.cluster.stores["default"].status;
    assert_eq!(
        now_reported.internal.rejected_credentials,
        reported.internal.rejected_credentials
    );
    let message = |status: &ClusterObjectStoreStatus| {
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
        ready.unwrap().message.clone()
    };
    assert_eq!(message(now_reported), message(&reported), "{writes:?}");
}

#[test]
fn a_failed_fetch_that_works_after_a_start_is_no_rejection_by_the_store() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    scene.0.cluster.delete_resource(NS, "dl", now);
    let store = scene.0.cluster.stores.get_mut("default").unwrap();
    let ready = store
        .status
        .conditions
        .iter_mut()
        .find(|c| c.type_ == "Ready")
        .unwrap();
    ready.status = False;
    ready.reason = "CredentialsInvalid".into();
    ready.message = "the Secret \"s3\" has no key accessKeyID".to_owned();
    scene.restart();
    scene.run(60);
    assert_eq!(scene.store_says("Ready"), says(True, "NotProbed"));
}

#[test]
fn a_key_that_was_rejected_on_trial_is_no_better_after_another_start() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    rotate_to_a_bad_key(&mut scene);
    for _ in 0..3 {
        scene.run(1200);
        assert_eq!(scene.url("dl"), url);
        assert!(scene.works(&url) && scene.ready("dl").0);
        assert_eq!(scene.store_says("Ready"), says(False, "CredentialsInvalid"));
        scene.restart();
    }
}

#[test]
fn a_rejection_before_a_restart_says_nothing_of_another_endpoint() {
    let mut scene = Scene::issued("dl");
    let key = signer(&scene, "dl");
    let now = scene.0.now;
    scene.0.cloud.keys.get_mut(&key).unwrap().revoked = Some(now);
    scene.run(2 * 3600);
    scene.0.cluster.delete_resource(NS, "dl", now);
    scene.edit_store(|spec| spec.s3.endpoint = Some(OTHER.to_owned()));
    scene.restart();
    scene.run(60);
    assert_eq!(scene.store_says("Ready"), says(True, "NotProbed"));
}

#[test]
fn an_endpoint_without_an_answer_is_not_used_until_it_answers() {
    let mut scene = Scene::issued("dl");
    scene.0.cloud.server(OTHER).down = Some(TransportError::Host);
    scene.edit_store(|spec| spec.s3.endpoint = Some(OTHER.to_owned()));
    scene.run(3600);
    assert_eq!(scene.store_says("Ready"), says(False, "HostNotFound"));
    scene.apply("new", |_| {});
    scene.run(10);
    for name in ["dl", "new"] {
        assert!(scene.url(name).starts_with(HOME), "{name}");
        assert!(scene.ready(name).0);
    }
    scene.0.cloud.server(OTHER).down = None;
    scene.run(620);
    assert!(scene.url("dl").starts_with(OTHER));
    assert_eq!(scene.store_says("Ready"), says(True, "CredentialsReady"));
}

#[test]
fn an_edit_that_is_taken_back_leaves_everything_as_it_was() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    scene.0.cloud.server(OTHER).down = Some(TransportError::Connection);
    scene.edit_store(|spec| spec.s3.endpoint = Some(OTHER.to_owned()));
    scene.run(60);
    assert_eq!(scene.store_says("Ready"), says(False, "ConnectionFailed"));
    scene.edit_store(|spec| spec.s3.endpoint = Some(HOME.to_owned()));
    scene.run(60);
    assert_eq!(scene.store_says("Ready"), says(True, "CredentialsReady"));
    assert_eq!(scene.url("dl"), url);
}

#[test]
fn a_region_that_the_server_does_not_serve_is_not_used() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    scene.0.cloud.server(HOME).region = Some("eu-west-2".to_owned());
    scene.edit_store(|spec| spec.s3.region = "eu-west-1".to_owned());
    scene.run(600);
    assert_eq!(scene.store_says("Ready"), says(False, "WrongRegion"));
    assert_eq!(scene.url("dl"), url);
}

#[test]
fn an_endpoint_that_is_no_s3_server_is_not_used() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    scene.0.cloud.server(OTHER).foreign = true;
    scene.edit_store(|spec| spec.s3.endpoint = Some(OTHER.to_owned()));
    scene.run(600);
    assert_eq!(scene.store_says("Ready"), says(False, "UnexpectedResponse"));
    assert_eq!(scene.url("dl"), url);
}

#[test]
fn another_source_that_gives_nothing_takes_nothing_away() {
    let mut scene = Scene::issued("dl");
    let edited = specs::store(OTHER, Some("missing"));
    scene.edit_store(|spec| *spec = edited);
    scene.run(600);
    assert_eq!(
        scene.store_says("Ready"),
        says(False, "CredentialsNotFound")
    );
    scene.apply("new", |_| {});
    scene.run(10);
    assert!(scene.url("new").starts_with(HOME));
    let now = scene.0.now;
    scene.0.cloud.rotate_static("missing", now);
    scene.0.cluster.touch_own_secret("missing", now);
    scene.run(310);
    assert!(scene.url("dl").starts_with(OTHER));
}

#[test]
fn a_new_key_is_tried_while_another_source_gives_nothing() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    name_a_missing_source(&mut scene);
    scene.slow(StepKind::SendRequests, 20);
    let bad = rotate_to_a_bad_key(&mut scene);
    scene.run(3);
    scene.apply("new", |_| {});
    scene.run(3600);
    assert_eq!(scene.url("dl"), url);
    assert!(scene.works(&scene.url("new")), "the old key signs on");
    scene.0.cloud.keys.get_mut(&bad).unwrap().revoked = None;
    scene.run(620);
    for name in ["dl", "new"] {
        assert_eq!(signer(&scene, name), bad);
        assert!(scene.works(&scene.url(name)) && scene.ready(name).0);
    }
    assert_eq!(
        scene.store_says("Ready"),
        says(False, "CredentialsNotFound")
    );
}

#[test]
fn a_key_on_trial_stays_on_trial_whatever_source_is_named_meanwhile() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    let bad = rotate_to_a_bad_key(&mut scene);
    scene.run(60);
    name_a_missing_source(&mut scene);
    scene.run(600);
    assert_eq!(scene.url("dl"), url);
    let home = specs::store(HOME, Some("s3"));
    scene.edit_store(|spec| *spec = home);
    scene.run(600);
    assert_eq!(scene.store_says("Ready"), says(False, "CredentialsInvalid"));
    assert_eq!(scene.url("dl"), url);
    name_a_missing_source(&mut scene);
    scene.0.cloud.keys.get_mut(&bad).unwrap().revoked = None;
    scene.run(620);
    assert_eq!(signer(&scene, "dl"), bad);
    assert!(scene.works(&scene.url("dl")));
}

#[test]
fn a_key_of_the_earlier_source_is_not_on_trial_after_another_source_is_in_use() {
    let mut scene = Scene::issued("dl");
    name_a_missing_source(&mut scene);
    let bad = rotate_to_a_bad_key(&mut scene);
    scene.run(600);
    let now = scene.0.now;
    scene.0.cloud.rotate_static("missing", now);
    scene.0.cluster.touch_own_secret("missing", now);
    scene.run(310);
    assert!(scene.url("dl").starts_with(OTHER) && scene.works(&scene.url("dl")));
    assert_eq!(scene.store_says("Ready"), says(True, "CredentialsReady"));
    scene.0.cloud.keys.get_mut(&bad).unwrap().revoked = None;
    scene.run(3600);
    assert_ne!(signer(&scene, "dl"), bad);
    assert_eq!(scene.store_says("Ready"), says(True, "CredentialsReady"));
}

#[test]
fn a_key_and_an_endpoint_of_the_same_source_are_tried_together() {
    let mut scene = Scene::issued("dl");
    name_a_missing_source(&mut scene);
    let bad = rotate_to_a_bad_key(&mut scene);
    scene.run(60);
    let moved = specs::store(OTHER, Some("s3"));
    scene.edit_store(|spec| *spec = moved);
    scene.run(600);
    assert_eq!(scene.store_says("Ready"), says(False, "CredentialsInvalid"));
    assert!(scene.url("dl").starts_with(HOME) && scene.works(&scene.url("dl")));
    scene.0.cloud.keys.get_mut(&bad).unwrap().revoked = None;
    scene.run(620);
    assert!(scene.url("dl").starts_with(OTHER));
    assert_eq!(signer(&scene, "dl"), bad);
}

#[test]
fn a_store_that_never_answered_is_not_held_back() {
    let mut scene = Scene::new();
    scene.0.cloud.server(HOME).down = Some(TransportError::Timeout(Duration::from_secs(5)));
    scene.apply("dl", |_| {});
    scene.run(30);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    assert_eq!(scene.store_says("Ready"), says(Unknown, "StoreUnavailable"));
    let key = scene.rotate();
    scene.run(310);
    assert_eq!(signer(&scene, "dl"), key);
}

#[test]
fn a_store_that_answered_before_must_answer_before_a_new_key_is_used() {
    let mut scene = Scene::issued("dl");
    scene.0.cloud.server(HOME).down = Some(TransportError::Timeout(Duration::from_secs(5)));
    let key = scene.rotate();
    scene.run(3600);
    assert_eq!(scene.store_says("Ready"), says(False, "StoreUnavailable"));
    assert_ne!(signer(&scene, "dl"), key);
    scene.0.cloud.server(HOME).down = None;
    scene.run(620);
    assert_eq!(signer(&scene, "dl"), key);
}

#[test]
fn a_change_of_an_unused_store_is_not_tried() {
    let mut scene = Scene::new();
    scene.run(10);
    scene.0.cloud.server(OTHER).down = Some(TransportError::Host);
    scene.edit_store(|spec| spec.s3.endpoint = Some(OTHER.to_owned()));
    scene.run(60);
    assert_eq!(scene.0.cloud.requests, []);
    scene.apply("dl", |_| {});
    scene.run(30);
    assert!(scene.url("dl").starts_with(OTHER));
}

#[test]
fn a_resource_that_is_allowed_nothing_does_not_choose_the_bucket_of_a_probe() {
    let mut scene = Scene::new();
    scene.apply("denied", |spec| spec.bucket = "elsewhere".to_owned());
    scene.run(60);
    assert_eq!(scene.0.cloud.requests, []);
}

#[test]
fn one_bucket_of_another_region_does_not_reject_an_endpoint() {
    let mut scene = Scene::new();
    let abroad = ["abroad-1", "abroad-2", "abroad-3"];
    scene.allow_buckets(&[&abroad[..], &["data"]].concat());
    for bucket in abroad {
        if bucket == "abroad-3" {
            scene.apply("dl", |_| {});
        }
        scene.apply(bucket, |spec| spec.bucket = bucket.to_owned());
    }
    scene.run(30);
    scene.0.cloud.server(OTHER).abroad = abroad.map(str::to_owned).to_vec();
    scene.edit_store(|spec| spec.s3.endpoint = Some(OTHER.to_owned()));
    scene.run(400);
    assert_eq!(scene.store_says("Ready"), says(True, "CredentialsReady"));
    assert!(scene.url("dl").starts_with(OTHER));
}

#[test]
fn a_bucket_that_does_not_exist_does_not_speak_for_a_region() {
    let mut scene = Scene::new();
    scene.allow_buckets(&["abroad", "typo"]);
    for bucket in ["abroad", "typo"] {
        scene.apply(bucket, |spec| spec.bucket = bucket.to_owned());
    }
    scene.run(30);
    let other = scene.0.cloud.server(OTHER);
    other.abroad = vec!["abroad".to_owned()];
    other.missing = vec!["typo".to_owned()];
    scene.edit_store(|spec| spec.s3.endpoint = Some(OTHER.to_owned()));
    scene.run(600);
    assert_eq!(scene.store_says("Ready"), says(False, "WrongRegion"));
    assert!(scene.url("abroad").starts_with(HOME));
}

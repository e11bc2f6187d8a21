//! URLs that the store rejects, and the condition `Ready`.

use presigned_core::api::{ConditionStatus, Method, Verify};
use presigned_core::engine::ErrorCode;

use crate::common::world::StepKind;
use crate::scene::Scene;
use crate::verification::{server, with};

/// What `Ready` said of a resource in each status that was written.
fn readies(scene: &Scene) -> Vec<String> {
    let events = scene.0.events.iter();
    events
        .filter(|event| event.action == "Issue")
        .map(|event| event.reason.as_str().to_owned())
        .collect()
}

#[test]
fn ready_never_stands_beside_a_url_that_the_store_rejects() {
    for method in [Method::Get, Method::Put] {
        let mut scene = Scene::new();
        scene.allow_buckets(&["data", "abroad"]);
        scene.0.cloud.put_object("data", "team-a/file.bin");
        scene.apply("ok", |_| {});
        scene.run(30);
        server(&mut scene).abroad = vec!["abroad".to_owned()];
        scene.apply("dl", |spec| {
            spec.verify = None;
            spec.method = Some(method);
            spec.bucket = "abroad".to_owned();
        });
        scene.run(30);
        assert_eq!(scene.ready("dl"), (false, "WrongRegion".to_owned()));
        assert_eq!(readies(&scene), ["Issued", "WrongRegion"], "at once");
        let message = scene.condition("dl", "Ready").message;
        assert!(
            message.contains("rejects the signature") && message.contains("region"),
            "{message}"
        );
        let stalled = scene.condition("dl", "Stalled");
        assert_eq!(stalled.status, ConditionStatus::True);
        assert!(scene.secret("dl").is_some(), "the URL may come to live");
        assert!(
            scene.ready("ok").0,
            "the other bucket is in the right region"
        );
        let url = scene.url("dl");
        let steps = scene.steps(|scene| {
            scene.restart();
            scene.run(20);
        });
        assert!(
            !steps.contains(&StepKind::WriteStatus),
            "a start is silent: {steps:?}"
        );
        server(&mut scene).abroad.clear();
        scene.run(3700);
        assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
        assert_eq!(scene.url("dl"), url, "nothing is signed again for it");
    }
}

#[test]
fn a_revoked_key_takes_ready_away_and_its_return_gives_it_back() {
    for verify in [None, Some(Verify::Never)] {
        let mut scene = with(verify);
        scene.run(30);
        let url = scene.url("dl");
        let now = scene.0.now;
        for key in scene.0.cloud.keys.values_mut() {
            key.revoked = Some(now);
        }
        scene.run(3700);
        assert_eq!(scene.ready("dl"), (false, "CredentialsInvalid".to_owned()));
        assert_eq!(scene.url("dl"), url);
        let steps = scene.steps(|scene| {
            scene.restart();
            scene.run(60);
        });
        assert!(
            !steps.contains(&StepKind::WriteStatus),
            "a start is silent: {steps:?}"
        );
        for key in scene.0.cloud.keys.values_mut() {
            key.revoked = None;
        }
        scene.run(310);
        assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
        assert_eq!(scene.url("dl"), url);
    }
}

#[test]
fn ready_says_by_which_method_a_url_was_tried() {
    for (method, words) in [
        (Method::Get, "; a GET worked"),
        (Method::Head, "; a HEAD worked"),
    ] {
        let mut scene = with(None);
        scene.apply("dl", |spec| spec.method = Some(method));
        scene.run(30);
        let ready = scene.condition("dl", "Ready");
        assert!(ready.message.ends_with(words), "{}", ready.message);
    }
}

#[test]
fn what_the_store_says_of_the_object_leaves_ready_true_and_ends_its_message() {
    let mut scene = with(None);
    scene.run(30);
    let ready = scene.condition("dl", "Ready");
    assert!(
        ready.message.ends_with("; a GET worked"),
        "{}",
        ready.message
    );
    scene.apply("dl", |spec| spec.key = Some("team-a/missing".to_owned()));
    scene.run(30);
    let (ready, verified) = (
        scene.condition("dl", "Ready"),
        scene.condition("dl", "Verified"),
    );
    assert_eq!(ready.status, ConditionStatus::True);
    assert!(
        ready.message.ends_with(&verified.message),
        "{}",
        ready.message
    );
}

#[test]
fn ready_never_stands_beside_a_url_of_which_the_store_refuses_the_kind_of_signature() {
    for (code, reason) in [
        (ErrorCode::CredentialsRefused(None), "CredentialsInvalid"),
        (ErrorCode::SignatureRefused(None), "SignatureDoesNotMatch"),
    ] {
        let mut scene = with(None);
        server(&mut scene).refuses = Some(("/data/team-a/file.bin".to_owned(), code));
        scene.run(30);
        assert_eq!(scene.ready("dl"), (false, reason.to_owned()));
        assert!(scene.secret("dl").is_some(), "the URL may come to live");
        server(&mut scene).refuses = None;
        scene.run(3700);
        assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    }
}

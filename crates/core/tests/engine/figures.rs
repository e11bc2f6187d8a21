//! The figures that metrics are made of, and what traces say of an object.

use presigned_core::api::{ConditionStatus, LimitedBy, Reason, Verify};
use presigned_core::engine::{LifeCut, ObjectKey, ResourceFigures};

use crate::common::cloud::Source;
use crate::scene::{HOME, Scene};

/// The figures of the only resource.
fn figures(scene: &Scene) -> ResourceFigures {
    let mut figures = scene.0.replicas[0].engine.as_ref().unwrap().figures();
    let first = figures.next().unwrap();
    assert!(figures.next().is_none());
    first
}

/// What is told of the life of a resource that requests `duration`, under a policy that allows `longest`. A
/// session lives for an hour.
fn life_cut(duration: Option<&str>, longest: &str, sessions: bool) -> Option<LifeCut> {
    let mut scene = Scene::new();
    scene.allow(longest);
    if sessions {
        let sessions = Source::Sessions {
            length: 3600,
            current: None,
        };
        scene.0.cloud.sources.insert("s3".to_owned(), sessions);
        let now = scene.0.now;
        scene.0.cluster.touch_own_secret("s3", now);
    }
    scene.apply("dl", |spec| spec.duration = duration.map(str::to_owned));
    scene.run(60);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    figures(&scene).life_cut
}

#[test]
fn a_life_that_was_cut_is_told_with_what_cut_it_and_whether_half_is_left() {
    let cut = |by, below_half| Some(LifeCut { by, below_half });
    let by = LimitedBy::Credentials;
    assert_eq!(life_cut(Some("12h"), "12h", true), cut(by, true));
    assert_eq!(life_cut(Some("90m"), "12h", true), cut(by, false));
    assert_eq!(life_cut(Some("30m"), "12h", true), None);
    // Without a duration the 12 hours that are the default are requested.
    let by = LimitedBy::Duration;
    assert_eq!(life_cut(None, "45m", false), cut(by, true));
    assert_eq!(life_cut(None, "8h", false), cut(by, false));
    assert_eq!(life_cut(None, "12h", false), None);
}

#[test]
fn the_figures_tell_what_verified_says() {
    let mut scene = Scene::new();
    scene.apply("dl", |spec| spec.verify = None);
    scene.run(60);
    assert_eq!(
        figures(&scene).verified,
        Some(ConditionStatus::False),
        "no such object"
    );
    scene.0.cloud.put_object("data", "team-a/other.bin");
    scene.apply("dl", |spec| spec.key = Some("team-a/other.bin".to_owned()));
    scene.run(60);
    assert_eq!(figures(&scene).verified, Some(ConditionStatus::True));
    scene.apply("dl", |spec| {
        spec.verify = Some(Verify::Never);
    });
    scene.run(60);
    assert_eq!(figures(&scene).verified, None, "nothing was verified");
}

#[test]
fn the_clock_of_a_store_is_told_once_it_was_read() {
    let mut scene = Scene::new();
    scene.0.add_follower();
    let told = |scene: &Scene| -> Vec<(String, i64)> {
        let engine = scene.0.replicas[0].engine.as_ref().unwrap();
        let skews = engine.clock_skews();
        skews
            .map(|(store, skew)| (store.to_owned(), skew.as_secs()))
            .collect()
    };
    scene.0.cloud.server(HOME).ahead = -42;
    scene.run(60);
    assert_eq!(told(&scene), [], "nobody uses the store");
    scene.apply("dl", |_| {});
    scene.run(60);
    assert_eq!(told(&scene), [("default".to_owned(), -42)]);
    let follower = scene.0.follower();
    assert_eq!(follower.clock_skews().count(), 0, "the leader tells it");
}

#[test]
fn a_subject_is_told_by_name_and_by_the_reason_of_its_ready() {
    let mut scene = Scene::new();
    scene.apply("dl", |_| {});
    let uid = scene.0.cluster.resources[&Scene::place("dl")].uid.clone();
    let key = ObjectKey::Resource(uid);
    let reason = |scene: &Scene, key: &ObjectKey| {
        let engine = scene.0.replicas[0].engine.as_ref().unwrap();
        let subject = engine.subject(key)?;
        let names = [subject.namespace, Some(subject.name), subject.store];
        let names = names.map(|name| name.map(str::to_owned));
        Some((names, subject.reason))
    };
    scene.run(60);
    let of = |names: [Option<&str>; 3], reason| {
        Some((names.map(|name| name.map(str::to_owned)), Some(reason)))
    };
    let names = [Some("team-a"), Some("dl"), Some("default")];
    assert_eq!(reason(&scene, &key), of(names, Reason::Issued));
    scene.allow_buckets(&["other"]);
    scene.run(60);
    assert_eq!(reason(&scene, &key), of(names, Reason::PolicyDenied));
    let store = ObjectKey::Store("default".to_owned());
    let names = [None, Some("default"), Some("default")];
    assert_eq!(reason(&scene, &store), of(names, Reason::CredentialsReady));
    let policy = ObjectKey::Policy("base".to_owned());
    let names = [None, Some("base"), None];
    assert_eq!(reason(&scene, &policy), of(names, Reason::Accepted));
    let engine = scene.0.replicas[0].engine.as_ref().unwrap();
    assert!(
        [&key, &store, &policy]
            .iter()
            .all(|key| !engine.is_under_way(key))
    );
    let gone = ObjectKey::Resource("gone".into());
    assert_eq!(reason(&scene, &gone), None);
}

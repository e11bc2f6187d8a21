//! Stores: credentials that change, sessions that end, and sources that give nothing.

use presigned_core::api::ConditionStatus::{False, True};
use presigned_core::api::{ConditionStatus, Method, Reason, Renew};
use presigned_core::engine::CredentialsError;

use crate::common::at;
use crate::common::cloud::Source;
use crate::common::specs;
use crate::common::url::Parts;
use crate::common::world::{Fault, StepKind};
use crate::scene::Scene;

fn sessions(scene: &mut Scene, length: i64) {
    let now = scene.0.now;
    let current = None;
    scene
        .0
        .cloud
        .sources
        .insert("s3".to_owned(), Source::Sessions { length, current });
    scene.0.cluster.touch_own_secret("s3", now);
}

fn signer(scene: &Scene, name: &str) -> String {
    Parts::of(&scene.url(name)).unwrap().access_key_id
}

#[test]
fn a_new_key_signs_everything_again_nearest_expiry_first() {
    let mut scene = Scene::new();
    for (name, life) in [("long", "12h"), ("short", "6h"), ("shorter", "4h")] {
        scene.apply(name, |spec| spec.duration = Some(life.to_owned()));
    }
    scene.run(30);
    // What an earlier list planned must not matter.
    scene.restart();
    scene.run(3600);
    let old = signer(&scene, "long");
    let now = scene.0.now;
    scene
        .0
        .cloud
        .rotate_static("s3", at(now.as_second() + 86_400));
    scene.0.cluster.touch_own_secret("s3", now);
    let before = scene.0.records.len();
    scene.run(310);
    let order: Vec<(i64, String)> = scene.0.records[before..]
        .iter()
        .filter(|record| record.kind == StepKind::UpdateSecret)
        .map(|record| {
            let place = record.place.clone().unwrap();
            (record.at.as_second() - now.as_second(), place.1)
        })
        .collect();
    let names: Vec<&str> = order.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["shorter", "short", "long"], "{order:?}");
    assert!(order[2].0 >= 150, "it is spread: {order:?}");
    assert_ne!(signer(&scene, "long"), old);
}

#[test]
fn the_life_is_no_longer_than_the_sessions() {
    let mut scene = Scene::new();
    sessions(&mut scene, 3600);
    scene.apply("dl", |_| {});
    scene.run(10);
    let parts = Parts::of(&scene.url("dl")).unwrap();
    let ends = scene.0.cloud.keys[&parts.access_key_id].ends.unwrap();
    assert!(parts.end <= ends);
    assert_eq!(scene.status("dl").expiration_time, Some(parts.end));
    assert!(scene.status("dl").limited_by.is_some());
}

#[test]
fn fresh_credentials_are_fetched_where_they_gain_and_once_a_minute_at_most() {
    let mut scene = Scene::new();
    sessions(&mut scene, 3600);
    for at in 0..20 {
        scene.apply(&format!("dl-{at}"), |_| {});
    }
    scene.run(30);
    let before = scene.0.records.len();
    scene.run(6 * 3600);
    let fetches: Vec<i64> = scene.0.records[before..]
        .iter()
        .filter(|record| record.kind == StepKind::FetchCredentials)
        .map(|record| record.at.as_second())
        .collect();
    assert!(!fetches.is_empty());
    assert!(fetches.windows(2).all(|pair| pair[1] - pair[0] >= 60));
}

#[test]
fn a_source_that_gives_nothing_takes_no_living_url_away() {
    let mut scene = Scene::issued("dl");
    let old = scene.url("dl");
    let now = scene.0.now;
    scene
        .0
        .cloud
        .sources
        .insert("s3".to_owned(), Source::Fails(Reason::CredentialsInvalid));
    scene.0.cluster.touch_own_secret("s3", now);
    scene.run(3600);
    assert_eq!(scene.url("dl"), old);
    assert!(scene.ready("dl").0);
}

#[test]
fn a_session_without_an_end_signs_nothing() {
    let mut scene = Scene::new();
    scene
        .0
        .cloud
        .sources
        .insert("s3".to_owned(), Source::Endless);
    scene.apply("dl", |_| {});
    scene.run(30);
    let reason = "CredentialsExpiryUnknown".to_owned();
    assert_eq!(scene.ready("dl"), (false, reason));
    assert!(scene.secret("dl").is_none());
}

#[test]
fn nothing_is_signed_for_a_new_endpoint_with_the_old_key() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    scene.0.cloud.rotate_static("elsewhere", now);
    scene.0.cluster.touch_own_secret("elsewhere", now);
    let store = specs::store("https://other.example.test", Some("elsewhere"));
    scene.0.cluster.put_store("default", Ok(store), now);
    let old = signer(&scene, "dl");
    let steps = scene.steps(|scene| scene.run(600));
    let updates = steps
        .iter()
        .filter(|kind| **kind == StepKind::UpdateSecret)
        .count();
    assert_eq!(updates, 1, "{steps:?}");
    assert_ne!(signer(&scene, "dl"), old);
    assert!(scene.url("dl").starts_with("https://other.example.test/"));
}

#[test]
fn a_clock_that_steps_back_makes_no_pause_longer() {
    let mut scene = Scene::new();
    let failure = CredentialsError {
        reason: Reason::CredentialsUnavailable,
        message: "nobody answers".to_owned(),
    };
    scene.plan(StepKind::FetchCredentials, Fault::NoCredentials(failure));
    scene.run(2);
    scene.0.step_clock(-7200);
    scene.apply("dl", |_| {});
    scene.run(360);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn a_deleted_secret_of_credentials_signs_nothing_new_and_what_lives_stays() {
    let mut scene = Scene::issued("dl");
    let old = scene.url("dl");
    let now = scene.0.now;
    let key = scene.0.cloud.sources.remove("s3").unwrap();
    scene.0.cluster.delete_own_secret("s3", now);
    scene.run(30);
    let not_found = "CredentialsNotFound".to_owned();
    assert_eq!(scene.store_says("Ready"), (False, not_found.clone()));
    scene.apply("new", |_| {});
    scene.apply("link", |spec| {
        spec.renew = Some(Renew::Never);
        spec.duration = Some("1h".to_owned());
    });
    scene.apply("up", |spec| spec.method = Some(Method::Put));
    let wait = scene.until_renewal("dl");
    scene.run(wait + 600);
    for name in ["new", "link", "up"] {
        assert!(scene.secret(name).is_none(), "{name} was signed");
        assert_eq!(scene.ready(name), (false, not_found.clone()), "{name}");
    }
    assert_eq!(scene.url("dl"), old, "it is not renewed");
    assert!(scene.ready("dl").0, "it lives");
    let renewed = scene.condition("dl", "Renewed");
    assert_eq!(
        (renewed.status, renewed.reason.into_owned()),
        (False, not_found)
    );
    // The same key is back.
    let now = scene.0.now;
    scene.0.cloud.sources.insert("s3".to_owned(), key);
    scene.0.cluster.touch_own_secret("s3", now);
    scene.run(30);
    for name in ["new", "link", "up", "dl"] {
        assert!(scene.ready(name).0, "{name}");
    }
    assert_ne!(scene.url("dl"), old);
}

/// What `CredentialsRolledOut` says, and of which version of the Secret.
fn rolled_out(scene: &Scene) -> (ConditionStatus, String) {
    let status = &scene.0.cluster.stores["default"].status;
    let secret = status.credentials_secret.as_ref().unwrap();
    assert_eq!(
        (&*secret.name, &*secret.uid),
        ("s3", "own-s3"),
        "{secret:?}"
    );
    let version = secret.resource_version.clone();
    let (status, _) = scene.store_says("CredentialsRolledOut");
    (status, version)
}

#[test]
fn credentials_rolled_out_tells_of_which_version_of_the_secret_it_speaks() {
    let mut scene = Scene::issued("dl");
    let version = |scene: &Scene| scene.0.cluster.own_secrets["s3"].resource_version.clone();
    let first = version(&scene);
    assert_eq!(rolled_out(&scene), (True, first.clone()));
    // A key that cannot work: whoever waits for its version waits.
    let bad = scene.rotate();
    let now = scene.0.now;
    scene.0.cloud.keys.get_mut(&bad).unwrap().revoked = Some(now);
    scene.run(600);
    assert_eq!(rolled_out(&scene), (False, first.clone()));
    // A key that works: its version is told together with a roll-out that is not over.
    scene.rotate();
    let second = version(&scene);
    let mut told = Vec::new();
    for _ in 0..310 {
        scene.run(1);
        let now_told = rolled_out(&scene);
        if told.last() != Some(&now_told) {
            told.push(now_told);
        }
    }
    let last = told.pop();
    assert_eq!(last, Some((True, second.clone())));
    assert!(
        !told.contains(&(True, first.clone())) && !told.contains(&(True, second.clone())),
        "{told:?}"
    );
    // The same key in another version of the Secret.
    let now = scene.0.now;
    scene.0.cluster.touch_own_secret("s3", now);
    scene.run(30);
    assert_eq!(rolled_out(&scene), (True, version(&scene)));
    let writes = scene.writes(|scene| {
        scene.restart();
        scene.run(60);
    });
    assert_eq!(writes, []);
}

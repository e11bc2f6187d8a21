//! A Secret that no status tells of, since the operator stopped between two writes, while nothing can be
//! signed: it is removed when its own URLs expire, whatever the status tells.

use crate::common::url::Parts;
use crate::common::world::{Fault, StepKind};
use crate::scene::Scene;

const QUARTER: i64 = 900;

/// From now on nothing can be signed.
fn revoke(scene: &mut Scene, key: &str) {
    let now = scene.0.now;
    scene.0.cloud.keys.get_mut(key).unwrap().revoked = Some(now);
}

#[test]
fn a_rewritten_secret_that_no_status_tells_of_goes_as_its_own_urls_expire() {
    let mut scene = Scene::issued("dl");
    let key = Parts::of(&scene.url("dl")).unwrap().access_key_id;
    scene.plan(StepKind::UpdateSecret, Fault::CrashAfter(5));
    scene.apply("dl", |spec| spec.duration = Some("15m".to_owned()));
    scene.run(2);
    revoke(&mut scene, &key);
    let told = scene.status("dl").expiration_time.unwrap().as_second();
    assert!(
        told > scene.0.now.as_second() + QUARTER,
        "the status tells of the first one"
    );
    scene.run(QUARTER - 60);
    assert!(scene.secret("dl").is_some(), "it is alive");
    scene.run(120);
    assert!(scene.secret("dl").is_none());
    assert!(!scene.ready("dl").0);
    let steps = scene.steps(|scene| scene.run(60));
    assert_eq!(steps, [], "it is removed once");
}

#[test]
fn a_secret_made_anew_that_no_status_tells_of_goes_as_its_own_urls_expire() {
    let mut scene = Scene::new();
    scene.apply("dl", |spec| spec.duration = Some("15m".to_owned()));
    scene.run(180);
    let key = Parts::of(&scene.url("dl")).unwrap().access_key_id;
    scene.plan(StepKind::CreateSecret, Fault::CrashAfter(5));
    let now = scene.0.now;
    scene
        .0
        .cluster
        .delete_secret_by_hand(&Scene::place("dl"), now);
    scene.run(2);
    revoke(&mut scene, &key);
    scene.run(QUARTER - 60);
    assert!(scene.secret("dl").is_some(), "it is alive");
    scene.run(120);
    assert!(scene.secret("dl").is_none());
}

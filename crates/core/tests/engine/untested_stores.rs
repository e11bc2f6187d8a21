//! What was taken into use without a probe, because nobody used the store, is probed before it signs.

use presigned_core::api::ConditionStatus::False;

use crate::common::specs;
use crate::common::world::StepKind;
use crate::scene::{HOME, NS, OTHER, Scene};

/// A store that worked, and that nobody uses any more.
fn unused() -> Scene {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    scene.0.cluster.delete_resource(NS, "dl", now);
    scene.run(60);
    scene
}

/// The first resource gets nothing, and the store says why.
fn rejects_the_first(scene: &mut Scene, reason: &str) {
    scene.run(60);
    scene.apply("new", |_| {});
    scene.run(30);
    assert!(scene.secret("new").is_none(), "signed before the probe");
    assert_eq!(scene.ready("new"), (false, reason.to_owned()));
    assert_eq!(scene.store_says("Ready"), (False, reason.to_owned()));
}

#[test]
fn a_moved_endpoint_that_nobody_uses_is_probed_before_it_signs() {
    let mut scene = unused();
    scene.0.cloud.server(OTHER).foreign = true;
    scene.edit_store(|spec| spec.s3.endpoint = Some(OTHER.to_owned()));
    rejects_the_first(&mut scene, "UnexpectedResponse");
    let mut scene = unused();
    scene.0.cloud.server(HOME).region = Some("garage".to_owned());
    scene.edit_store(|spec| spec.s3.region = "elsewhere".to_owned());
    rejects_the_first(&mut scene, "WrongRegion");
}

#[test]
fn a_key_that_came_while_nobody_used_the_store_is_probed_before_it_signs() {
    let mut scene = unused();
    let bad = scene.rotate();
    let now = scene.0.now;
    scene.0.cloud.keys.get_mut(&bad).unwrap().revoked = Some(now);
    rejects_the_first(&mut scene, "CredentialsInvalid");
}

#[test]
fn a_store_that_was_invalid_is_probed_before_living_urls_are_signed_again() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    let now = scene.0.now;
    let broken = Err("spec.s3.region: missing".to_owned());
    scene.0.cluster.put_store("default", broken, now);
    scene.run(60);
    scene.0.cloud.server(OTHER).foreign = true;
    let now = scene.0.now;
    let edited = specs::store(OTHER, Some("s3"));
    scene.0.cluster.put_store("default", Ok(edited), now);
    scene.0.faults.slow.insert(StepKind::SendRequests, 600);
    scene.run(3600);
    assert_eq!(scene.url("dl"), url);
    let unexpected = (False, "UnexpectedResponse".to_owned());
    assert_eq!(scene.store_says("Ready"), unexpected);
}

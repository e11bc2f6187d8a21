//! Events of stores and policies.

use presigned_core::engine::{ApiError, EventRecord, EventSubject};

use crate::common::cloud::Source;
use crate::common::world::{Fault, StepKind};
use crate::scene::Scene;

/// What was said of an object: Warning or not, the reason and the action.
fn told(scene: &Scene, subject: EventSubject, name: &str) -> Vec<(bool, &'static str)> {
    let about = |event: &&EventRecord| event.subject == subject && event.name == name;
    let events = scene.0.events.iter().filter(about);
    events
        .inspect(|event| assert_eq!(event.namespace, None, "it is in no namespace"))
        .map(|event| (event.warning, event.reason.as_str()))
        .collect()
}

/// Makes the policy unreadable.
fn break_policy(scene: &mut Scene) {
    let now = scene.0.now;
    let why = Err("unknown field bukets".to_owned());
    scene.0.cluster.put_policy("base", why, now);
    scene.run(30);
}

#[test]
fn a_policy_tells_when_it_comes_in_force_and_when_it_cannot_be_read() {
    let mut scene = Scene::new();
    scene.run(30);
    let in_force = (false, "Accepted");
    assert_eq!(told(&scene, EventSubject::Policy, "base"), [in_force]);
    break_policy(&mut scene);
    scene.allow("12h");
    scene.run(30);
    let whole = [in_force, (true, "PolicyInvalid"), in_force];
    assert_eq!(told(&scene, EventSubject::Policy, "base"), whole);
    scene.allow("6h");
    scene.run(30);
    scene.restart();
    scene.run(7200);
    assert_eq!(told(&scene, EventSubject::Policy, "base"), whole, "no news");
}

#[test]
fn a_store_tells_when_it_works_and_when_it_does_not() {
    let mut scene = Scene::issued("dl");
    let works = (false, "CredentialsReady");
    assert_eq!(told(&scene, EventSubject::Store, "default"), [works]);
    let now = scene.0.now;
    let source = scene.0.cloud.sources.remove("s3");
    scene.0.cluster.touch_own_secret("s3", now);
    scene.run(60);
    scene
        .0
        .cloud
        .sources
        .extend(source.map(|source: Source| ("s3".to_owned(), source)));
    let now = scene.0.now;
    scene.0.cluster.touch_own_secret("s3", now);
    scene.run(600);
    let whole = [works, (true, "CredentialsNotFound"), works];
    assert_eq!(told(&scene, EventSubject::Store, "default"), whole);
    scene.restart();
    scene.run(7200);
    assert_eq!(told(&scene, EventSubject::Store, "default"), whole);
}

/// A scene whose policy became unreadable and usable again forty times.
fn flipped() -> Scene {
    let mut scene = Scene::new();
    for _ in 0..40 {
        break_policy(&mut scene);
        scene.allow("12h");
        scene.run(30);
    }
    scene
}

#[test]
fn a_policy_that_is_flipped_makes_a_few_events_and_silences_no_other() {
    let mut scene = flipped();
    let events = told(&scene, EventSubject::Policy, "base").len();
    assert!((25..=35).contains(&events), "{events} Events of 80 flips");
    scene.apply("dl", |_| {});
    scene.run(30);
    assert_eq!(told(&scene, EventSubject::Store, "default").len(), 1);
}

#[test]
fn the_events_of_a_policy_go_on_after_the_clock_was_stepped_back() {
    let mut scene = flipped();
    scene.0.step_clock(-86_400);
    scene.run(30);
    let before = told(&scene, EventSubject::Policy, "base").len();
    break_policy(&mut scene);
    let events = told(&scene, EventSubject::Policy, "base");
    assert_eq!(events[before..], [(true, "PolicyInvalid")]);
}

#[test]
fn a_status_that_was_not_written_makes_no_event_and_one_that_was_makes_one() {
    let mut scene = Scene::new();
    scene.run(30);
    scene.plan(
        StepKind::WritePolicyStatus,
        Fault::Lost(ApiError::Unavailable),
    );
    break_policy(&mut scene);
    scene.run(120);
    let whole = [(false, "Accepted"), (true, "PolicyInvalid")];
    assert_eq!(told(&scene, EventSubject::Policy, "base"), whole);
}

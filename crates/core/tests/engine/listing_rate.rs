//! How often prefixes are listed: for each resource, and for each namespace.

use presigned_core::api::{ListOptions, PolicyMethod};
use presigned_core::engine::ApiError;

use crate::common::specs;
use crate::common::world::{Fault, StepKind};
use crate::scene::{NS, Scene};

/// A namespace that may list and read its folder, with an object in two places of it.
fn folders() -> Scene {
    let mut scene = Scene::new();
    allow_lists(&mut scene, None);
    for name in ["in/a.bin", "out/b.bin"] {
        scene.0.cloud.put_object("data", &format!("team-a/{name}"));
    }
    scene
}

fn allow_lists(scene: &mut Scene, interval: Option<&str>) {
    let now = scene.0.now;
    let mut rule = specs::rule(&["data"], &["{namespace}/"], "12h");
    rule.methods.push(PolicyMethod::List);
    rule.min_refresh_interval = interval.map(str::to_owned);
    let policy = specs::policy(&[NS], vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
}

fn apply_prefix(scene: &mut Scene, name: &str, prefix: &str) {
    scene.apply(name, |spec| {
        spec.key = None;
        spec.prefix = Some(prefix.to_owned());
        spec.list = Some(Box::new(ListOptions::default()));
    });
}

fn listings(steps: &[StepKind]) -> usize {
    steps.iter().filter(|kind| **kind == StepKind::List).count()
}

#[test]
fn a_rotated_key_is_replaced_in_time_whatever_was_listed_before() {
    let mut scene = folders();
    allow_lists(&mut scene, Some("2h"));
    for prefix in ["team-a/in/", "team-a/out/", "team-a/in/"] {
        apply_prefix(&mut scene, "dl", prefix);
        scene.run(10);
    }
    let urls = |scene: &Scene| {
        scene
            .secret("dl")
            .unwrap()
            .text("urls.json")
            .unwrap()
            .to_owned()
    };
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    let (key, before) = (scene.rotate(), urls(&scene));
    assert!(!before.contains(&key));
    let steps = scene.steps(|scene| scene.run(360));
    assert!(urls(&scene).contains(&key), "{steps:?}");
    assert_eq!(listings(&steps), 1);
    // What cannot be signed then is listed no oftener than its policy allows.
    scene.rotate();
    for _ in 0..1000 {
        scene.plan(StepKind::UpdateSecret, Fault::Lost(ApiError::Unavailable));
    }
    let steps = scene.steps(|scene| scene.run(3600));
    assert!((1..=2).contains(&listings(&steps)), "{steps:?}");
}

#[test]
fn a_rotated_key_that_a_start_finds_is_listed_for_no_oftener_than_the_policy_allows() {
    let mut scene = folders();
    allow_lists(&mut scene, Some("2h"));
    apply_prefix(&mut scene, "dl", "team-a/in/");
    scene.run(10);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    scene.rotate();
    for _ in 0..1000 {
        scene.plan(StepKind::UpdateSecret, Fault::Lost(ApiError::Unavailable));
    }
    scene.restart();
    let steps = scene.steps(|scene| scene.run(3600));
    assert!((1..=4).contains(&listings(&steps)), "{steps:?}");
}

#[test]
fn a_spec_that_is_flipped_between_two_prefixes_lists_no_oftener_than_its_policy_allows() {
    let mut scene = folders();
    let steps = scene.steps(|scene| {
        for turn in 0..59 {
            let prefix = ["team-a/in/", "team-a/out/"][turn % 2];
            apply_prefix(scene, "dl", prefix);
            scene.run(10);
        }
    });
    assert_eq!(listings(&steps), 4, "three, and one after five minutes");
    let (ready, reason) = scene.ready("dl");
    assert_eq!((ready, &*reason), (false, "ListingQueued"));
    let message = scene.condition("dl", "Ready").message;
    for words in [
        "\"team-a/in/\"",
        "queued until 20",
        "3 listings",
        "every 5m (minRefreshInterval)",
    ] {
        assert!(message.contains(words), "{message}");
    }
    assert!(scene.secret("dl").is_some(), "what is issued stays");
    scene.run(300);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    let secret = scene.secret("dl").unwrap();
    assert!(secret.text("urls.json").unwrap().contains("in/a.bin"));
}

#[test]
fn a_renewal_that_is_requested_again_and_again_lists_no_oftener_either_and_says_when_it_comes() {
    let mut scene = folders();
    apply_prefix(&mut scene, "dl", "team-a/in/");
    scene.run(30);
    let steps = scene.steps(|scene| {
        for turn in 0..10 {
            let now = scene.0.now;
            let request = format!("turn {turn}");
            scene.0.cluster.annotate(NS, "dl", &request, now);
            scene.run(40);
        }
    });
    assert!(listings(&steps) <= 4, "{steps:?}");
    assert!(scene.ready("dl").0);
    assert_eq!(scene.condition("dl", "Renewed").reason, "ListingQueued");
    scene.run(300);
    assert_eq!(scene.condition("dl", "Renewed").reason, "UpToDate");
}

#[test]
fn who_deletes_and_creates_again_and_again_lists_as_often_as_a_namespace_may() {
    let mut scene = folders();
    let steps = scene.steps(|scene| {
        for turn in 0..300 {
            let now = scene.0.now;
            scene.0.cluster.delete_resource(NS, "dl", now);
            apply_prefix(scene, "dl", "team-a/in/");
            if turn % 5 == 0 {
                scene.run(1);
            }
            apply_prefix(scene, &format!("dl-{turn}"), "team-a/in/");
        }
        scene.run(1);
    });
    let most = 60 + 62;
    assert!(listings(&steps) <= most, "{} listings", listings(&steps));
    let queued = |name: &String| scene.ready(name).1 == "ListingQueued";
    let names: Vec<String> = (0..300).map(|turn| format!("dl-{turn}")).collect();
    let last = names.iter().rfind(|name| queued(name)).expect("some wait");
    let message = scene.condition(last, "Ready").message;
    for words in [
        "queued until 20",
        "namespace \"team-a\"",
        "60 times, and then once every 1s",
    ] {
        assert!(message.contains(words), "{message}");
    }
    scene.run(400);
    for name in &names {
        assert_eq!(scene.ready(name), (true, "Issued".to_owned()), "{name}");
    }
}

#[test]
fn a_policy_that_withdraws_objects_waits_for_no_rate() {
    let mut scene = folders();
    allow_lists(&mut scene, Some("24h"));
    scene.run(30);
    for turn in 0..6 {
        let prefix = ["team-a/in/", "team-a/"][turn % 2];
        apply_prefix(&mut scene, "dl", prefix);
        scene.run(10);
    }
    assert_eq!(scene.ready("dl").1, "ListingQueued");
    let now = scene.0.now;
    let mut lists = specs::rule(&["data"], &["{namespace}/"], "12h");
    lists.methods = vec![PolicyMethod::List];
    lists.min_refresh_interval = Some("24h".to_owned());
    let reads = specs::rule(&["data"], &["{namespace}/in/"], "12h");
    let policy = specs::policy(&[NS], vec![lists, reads]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    scene.run(30);
    let secret = scene.secret("dl").expect("something may be read");
    let urls = secret.text("urls.json").unwrap();
    assert!(
        urls.contains("in/a.bin") && !urls.contains("out/b.bin"),
        "{urls}"
    );
}

#[test]
fn an_interval_that_is_longer_than_the_life_of_urls_ends_none() {
    let mut scene = folders();
    allow_lists(&mut scene, Some("24h"));
    scene.apply("dl", |spec| spec.duration = Some("1h".to_owned()));
    apply_prefix(&mut scene, "dl", "team-a/in/");
    scene.run(30);
    for _ in 0..24 * 12 {
        scene.run(300);
        assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
        let expires = scene.status("dl").expiration_time.unwrap().as_second();
        assert!(
            expires - scene.0.now.as_second() > 1200,
            "it is renewed in time"
        );
    }
}

//! Many objects of one resource: named keys, and what a prefix lists.

use std::time::Duration;

use presigned_core::api::{ListOptions, PolicyMethod, Verify};
use presigned_core::engine::{ApiError, ListError, TransportError};

use crate::common::specs;
use crate::common::world::{Fault, StepKind};
use crate::scene::{HOME, NS, Scene};

/// A namespace that may list and read its folder, with three objects in it.
fn folder() -> Scene {
    folder_in(Scene::new())
}

fn folder_in(mut scene: Scene) -> Scene {
    allow_lists(&mut scene, &["{namespace}/"]);
    for name in ["a.bin", "b.bin", "deep/c.bin"] {
        scene
            .0
            .cloud
            .put_object("data", &format!("team-a/in/{name}"));
    }
    scene.0.cloud.put_object("data", "team-a/other.bin");
    scene
}

fn allow_lists(scene: &mut Scene, prefixes: &[&str]) {
    let now = scene.0.now;
    let mut rule = specs::rule(&["data"], prefixes, "12h");
    rule.methods.push(PolicyMethod::List);
    let policy = specs::policy(&[NS], vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
}

fn apply_prefix(scene: &mut Scene, edit: impl FnOnce(&mut ListOptions)) {
    let mut list = ListOptions::default();
    edit(&mut list);
    scene.apply("dl", |spec| {
        spec.key = None;
        spec.prefix = Some("team-a/in/".to_owned());
        spec.list = Some(Box::new(list));
    });
}

/// The keys and URLs of `urls.json`.
fn urls(scene: &Scene) -> Vec<(String, String)> {
    let secret = scene.secret("dl").expect("there is a Secret");
    let text = secret.text("urls.json").expect("it holds a list");
    let items: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    let field = |item: &serde_json::Value, name: &str| item[name].as_str().unwrap().to_owned();
    items
        .iter()
        .map(|item| (field(item, "key"), field(item, "url")))
        .collect()
}

fn keys(scene: &Scene) -> Vec<String> {
    urls(scene).into_iter().map(|(key, _)| key).collect()
}

#[test]
fn each_named_key_gets_a_url_that_works() {
    let mut scene = Scene::new();
    let steps = scene.steps(|scene| {
        scene.apply("dl", |spec| {
            spec.key = None;
            spec.keys = Some(vec!["team-a/b", "team-a/a"].into());
        });
        scene.run(30);
    });
    assert_eq!(
        steps,
        [
            StepKind::CreateSecret,
            StepKind::WriteStatus,
            StepKind::PublishEvent
        ]
    );
    assert_eq!(keys(&scene), ["team-a/b", "team-a/a"]);
    for (_, url) in urls(&scene) {
        assert!(scene.works(&url));
    }
    assert_eq!(scene.status("dl").objects, Some(2));
}

#[test]
fn one_key_that_is_not_allowed_refuses_the_resource() {
    let mut scene = Scene::new();
    scene.apply("dl", |spec| {
        spec.key = None;
        spec.keys = Some(vec!["team-a/b", "team-b/a"].into());
    });
    scene.run(30);
    assert_eq!(scene.ready("dl"), (false, "PolicyDenied".to_owned()));
    assert!(scene.condition("dl", "Ready").message.contains("team-b/a"));
    assert!(scene.secret("dl").is_none());
}

#[test]
fn a_prefix_gets_a_url_for_each_object_under_it() {
    let mut scene = folder();
    let steps = scene.steps(|scene| {
        apply_prefix(scene, |_| {});
        scene.run(30);
    });
    assert_eq!(
        steps,
        [
            StepKind::List,
            StepKind::CreateSecret,
            StepKind::WriteStatus,
            StepKind::PublishEvent
        ]
    );
    let wanted = ["team-a/in/a.bin", "team-a/in/b.bin", "team-a/in/deep/c.bin"];
    assert_eq!(keys(&scene), wanted);
    for (_, url) in urls(&scene) {
        assert!(scene.works(&url));
    }
    assert_eq!(scene.status("dl").objects, Some(3));
    assert_eq!(scene.status("dl").skipped_objects, Some(0));
}

#[test]
fn a_prefix_needs_list_in_the_policy() {
    let mut scene = folder();
    scene.allow("12h");
    apply_prefix(&mut scene, |_| {});
    scene.run(30);
    assert_eq!(scene.ready("dl"), (false, "PolicyDenied".to_owned()));
}

#[test]
fn a_listed_key_that_is_unsafe_is_left_out_and_counted() {
    let mut scene = folder();
    for key in ["team-a/in/../../team-b/x", "team-a/in//x", "team-a/in/${x}"] {
        scene.0.cloud.put_object("data", key);
    }
    apply_prefix(&mut scene, |_| {});
    scene.run(30);
    assert_eq!(keys(&scene).len(), 3);
    assert_eq!(scene.status("dl").skipped_objects, Some(3));
}

#[test]
fn a_new_object_appears_at_the_refresh_and_no_news_writes_nothing() {
    let mut scene = folder();
    apply_prefix(&mut scene, |list| {
        list.refresh_interval = Some("15m".to_owned());
    });
    scene.run(30);
    let writes = scene.writes(|scene| scene.run(3600));
    assert_eq!(writes, [], "the same objects need no write");
    scene.0.cloud.put_object("data", "team-a/in/new.bin");
    let steps = scene.steps(|scene| scene.run(16 * 60));
    assert_eq!(
        steps,
        [
            StepKind::List,
            StepKind::UpdateSecret,
            StepKind::WriteStatus
        ]
    );
    assert_eq!(keys(&scene).len(), 4);
}

#[test]
fn a_prefix_without_objects_says_so_and_is_listed_again() {
    let mut scene = folder();
    for key in ["a.bin", "b.bin", "deep/c.bin"] {
        scene
            .0
            .cloud
            .delete_object("data", &format!("team-a/in/{key}"));
    }
    apply_prefix(&mut scene, |_| {});
    scene.run(30);
    assert_eq!(scene.ready("dl"), (false, "TooFewObjects".to_owned()));
    scene.0.cloud.put_object("data", "team-a/in/a.bin");
    scene.run(600);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn too_many_objects_are_refused_not_cut_off() {
    let mut scene = folder();
    apply_prefix(&mut scene, |list| list.max_objects = Some(2));
    scene.run(30);
    assert_eq!(scene.ready("dl"), (false, "TooManyObjects".to_owned()));
    assert!(scene.secret("dl").is_none());
}

#[test]
fn a_listing_that_fails_takes_no_living_url_away() {
    let mut scene = folder();
    apply_prefix(&mut scene, |_| {});
    scene.run(30);
    let old = urls(&scene);
    scene.0.cloud.listings_fail = Some(ListError::TransportError(TransportError::Timeout(
        Duration::from_secs(5),
    )));
    let wait = scene.until_renewal("dl");
    scene.run(wait + 600);
    assert!(scene.ready("dl").0, "it lives");
    assert_eq!(scene.condition("dl", "Renewed").status, false.into());
    assert_eq!(urls(&scene), old);
    scene.0.cloud.listings_fail = None;
    scene.run(600);
    assert_eq!(scene.condition("dl", "Renewed").status, true.into());
    assert_ne!(urls(&scene), old);
}

#[test]
fn a_narrower_policy_applies_to_keys_that_were_listed_before() {
    let mut scene = folder();
    apply_prefix(&mut scene, |_| {});
    scene.run(30);
    let now = scene.0.now;
    // Listing stays allowed, reading goes down to one folder.
    let mut lists = specs::rule(&["data"], &["{namespace}/"], "12h");
    lists.methods = vec![PolicyMethod::List, PolicyMethod::Get];
    lists.prefixes = vec!["{namespace}/in/".to_owned()];
    lists.max_objects = Some(2);
    let policy = specs::policy(&[NS], vec![lists]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    scene.run(60);
    assert_eq!(
        scene.condition("dl", "Renewed").reason,
        "TooManyObjects",
        "the narrowed policy is held against the listing at once"
    );
}

#[test]
fn what_a_listing_found_is_written_though_the_first_writes_fail() {
    let mut scene = folder();
    apply_prefix(&mut scene, |_| {});
    scene.run(30);
    scene.0.cloud.delete_object("data", "team-a/in/b.bin");
    // Nothing but an edit of the rules lists it again before its renewal.
    let now = scene.0.now;
    let mut rule = specs::rule(&["data"], &["{namespace}/"], "13h");
    rule.methods.push(PolicyMethod::List);
    let policy = specs::policy(&[NS], vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    for _ in 0..6 {
        scene.plan(StepKind::UpdateSecret, Fault::Lost(ApiError::Unavailable));
    }
    scene.run(900);
    assert_eq!(keys(&scene).len(), 2);
    assert_eq!(scene.condition("dl", "Renewed").status, true.into());
}

#[test]
fn a_refresh_that_keeps_failing_is_told_until_it_works() {
    let mut scene = folder();
    apply_prefix(&mut scene, |list| {
        list.refresh_interval = Some("15m".to_owned());
    });
    scene.run(30);
    scene.0.cloud.listings_fail = Some(ListError::TransportError(TransportError::Host));
    scene.run(15 * 60);
    let steps = scene.steps(|scene| {
        for _ in 0..360 {
            scene.run(10);
            let renewed = scene.condition("dl", "Renewed");
            assert_eq!(renewed.reason, "HostNotFound", "at {}", scene.0.now);
        }
    });
    assert!(!steps.contains(&StepKind::PublishEvent), "{steps:?}");
    scene.0.cloud.listings_fail = None;
    scene.run(600);
    assert_eq!(scene.condition("dl", "Renewed").status, true.into());
}

#[test]
fn a_write_whose_answer_was_lost_is_done_again_by_an_operator_that_may_not_read_secrets() {
    let mut scene = folder_in(Scene::blind());
    apply_prefix(&mut scene, |list| {
        list.refresh_interval = Some("15m".to_owned());
    });
    scene.run(30);
    scene.0.cloud.put_object("data", "team-a/in/new.bin");
    scene.plan(StepKind::UpdateSecret, Fault::Landed(ApiError::Timeout));
    while keys(&scene).len() == 3 {
        scene.run(1);
    }
    scene.0.cloud.delete_object("data", "team-a/in/new.bin");
    assert!(scene.ready("dl").0, "either content works");
    scene.run(60);
    assert_eq!(keys(&scene).len(), 3, "the status tells of three objects");
    assert_eq!(scene.condition("dl", "Renewed").status, true.into());
}

#[test]
fn a_listing_that_meets_what_the_verification_met_does_not_say_it_again() {
    let mut scene = folder();
    apply_prefix(&mut scene, |_| {});
    scene.apply("dl", |spec| spec.verify = Some(Verify::Require));
    scene.run(30);
    scene.slow(StepKind::List, 5);
    let wait = scene.until_renewal("dl");
    scene.run(wait + 2);
    scene.0.cloud.server(HOME).ahead = -1000;
    scene.run(20);
    assert_eq!(scene.condition("dl", "Verified").reason, "ClockSkewed");
    // The listing is what shows the store's clock after the start.
    scene.plan(StepKind::SendRequests, Fault::Lost(ApiError::Unavailable));
    scene.restart();
    scene.run(4);
    let renewed = scene.condition("dl", "Renewed");
    assert_eq!(renewed.reason, "ClockSkewed");
    assert!(renewed.message.ends_with("the condition Ready says why"));
}

#[test]
fn a_restart_lists_the_prefix_and_writes_nothing() {
    let mut scene = folder();
    apply_prefix(&mut scene, |_| {});
    scene.run(30);
    let writes = scene.writes(|scene| {
        scene.restart();
        scene.run(3600);
    });
    assert_eq!(writes, []);
}

#[test]
fn many_objects_are_signed_by_a_step_of_their_own() {
    let mut scene = folder();
    for at in 0..500 {
        scene.0.cloud.put_object("data", &format!("team-a/in/{at}"));
    }
    let steps = scene.steps(|scene| {
        apply_prefix(scene, |_| {});
        scene.run(30);
    });
    assert_eq!(
        steps,
        [
            StepKind::List,
            StepKind::Sign,
            StepKind::CreateSecret,
            StepKind::WriteStatus,
            StepKind::PublishEvent
        ]
    );
    assert_eq!(scene.status("dl").objects, Some(503));
}

#[test]
fn what_does_not_fit_in_a_secret_is_refused_with_how_many_would() {
    let mut scene = folder();
    allow_lists(&mut scene, &["{namespace}/"]);
    for at in 0..900 {
        let key = format!("team-a/in/{at:0900}");
        scene.0.cloud.put_object("data", &key);
    }
    apply_prefix(&mut scene, |_| {});
    scene.run(60);
    assert_eq!(scene.ready("dl"), (false, "SecretTooLarge".to_owned()));
    let message = scene.condition("dl", "Ready").message;
    assert!(message.contains("903"), "{message}");
}

#[test]
fn a_longer_life_of_another_rule_is_not_signed_for_what_is_listed() {
    let mut scene = folder();
    let now = scene.0.now;
    let mut lists = specs::rule(&["data"], &["{namespace}/"], "1h");
    lists.methods.push(PolicyMethod::List);
    let reads = specs::rule(&["data"], &["{namespace}/"], "24h");
    let policy = specs::policy(&[NS], vec![lists, reads]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    let steps = scene.steps(|scene| {
        apply_prefix(scene, |_| {});
        scene.run(300);
    });
    assert_eq!(
        steps,
        [
            StepKind::List,
            StepKind::CreateSecret,
            StepKind::WriteStatus,
            StepKind::PublishEvent
        ]
    );
    let status = scene.status("dl");
    let life = status.expiration_time.unwrap().as_second() - status.issue_time.unwrap().as_second();
    assert_eq!(life, 3600);
}

#[test]
fn a_listing_that_was_made_for_another_spec_signs_nothing() {
    let mut scene = folder();
    scene.0.cloud.put_object("data", "team-a/out/x.bin");
    apply_prefix(&mut scene, |_| {});
    scene.slow(StepKind::List, 20);
    scene.run(10);
    scene.apply("dl", |spec| spec.prefix = Some("team-a/out/".to_owned()));
    scene.run(60);
    assert_eq!(keys(&scene), ["team-a/out/x.bin"]);
}

#[test]
fn a_key_that_a_file_cannot_hold_ends_no_listing() {
    let mut scene = folder();
    scene.0.cloud.put_object("data", "team-a/in/deep");
    apply_prefix(&mut scene, |_| {});
    scene.apply("dl", |spec| {
        spec.formats = Some(vec![presigned_core::api::Format::CurlConf]);
    });
    scene.run(60);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    assert_eq!(keys(&scene).len(), 3, "a file cannot be a folder as well");
    assert_eq!(scene.status("dl").skipped_objects, Some(1));
}

#[test]
fn an_expired_url_does_not_stay_ready_while_its_store_is_asked() {
    let mut scene = folder();
    for at in 0..30 {
        scene.apply(&format!("dl-{at}"), |spec| {
            spec.key = None;
            spec.prefix = Some("team-a/in/".to_owned());
        });
    }
    scene.run(60);
    // The operator is away until every URL has died, and then each listing takes a minute.
    scene.0.crash(13 * 3600);
    for _ in 0..30 {
        scene.slow(StepKind::List, 60);
    }
    scene.run(13 * 3600 + 30);
    for at in 0..30 {
        let name = format!("dl-{at}");
        let alive = scene.secret(&name).is_some_and(|secret| {
            let text = secret.text("expires-at").unwrap_or_default();
            text.parse::<jiff::Timestamp>().unwrap() > scene.0.now
        });
        assert!(alive || !scene.ready(&name).0, "{name} is dead and Ready");
        assert!(alive || scene.secret(&name).is_none(), "{name} is dead");
    }
}

#[test]
fn a_shorter_policy_applies_to_a_url_that_was_signed_a_moment_ago() {
    let mut scene = folder();
    for at in 0..500 {
        scene.0.cloud.put_object("data", &format!("team-a/in/{at}"));
    }
    apply_prefix(&mut scene, |_| {});
    scene.slow(StepKind::Sign, 20);
    scene.run(10);
    let now = scene.0.now;
    let mut rule = specs::rule(&["data"], &["{namespace}/"], "1h");
    rule.methods.push(PolicyMethod::List);
    let policy = specs::policy(&[NS], vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    scene.run(60);
    let revision = scene.status("dl").revision;
    assert_eq!(revision, Some(1), "the longer life was never published");
}

#[test]
fn a_first_issue_that_stands_in_line_for_long_says_so() {
    let mut scene = folder();
    for _ in 0..30 {
        scene.slow(StepKind::List, 60);
    }
    for at in 0..9 {
        scene.apply(&format!("dl-{at}"), |spec| {
            spec.key = None;
            spec.prefix = Some("team-a/in/".to_owned());
        });
    }
    scene.run(30);
    let waits = |at: &i32| {
        let conditions = &scene.status(&format!("dl-{at}")).conditions;
        let ready = conditions.iter().find(|c| c.type_ == "Ready");
        ready.is_some_and(|ready| ready.reason == "Progressing")
    };
    assert_eq!((0..9).filter(waits).count(), 5, "four are being listed");
    scene.run(600);
    for at in 0..9 {
        assert!(scene.ready(&format!("dl-{at}")).0);
    }
}

//! Policies that cannot be read: what they hold up, and what they do not.

use std::collections::BTreeMap;

use presigned_core::api::{
    ListOptions, Method, PolicyMethod, PresignedUrlSpec, Renew, SecretTemplate,
};
use serde_json::{Value, json};

use crate::common::specs;
use crate::common::world::StepKind;
use crate::scene::{NS, Scene};

/// A policy that cannot be read, for these namespaces.
fn break_policy(scene: &mut Scene, name: &str, namespaces: &Value) {
    let now = scene.0.now;
    scene.0.cluster.put_unreadable_policy(name, namespaces, now);
}

fn delete_policy(scene: &mut Scene, name: &str) {
    let now = scene.0.now;
    scene.0.cluster.delete_policy(name, now);
}

/// A policy with one rule, which allows nothing that `dl` asks for.
fn allow_elsewhere(scene: &mut Scene, name: &str, namespaces: &[&str]) {
    let now = scene.0.now;
    let rule = specs::rule(&["data"], &["else/"], "12h");
    let spec = specs::policy(namespaces, vec![rule]);
    scene.0.cluster.put_policy(name, Ok(spec), now);
}

/// No policy that can be read, and two that cannot; `dl` was applied.
fn beside_two_broken_policies() -> Scene {
    let mut scene = Scene::new();
    delete_policy(&mut scene, "base");
    break_policy(&mut scene, "xx", &json!({ "names": ["*"] }));
    break_policy(&mut scene, "yy", &json!({ "names": ["*"] }));
    scene.apply("dl", |_| {});
    scene.run(30);
    scene
}

/// A resource that the policy `base` allowed, while a policy of the team cannot be read.
fn beside_a_broken_policy() -> Scene {
    let mut scene = Scene::issued("dl");
    break_policy(&mut scene, "broken", &json!({ "names": [NS] }));
    scene.run(30);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    scene
}

#[track_caller]
fn is_kept(scene: &mut Scene) {
    scene.run(30);
    assert_eq!(scene.condition("dl", "Allowed").reason, "PolicyUnknown");
    assert_eq!(scene.status("dl").policy_refs, ["base"]);
    scene.run(3600);
    assert!(scene.secret("dl").is_some(), "base allows it");
    let mut told = scene.0.events.iter().map(|event| event.reason.as_str());
    assert!(told.all(|reason| reason != "PolicyDenied"));
}

#[track_caller]
fn goes_after_the_grace(scene: &mut Scene) {
    scene.run(30);
    assert_eq!(scene.condition("dl", "Allowed").reason, "PolicyDenied");
    assert!(scene.secret("dl").is_some(), "the grace");
    scene.run(600);
    assert!(scene.secret("dl").is_none());
}

#[test]
fn an_edit_to_what_an_unreadable_policy_may_allow_removes_nothing_that_another_allows() {
    let edits: [fn(&mut PresignedUrlSpec); 4] = [
        |spec| spec.bucket = "other".to_owned(),
        |spec| spec.key = Some("team-b/file.bin".to_owned()),
        |spec| spec.method = Some(Method::Delete),
        |spec| spec.duration = Some("13h".to_owned()),
    ];
    for edit in edits {
        let mut scene = beside_a_broken_policy();
        let now = scene.0.now;
        let mut rule = specs::rule(&["data"], &["{namespace}/"], "12h");
        rule.methods = vec![PolicyMethod::Put, PolicyMethod::Get];
        let policy = specs::policy(&[NS], vec![rule]);
        scene.0.cluster.put_policy("base", Ok(policy), now);
        scene.apply("dl", edit);
        is_kept(&mut scene);
    }
}

#[test]
fn an_edit_of_what_no_hash_shows_removes_nothing_either() {
    let mut scene = Scene::new();
    let now = scene.0.now;
    let mut rule = specs::rule(&["data"], &["{namespace}/"], "12h");
    rule.methods.push(PolicyMethod::List);
    rule.template_keys = vec!["team".to_owned()];
    rule.max_objects = Some(2);
    let policy = specs::policy(&[NS], vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    scene.0.cloud.put_object("data", "team-a/in/a.bin");
    scene.apply("dl", |spec| {
        spec.key = None;
        spec.prefix = Some("team-a/in/".to_owned());
    });
    scene.run(30);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    break_policy(&mut scene, "broken", &json!({ "names": [NS] }));
    let more = |edit: fn(&mut ListOptions)| {
        move |spec: &mut PresignedUrlSpec| {
            let mut list = ListOptions::default();
            edit(&mut list);
            spec.list = Some(Box::new(list));
        }
    };
    scene.apply("dl", more(|list| list.max_objects = Some(9)));
    is_kept(&mut scene);
    scene.apply(
        "dl",
        more(|list| list.refresh_interval = Some("1m".to_owned())),
    );
    is_kept(&mut scene);
    scene.apply("dl", |spec| {
        spec.list = None;
        spec.secret_template = Some(Box::new(SecretTemplate {
            labels: Some(BTreeMap::from([("replicate".to_owned(), "yes".to_owned())])),
            ..SecretTemplate::default()
        }));
    });
    is_kept(&mut scene);
    delete_policy(&mut scene, "base");
    goes_after_the_grace(&mut scene);
}

#[test]
fn an_edit_keeps_nothing_that_the_end_of_another_policy_refused() {
    // The edit comes before the end, within its grace, or the policy stays and allows the namespace nothing.
    for (first, how) in [(true, 0), (false, 0), (true, 1), (true, 2), (true, 3)] {
        let mut scene = beside_a_broken_policy();
        let end = |scene: &mut Scene| {
            let now = scene.0.now;
            let mut rule = specs::rule(&["data"], &["{namespace}/"], "12h");
            let policy = match how {
                1 => specs::policy(&[NS], vec![]),
                2 => specs::policy(&["team-b"], vec![rule]),
                3 => {
                    rule.methods = vec![PolicyMethod::Put];
                    specs::policy(&[NS], vec![rule])
                }
                _ => return delete_policy(scene, "base"),
            };
            scene.0.cluster.put_policy("base", Ok(policy), now);
        };
        if first {
            scene.apply("dl", |spec| spec.bucket = "other".to_owned());
            scene.run(5);
            end(&mut scene);
        } else {
            end(&mut scene);
            scene.run(5);
            scene.apply("dl", |spec| spec.bucket = "other".to_owned());
        }
        goes_after_the_grace(&mut scene);
        assert_eq!(scene.condition("dl", "Allowed").reason, "PolicyUnknown");
    }
}

#[test]
fn an_upload_that_was_made_conditional_goes_with_the_policy_that_allowed_it() {
    let mut scene = Scene::new();
    let now = scene.0.now;
    let mut rule = specs::rule(&["data"], &["{namespace}/"], "12h");
    rule.create_only = Some(true);
    let policy = specs::policy(&[NS], vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    scene.edit_store(|store| {
        store.s3.unsigned_headers = Some(presigned_core::api::UnsignedHeaders::Accept);
    });
    scene.apply("dl", |spec| spec.method = Some(Method::Put));
    scene.run(30);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    break_policy(&mut scene, "broken", &json!({ "names": [NS] }));
    let now = scene.0.now;
    let mut rule = specs::rule(&["data"], &["{namespace}/else/"], "12h");
    rule.create_only = Some(true);
    let policy = specs::policy(&[NS], vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    goes_after_the_grace(&mut scene);
}

/// What the status of `dl` says, in all of its conditions.
fn words(scene: &Scene) -> String {
    let conditions = &scene.status("dl").conditions;
    let messages: Vec<&str> = conditions.iter().map(|c| c.message.as_str()).collect();
    messages.join("\n")
}

#[test]
fn a_policy_that_stops_concerning_a_namespace_is_named_there_no_more() {
    let mut scene = beside_two_broken_policies();
    assert!(words(&scene).contains("policies \"xx\" and \"yy\" cannot be read"));
    let steps = scene.steps(|scene| {
        break_policy(scene, "xx", &json!({ "names": ["team-b"] }));
        scene.run(60);
    });
    assert_eq!(steps, [StepKind::WriteStatus], "no Event tells of words");
    assert_eq!(scene.ready("dl"), (false, "PolicyUnknown".to_owned()));
    assert!(!words(&scene).contains("xx"), "{}", words(&scene));
    // The same while something is issued, when another condition says it, and after a denial.
    let mut scene = Scene::issued("dl");
    break_policy(&mut scene, "base", &json!({ "names": ["*"] }));
    break_policy(&mut scene, "yy", &json!({ "names": ["*"] }));
    scene.run(30);
    assert!(scene.ready("dl").0);
    assert!(
        words(&scene).contains("policies \"base\""),
        "{}",
        words(&scene)
    );
    break_policy(&mut scene, "base", &json!({ "names": ["team-b"] }));
    scene.run(30);
    assert!(!words(&scene).contains("base"), "{}", words(&scene));
    let mut scene = Scene::new();
    allow_elsewhere(&mut scene, "base", &[NS]);
    allow_elsewhere(&mut scene, "xx", &["team-*"]);
    scene.apply("dl", |_| {});
    scene.run(30);
    assert!(words(&scene).contains("policy \"xx\""), "{}", words(&scene));
    allow_elsewhere(&mut scene, "xx", &["team-b"]);
    scene.run(30);
    assert!(!words(&scene).contains("xx"), "{}", words(&scene));
}

#[test]
fn a_policy_that_can_be_read_again_is_told_so_though_another_cannot() {
    let mut scene = beside_two_broken_policies();
    allow_elsewhere(&mut scene, "xx", &["*"]);
    let steps = scene.steps(|scene| scene.run(60));
    assert_eq!(steps, [StepKind::WriteStatus]);
    assert!(
        words(&scene).contains(": policy \"yy\" cannot be read"),
        "{}",
        words(&scene)
    );
    assert_eq!(scene.steps(|scene| scene.run(3600)), []);
}

/// The policies that the status records as named: those that cannot be read, and those of the closest rules.
fn named(scene: &Scene) -> Option<(Vec<String>, Vec<String>)> {
    let named = scene.status("dl").internal.named_policies.clone()?;
    Some((named.unreadable, named.closest))
}

#[test]
fn the_status_records_the_policies_that_it_names_as_long_as_it_names_them() {
    let mut scene = Scene::new();
    let now = scene.0.now;
    let rule = specs::rule(&["data"], &["else/"], "12h");
    let spec = specs::policy(&[NS], vec![rule]);
    scene.0.cluster.put_policy("base", Ok(spec), now);
    break_policy(&mut scene, "xx", &json!({ "names": [NS] }));
    scene.apply("dl", |spec| spec.renew = Some(Renew::Never));
    scene.run(30);
    let (base, xx) = (vec!["base".to_owned()], vec!["xx".to_owned()]);
    assert_eq!(named(&scene), Some((xx, base.clone())));
    delete_policy(&mut scene, "xx");
    scene.run(30);
    assert_eq!(named(&scene), Some((vec![], base.clone())));
    scene.allow("12h");
    scene.run(30);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    assert_eq!(named(&scene), None);
    let now = scene.0.now;
    let rule = specs::rule(&["data"], &["else/"], "12h");
    let spec = specs::policy(&[NS], vec![rule]);
    scene.0.cluster.put_policy("base", Ok(spec), now);
    scene.run(30);
    assert_eq!(named(&scene), Some((vec![], base)));
    // The end of a link is all that is told of it then.
    scene.run(86_400);
    assert_eq!(scene.ready("dl"), (false, "Expired".to_owned()));
    assert_eq!(named(&scene), None);
}

#[test]
fn a_status_without_the_names_is_not_written_for_them() {
    for broken in [false, true] {
        let mut scene = Scene::new();
        let now = scene.0.now;
        let rule = specs::rule(&["data"], &["else/"], "12h");
        let spec = specs::policy(&[NS], vec![rule]);
        scene.0.cluster.put_policy("base", Ok(spec), now);
        if broken {
            break_policy(&mut scene, "xx", &json!({ "names": [NS] }));
        }
        scene.apply("dl", |_| {});
        scene.run(30);
        assert!(named(&scene).is_some());
        // An older release wrote it.
        scene.restart();
        let seen = scene.0.cluster.resources.get_mut(&Scene::place("dl"));
        seen.expect("it is there").status.internal.named_policies = None;
        assert_eq!(scene.writes(|scene| scene.run(3600)), []);
        assert_eq!(named(&scene), None);
    }
}

#[test]
fn what_is_not_replaced_yet_belongs_to_the_policy_that_allowed_it() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    let rule = specs::rule(&["other"], &["{namespace}/"], "12h");
    let policy = specs::policy(&[NS], vec![rule]);
    scene.0.cluster.put_policy("other", Ok(policy), now);
    // The policies allow the edit, and nothing is issued for it.
    scene.apply("dl", |spec| {
        spec.bucket = "other".to_owned();
        spec.suspend = Some(true);
    });
    scene.run(30);
    let message = scene.condition("dl", "Allowed").message;
    assert_eq!(message, "policy \"other\" allows it");
    assert_eq!(scene.status("dl").policy_refs, ["base"]);
    delete_policy(&mut scene, "other");
    break_policy(&mut scene, "broken", &json!({ "names": [NS] }));
    is_kept(&mut scene);
    // What is issued is requested again, and its policy cannot be read.
    break_policy(&mut scene, "base", &json!({ "names": [NS] }));
    scene.apply("dl", |spec| spec.bucket = "data".to_owned());
    is_kept(&mut scene);
}

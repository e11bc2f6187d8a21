//! Whatever one namespace creates, others are served.

use presigned_core::api::{ListOptions, PolicyMethod};
use presigned_core::engine::Settings;

use crate::common::specs;
use crate::common::world::StepKind;
use crate::scene::{NS, Scene};

#[test]
fn a_first_issue_does_not_wait_for_all_that_another_namespace_created_before() {
    let mut scene = Scene::with(Settings {
        concurrency: 4,
        ..Settings::default()
    });
    let now = scene.0.now;
    scene
        .0
        .cluster
        .put_namespace("team-b", &[("team", "b")], now);
    let rule = specs::rule(&["data"], &["{namespace}/"], "12h");
    let policy = specs::policy(&[NS, "team-b"], vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    scene.run(30);
    for kind in [StepKind::CreateSecret, StepKind::WriteStatus] {
        scene.0.faults.slow.insert(kind, 1);
    }
    for at in 0..200 {
        scene.apply(&format!("dl-{at}"), |_| {});
    }
    let spec = specs::get("data", "team-b/file.bin");
    let now = scene.0.now;
    scene
        .0
        .cluster
        .put_resource("team-b", "other", Ok(spec), now);
    scene.run(10);
    let place = ("team-b".to_owned(), "other".to_owned());
    assert!(scene.0.cluster.secrets.contains_key(&place), "it waits");
    let issued = scene.0.cluster.secrets.len();
    assert!(issued < 100, "{issued}: the other namespace is under way");
    scene.run(200);
    assert!(scene.ready("dl-199").0, "and it is served too");
}

#[test]
fn slow_listings_of_two_namespaces_make_a_third_wait_for_a_slot_and_not_for_all_of_them() {
    let mut scene = Scene::new();
    let now = scene.0.now;
    let namespaces = [NS, "team-b", "team-c"];
    for namespace in &namespaces[1..] {
        scene.0.cluster.put_namespace(namespace, &[], now);
    }
    let mut rule = specs::rule(&["data"], &["{namespace}/"], "12h");
    rule.methods.push(PolicyMethod::List);
    let policy = specs::policy(&namespaces, vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    scene.apply("first", |_| {});
    scene.run(30);
    scene.0.faults.slow.insert(StepKind::List, 5);
    let list = |scene: &mut Scene, namespace: &str, name: &str| {
        let key = format!("{namespace}/file.bin");
        scene.0.cloud.put_object("data", &key);
        let mut spec = specs::get("data", "");
        spec.key = None;
        spec.prefix = Some(format!("{namespace}/"));
        spec.list = Some(Box::new(ListOptions::default()));
        let now = scene.0.now;
        scene.0.cluster.put_resource(namespace, name, Ok(spec), now);
    };
    for at in 0..12 {
        for namespace in &namespaces[..2] {
            list(&mut scene, namespace, &format!("dl-{at}"));
        }
    }
    scene.run(1);
    list(&mut scene, "team-c", "other");
    scene.run(12);
    let place = ("team-c".to_owned(), "other".to_owned());
    assert!(scene.0.cluster.secrets.contains_key(&place), "it waits");
    let issued = scene.0.cluster.secrets.len();
    assert!(issued < 20, "{issued}: the others are under way");
    scene.run(60);
    assert_eq!(scene.0.cluster.secrets.len(), 26);
}

#[test]
fn first_issues_of_many_namespaces_do_not_stand_before_a_renewal_that_is_near_its_end() {
    let mut scene = Scene::with(Settings {
        concurrency: 1,
        ..Settings::default()
    });
    let now = scene.0.now;
    let others: Vec<String> = (0..20).map(|at| format!("team-{at}")).collect();
    for namespace in &others {
        scene.0.cluster.put_namespace(namespace, &[], now);
    }
    let names: Vec<&str> = others.iter().map(String::as_str).chain([NS]).collect();
    let rule = specs::rule(&["data"], &["{namespace}/"], "12h");
    let policy = specs::policy(&names, vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    scene.apply("dl", |spec| spec.duration = Some("1h".to_owned()));
    scene.run(30);
    let url = scene.url("dl");
    let expires = scene.status("dl").expiration_time.unwrap().as_second();
    // The operator is away until a minute before the end, and finds twenty tenants that wait.
    let away = expires - 60 - scene.0.now.as_second();
    scene.0.crash(away);
    for namespace in &others {
        let now = scene.0.now;
        let spec = specs::get("data", &format!("{namespace}/file.bin"));
        scene
            .0
            .cluster
            .put_resource(namespace, "first", Ok(spec), now);
    }
    for kind in [StepKind::CreateSecret, StepKind::WriteStatus] {
        scene.0.faults.slow.insert(kind, 5);
    }
    scene.run(away + 40);
    assert_ne!(scene.url("dl"), url, "it is renewed before the others");
    assert!(scene.0.cluster.secrets.len() < 20, "others still wait");
    scene.run(400);
    assert_eq!(scene.0.cluster.secrets.len(), 21);
}

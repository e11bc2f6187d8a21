//! Whatever one namespace creates, others are served.

use presigned_core::api::{ListOptions, PolicyMethod, PresignedUrlSpec, Verify};
use presigned_core::engine::{ApiError, Settings};

use crate::common::specs;
use crate::common::world::{Fault, StepKind};
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

/// A prefix of a namespace.
fn prefix(namespace: &str) -> PresignedUrlSpec {
    let mut spec = specs::get("data", "");
    spec.key = None;
    spec.prefix = Some(format!("{namespace}/"));
    spec.list = Some(Box::new(ListOptions::default()));
    spec
}

/// An object of a namespace.
fn object(namespace: &str) -> PresignedUrlSpec {
    specs::get("data", &format!("{namespace}/file.bin"))
}

/// So many objects of a namespace that signing them takes a step and room in memory.
fn large(namespace: &str) -> PresignedUrlSpec {
    let mut spec = specs::get("data", "");
    spec.key = None;
    let long = "x".repeat(800);
    let keys = (0..200).map(|at| format!("{namespace}/{at:03}-{long}"));
    spec.keys = Some(keys.collect());
    spec
}

/// Besides [`NS`] these namespaces may read and list what is theirs.
fn with_others(settings: Settings, others: &[String]) -> Scene {
    let mut scene = Scene::with(settings);
    let now = scene.0.now;
    for namespace in others {
        scene.0.cluster.put_namespace(namespace, &[], now);
    }
    let names: Vec<&str> = others.iter().map(String::as_str).chain([NS]).collect();
    for namespace in &names {
        let key = format!("{namespace}/file.bin");
        scene.0.cloud.put_object("data", &key);
    }
    let mut rule = specs::rule(&["data"], &["{namespace}/"], "12h");
    rule.methods.push(PolicyMethod::List);
    let policy = specs::policy(&names, vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    scene
}

/// A URL that is issued, and an operator that is away until so many seconds before its end.
fn issued_and_away_until(scene: &mut Scene, left: i64, life: &str, mut spec: PresignedUrlSpec) {
    spec.duration = Some(life.to_owned());
    scene.apply("dl", |applied| *applied = spec);
    scene.run(30);
    let expires = scene.status("dl").expiration_time.unwrap().as_second();
    let away = expires - left - scene.0.now.as_second();
    scene.0.crash(away);
    scene.0.now = crate::common::at(expires - left);
}

/// Two tenants that create without end: some of what they want waits at every moment.
struct Flood {
    namespaces: Vec<String>,
    spec: fn(&str) -> PresignedUrlSpec,
    made: usize,
}

impl Flood {
    fn of(spec: fn(&str) -> PresignedUrlSpec) -> Self {
        Self {
            namespaces: vec!["team-x".to_owned(), "team-y".to_owned()],
            spec,
            made: 0,
        }
    }

    /// Lets a second pass.
    fn second(&mut self, scene: &mut Scene) {
        for namespace in &self.namespaces {
            let cluster = &mut scene.0.cluster;
            let of_it = |(place, _): &(&String, &String)| *place == namespace;
            let made = cluster.resources.keys().map(|(ns, name)| (ns, name));
            let made = made.filter(of_it).count();
            let issued = cluster.secrets.keys().map(|(ns, name)| (ns, name));
            let issued = issued.filter(of_it).count();
            for _ in made..issued + 6 {
                self.made += 1;
                let name = format!("first-{:05}", self.made);
                let spec = (self.spec)(namespace);
                cluster.put_resource(namespace, &name, Ok(spec), scene.0.now);
            }
        }
        scene.run(1);
    }

    /// Lets time pass until the URL of `dl` is another, and returns how many seconds of its life were left;
    /// none if it died.
    fn until_renewed(&mut self, scene: &mut Scene) -> Option<i64> {
        let before = scene.status("dl").expiration_time;
        let end = before.unwrap().as_second();
        while scene.0.now.as_second() < end {
            self.second(scene);
            let expires = scene.status("dl").expiration_time;
            if expires != before {
                return expires.map(|_| end - scene.0.now.as_second());
            }
        }
        None
    }
}

#[test]
fn what_two_namespaces_list_without_end_does_not_end_a_url_of_a_third_that_waits_for_a_slot() {
    let mut flood = Flood::of(prefix);
    let mut scene = with_others(Settings::default(), &flood.namespaces);
    issued_and_away_until(&mut scene, 960, "1h", prefix(NS));
    scene.0.faults.slow.insert(StepKind::List, 5);
    let left = flood.until_renewed(&mut scene);
    assert!(left.is_some_and(|left| left > 800), "{left:?} s are left");
    let issued = scene.0.cluster.secrets.len();
    assert!(issued > 10, "{issued}: the others are served meanwhile");
}

#[test]
fn a_short_life_is_renewed_in_time_though_a_slot_and_a_listing_take_most_of_a_minute_each() {
    let mut flood = Flood::of(prefix);
    let mut scene = with_others(Settings::default(), &flood.namespaces);
    issued_and_away_until(&mut scene, 160, "5m", prefix(NS));
    scene.0.faults.slow.insert(StepKind::List, 55);
    let left = flood.until_renewed(&mut scene);
    assert!(left.is_some_and(|left| left > 30), "{left:?} s are left");
}

#[test]
fn what_two_namespaces_create_without_end_does_not_end_a_url_of_a_third_that_waits_for_a_step() {
    let mut flood = Flood::of(object);
    let settings = Settings {
        concurrency: 2,
        ..Settings::default()
    };
    let mut scene = with_others(settings, &flood.namespaces);
    issued_and_away_until(&mut scene, 960, "1h", object(NS));
    for kind in [
        StepKind::CreateSecret,
        StepKind::UpdateSecret,
        StepKind::WriteStatus,
    ] {
        scene.0.faults.slow.insert(kind, 5);
    }
    let left = flood.until_renewed(&mut scene);
    assert!(left.is_some_and(|left| left > 800), "{left:?} s are left");
    let issued = scene.0.cluster.secrets.len();
    assert!(issued > 10, "{issued}: the others are served meanwhile");
}

#[test]
fn what_two_namespaces_sign_without_end_does_not_end_a_url_of_a_third_that_waits_for_room() {
    let mut flood = Flood::of(large);
    let settings = Settings {
        namespace_share: usize::MAX,
        ..Settings::default()
    };
    let mut scene = with_others(settings, &flood.namespaces);
    issued_and_away_until(&mut scene, 920, "1h", large(NS));
    scene.0.faults.slow.insert(StepKind::Sign, 30);
    let left = flood.until_renewed(&mut scene);
    assert!(left.is_some_and(|left| left > 780), "{left:?} s are left");
    let issued = scene.0.cluster.secrets.len();
    assert!(issued > 2, "{issued}: the others are served meanwhile");
}

#[test]
fn a_renewal_that_is_near_its_end_keeps_its_place_when_it_has_its_listing() {
    let others: Vec<String> = (0..20).map(|at| format!("team-{at:02}")).collect();
    let mut scene = with_others(Settings::default(), &others);
    let mut spec = prefix(NS);
    spec.verify = Some(Verify::Require);
    issued_and_away_until(&mut scene, 90, "1h", spec);
    let expires = scene.status("dl").expiration_time;
    let now = scene.0.now;
    for namespace in &others {
        for name in ["first", "second"] {
            let cluster = &mut scene.0.cluster;
            cluster.put_resource(namespace, name, Ok(prefix(namespace)), now);
        }
    }
    scene.0.faults.slow.insert(StepKind::List, 30);
    scene.run(80);
    let renewed = scene.status("dl").expiration_time;
    assert!(renewed > expires, "it waits: {renewed:?}");
}

#[test]
fn a_first_issue_that_failed_once_does_not_wait_for_all_that_others_create() {
    let mut flood = Flood::of(prefix);
    let mut scene = with_others(Settings::default(), &flood.namespaces);
    scene.apply("first", |_| {});
    scene.run(30);
    scene.plan(StepKind::List, Fault::Lost(ApiError::Unavailable));
    scene.apply("dl", |spec| *spec = prefix(NS));
    scene.run(1);
    assert!(scene.secret("dl").is_none(), "its listing failed");
    scene.0.faults.slow.insert(StepKind::List, 5);
    for _ in 0..60 {
        flood.second(&mut scene);
    }
    assert!(scene.secret("dl").is_some(), "it waits");
}

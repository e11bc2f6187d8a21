//! An operator that serves some namespaces waits for the lists of each of them, and a list that shows less
//! than was known is of another history.

use presigned_core::engine::{
    Change, Engine, Event, ListScope, PresignedUrlSeen, SecretMetaSeen, Settings, Watched,
};

fn list<T>(engine: &mut Engine, wrap: impl Fn(Change<T>) -> Event, namespace: Option<&str>) {
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let scope = || match namespace {
        Some(name) => ListScope::Namespace(name.to_owned()),
        None => ListScope::Cluster,
    };
    engine.on(wrap(Change::Init { scope: scope() }), now);
    let end = Change::InitDone {
        scope: scope(),
        version: "1".to_owned(),
    };
    engine.on(wrap(end), now);
}

#[test]
fn nothing_is_decided_before_the_first_list_of_every_namespace_is_complete() {
    let settings = Settings {
        namespaces: Some(["a", "b"].map(str::to_owned).into()),
        ..Settings::default()
    };
    let mut engine = Engine::new(settings).unwrap();
    list(&mut engine, Event::Policy, None);
    list(&mut engine, Event::Store, None);
    list(&mut engine, Event::OwnSecret, None);
    let limited = [Watched::Resources, Watched::Namespaces, Watched::Secrets];
    for namespace in ["a", "a"] {
        list(&mut engine, Event::Namespace, Some(namespace));
        list(&mut engine, Event::Secret, Some(namespace));
        list(&mut engine, Event::Resource, Some(namespace));
        assert_eq!(engine.waiting_for(), limited, "b was not listed");
    }
    assert!(
        engine
            .next("2026-11-22T12:00:00Z".parse().unwrap())
            .is_none()
    );
    list(&mut engine, Event::Namespace, Some("b"));
    list(&mut engine, Event::Secret, Some("b"));
    list(&mut engine, Event::Resource, Some("b"));
    assert!(engine.waiting_for().is_empty());
}

fn resource(version: &str) -> PresignedUrlSeen {
    PresignedUrlSeen {
        uid: "uid".into(),
        namespace: "a".to_owned(),
        name: "r".to_owned(),
        resource_version: version.to_owned(),
        created_at: 0,
        generation: 1,
        deleting: false,
        renew_request: None,
        spec: Err("a spec is not needed here".to_owned()),
        status: Box::default(),
    }
}

fn secret(version: &str) -> SecretMetaSeen {
    SecretMetaSeen {
        namespace: "a".to_owned(),
        name: "s".to_owned(),
        uid: "uid".to_owned(),
        resource_version: version.to_owned(),
        owners: Vec::new(),
        expires_at: None,
    }
}

/// Whether a list of this version, which shows an object in these versions one after the other, is of another
/// history than one in which the object had version 9.
fn went_back<T>(
    wrap: impl Fn(Change<T>) -> Event,
    object: impl Fn(&str) -> T,
    shown: &[&str],
    version: &str,
) -> bool {
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let mut engine = Engine::new(Settings::default()).unwrap();
    let scope = ListScope::Cluster;
    engine.on(wrap(Change::Apply(object("9"))), now);
    // A late event is no list.
    engine.on(wrap(Change::Apply(object("5"))), now);
    let begin = Change::Init {
        scope: scope.clone(),
    };
    engine.on(wrap(begin), now);
    for version in shown {
        engine.on(wrap(Change::InitApply(object(version))), now);
        engine.on(wrap(Change::Apply(object("4"))), now);
        assert!(!engine.history_went_back(), "the list is not complete");
    }
    let version = version.to_owned();
    engine.on(wrap(Change::InitDone { scope, version }), now);
    engine.history_went_back()
}

#[test]
fn a_list_that_shows_less_than_was_known_is_of_another_history() {
    assert!(went_back(Event::Resource, resource, &["5"], "20"));
    assert!(went_back(Event::Resource, resource, &["5"], "9"));
    assert!(went_back(Event::Secret, secret, &["5"], "20"));
    assert!(went_back(Event::OwnSecret, secret, &["5"], "20"));
}

#[test]
fn a_list_that_was_made_before_a_write_is_of_the_same_history() {
    assert!(!went_back(Event::Resource, resource, &["5"], "8"));
    assert!(!went_back(Event::Secret, secret, &["5"], "8"));
    assert!(!went_back(Event::OwnSecret, secret, &["5"], "8"));
}

#[test]
fn a_list_that_shows_what_was_known_in_the_end_is_of_the_same_history() {
    assert!(!went_back(Event::Resource, resource, &["5", "9"], "20"));
    assert!(!went_back(Event::Resource, resource, &["10"], "20"));
    assert!(!went_back(Event::Secret, secret, &["5", "11"], "20"));
    assert!(!went_back(Event::OwnSecret, secret, &["9"], "20"));
}

//! An operator that serves some namespaces waits for the lists of each of them.

use presigned_core::engine::{Change, Engine, Event, ListScope, Settings, Watched};

fn list<T>(engine: &mut Engine, wrap: impl Fn(Change<T>) -> Event, namespace: Option<&str>) {
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let scope = || match namespace {
        Some(name) => ListScope::Namespace(name.to_owned()),
        None => ListScope::Cluster,
    };
    engine.on(wrap(Change::Init { scope: scope() }), now);
    engine.on(wrap(Change::InitDone { scope: scope() }), now);
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

//! Watches tell lists and changes, wait for what is missing, and say so.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use presigned_core::engine::SecretAccess;
use presigned_core::engine::{Change, Event, ListScope, PresignedUrlSeen};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::failed;
use crate::kube::{Scope, watch_all};
use crate::telemetry::Readiness;

/// An API server that streams no lists. It lists what `list` says for a path and then tells nothing more.
pub(super) fn server(list: impl FnMut(&str) -> (u16, Value) + Send + 'static) -> Client {
    server_that_watches(list, |_| None)
}

/// The same, whose watches answer what `watch` says for a path, if it says anything.
fn server_that_watches(
    mut list: impl FnMut(&str) -> (u16, Value) + Send + 'static,
    mut watch: impl FnMut(&str) -> Option<(u16, Value)> + Send + 'static,
) -> Client {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Some((request, send)) = handle.next_request().await {
            let uri = request.uri().to_string();
            let streamed = uri.contains("sendInitialEvents=true");
            let answer = if streamed {
                Some(failed(422, "Invalid"))
            } else if uri.contains("watch=true") {
                watch(&uri)
            } else {
                Some(list(&uri))
            };
            let Some((code, answer)) = answer else {
                silent.push(send);
                continue;
            };
            // An event of a watch is a line.
            let body = Body::from(format!("{answer}\n").into_bytes());
            send.send_response(Response::builder().status(code).body(body).unwrap());
        }
    });
    Client::new(service, "default")
}

pub(super) fn listed(items: &[Value]) -> (u16, Value) {
    let list = json!({
        "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": "100" }, "items": items,
    });
    (200, list)
}

pub(super) fn object(namespace: &str, name: &str) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": {
            "namespace": namespace, "name": name, "uid": format!("uid-{name}"), "resourceVersion": "5",
        },
        "spec": { "bucket": "models", "key": "a" },
    })
}

pub(super) fn scope(namespaces: Option<&[&str]>, secrets: SecretAccess) -> Scope {
    let named = |names: &[&str]| {
        names
            .iter()
            .map(|n| (*n).to_owned())
            .collect::<BTreeSet<_>>()
    };
    Scope {
        namespaces: namespaces.map(named),
        own_namespace: "operator".to_owned(),
        secrets,
    }
}

/// All watches of an API server that is never behind what it told.
pub(super) fn watch(
    client: &Client,
    scope: &Scope,
    events: &mpsc::Sender<Event>,
    readiness: &Readiness,
) -> JoinSet<()> {
    watch_all(client, scope, events, readiness, &CancellationToken::new())
}

/// The next events of the kind that `pick` takes, until the lists of so many scopes are done: each with its
/// scope.
async fn lists_of<T>(
    events: &mut mpsc::Receiver<Event>,
    scopes: usize,
    pick: impl Fn(Event) -> Option<Change<T>>,
) -> (Vec<T>, BTreeSet<ListScope>) {
    let mut found = Vec::new();
    let (mut begun, mut done) = (BTreeSet::new(), BTreeSet::new());
    while done.len() < scopes {
        let event = tokio::time::timeout(Duration::from_secs(20), events.recv()).await;
        match event.expect("no event in time").and_then(&pick) {
            Some(Change::Init { scope }) => drop(begun.insert(scope)),
            Some(Change::InitApply(object)) => found.push(object),
            Some(Change::InitDone { scope, .. }) => {
                assert!(begun.contains(&scope), "{scope:?} ends before it begins");
                done.insert(scope);
            }
            Some(Change::Apply(_) | Change::Delete(_)) | None => {}
        }
    }
    (found, done)
}

/// The objects of the one list of a kind.
async fn list_of<T>(
    events: &mut mpsc::Receiver<Event>,
    pick: impl Fn(Event) -> Option<Change<T>>,
) -> Vec<T> {
    let (found, scopes) = lists_of(events, 1, pick).await;
    assert_eq!(scopes, BTreeSet::from([ListScope::Cluster]));
    found
}

#[tokio::test]
async fn a_missing_crd_is_waited_for_with_what_to_do() {
    let (install, mut installed) = tokio::sync::watch::channel(false);
    let client = server(move |uri| {
        if !uri.contains("/presignedurls") {
            listed(&[])
        } else if *installed.borrow_and_update() {
            listed(&[object("team-a", "model")])
        } else {
            failed(404, "NotFound")
        }
    });
    let (sender, mut events) = mpsc::channel(16);
    let readiness = Readiness::default();
    let scope = scope(None, SecretAccess::Watch);
    let tasks = watch(&client, &scope, &sender, &readiness);

    let others = list_of(&mut events, |event| match event {
        Event::OwnSecret(change) => Some(change),
        _ => None,
    });
    assert!(others.await.is_empty());
    while !readiness.waits_for().iter().any(|w| w.contains("CRD")) {
        events.recv().await.unwrap();
    }
    let waits = readiness.waits_for();
    let sentence = waits.iter().find(|w| w.contains("CRD")).unwrap();
    assert!(
        sentence.contains("waiting for CRD presignedurls.presigned.dev"),
        "{sentence}"
    );
    assert!(sentence.contains("crds | kubectl apply -f -"), "{sentence}");

    install.send(true).unwrap();
    let seen = list_of(&mut events, |event| match event {
        Event::Resource(change) => Some(change),
        _ => None,
    })
    .await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].spec.as_ref().unwrap().bucket, "models");
    drop(tasks);
}

#[tokio::test]
async fn limited_to_namespaces_only_these_are_listed_and_each_list_says_what_it_covers() {
    let (asked, mut paths) = mpsc::unbounded_channel();
    let client = server(move |uri| {
        asked.send(uri.to_owned()).unwrap();
        match uri
            .split("/namespaces/")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
        {
            Some(namespace) => listed(&[object(namespace, "model")]),
            None => listed(&[]),
        }
    });
    let (sender, mut events) = mpsc::channel(16);
    let scope = scope(Some(&["team-a", "team-b"]), SecretAccess::None);
    let tasks = watch(&client, &scope, &sender, &Readiness::default());
    let (seen, scopes) = lists_of(&mut events, 2, |event| match event {
        Event::Resource(change) => Some(change),
        _ => None,
    })
    .await;
    let namespaces: BTreeSet<_> = seen.iter().map(|s| s.namespace.as_str()).collect();
    assert_eq!(namespaces, BTreeSet::from(["team-a", "team-b"]));
    let both = ["team-a", "team-b"].map(|name| ListScope::Namespace(name.to_owned()));
    assert_eq!(scopes, BTreeSet::from(both));
    // Two of resources, two of namespaces, one each of policies, stores and own Secrets; all at work by now
    // or soon.
    let mut all = BTreeSet::new();
    while all.len() < 7 {
        tokio::select! {
            path = paths.recv() => drop(all.insert(path.unwrap())),
            _ = events.recv() => {}
        }
    }
    let expect = [
        "/apis/presigned.dev/v1alpha1/namespaces/team-a/presignedurls?",
        "/apis/presigned.dev/v1alpha1/namespaces/team-b/presignedurls?",
        "/apis/presigned.dev/v1alpha1/presignedurlpolicies?",
        "/apis/presigned.dev/v1alpha1/clusterobjectstores?",
        "/api/v1/namespaces?&fieldSelector=metadata.name%3Dteam-a",
        "/api/v1/namespaces?&fieldSelector=metadata.name%3Dteam-b",
        "/api/v1/namespaces/operator/secrets?",
    ];
    for start in expect {
        assert!(
            all.iter().any(|path| path.starts_with(start)),
            "{start} not in {all:?}"
        );
    }
    assert!(all.iter().all(|path| path.contains("limit=250")), "{all:?}");
    drop(tasks);
}

#[tokio::test]
async fn tenants_secrets_are_asked_for_by_our_label() {
    let (asked, mut paths) = mpsc::unbounded_channel();
    let client = server(move |uri| {
        asked.send(uri.to_owned()).unwrap();
        listed(&[])
    });
    let (sender, mut events) = mpsc::channel(16);
    let scope = scope(None, SecretAccess::Watch);
    let tasks = watch(&client, &scope, &sender, &Readiness::default());
    loop {
        tokio::select! {
            path = paths.recv() => if path.unwrap().starts_with(
                "/api/v1/secrets?&labelSelector=presigned.dev%2Fmanaged-by%3Dpresigned-url-operator"
            ) { break },
            _ = events.recv() => {}
        }
    }
    drop(tasks);
}

#[tokio::test]
async fn a_kind_is_ready_once_every_namespace_was_listed() {
    let (allow, mut allowed) = tokio::sync::watch::channel(false);
    let client = server(move |uri| {
        if uri.contains("/namespaces/team-b/presignedurls") && !*allowed.borrow_and_update() {
            failed(403, "Forbidden")
        } else {
            listed(&[])
        }
    });
    let (sender, mut events) = mpsc::channel(16);
    let readiness = Readiness::default();
    let scope = scope(Some(&["team-a", "team-b"]), SecretAccess::None);
    let tasks = watch(&client, &scope, &sender, &readiness);
    let (_, scopes) = lists_of(&mut events, 1, resources).await;
    let team_a = ListScope::Namespace("team-a".to_owned());
    assert_eq!(scopes, BTreeSet::from([team_a]));
    let waits = || readiness.waits_for().join("\n");
    // The watch goes on after it has sent the end of the list.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(
        waits().contains("presignedurls.presigned.dev"),
        "{}",
        waits()
    );
    allow.send(true).unwrap();
    let listed = async {
        while waits().contains("presignedurls.presigned.dev") {
            let _ = events.try_recv();
            tokio::task::yield_now().await;
        }
    };
    let listed = tokio::time::timeout(Duration::from_secs(20), listed).await;
    listed.expect("the list of the second namespace counts");
    drop(tasks);
}

/// A change of a resource.
pub(super) fn resources(event: Event) -> Option<Change<PresignedUrlSeen>> {
    match event {
        Event::Resource(change) => Some(change),
        _ => None,
    }
}

#[tokio::test]
async fn a_watch_of_a_version_that_is_forgotten_is_followed_by_a_new_list() {
    let (_, gone) = failed(410, "Expired");
    let told_in_the_watch = json!({ "type": "ERROR", "object": gone.clone() });
    for (code, answer) in [(410, gone.clone()), (200, told_in_the_watch)] {
        let mut names = ["before", "after"].into_iter();
        let mut answers = std::iter::once((code, answer));
        let ours = |uri: &str| uri.contains("/presignedurls");
        let client = server_that_watches(
            move |uri| match ours(uri).then(|| names.next()) {
                Some(name) => listed(&[object("team-a", name.unwrap())]),
                None => listed(&[]),
            },
            move |uri| ours(uri).then(|| answers.next()).flatten(),
        );
        let (sender, mut events) = mpsc::channel(16);
        let scope = scope(None, SecretAccess::Watch);
        let readiness = Readiness::default();
        let tasks = watch(&client, &scope, &sender, &readiness);
        for name in ["before", "after"] {
            let seen = list_of(&mut events, |event| match event {
                Event::Resource(change) => Some(change),
                _ => None,
            });
            let seen = seen.await;
            assert_eq!(seen.len(), 1);
            assert_eq!(seen[0].name, name);
        }
        drop(tasks);
    }
}

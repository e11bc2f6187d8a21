//! Watches tell lists and changes, wait for what is missing, and say so.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::Frame;
use kube::Client;
use kube::client::Body;
use presigned_core::engine::SecretAccess;
use presigned_core::engine::{Change, Event, ListScope, PresignedUrlSeen};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::failed;
use crate::kube::{Scope, watch_all};
use crate::telemetry::Readiness;

/// An API server that streams no lists. It lists what `list` says for a path and then tells nothing more.
fn server(mut list: impl FnMut(&str) -> (u16, Value) + Send + 'static) -> Client {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Some((request, send)) = handle.next_request().await {
            let uri = request.uri().to_string();
            let streamed = uri.contains("sendInitialEvents=true");
            if uri.contains("watch=true") && !streamed {
                silent.push(send);
                continue;
            }
            let (code, answer) = if streamed {
                failed(422, "Invalid")
            } else {
                list(&uri)
            };
            let body = Body::from(answer.to_string().into_bytes());
            send.send_response(Response::builder().status(code).body(body).unwrap());
        }
    });
    Client::new(service, "default")
}

fn listed(items: &[Value]) -> (u16, Value) {
    let list = json!({
        "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": "100" }, "items": items,
    });
    (200, list)
}

fn object(namespace: &str, name: &str) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": {
            "namespace": namespace, "name": name, "uid": format!("uid-{name}"), "resourceVersion": "5",
        },
        "spec": { "bucket": "models", "key": "a" },
    })
}

fn scope(namespaces: Option<&[&str]>, secrets: SecretAccess) -> Scope {
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
            Some(Change::InitDone { scope }) => {
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
    let tasks = watch_all(&client, &scope, &sender, &readiness);

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
    let tasks = watch_all(&client, &scope, &sender, &Readiness::default());
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
    let tasks = watch_all(&client, &scope, &sender, &Readiness::default());
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
    let tasks = watch_all(&client, &scope, &sender, &readiness);
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

/// What an API server answers that streams lists or not, with the paths that it was asked for.
fn answering(
    mut answer: impl FnMut(&str) -> (u16, Box<dyn Iterator<Item = String> + Send>) + Send + 'static,
) -> Client {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<_>>();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Some((request, send)) = handle.next_request().await {
            if !request.uri().path().ends_with("/presignedurls") {
                silent.push(send);
                continue;
            }
            let (code, texts) = answer(&request.uri().to_string());
            let frames = texts.map(|text| Ok::<_, Infallible>(Frame::data(Bytes::from(text))));
            let body = StreamBody::new(futures::stream::iter(frames));
            send.send_response(Response::builder().status(code).body(body).unwrap());
        }
    });
    Client::new(service, "default")
}

fn once(text: String) -> Box<dyn Iterator<Item = String> + Send> {
    Box::new(std::iter::once(text))
}

fn resources(event: Event) -> Option<Change<PresignedUrlSeen>> {
    match event {
        Event::Resource(change) => Some(change),
        _ => None,
    }
}

/// A line of a watch.
fn line(type_: &str, object: &Value) -> String {
    format!("{}\n", json!({ "type": type_, "object": object }))
}

/// The bookmark that ends a streamed list.
fn list_end() -> String {
    let annotations = json!({ "k8s.io/initial-events-end": "true" });
    let metadata = json!({ "resourceVersion": "100", "annotations": annotations });
    line(
        "BOOKMARK",
        &json!({ "kind": "x", "apiVersion": "v1", "metadata": metadata }),
    )
}

/// The next change of a resource, in a word.
async fn word(events: &mut mpsc::Receiver<Event>) -> String {
    loop {
        let event = tokio::time::timeout(Duration::from_secs(20), events.recv()).await;
        let told = match event.expect("no event in time").and_then(resources) {
            Some(Change::Init { .. }) => "init".to_owned(),
            Some(Change::InitApply(seen)) => format!("listed {}", seen.name),
            Some(Change::InitDone { .. }) => "done".to_owned(),
            Some(Change::Apply(seen)) => format!("changed {}", seen.name),
            Some(Change::Delete(seen)) => format!("gone {}", seen.name),
            None => continue,
        };
        return told;
    }
}

#[tokio::test]
async fn a_streamed_list_ends_with_its_bookmark_and_goes_on_as_the_watch() {
    let (asked, mut paths) = mpsc::unbounded_channel();
    let client = answering(move |uri| {
        asked.send(uri.to_owned()).unwrap();
        let plain =
            json!({ "kind": "x", "apiVersion": "v1", "metadata": { "resourceVersion": "7" } });
        let lines = [
            line("ADDED", &object("team-a", "a")),
            line("ADDED", &object("team-a", "b")),
            line("BOOKMARK", &plain),
            line("DELETED", &object("team-a", "b")),
            list_end(),
            line("MODIFIED", &object("team-a", "a")),
        ];
        (200, Box::new(lines.into_iter()))
    });
    let (sender, mut events) = mpsc::channel(16);
    let scope = scope(None, SecretAccess::Watch);
    let tasks = watch_all(&client, &scope, &sender, &Readiness::default());
    for expected in [
        "init",
        "listed a",
        "listed b",
        "gone b",
        "done",
        "changed a",
    ] {
        assert_eq!(word(&mut events).await, expected);
    }
    let path = paths.recv().await.unwrap();
    for part in [
        "watch=true",
        "sendInitialEvents=true",
        "resourceVersion=",
        "NotOlderThan",
    ] {
        assert!(path.contains(part), "{part} not in {path}");
    }
    // It ends like any watch, and goes on from the last version.
    let path = paths.recv().await.unwrap();
    assert!(
        path.ends_with("resourceVersion=5") && !path.contains("sendInitialEvents"),
        "{path}"
    );
    drop(tasks);
}

#[tokio::test]
async fn a_streamed_list_without_an_end_is_followed_by_pages() {
    let client = answering(|uri| {
        if uri.contains("sendInitialEvents=true") {
            // As of a server that does not know what is asked: objects and no end.
            return (200, once(line("ADDED", &object("team-a", "a"))));
        }
        let (code, list) = listed(&[object("team-a", "b")]);
        (code, once(list.to_string()))
    });
    let (sender, mut events) = mpsc::channel(16);
    let scope = scope(None, SecretAccess::Watch);
    let tasks = watch_all(&client, &scope, &sender, &Readiness::default());
    for expected in ["init", "listed a", "init", "listed b", "done"] {
        assert_eq!(word(&mut events).await, expected);
    }
    drop(tasks);
}

#[tokio::test]
async fn a_list_is_read_no_faster_than_its_objects_are_taken() {
    const OBJECT: usize = 100 * 1024;
    for streams in [true, false] {
        let read = Arc::new(AtomicUsize::new(0));
        let counter = read.clone();
        let client = answering(move |uri| {
            let streamed = uri.contains("sendInitialEvents=true");
            if streamed && !streams {
                let (code, refusal) = failed(422, "Invalid");
                return (code, once(refusal.to_string()));
            }
            let counter = counter.clone();
            let objects = (0..100).map(move |at| {
                let mut object = object("team-a", &format!("model-{at}"));
                object["metadata"]["annotations"] = json!({ "large": "x".repeat(OBJECT) });
                object["metadata"]["managedFields"] = json!([{ "manager": "x".repeat(OBJECT) }]);
                let text = if streamed {
                    line("ADDED", &object)
                } else {
                    format!("{}{object}", if at > 0 { "," } else { "" })
                };
                counter.fetch_add(text.len(), Ordering::Relaxed);
                text
            });
            if streamed {
                return (200, Box::new(objects.chain([list_end()])));
            }
            let end = "],\"metadata\":{\"resourceVersion\":\"100\"}}".to_owned();
            let begin = ["{\"items\":[".to_owned()].into_iter();
            (200, Box::new(begin.chain(objects).chain([end])))
        });
        let taken = take_ten(&client).await;
        let read = read.load(Ordering::Relaxed);
        assert!(
            read <= (taken + 5) * 2 * OBJECT + OBJECT,
            "{read} bytes for {taken} objects"
        );
    }
}

/// Takes ten objects of a list, and no more.
async fn take_ten(client: &Client) -> usize {
    let (sender, mut events) = mpsc::channel(1);
    let scope = scope(None, SecretAccess::Watch);
    let tasks = watch_all(client, &scope, &sender, &Readiness::default());
    let mut taken = 0;
    while taken < 10 {
        if let Some(Change::InitApply(_)) = events.recv().await.and_then(resources) {
            taken += 1;
        }
    }
    drop(tasks);
    taken
}

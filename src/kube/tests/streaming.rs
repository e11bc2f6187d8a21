//! Lists that an API server streams, and watches that go on after they ended.

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
use presigned_core::engine::{Change, Event, SecretAccess};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::failed;
use super::watching::{listed, object, resources, scope, watch};
use crate::kube::watch_all;
use crate::telemetry::Readiness;

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
        if uri.contains("limit=1&") || uri.ends_with("limit=1") {
            return (200, once(listed(&[]).1.to_string()));
        }
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
    let tasks = watch(&client, &scope, &sender, &Readiness::default());
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
    let tasks = watch(&client, &scope, &sender, &Readiness::default());
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
    let tasks = watch(client, &scope, &sender, &Readiness::default());
    let mut taken = 0;
    while taken < 10 {
        if let Some(Change::InitApply(_)) = events.recv().await.and_then(resources) {
            taken += 1;
        }
    }
    drop(tasks);
    taken
}

/// What happens after a watch ended at version 100, of an API server whose lists have this version: whether
/// the history went back, and the paths that were asked for meanwhile.
async fn after_a_watch(version: &'static str) -> (bool, Vec<String>) {
    let (asked, mut paths) = mpsc::unbounded_channel();
    let client = answering(move |uri| {
        let turn = asked.send(uri.to_owned());
        turn.expect("the test listens");
        if uri.contains("sendInitialEvents=true") {
            let lines = [line("ADDED", &object("team-a", "a")), list_end()];
            return (200, Box::new(lines.into_iter()));
        }
        let (code, mut list) = listed(&[object("team-a", "a")]);
        list["metadata"]["resourceVersion"] = json!(version);
        (code, once(list.to_string()))
    });
    let (sender, mut events) = mpsc::channel(16);
    let went_back = CancellationToken::new();
    let scope = scope(None, SecretAccess::Watch);
    let tasks = watch_all(&client, &scope, &sender, &Readiness::default(), &went_back);
    let third = async {
        let mut seen = Vec::new();
        while seen.len() < 3 {
            tokio::select! {
                Some(path) = paths.recv() => seen.push(path),
                Some(_) = events.recv() => {}
            }
        }
        seen
    };
    let seen = tokio::time::timeout(Duration::from_secs(20), third).await;
    drop(tasks);
    (went_back.is_cancelled(), seen.expect("three paths in time"))
}

#[tokio::test]
async fn a_watch_goes_on_if_the_api_server_knows_where_it_was() {
    let (went_back, paths) = after_a_watch("100").await;
    assert!(!went_back);
    let [_, one, on] = &paths[..] else {
        panic!("{paths:?}");
    };
    assert!(one.contains("limit=1") && !one.contains("watch"), "{one}");
    assert!(
        on.contains("watch=true") && on.ends_with("resourceVersion=100"),
        "{on}"
    );
}

#[tokio::test]
async fn a_watch_that_is_ahead_of_the_api_server_does_not_go_on() {
    let (went_back, paths) = after_a_watch("99").await;
    assert!(went_back);
    assert!(
        paths[2].contains("sendInitialEvents=true"),
        "it lists: {paths:?}"
    );
}

//! Bundles are watched one by one, in the version that the API server serves, while a store names them.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::Client;
use presigned_core::engine::{Event, TrustBundleSeen};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::failed;
use super::watching::{listed, server};
use crate::kube::watch_trust_bundles;

const NAME: &str = "example.com:storage:v1";

/// What is told of bundles.
struct Told {
    names: watch::Sender<BTreeSet<String>>,
    events: mpsc::Receiver<Event>,
    _tasks: JoinSet<()>,
}

impl Told {
    fn by(client: &Client) -> Self {
        let (sender, events) = mpsc::channel(16);
        let (token, mut tasks) = (CancellationToken::new(), JoinSet::new());
        Self {
            names: watch_trust_bundles(client, &sender, &token, &mut tasks),
            events,
            _tasks: tasks,
        }
    }

    fn name(&self, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.names.send(names).unwrap();
    }

    /// What is told next of the bundle.
    async fn next(&mut self) -> Option<TrustBundleSeen> {
        let event = tokio::time::timeout(Duration::from_mins(5), self.events.recv()).await;
        match event.expect("nothing told in time") {
            Some(Event::TrustBundle { name, seen }) => {
                assert_eq!(name, NAME);
                seen
            }
            other => panic!("{other:?} is about no bundle"),
        }
    }
}

/// The resources of a version of the group.
fn group(resources: &[&str]) -> (u16, Value) {
    let resources = resources.iter().map(|name| {
        json!({ "name": name, "singularName": "", "namespaced": false, "kind": "X", "verbs": ["list"] })
    });
    let resources: Vec<_> = resources.collect();
    let list = json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "g", "resources": resources });
    (200, list)
}

fn bundle(pem: &str) -> Value {
    json!({
        "metadata": { "name": NAME, "resourceVersion": "5", "managedFields": [{ "manager": "x" }] },
        "spec": { "signerName": "example.com/storage", "trustBundle": pem },
    })
}

fn found(pem: &str) -> TrustBundleSeen {
    TrustBundleSeen::Found(pem.to_owned())
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_while_no_store_names_a_bundle() {
    let (asked, mut paths) = mpsc::unbounded_channel();
    let client = server(move |uri| {
        asked.send(uri.to_owned()).unwrap();
        listed(&[])
    });
    let told = Told::by(&client);
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(paths.try_recv().is_err());
    drop(told);
}

#[tokio::test(start_paused = true)]
async fn a_bundle_is_listed_alone_in_the_newest_version_that_is_served() {
    for version in ["v1", "v1beta1"] {
        let (asked, mut paths) = mpsc::unbounded_channel();
        let client = server(move |uri| {
            asked.send(uri.to_owned()).unwrap();
            let of_version = format!("certificates.k8s.io/{version}");
            if uri.ends_with(&of_version) {
                group(&["certificatesigningrequests", "clustertrustbundles"])
            } else if uri.ends_with("certificates.k8s.io/v1") {
                group(&["certificatesigningrequests"])
            } else {
                listed(&[bundle("PEM")])
            }
        });
        let mut told = Told::by(&client);
        told.name(&[NAME]);
        assert_eq!(told.next().await, Some(found("PEM")));
        let mut list = paths.recv().await.unwrap();
        while !list.contains("clustertrustbundles") {
            list = paths.recv().await.unwrap();
        }
        let path = format!("/apis/certificates.k8s.io/{version}/clustertrustbundles?");
        assert!(list.starts_with(&path), "{list}");
        let only = "fieldSelector=metadata.name%3Dexample.com%3Astorage%3Av1";
        assert!(list.contains(only), "{list}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_serves_none_is_asked_once_a_minute_until_it_does() {
    let (serve, served) = watch::channel(false);
    let (asked, mut paths) = mpsc::unbounded_channel();
    let client = server(move |uri| {
        asked.send(uri.to_owned()).unwrap();
        match (uri.ends_with("/v1"), *served.borrow()) {
            (true, false) => group(&["certificatesigningrequests"]),
            (true, true) => group(&["clustertrustbundles"]),
            (false, false) => failed(404, "NotFound"),
            (false, true) => listed(&[]),
        }
    });
    let mut told = Told::by(&client);
    told.name(&[NAME]);
    assert_eq!(told.next().await, Some(TrustBundleSeen::NotServed));
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert!(told.events.try_recv().is_err(), "it is told once");
    let mut requests = 0;
    while paths.try_recv().is_ok() {
        requests += 1;
    }
    // Two each time, and the pauses are between half a minute and a minute.
    assert!((20..=44).contains(&requests), "{requests}");
    serve.send(true).unwrap();
    assert_eq!(told.next().await, Some(TrustBundleSeen::Missing));
}

#[tokio::test(start_paused = true)]
async fn what_is_forbidden_is_told_at_once_and_what_may_pass_only_after_a_while() {
    let (answer, answers) = watch::channel((403, "Forbidden"));
    let client = server(move |uri| {
        let (code, reason) = *answers.borrow();
        match code {
            _ if uri.ends_with("/v1") => group(&["clustertrustbundles"]),
            200 => listed(&[bundle("PEM")]),
            _ => failed(code, reason),
        }
    });
    let mut told = Told::by(&client);
    told.name(&[NAME]);
    assert_eq!(told.next().await, Some(TrustBundleSeen::Forbidden));
    answer.send((200, "")).unwrap();
    assert_eq!(told.next().await, Some(found("PEM")));
    told.name(&[]);
    assert_eq!(told.next().await, None);
    answer.send((500, "InternalError")).unwrap();
    told.name(&[NAME]);
    let soon = tokio::time::timeout(Duration::from_secs(7), told.events.recv());
    assert!(soon.await.is_err(), "it may pass by itself");
    let seen = told.next().await;
    assert!(
        matches!(seen, Some(TrustBundleSeen::Unreadable(_))),
        "{seen:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_bundle_that_no_store_names_any_more_is_told_so_and_told_again_if_one_does() {
    let client = server(move |uri| {
        if uri.ends_with("/v1") {
            group(&["clustertrustbundles"])
        } else {
            listed(&[bundle("PEM")])
        }
    });
    let mut told = Told::by(&client);
    for _ in 0..2 {
        told.name(&[NAME]);
        assert_eq!(told.next().await, Some(found("PEM")));
        told.name(&[]);
        assert_eq!(told.next().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_for_a_bundle_that_no_store_names_any_more() {
    let (asked, mut paths) = mpsc::unbounded_channel();
    let client = server(move |uri| {
        asked.send(uri.to_owned()).unwrap();
        group(&["certificatesigningrequests"])
    });
    let mut told = Told::by(&client);
    told.name(&[NAME]);
    assert_eq!(told.next().await, Some(TrustBundleSeen::NotServed));
    told.name(&[]);
    assert_eq!(told.next().await, None);
    while paths.try_recv().is_ok() {}
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(paths.try_recv().is_err());
}

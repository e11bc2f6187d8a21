//! The API server's clock.

use http::{Request, Response};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Namespace;
use kube::client::{Body, ClientBuilder};
use kube::{Api, Client};

use crate::clock::Clock;
use crate::kube::ServerClock;

const NOON: &str = "2026-11-22T12:00:00Z";

/// A client of an API server whose answers carry these dates.
fn answering(clock: &ServerClock, dates: &'static [&'static str]) -> Client {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    tokio::spawn(async move {
        for date in dates {
            let (_, send) = handle.next_request().await.unwrap();
            let body = Body::from(
                br#"{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"a"}}"#.to_vec(),
            );
            let answer = Response::builder().header(http::header::DATE, *date);
            send.send_response(answer.body(body).unwrap());
        }
    });
    ClientBuilder::new(service, "default")
        .with_layer(clock)
        .build()
}

#[tokio::test]
async fn the_api_servers_clock_is_read_off_each_answer() {
    let clock = ServerClock::new(Clock::stopped_at(NOON.parse().unwrap()));
    let mut changes = clock.changes();
    let client = answering(
        &clock,
        &[
            "yesterday",
            "Sun, 22 Nov 2026 12:00:00 GMT",
            "Sun, 22 Nov 2026 12:00:01 GMT",
            "Sun, 22 Nov 2026 11:50:00 GMT",
        ],
    );
    let namespaces = Api::<Namespace>::all(client);
    let mut told = Vec::new();
    for _ in 0..4 {
        namespaces.get("a").await.unwrap();
        told.push(changes.has_changed().unwrap());
        changes.mark_unchanged();
    }
    assert_eq!(
        told,
        [false, true, false, true],
        "noise and no date tell nothing"
    );
    let offset = clock.clock_offset().unwrap();
    assert!(
        (offset + SignedDuration::from_mins(10)).abs() < SignedDuration::from_secs(3),
        "{offset:?}"
    );
}

#[tokio::test]
async fn after_a_step_of_our_own_clock_the_same_answer_is_news() {
    let clock = ServerClock::new(Clock::stopped_at(NOON.parse().unwrap()));
    let mut changes = clock.changes();
    let client = answering(&clock, &["Sun, 22 Nov 2026 11:50:00 GMT"; 2]);
    let namespaces = Api::<Namespace>::all(client);
    namespaces.get("a").await.unwrap();
    changes.mark_unchanged();
    clock.forget();
    assert!(!changes.has_changed().unwrap());
    namespaces.get("a").await.unwrap();
    assert!(changes.has_changed().unwrap());
}

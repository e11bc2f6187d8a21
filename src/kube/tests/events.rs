//! Events are told once, in time, and fit.

use presigned_core::api::Reason;
use presigned_core::engine::{EventRecord, EventSubject};
use serde_json::json;

use super::{Mock, failed};
use crate::kube::events::event;

fn notice() -> EventRecord {
    EventRecord {
        subject: EventSubject::PresignedUrl,
        namespace: Some("team-a".to_owned()),
        name: "model".to_owned(),
        uid: "uid-1".to_owned(),
        version: "41".to_owned(),
        warning: true,
        reason: Reason::PolicyDenied,
        action: "Issue",
        note: "no policy selects namespace team-a".to_owned(),
        at: "2026-11-22T12:00:00.25Z".parse().unwrap(),
    }
}

#[test]
fn the_same_notice_has_the_same_name_and_another_has_another() {
    let name = |notice: &EventRecord| event(notice, "pod-0").metadata.name.unwrap();
    let first = name(&notice());
    assert_eq!(first, name(&notice()));
    assert!(first.starts_with("model."), "{first}");
    let others = [
        EventRecord {
            uid: "uid-2".to_owned(),
            ..notice()
        },
        EventRecord {
            version: "42".to_owned(),
            ..notice()
        },
        EventRecord {
            reason: Reason::Suspended,
            ..notice()
        },
        EventRecord {
            note: "another".to_owned(),
            ..notice()
        },
        EventRecord {
            at: "2026-11-22T12:00:01Z".parse().unwrap(),
            ..notice()
        },
    ];
    for other in others {
        assert_ne!(first, name(&other), "{other:?}");
    }
}

#[test]
fn long_names_and_notes_are_cut_where_they_may_be() {
    let long = EventRecord {
        name: format!("{}.{}", "a".repeat(235), "b".repeat(17)),
        note: "ü".repeat(600),
        ..notice()
    };
    let event = event(&long, "pod-0");
    let name = event.metadata.name.unwrap();
    assert!(name.len() <= 253, "{}", name.len());
    assert!(!name.contains("..") && !name.contains("-."), "{name}");
    assert_eq!(event.note.unwrap(), "ü".repeat(512));
}

#[tokio::test]
async fn an_event_says_what_who_and_when() {
    let mock = Mock::answering([(201, json!({ "metadata": {} }))]);
    mock.cluster.publish(&notice()).await;
    let asked = mock.asked().await;
    let got = &asked[0];
    assert_eq!(got.method, "POST");
    assert_eq!(
        got.uri,
        "/apis/events.k8s.io/v1/namespaces/team-a/events?fieldManager=presigned-url-operator"
    );
    let body = &got.body;
    assert_eq!(body["apiVersion"], "events.k8s.io/v1");
    assert_eq!(body["type"], "Warning");
    assert_eq!(body["reason"], "PolicyDenied");
    assert_eq!(body["action"], "Issue");
    assert_eq!(body["eventTime"], "2026-11-22T12:00:00.250000Z");
    assert_eq!(body["reportingController"], "presigned-url-operator");
    assert_eq!(body["reportingInstance"], "pod-0");
    assert_eq!(
        body["regarding"],
        json!({
            "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL",
            "namespace": "team-a", "name": "model", "uid": "uid-1",
        })
    );
}

#[tokio::test]
async fn an_event_that_fails_is_counted_and_stops_nothing() {
    let mock = Mock::answering([failed(403, "Forbidden"), failed(409, "AlreadyExists")]);
    let metrics = mock.metrics.clone();
    mock.cluster.publish(&notice()).await;
    mock.cluster.publish(&notice()).await;
    mock.asked().await;
    let text = metrics.encode().unwrap();
    for outcome in ["forbidden", "already_exists"] {
        assert!(
            text.contains(&format!("outcome=\"{outcome}\"}} 1")),
            "{text}"
        );
    }
}

//! Answers that this version cannot read.

#![allow(clippy::unwrap_used)]

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

/// What is said of a list, and of a Secret, if this is the answer.
async fn said(answer: &str) -> [String; 2] {
    let answer = answer.to_owned();
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let server = tokio::spawn(async move {
        while let Some((_, send)) = handle.next_request().await {
            let body = Body::from(answer.clone().into_bytes());
            send.send_response(Response::new(body));
        }
    });
    let session = Session {
        client: Client::new(service, "team-a"),
        namespace: "team-a".to_owned(),
    };
    let list = session.list(None).await.unwrap_err();
    let failure = list.downcast_ref::<Failure>().unwrap();
    assert_eq!(failure.exit, super::super::exit::Exit::Unknown);
    let secret = session.secret_named("model", "model").await;
    let secret = secret.err().map(|why| why.message).unwrap_or_default();
    drop(session);
    server.await.unwrap();
    [failure.message.clone(), secret]
}

fn list_of(item: &Value) -> String {
    json!({ "apiVersion": API_VERSION, "kind": "PresignedURLList", "metadata": {}, "items": [item] })
        .to_string()
}

#[tokio::test]
async fn what_a_newer_operator_wrote_is_told_with_the_version_to_install() {
    for item in [json!("a"), json!({ "metadata": "a" })] {
        let [why, _] = said(&list_of(&item)).await;
        let version = env!("CARGO_PKG_VERSION");
        for part in [
            "to list presignedurls in all namespaces is of another version",
            &format!("this kubectl-presigned {version} cannot read it ("),
            "install the plugin of the operator's version",
        ] {
            assert!(why.contains(part), "{part}: {why}");
        }
        assert!(!why.contains("network"), "{why}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_of_no_api_server() {
    for [why, _] in [said("<html>").await, said("{").await] {
        assert!(why.contains("is no API server"), "{why}");
        assert!(!why.contains("version"), "{why}");
    }
}

#[tokio::test]
async fn nothing_of_a_secret_is_in_a_message() {
    let secret = json!({ "metadata": { "name": "model" }, "data": "hidden" }).to_string();
    let [_, why] = said(&secret).await;
    assert!(why.contains("install the plugin"), "{why}");
    assert!(!why.contains("hidden"), "{why}");
}

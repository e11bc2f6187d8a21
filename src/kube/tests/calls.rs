//! Each failure has one class, and each call is counted.

use std::time::Duration;

use presigned_core::engine::{ApiError, Refuser};
use serde_json::{Value, json};

use super::{Mock, failed, owner, this};
use crate::kube::call::{Calls, Target, Verb};
use crate::telemetry::Metrics;

fn with_details((code, mut status): (u16, Value), details: Value) -> (u16, Value) {
    status["details"] = details;
    (code, status)
}

fn with_cause(answer: (u16, Value), reason: &str, field: &str) -> (u16, Value) {
    let causes = json!([{ "reason": reason, "message": "m", "field": field }]);
    with_details(answer, json!({ "causes": causes }))
}

#[tokio::test]
async fn every_answer_of_the_server_has_its_class() {
    let slow_down = ApiError::TooManyRequests {
        retry_after: Some(Duration::from_secs(7)),
    };
    let table = [
        (failed(409, "AlreadyExists"), ApiError::AlreadyExists),
        (failed(409, "Conflict"), ApiError::Conflict),
        (failed(404, "NotFound"), ApiError::NotFound),
        (failed(403, "Forbidden"), ApiError::Forbidden),
        (failed(401, "Unauthorized"), ApiError::Forbidden),
        (
            with_cause(
                failed(403, "Forbidden"),
                "NamespaceTerminating",
                "metadata.namespace",
            ),
            ApiError::NamespaceTerminating,
        ),
        (failed(422, "Invalid"), ApiError::Invalid),
        (failed(400, "BadRequest"), ApiError::Invalid),
        (
            with_cause(failed(422, "Invalid"), "FieldValueTooLong", "data"),
            ApiError::TooLarge,
        ),
        (failed(413, "RequestEntityTooLarge"), ApiError::TooLarge),
        (
            with_details(
                failed(429, "TooManyRequests"),
                json!({ "retryAfterSeconds": 7 }),
            ),
            slow_down,
        ),
        (
            failed(429, "TooManyRequests"),
            ApiError::TooManyRequests { retry_after: None },
        ),
        (failed(500, "InternalError"), ApiError::Unavailable),
        (failed(503, "ServiceUnavailable"), ApiError::Unavailable),
        (failed(500, "ServerTimeout"), ApiError::Timeout),
        (failed(504, "Timeout"), ApiError::Timeout),
        (failed(410, "Expired"), ApiError::Other(Some(410))),
        (failed(405, "MethodNotAllowed"), ApiError::Other(Some(405))),
        // What a proxy in between says.
        (
            (502, json!("<html>Bad Gateway</html>")),
            ApiError::Unavailable,
        ),
        // An answer that is no object: nobody knows what happened.
        ((200, json!("hello")), ApiError::Other(None)),
    ];
    for (answer, class) in table {
        let told = answer.to_owned();
        let mock = Mock::answering([answer]);
        let secret = mock.cluster.inspect_secret("ns", "name", false).await;
        match class {
            // An inspection's own answer to 404 is that there is none.
            ApiError::NotFound => assert_eq!(secret, Ok(None)),
            class => assert_eq!(secret, Err(class), "{told:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_is_silent_is_left_after_the_time_limit() {
    let metrics = Metrics::default();
    let calls = Calls::with_limit(metrics.clone(), Duration::from_millis(5));
    let silence = std::future::pending::<Result<(), kube::Error>>();
    let result = calls.call(Verb::Create, Target("secrets"), silence).await;
    assert_eq!(result, Err(ApiError::Timeout));
    let text = metrics.encode().unwrap();
    let line =
        "presigned_api_calls_total{verb=\"create\",resource=\"secrets\",outcome=\"timeout\"} 1";
    assert!(text.contains(line), "{text}");
}

#[tokio::test]
async fn what_refuses_a_write_beside_rbac_is_named_if_it_has_the_form_of_a_name() {
    let quota = "secrets \"x\" is forbidden: exceeded quota: team-quota, requested: count/secrets=1, used: count/secrets=5, limited: count/secrets=5";
    let policy = "secrets \"x\" is forbidden: ValidatingAdmissionPolicy 'no-urls.example.com' with binding 'b' denied request: failed expression: false";
    let webhook = "admission webhook \"vault.example.com\" denied the request: no, exceeded quota: other, stop";
    let long = format!("exceeded quota: {}, requested: x", "a".repeat(254));
    let names = |name: &str| name.to_owned();
    for (code, reason, message, class) in [
        (
            403,
            "Forbidden",
            quota,
            ApiError::Refused(Refuser::Quota(names("team-quota"))),
        ),
        (
            403,
            "Forbidden",
            policy,
            ApiError::Refused(Refuser::Policy(names("no-urls.example.com"))),
        ),
        // What such a policy answers unless it names another reason.
        (
            422,
            "Invalid",
            policy,
            ApiError::Refused(Refuser::Policy(names("no-urls.example.com"))),
        ),
        (
            400,
            "BadRequest",
            webhook,
            ApiError::Refused(Refuser::Webhook(names("vault.example.com"))),
        ),
        (
            403,
            "Forbidden",
            "exceeded quota: <b>Evil</b>, requested: x",
            ApiError::Forbidden,
        ),
        (403, "Forbidden", &long, ApiError::Forbidden),
        // It failed to answer, and refused nothing.
        (
            500,
            "InternalError",
            "Internal error occurred: failed calling webhook \"vault.example.com\": failed to call webhook: Post \
             \"https://vault.vault.svc:443/mutate?timeout=10s\": dial tcp 10.0.0.1:443: connect: connection refused",
            ApiError::WebhookFailed(names("vault.example.com")),
        ),
        (
            500,
            "InternalError",
            "Internal error occurred: failed calling webhook \"<b>Evil</b>\": no",
            ApiError::Unavailable,
        ),
        (
            500,
            "InternalError",
            "Internal error occurred: no, failed calling webhook \"vault.example.com\": no",
            ApiError::Unavailable,
        ),
        // A user's name is not the server's word.
        (
            403,
            "Forbidden",
            "User \"exceeded quota: q, r\" cannot create resource",
            ApiError::Forbidden,
        ),
        (
            422,
            "Invalid",
            "Secret \"x\" is invalid: data: exceeded quota: q, r",
            ApiError::Invalid,
        ),
    ] {
        let (code, mut status) = failed(code, reason);
        status["message"] = json!(message);
        let mock = Mock::answering([(code, status)]);
        let result = mock
            .cluster
            .delete_secret("ns", "name", &owner(), &this("1"))
            .await;
        assert_eq!(result, Err(class), "{message}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_unavailable() {
    let broken = async { Err::<(), _>(kube::Error::Service("connection refused".into())) };
    let result = Calls::new(Metrics::default())
        .call(Verb::Get, Target("secrets"), broken)
        .await;
    assert_eq!(result, Err(ApiError::Unavailable));
}

#[tokio::test]
async fn each_call_is_counted_by_verb_and_outcome() {
    let mock = Mock::answering([failed(409, "Conflict"), (200, json!({ "kind": "Status" }))]);
    let metrics = mock.metrics.clone();
    for _ in 0..2 {
        let _ = mock
            .cluster
            .delete_secret("ns", "name", &owner(), &this("1"))
            .await;
    }
    mock.asked().await;
    let text = metrics.encode().unwrap();
    for outcome in ["conflict", "ok"] {
        let line = format!(
            "presigned_api_calls_total{{verb=\"delete\",resource=\"secrets\",outcome=\"{outcome}\"}} 1"
        );
        assert!(text.contains(&line), "{line}\nnot in\n{text}");
    }
}

//! Reviews of tokens for `/metrics`.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::ScrapeReviews;
use super::{Mock, failed};
use crate::clock::Clock;
use crate::telemetry::{Reviewer as _, Verdict};

fn authenticated() -> (u16, Value) {
    let user = json!({
        "username": "system:serviceaccount:monitoring:prometheus", "uid": "u",
        "groups": ["system:serviceaccounts"], "extra": { "a": ["b"] },
    });
    let status = json!({ "authenticated": true, "user": user });
    (201, json!({ "kind": "TokenReview", "status": status }))
}

fn access(allowed: bool) -> (u16, Value) {
    (
        201,
        json!({ "kind": "SubjectAccessReview", "status": { "allowed": allowed } }),
    )
}

fn token(text: &str) -> SecretString {
    text.to_owned().into()
}

#[tokio::test(start_paused = true)]
async fn an_allowance_is_asked_for_as_its_owner_and_believed_for_a_minute() {
    let mock = Mock::answering([
        authenticated(),
        access(true),
        authenticated(),
        access(false),
    ]);
    let reviews = ScrapeReviews::new(mock.cluster.clone(), Clock::start());
    let prometheus = token("prometheus");
    assert_eq!(reviews.review(&prometheus).await, Verdict::Allowed);
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(reviews.review(&prometheus).await, Verdict::Allowed);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(reviews.review(&prometheus).await, Verdict::Forbidden);
    drop(reviews);
    let asked = mock.asked().await;
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[0].uri, "/apis/authentication.k8s.io/v1/tokenreviews");
    assert_eq!(asked[0].body["spec"], json!({ "token": "prometheus" }));
    assert_eq!(
        asked[1].uri,
        "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    );
    assert_eq!(
        asked[1].body["spec"],
        json!({
            "user": "system:serviceaccount:monitoring:prometheus", "uid": "u",
            "groups": ["system:serviceaccounts"], "extra": { "a": ["b"] },
            "nonResourceAttributes": { "path": "/metrics", "verb": "get" },
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_nobodys_is_refused_and_asked_about_again() {
    let nobody = || {
        (
            201,
            json!({ "status": { "authenticated": false, "error": "VALUE" } }),
        )
    };
    let mock = Mock::answering([nobody(), nobody(), (201, json!({})), failed(500, "Down")]);
    let reviews = ScrapeReviews::new(mock.cluster.clone(), Clock::start());
    let guess = token("guess");
    for verdict in [
        Verdict::Unauthenticated,
        Verdict::Unauthenticated,
        Verdict::Unauthenticated,
        Verdict::Unavailable,
    ] {
        assert_eq!(reviews.review(&guess).await, verdict);
    }
    drop(reviews);
    assert_eq!(mock.asked().await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn wrong_tokens_cost_the_api_server_ten_reviews_a_second_at_most() {
    let answers: [_; 20] = std::array::from_fn(|_| (201, json!({ "status": {} })));
    let mock = Mock::answering(answers);
    let reviews = ScrapeReviews::new(mock.cluster.clone(), Clock::start());
    let begun = tokio::time::Instant::now();
    let tokens: Vec<SecretString> = (0..20).map(|n| token(&format!("guess-{n}"))).collect();
    futures::future::join_all(tokens.iter().map(|token| reviews.review(token))).await;
    assert!(
        begun.elapsed() >= Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    drop(reviews);
    assert_eq!(mock.asked().await.len(), 20);
}

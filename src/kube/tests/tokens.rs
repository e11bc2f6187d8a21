//! Tokens of the operator's own service account.

use presigned_core::engine::ApiError;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::super::Pod;
use super::{Mock, failed};

#[tokio::test]
async fn a_token_is_asked_for_one_audience_for_the_shortest_life_and_bound_to_the_pod() {
    let issued =
        json!({ "kind": "TokenRequest", "status": { "token": "header.claims.signature" } });
    let mock = Mock::answering([
        (201, issued),
        failed(403, "Forbidden"),
        (201, json!({ "kind": "TokenRequest" })),
    ]);
    let cluster = mock.cluster.clone();
    let pod = Pod {
        name: "operator-0".to_owned(),
        uid: "uid-0".to_owned(),
    };
    let ask =
        || cluster.service_account_token("presigned", "operator", "sts.example.com", Some(&pod));
    assert_eq!(
        ask().await.unwrap().expose_secret(),
        "header.claims.signature"
    );
    assert_eq!(ask().await.unwrap_err(), ApiError::Forbidden);
    assert_eq!(ask().await.unwrap_err(), ApiError::Other(None));
    drop(cluster);
    let asked = mock.asked().await;
    assert_eq!(asked[0].method, "POST");
    assert_eq!(
        asked[0].uri,
        "/api/v1/namespaces/presigned/serviceaccounts/operator/token"
    );
    assert_eq!(
        asked[0].body["spec"],
        json!({
            "audiences": ["sts.example.com"],
            "expirationSeconds": 600,
            "boundObjectRef": { "kind": "Pod", "apiVersion": "v1", "name": "operator-0", "uid": "uid-0" },
        })
    );
}

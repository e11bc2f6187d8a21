//! A link: what is signed cannot be edited once it was asked for with `renew: Never`; everything else can.

use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use presigned_core::api::PresignedUrl;
use serde_json::{Value, json};

use crate::cluster::cluster;

const FIXED: &str =
    "with renew: Never what is signed is fixed for good: create another PresignedURL";

/// Creates a resource that no operator serves, asks for each edit of it by a dry run, and tells which were
/// refused.
pub(super) async fn edits(
    name: &str,
    spec: &Value,
    edits: &[(&str, Value)],
) -> Vec<(String, Result<(), String>)> {
    let client = cluster().await.admin().expect("a client");
    let api: Api<PresignedUrl> = Api::namespaced(client, "default");
    let object = json!({
        "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL",
        "metadata": { "name": name }, "spec": spec,
    });
    let object = serde_json::from_value(object).expect("a PresignedURL");
    api.create(&PostParams::default(), &object)
        .await
        .expect("create it");
    let dry_run = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let mut answers = Vec::new();
    for (case, patch) in edits {
        let answer = match api.patch(name, &dry_run, &Patch::Merge(patch)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 422 => Err(status.message),
            Err(other) => panic!("{case}: neither taken nor refused: {other}"),
        };
        answers.push(((*case).to_owned(), answer));
    }
    api.delete(name, &DeleteParams::default())
        .await
        .expect("delete it");
    answers
}

pub(super) fn spec(changes: Value) -> Value {
    Value::from_iter([("spec", changes)])
}

/// Of a class that nobody serves.
fn link() -> Value {
    json!({
        "class": "nobody", "storeRef": { "name": "main" }, "endpoint": "public", "bucket": "models",
        "key": "llama/weights.bin", "method": "GET", "get": { "responseContentType": "text/plain" },
        "renew": "Never", "duration": "2h", "ttlAfterExpiry": "1h",
    })
}

#[tokio::test]
async fn what_is_signed_for_a_link_cannot_be_edited() {
    let wanted = [
        (
            "the store",
            spec(json!({ "storeRef": { "name": "other" } })),
        ),
        ("no store", spec(json!({ "storeRef": null }))),
        ("the endpoint", spec(json!({ "endpoint": "private" }))),
        ("no endpoint", spec(json!({ "endpoint": null }))),
        ("the bucket", spec(json!({ "bucket": "others" }))),
        ("the key", spec(json!({ "key": "llama/other.bin" }))),
        (
            "keys",
            spec(json!({ "key": null, "keys": ["llama/weights.bin"] })),
        ),
        ("a prefix", spec(json!({ "key": null, "prefix": "llama/" }))),
        ("the method", spec(json!({ "method": "HEAD" }))),
        ("no method", spec(json!({ "method": null }))),
        ("a longer life", spec(json!({ "duration": "3h" }))),
        ("a shorter life", spec(json!({ "duration": "1h" }))),
        ("no life", spec(json!({ "duration": null }))),
        (
            "an option",
            spec(json!({ "get": { "responseContentType": "text/html" } })),
        ),
        ("no options", spec(json!({ "get": null }))),
    ];
    let mut faults = Vec::new();
    for (case, answer) in edits("a-fixed-link", &link(), &wanted).await {
        match answer {
            Err(message) if message.contains(FIXED) => {}
            other => faults.push(format!("{case}: {other:?}")),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn the_rest_of_a_link_can_be_edited() {
    let wanted = [
        ("the Secret's name", spec(json!({ "secretName": "other" }))),
        (
            "the Secret's labels",
            spec(json!({ "secretTemplate": { "labels": { "app": "x" } } })),
        ),
        ("a pause", spec(json!({ "suspend": true }))),
        (
            "when it is deleted",
            spec(json!({ "ttlAfterExpiry": "24h" })),
        ),
        ("at once", spec(json!({ "ttlAfterExpiry": "0s" }))),
        ("that it stays", spec(json!({ "ttlAfterExpiry": null }))),
        ("how it is tried", spec(json!({ "verify": "Never" }))),
        (
            "an annotation",
            json!({ "metadata": { "annotations": { "presigned.dev/renew": "1" } } }),
        ),
    ];
    for (case, answer) in edits("an-open-link", &link(), &wanted).await {
        assert_eq!(answer, Ok(()), "{case}");
    }
}

#[tokio::test]
async fn what_is_renewed_stays_open() {
    let renewed = json!({ "class": "nobody", "bucket": "models", "key": "llama/weights.bin" });
    let wanted = [
        ("the key", spec(json!({ "key": "llama/other.bin" }))),
        ("the life", spec(json!({ "duration": "3h" }))),
    ];
    for (case, answer) in edits("no-link", &renewed, &wanted).await {
        assert_eq!(answer, Ok(()), "{case}");
    }
}

#[tokio::test]
async fn the_longest_list_of_keys_does_not_tire_the_rule() {
    let keys: Vec<String> = (0..2048).map(|n| format!("{n:0>200}")).collect();
    let many = json!({ "class": "nobody", "bucket": "models", "keys": keys, "renew": "Never" });
    let mut other = keys.clone();
    other[2047] = "other".to_owned();
    let wanted = [
        ("one key of them", spec(json!({ "keys": other }))),
        ("a pause", spec(json!({ "suspend": true }))),
    ];
    let answers = edits("a-long-link", &many, &wanted).await;
    assert!(
        answers[0].1.as_ref().is_err_and(|why| why.contains(FIXED)),
        "{answers:?}"
    );
    assert_eq!(answers[1].1, Ok(()));
}

//! Secrets are written whole, with preconditions, and nothing of their data comes back.

use std::collections::BTreeMap;

use presigned_core::engine::{ApiError, ObjectVersion, SecretAnswer, SecretWrite};
use presigned_core::issue::SecretBytes;
use presigned_core::lease::Claim;
use serde_json::{Value, json};

use super::{Mock, failed, metadata, owner, this};
use crate::clock::Clock;
use crate::kube::http::METADATA_ONLY;

fn write() -> SecretWrite {
    SecretWrite {
        namespace: "team-a".to_owned(),
        name: "model".to_owned(),
        labels: BTreeMap::from([("presigned.dev/managed-by".to_owned(), "x".to_owned())]),
        annotations: BTreeMap::from([("note".to_owned(), "y".to_owned())]),
        owners: vec![owner()],
        finalizers: vec!["example.com/keep".to_owned()],
        data: BTreeMap::from([("url".to_owned(), SecretBytes::from(b"https://x".to_vec()))]),
    }
}

fn version(answer: SecretAnswer) -> ObjectVersion {
    answer.version
}

#[tokio::test]
async fn what_a_webhook_changed_on_the_way_is_told() {
    let sent = json!({
        "labels": { "presigned.dev/managed-by": "x" }, "annotations": { "note": "y" },
        "finalizers": ["example.com/keep"],
        "ownerReferences": [{
            "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL", "name": "model",
            "uid": "owner-uid", "controller": true, "blockOwnerDeletion": false,
        }],
    });
    let changes = [
        (
            "labels",
            json!({ "presigned.dev/managed-by": "x", "team": "a" }),
        ),
        ("annotations", json!({})),
        ("finalizers", json!([])),
        ("ownerReferences", json!([])),
    ];
    let edited = changes.into_iter().map(|(field, value)| {
        let mut stored = sent.clone();
        stored[field] = value;
        stored
    });
    for (at, stored) in std::iter::once(sent.clone()).chain(edited).enumerate() {
        let mut metadata = stored;
        metadata["name"] = json!("model");
        metadata["uid"] = json!("uid-1");
        metadata["resourceVersion"] = json!("7");
        let body = json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        });
        let mock = Mock::answering([(201, body)]);
        let answer = mock.cluster.create_secret(&write()).await.unwrap();
        assert_eq!(answer.as_sent, at == 0, "{answer:?}");
    }
}

#[tokio::test]
async fn a_write_after_the_end_of_its_claim_is_not_sent() {
    let mock = Mock::answering([(200, metadata("8"))]);
    let over = mock.cluster.within(Claim::none(), Clock::start());
    let created = over.create_secret(&write()).await;
    assert_eq!(created, Err(ApiError::Unavailable));
    let updated = over.update_secret(&write(), &this("7")).await;
    assert_eq!(updated, Err(ApiError::Unavailable));
    let target = this("7");
    let owner = owner();
    let deleted = over.delete_secret("team-a", "model", &owner, &target).await;
    assert_eq!(deleted, Err(ApiError::Unavailable));
    let read = over.inspect_secret("team-a", "model", false).await;
    assert!(read.unwrap().is_some(), "what reads needs no claim");
    drop(over);
    let asked = mock.asked().await;
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].method, "GET");
}

#[tokio::test]
async fn a_create_posts_the_whole_and_asks_for_metadata_only() {
    let mock = Mock::answering([(201, metadata("7"))]);
    let answer = mock.cluster.create_secret(&write()).await.unwrap();
    assert_eq!(answer.version, this("7"));
    let asked = mock.asked().await;
    let got = &asked[0];
    assert_eq!(got.method, "POST");
    assert_eq!(
        got.uri,
        "/api/v1/namespaces/team-a/secrets?fieldManager=presigned-url-operator"
    );
    assert_eq!(got.accept, METADATA_ONLY);
    assert_eq!(got.content_type, "application/json");
    assert_eq!(
        got.body,
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {
                "namespace": "team-a", "name": "model", "finalizers": ["example.com/keep"],
                "labels": { "presigned.dev/managed-by": "x" }, "annotations": { "note": "y" },
                "ownerReferences": [{
                    "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL", "name": "model",
                    "uid": "owner-uid", "controller": true, "blockOwnerDeletion": false,
                }],
            },
            "data": { "url": "aHR0cHM6Ly94" },
        })
    );
}

#[tokio::test]
async fn an_update_names_the_one_that_was_decided_on() {
    let mock = Mock::answering([(200, metadata("8")), failed(409, "Conflict")]);
    let (write, target) = (write(), this("7"));
    let update = || mock.cluster.update_secret(&write, &target);
    assert_eq!(update().await.map(version), Ok(this("8")));
    assert_eq!(update().await, Err(ApiError::Conflict));
    let asked = mock.asked().await;
    assert_eq!(asked[0].method, "PUT");
    assert_eq!(
        asked[0].uri,
        "/api/v1/namespaces/team-a/secrets/model?fieldManager=presigned-url-operator"
    );
    assert_eq!(asked[0].accept, METADATA_ONLY);
    assert_eq!(asked[0].body["metadata"]["uid"], "uid-1");
    assert_eq!(asked[0].body["metadata"]["resourceVersion"], "7");
}

#[tokio::test]
async fn a_lost_owner_is_put_back_on_what_was_inspected_and_everything_else_is_sent_back() {
    let others = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "c-uid" });
    let whole = json!({
        "kind": "Secret", "apiVersion": "v1", "type": "Opaque",
        "metadata": {
            "name": "model", "uid": "uid-1", "resourceVersion": "7", "labels": { "a": "b" },
            "annotations": { "note": "y" }, "finalizers": ["example.com/keep"],
            "ownerReferences": [others.clone()],
        },
        "data": { "url": "aHR0cHM6Ly94", "other": "/w==" },
    });
    let mut newer = whole.clone();
    newer["metadata"]["resourceVersion"] = json!("8");
    let mock = Mock::answering([
        (200, whole),
        (200, metadata("8")),
        (200, newer),
        failed(404, "NotFound"),
    ]);
    let owner = &write().owners[0];
    let restore = async || {
        let target = &this("7");
        mock.cluster
            .restore_marks("team-a", "model", owner, target)
            .await
    };
    assert_eq!(restore().await.map(version), Ok(this("8")));
    assert_eq!(restore().await, Err(ApiError::Conflict));
    assert_eq!(restore().await, Err(ApiError::NotFound));
    let asked = mock.asked().await;
    assert_eq!(asked.len(), 4, "of a newer version nothing is written");
    let put = &asked[1];
    assert_eq!((&*put.method, &*put.accept), ("PUT", METADATA_ONLY));
    assert_eq!(
        put.uri,
        "/api/v1/namespaces/team-a/secrets/model?fieldManager=presigned-url-operator"
    );
    let meta = &put.body["metadata"];
    let version = (&meta["uid"], &meta["resourceVersion"]);
    assert_eq!(version, (&json!("uid-1"), &json!("7")));
    assert_eq!(meta["finalizers"], json!(["example.com/keep"]));
    assert_eq!(
        meta["labels"],
        json!({ "a": "b", "presigned.dev/managed-by": "presigned-url-operator" })
    );
    assert_eq!(
        meta["annotations"],
        json!({ "note": "y", "presigned.dev/presigned-url": "model" })
    );
    assert_eq!(meta["ownerReferences"][0], others);
    assert_eq!(meta["ownerReferences"][1]["uid"], "owner-uid");
    assert_eq!(meta["ownerReferences"][1]["controller"], true);
    assert_eq!(
        put.body["data"],
        json!({ "url": "aHR0cHM6Ly94", "other": "/w==" })
    );
}

#[tokio::test]
async fn a_delete_carries_its_preconditions_and_is_content_with_gone() {
    let only_uid = ObjectVersion {
        resource_version: None,
        ..this("7")
    };
    let done = json!({ "kind": "Status", "status": "Success" });
    let mock = Mock::answering([
        (200, done),
        failed(404, "NotFound"),
        failed(409, "Conflict"),
    ]);
    let cluster = mock.cluster.clone();
    assert_eq!(
        cluster.delete_secret("ns", "n", &owner(), &this("7")).await,
        Ok(())
    );
    assert_eq!(
        cluster.delete_secret("ns", "n", &owner(), &only_uid).await,
        Ok(())
    );
    assert_eq!(
        cluster.delete_secret("ns", "n", &owner(), &this("7")).await,
        Err(ApiError::Conflict)
    );
    drop(cluster);
    let asked = mock.asked().await;
    assert_eq!(asked[0].method, "DELETE");
    assert_eq!(asked[0].uri, "/api/v1/namespaces/ns/secrets/n");
    assert_eq!(asked[0].accept, METADATA_ONLY);
    assert_eq!(
        asked[0].body["preconditions"],
        json!({ "uid": "uid-1", "resourceVersion": "7" })
    );
    assert_eq!(asked[1].body["preconditions"], json!({ "uid": "uid-1" }));
}

/// The metadata of a Secret that a finalizer keeps after its deletion.
fn kept(version: &str) -> Value {
    let mut kept = metadata(version);
    kept["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    kept["metadata"]["finalizers"] = json!(["example.com/keep"]);
    kept["metadata"]["labels"] = json!({ "a": "b" });
    kept
}

#[tokio::test]
async fn a_secret_that_a_finalizer_keeps_loses_its_data() {
    let mock = Mock::answering([(200, kept("8")), (200, kept("9"))]);
    let cluster = mock.cluster.clone();
    let (owner, target) = (owner(), this("7"));
    let deleted = cluster.delete_secret("team-a", "model", &owner, &target);
    assert_eq!(deleted.await, Ok(()));
    drop(cluster);
    let asked = mock.asked().await;
    assert_eq!(asked[0].method, "DELETE");
    let put = &asked[1];
    assert_eq!((&*put.method, &*put.accept), ("PUT", METADATA_ONLY));
    assert_eq!(
        put.uri,
        "/api/v1/namespaces/team-a/secrets/model?fieldManager=presigned-url-operator"
    );
    assert_eq!(put.body["data"], json!({}));
    let meta = &put.body["metadata"];
    let version = (&meta["uid"], &meta["resourceVersion"]);
    assert_eq!(version, (&json!("uid-1"), &json!("8")));
    assert_eq!(meta["finalizers"], json!(["example.com/keep"]));
    assert_eq!(
        meta["labels"],
        json!({ "a": "b", "presigned.dev/managed-by": "presigned-url-operator" })
    );
    assert_eq!(meta["ownerReferences"][0]["uid"], "owner-uid");
}

#[tokio::test]
async fn a_secret_whose_data_stay_is_not_removed() {
    let conflict = || failed(409, "Conflict");
    let only_uid = ObjectVersion {
        resource_version: None,
        ..this("7")
    };
    let empty = async |answers: &[(u16, Value)], target: &ObjectVersion| {
        let mock = Mock::answering(answers.to_vec());
        let owner = owner();
        let result = mock.cluster.delete_secret("ns", "n", &owner, target);
        let result = result.await;
        assert_eq!(mock.asked().await.len(), answers.len());
        result
    };
    let kept = |version| (200, kept(version));
    for (refused, error) in [
        (failed(422, "Invalid"), ApiError::Kept),
        (failed(403, "Forbidden"), ApiError::Forbidden),
        (conflict(), ApiError::Conflict),
    ] {
        assert_eq!(empty(&[kept("8"), refused], &this("7")).await, Err(error));
    }
    let gone = [kept("8"), failed(404, "NotFound")];
    assert_eq!(empty(&gone, &this("7")).await, Ok(()));
    // Without the right to read Secrets nobody can look: it is emptied as it is now.
    let again = [kept("8"), conflict(), kept("9"), (200, metadata("10"))];
    assert_eq!(empty(&again, &only_uid).await, Ok(()));
    let never = vec![[kept("8"), conflict()]; 3].concat();
    assert_eq!(
        empty(&never, &only_uid).await,
        Err(ApiError::Other(Some(409)))
    );
}

#[tokio::test]
async fn an_inspection_reads_data_only_where_it_is_asked_to() {
    let whole = json!({
        "kind": "Secret", "apiVersion": "v1", "type": "kubernetes.io/tls", "immutable": true,
        "metadata": {
            "name": "n", "uid": "u", "resourceVersion": "3", "labels": { "a": "b" },
            "deletionTimestamp": "2026-01-01T00:00:00Z",
        },
        "data": { "url": "aHR0cHM6Ly94" },
    });
    let mock = Mock::answering([(200, metadata("3")), (200, whole), failed(404, "NotFound")]);
    let cluster = mock.cluster.clone();
    let seen = cluster
        .inspect_secret("ns", "n", false)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(seen.uid, "uid-1");
    assert_eq!(seen.content, None);
    let seen = cluster
        .inspect_secret("ns", "n", true)
        .await
        .unwrap()
        .unwrap();
    assert!(seen.deleting);
    assert_eq!(seen.labels["a"], "b");
    let content = seen.content.unwrap();
    assert!(content.immutable);
    assert!(!content.opaque);
    assert_eq!(cluster.inspect_secret("ns", "n", true).await, Ok(None));
    drop(cluster);
    let asked = mock.asked().await;
    assert_eq!(asked[0].accept, METADATA_ONLY);
    assert_eq!(asked[1].accept, "application/json");
}

#[tokio::test]
async fn the_data_of_a_credentials_secret_is_decoded() {
    let meta = json!({ "resourceVersion": "7" });
    let whole = json!({ "metadata": meta, "data": { "accessKeyID": "QUtJQQ==" } });
    let mock = Mock::answering([(200, whole), (200, json!({ "metadata": {} }))]);
    let (version, data) = mock.cluster.secret_data("ns", "n").await.unwrap().unwrap();
    assert_eq!(version.resource_version.as_deref(), Some("7"));
    assert_eq!(data["accessKeyID"].expose(), b"AKIA");
    assert!(
        mock.cluster
            .secret_data("ns", "n")
            .await
            .unwrap()
            .unwrap()
            .1
            .is_empty()
    );
    mock.asked().await;
}

#[tokio::test]
async fn a_name_can_never_point_at_another_path() {
    let mock = Mock::answering([]);
    for name in [
        "../../default/secrets/x",
        "..",
        ".",
        "",
        "a/b",
        "a?b",
        "a%2fb",
        "A",
    ] {
        let result = mock.cluster.inspect_secret("ns", name, true).await;
        assert_eq!(result, Err(ApiError::Invalid), "{name}");
        let result = mock
            .cluster
            .delete_secret(name, "n", &owner(), &this("1"))
            .await;
        assert_eq!(result, Err(ApiError::Invalid), "{name}");
    }
    assert!(mock.asked().await.is_empty());
}

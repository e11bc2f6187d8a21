//! A status write replaces the whole status.

use presigned_core::api::{
    ClusterObjectStoreStatus, LimitedBy, Method, PresignedUrlPolicyStatus, PresignedUrlStatus,
    SecretRef, UrlCounts,
};
use presigned_core::engine::{ApiError, ObjectVersion};
use serde_json::{Value, json};

use super::{Mock, failed, metadata, this};
use crate::kube::StatusKind;
use crate::kube::http::METADATA_ONLY;

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn full() -> PresignedUrlStatus {
    PresignedUrlStatus {
        observed_generation: Some(3),
        method: Some(Method::Get),
        secret_ref: Some(SecretRef {
            name: "old".to_owned(),
            ..SecretRef::default()
        }),
        expires_at: Some("2026-11-22T12:00:00Z".parse().unwrap()),
        limited_by: Some(LimitedBy::Credentials),
        policy_refs: vec!["a".to_owned(), "b".to_owned()],
        failed_attempts: Some(4),
        ..PresignedUrlStatus::default()
    }
}

#[tokio::test]
async fn what_the_new_status_lacks_is_gone_after_the_write() {
    let new = PresignedUrlStatus {
        observed_generation: Some(4),
        policy_refs: vec!["c".to_owned()],
        ..PresignedUrlStatus::default()
    };
    let mock = Mock::answering([(200, metadata("9"))]);
    let written = mock
        .cluster
        .write_status(Some("team-a"), "model", &this("8"), &new)
        .await;
    assert_eq!(written, Ok(this("9")));
    let asked = mock.asked().await;
    let got = &asked[0];
    assert_eq!(got.method, "PATCH");
    assert_eq!(
        got.uri,
        "/apis/presigned.dev/v1alpha1/namespaces/team-a/presignedurls/model/status\
         ?fieldManager=presigned-url-operator"
    );
    assert_eq!(got.content_type, "application/merge-patch+json");
    assert_eq!(got.accept, METADATA_ONLY);
    assert_eq!(
        got.body["metadata"],
        json!({ "uid": "uid-1", "resourceVersion": "8" })
    );

    let mut stored = serde_json::to_value(full()).unwrap();
    merge(&mut stored, &got.body["status"]);
    assert_eq!(stored, serde_json::to_value(&new).unwrap());
}

#[tokio::test]
async fn kinds_of_the_cluster_have_no_namespace_in_their_path() {
    let mock = Mock::answering([(200, metadata("2")), failed(409, "Conflict")]);
    let cluster = mock.cluster.clone();
    let store = ClusterObjectStoreStatus {
        urls: Some(UrlCounts {
            total: 2,
            on_current_credentials: 1,
        }),
        ..ClusterObjectStoreStatus::default()
    };
    let version = this("1");
    assert!(
        cluster
            .write_status(None, "default", &version, &store)
            .await
            .is_ok()
    );
    let policy = PresignedUrlPolicyStatus::default();
    assert_eq!(
        cluster.write_status(None, "teams", &version, &policy).await,
        Err(ApiError::Conflict)
    );
    drop(cluster);
    let asked = mock.asked().await;
    let path = |got: &super::Got| got.uri.split('?').next().unwrap().to_owned();
    assert_eq!(
        path(&asked[0]),
        "/apis/presigned.dev/v1alpha1/clusterobjectstores/default/status"
    );
    assert_eq!(
        asked[0].body["status"],
        json!({
            "observedGeneration": null, "conditions": null, "credentialsExpireAt": null,
            "absenceBudget": null,
            "urls": { "total": 2, "onCurrentCredentials": 1 },
        })
    );
    assert_eq!(
        path(&asked[1]),
        "/apis/presigned.dev/v1alpha1/presignedurlpolicies/teams/status"
    );
    assert_eq!(
        asked[1].body["status"],
        json!({ "observedGeneration": null, "conditions": null })
    );
}

#[tokio::test]
async fn a_status_is_never_written_without_a_resource_version() {
    let target = ObjectVersion {
        resource_version: None,
        ..this("1")
    };
    let mock = Mock::answering([]);
    let written = mock
        .cluster
        .write_status(Some("team-a"), "model", &target, &full())
        .await;
    assert_eq!(written, Err(ApiError::Conflict));
    assert!(mock.asked().await.is_empty());
}

#[test]
fn the_schema_names_every_field_that_a_status_can_have() {
    let mut filled = serde_json::Map::new();
    PresignedUrlStatus::fields().fill(&mut filled);
    for name in serde_json::to_value(full())
        .unwrap()
        .as_object()
        .unwrap()
        .keys()
    {
        assert!(filled.contains_key(name), "{name}");
    }
    for name in [
        "secretRef",
        "hashes",
        "renewAt",
        "lastRenewRequest",
        "conditions",
    ] {
        assert!(filled.contains_key(name), "{name}");
    }
}

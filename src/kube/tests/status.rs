//! A status write replaces the whole status.

use presigned_core::api::{
    ClusterObjectStoreStatus, InternalStatus, LimitedBy, Method, PresignedUrlPolicyStatus,
    PresignedUrlStatus, SecretRef, UrlCounts,
};
use presigned_core::engine::{ApiError, ObjectVersion};
use serde_json::json;

use super::{Mock, failed, metadata, this};
use crate::kube::http::METADATA_ONLY;

fn full() -> PresignedUrlStatus {
    PresignedUrlStatus {
        observed_generation: Some(3),
        method: Some(Method::Get),
        secret_ref: Some(SecretRef { name: "old".into() }),
        expiration_time: Some("2026-11-22T12:00:00Z".parse().unwrap()),
        limited_by: Some(LimitedBy::Credentials),
        policy_refs: vec!["a".to_owned(), "b".to_owned()],
        internal: InternalStatus {
            failed_attempts: Some(4),
            ..InternalStatus::default()
        },
        ..PresignedUrlStatus::default()
    }
}

#[tokio::test]
async fn a_status_is_written_whole_with_the_version_that_it_was_decided_on() {
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
    assert_eq!(got.method, "PUT");
    assert_eq!(
        got.uri,
        "/apis/presigned.dev/v1alpha1/namespaces/team-a/presignedurls/model/status\
         ?fieldManager=presigned-url-operator"
    );
    assert_eq!(got.content_type, "application/json");
    assert_eq!(got.accept, METADATA_ONLY);
    // Metadata and status, and no spec: the API server keeps the one that it has.
    assert_eq!(
        got.body,
        json!({
            "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL",
            "metadata": {
                "namespace": "team-a", "name": "model", "uid": "uid-1", "resourceVersion": "8",
            },
            "status": { "observedGeneration": 4, "policyRefs": ["c"] },
        })
    );
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
        json!({ "urls": { "total": 2, "onCurrentCredentials": 1 } })
    );
    assert_eq!(
        path(&asked[1]),
        "/apis/presigned.dev/v1alpha1/presignedurlpolicies/teams/status"
    );
    assert_eq!(asked[1].body["status"], json!({}));
    assert_eq!(asked[1].body["metadata"].get("namespace"), None);
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

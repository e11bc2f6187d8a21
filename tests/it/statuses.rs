//! A status is written whole, to the version that was decided on: shown by the operator's writer on a real
//! API server.

use kube::Api;
use kube::api::PostParams;
use presigned_core::api::{
    ClusterObjectStore, ClusterObjectStoreStatus, PresignedUrl, PresignedUrlSpec,
    PresignedUrlStatus, UrlCounts,
};
use presigned_core::engine::{ApiError, ObjectVersion};
use presigned_url_operator::kube::Cluster;
use presigned_url_operator::telemetry::Metrics;
use serde_json::json;

use crate::cluster::cluster;

const NAMESPACE: &str = "default";

fn status(generation: i64, policies: &[&str]) -> PresignedUrlStatus {
    PresignedUrlStatus {
        observed_generation: Some(generation),
        policy_refs: policies.iter().map(|name| (*name).to_owned()).collect(),
        ..PresignedUrlStatus::default()
    }
}

/// A PresignedURL of this name as the API server has it, and the operator's writer.
async fn scene(name: &str) -> (Api<PresignedUrl>, PresignedUrl, Cluster) {
    let client = cluster().await.admin().expect("a client");
    let writer = Cluster::new(client.clone(), Metrics::default(), "test".to_owned());
    let api: Api<PresignedUrl> = Api::namespaced(client, NAMESPACE);
    let spec = PresignedUrlSpec {
        bucket: "models".to_owned(),
        key: Some("llama/weights.bin".to_owned()),
        // A test has no operator of this class: nobody else writes the status.
        class: Some("nobody".to_owned()),
        ..PresignedUrlSpec::default()
    };
    let made = api
        .create(&PostParams::default(), &PresignedUrl::new(name, spec))
        .await
        .expect("create");
    (api, made, writer)
}

fn version(object: &PresignedUrl) -> ObjectVersion {
    ObjectVersion {
        uid: object.metadata.uid.clone().expect("a uid"),
        resource_version: object.metadata.resource_version.clone(),
    }
}

#[tokio::test]
async fn a_status_replaces_the_whole_of_the_one_before_and_nothing_else() {
    let (api, made, writer) = scene("statuses-whole").await;
    let name = "statuses-whole";
    let first = status(1, &["a", "b"]);
    let written = writer
        .write_status(Some(NAMESPACE), name, &version(&made), &first)
        .await
        .expect("the first write");
    let stored = api.get(name).await.expect("get");
    assert_eq!(stored.status, Some(first));
    assert_eq!(version(&stored), written, "the answer tells the version");

    let second = PresignedUrlStatus {
        revision: Some(7),
        ..PresignedUrlStatus::default()
    };
    writer
        .write_status(Some(NAMESPACE), name, &written, &second)
        .await
        .expect("the second write");
    let stored = api.get(name).await.expect("get");
    assert_eq!(
        stored.status,
        Some(second),
        "what the new status lacks is gone"
    );
    assert_eq!(stored.spec, made.spec);
    assert_eq!(stored.metadata.generation, made.metadata.generation);
}

#[tokio::test]
async fn a_status_for_another_uid_or_an_older_version_is_refused() {
    let (api, made, writer) = scene("statuses-refused").await;
    let name = "statuses-refused";
    let seen = version(&made);
    let wrong_uid = ObjectVersion {
        uid: "6f2a1a4e-0000-4000-8000-000000000000".to_owned(),
        ..seen.clone()
    };
    let refused = writer
        .write_status(Some(NAMESPACE), name, &wrong_uid, &status(1, &["a"]))
        .await;
    assert_eq!(refused, Err(ApiError::Conflict), "another uid");
    assert_eq!(api.get(name).await.expect("get").status, None);

    writer
        .write_status(Some(NAMESPACE), name, &seen, &status(1, &["a"]))
        .await
        .expect("the version that was seen");
    let refused = writer
        .write_status(Some(NAMESPACE), name, &seen, &status(1, &["late"]))
        .await;
    assert_eq!(refused, Err(ApiError::Conflict), "a stale resourceVersion");
    let stored = api.get(name).await.expect("get");
    assert_eq!(stored.status, Some(status(1, &["a"])));
}

#[tokio::test]
async fn a_status_of_a_kind_of_the_cluster_is_written_the_same_way() {
    let client = cluster().await.admin().expect("a client");
    let writer = Cluster::new(client.clone(), Metrics::default(), "test".to_owned());
    let api: Api<ClusterObjectStore> = Api::all(client);
    let store: ClusterObjectStore = serde_json::from_value(json!({
        "apiVersion": "presigned.dev/v1alpha1", "kind": "ClusterObjectStore",
        "metadata": { "name": "statuses-store" },
        "spec": { "s3": { "region": "us-east-1", "credentials": { "secretRef": { "name": "none" } } } },
    }))
    .expect("a store");
    let made = api
        .create(&PostParams::default(), &store)
        .await
        .expect("create");
    let seen = ObjectVersion {
        uid: made.metadata.uid.clone().expect("a uid"),
        resource_version: made.metadata.resource_version.clone(),
    };
    let counts = ClusterObjectStoreStatus {
        urls: Some(UrlCounts {
            total: 2,
            on_current_credentials: 1,
        }),
        ..ClusterObjectStoreStatus::default()
    };
    writer
        .write_status(None, "statuses-store", &seen, &counts)
        .await
        .expect("write");
    let stored = api.get("statuses-store").await.expect("get");
    assert_eq!(stored.status, Some(counts));
    assert_eq!(stored.spec, made.spec);
    api.delete("statuses-store", &kube::api::DeleteParams::default())
        .await
        .expect("delete");
}

//! What `kubectl get psu` prints, and that the status is a resource of its own.

use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use presigned_core::api::{PresignedUrl, PresignedUrlSpec, PresignedUrlStatus};
use serde_json::{Value, json};

use crate::cluster::cluster;

#[tokio::test]
async fn kubectl_get_tells_state_and_expiry_at_a_glance() {
    let client = cluster().await.admin().expect("a client");
    let api: Api<PresignedUrl> = Api::default_namespaced(client.clone());
    let spec = PresignedUrlSpec {
        bucket: "models".to_owned(),
        key: Some("llama/weights.bin".to_owned()),
        ..PresignedUrlSpec::default()
    };
    let mut asked = PresignedUrl::new("columns", spec);
    asked.status = Some(PresignedUrlStatus::default());
    let made = api.create(&PostParams::default(), &asked).await;
    assert!(
        made.expect("create").status.is_none(),
        "a tenant's status was taken"
    );

    let condition = |type_: &str, reason: &str| {
        json!({
            "type": type_, "status": "True", "observedGeneration": 1, "lastTransitionTime": "2026-11-22T12:00:00Z",
            "reason": reason, "message": "The Secret holds a living URL.",
        })
    };
    let status = json!({ "status": {
        "observedGeneration": 1,
        "conditions": [condition("Ready", "Issued"), condition("Allowed", "Allowed"), condition("Verified", "Verified")],
        "method": "GET",
        "secretRef": {
            "name": "columns", "uid": "6f2a1a4e-0000-4000-8000-000000000000", "resourceVersion": "18446744073709551615",
            "dataHash": "a".repeat(64),
        },
        "issueTime": "2026-11-22T12:00:00Z", "expirationTime": "2099-11-22T12:00:00Z", "renewalTime": "2099-11-22T04:00:00Z",
        "limitedBy": "SigV4", "policyRefs": ["teams"], "objects": 1, "revision": 7,
        "hashes": { "spec": "a".repeat(64), "store": "d".repeat(64), "render": "b".repeat(64), "credential": "c".repeat(64) },
        "lastRenewRequest": "1", "failedAttempts": u32::MAX, "lastFailureTime": "2026-11-22T12:00:00Z",
    } });
    let patched = api
        .patch_status("columns", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .expect("the operator's status is taken");
    assert_eq!(
        serde_json::to_value(&patched.status).expect("JSON"),
        status["status"]
    );

    let request =
        http::Request::get("/apis/presigned.dev/v1alpha1/namespaces/default/presignedurls/columns")
            .header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
            .body(Vec::new())
            .expect("a request");
    let table: Value = client.request(request).await.expect("a table");
    let definitions = table["columnDefinitions"]
        .as_array()
        .expect("columns")
        .iter();
    let cells = table["rows"][0]["cells"].as_array().expect("cells");
    let printed: Vec<_> = definitions
        .zip(cells)
        .filter(|(column, _)| column["priority"] == 0 && column["name"] != "Age")
        .map(|(column, cell)| (column["name"].clone(), cell.clone()))
        .collect();
    let wanted = [
        ("Name", "columns"),
        ("Ready", "True"),
        ("Reason", "Issued"),
        ("Verified", "True"),
        ("Method", "GET"),
        ("Bucket", "models"),
        ("Expires", "2099-11-22T12:00:00Z"),
        ("Secret", "columns"),
    ];
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(name, cell)| (json!(name), json!(cell)))
        .collect();
    assert_eq!(printed, wanted);
    api.delete("columns", &DeleteParams::default())
        .await
        .expect("delete");
}

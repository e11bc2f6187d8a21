//! What `kubectl get psu` prints, and that the status is a resource of its own.

use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use presigned_core::api::{PresignedUrl, PresignedUrlSpec, PresignedUrlStatus, StoreRef};
use serde_json::{Value, json};

use crate::cluster::cluster;

#[tokio::test]
async fn kubectl_get_tells_state_and_expiry_at_a_glance() {
    let client = cluster().await.admin().expect("a client");
    let api: Api<PresignedUrl> = Api::default_namespaced(client.clone());
    let spec = PresignedUrlSpec {
        bucket: "models".to_owned(),
        key: Some("llama/weights.bin".to_owned()),
        // A test has no operator of this class: nobody else writes the status.
        class: Some("none".to_owned()),
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
        "storeRef": { "kind": "ClusterObjectStore", "name": "default" }, "secretRef": { "name": "columns" }, "binding": { "name": "columns" },
        "issueTime": "2026-11-22T12:00:00Z", "expirationTime": "2099-11-22T12:00:00Z", "renewalTime": "2099-11-22T04:00:00Z",
        "limitedBy": "SigV4", "policyRefs": ["teams"], "objects": 1, "revision": 7,
        "lastRenewRequest": "1",
        "internal": {
            "secret": {
                "name": "columns", "uid": "6f2a1a4e-0000-4000-8000-000000000000",
                "resourceVersion": "18446744073709551615", "dataHash": "a".repeat(64),
            },
            "hashes": {
                "spec": "a".repeat(64), "store": "d".repeat(64), "render": "b".repeat(64), "credential": "c".repeat(64),
            },
            "failedAttempts": u32::MAX,
        },
        "lastFailureTime": "2026-11-22T12:00:00Z",
    } });
    let patched = api
        .patch_status("columns", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .expect("the operator's status is taken");
    assert_eq!(
        serde_json::to_value(&patched.status).expect("JSON"),
        status["status"]
    );

    let columns = |wide: bool, printed: &[(Value, Value, Value)]| -> Vec<(Value, Value)> {
        let printed = printed.iter();
        let printed = printed.filter(|(_, priority, _)| wide || *priority == 0);
        printed
            .map(|(name, _, cell)| (name.clone(), cell.clone()))
            .collect()
    };
    let pairs = |wanted: &[(&str, Value)]| -> Vec<(Value, Value)> {
        let wanted = wanted.iter();
        wanted
            .map(|(name, cell)| (json!(name), cell.clone()))
            .collect()
    };
    let printed = table(&client, "columns").await;
    let narrow = [
        ("Name", json!("columns")),
        ("Ready", json!("True")),
        ("Reason", json!("Issued")),
        ("Verified", json!("True")),
        ("Method", json!("GET")),
        ("Bucket", json!("models")),
        ("Expires", json!("2099-11-22T12:00:00Z")),
        ("Secret", json!("columns")),
    ];
    assert_eq!(columns(false, &printed), pairs(&narrow));
    let wide = [
        ("Key", json!("llama/weights.bin")),
        // The spec names no store.
        ("Store", json!("default")),
        ("Class", json!("none")),
        ("Renews", json!("2099-11-22T04:00:00Z")),
        ("Revision", json!(7)),
        ("Message", json!("The Secret holds a living URL.")),
    ];
    assert_eq!(
        columns(true, &printed),
        pairs(&[&narrow[..], &wide[..]].concat())
    );
    api.delete("columns", &DeleteParams::default())
        .await
        .expect("delete");
}

#[tokio::test]
async fn the_column_of_the_key_shows_a_prefix() {
    let client = cluster().await.admin().expect("a client");
    let api: Api<PresignedUrl> = Api::default_namespaced(client.clone());
    let spec = PresignedUrlSpec {
        bucket: "models".to_owned(),
        prefix: Some("llama/".to_owned()),
        class: Some("none".to_owned()),
        ..PresignedUrlSpec::default()
    };
    let below = PresignedUrl::new("columns-prefix", spec);
    let made = api.create(&PostParams::default(), &below).await;
    made.expect("create");
    let printed = table(&client, "columns-prefix").await;
    let key = printed.iter().find(|(name, ..)| name == "Key");
    assert_eq!(key.map(|(.., cell)| cell), Some(&json!("llama/")));
    api.delete("columns-prefix", &DeleteParams::default())
        .await
        .expect("delete");
}

/// What `kubectl get psu NAME -o wide` prints, without the age: name, priority and cell of each column.
async fn table(client: &kube::Client, name: &str) -> Vec<(Value, Value, Value)> {
    let path = format!("/apis/presigned.dev/v1alpha1/namespaces/default/presignedurls/{name}");
    let request = http::Request::get(path)
        .header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(Vec::new())
        .expect("a request");
    let table: Value = client.request(request).await.expect("a table");
    let definitions = table["columnDefinitions"].as_array().expect("columns");
    let cells = table["rows"][0]["cells"].as_array().expect("cells");
    definitions
        .iter()
        .zip(cells)
        .filter(|(column, _)| column["name"] != "Age")
        .map(|(column, cell)| {
            (
                column["name"].clone(),
                column["priority"].clone(),
                cell.clone(),
            )
        })
        .collect()
}

#[tokio::test]
async fn resources_are_selected_by_their_fields() {
    let client = cluster().await.admin().expect("a client");
    let api: Api<PresignedUrl> = Api::default_namespaced(client);
    let spec = |class: Option<&str>, store: Option<&str>, bucket: &str| PresignedUrlSpec {
        bucket: bucket.to_owned(),
        key: Some("a".to_owned()),
        class: class.map(str::to_owned),
        store_ref: store.map(|name| StoreRef {
            kind: None,
            name: Some(name.to_owned()),
        }),
        ..PresignedUrlSpec::default()
    };
    let specs = [
        (
            "selected",
            spec(Some("chosen"), Some("minio"), "selected-bucket"),
        ),
        ("passed-over", spec(Some("none"), None, "another-bucket")),
        ("of-no-class", spec(None, None, "bucket-of-no-class")),
    ];
    for (name, spec) in specs {
        let resource = PresignedUrl::new(name, spec);
        let made = api.create(&PostParams::default(), &resource).await;
        made.expect("create");
        let store = if name == "selected" {
            "minio"
        } else {
            "default"
        };
        let status = json!({ "status": {
            "storeRef": { "kind": "ClusterObjectStore", "name": store }, "secretRef": { "name": format!("{name}-urls") },
        } });
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
            .await
            .expect("the status is taken");
    }
    let of_no_class = "spec.class=default,spec.bucket=bucket-of-no-class";
    for (selector, selected) in [
        ("spec.class=chosen", "selected"),
        ("spec.storeRef.name=minio", "selected"),
        ("spec.bucket=selected-bucket", "selected"),
        ("status.storeRef.name=minio", "selected"),
        ("status.secretRef.name=selected-urls", "selected"),
        (of_no_class, "of-no-class"),
    ] {
        let found = api.list(&ListParams::default().fields(selector)).await;
        let found = found.unwrap_or_else(|why| panic!("{selector}: {why}"));
        let names: Vec<_> = found
            .iter()
            .filter_map(|psu| psu.metadata.name.as_deref())
            .collect();
        assert_eq!(names, [selected], "{selector}");
    }
    for name in ["selected", "passed-over"] {
        let gone = api.delete(name, &DeleteParams::default()).await;
        gone.expect("delete");
    }
}

//! Tests that change a whole cluster: missing CRDs, and objects that no schema checks. They share a second
//! control plane and run one after the other.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use presigned_core::api::PresignedUrlPolicy;
use presigned_testkit::{ControlPlane, S3Server};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use crate::cluster;
use crate::plugin::Person;
use crate::support::{Setup, World, condition, eventually, says};

/// The second control plane, for one test at a time.
pub(crate) async fn plane() -> MutexGuard<'static, Option<&'static ControlPlane>> {
    static PLANE: Mutex<Option<&'static ControlPlane>> = Mutex::const_new(None);
    let mut plane = PLANE.lock().await;
    if plane.is_none() {
        // It lives as long as the process, as the shared one does.
        *plane = Some(Box::leak(Box::new(ControlPlane::start().await.unwrap())));
    }
    plane
}

fn crds(plane: &ControlPlane) -> Api<CustomResourceDefinition> {
    Api::all(plane.admin().unwrap())
}

pub(crate) async fn install(plane: &ControlPlane) {
    cluster::install(plane.admin().unwrap()).await;
}

async fn uninstall(plane: &ControlPlane) {
    let api = crds(plane);
    for crd in presigned_core::api::crds() {
        let name = crd.metadata.name.unwrap();
        let _ = api.delete(&name, &DeleteParams::default()).await;
        eventually("the CRD is gone", async || match api.get_opt(&name).await {
            Ok(None) => Ok(()),
            other => Err(other),
        })
        .await;
    }
}

/// As if another version of the CRD had been installed: the schema lets everything through.
async fn open_the_schema(plane: &ControlPlane) {
    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let at = "/spec/versions/0/schema/openAPIV3Schema";
    // What can be selected must be in the schema.
    let patch = json!([
        { "op": "remove", "path": "/spec/versions/0/selectableFields" },
        { "op": "replace", "path": at, "value": open },
    ]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(patch).unwrap());
    crds(plane)
        .patch(
            "presignedurls.presigned.dev",
            &PatchParams::default(),
            &patch,
        )
        .await
        .unwrap();
}

pub(crate) async fn world(short: &str, plane: &'static ControlPlane) -> World {
    let setup = Setup {
        plane: Some(plane),
        ..Setup::default()
    };
    World::with(short, setup).await
}

#[tokio::test]
async fn missing_crds_are_waited_for_with_a_message() {
    let guard = plane().await;
    let plane = guard.unwrap();
    uninstall(plane).await;
    let world = world("nocrds", plane).await;
    let mut operator = world.launch(None, &[], &[]).await;
    operator.listens().await;
    let message = eventually("it says what it waits for", async || {
        let answer = operator.get("/readyz").await;
        let text = answer.text();
        if answer.status == 503 && text.matches("waiting for CRD").count() == 3 {
            Ok(text)
        } else {
            Err(text)
        }
    })
    .await;
    assert!(message.contains("presigned-url-operator crds"), "{message}");
    assert_eq!(operator.get("/livez").await.status, 200);
    let why = Person::admin(&world).runs(&["status"]).await;
    let told = "the cluster has no PresignedURLs, so it did not list";
    assert!(why.failed(3).contains(told), "{}", why.err);
    install(plane).await;
    operator.ready().await;
    let s3 = S3Server::s3s_fs().unwrap();
    world.furnish(&s3).await;
    world.psu("late", &json!({})).await;
    world.ready("late").await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_misspelt_policy_allows_nothing_says_so_and_takes_nothing_down() {
    let guard = plane().await;
    let plane = guard.unwrap();
    install(plane).await;
    let s3 = S3Server::s3s_fs().unwrap();
    let world = world("misspelt", plane).await;
    world.furnish(&s3).await;
    let operator = world.operator(&["--denial-grace=0s"]).await;
    world.psu("lives", &json!({})).await;
    world.ready("lives").await;
    let before = world.secret("lives").await;
    let mut rule = world.rule(&json!({}));
    rule["createOnlyy"] = json!(true);
    world.policy(&json!([rule])).await;
    // Read as it is: the product's own type refuses it, which is the point.
    let policies: Api<kube::api::DynamicObject> = Api::all_with(
        world.client.clone(),
        &kube::api::ApiResource::erase::<PresignedUrlPolicy>(&()),
    );
    let message = eventually("the policy says that it is broken", async || {
        let policy = policies.get(&world.name).await.unwrap();
        let ready = policy.data["status"]["conditions"][0].clone();
        let message = ready["message"].as_str().unwrap_or_default().to_owned();
        if ready["status"] == "False" && ready["reason"] == "PolicyInvalid" {
            Ok(message)
        } else {
            Err(policy.data)
        }
    })
    .await;
    assert!(message.contains("createOnlyy"), "{message}");
    let psu = world
        .until("lives", "is not known to be allowed", |psu| {
            says(condition(psu, "Allowed"), "Unknown", "PolicyUnknown")
        })
        .await;
    assert!(
        says(condition(&psu, "Ready"), "True", "Issued"),
        "what lives stays"
    );
    world.psu("new", &json!({})).await;
    let message = world.unready("new", "PolicyUnknown").await;
    assert!(message.contains(&world.name), "{message}");
    operator.idle().await;
    assert_eq!(world.secret("lives").await, before);
    world.policy(&json!([world.rule(&json!({}))])).await;
    world.ready("new").await;
    world
        .until("lives", "is allowed", |psu| {
            says(condition(psu, "Allowed"), "True", "Allowed")
        })
        .await;
    assert_eq!(world.secret("lives").await, before);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn an_object_that_cannot_be_parsed_stops_nobody_else() {
    let guard = plane().await;
    let plane = guard.unwrap();
    install(plane).await;
    let s3 = S3Server::s3s_fs().unwrap();
    let world = world("newer", plane).await;
    world.furnish(&s3).await;
    let operator = world.operator(&[]).await;
    world.psu("lives", &json!({})).await;
    world.ready("lives").await;
    let before = world.secret("lives").await;
    open_the_schema(plane).await;
    let newer = json!({ "bucket": "data", "key": { "from": "the future" }, "method": "TELEPORT" });
    eventually("the open schema is served", async || {
        let object = json!({ "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL",
            "metadata": { "name": "newer", "namespace": world.tenant }, "spec": newer });
        presigned_testkit::control_plane::apply_yaml(&world.client, &object.to_string())
            .await
            .map(drop)
    })
    .await;
    let psus: Api<kube::api::DynamicObject> = Api::namespaced_with(
        world.client.clone(),
        &world.tenant,
        &kube::api::ApiResource::erase::<presigned_core::api::PresignedUrl>(&()),
    );
    let message = eventually("it is told", async || {
        let object = psus.get("newer").await.unwrap();
        let ready = object.data["status"]["conditions"][0].clone();
        let message = ready["message"].as_str().unwrap_or_default().to_owned();
        if ready["reason"] == "InvalidSpec" && ready["status"] == "False" {
            Ok(message)
        } else {
            Err(object.data)
        }
    })
    .await;
    assert!(message.contains("cannot be read"), "{message}");
    operator.kill();
    // A first list that holds it is no obstacle either.
    let operator = world.operator(&[]).await;
    psus.delete("newer", &DeleteParams::default())
        .await
        .unwrap();
    world.psu("after", &json!({})).await;
    world.ready("after").await;
    assert_eq!(world.secret("lives").await, before);
    world.finish().await;
    operator.kill();
    install(plane).await;
}

/// What admission refuses, as it looks when the schema was edited: (name, spec, words of the message).
fn bad_input() -> Vec<(&'static str, serde_json::Value, &'static str)> {
    vec![
        (
            "arn",
            json!({ "bucket": "arn:aws:s3:eu-west-1:123456789012:accesspoint/a" }),
            "bucket",
        ),
        (
            "express",
            json!({ "bucket": "data--euw1-az1--x-s3" }),
            "bucket",
        ),
        ("dotdot", json!({ "key": "a/../b" }), "key"),
        ("dot", json!({ "key": "a/./b" }), "key"),
        ("empty-segment", json!({ "key": "a//b" }), "key"),
        ("leading", json!({ "key": "/a" }), "key"),
        ("control", json!({ "key": "a\u{7}b" }), "key"),
        ("variable", json!({ "key": "a${filename}" }), "key"),
        ("bytes", json!({ "key": "ü".repeat(600) }), "1200 bytes"),
        ("empty-duration", json!({ "duration": "" }), "duration"),
        ("negative", json!({ "duration": "-1h" }), "duration"),
        ("brief", json!({ "duration": "10s" }), "duration"),
        ("long", json!({ "duration": "169h" }), "168h"),
        ("soon", json!({ "duration": "soon" }), "duration"),
        (
            "both",
            json!({ "renewBefore": "1h", "renewBeforePercentage": 50 }),
            "renewBefore",
        ),
        ("block", json!({ "put": { "contentType": "a/b" } }), "put"),
        (
            "crlf",
            json!({ "method": "PUT", "put": { "contentType": "a\r\nx-amz-acl: public-read" } }),
            "contentType",
        ),
        (
            "ascii",
            json!({ "method": "PUT", "put": { "metadata": { "a": "ü" } } }),
            "metadata",
        ),
        (
            "reserved",
            json!({ "secretTemplate": { "labels": { "app.kubernetes.io/name": "x" } } }),
            "kubernetes.io",
        ),
        (
            "segments",
            json!({ "key": null, "keys": ["fine", "a/../b"] }),
            "spec.keys[1]",
        ),
        ("name", json!({ "secretName": "../other" }), "secretName"),
        (
            "unknown-kind",
            json!({ "storeRef": { "kind": "Bucket" } }),
            "cannot be read",
        ),
    ]
}

#[tokio::test]
async fn bad_input_that_no_schema_stops_is_refused_in_words_and_never_signed() {
    let guard = plane().await;
    let plane = guard.unwrap();
    install(plane).await;
    let s3 = S3Server::s3s_fs().unwrap();
    let world = world("badinput", plane).await;
    world.furnish(&s3).await;
    let operator = world.operator(&[]).await;
    open_the_schema(plane).await;
    eventually("the open schema is served", async || {
        let object = json!({ "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL",
            "metadata": { "name": "open", "namespace": world.tenant }, "spec": { "bucket": 1 } });
        presigned_testkit::control_plane::apply_yaml(&world.client, &object.to_string())
            .await
            .map(drop)
    })
    .await;
    let psus: Api<kube::api::DynamicObject> = Api::namespaced_with(
        world.client.clone(),
        &world.tenant,
        &kube::api::ApiResource::erase::<presigned_core::api::PresignedUrl>(&()),
    );
    for (name, spec, _) in bad_input() {
        world.psu(name, &spec).await;
    }
    world.psu("good", &json!({})).await;
    for (name, _, words) in bad_input() {
        let message = eventually(&format!("{name} is refused"), async || {
            let object = psus.get(name).await.unwrap();
            let ready = object.data["status"]["conditions"][0].clone();
            if ready["status"] == "False" && ready["reason"] == "InvalidSpec" {
                Ok(ready["message"].as_str().unwrap_or_default().to_owned())
            } else {
                Err(object.data)
            }
        })
        .await;
        assert!(
            message.contains(words),
            "{name}: {words:?} is missing: {message}"
        );
    }
    world
        .until_secret("good", "is issued beside them", |_| true)
        .await;
    let all = world
        .secrets()
        .list(&kube::api::ListParams::default())
        .await
        .unwrap();
    let names: Vec<_> = all
        .iter()
        .filter_map(|secret| secret.metadata.name.as_deref())
        .collect();
    assert_eq!(names, ["good"], "nothing else was signed");
    // What the product's own types can't read must not stand in the way of the world's end.
    let everything = kube::api::ListParams::default();
    psus.delete_collection(&DeleteParams::default(), &everything)
        .await
        .unwrap();
    world.finish().await;
    operator.kill();
    install(plane).await;
}

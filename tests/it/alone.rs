//! What changes a whole cluster: missing CRDs, and objects that no schema stops. These tests have a control plane of their
//! own, one after the other.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use presigned_core::api::PresignedUrlPolicy;
use presigned_testkit::{ControlPlane, S3Server};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use crate::support::{Setup, World, condition, eventually, says};

/// The second control plane, for one test at a time.
async fn plane() -> MutexGuard<'static, Option<&'static ControlPlane>> {
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

async fn install(plane: &ControlPlane) {
    for crd in presigned_core::api::crds() {
        let text = serde_json::to_string(&crd).unwrap();
        plane.apply_yaml(&text).await.unwrap();
    }
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

async fn world(short: &str, plane: &'static ControlPlane) -> World {
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
    // As if a newer version of the CRD had been installed: the schema lets everything through.
    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let patch = json!([{ "op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": open }]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(patch).unwrap());
    crds(plane)
        .patch(
            "presignedurls.presigned.dev",
            &PatchParams::default(),
            &patch,
        )
        .await
        .unwrap();
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

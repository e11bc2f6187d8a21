//! The chart's admission policy around the running operator: what it lets pass, and an operator that may not
//! read Secrets relies on it.

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use presigned_testkit::S3Server;
use serde_json::json;

use crate::support::{Setup, World, eventually, text};

async fn blind(short: &str) -> World {
    let setup = Setup {
        secret_access: "none",
        ..Setup::default()
    };
    World::with(short, setup).await
}

fn bindings(world: &World) -> Api<ValidatingAdmissionPolicyBinding> {
    Api::all(world.client.clone())
}

/// Waits until a Secret without an owner is let through, or is not.
async fn fenced(world: &World, fenced: bool) {
    let account = world.account().await.client().unwrap();
    let secrets: Api<Secret> = Api::namespaced(account, &world.tenant);
    let nobodys: Secret =
        serde_json::from_value(json!({ "metadata": { "name": "nobodys" } })).unwrap();
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    eventually(
        "the admission policy is as it is said to be",
        async || match secrets.create(&dry, &nobodys).await {
            Err(kube::Error::Api(status)) if status.code == 403 && fenced => Ok(()),
            Ok(_) if !fenced => Ok(()),
            other => Err(other.map(drop)),
        },
    )
    .await;
}

#[tokio::test]
async fn an_operator_that_may_not_read_secrets_starts_nothing_before_the_fence_is_up() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = blind("unfenced").await;
    world.furnish(&s3).await;
    // Else the API server may not know the binding yet, and learn of it after its end was awaited.
    fenced(&world, true).await;
    let name = format!("{}-secrets", world.name);
    let mut binding = bindings(&world).get(&name).await.unwrap();
    bindings(&world)
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    fenced(&world, false).await;
    world.psu("waits", &json!({})).await;
    let mut operator = world.launch(None, &[], &[]).await;
    operator.listens().await;
    let message = eventually("it says what it waits for", async || {
        let answer = operator.get("/readyz").await;
        let text = answer.text();
        if answer.status == 503 && text.contains("admission policy") {
            Ok(text)
        } else {
            Err(text)
        }
    })
    .await;
    assert!(
        message.contains("a Secret without an owner was let through")
            && message.contains("admissionPolicy.enabled=true"),
        "{message}"
    );
    assert!(world.secrets().get_opt("waits").await.unwrap().is_none());
    assert_eq!(
        world.psus().get("waits").await.unwrap().status,
        None,
        "nothing was decided"
    );

    binding.metadata.resource_version = None;
    binding.metadata.uid = None;
    bindings(&world)
        .create(&PostParams::default(), &binding)
        .await
        .unwrap();
    operator.ready().await;
    world.ready("waits").await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn an_operator_that_may_not_read_secrets_writes_over_none_whose_owner_is_gone() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = blind("ownerless").await;
    world.furnish(&s3).await;
    let operator = world.operator(&[]).await;
    let quick = json!({ "duration": "1m", "renewBeforePercentage": 80 });
    world.psu("taken", &quick).await;
    world.ready("taken").await;
    let taken =
        json!({ "metadata": { "ownerReferences": null }, "stringData": { "url": "theirs" } });
    world.edit_secret("taken", taken).await;
    let before = world.secret("taken").await;
    assert_eq!(text(&before, "url"), "theirs", "no renewal came between");
    eventually("the fence refuses the renewal", async || {
        let figures = operator.get("/metrics").await.text();
        let refused =
            "presigned_api_calls_total{verb=\"update\",resource=\"secrets\",outcome=\"forbidden\"}";
        if figures.contains(refused) {
            Ok(())
        } else {
            Err(figures)
        }
    })
    .await;
    assert_eq!(world.secret("taken").await, before);
    world.finish().await;
    operator.kill();
}

//! A store's private CA from a `ClusterTrustBundle`. The tests share the second control plane, so that no
//! other test's operator watches their bundles.

use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use presigned_core::api::ClusterObjectStore;
use presigned_testkit::{ControlPlane, S3Server};
use serde_json::{Value, json};

use crate::own_cluster::{install, plane, world};
use crate::support::{World, curl, eventually, store_condition, store_says, text};

fn from(world: &World) -> Value {
    json!({ "caBundleFrom": { "clusterTrustBundle": { "name": world.name } } })
}

fn bundles(world: &World, version: &str) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: "certificates.k8s.io".to_owned(),
        version: version.to_owned(),
        api_version: format!("certificates.k8s.io/{version}"),
        kind: "ClusterTrustBundle".to_owned(),
        plural: "clustertrustbundles".to_owned(),
    };
    Api::all_with(world.client.clone(), &resource)
}

/// The world's bundle holds these certificates.
async fn put(world: &World, version: &str, certificates: &str) {
    let bundle = json!({
        "apiVersion": format!("certificates.k8s.io/{version}"), "kind": "ClusterTrustBundle",
        "metadata": { "name": world.name }, "spec": { "trustBundle": certificates },
    });
    let bundle: Patch<DynamicObject> = Patch::Apply(serde_json::from_value(bundle).unwrap());
    let params = PatchParams::apply("test");
    let api = bundles(world, version);
    api.patch(&world.name, &params, &bundle).await.unwrap();
}

/// Whether the store is not ready by its bundle, in these words.
fn lacks(store: &ClusterObjectStore, words: &str) -> bool {
    let ready = store_condition(store, "Ready");
    store_says(store, "Ready", "False", "StoreInvalid")
        && ready.is_some_and(|ready| ready.message.contains(words))
}

/// A world on the second control plane with a store of `s3` that names a bundle.
async fn named(short: &str, s3: &S3Server, plane: &'static ControlPlane) -> World {
    s3.put_object("data", "tls", "over tls").unwrap();
    let world = world(short, plane).await;
    world.furnish(s3).await;
    world.store(s3, &from(&world)).await;
    world
}

async fn downloads(world: &World) {
    let mount = world.mount("tls").await;
    let (code, said) = curl(&mount, &["--cacert", "ca.crt", "-o", "file"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(std::fs::read(mount.join("file")).unwrap(), b"over tls");
}

#[tokio::test]
async fn a_bundle_is_trusted_comes_along_and_its_rotation_reaches_the_secret() {
    let guard = plane().await;
    let plane = guard.unwrap();
    install(plane).await;
    let s3 = S3Server::s3s_fs_tls().unwrap();
    let other = S3Server::s3s_fs_tls().unwrap();
    let world = named("trust", &s3, plane).await;
    let operator = world.operator(&["--resign-within=2s"]).await;
    world.psu("tls", &json!({ "verify": "Require" })).await;
    let why = world.unready("tls", "StoreInvalid").await;
    let absent = format!(
        "the ClusterTrustBundle \"{}\" does not exist: create it",
        world.name
    );
    assert!(why.contains(&absent), "{why}");

    let ca = s3.ca_pem.clone().unwrap();
    put(&world, "v1", &ca).await;
    // Nothing is published that the operator could not download with this CA.
    world.ready("tls").await;
    assert_eq!(world.value("tls", "ca.crt").await, ca);
    downloads(&world).await;

    let both = format!("{ca}{}", other.ca_pem.as_ref().unwrap());
    put(&world, "v1", &both).await;
    world
        .until_secret("tls", "has both authorities", |secret| {
            text(secret, "ca.crt") == both
        })
        .await;
    world.ready("tls").await;
    downloads(&world).await;

    let api = bundles(&world, "v1");
    api.delete(&world.name, &DeleteParams::default())
        .await
        .unwrap();
    let kept = "held before are used until the operator restarts";
    world
        .until_store("says that it is gone", |store| lacks(store, kept))
        .await;
    world
        .psu("later", &json!({ "key": "tls", "verify": "Require" }))
        .await;
    world.ready("later").await;
    assert_eq!(world.value("later", "ca.crt").await, both);
    operator.kill();

    // It begins again without certificates: what was issued stays, and nothing new is signed without them.
    let revision = world.secret("tls").await.metadata.resource_version;
    let operator = world.operator(&[]).await;
    world.psu("last", &json!({ "key": "tls" })).await;
    let why = world.unready("last", "StoreInvalid").await;
    assert!(why.contains(&absent), "{why}");
    world.ready("tls").await;
    put(&world, "v1", &both).await;
    world.ready("last").await;
    assert_eq!(
        world.secret("tls").await.metadata.resource_version,
        revision,
        "nothing was rewritten"
    );
    world
        .until_store("is ready again", |store| {
            store_says(store, "Ready", "True", "CredentialsReady")
        })
        .await;
    api.delete(&world.name, &DeleteParams::default())
        .await
        .unwrap();
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_cluster_that_serves_no_bundles_is_said_so_and_is_looked_at_again() {
    let guard = plane().await;
    let plane = guard.unwrap();
    install(plane).await;
    let off = "--runtime-config=certificates.k8s.io/v1/clustertrustbundles=false";
    plane.restart_api_with(&[off]).await.unwrap();
    let s3 = S3Server::s3s_fs_tls().unwrap();
    let world = named("notrust", &s3, plane).await;
    // It is ready without them.
    let operator = world.operator(&[]).await;
    world.psu("tls", &json!({})).await;
    let why = world.unready("tls", "StoreInvalid").await;
    assert!(
        why.contains("this cluster serves none: set caBundle instead"),
        "{why}"
    );
    let looked = operator.log().matches("clustertrustbundles").count();
    assert!(looked < 20, "the log is full of it: {looked}");

    // As before Kubernetes 1.37.
    let beta = format!("{off},certificates.k8s.io/v1beta1/clustertrustbundles=true");
    plane.restart_api_with(&[&beta]).await.unwrap();
    let ca = s3.ca_pem.clone().unwrap();
    put(&world, "v1beta1", &ca).await;
    eventually("the store is looked at again", async || {
        let found = world.secrets().get_opt("tls").await.unwrap();
        found.ok_or("no Secret")
    })
    .await;
    world.ready("tls").await;
    downloads(&world).await;
    // One that goes with its API takes nothing away.
    plane.restart_api_with(&[off]).await.unwrap();
    world
        .until_store("says that it is gone", |store| {
            lacks(store, "this cluster serves none")
        })
        .await;
    world.psu("later", &json!({ "key": "tls" })).await;
    world.ready("later").await;
    world.finish().await;
    operator.kill();
    plane.restart_api().await.unwrap();
}

//! `KubeVirt`'s Containerized Data Importer, by its published code: it sends a HEAD, takes its refusal, and reads
//! the whole object by one GET.
//!
//! What holds here: the commands of docs/links.md run with the real kubectl and the plugin. CDI itself does not
//! run, and the API server knows no more of its kind than the name.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::{DynamicObject, GroupVersionKind};
use kube::discovery::ApiResource;
use serde_json::json;

use super::{Scene, programs, script, shell};
use crate::support::{eventually, http};

const PAGE: &str = include_str!("../../../docs/links.md");

/// A kind of which the API server knows the name alone.
async fn data_volumes(scene: &Scene) -> ApiResource {
    let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    let version = json!({ "name": "v1beta1", "served": true, "storage": true, "schema": schema });
    let names = json!({ "plural": "datavolumes", "singular": "datavolume", "kind": "DataVolume" });
    let crd = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "datavolumes.cdi.kubevirt.io" },
        "spec": { "group": "cdi.kubevirt.io", "scope": "Namespaced", "names": names, "versions": [version] } });
    let client = scene.world.client.clone();
    let crds: kube::Api<CustomResourceDefinition> = kube::Api::all(client);
    // A cluster of somebody else may have CDI.
    let there = crds.get_opt("datavolumes.cdi.kubevirt.io").await;
    if there.expect("look").is_none() {
        scene.world.apply(crd).await;
    }
    let kind = GroupVersionKind::gvk("cdi.kubevirt.io", "v1beta1", "DataVolume");
    let resource = ApiResource::from_gvk(&kind);
    let all: kube::Api<DynamicObject> = kube::Api::all_with(scene.world.client.clone(), &resource);
    eventually("the kind is served", async || {
        all.list(&kube::api::ListParams::default()).await
    })
    .await;
    resource
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_volume_with_a_link_is_imported_though_its_head_is_refused() {
    let scene = Scene::new("kubevirt").await;
    let world = &scene.world;
    scene.put("team-a/debian.qcow2", "a disk");
    let resource = data_volumes(&scene).await;
    let commands = script(PAGE, "kind: DataVolume").replace("team-a", &world.tenant);
    let here = format!("--bucket data --store {}", world.name);
    let commands = commands.replace("--bucket images", &here);
    let printed = shell(world, &programs(world).await, &[], &commands).await;
    assert!(!printed.contains("X-Amz-"), "{printed}");

    let volumes: kube::Api<DynamicObject> =
        kube::Api::namespaced_with(world.client.clone(), &world.tenant, &resource);
    let volume = volumes.get("debian").await.expect("the DataVolume");
    let url = volume.data["spec"]["source"]["http"]["url"]
        .as_str()
        .expect("a URL");
    scene.strict.forget_refusals();
    assert_eq!(http("HEAD", url, "", b"").await.status, 403);
    let got = http("GET", url, "", b"").await;
    assert_eq!((got.status, got.text().as_str()), (200, "a disk"));
    assert_eq!(scene.strict.refusals().len(), 1, "the HEAD alone");
    // Nothing but the URL is left of the request.
    let left = world.psus().list(&kube::api::ListParams::default()).await;
    assert_eq!(left.expect("list").items.len(), 0);
    volumes
        .delete("debian", &kube::api::DeleteParams::default())
        .await
        .expect("delete");
    scene.finish().await;
}

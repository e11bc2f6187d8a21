//! etcd is put back to a snapshot while the operator runs: what it knows is newer than what the cluster
//! holds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use presigned_testkit::S3Server;
use presigned_testkit::control_plane::Revisions;
use serde_json::{Value, json};

use crate::own_cluster::{install, plane, world};
use crate::support::{World, eventually, http, text};

/// More writes than come in the test after the restore: what is written then has a version that the operator
/// has long seen.
const WRITES: usize = 500;

/// Makes versions go ahead of all that is known.
async fn go_ahead(world: &World) {
    let maps: Api<ConfigMap> = Api::namespaced(world.client.clone(), &world.tenant);
    let apply = PatchParams::apply("test").force();
    for turn in 0..WRITES {
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "ahead" },
            "data": { "turn": turn.to_string() } });
        maps.patch("ahead", &apply, &Patch::Apply(&map))
            .await
            .unwrap();
    }
}

/// What the URL of a resource's Secret gives.
async fn downloads(world: &World, name: &str) -> String {
    let url = world.value(name, "url").await;
    let answer = http("GET", &url, "", &[]).await;
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    answer.text()
}

fn renew(turn: &str) -> Value {
    json!({ "metadata": { "annotations": { "presigned.dev/renew": turn } } })
}

async fn renewed(world: &World, name: &str, revision: i64) {
    world
        .until(name, &format!("has revision {revision}"), |psu| {
            psu.status.as_ref().and_then(|status| status.revision) == Some(revision)
        })
        .await;
    world.ready(name).await;
}

/// Takes a snapshot, goes on, goes back, and expects everything to be as the snapshot says and to go on.
async fn goes_back(short: &str, revisions: Revisions) {
    let guard = plane().await;
    let plane = guard.expect("a control plane");
    install(plane).await;
    let s3 = S3Server::s3s_fs().unwrap();
    let world = world(short, plane).await;
    world.furnish(&s3).await;
    for key in ["brief", "edited", "later", "deleted", "late", "after"] {
        s3.put_object("data", key, key).unwrap();
    }
    let before = world.operator(&[]).await;
    for name in ["edited", "deleted"] {
        world.psu(name, &json!({ "duration": "1h" })).await;
        world.ready(name).await;
    }
    world.foreign_secret("foreign").await;
    world.psu("brief", &json!({ "duration": "2m" })).await;
    world.ready("brief").await;
    before.idle().await;
    let mut held = BTreeMap::new();
    for name in ["brief", "edited", "deleted", "foreign"] {
        held.insert(name, world.secret(name).await);
    }
    let snapshot = plane.snapshot().await.unwrap();

    world.edit("brief", renew("1")).await;
    renewed(&world, "brief", 2).await;
    world
        .edit("edited", json!({ "spec": { "key": "later" } }))
        .await;
    renewed(&world, "edited", 2).await;
    assert_eq!(downloads(&world, "edited").await, "later");
    let now = DeleteParams::default();
    world.psus().delete("deleted", &now).await.unwrap();
    eventually("its Secret is gone", async || {
        let found = world.secrets().get_opt("deleted").await.unwrap();
        found.map_or(Ok(()), |secret| Err(secret.metadata.resource_version))
    })
    .await;
    world.psu("late", &json!({})).await;
    world.ready("late").await;
    let changed = json!({ "stringData": { "password": "changed" } });
    world.edit_secret("foreign", changed).await;
    go_ahead(&world).await;
    before.idle().await;
    let consumer = world.consumer("brief").await;
    plane.restore(&snapshot, revisions).await.unwrap();
    // What watched before has seen later versions.
    let admin = world.client.clone();
    world.secrets_seen.follow(admin, &world.tenant);
    let log = before.log_file().to_owned();
    assert_eq!(before.ended().await, Some(1), "it ends by itself");
    let told = std::fs::read_to_string(log).unwrap();
    assert!(told.contains("its etcd was restored to a backup"), "{told}");
    // As the kubelet does.
    let operator = world.operator(&[]).await;

    world.psu("after", &json!({})).await;
    world.ready("after").await;
    for name in ["brief", "edited", "deleted", "after"] {
        world.ready(name).await;
        assert_eq!(downloads(&world, name).await, name);
    }
    assert_eq!(world.psus().get_opt("late").await.unwrap(), None);
    assert_eq!(world.secrets().get_opt("late").await.unwrap(), None);
    assert_eq!(world.secret("foreign").await, held["foreign"]);
    // What the snapshot holds lives, and is not issued again.
    for name in ["edited", "deleted"] {
        assert_eq!(
            text(&world.secret(name).await, "url"),
            text(&held[name], "url")
        );
        assert_eq!(world.secret(name).await.uid(), held[name].uid());
    }
    world.edit("edited", renew("2")).await;
    renewed(&world, "edited", 2).await;
    if revisions == Revisions::OfTheSnapshot {
        // The URL of the snapshot is renewed before its end.
        renewed(&world, "brief", 2).await;
        let end: Timestamp = text(&held["brief"], "expires-at").parse().unwrap();
        let left = end.duration_since(Timestamp::now());
        tokio::time::sleep(left.try_into().unwrap_or_default()).await;
    }
    world.ready("brief").await;
    downloads(&world, "brief").await;
    consumer.never_held_a_dead_url(5).await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn an_operator_whose_etcd_is_restored_starts_again_and_goes_by_what_the_snapshot_holds() {
    goes_back("restored-etcd", Revisions::OfTheSnapshot).await;
}

#[tokio::test]
async fn an_operator_whose_etcd_is_restored_with_bumped_revisions_starts_again_too() {
    goes_back("bumped-etcd", Revisions::Bumped).await;
}

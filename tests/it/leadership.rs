//! Two replicas and their Lease: one leads, and the other takes over and writes nothing that is written.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use presigned_testkit::{FaultProxy, S3Server};
use serde_json::json;

use crate::support::{Operator, World, eventually};

impl World {
    fn election(&self) -> [String; 2] {
        [
            "--leader-elect".to_owned(),
            format!("--lease-name={}", self.name),
        ]
    }

    /// A replica of the operator, behind a proxy of its own that counts what it writes.
    async fn replica(&self) -> (Operator, FaultProxy) {
        let proxy = FaultProxy::start(self.plane.api()).unwrap();
        let [elect, lease] = self.election();
        let operator = self.operator_behind(&proxy, &[&elect, &lease]).await;
        (operator, proxy)
    }

    async fn lease(&self) -> Lease {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &self.system);
        eventually("the Lease is there", async || leases.get(&self.name).await).await
    }

    async fn holder(&self) -> String {
        let spec = self.lease().await.spec.unwrap_or_default();
        spec.holder_identity.unwrap_or_default()
    }
}

/// Waits until a replica says that it leads, or does not.
async fn leads(operator: &Operator, leads: bool) {
    let line = format!("presigned_leader {}", u8::from(leads));
    eventually(&line, async || {
        let text = operator.get("/metrics").await.text();
        if text.lines().any(|one| one == line) {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
}

#[tokio::test]
async fn a_follower_takes_over_from_a_killed_leader_and_issues_nothing_again() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("killed-leader", &s3).await;
    let (first, _first_proxy) = world.replica().await;
    leads(&first, true).await;
    let (second, second_proxy) = world.replica().await;
    leads(&second, false).await;
    world.psu("before", &json!({})).await;
    world.ready("before").await;
    world.rolled_out(1).await;
    first.idle().await;
    assert!(
        world
            .writes(&second_proxy)
            .iter()
            .all(|write| write.resource == "leases")
    );
    let secret = world.secret("before").await.metadata.resource_version;
    let holder = world.holder().await;

    first.kill();
    let died = Instant::now();
    leads(&second, true).await;
    let gap = died.elapsed();
    assert!(
        gap > Duration::from_secs(3),
        "the Lease had expired before: {gap:?}"
    );
    assert_ne!(world.holder().await, holder);
    let transitions = world.lease().await.spec.unwrap().lease_transitions;
    assert_eq!(transitions, Some(1));
    second.idle().await;
    let writes = world.writes(&second_proxy);
    let others = writes.iter().filter(|write| write.resource != "leases");
    assert_eq!(
        others.count(),
        0,
        "the new leader finds nothing to do: {writes:#?}"
    );
    assert_eq!(
        world.secret("before").await.metadata.resource_version,
        secret
    );
    world.psu("after", &json!({})).await;
    world.ready("after").await;
    world.finish().await;
}

#[tokio::test]
async fn a_leader_that_stops_gives_its_lease_up_at_once() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("stopped-leader", &s3).await;
    let (first, _first_proxy) = world.replica().await;
    leads(&first, true).await;
    let (second, _second_proxy) = world.replica().await;
    first.ask_to_stop();
    assert_eq!(first.ended().await, Some(0));
    // A Lease that was not given up would be held for another 15 seconds.
    let stopped = Instant::now();
    leads(&second, true).await;
    assert!(stopped.elapsed() < Duration::from_secs(10));
    world.psu("get", &json!({})).await;
    world.ready("get").await;
    world.finish().await;
}

#[tokio::test]
async fn a_leader_that_was_paused_past_its_lease_wakes_up_as_a_follower() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("paused-leader", &s3).await;
    let (first, first_proxy) = world.replica().await;
    leads(&first, true).await;
    let (second, _second_proxy) = world.replica().await;
    world.psu("get", &json!({})).await;
    world.ready("get").await;
    first.idle().await;

    first.pause();
    leads(&second, true).await;
    world
        .edit("get", json!({ "spec": { "duration": "2h" } }))
        .await;
    world.ready("get").await;
    second.idle().await;
    let secret = world.secret("get").await.metadata.resource_version;
    let holder = world.holder().await;
    let written = || {
        let writes = world.writes(&first_proxy).into_iter();
        writes.filter(|write| write.resource != "leases").count()
    };
    let before = written();

    first.resume();
    leads(&first, false).await;
    first.idle().await;
    assert_eq!(written(), before);
    assert_eq!(world.holder().await, holder);
    assert_eq!(world.secret("get").await.metadata.resource_version, secret);
    world.finish().await;
}

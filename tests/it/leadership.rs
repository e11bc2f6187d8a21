//! Two replicas and their Lease: one leads, and the other takes over and writes nothing that is written.

use std::time::{Duration, Instant};

use http::StatusCode;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use presigned_testkit::fault_proxy::{Fault, Gate, Match, Verb};
use presigned_testkit::{FaultProxy, S3Server};
use serde_json::json;

use crate::support::{Operator, World, eventually};

/// The longest that nobody leads after a kill: the Lease's 15 seconds, and 2 until somebody looks again.
const GAP: Duration = Duration::from_secs(17);
/// What a busy machine takes, and this test to see it.
const SLACK: Duration = Duration::from_secs(3);

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
    println!("nobody led for {gap:?}");
    assert!(
        gap > Duration::from_secs(3),
        "the Lease had expired before: {gap:?}"
    );
    assert!(gap <= GAP + SLACK, "nobody led for {gap:?}");
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
async fn a_killed_leader_costs_no_url_of_a_minute() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "brief", "x").unwrap();
    let world = World::on("brief-leader", &s3).await;
    let (first, _first_proxy) = world.replica().await;
    leads(&first, true).await;
    let (second, second_proxy) = world.replica().await;
    leads(&second, false).await;
    world.psu("brief", &json!({ "duration": "1m" })).await;
    world.ready("brief").await;
    let consumer = world.consumer("brief").await;
    // Right after a renewal, so that the next one is due as nobody leads or soon after.
    let renewed = |least: i64| {
        let what = format!("has revision {least}");
        let is = move |psu: &presigned_core::api::PresignedUrl| {
            psu.status.as_ref().and_then(|status| status.revision) >= Some(least)
        };
        (what, is)
    };
    let (what, is) = renewed(2);
    world.until("brief", &what, is).await;
    first.kill();
    let died = Instant::now();
    leads(&second, true).await;
    println!("nobody led for {:?}", died.elapsed());
    let (what, is) = renewed(4);
    let psu = world.until("brief", &what, is).await;
    let revision = psu.status.unwrap().revision.unwrap();
    // A renewal of the first may have been half way, and one of the second may be by now.
    let update = Match::resource("secrets").verb(Verb::Update).name("brief");
    let writes = i64::try_from(second_proxy.count(&update)).unwrap();
    assert!(writes <= revision - 2 + 1, "{writes} for {revision}");
    consumer.never_held_a_dead_url(40).await;
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

#[tokio::test]
async fn a_write_of_a_paused_leader_that_lands_late_is_refused() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("late-write", &s3).await;
    let (first, first_proxy) = world.replica().await;
    leads(&first, true).await;
    let (second, _second_proxy) = world.replica().await;
    world.psu("get", &json!({})).await;
    world.ready("get").await;
    world.rolled_out(1).await;
    first.idle().await;
    let gate = Gate::new();
    let update = Match::resource("secrets").verb(Verb::Update).name("get");
    first_proxy.add(update.clone(), Fault::HoldRequest(gate.clone()));
    world
        .edit("get", json!({ "spec": { "duration": "2h" } }))
        .await;
    gate.reached(1).await;
    first.pause();

    leads(&second, true).await;
    world.ready("get").await;
    second.idle().await;
    let secret = world.secret("get").await;
    // It is under way since before the pause, with the version that it was decided on.
    gate.release();
    let answer = eventually("the late write is answered", async || {
        let answers = first_proxy.answers(&update);
        answers.first().copied().ok_or(answers)
    })
    .await;
    assert_eq!(answer, StatusCode::CONFLICT);
    assert_eq!(world.secret("get").await, secret);
    first.resume();
    leads(&first, false).await;
    eventually("the write has ended for the one that woke up", async || {
        let text = first.get("/metrics").await.text();
        let ended = |outcome: &str| {
            let call = "presigned_api_calls_total{verb=\"update\",resource=\"secrets\"";
            text.contains(&format!("{call},outcome=\"{outcome}\"}} 1"))
        };
        // It was told of the conflict, or gave the call up before it read the answer.
        let ended = ended("conflict") || ended("timeout");
        ended.then_some(()).ok_or(text)
    })
    .await;
    second.idle().await;
    assert_eq!(world.secret("get").await, secret);
    assert_eq!(first_proxy.count(&update), 1, "it writes nothing more");
    world.finish().await;
}

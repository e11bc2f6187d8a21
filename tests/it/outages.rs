//! Outages over a renewal: kube-apiserver restarts, etcd holds still, rights on Secrets are taken away, and the
//! operator is killed. What was issued lives on, and the operator recovers by itself.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::Role;
use kube::Api;
use kube::api::PostParams;
use presigned_core::api::PresignedUrl;
use presigned_testkit::fault_proxy::{Fault, Gate, Match, Verb};
use presigned_testkit::{ControlPlane, FaultProxy, S3Server};
use serde_json::json;

use crate::own_cluster::{install, plane, world};
use crate::support::{LONG, World, condition, eventually, says};

/// How long before its renewal is due an outage begins.
const BEFORE: Duration = Duration::from_secs(1);
/// The longest that a forbidden write waits for its next attempt.
const RECHECK: Duration = Duration::from_mins(5);

/// Waits until the renewal of a resource is due in a moment; its revision before that.
async fn renewal_is_near(world: &World, name: &str) -> i64 {
    world
        .until(name, "is to be renewed in a moment", |psu| {
            let due = psu.status.as_ref().and_then(|status| status.renewal_time);
            due.is_some_and(|due| due - BEFORE <= Timestamp::now())
        })
        .await
        .status
        .and_then(|status| status.revision)
        .expect("a revision")
}

/// Waits until a resource is Ready with this revision. The API server may just have come back.
async fn renewed(world: &World, name: &str, revision: i64) -> PresignedUrl {
    let psus = world.psus();
    eventually(&format!("{name} is renewed"), async || {
        let psu = psus.get(name).await.map_err(|error| error.to_string())?;
        let known = psu.status.as_ref().and_then(|status| status.revision);
        let ready = says(condition(&psu, "Ready"), "True", "Issued");
        if ready && known >= Some(revision) {
            Ok(psu)
        } else {
            Err(format!("{:?}", psu.status))
        }
    })
    .await
}

/// A resource of two minutes on a control plane of its own, through an outage in which its renewal is due.
async fn lives_through(short: &str, outage: impl AsyncFnOnce(&'static ControlPlane, &FaultProxy)) {
    let guard = plane().await;
    let plane = guard.expect("a control plane");
    install(plane).await;
    let s3 = S3Server::s3s_fs().unwrap();
    let world = world(short, plane).await;
    world.furnish(&s3).await;
    s3.put_object("data", "lives", "x").unwrap();
    let proxy = FaultProxy::start(plane.api()).unwrap();
    let operator = world.operator_behind(&proxy, &[]).await;
    world.foreign_secret("foreign").await;
    let foreign = world.secret("foreign").await.metadata.resource_version;
    world.psu("lives", &json!({ "duration": "2m" })).await;
    world.ready("lives").await;
    let consumer = world.consumer("lives").await;
    let before = renewal_is_near(&world, "lives").await;
    let versions = world.versions("lives").len();

    let began = Instant::now();
    outage(plane, &proxy).await;
    renewed(&world, "lives", before + 1).await;
    println!("{short}: renewed {:?} after its begin", began.elapsed());
    // A write that landed and was not answered is made once more.
    let written = world.versions("lives").len() - versions;
    assert!((1..=2).contains(&written), "{written} writes of the Secret");
    world.psu("after", &json!({})).await;
    renewed(&world, "after", 1).await;
    assert_eq!(operator.get("/readyz").await.status, 200);
    let now = world.secret("foreign").await.metadata.resource_version;
    assert_eq!(now, foreign);
    consumer.never_held_a_dead_url(20).await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn an_api_server_that_restarts_over_a_renewal_costs_no_url() {
    lives_through("restarted-api", async |plane, _| {
        plane.restart_api().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_etcd_that_pauses_over_a_renewal_costs_no_url() {
    lives_through("paused-etcd", async |plane, proxy| {
        let calls = Match::resource("secrets").name("lives");
        let before = proxy.count(&calls);
        let paused = plane.pause_etcd().unwrap();
        // The first call of the renewal is given up, and another one is made.
        assert!(proxy.wait_for(&calls, before + 2, LONG).await);
        drop(paused);
    })
    .await;
}

/// The identity of the operator may write Secrets of the tenant, or may not.
async fn may_write(world: &World, may: bool) {
    let account = world.account().await.client().unwrap();
    let secrets: Api<Secret> = Api::namespaced(account, &world.tenant);
    let any: Secret = serde_json::from_value(json!({ "metadata": { "name": "any" } })).unwrap();
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    eventually("the API server knows the rights", async || {
        let answer = secrets.create(&dry, &any).await;
        let by_rbac = |error: &kube::Error| error.to_string().contains("cannot create resource");
        match answer {
            Err(error) if by_rbac(&error) && !may => Ok(()),
            // The fence refuses a Secret without an owner, after RBAC let it through.
            Err(error) if !by_rbac(&error) && may => Ok(()),
            Ok(_) if may => Ok(()),
            other => Err(other.map(drop)),
        }
    })
    .await;
}

#[tokio::test]
async fn rights_that_are_taken_away_and_given_back_bring_the_renewal_back() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "lives", "x").unwrap();
    let world = World::on("rights", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("lives", &json!({})).await;
    world.ready("lives").await;
    let consumer = world.consumer("lives").await;
    let roles: Api<Role> = Api::namespaced(world.client.clone(), &world.tenant);
    let name = format!("{}-tenants", world.name);
    let given = roles.get(&name).await.unwrap().rules;
    let grant = async |rules: Option<Vec<_>>| {
        let mut role = roles.get(&name).await.unwrap();
        role.rules = rules;
        roles
            .replace(&name, &PostParams::default(), &role)
            .await
            .unwrap();
    };
    let mut without = given.clone().unwrap();
    without.retain(|rule| {
        let resources = rule.resources.iter().flatten();
        !resources.clone().any(|resource| resource == "secrets")
    });
    grant(Some(without)).await;
    may_write(&world, false).await;
    let ask = json!({ "metadata": { "annotations": { "presigned.dev/renew": "1" } } });
    world.edit("lives", ask).await;
    let psu = world
        .until("lives", "says what is forbidden", |psu| {
            says(condition(psu, "Renewed"), "False", "Forbidden")
        })
        .await;
    assert!(says(condition(&psu, "Ready"), "True", "Issued"));

    grant(given).await;
    may_write(&world, true).await;
    let returned = Instant::now();
    // Nobody edits anything.
    let versions = world.versions("lives").len();
    let psus = world.psus();
    let revision = psu.status.unwrap().revision;
    while psus.get("lives").await.unwrap().status.unwrap().revision == revision {
        let waited = returned.elapsed();
        assert!(waited < RECHECK + LONG, "no renewal after {waited:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    println!("renewed {:?} after the return", returned.elapsed());
    world.ready("lives").await;
    assert_eq!(world.versions("lives").len() - versions, 1);
    consumer.never_held_a_dead_url(4).await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_kill_with_a_renewal_under_way_costs_one_write_more_at_most() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "lives", "x").unwrap();
    let world = World::on("killed", &s3).await;
    let update = Match::resource("secrets").verb(Verb::Update).name("lives");
    world.psu("lives", &json!({})).await;
    // Held before it lands, and after.
    for (turn, landed) in [(1, false), (2, true)] {
        let proxy = FaultProxy::start(world.plane.api()).unwrap();
        let operator = world.operator_behind(&proxy, &[]).await;
        let revision = world.ready("lives").await.status.unwrap().revision;
        operator.idle().await;
        let consumer = world.consumer("lives").await;
        let versions = world.versions("lives").len();
        let gate = Gate::new();
        let hold = if landed {
            Fault::HoldAnswer(gate.clone())
        } else {
            Fault::HoldRequest(gate.clone())
        };
        let rule = proxy.add(update.clone(), hold);
        let request =
            json!({ "metadata": { "annotations": { "presigned.dev/renew": turn.to_string() } } });
        world.edit("lives", request).await;
        gate.reached(1).await;
        operator.kill();
        proxy.remove(rule);

        let operator = world.operator_behind(&proxy, &[]).await;
        world
            .until("lives", "is renewed", |psu| {
                psu.status.as_ref().unwrap().revision == revision.map(|before| before + 1)
            })
            .await;
        operator.idle().await;
        let answers = proxy.answers(&update);
        assert_eq!(answers.len(), 1 + usize::from(landed), "{answers:?}");
        // Within one second the same is signed again, and a write that changes nothing is no version.
        let written = world.versions("lives").len() - versions;
        assert!((1..=answers.len()).contains(&written), "{written} writes");
        consumer.never_held_a_dead_url(4).await;
        operator.kill();
    }
    world.finish().await;
}

//! Rotation: a URL is replaced long before it expires, without Events, and no reader ever holds an expired
//! one.

use std::time::Duration;

use presigned_testkit::fault_proxy::{Match, Verb};
use presigned_testkit::{FaultProxy, S3Server};
use serde_json::json;

use crate::support::{World, condition, http, says};

/// A reader whose file lags behind by kubelet's delay, here a quarter of the life.
const LAG: u32 = 15;

#[tokio::test]
async fn a_url_sampled_every_second_through_rotations_always_answers() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "sampled", "x").unwrap();
    let world = World::on("sample", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("sampled", &json!({ "duration": "1m" })).await;
    world.ready("sampled").await;

    let mut lagging = String::new();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut age = 0_u32;
    let revisions = loop {
        second.tick().await;
        let psu = world.psus().get("sampled").await.unwrap();
        assert!(says(condition(&psu, "Ready"), "True", "Issued"), "{psu:?}");
        let url = world.value("sampled", "url").await;
        if age.is_multiple_of(LAG) {
            lagging.clone_from(&url);
        }
        age += 1;
        for (what, url) in [("present", &url), ("mounted", &lagging)] {
            let answer = http("GET", url, "", &[]).await;
            assert_eq!(answer.status, 200, "the {what} URL after {age} s");
        }
        let revision = psu.status.unwrap().revision.unwrap();
        if revision > 4 {
            break revision;
        }
        assert!(age < 150, "only {revision} revisions in {age} s");
    };
    assert_eq!(revisions, 5);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_renewal_is_two_writes_and_no_event() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "quick", "x").unwrap();
    let world = World::on("twowrites", &s3).await;
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let operator = world.operator_behind(&proxy, &[]).await;
    world
        .psu(
            "quick",
            &json!({ "duration": "1m", "renewBeforePercentage": 90 }),
        )
        .await;
    world.ready("quick").await;
    world.rolled_out(1).await;
    let before = world.events("quick").await.len();
    let first = world.psus().get("quick").await.unwrap().status.unwrap();
    proxy.forget_requests();
    let last = world
        .until("quick", "has been renewed three times", |psu| {
            psu.status.as_ref().unwrap().revision >= first.revision.map(|first| first + 3)
        })
        .await;

    // A renewal may be half way at this moment: what was counted stops at the status that was seen.
    let writes = world.writes(&proxy);
    let is = |write: &&_, wanted: &Match| wanted.matches(write);
    let secrets = Match::resource("secrets").verb(Verb::Update);
    let status = Match::resource("presignedurls/status").verb(Verb::Update);
    let count = |wanted: &Match| writes.iter().filter(|write| is(write, wanted)).count();
    let renewals =
        usize::try_from(last.status.unwrap().revision.unwrap() - first.revision.unwrap());
    let renewals = renewals.unwrap();
    assert!(
        (renewals..=renewals + 1).contains(&count(&secrets)),
        "{writes:#?}"
    );
    assert!(
        (renewals..=renewals + 1).contains(&count(&status)),
        "{writes:#?}"
    );
    assert_eq!(
        writes.len(),
        count(&secrets) + count(&status),
        "{writes:#?}"
    );
    assert_eq!(
        world.events("quick").await.len(),
        before,
        "routine is not told"
    );
    assert_eq!(before, 1, "the first issue is");
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn the_annotation_renews_once() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "asked", "x").unwrap();
    let world = World::on("annotated", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("asked", &json!({})).await;
    world.ready("asked").await;
    let old = world.value("asked", "url").await;
    let ask = json!({ "metadata": { "annotations": { "presigned.dev/renew": "1700000000" } } });
    world.edit("asked", ask).await;
    let psu = world
        .until("asked", "was renewed", |psu| {
            psu.status.as_ref().unwrap().last_renew_request.is_some()
        })
        .await;
    let status = psu.status.unwrap();
    assert_eq!(status.last_renew_request.as_deref(), Some("1700000000"));
    assert_eq!(status.revision, Some(2));
    assert_ne!(world.value("asked", "url").await, old);
    operator.idle().await;
    let psu = world.psus().get("asked").await.unwrap();
    assert_eq!(psu.status.unwrap().revision, Some(2), "once");
    assert_eq!(world.events("asked").await.len(), 1, "a renewal is no news");
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_suspended_resource_keeps_what_it_has_and_gets_nothing_new() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("suspend", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("held", &json!({ "suspend": true })).await;
    let message = world.unready("held", "Suspended").await;
    assert!(message.contains("spec.suspend"), "{message}");
    assert!(world.secrets().get_opt("held").await.unwrap().is_none());
    let psu = world.psus().get("held").await.unwrap();
    assert!(
        says(condition(&psu, "Allowed"), "True", "Allowed"),
        "still evaluated"
    );

    world
        .edit("held", json!({ "spec": { "suspend": null } }))
        .await;
    world.ready("held").await;
    let version = world.secret("held").await.metadata.resource_version;
    world
        .edit("held", json!({ "spec": { "suspend": true } }))
        .await;
    world
        .until("held", "says that it will not be renewed", |psu| {
            says(condition(psu, "Renewed"), "False", "Suspended")
                && psu.status.as_ref().unwrap().renewal_time.is_none()
        })
        .await;
    assert_eq!(
        world.secret("held").await.metadata.resource_version,
        version
    );
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_url_that_dies_takes_ready_and_the_secret_with_it() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "dying", "x").unwrap();
    let world = World::on("dying", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("dying", &json!({ "duration": "1m" })).await;
    world.ready("dying").await;
    world
        .edit("dying", json!({ "spec": { "suspend": true } }))
        .await;
    let url = world.value("dying", "url").await;
    world.gone("dying").await;
    assert_eq!(http("GET", &url, "", &[]).await.status, 403, "it was dead");
    world.unready("dying", "Suspended").await;
    world.finish().await;
    operator.kill();
}

//! Links on real servers: one life of a minute, from its issue to the deletion of its resource.

use jiff::{SignedDuration, Timestamp};
use presigned_testkit::S3Server;
use serde_json::json;

use crate::support::{World, condition, eventually, http, says};

#[tokio::test]
async fn a_link_keeps_its_end_is_over_and_is_deleted() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("links", &s3).await;
    s3.put_object("data", "link", "x").unwrap();
    let operator = world.operator(&[]).await;
    let spec = json!({ "renew": "Never", "duration": "1m", "ttlAfterExpiry": "0s" });
    world.psu("link", &spec).await;
    let first = world.ready("link").await.status.unwrap();
    let end = first.expiration_time;
    assert_eq!(first.renewal_time, None);
    let old = world.value("link", "url").await;
    assert_eq!(http("GET", &old, "", &[]).await.status, 200);

    // A later signature, the same end: the server takes both until then. Within one second they would be one.
    let later = first.issue_time.unwrap() + SignedDuration::from_secs(1);
    eventually("another second has come", async || {
        let now = Timestamp::now();
        if now >= later { Ok(()) } else { Err(now) }
    })
    .await;
    world.delete_secret("link").await;
    let healed = world
        .until("link", "is healed", |psu| {
            psu.status.as_ref().unwrap().revision == Some(2)
        })
        .await;
    let status = healed.status.clone().unwrap();
    assert_eq!(
        (status.issue_time, status.expiration_time),
        (first.issue_time, end)
    );
    let new = world.value("link", "url").await;
    assert_ne!(old, new);
    assert_eq!(http("GET", &new, "", &[]).await.status, 200);

    let request = json!({ "metadata": { "annotations": { "presigned.dev/renew": "please" } } });
    world.edit("link", request).await;
    world
        .until("link", "refuses to renew", |psu| {
            says(condition(psu, "Renewed"), "False", "NeverRenewed")
        })
        .await;

    // A finalizer of somebody else shows the resource after its deletion.
    let hold = json!({ "metadata": { "finalizers": ["example.com/hold"] } });
    world.edit("link", hold).await;
    let over = world
        .until("link", "is deleted", |psu| {
            psu.metadata.deletion_timestamp.is_some()
                && says(condition(psu, "Ready"), "False", "Deleting")
        })
        .await;
    assert!(condition(&over, "Stalled").is_none());
    let status = over.status.unwrap();
    assert_eq!((status.expiration_time, status.revision), (end, Some(2)));
    world.gone("link").await;
    for url in [&old, &new] {
        let answer = http("GET", url, "", &[]).await.status;
        assert_eq!(answer, 403, "it ended with the link");
    }
    let release = json!({ "metadata": { "finalizers": null } });
    world.edit("link", release).await;
    let psus = world.psus();
    eventually("the resource is gone", async || {
        match psus.get_opt("link").await.expect("look") {
            None => Ok(()),
            Some(psu) => Err(psu.status),
        }
    })
    .await;
    let told = world.events("link").await;
    for reason in ["NeverRenewed", "Expired"] {
        let of_reason = told
            .iter()
            .filter(|event| event.reason.as_deref() == Some(reason));
        assert_eq!(of_reason.count(), 1, "{reason}: {told:#?}");
    }
    world.finish().await;
    operator.kill();
}

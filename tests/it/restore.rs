//! A restore from a backup that has no statuses: what the operator remembers of a resource is gone, and its
//! Secret is there, or is not, or is of the resource that had the name before.

use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use presigned_core::api::PresignedUrl;
use presigned_testkit::S3Server;
use serde_json::{Value, json};

use crate::support::{World, eventually, text};

/// What a restore makes of a resource whose status it leaves out.
#[derive(Clone, Copy)]
enum Restored {
    /// The same object without a status, beside its Secret.
    InPlace,
    /// The same object without a status, and no Secret.
    WithoutSecret,
    /// Another object of the name, beside the Secret of the one before.
    Anew,
}

const CASES: [(&str, Restored); 3] = [
    ("in-place", Restored::InPlace),
    ("without-secret", Restored::WithoutSecret),
    ("anew", Restored::Anew),
];

async fn restore(world: &World, name: &str, spec: &Value, restored: Restored) {
    if let Restored::Anew = restored {
        let at_once = DeleteParams::default();
        world.psus().delete(name, &at_once).await.unwrap();
        return world.psu(name, spec).await;
    }
    let none = Patch::Merge(json!({ "status": null }));
    let left = world
        .psus()
        .patch_status(name, &PatchParams::default(), &none)
        .await;
    assert_eq!(left.unwrap().status, None, "nothing is remembered");
    if let Restored::WithoutSecret = restored {
        world.delete_secret(name).await;
    }
}

fn end(psu: &PresignedUrl) -> Timestamp {
    psu.status.as_ref().unwrap().expiration_time.unwrap()
}

/// Issues a resource for each case, restores it while no operator runs, and returns how each was before and is
/// once it is Ready again.
async fn restored(short: &str, spec: Value) -> Vec<(&'static str, PresignedUrl, PresignedUrl)> {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on(short, &s3).await;
    let operator = world.operator(&[]).await;
    let mut before = Vec::new();
    for (name, _) in CASES {
        world.psu(name, &spec).await;
        before.push((world.ready(name).await, world.secret(name).await));
    }
    operator.idle().await;
    operator.kill();
    for (name, restored) in CASES {
        restore(&world, name, &spec, restored).await;
    }
    let latest = before.iter().map(|(psu, _)| end(psu)).max().unwrap();
    let life = jiff::SignedDuration::from_hours(1);
    eventually("a URL that is signed now has a later end", async || {
        let now = Timestamp::now() + life;
        (now.as_second() > latest.as_second())
            .then_some(())
            .ok_or(now)
    })
    .await;

    let operator = world.operator(&[]).await;
    let mut cases = Vec::new();
    for ((name, restored), (psu, secret)) in CASES.into_iter().zip(before) {
        let after = world.ready(name).await;
        let now = world
            .until_secret(name, "is that of the resource", |secret| {
                let owners = secret.metadata.owner_references.as_deref();
                owners.is_some_and(|owners| Some(&owners[0].uid) == after.uid().as_ref())
            })
            .await;
        assert_ne!(
            text(&now, "url"),
            text(&secret, "url"),
            "{name}: it is signed again"
        );
        assert_eq!(text(&now, "expires-at"), end(&after).to_string(), "{name}");
        let anew = matches!(restored, Restored::Anew);
        assert_eq!(after.uid() != psu.uid(), anew, "{name}");
        cases.push((name, psu, after));
    }
    // It knows them now: nothing more is written.
    operator.idle().await;
    for (name, _, after) in &cases {
        let later = world.ready(name).await;
        assert_eq!(later.resource_version(), after.resource_version(), "{name}");
    }
    world.finish().await;
    operator.kill();
    cases
}

#[tokio::test]
async fn a_resource_that_is_restored_without_its_status_is_issued_again() {
    let cases = restored("restored", json!({ "duration": "1h" })).await;
    for (name, before, after) in cases {
        assert!(end(&after) > end(&before), "{name}: {before:?} {after:?}");
        let status = after.status.unwrap();
        assert_eq!(status.revision, Some(1), "{name}: as at a first issue");
        assert!(status.renewal_time.is_some(), "{name}: it is renewed");
    }
}

#[tokio::test]
async fn a_link_that_is_restored_without_its_status_is_issued_again_with_a_new_end() {
    let spec = json!({ "renew": "Never", "duration": "1h" });
    for (name, before, after) in restored("relinked", spec).await {
        assert!(end(&after) > end(&before), "{name}: {before:?} {after:?}");
        let status = after.status.unwrap();
        assert_eq!(status.renewal_time, None, "{name}: it is not renewed");
    }
}

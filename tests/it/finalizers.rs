//! A finalizer on a Secret: it keeps the Secret, and no URL in it.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use presigned_testkit::S3Server;
use serde_json::{Value, json};

use crate::support::{Setup, World};

/// Waits until a Secret that a finalizer keeps is empty, and until the status says that it is gone.
async fn emptied(world: &World, name: &str) {
    world
        .until_secret(name, "is empty", |secret| {
            let empty = secret.data.as_ref().is_none_or(BTreeMap::is_empty);
            empty && secret.metadata.deletion_timestamp.is_some()
        })
        .await;
    world
        .until(name, "holds nothing", |psu| {
            psu.status.as_ref().unwrap().internal.secret.is_none()
        })
        .await;
}

fn held() -> Value {
    json!({ "metadata": { "finalizers": ["example.com/stay"] } })
}

#[tokio::test]
async fn a_finalizer_on_the_secret_keeps_no_url_that_was_denied() {
    for (short, secret_access) in [("held", "watch"), ("held-blind", "none")] {
        let s3 = S3Server::s3s_fs().unwrap();
        let setup = Setup {
            secret_access,
            ..Setup::default()
        };
        let world = World::with(short, setup).await;
        world.furnish(&s3).await;
        let operator = world.operator(&["--denial-grace=0s"]).await;
        world.psu("held", &json!({})).await;
        world.ready("held").await;
        let before = world.edit_secret("held", held()).await;
        world.policy(&json!([])).await;
        world.unready("held", "PolicyDenied").await;
        emptied(&world, "held").await;
        operator.idle().await;
        let after = world.secret("held").await;
        assert_eq!(after.uid(), before.uid());

        world.allow_all(&json!({})).await;
        if secret_access == "watch" {
            let message = world.unready("held", "Progressing").await;
            assert!(message.contains("is being deleted"), "{message}");
        }
        let release = json!({ "metadata": { "finalizers": null } });
        world.edit_secret("held", release).await;
        if secret_access == "watch" {
            world.ready("held").await;
            assert_ne!(world.secret("held").await.uid(), before.uid());
        }
        world.finish().await;
        operator.kill();
    }
}

#[tokio::test]
async fn a_finalizer_on_the_secret_keeps_no_url_that_has_expired() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("held-dead", &s3).await;
    let operator = world.operator(&[]).await;
    let link = json!({ "renew": "Never", "duration": "1m" });
    world.psu("link", &link).await;
    world.ready("link").await;
    world.edit_secret("link", held()).await;
    world.unready("link", "Expired").await;
    emptied(&world, "link").await;
    let release = json!({ "metadata": { "finalizers": null } });
    world.edit_secret("link", release).await;
    world.gone("link").await;
    world.finish().await;
    operator.kill();
}

//! Edits of a Secret by hand are undone within seconds; labels and annotations that others add stay.

use jiff::Timestamp;
use kube::api::{DeleteParams, PostParams};
use presigned_testkit::S3Server;
use serde_json::json;

use crate::support::{Setup, World, eventually, http, text};

#[tokio::test]
async fn drift_heals_within_seconds() {
    let s3 = S3Server::s3s_fs().unwrap();
    for name in ["deleted", "edited", "frozen", "stripped", "typed"] {
        s3.put_object("data", name, name).unwrap();
    }
    let world = World::on("drift", &s3).await;
    let operator = world.operator(&[]).await;
    let mut uids = std::collections::BTreeMap::new();
    for name in ["deleted", "edited", "frozen", "stripped", "typed"] {
        world.psu(name, &json!({})).await;
        world.ready(name).await;
        uids.insert(name, world.secret(name).await.metadata.uid);
    }
    operator.idle().await;

    world.delete_secret("deleted").await;
    world
        .edit_secret(
            "edited",
            json!({ "stringData": { "url": "http://evil.example/" } }),
        )
        .await;
    world
        .edit_secret(
            "frozen",
            json!({ "stringData": { "url": "http://evil.example/" }, "immutable": true }),
        )
        .await;
    world
        .edit_secret(
            "stripped",
            json!({ "metadata": { "labels": { "presigned.dev/managed-by": null } } }),
        )
        .await;
    let mut typed = world.secret("typed").await;
    world
        .secrets()
        .delete("typed", &DeleteParams::default())
        .await
        .unwrap();
    typed.type_ = Some("example.com/other".to_owned());
    typed.metadata.resource_version = None;
    typed.metadata.uid = None;
    // Whether the operator or this create comes first, the result must be the operator's.
    let _ = world.secrets().create(&PostParams::default(), &typed).await;

    let done = Timestamp::now();
    for (name, uid) in &uids {
        let healed = world
            .until_secret(name, "is healed", |secret| {
                let label = secret
                    .metadata
                    .labels
                    .as_ref()
                    .and_then(|all| all.get("presigned.dev/managed-by"));
                secret.type_.as_deref() == Some("Opaque")
                    && secret.immutable != Some(true)
                    && label.is_some_and(|label| label == "presigned-url-operator")
                    && !text(secret, "url").contains("evil")
                    && (*name == "edited" || *name == "stripped" || secret.metadata.uid != *uid)
            })
            .await;
        let answer = http("GET", &text(&healed, "url"), "", &[]).await;
        assert_eq!(answer.status, 200, "{name}");
    }
    let took = Timestamp::now().as_second() - done.as_second();
    assert!(took < 30, "healing took {took} s");
    for name in uids.keys() {
        world.ready(name).await;
    }
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn one_resource_is_healed_at_most_once_a_minute() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("heals", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("fought", &json!({})).await;
    world.ready("fought").await;
    operator.idle().await;
    let mut created = Vec::new();
    for _ in 0..2 {
        world.delete_secret("fought").await;
        let secret = world.until_secret("fought", "is back", |_| true).await;
        created.push(secret.metadata.creation_timestamp.unwrap().0.as_second());
        // The status records the repair before the next edit.
        world.ready("fought").await;
    }
    let between = created[1] - created[0];
    assert!(
        (58..=75).contains(&between),
        "healed again after {between} s"
    );
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn foreign_metadata_is_kept_and_causes_no_write() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("foreignmeta", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("shared", &json!({})).await;
    world.ready("shared").await;
    operator.idle().await;
    let touched = world
        .edit_secret(
            "shared",
            json!({ "metadata": {
            "labels": { "team": "theirs" }, "annotations": { "example.com/note": "theirs" },
            "finalizers": ["example.com/theirs"],
        } }),
        )
        .await;
    operator.idle().await;
    let now = world.secret("shared").await;
    assert_eq!(
        now.metadata.resource_version, touched.metadata.resource_version,
        "no write"
    );

    world
        .edit("shared", json!({ "spec": { "duration": "30m" } }))
        .await;
    let renewed = world
        .until_secret("shared", "was written again", |secret| {
            secret.metadata.resource_version != touched.metadata.resource_version
        })
        .await;
    assert_eq!(renewed.metadata.labels.unwrap()["team"], "theirs");
    assert_eq!(
        renewed.metadata.annotations.unwrap()["example.com/note"],
        "theirs"
    );
    assert_eq!(renewed.metadata.finalizers.unwrap(), ["example.com/theirs"]);
    // Nobody would take it away, and the namespace could not end.
    world
        .edit_secret("shared", json!({ "metadata": { "finalizers": null } }))
        .await;
    world.ready("shared").await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn without_any_right_to_read_secrets_it_issues_renews_and_heals_at_renewal() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "blind", "x").unwrap();
    let setup = Setup {
        secret_access: "none",
        ..Setup::default()
    };
    let world = World::with("blind", setup).await;
    world.furnish(&s3).await;
    let account = world.account().await.client().unwrap();
    let tenant: kube::Api<k8s_openapi::api::core::v1::Secret> =
        kube::Api::namespaced(account, &world.tenant);
    assert!(
        tenant.get_opt("any").await.is_err(),
        "the account may not read"
    );

    let operator = world.operator(&[]).await;
    let quick = json!({ "key": "blind", "duration": "1m", "renewBeforePercentage": 80 });
    world.psu("blind", &quick).await;
    world.ready("blind").await;
    let first = world.secret("blind").await;
    let renewed = world
        .until_secret("blind", "is renewed", |secret| {
            text(secret, "url") != text(&first, "url")
        })
        .await;
    assert_eq!(
        renewed.metadata.uid, first.metadata.uid,
        "written over, not made anew"
    );
    world.delete_secret("blind").await;
    let healed = world
        .until_secret("blind", "is back at renewal", |_| true)
        .await;
    let answer = http("GET", &text(&healed, "url"), "", &[]).await;
    assert_eq!(answer.status, 200);
    world.ready("blind").await;

    // What is there already may be anybody's.
    world
        .apply(
            json!({ "apiVersion": "v1", "kind": "Secret", "stringData": { "a": "b" },
            "metadata": { "name": "theirs", "namespace": world.tenant } }),
        )
        .await;
    let theirs = world.secret("theirs").await;
    world.psu("theirs", &json!({})).await;
    let message = world.unready("theirs", "SecretConflict").await;
    assert!(message.contains("may not read"), "{message}");
    assert_eq!(world.secret("theirs").await, theirs);
    eventually("the operator stays ready", async || {
        let answer = operator.get("/readyz").await;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .await;
    world.finish().await;
    operator.kill();
}

//! `verify` against real servers and real failures: the condition `Verified` names each cause, and its
//! message says what was asked, what is wrong and what to do.
//!
//! What holds here: signing needs no server, so `Report` never holds a Secret back. `Require` does, until the
//! URL works.

mod failures;

use http::StatusCode;
use presigned_testkit::S3Server;
use presigned_testkit::s3::{FaultyS3Proxy, RequestKind, S3Fault};
use serde_json::{Value, json};

use crate::support::{World, condition, curl, says};

/// A resource, what is special about it, and what `Verified` says of it: status, reason and words of the
/// sentence.
type Case<'a> = (&'a str, Value, &'a str, &'a str, &'a [&'a str]);

/// Applies all, and looks at each: it is Ready, and it says what it must.
async fn say(world: &World, cases: &[Case<'_>]) {
    for (name, spec, ..) in cases {
        world.psu(name, spec).await;
    }
    for (name, _, status, reason, words) in cases {
        let message = world.verified(name, status, reason).await;
        for words in *words {
            assert!(
                message.contains(words),
                "{name}: {words:?} is not in: {message}"
            );
        }
        world.ready(name).await;
    }
}

const NO_BUCKET: (&str, &[&str]) = (
    "NoSuchBucket",
    &["it has no bucket \"absent\"", "create it, or name another"],
);

async fn servers_answer_what_is_reported(short: &str, s3: &S3Server, absent: (&str, &[&str])) {
    s3.put_object("data", "in/there", "x").unwrap();
    s3.put_object("data", "in/empty", "").unwrap();
    let world = World::on(short, s3).await;
    world
        .store(s3, &json!({ "unsignedHeaders": "Accept" }))
        .await;
    world
        .allow_all(&json!({ "buckets": ["data", "absent"] }))
        .await;
    let operator = world.operator(&[]).await;
    let size = json!({ "contentLengthRange": { "max": 10 } });
    say(
        &world,
        &[
            (
                "works",
                json!({ "key": "in/there" }),
                "True",
                "Verified",
                &["first byte of \"data/in/there\" was answered"],
            ),
            (
                "empty",
                json!({ "key": "in/empty" }),
                "True",
                "Verified",
                &["the object is empty"],
            ),
            (
                "list",
                json!({ "key": null, "prefix": "in/" }),
                "True",
                "Verified",
                &["data/in/"],
            ),
            (
                "missing",
                json!({ "key": "in/missing" }),
                "False",
                "NoSuchKey",
                &["there is no object \"data/in/missing\"", "upload it"],
            ),
            (
                "one-of",
                json!({ "key": null, "keys": ["in/there", "in/gone"] }),
                "False",
                "NoSuchKey",
                &["there is no object \"data/in/gone\""],
            ),
            (
                "bucket",
                json!({ "bucket": "absent", "key": "in/there" }),
                "False",
                absent.0,
                absent.1,
            ),
            (
                "put",
                json!({ "key": "in/new", "method": "PUT" }),
                "Unknown",
                "NotVerifiable",
                &[
                    "a GET beside \"data/in/new\"",
                    "the upload itself was not tried",
                    "s3:PutObject on arn:aws:s3:::data/in/new",
                ],
            ),
            (
                "delete",
                json!({ "key": "in/there", "method": "DELETE" }),
                "Unknown",
                "NotVerifiable",
                &[
                    "a GET beside \"data/in/there\"",
                    "the removal itself was not tried",
                    "s3:DeleteObject on arn:aws:s3:::data/in/there",
                ],
            ),
            (
                "form",
                json!({ "key": null, "prefix": "in/", "method": "POST", "post": size }),
                "Unknown",
                "NotVerifiable",
                &[
                    "the upload itself was not tried",
                    "s3:PutObject on arn:aws:s3:::data/in/*",
                ],
            ),
        ],
    )
    .await;
    let kept = s3.object_bytes("data", "in/there").unwrap();
    assert_eq!(
        kept.as_deref(),
        Some(&b"x"[..]),
        "nothing was written or removed"
    );
    assert_eq!(s3.object_bytes("data", "in/new").unwrap(), None);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn what_s3s_answers_is_reported() {
    // It says that the object is missing, and no more.
    servers_answer_what_is_reported(
        "verify-s3s",
        &S3Server::s3s_fs().unwrap(),
        ("NoSuchKey", &["no object \"absent/in/there\""]),
    )
    .await;
}

#[tokio::test]
async fn what_versitygw_answers_is_reported() {
    servers_answer_what_is_reported(
        "verify-vgw",
        &S3Server::versitygw().await.unwrap(),
        NO_BUCKET,
    )
    .await;
}

#[tokio::test]
async fn what_minio_answers_is_reported() {
    servers_answer_what_is_reported("verify-minio", &S3Server::minio().await.unwrap(), NO_BUCKET)
        .await;
}

#[tokio::test]
async fn a_signer_without_the_right_is_reported_with_action_and_resource() {
    let s3 = S3Server::minio().await.unwrap();
    for key in ["mine/a", "others/a"] {
        s3.put_object("data", key, "x").unwrap();
    }
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/mine/*"}]}"#;
    let user = s3
        .add_user("narrow", "narrow-secret", policy)
        .await
        .unwrap();
    let world = World::on("verify-rights", &s3).await;
    world.allow_all(&json!({})).await;
    world.credentials(&user.access_key, &user.secret_key).await;
    let operator = world.operator(&[]).await;
    let refused = [
        "refuses a GET of \"data/others/a\"",
        "give the signer s3:GetObject on arn:aws:s3:::data/others/a",
        "or create the object",
        "s3:ListBucket on arn:aws:s3:::data",
    ];
    say(
        &world,
        &[
            ("mine", json!({ "key": "mine/a" }), "True", "Verified", &["data/mine/a"]),
            ("others", json!({ "key": "others/a" }), "False", "AccessDenied", &refused),
            // Without the right to list, nobody can tell it from a missing right.
            ("neither", json!({ "key": "others/missing" }), "False", "AccessDenied", &["or create the object"]),
            (
                "form",
                json!({ "key": "others/new", "method": "POST", "post": { "contentLengthRange": { "max": 1 } } }),
                "Unknown",
                "NotVerifiable",
                &["s3:PutObject on arn:aws:s3:::data/others/new"],
            ),
        ],
    )
    .await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn required_means_that_nothing_is_published_until_it_works() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "there", "x").unwrap();
    let proxy = FaultyS3Proxy::before(&s3).unwrap();
    let world = World::on("require", &s3).await;
    world.allow_all(&json!({})).await;
    world
        .store(&s3, &json!({ "endpoint": proxy.endpoint }))
        .await;
    let operator = world.operator(&[]).await;
    world.psu("later", &json!({ "verify": "Require" })).await;
    let message = world.unready("later", "NoSuchKey").await;
    assert!(
        message.contains("nothing is published that did not work (verify: Require)"),
        "{message}"
    );
    assert!(
        message.contains("there is no object \"data/later\": upload it"),
        "{message}"
    );
    world.verified("later", "False", "NoSuchKey").await;
    let waiting = world.psus().get("later").await.unwrap();
    assert!(
        condition(&waiting, "Stalled").is_none(),
        "an upload fixes it"
    );

    proxy.inject(
        RequestKind::Get,
        S3Fault::Error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
    );
    world.psu("there", &json!({ "verify": "Require" })).await;
    let message = world.unready("there", "StoreUnavailable").await;
    assert!(message.contains("the operator retries"), "{message}");
    for name in ["later", "there"] {
        assert!(
            world.secrets().get_opt(name).await.unwrap().is_none(),
            "{name}"
        );
    }

    proxy.clear_faults();
    s3.put_object("data", "later", "uploaded").unwrap();
    for name in ["there", "later"] {
        world.ready(name).await;
        world.verified(name, "True", "Verified").await;
    }
    let mount = world.mount("later").await;
    assert_eq!(curl(&mount, &[]).await, (0, "uploaded".to_owned()));
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn never_means_that_the_store_hears_nothing_of_it() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("never", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("quiet", &json!({ "verify": "Never" })).await;
    world.psu("asked", &json!({})).await;
    world.ready("quiet").await;
    world.verified("asked", "False", "NoSuchKey").await;
    let asked = |key: &str| {
        let requests = s3.requests().unwrap();
        requests
            .iter()
            .filter(|request| request.path.ends_with(key))
            .count()
    };
    assert!(asked("/asked") > 0);
    assert_eq!(asked("/quiet"), 0);
    let quiet = world.psus().get("quiet").await.unwrap();
    assert!(condition(&quiet, "Verified").is_none());

    // Asked to report after all, it does; and what was told of it goes when it is told to be quiet.
    world
        .edit("quiet", json!({ "spec": { "verify": "Report" } }))
        .await;
    world.verified("quiet", "False", "NoSuchKey").await;
    world
        .edit("quiet", json!({ "spec": { "verify": "Never" } }))
        .await;
    world
        .until("quiet", "says no more", |psu| {
            condition(psu, "Verified").is_none()
        })
        .await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn ready_is_never_said_of_a_url_whose_key_the_store_does_not_know_any_more() {
    let s3 = S3Server::s3s_fs().unwrap();
    for name in ["there", "late"] {
        s3.put_object("data", name, "x").unwrap();
    }
    let world = World::on("revoked", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("there", &json!({})).await;
    let ready = world.ready("there").await;
    let message = &condition(&ready, "Ready").unwrap().message;
    assert!(message.ends_with("; a GET worked"), "{message}");
    assert!(
        says(condition(&ready, "Verified"), "True", "Verified"),
        "it stands in the first status"
    );

    // The store was probed a moment ago, so only the verification of the URL can show it.
    s3.remove_credentials(&s3.access_key).unwrap();
    world.psu("late", &json!({})).await;
    let message = world.unready("late", "CredentialsInvalid").await;
    for words in ["rejects the signature", "does not know the access key"] {
        assert!(message.contains(words), "{words:?} is not in: {message}");
    }
    world.secret("late").await;
    operator.idle().await;
    let events = world.events("late").await;
    assert_eq!(events.len(), 1, "Issued is never said: {events:#?}");
    world.finish().await;
    operator.kill();
}

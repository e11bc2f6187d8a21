//! Unsigned `x-amz-*` headers on real servers: what the probe finds on each, and which uploads are signed
//! there.

use presigned_core::api::Condition;
use presigned_testkit::S3Server;
use serde_json::{Value, json};

use crate::support::{World, condition, curl, http, says, store_condition, store_says};

const COPY: &str = "x-amz-copy-source: /data/secret\n";
const BODY: &[u8] = b"uploaded";
/// What MinIO ignores for its users, and the API wants.
const ROLE: &str = "arn:aws:iam::000000000000:role/any";

/// A world with a download, an upload, and an object that nobody was given.
async fn with_an_upload(short: &str, s3: &S3Server, changes: &Value) -> World {
    let world = World::on(short, s3).await;
    world.store(s3, changes).await;
    for key in ["dl", "secret"] {
        s3.put_object("data", key, key).unwrap();
    }
    world
}

async fn ask(world: &World) {
    world.psu("dl", &json!({})).await;
    world.psu("up", &json!({ "method": "PUT" })).await;
    world.ready("dl").await;
}

/// The store's condition about unsigned headers.
async fn unsigned_headers_condition(world: &World) -> Condition {
    let kind = "UnsignedHeadersRejected";
    let store = world
        .until_store("tells of unsigned headers", |store| {
            store_condition(store, kind).is_some()
        })
        .await;
    store_condition(&store, kind).unwrap().clone()
}

/// Uploads by the Secret of `up`, as its users do.
async fn upload(world: &World, s3: &S3Server) {
    world.ready("up").await;
    let mount = world.mount("up").await;
    std::fs::write(mount.join("file"), BODY).unwrap();
    let (code, said) = curl(&mount, &["-T", "file"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(s3.object_bytes("data", "up").unwrap().unwrap(), BODY);
}

/// What the upload's URL does with an unsigned copy source.
async fn copy(world: &World) -> u16 {
    let url = world.value("up", "url").await;
    http("PUT", &url, COPY, &[]).await.status
}

#[tokio::test]
async fn an_upload_is_signed_where_unsigned_headers_are_rejected() {
    let s3 = S3Server::versitygw().await.unwrap();
    let world = with_an_upload("rejects", &s3, &json!({})).await;
    let operator = world.operator(&[]).await;
    ask(&world).await;
    upload(&world, &s3).await;
    let condition = unsigned_headers_condition(&world).await;
    assert!(says(Some(&condition), "True", "UnsignedHeadersRejected"));
    assert_eq!(copy(&world).await, 403);
    assert_eq!(s3.object_bytes("data", "up").unwrap().unwrap(), BODY);
    world.finish().await;
    operator.kill();
}

/// A server that takes them signs no upload until an admin says so.
async fn is_refused_until_accepted(short: &str, s3: S3Server) {
    let world = with_an_upload(short, &s3, &json!({})).await;
    let operator = world.operator(&[]).await;
    ask(&world).await;
    let message = world.unready("up", "UnsignedHeadersAccepted").await;
    for words in [
        "scope: Request",
        "unsignedHeaders: Accept",
        "copy",
        &world.name,
    ] {
        assert!(message.contains(words), "{words:?} is missing: {message}");
    }
    let psu = world.psus().get("up").await.unwrap();
    let stalled = condition(&psu, "Stalled");
    assert!(says(stalled, "True", "UnsignedHeadersAccepted"));
    assert!(world.secrets().get_opt("up").await.unwrap().is_none());
    let condition = unsigned_headers_condition(&world).await;
    assert!(says(Some(&condition), "False", "UnsignedHeadersAccepted"));

    world
        .store(&s3, &json!({ "unsignedHeaders": "Accept" }))
        .await;
    upload(&world, &s3).await;
    assert_eq!(copy(&world).await, 200, "which is why it is refused");
    assert_eq!(s3.object_bytes("data", "up").unwrap().unwrap(), b"secret");
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn s3s_takes_unsigned_headers_and_gets_no_upload_until_an_admin_accepts_them() {
    is_refused_until_accepted("laxs3s", S3Server::s3s_fs().unwrap()).await;
}

#[tokio::test]
async fn minio_takes_unsigned_headers_and_gets_no_upload_until_an_admin_accepts_them() {
    is_refused_until_accepted("laxminio", S3Server::minio().await.unwrap()).await;
}

/// A store that assumes a role of MinIO's own STS with the keys of a user.
fn role(s3: &S3Server, scope: &str) -> Value {
    json!({ "credentials": { "secretRef": null, "assumeRole": {
        "roleARN": ROLE, "stsEndpoint": s3.endpoint, "scope": scope, "duration": "1h",
        "sourceSecretRef": { "name": "credentials" },
    } } })
}

#[tokio::test]
async fn a_session_of_minios_sts_for_the_request_uploads_and_copies_nothing() {
    let s3 = S3Server::minio().await.unwrap();
    let world = with_an_upload("narrow", &s3, &role(&s3, "Request")).await;
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::data", "arn:aws:s3:::data/*"] },
    ] });
    let user = s3
        .add_user(
            "AKIAUSER000000000001",
            "secret-of-the-user",
            &policy.to_string(),
        )
        .await
        .unwrap();
    world.credentials(&user.access_key, &user.secret_key).await;
    let operator = world.operator(&["--resign-within=1s"]).await;
    ask(&world).await;
    upload(&world, &s3).await;
    let url = world.value("up", "url").await;
    assert!(
        url.contains("X-Amz-Security-Token") && !url.contains(&user.access_key),
        "a session signs"
    );
    assert!(says(
        Some(&unsigned_headers_condition(&world).await),
        "False",
        "UnsignedHeadersAccepted"
    ));
    assert_eq!(copy(&world).await, 403, "the session may read nothing");
    assert_eq!(s3.object_bytes("data", "up").unwrap().unwrap(), BODY);
    let url = world.value("dl", "url").await;
    let answer = http("GET", &url, "", &[]).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "dl"));

    // The wider scopes: downloads work, and an upload would be a way to everything that the session may read.
    for scope in ["Namespace", "Store"] {
        world.store(&s3, &role(&s3, scope)).await;
        let name = format!("dl-{}", scope.to_lowercase());
        world.psu(&name, &json!({ "key": "dl" })).await;
        world.ready(&name).await;
        let url = world.value(&name, "url").await;
        assert!(url.contains("X-Amz-Security-Token"), "a session signs");
        assert_eq!(http("GET", &url, "", &[]).await.status, 200, "{scope}");
        let name = format!("up-{}", scope.to_lowercase());
        world.psu(&name, &json!({ "method": "PUT" })).await;
        world.unready(&name, "UnsignedHeadersAccepted").await;
    }
    let store = world.until_store("is ready", |store| {
        store_says(store, "Ready", "True", "CredentialsReady")
    });
    store.await;
    world.finish().await;
    operator.kill();
}

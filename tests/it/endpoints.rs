//! Endpoints that are more than a host: with a path, and of one bucket; and buckets with old names.

use presigned_testkit::S3Server;
use presigned_testkit::s3::Gateway;
use serde_json::{Value, json};

use crate::support::{World, curl, http, store_says};

/// Every kind of URL and form, a listing and the tries of them, by an endpoint of this store.
async fn everything_works(world: &World, s3: &S3Server, bucket: &str, store: &Value) {
    let object = |key: &str| s3.object_bytes(bucket, key).unwrap();
    s3.put_object(bucket, "in/a.bin", "weights").unwrap();
    world.credentials(&s3.access_key, &s3.secret_key).await;
    world.store(s3, store).await;
    world.allow_all(&json!({ "buckets": [bucket] })).await;
    let psu = async |name: &str, mut spec: Value| {
        spec["bucket"] = json!(bucket);
        world.psu(name, &spec).await;
    };
    psu("get", json!({ "key": "in/a.bin", "verify": "Require" })).await;
    psu(
        "listed",
        json!({ "key": null, "prefix": "in/", "verify": "Require" }),
    )
    .await;
    psu("put", json!({ "key": "up/new", "method": "PUT" })).await;
    psu("delete", json!({ "key": "up/new", "method": "DELETE" })).await;
    let form = json!({
        "key": "up/form", "method": "POST", "post": { "contentLengthRange": { "min": 1, "max": 16 } },
    });
    psu("form", form).await;

    world.verified("get", "True", "Verified").await;
    let got = http("GET", &world.value("get", "url").await, "", &[]).await;
    assert_eq!((got.status, got.text().as_str()), (200, "weights"));
    let head = http("HEAD", &world.value("get", "head-url").await, "", &[]).await;
    assert_eq!(head.status, 200);
    world.verified("listed", "True", "Verified").await;
    let urls = world.value("listed", "urls.json").await;
    assert!(urls.contains("\"in/a.bin\""), "{urls}");
    for name in ["put", "delete", "form"] {
        world.ready(name).await;
    }
    let put = http("PUT", &world.value("put", "url").await, "", b"new").await;
    assert_eq!(
        (put.status, object("up/new").as_deref()),
        (200, Some(&b"new"[..]))
    );
    let mount = world.mount("form").await;
    std::fs::write(mount.join("a.txt"), "sent").unwrap();
    let (code, said) = curl(&mount, &["-F", "file=@a.txt"]).await;
    assert_eq!(
        (code, object("up/form").as_deref()),
        (0, Some(&b"sent"[..])),
        "{said}"
    );
    let delete = http("DELETE", &world.value("delete", "url").await, "", &[]).await;
    assert_eq!((delete.status, object("up/new")), (204, None));
    let ready = |store: &_| store_says(store, "Ready", "True", "CredentialsReady");
    world.until_store("works", ready).await;
}

#[tokio::test]
async fn an_endpoint_with_a_path_serves_urls_forms_listings_tries_and_probes() {
    let s3 = S3Server::s3s_fs().unwrap();
    let gateway = Gateway::with_path(&s3, "/storage/v1/s3").unwrap();
    let world = World::new("pathend").await;
    let operator = world.operator(&[]).await;
    let store = json!({ "endpoint": gateway.endpoint, "unsignedHeaders": "Accept" });
    everything_works(&world, &s3, "data", &store).await;
    let requests = gateway.requests();
    assert!(
        requests
            .iter()
            .all(|seen| seen.path.starts_with("/storage/v1/s3/data")),
        "{requests:?}"
    );

    // Without its path the gateway is a web server, and the store says so before anything is signed for it.
    let bare = gateway.endpoint.replace("/storage/v1/s3", "");
    world
        .store(
            &s3,
            &json!({ "endpoint": bare, "unsignedHeaders": "Accept" }),
        )
        .await;
    let refused = |store: &_| store_says(store, "Ready", "False", "UnexpectedResponse");
    world.until_store("sees no S3 server", refused).await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn an_endpoint_of_one_bucket_serves_that_bucket_and_refuses_any_other() {
    let s3 = S3Server::s3s_fs().unwrap();
    let gateway = Gateway::of_bucket(&s3, "data").unwrap();
    let world = World::new("onebucket").await;
    let operator = world.operator(&[]).await;
    let store = json!({
        "endpoint": gateway.endpoint, "addressingStyle": "BucketEndpoint", "bucket": "data", "unsignedHeaders": "Accept",
    });
    everything_works(&world, &s3, "data", &store).await;

    // A policy alone opens no other bucket by this endpoint, and the endpoint alone opens nothing.
    s3.put_object("secrets", "in/a.bin", "theirs").unwrap();
    world
        .allow_all(&json!({ "buckets": ["data", "other"] }))
        .await;
    let of = |bucket: &str| json!({ "bucket": bucket, "key": "in/a.bin" });
    world.psu("other", &of("other")).await;
    let message = world.unready("other", "StoreInvalid").await;
    assert!(
        message.contains("stands for the one bucket \"data\"")
            && message.contains("\"other\" cannot be reached by it"),
        "{message}"
    );
    world.psu("secrets", &of("secrets")).await;
    world.unready("secrets", "PolicyDenied").await;
    world.allow_all(&json!({ "buckets": ["other"] })).await;
    world.psu("ours", &of("data")).await;
    world.unready("ours", "PolicyDenied").await;
    for name in ["other", "secrets", "ours"] {
        assert!(
            world.secrets().get_opt(name).await.unwrap().is_none(),
            "{name}"
        );
    }
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_bucket_with_capitals_and_an_underscore_is_served_in_the_path_and_refused_before_the_host()
 {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::new("oldname").await;
    let operator = world.operator(&[]).await;
    let accept = json!({ "unsignedHeaders": "Accept" });
    everything_works(&world, &s3, "My_Data.2009", &accept).await;
    let other = json!({ "bucket": "my_data.2009", "key": "in/a.bin" });
    world.psu("other", &other).await;
    world.unready("other", "PolicyDenied").await;

    let host = json!({
        "endpoint": s3.localhost_endpoint(), "addressingStyle": "VirtualHost", "unsignedHeaders": "Accept",
    });
    let host = world.another_store(&s3, "host", &host).await;
    let spec = json!({ "storeRef": { "name": host }, "bucket": "My_Data.2009", "key": "in/a.bin" });
    world.psu("host", &spec).await;
    let message = world.unready("host", "StoreInvalid").await;
    assert!(message.contains("capitals or '_'"), "{message}");
    world.finish().await;
    operator.kill();
}

//! Changes of a store: the operator tries each before it uses it, reports and refuses one that cannot work,
//! and rolls out one that works.

use presigned_core::api::ClusterObjectStore;
use presigned_testkit::S3Server;
use presigned_testkit::aws::{ContainerEndpoint, Keys};
use presigned_testkit::s3::unreachable::Refusing;
use serde_json::json;

use crate::support::{World, http, store_condition, store_says, text};

/// What stands in the message of a store that keeps what it had.
const KEPT: &str = "what was used before the change is still used";

/// Waits until the store's Ready is False for this reason; the message.
async fn refuses(world: &World, reason: &str) -> String {
    let store = world
        .until_store(&format!("refuses the change: {reason}"), |store| {
            store_says(store, "Ready", "False", reason)
        })
        .await;
    store_condition(&store, "Ready").unwrap().message.clone()
}

async fn is_ready(world: &World) -> ClusterObjectStore {
    world
        .until_store("is ready", |store| {
            store_says(store, "Ready", "True", "CredentialsReady")
        })
        .await
}

/// A new resource is issued and works, signed by this key at this place.
async fn issues(world: &World, name: &str, place: &str, key: &str) {
    world.psu(name, &json!({})).await;
    world.ready(name).await;
    let url = world.value(name, "url").await;
    assert!(url.starts_with(place), "{name} is signed for another place");
    assert!(url.contains(key), "{name} is signed by another key");
    assert_eq!(http("GET", &url, "", &[]).await.status, 200, "{name}");
}

#[tokio::test]
async fn a_key_that_cannot_work_is_reported_and_the_old_one_signs_and_renews() {
    let s3 = S3Server::s3s_fs().unwrap();
    for name in ["short", "second", "third"] {
        s3.put_object("data", name, name).unwrap();
    }
    let world = World::on("badkey", &s3).await;
    let operator = world.operator(&["--resign-within=1s"]).await;
    world.psu("short", &json!({ "duration": "1m" })).await;
    world.ready("short").await;
    is_ready(&world).await;
    let id = &s3.access_key;

    let wrong = "wrong/secret+key012345678901234567890123";
    world.credentials(id, wrong).await;
    let message = refuses(&world, "CredentialsInvalid").await;
    for words in [KEPT, "secret access key"] {
        assert!(message.contains(words), "{words:?} is missing: {message}");
    }
    issues(&world, "second", &s3.endpoint, id).await;

    let unknown = "AKIAUNKNOWN000000001";
    world.credentials(unknown, wrong).await;
    world
        .until_store("does not know the key", |store| {
            store_condition(store, "Ready")
                .is_some_and(|ready| ready.message.contains("does not know the access key ID"))
        })
        .await;
    issues(&world, "third", &s3.endpoint, id).await;
    let before = world.psus().get("short").await.unwrap().status.unwrap();
    let renewed = world
        .until("short", "is renewed", |psu| {
            psu.status.as_ref().unwrap().revision > before.revision
        })
        .await;
    assert!(renewed.status.unwrap().expiration_time > before.expiration_time);
    let url = world.value("short", "url").await;
    assert_eq!(http("GET", &url, "", &[]).await.status, 200);
    let store = world.until_store("still says so", |_| true).await;
    assert!(store_says(&store, "Ready", "False", "CredentialsInvalid"));
    assert!(
        !store_says(&store, "CredentialsRolledOut", "False", "RollingOut"),
        "a key that is not used rolls nothing out"
    );

    // The key that nobody knew is made at the store, and the right one is given.
    let right = "right/secret+key012345678901234567890123";
    s3.add_credentials(unknown, right).unwrap();
    world.credentials(unknown, right).await;
    for name in ["short", "second", "third"] {
        world
            .until_secret(name, "is signed by the new key", |found| {
                text(found, "url").contains(unknown)
            })
            .await;
    }
    is_ready(&world).await;
    world.rolled_out(3).await;
    s3.remove_credentials(id).unwrap();
    for name in ["short", "second", "third"] {
        let url = world.value(name, "url").await;
        assert_eq!(http("GET", &url, "", &[]).await.status, 200, "{name}");
    }
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_new_key_rolls_out_nearest_expiry_first_and_the_store_counts() {
    let s3 = S3Server::s3s_fs().unwrap();
    let lives = [("c", "30m"), ("a", "2h"), ("d", "5h"), ("b", "11h")];
    for (name, _) in lives {
        s3.put_object("data", name, name).unwrap();
    }
    let world = World::on("rollout", &s3).await;
    let operator = world.operator(&["--resign-within=20s"]).await;
    for (name, life) in lives {
        world.psu(name, &json!({ "duration": life })).await;
        world.ready(name).await;
    }
    is_ready(&world).await;
    world.rolled_out(4).await;
    let (key, secret) = (
        "AKIAROTATED000000002",
        "rotated/secret+key0123456789012345678902",
    );
    s3.add_credentials(key, secret).unwrap();
    world.credentials(key, secret).await;
    let rolling = world
        .until_store("says that it rolls out", |store| {
            store_says(store, "CredentialsRolledOut", "False", "RollingOut")
        })
        .await;
    let counts = rolling.status.unwrap().urls.unwrap();
    assert_eq!(counts.total, 4);
    assert!(counts.on_current_credentials < 4, "{counts:?}");
    world
        .until_store("has rolled out", |store| {
            store_says(store, "CredentialsRolledOut", "True", "RolledOut")
        })
        .await;
    world.rolled_out(4).await;
    let mut written = Vec::new();
    for (name, _) in lives {
        let url = world.value(name, "url").await;
        assert!(url.contains(key), "{name}");
        assert_eq!(http("GET", &url, "", &[]).await.status, 200, "{name}");
        let version = world.secret(name).await.metadata.resource_version;
        written.push((version.unwrap().parse::<u64>().unwrap(), name));
    }
    let order: Vec<&str> = written.iter().map(|(_, name)| *name).collect();
    written.sort_unstable();
    let found: Vec<&str> = written.iter().map(|(_, name)| *name).collect();
    assert_eq!(found, order, "nearest expiry first");
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn an_endpoint_that_cannot_work_is_reported_and_the_old_one_stays() {
    let s3 = S3Server::s3s_fs().unwrap();
    for name in ["kept", "second", "third", "fourth"] {
        s3.put_object("data", name, name).unwrap();
    }
    let world = World::on("badplace", &s3).await;
    let operator = world.operator(&["--resign-within=1s"]).await;
    issues(&world, "kept", &s3.endpoint, &s3.access_key).await;
    is_ready(&world).await;
    let before = world.secret("kept").await;

    let nobody = Refusing::new().unwrap();
    world
        .store(&s3, &json!({ "endpoint": nobody.endpoint }))
        .await;
    let message = refuses(&world, "ConnectionFailed").await;
    assert!(message.contains(KEPT), "{message}");
    issues(&world, "second", &s3.endpoint, &s3.access_key).await;

    let no_s3 = ContainerEndpoint::start(
        "nothing",
        Keys {
            access_key_id: String::new(),
            secret_access_key: String::new(),
            session_token: String::new(),
            expiration: jiff::Timestamp::now(),
        },
    )
    .unwrap();
    let elsewhere = no_s3.full_uri();
    let elsewhere = elsewhere.trim_end_matches("/v1/credentials");
    world.store(&s3, &json!({ "endpoint": elsewhere })).await;
    let message = refuses(&world, "UnexpectedResponse").await;
    for words in [KEPT, "spec.s3.endpoint"] {
        assert!(message.contains(words), "{words:?} is missing: {message}");
    }
    issues(&world, "third", &s3.endpoint, &s3.access_key).await;
    assert_eq!(world.secret("kept").await, before);

    let moved = s3.localhost_endpoint();
    world.store(&s3, &json!({ "endpoint": moved })).await;
    for name in ["kept", "second", "third"] {
        world
            .until_secret(name, "is signed for the new place", |found| {
                text(found, "url").starts_with(&moved)
            })
            .await;
    }
    is_ready(&world).await;
    world.rolled_out(3).await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_region_that_the_server_does_not_serve_is_reported_and_the_old_one_stays() {
    let s3 = S3Server::versitygw().await.unwrap();
    for name in ["kept", "second"] {
        s3.put_object("data", name, name).unwrap();
    }
    let world = World::on("badregion", &s3).await;
    let operator = world.operator(&["--resign-within=1s"]).await;
    issues(&world, "kept", &s3.endpoint, &s3.access_key).await;
    is_ready(&world).await;
    let before = world.secret("kept").await;
    world.store(&s3, &json!({ "region": "eu-north-1" })).await;
    let message = refuses(&world, "WrongRegion").await;
    for words in [KEPT, "spec.s3.region", "eu-north-1"] {
        assert!(message.contains(words), "{words:?} is missing: {message}");
    }
    issues(&world, "second", &s3.endpoint, &s3.access_key).await;
    assert_eq!(world.secret("kept").await, before);
    world.store(&s3, &json!({})).await;
    is_ready(&world).await;
    operator.idle().await;
    assert_eq!(
        world.secret("kept").await,
        before,
        "an edit that is taken back changes nothing"
    );
    world.finish().await;
    operator.kill();
}

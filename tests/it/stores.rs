//! Stores: the sources of their credentials, the messages about bad ones, and the effect of a change.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use presigned_core::api::{ClusterObjectStore, LimitedBy};
use presigned_testkit::S3Server;
use serde_json::json;

use crate::support::{World, condition, curl, http, says, store_condition, store_says, text};

#[tokio::test]
async fn rotated_credentials_are_taken_up_and_the_store_says_when_the_old_may_go() {
    let s3 = S3Server::s3s_fs().unwrap();
    for name in ["a", "b", "c"] {
        s3.put_object("data", name, name).unwrap();
    }
    let world = World::on("rotate", &s3).await;
    let operator = world.operator(&["--resign-within=3s"]).await;
    for name in ["a", "b", "c"] {
        world.psu(name, &json!({})).await;
        world.ready(name).await;
    }
    world.rolled_out(3).await;
    let (key, secret) = (
        "AKIAROTATED000000001",
        "rotated/secret+key0123456789012345678901",
    );
    s3.add_credentials(key, secret).unwrap();
    world.credentials(key, secret).await;
    for name in ["a", "b", "c"] {
        world
            .until_secret(name, "is signed anew", |found| {
                text(found, "url").contains(key)
            })
            .await;
    }
    world.rolled_out(3).await;
    let store = world.until_store("says so", |store| {
        store_says(store, "CredentialsRolledOut", "True", "RolledOut")
    });
    store.await;
    s3.remove_credentials(&s3.access_key).unwrap();
    for name in ["a", "b", "c"] {
        let answer = http("GET", &world.value(name, "url").await, "", &[]).await;
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(
            world.ready(name).await.status.unwrap().revision,
            Some(2),
            "once"
        );
    }
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn credentials_that_cannot_sign_are_explained_and_sign_nothing() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::new("creds").await;
    world.store(&s3, &json!({})).await;
    world.policy(&json!([world.rule(&json!({}))])).await;
    let operator = world.operator(&[]).await;
    world.psu("waits", &json!({})).await;
    let message = world.unready("waits", "CredentialsNotFound").await;
    for words in ["credentials", &world.system] {
        assert!(message.contains(words), "{words:?} is missing: {message}");
    }
    world
        .until_store("says so too", |store| {
            store_says(store, "Ready", "False", "CredentialsNotFound")
        })
        .await;

    let ended = (Timestamp::now() - SignedDuration::from_hours(1)).to_string();
    let token = "FwoGZXIvYXdzEXAMPLETOKENexampletoken";
    let id = s3.access_key.as_str();
    let table = [
        (
            "CredentialsExpiryUnknown",
            "expiration",
            json!({ "accessKeyID": id, "secretAccessKey": s3.secret_key, "sessionToken": token }),
        ),
        (
            "CredentialsNotFound",
            "accessKeyID",
            json!({ "accessKeyID": "", "secretAccessKey": s3.secret_key }),
        ),
        (
            "CredentialsExpired",
            "expired",
            json!({ "accessKeyID": id, "secretAccessKey": s3.secret_key, "sessionToken": token, "expiration": ended }),
        ),
        (
            "CredentialsInvalid",
            "expiration",
            json!({ "accessKeyID": id, "secretAccessKey": s3.secret_key, "sessionToken": token, "expiration": "soon" }),
        ),
    ];
    for (reason, word, data) in table {
        world.credentials_data(&data).await;
        let message = world.unready("waits", reason).await;
        assert!(message.contains(word), "{word:?} is missing: {message}");
        assert!(
            world.secrets().get_opt("waits").await.unwrap().is_none(),
            "nothing is signed"
        );
    }
    world.credentials(id, &s3.secret_key).await;
    world.ready("waits").await;
    world
        .until_store("is ready", |store| {
            store_says(store, "Ready", "True", "CredentialsReady")
        })
        .await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn expires_at_is_the_real_end_of_the_shortest_lived_part() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("realend", &s3).await;
    let end = Timestamp::now() + SignedDuration::from_mins(20);
    let session = json!({ "accessKeyID": s3.access_key, "secretAccessKey": s3.secret_key,
        "sessionToken": "sessiontokenofthistest", "expiration": end.to_string() });
    world.credentials_data(&session).await;
    let operator = world.operator(&[]).await;
    world.psu("session", &json!({ "duration": "2h" })).await;
    let status = world.ready("session").await.status.unwrap();
    let expires = status.expiration_time.unwrap();
    assert!(
        expires <= end && expires > end - SignedDuration::from_secs(5),
        "{expires} for {end}"
    );
    assert_eq!(status.limited_by, Some(LimitedBy::Credentials));
    let url = world.value("session", "url").await;
    let seconds: i64 = url
        .split("X-Amz-Expires=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let left = expires.as_second() - Timestamp::now().as_second();
    assert!(
        (left..left + 40).contains(&seconds),
        "X-Amz-Expires={seconds}, {left} s left"
    );
    world
        .until_store("tells the end", |store| {
            store
                .status
                .as_ref()
                .unwrap()
                .credentials_expiration_time
                .is_some()
        })
        .await;

    world.credentials(&s3.access_key, &s3.secret_key).await;
    world.store(&s3, &json!({ "maxSignatureAge": "5m" })).await;
    world.psu("aged", &json!({ "duration": "2h" })).await;
    let aged = world
        .until("aged", "is limited by the signature's age", |psu| {
            psu.status
                .as_ref()
                .is_some_and(|status| status.limited_by == Some(LimitedBy::SignatureAge))
        })
        .await;
    let status = aged.status.unwrap();
    let life = status.expiration_time.unwrap().as_second() - status.issue_time.unwrap().as_second();
    assert_eq!(
        life, 270,
        "five minutes from X-Amz-Date, which is 30 s back"
    );
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_store_or_endpoint_that_is_not_there_is_named_and_waited_for() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "named", "x").unwrap();
    let world = World::on("nostore", &s3).await;
    let late = format!("{}-late", world.name);
    let rule = world.rule(&json!({ "stores": [world.name, late], "endpoints": ["public"] }));
    world.policy(&json!([rule])).await;
    let operator = world.operator(&["--resign-within=1s"]).await;
    world
        .psu("store", &json!({ "storeRef": { "name": late } }))
        .await;
    let message = world.unready("store", "StoreNotFound").await;
    assert!(
        message.contains(&late) && message.contains("spec.storeRef"),
        "{message}"
    );
    world.psu("named", &json!({ "endpoint": "public" })).await;
    let message = world.unready("named", "EndpointNotFound").await;
    assert!(
        message.contains("public") && message.contains("spec.endpoint"),
        "{message}"
    );

    let public = s3.localhost_endpoint();
    world
        .store(
            &s3,
            &json!({ "endpoints": [{ "name": "public", "url": public }] }),
        )
        .await;
    world.ready("named").await;
    let url = world.value("named", "url").await;
    assert!(url.starts_with(&public), "signed for the consumers' host");
    assert_eq!(http("GET", &url, "", &[]).await.status, 200);

    world
        .apply(json!({ "apiVersion": "presigned.dev/v1alpha1", "kind": "ClusterObjectStore", "metadata": { "name": late },
            "spec": { "s3": { "region": s3.region, "endpoint": s3.endpoint, "credentials": { "secretRef": { "name": "credentials" } } } } }))
        .await;
    world.ready("store").await;
    let stores: kube::Api<ClusterObjectStore> = kube::Api::all(world.client.clone());
    stores
        .delete(&late, &kube::api::DeleteParams::default())
        .await
        .unwrap();
    world
        .until("store", "keeps its living URL without the store", |psu| {
            says(condition(psu, "Renewed"), "False", "StoreNotFound")
                && says(condition(psu, "Ready"), "True", "Issued")
        })
        .await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_private_ca_comes_along_and_curl_trusts_it() {
    let s3 = S3Server::s3s_fs_tls().unwrap();
    s3.put_object("data", "tls", "over tls").unwrap();
    let world = World::on("ca", &s3).await;
    world.store(&s3, &json!({ "caBundle": s3.ca_pem })).await;
    let operator = world.operator(&[]).await;
    world.psu("tls", &json!({})).await;
    world.ready("tls").await;
    let mount = world.mount("tls").await;
    let (code, said) = curl(&mount, &["--cacert", "ca.crt", "-o", "file"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(std::fs::read(mount.join("file")).unwrap(), b"over tls");
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn the_operators_own_environment_can_hold_the_credentials() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "chain", "x").unwrap();
    let world = World::on("chain", &s3).await;
    world
        .store(
            &s3,
            &json!({ "credentials": { "secretRef": null, "default": {} } }),
        )
        .await;
    let env = [
        format!("AWS_ACCESS_KEY_ID={}", s3.access_key),
        format!("AWS_SECRET_ACCESS_KEY={}", s3.secret_key),
    ];
    let env: Vec<&str> = env.iter().map(String::as_str).collect();
    let mut operator = world.launch(None, &env, &[]).await;
    operator.ready().await;
    world.psu("chain", &json!({})).await;
    world.ready("chain").await;
    let answer = http("GET", &world.value("chain", "url").await, "", &[]).await;
    assert_eq!(answer.status, 200);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_new_session_is_no_change_and_a_new_endpoint_is_one() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "kept", "x").unwrap();
    let world = World::on("session", &s3).await;
    let session = |token: &str, hours| {
        let end = Timestamp::now() + SignedDuration::from_hours(hours);
        json!({ "accessKeyID": s3.access_key, "secretAccessKey": s3.secret_key,
            "sessionToken": token, "expiration": end.to_string() })
    };
    world
        .credentials_data(&session("firstsessionstoken", 2))
        .await;
    let operator = world.operator(&["--resign-within=1s"]).await;
    world.psu("kept", &json!({ "duration": "1h" })).await;
    world.ready("kept").await;
    let before = world.secret("kept").await;
    world
        .credentials_data(&session("secondsessionstoken", 3))
        .await;
    // Only a new resource tells that the new session is in use.
    let token = async |name: &str| {
        world
            .value(name, "url")
            .await
            .contains("secondsessionstoken")
    };
    world.psu("later-0", &json!({ "duration": "1h" })).await;
    world.ready("later-0").await;
    let mut turn = 0;
    while !token(&format!("later-{turn}")).await {
        turn += 1;
        assert!(turn < 20, "the new session is never used");
        world
            .psu(&format!("later-{turn}"), &json!({ "duration": "1h" }))
            .await;
        world.ready(&format!("later-{turn}")).await;
    }
    operator.idle().await;
    assert_eq!(
        world.secret("kept").await,
        before,
        "a new session re-signs nothing"
    );

    let moved = s3.localhost_endpoint();
    world.store(&s3, &json!({ "endpoint": moved })).await;
    let after = world
        .until_secret("kept", "is signed for the new place", |secret| {
            text(secret, "url").starts_with(&format!("{moved}/data/kept?"))
        })
        .await;
    assert_eq!(after.metadata.uid, before.metadata.uid);
    let mount = world.mount("kept").await;
    let (code, said) = curl(&mount, &["-o", "file"]).await;
    assert_eq!(code, 0, "{said}");
    world.finish().await;
    operator.kill();
}

/// Not every resolver knows `data.localhost`, as curl does: it is also the store that the operator cannot
/// reach.
#[tokio::test]
async fn a_bucket_can_be_a_host_name_that_the_operator_need_not_reach() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "hosted", "x").unwrap();
    let world = World::on("hosted", &s3).await;
    let place = json!({ "endpoint": s3.localhost_endpoint(), "addressingStyle": "VirtualHost" });
    world.store(&s3, &place).await;
    let operator = world.operator(&[]).await;
    world.psu("hosted", &json!({})).await;
    world.ready("hosted").await;
    let url = world.value("hosted", "url").await;
    let host = format!("http://data.localhost:{}/hosted?", s3.port());
    assert!(url.starts_with(&host), "the bucket is in the host's name");
    let mount = world.mount("hosted").await;
    let (code, said) = curl(&mount, &["-o", "file"]).await;
    assert_eq!(code, 0, "{said}");
    world.finish().await;
    operator.kill();
}

/// What the documentation tells to wait for after a key was replaced.
const RECIPE: [&str; 3] = [
    "get secret minio -o jsonpath='{.metadata.resourceVersion}'",
    "--for=jsonpath='{.status.credentialsSecret.resourceVersion}'=\"$version\"",
    "--for=condition=CredentialsRolledOut",
];

#[tokio::test]
async fn the_documented_rotation_ends_with_a_right_key_and_not_with_a_wrong_one() {
    let page = include_str!("../../docs/operations.md");
    for words in RECIPE {
        assert!(
            page.contains(words),
            "{words:?} is not in docs/operations.md"
        );
    }
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "kept", "x").unwrap();
    let world = World::on("recipe", &s3).await;
    let operator = world.operator(&["--resign-within=3s"]).await;
    world.psu("kept", &json!({})).await;
    world.ready("kept").await;
    world.rolled_out(1).await;
    let secrets: kube::Api<Secret> = kube::Api::namespaced(world.client.clone(), &world.system);
    let version = async || {
        let secret = secrets.get("credentials").await.unwrap();
        secret.metadata.resource_version.unwrap()
    };
    let in_use = |store: &ClusterObjectStore| {
        let status = store.status.clone().unwrap_or_default();
        status
            .credentials_secret
            .map(|secret| secret.resource_version)
    };
    let first = version().await;
    world
        .until_store("uses the first version", |store| {
            in_use(store).as_ref() == Some(&first)
                && store_says(store, "CredentialsRolledOut", "True", "RolledOut")
        })
        .await;

    let (key, secret) = (
        "AKIAROTATED000000003",
        "rotated/secret+key0123456789012345678903",
    );
    world.credentials(key, secret).await;
    let wrong = version().await;
    assert_ne!(wrong, first);
    let store = world
        .until_store("rejects a key that nobody knows", |store| {
            store_says(store, "Ready", "False", "CredentialsInvalid")
        })
        .await;
    assert_eq!(in_use(&store), Some(first), "the recipe's first line waits");
    assert!(store_says(
        &store,
        "CredentialsRolledOut",
        "False",
        "CredentialsInvalid"
    ));

    s3.add_credentials(key, secret).unwrap();
    world.credentials(key, &format!("{secret}\n")).await;
    let right = version().await;
    world
        .until_store("uses the right version", |store| {
            in_use(store).as_ref() == Some(&right)
        })
        .await;
    world
        .until_store("has rolled it out", |store| {
            store_says(store, "CredentialsRolledOut", "True", "RolledOut")
        })
        .await;
    // The old key may go.
    s3.remove_credentials(&s3.access_key).unwrap();
    let answer = http("GET", &world.value("kept", "url").await, "", &[]).await;
    assert_eq!(answer.status, 200);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_deleted_secret_of_credentials_signs_nothing_new_and_what_lives_stays() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "kept", "x").unwrap();
    let world = World::on("nosecret", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("kept", &json!({})).await;
    world.ready("kept").await;
    let secrets: kube::Api<Secret> = kube::Api::namespaced(world.client.clone(), &world.system);
    let delete = kube::api::DeleteParams::default();
    secrets.delete("credentials", &delete).await.unwrap();
    let store = world
        .until_store("misses the Secret", |store| {
            store_says(store, "Ready", "False", "CredentialsNotFound")
        })
        .await;
    let ready = store_condition(&store, "Ready").unwrap();
    assert!(ready.message.contains("nothing new is signed"), "{ready:?}");
    for (name, spec) in [
        ("new", json!({})),
        ("link", json!({ "renew": "Never", "duration": "1h" })),
        ("up", json!({ "method": "PUT" })),
    ] {
        world.psu(name, &spec).await;
        world.unready(name, "CredentialsNotFound").await;
        assert!(world.secrets().get_opt(name).await.unwrap().is_none());
    }
    world.ready("kept").await;
    let answer = http("GET", &world.value("kept", "url").await, "", &[]).await;
    assert_eq!(answer.status, 200);
    world.credentials(&s3.access_key, &s3.secret_key).await;
    world.ready("new").await;
    world.ready("link").await;
    world.finish().await;
    operator.kill();
}

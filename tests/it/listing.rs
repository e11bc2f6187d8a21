//! Listings that fail, and listings that are refreshed: what the tenant reads, and which URLs live on.
//!
//! What holds here: a listing that is denied, cut off, empty or too long publishes nothing of what it did
//! find, and takes nothing away that was published before.

use presigned_testkit::S3Server;
use presigned_testkit::s3::{FaultyS3Proxy, RequestKind, S3Fault};
use serde_json::{Value, json};

use crate::support::{World, condition, http, says};

fn prefix(list: &Value) -> Value {
    json!({ "key": null, "prefix": "in/", "list": list })
}

/// The keys of `urls.json`, in its order.
async fn keys(world: &World, name: &str) -> Vec<String> {
    let text = world.value(name, "urls.json").await;
    let all: Vec<Value> = serde_json::from_str(&text).expect("urls.json");
    all.iter()
        .map(|object| object["key"].as_str().unwrap().to_owned())
        .collect()
}

fn each(message: &str, words: &[&str]) {
    for words in words {
        assert!(message.contains(words), "{words:?} is not in: {message}");
    }
}

#[tokio::test]
async fn what_is_listed_is_chosen_counted_and_found_again() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("list", &s3).await;
    let rule = world.rule(&json!({
        "methods": ["GET", "LIST"], "prefixes": ["in/"], "minRefreshInterval": "1m", "maxObjects": 3,
    }));
    world.policy(&json!([rule])).await;
    let operator = world.operator(&[]).await;
    let put = |key: &str| s3.put_object("data", key, "x").unwrap();

    world.psu("empty", &prefix(&json!({}))).await;
    let message = world.unready("empty", "TooFewObjects").await;
    each(
        &message,
        &[
            "0 objects were found under \"in/\" in bucket \"data\"",
            "minObjects asks for 1",
            "upload them",
        ],
    );
    let found = world.psus().get("empty").await.unwrap();
    assert!(condition(&found, "Stalled").is_none());
    world
        .psu("none", &prefix(&json!({ "minObjects": 0 })))
        .await;
    world.ready("none").await;
    assert!(keys(&world, "none").await.is_empty());

    put("in/a.csv");
    put("in/b/deep.csv");
    put("in/b/skip.tmp");
    world.ready("empty").await;
    assert_eq!(
        keys(&world, "empty").await,
        ["in/a.csv", "in/b/deep.csv", "in/b/skip.tmp"]
    );
    let chosen =
        prefix(&json!({ "include": ["**.csv"], "exclude": ["*.csv"], "refreshInterval": "1m" }));
    world.psu("chosen", &chosen).await;
    world.ready("chosen").await;
    assert_eq!(keys(&world, "chosen").await, ["in/b/deep.csv"]);

    put("in/z.csv");
    put("in/b/later.csv");
    world.psu("many", &prefix(&json!({}))).await;
    let message = world.unready("many", "TooManyObjects").await;
    each(
        &message,
        &[
            "more than 3 objects are listed under \"data/in/\"",
            "narrow spec.prefix or spec.list,",
            "a larger maxObjects in the policy",
        ],
    );
    let found = world.psus().get("many").await.unwrap();
    assert!(says(condition(&found, "Stalled"), "True", "TooManyObjects"));
    world
        .psu(
            "greedy",
            &prefix(&json!({ "refreshInterval": "1m", "maxObjects": 2 })),
        )
        .await;
    each(
        &world.unready("greedy", "TooManyObjects").await,
        &["more than 2 objects", "raise spec.list.maxObjects"],
    );

    // Nobody touched it: it listed again by itself, and found what came.
    let refreshed = world
        .until("chosen", "found the new object", |psu| {
            psu.status
                .as_ref()
                .is_some_and(|status| status.objects == Some(2))
        })
        .await;
    assert_eq!(refreshed.status.unwrap().revision, Some(2));
    assert_eq!(
        keys(&world, "chosen").await,
        ["in/b/deep.csv", "in/b/later.csv"]
    );
    assert_eq!(
        keys(&world, "empty").await.len(),
        3,
        "without an interval it waits for the renewal"
    );
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_rule_without_list_lists_nothing_and_says_what_is_missing() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "in/a", "x").unwrap();
    let world = World::on("list-gate", &s3).await;
    world
        .policy(&json!([
            world.rule(&json!({ "methods": ["GET"], "prefixes": ["in/"] }))
        ]))
        .await;
    let operator = world.operator(&[]).await;
    world.psu("prefix", &prefix(&json!({}))).await;
    let message = world.unready("prefix", "PolicyDenied").await;
    each(
        &message,
        &["LIST and GET every object under \"in/\"", "allows only GET"],
    );
    let gate = world.rule(&json!({ "methods": ["GET", "LIST"], "prefixes": ["in/"] }));
    world.policy(&json!([gate])).await;
    world.ready("prefix").await;
    world
        .edit(
            "prefix",
            json!({ "spec": { "list": { "refreshInterval": "2m" } } }),
        )
        .await;
    each(
        &world.unready("prefix", "PolicyDenied").await,
        &["needs list.refreshInterval of 5m or more"],
    );
    let seven: Vec<String> = (0..7).map(|n| format!("in/{n}")).collect();
    world
        .policy(&json!([
            world.rule(&json!({ "prefixes": ["in/"], "maxObjects": 5 }))
        ]))
        .await;
    world
        .psu("keys", &json!({ "key": null, "keys": seven }))
        .await;
    each(
        &world.unready("keys", "PolicyDenied").await,
        &["take at most 5", "Name fewer keys", "maxObjects"],
    );
    world
        .edit(
            "keys",
            json!({ "spec": { "keys": ["in/1", "out/1", "out/2"] } }),
        )
        .await;
    each(
        &world.unready("keys", "PolicyDenied").await,
        &["2 of 3 keys, \"out/1\" and \"out/2\""],
    );
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_signer_that_may_not_list_is_told_apart_and_keeps_what_it_had() {
    let s3 = S3Server::minio().await.unwrap();
    s3.put_object("data", "in/a", "x").unwrap();
    let read = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/*"}"#;
    let list = r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::data"}"#;
    let policy = |statements: &[&str]| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
            statements.join(",")
        )
    };
    let reader = s3
        .add_user("reader", "reader-secret", &policy(&[read]))
        .await
        .unwrap();
    let world = World::on("list-denied", &s3).await;
    world
        .allow_all(&json!({ "minRefreshInterval": "1m" }))
        .await;
    world
        .credentials(&reader.access_key, &reader.secret_key)
        .await;
    let operator = world.operator(&[]).await;
    world
        .psu("prefix", &prefix(&json!({ "refreshInterval": "1m" })))
        .await;
    let message = world.unready("prefix", "ListFailed").await;
    each(
        &message,
        &[
            "refuses to list \"data/in/\"",
            "give the signer s3:ListBucket on arn:aws:s3:::data, for the prefix \"in/\"",
        ],
    );
    let told = world.psus().get("prefix").await.unwrap();
    assert!(says(condition(&told, "Stalled"), "True", "ListFailed"));
    assert!(world.secrets().get_opt("prefix").await.unwrap().is_none());

    // The right is given; whoever gave it need not wait for the next look.
    s3.add_user("reader", "reader-secret", &policy(&[read, list]))
        .await
        .unwrap();
    let again = json!({ "metadata": { "annotations": { "presigned.dev/renew": "1" } } });
    world.edit("prefix", again).await;
    world.ready("prefix").await;
    assert_eq!(keys(&world, "prefix").await, ["in/a"]);

    // It is taken again: the next look fails, and what was issued lives on.
    s3.add_user("reader", "reader-secret", &policy(&[read]))
        .await
        .unwrap();
    let told = world
        .until("prefix", "says that it can't list", |psu| {
            says(condition(psu, "Renewed"), "False", "ListFailed")
        })
        .await;
    assert!(says(condition(&told, "Ready"), "True", "Issued"));
    let text = world.value("prefix", "urls.json").await;
    let urls: Value = serde_json::from_str(&text).unwrap();
    let answer = http("GET", urls[0]["url"].as_str().unwrap(), "", &[]).await;
    assert_eq!(answer.text(), "x");
    world.finish().await;
    operator.kill();
}

/// Two pages: one is a thousand keys.
const MANY: usize = 2000;

#[tokio::test]
async fn two_thousand_objects_are_whole_or_not_there_and_hold_up_nobody() {
    let s3 = S3Server::s3s_fs().unwrap();
    for n in 0..MANY {
        s3.put_object("data", &format!("in/{n:04}"), n.to_string())
            .unwrap();
    }
    s3.put_object("data", "single", "x").unwrap();
    let proxy = FaultyS3Proxy::before(&s3).unwrap();
    let world = World::on("thousands", &s3).await;
    world
        .store(&s3, &json!({ "endpoint": proxy.endpoint }))
        .await;
    world.allow_all(&json!({ "maxObjects": 2500 })).await;
    let operator = world.operator(&[]).await;

    // The second page breaks off in its middle.
    let cut = |then| S3Fault::AfterPages {
        pages: 1,
        then: Box::new(then),
    };
    proxy.inject(RequestKind::List, cut(S3Fault::TruncatedResponse));
    world.psu("all", &prefix(&json!({}))).await;
    let message = world.unready("all", "ConnectionFailed").await;
    each(
        &message,
        &[
            "refused or broke the operator's connection",
            "\"data/in/\" was not listed",
        ],
    );
    assert!(
        world.secrets().get_opt("all").await.unwrap().is_none(),
        "half of it is nothing"
    );

    // The second page never comes: another resource of the same store is issued meanwhile.
    proxy.clear_faults();
    proxy.forget_requests();
    proxy.inject(RequestKind::List, cut(S3Fault::Hang));
    assert!(
        proxy
            .wait_for(RequestKind::List, 2, crate::support::LONG)
            .await
    );
    world.psu("single", &json!({})).await;
    world.ready("single").await;
    let waiting = world.psus().get("all").await.unwrap();
    assert!(!says(condition(&waiting, "Ready"), "True", "Issued"));

    // All of them are there: each first issue that comes while they are signed is served.
    proxy.clear_faults();
    world.ready("all").await;
    for n in 0..5 {
        let (many, one) = (format!("many-{n}"), format!("one-{n}"));
        let list = json!({ "include": ["**"] });
        world.psu(&many, &prefix(&list)).await;
        world.psu(&one, &json!({ "key": "single" })).await;
    }
    for n in 0..5 {
        world.ready(&format!("one-{n}")).await;
    }
    for n in 0..5 {
        world.ready(&format!("many-{n}")).await;
    }
    let found = keys(&world, "all").await;
    assert_eq!(found.len(), MANY);
    assert!(found.is_sorted());
    assert_eq!(
        world
            .psus()
            .get("all")
            .await
            .unwrap()
            .status
            .unwrap()
            .objects,
        Some(2000)
    );

    // With three more files it is more than a Secret holds.
    let files = json!({ "spec": { "formats": ["urls.txt", "aria2.txt", "curl.conf"] } });
    world.edit("all", files).await;
    let message = world
        .until("all", "is too large", |psu| {
            says(condition(psu, "Renewed"), "False", "SecretTooLarge")
        })
        .await;
    let message = &condition(&message, "Ready").unwrap().message;
    each(
        message,
        &["the URLs of 2000 objects", "1048576 bytes", "of them fit"],
    );
    assert_eq!(
        keys(&world, "all").await.len(),
        MANY,
        "what was issued stays"
    );
    let fit = message
        .split("; ")
        .find_map(|part| part.split_once(" of them fit"));
    let fit: usize = fit.expect("how many fit").0.parse().expect("a number");
    assert!((200..1500).contains(&fit), "{fit}");
    let exactly: Vec<String> = found.into_iter().take(fit).collect();
    let spec =
        json!({ "key": null, "keys": exactly, "formats": ["urls.txt", "aria2.txt", "curl.conf"] });
    world.psu("fits", &spec).await;
    world.ready("fits").await;
    world.finish().await;
    operator.kill();
}

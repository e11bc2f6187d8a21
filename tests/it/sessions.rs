//! Assumed roles: what the operator asks STS for, how often, and what it does with the answers.
//!
//! The STS is a stand-in that refuses what AWS refuses and records the calls; the S3 server takes the keys
//! that it gives.

use std::time::{Duration, Instant};

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use presigned_testkit::S3Server;
use presigned_testkit::aws::{Fault, Role, StsCall, StsServer, Trust};
use serde_json::{Value, json};

use crate::support::{World, condition, eventually, http, says, store_condition, store_says};

const ROLE: &str = "arn:aws:iam::111122223333:role/signer";
const BASE: &str = "AKIABASE000000000001";

/// Lets the S3 server take the first sessions that the stand-in gives.
pub(crate) fn believe(s3: &S3Server) {
    for number in 1..=60 {
        let (id, secret) = (
            format!("ASIASTANDIN{number:09}"),
            format!("secret-of-session-{number}"),
        );
        s3.add_credentials(&id, &secret).unwrap();
    }
}

/// An STS where the base keys may assume the role for four hours.
fn sts() -> StsServer {
    let sts = StsServer::start().unwrap();
    let trust = Trust::Key {
        access_key_id: BASE.to_owned(),
        external_id: Some("our-id".to_owned()),
    };
    let role = Role {
        trust,
        max_session: 4 * 3600,
    };
    sts.role(ROLE, role);
    sts
}

/// Changes to a store by which it assumes the role, with changes to that.
fn role(sts: &StsServer, changes: &Value) -> Value {
    let mut role = json!({
        "roleARN": ROLE, "stsEndpoint": sts.endpoint(), "externalID": "our-id",
        "sourceSecretRef": { "name": "credentials" },
    });
    for (key, value) in changes.as_object().unwrap() {
        role[key] = value.clone();
    }
    json!({ "credentials": { "secretRef": null, "assumeRole": role } })
}

async fn world(short: &str, s3: &S3Server, store: &Value) -> World {
    let world = World::on(short, s3).await;
    world.credentials(BASE, "base-secret-of-this-test").await;
    world.store(s3, store).await;
    believe(s3);
    world
}

async fn works(world: &World, name: &str) {
    let url = world.value(name, "url").await;
    assert!(url.contains("ASIASTANDIN"), "{name}: a session signs");
    assert_eq!(http("GET", &url, "", &[]).await.status, 200, "{name}");
}

fn put(s3: &S3Server, names: &[String]) {
    for name in names {
        s3.put_object("data", name, name).unwrap();
    }
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("dl-{at}")).collect()
}

#[tokio::test]
async fn each_scope_asks_for_what_it_needs_and_the_sessions_name_tells_whose_it_is() {
    let (s3, sts) = (S3Server::s3s_fs().unwrap(), sts());
    let world = world("scopes", &s3, &role(&sts, &json!({ "duration": "2h" }))).await;
    put(&s3, &["one".to_owned()]);
    let operator = world.operator(&["--resign-within=1s"]).await;
    let named = |name: &str| -> Vec<StsCall> {
        let calls = sts.calls().into_iter();
        calls.filter(|call| call.session_name == name).collect()
    };
    world.psu("one", &json!({ "duration": "1h" })).await;
    world.ready("one").await;
    works(&world, "one").await;
    let calls = named(&format!("store={}", world.name));
    assert_eq!(calls.len(), 1, "{calls:#?}");
    let call = &calls[0];
    assert_eq!(call.policy, None);
    assert_eq!(call.duration, Some(7200));
    assert_eq!(call.signed_by.as_deref(), Some(BASE));

    let other = "arn:aws:s3:::data";
    let scoped = json!({ "duration": "2h", "scope": "Namespace" });
    world.store(&s3, &role(&sts, &scoped)).await;
    // Only what is issued now tells that the scope is in use.
    world
        .psu("two", &json!({ "duration": "1h", "key": "one" }))
        .await;
    world.ready("two").await;
    works(&world, "two").await;
    let calls = named(&format!("namespace={}", world.tenant));
    assert_eq!(calls.len(), 1, "{calls:#?}");
    let policy = calls[0].policy.as_deref().unwrap();
    assert!(policy.contains(other), "{policy}");

    let scoped = json!({ "duration": "2h", "scope": "Request" });
    world.store(&s3, &role(&sts, &scoped)).await;
    world
        .psu("three", &json!({ "duration": "1h", "key": "one" }))
        .await;
    world.ready("three").await;
    works(&world, "three").await;
    let calls = named(&format!("{}@three", world.tenant));
    assert_eq!(calls.len(), 1, "{calls:#?}");
    let policy = calls[0].policy.as_deref().unwrap();
    assert!(policy.contains("\"arn:aws:s3:::data/one\""), "{policy}");
    assert!(
        policy.contains("s3:GetObject") && !policy.contains('*'),
        "{policy}"
    );
    world.finish().await;
    operator.kill();
}

/// Sessions of four and a half minutes: renewals come within the test, and not within the minute in which a
/// store asks once.
async fn an_outage(short: &str, scope: &str) {
    let (s3, sts) = (S3Server::s3s_fs().unwrap(), sts());
    sts.shift_expiry(-630);
    let store = role(&sts, &json!({ "duration": "15m", "scope": scope }));
    let world = world(short, &s3, &store).await;
    let names = numbered(3);
    put(&s3, &names);
    let operator = world.operator(&["--resign-within=1s"]).await;
    for name in &names {
        world.psu(name, &json!({ "duration": "1h" })).await;
        let status = world.ready(name).await.status.unwrap();
        assert!(status.expiration_time < Some(Timestamp::now() + SignedDuration::from_mins(5)));
    }
    sts.fail(Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
    // From here on nothing is renewed, however long the others took.
    let mut living = Vec::new();
    for name in &names {
        living.push(world.secret(name).await);
    }
    let before = sts.requests();
    let mut due = Timestamp::now();
    for name in &names {
        due = due.max(
            world
                .ready(name)
                .await
                .status
                .unwrap()
                .renewal_time
                .unwrap(),
        );
    }
    eventually("renewals are due", async || {
        let now = Timestamp::now();
        if now >= due { Ok(()) } else { Err(now) }
    })
    .await;
    for (name, secret) in names.iter().zip(&living) {
        let psu = world
            .until(name, "says that renewals fail", |psu| {
                says(condition(psu, "Renewed"), "False", "CredentialsUnavailable")
            })
            .await;
        assert!(says(condition(&psu, "Ready"), "True", "Issued"), "{name}");
        let message = &condition(&psu, "Renewed").unwrap().message;
        for words in [ROLE, "503", "the operator retries"] {
            assert!(message.contains(words), "{words:?} is missing: {message}");
        }
        works(&world, name).await;
        assert_eq!(world.secret(name).await, *secret, "{name} is left alone");
    }
    let calls = sts.requests() - before;
    assert!(
        (1..=12).contains(&calls),
        "{calls} calls of an STS that is down"
    );
    sts.fail(Fault::None);
    for (name, secret) in names.iter().zip(&living) {
        world
            .until_secret(name, "is renewed", |found| found.data != secret.data)
            .await;
        world
            .until(name, "is well again", |psu| {
                !says(condition(psu, "Renewed"), "False", "CredentialsUnavailable")
                    && says(condition(psu, "Ready"), "True", "Issued")
            })
            .await;
        works(&world, name).await;
    }
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn an_outage_of_sts_takes_no_living_url_away_and_ends_by_itself() {
    an_outage("outage", "Store").await;
}

#[tokio::test]
async fn an_outage_of_sts_is_as_harmless_where_each_request_has_a_session() {
    an_outage("outagereq", "Request").await;
}

#[tokio::test]
async fn many_requests_for_twelve_hours_share_one_session_of_an_hour() {
    let (s3, sts) = (S3Server::s3s_fs().unwrap(), sts());
    let world = world("storm", &s3, &role(&sts, &json!({}))).await;
    let names = numbered(20);
    put(&s3, &names);
    let mut operator = world.operator(&[]).await;
    for name in &names {
        world.psu(name, &json!({ "duration": "12h" })).await;
    }
    for name in &names {
        let status = world.ready(name).await.status.unwrap();
        let end = status.expiration_time.unwrap();
        assert!(
            end <= Timestamp::now() + SignedDuration::from_hours(1),
            "{name}"
        );
    }
    operator.idle().await;
    assert_eq!(sts.requests(), 1);
    operator.kill();
    // Another start knows nothing, and asks once.
    operator = world.operator(&[]).await;
    world.psu("late", &json!({ "key": "dl-0" })).await;
    world.ready("late").await;
    operator.idle().await;
    assert_eq!(sts.requests(), 2);
    works(&world, "late").await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn sessions_that_end_soon_are_asked_for_once_a_minute_at_most() {
    let (s3, sts) = (S3Server::s3s_fs().unwrap(), sts());
    // Of 70 s: after ten of them nothing can be signed any more, and whoever comes wants a new one.
    sts.shift_expiry(-830);
    let store = role(&sts, &json!({ "duration": "15m" }));
    let world = world("soon", &s3, &store).await;
    let names = numbered(25);
    put(&s3, &names);
    let operator = world.operator(&[]).await;
    let begun = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(2500));
    for name in &names {
        pace.tick().await;
        world.psu(name, &json!({ "duration": "12h" })).await;
    }
    // Each gets one in its turn.
    for name in &names {
        world
            .until(name, "was issued", |psu| {
                let status = psu.status.as_ref();
                status.is_some_and(|status| status.revision.is_some())
            })
            .await;
    }
    let minutes = usize::try_from(begun.elapsed().as_secs() / 60).unwrap();
    let calls = sts.requests();
    assert!(calls >= 2, "{calls} calls");
    assert!(calls <= minutes + 2, "{calls} calls in {minutes} minutes");
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_session_policy_that_is_too_large_says_how_many_objects_fit() {
    let (s3, sts) = (S3Server::s3s_fs().unwrap(), sts());
    let store = role(&sts, &json!({ "scope": "Request" }));
    let world = world("large", &s3, &store).await;
    let keys: Vec<String> = (0..100)
        .map(|at| format!("folder/object-number-{at:03}"))
        .collect();
    put(&s3, &keys);
    put(&s3, &["one".to_owned()]);
    let operator = world.operator(&[]).await;
    world
        .psu("many", &json!({ "key": null, "keys": keys }))
        .await;
    world.psu("one", &json!({})).await;
    let message = world.unready("many", "SessionPolicyTooLarge").await;
    let (_, rest) = message
        .split_once("characters that STS takes; ")
        .expect("how many");
    let fit: usize = rest.split(' ').next().unwrap().parse().unwrap();
    assert!((10..90).contains(&fit), "{message}");
    for words in ["100 objects", "ask for fewer objects", "Namespace"] {
        assert!(message.contains(words), "{words:?} is missing: {message}");
    }
    world.ready("one").await;
    works(&world, "one").await;
    let all_named_one = |calls: Vec<StsCall>| {
        calls
            .iter()
            .all(|call| !call.session_name.ends_with("@many"))
    };
    assert!(
        all_named_one(sts.calls()),
        "STS is not asked for what it would refuse"
    );

    let fewer = json!({ "spec": { "keys": keys[..fit] } });
    world.edit("many", fewer).await;
    world.ready("many").await;
    let urls: Value = serde_json::from_str(&world.value("many", "urls.json").await).unwrap();
    let urls = urls.as_array().unwrap();
    assert_eq!(urls.len(), fit);
    for url in [&urls[0], &urls[fit - 1]] {
        let url = url["url"].as_str().unwrap();
        assert_eq!(http("GET", url, "", &[]).await.status, 200);
    }
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_chained_session_that_is_too_long_is_reported_and_an_hour_works() {
    let (s3, sts) = (S3Server::s3s_fs().unwrap(), sts());
    sts.session_key(BASE, "token-of-the-base");
    let world = world("chained", &s3, &role(&sts, &json!({ "duration": "2h" }))).await;
    put(&s3, &["one".to_owned()]);
    let end = Timestamp::now() + SignedDuration::from_hours(6);
    world
        .credentials_data(
            &json!({ "accessKeyID": BASE, "secretAccessKey": "base-secret-of-this-test",
            "sessionToken": "token-of-the-base", "expiration": end.to_string() }),
        )
        .await;
    let operator = world.operator(&[]).await;
    world.psu("one", &json!({})).await;
    let message = world.unready("one", "CredentialsInvalid").await;
    for words in [
        "2h is too long",
        "after 1h at most",
        "set duration to 1h",
        ROLE,
    ] {
        assert!(message.contains(words), "{words:?} is missing: {message}");
    }
    let store = world
        .until_store("says so too", |store| {
            store_says(store, "Ready", "False", "CredentialsInvalid")
        })
        .await;
    let ready = store_condition(&store, "Ready").unwrap();
    assert!(
        ready.message.contains("set duration to 1h"),
        "{}",
        ready.message
    );
    world
        .store(&s3, &role(&sts, &json!({ "duration": "1h" })))
        .await;
    world.ready("one").await;
    works(&world, "one").await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_role_that_sts_does_not_give_is_reported_and_the_old_one_signs_on() {
    let (s3, sts) = (S3Server::s3s_fs().unwrap(), sts());
    let world = world("denied", &s3, &role(&sts, &json!({}))).await;
    put(&s3, &numbered(2));
    let operator = world.operator(&["--resign-within=1s"]).await;
    world.psu("dl-0", &json!({})).await;
    world.ready("dl-0").await;
    let wrong = role(&sts, &json!({ "externalID": "another-id" }));
    world.store(&s3, &wrong).await;
    let store = world
        .until_store("is refused the session", |store| {
            store_says(store, "Ready", "False", "CredentialsInvalid")
        })
        .await;
    let message = &store_condition(&store, "Ready").unwrap().message;
    for words in [
        "external ID",
        "what was used before the change is still used",
    ] {
        assert!(message.contains(words), "{words:?} is missing: {message}");
    }
    world.psu("dl-1", &json!({})).await;
    world.ready("dl-1").await;
    works(&world, "dl-1").await;
    world.finish().await;
    operator.kill();
}

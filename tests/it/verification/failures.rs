//! Stores whose settings are wrong, and stores that cannot be asked: what `Verified` says of their objects.
//!
//! What holds here: each failure has a store of its own under one operator, so that no failure hides another.

use http::StatusCode;
use jiff::SignedDuration;
use presigned_testkit::S3Server;
use presigned_testkit::s3::unreachable::{BadTls, Refusing, Silent, UNKNOWN_HOST};
use presigned_testkit::s3::{FaultyS3Proxy, S3Fault};
use serde_json::{Value, json};

use super::{Case, say};
use crate::support::{Operator, World, curl, http, store_says};

/// A store whose credentials Secret holds something else.
fn with_credentials(name: &str) -> Value {
    json!({ "credentials": { "secretRef": { "name": name } } })
}

/// A store, what is special about it, the reason why it is rejected, and words of the sentence.
type Rejected<'a> = (&'a str, Value, &'a str, &'a [&'a str]);

/// A new store that its server rejects says so, and so do a link, an upload and a form; nothing is signed.
async fn new_stores_are_rejected(world: &World, s3: &S3Server, rejected: &[Rejected<'_>]) {
    let kinds = [
        ("get", json!({})),
        ("never", json!({ "verify": "Never" })),
        ("require", json!({ "verify": "Require" })),
        ("link", json!({ "renew": "Never", "duration": "1h" })),
        ("put", json!({ "method": "PUT" })),
        (
            "post",
            json!({ "method": "POST", "post": { "contentLengthRange": { "max": 10 } } }),
        ),
    ];
    let mut stores = Vec::new();
    for (name, changes, ..) in rejected {
        let store = world.another_store(s3, name, changes).await;
        for (kind, spec) in &kinds {
            let mut spec = spec.clone();
            spec["key"] = "there".into();
            spec["storeRef"] = json!({ "name": store });
            world.psu(&format!("{name}-{kind}"), &spec).await;
        }
        stores.push(store);
    }
    for ((name, _, reason, words), store) in rejected.iter().zip(&stores) {
        world
            .until_store_named(store, "is rejected", |store| {
                store_says(store, "Ready", "False", reason)
            })
            .await;
        for (kind, _) in &kinds {
            let name = format!("{name}-{kind}");
            let message = world.unready(&name, reason).await;
            for words in *words {
                assert!(
                    message.contains(words),
                    "{name}: {words:?} is not in: {message}"
                );
            }
            let secret = world.secrets().get_opt(&name).await.unwrap();
            assert!(secret.is_none(), "{name} was signed");
        }
    }
}

/// What is wrong with the store's settings, each on a store of its own.
async fn settings_that_are_wrong_on(short: &str, s3: &S3Server) {
    s3.put_object("data", "there", "x").unwrap();
    let world = World::on(short, s3).await;
    world.allow_all(&json!({})).await;
    let wrong = json!({ "accessKeyID": s3.access_key, "secretAccessKey": "not-the-secret-of-this-key-at-all-0000000" });
    world.credentials_named("wrong-secret", &wrong).await;
    let unknown = json!({ "accessKeyID": "AKIANOBODYKNOWSTHIS0", "secretAccessKey": "a-secret-of-nobody-00000000000000000000" });
    world.credentials_named("unknown-key", &unknown).await;
    let operator = world.operator(&[]).await;
    let rejected: [Rejected<'_>; 2] = [
        (
            "secret",
            with_credentials("wrong-secret"),
            "CredentialsInvalid",
            &[
                "computes another signature for a probe",
                "fix the secret access key, the region (eu-west-2)",
            ],
        ),
        (
            "key",
            with_credentials("unknown-key"),
            "CredentialsInvalid",
            &[
                "does not know the access key",
                "fix the credentials of the ClusterObjectStore",
            ],
        ),
    ];
    new_stores_are_rejected(&world, s3, &rejected).await;
    // The right key is put in place of the unknown one.
    let right = json!({ "accessKeyID": s3.access_key, "secretAccessKey": s3.secret_key });
    world.credentials_named("unknown-key", &right).await;
    for kind in ["get", "never", "require", "link", "post"] {
        world.ready(&format!("key-{kind}")).await;
    }
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn credentials_that_versitygw_refuses_are_told_apart() {
    settings_that_are_wrong_on("wrong-vgw", &S3Server::versitygw().await.unwrap()).await;
}

#[tokio::test]
async fn credentials_that_minio_refuses_are_told_apart() {
    settings_that_are_wrong_on("wrong-minio", &S3Server::minio().await.unwrap()).await;
}

#[tokio::test]
async fn a_region_that_is_wrong_and_a_web_page_are_reported_and_sign_nothing() {
    let s3 = S3Server::versitygw().await.unwrap();
    s3.put_object("data", "there", "x").unwrap();
    let world = World::on("region", &s3).await;
    world.allow_all(&json!({})).await;
    let malformed = FaultyS3Proxy::before(&s3).unwrap();
    malformed.inject(None, S3Fault::WrongRegion("ap-south-1".to_owned()));
    let redirects = FaultyS3Proxy::before(&s3).unwrap();
    redirects.inject(None, S3Fault::Redirect("eu-west-2".to_owned()));
    let console = FaultyS3Proxy::before(&s3).unwrap();
    console.inject(None, S3Fault::WebPage);
    let operator = world.operator(&[]).await;
    let rejected: [Rejected<'_>; 4] = [
        (
            "server",
            json!({ "region": "us-east-1" }),
            "WrongRegion",
            &[
                "was signed for \"us-east-1\"",
                "set spec.s3.region of the ClusterObjectStore to \"eu-west-2\"",
            ],
        ),
        (
            "other",
            at(&malformed.endpoint),
            "WrongRegion",
            &[
                "is in region \"ap-south-1\"",
                "was signed for \"eu-west-2\"",
                "set spec.s3.region of the ClusterObjectStore to \"ap-south-1\"",
            ],
        ),
        (
            "elsewhere",
            at(&redirects.endpoint),
            "WrongRegion",
            &["does not serve that region", "fix spec.s3.endpoint"],
        ),
        (
            "page",
            at(&console.endpoint),
            "UnexpectedResponse",
            &["status 200", "check that spec.s3.endpoint"],
        ),
    ];
    new_stores_are_rejected(&world, &s3, &rejected).await;
    world.finish().await;
    operator.kill();
}

/// A store, what is special about it, and what `Verified` says of a resource of it.
type Sick<'a> = (&'a str, Value, &'a str, &'a str, &'a [&'a str]);

/// Makes the stores, starts an operator, and checks what `Verified` says of the object `there` in each store.
async fn sick_stores_say(world: &World, s3: &S3Server, sick: &[Sick<'_>]) -> Operator {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (name, changes, status, reason, words) in sick {
        let store = world.another_store(s3, name, changes).await;
        let spec = json!({ "key": "there", "storeRef": { "name": store } });
        cases.push((name, spec, status, reason, words));
    }
    let operator = world.operator(&["--store-timeout=2s"]).await;
    say(world, &cases).await;
    operator
}

fn at(endpoint: &str) -> Value {
    json!({ "endpoint": endpoint })
}

/// A code that S3 does not document is shown by its name, in a condition and in the log.
async fn a_code_without_a_meaning_is_shown_and_logged(
    world: &World,
    proxy: &FaultyS3Proxy,
    operator: &Operator,
) {
    let teapot = S3Fault::Error(StatusCode::IM_A_TEAPOT, "Teapot.Short");
    proxy.inject(None, teapot);
    let edit = json!({ "spec": { "key": "elsewhere" } });
    world.edit("busy", edit).await;
    world
        .until("busy", "shows the code", |psu| {
            let conditions = psu.status.iter().flat_map(|status| &status.conditions);
            let mut messages = conditions.map(|condition| &condition.message);
            messages.any(|message| message.contains("the error Teapot.Short (status 418)"))
        })
        .await;
    let log = operator.log();
    let words = ["the store answers with this error code", "Teapot.Short"];
    let logged = log
        .lines()
        .any(|line| words.iter().all(|word| line.contains(word)));
    assert!(logged, "the code is not in the log:\n{log}");
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_is_reported_by_its_cause_and_signs_all_the_same() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "there", "x").unwrap();
    let (refusing, silent) = (Refusing::new().unwrap(), Silent::new().unwrap());
    let world = World::on("unreached", &s3).await;
    world.allow_all(&json!({})).await;
    let [busy, cut, skewed] = [(); 3].map(|()| FaultyS3Proxy::before(&s3).unwrap());
    busy.inject(
        None,
        S3Fault::Error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
    );
    cut.inject(None, S3Fault::Cut);
    skewed.inject(
        None,
        S3Fault::Error(StatusCode::FORBIDDEN, "RequestTimeTooSkewed"),
    );
    skewed.set_clock_ahead(SignedDuration::from_mins(3));
    let no_host = [
        "cannot resolve the host name of http://s3.testkit.invalid:",
        "the cluster's DNS",
    ];
    let refused = [
        "http://127.0.0.1:",
        " refused or broke the operator's connection: fix spec.s3.endpoint",
    ];
    let fault = [
        "busy or has a fault of its own (status 503",
        "the operator retries",
    ];
    let sick: [Sick<'_>; 5] = [
        ("dns", at(UNKNOWN_HOST), "Unknown", "HostNotFound", &no_host),
        (
            "refused",
            at(&refusing.endpoint),
            "Unknown",
            "ConnectionFailed",
            &refused,
        ),
        (
            "silent",
            at(&silent.endpoint()),
            "Unknown",
            "StoreUnavailable",
            &[
                "http://127.0.0.1:",
                " did not answer the operator in time (2s)",
            ],
        ),
        (
            "busy",
            at(&busy.endpoint),
            "Unknown",
            "StoreUnavailable",
            &fault,
        ),
        (
            "cut",
            at(&cut.endpoint),
            "Unknown",
            "ConnectionFailed",
            &refused,
        ),
    ];
    let operator = sick_stores_say(&world, &s3, &sick).await;
    for (name, reason) in [("dns", "HostNotFound"), ("refused", "ConnectionFailed")] {
        let store = format!("{}-{name}", world.name);
        world
            .until_store_named(&store, "says that it was not reached", |store| {
                store_says(store, "Ready", "Unknown", reason)
                    && store_says(store, "ClockInSync", "Unknown", "ClockUnknown")
            })
            .await;
    }

    // The store rejects the time of this very URL: its Secret stays, and it is not Ready.
    let store = world
        .another_store(&s3, "clock", &at(&skewed.endpoint))
        .await;
    let spec = json!({ "key": "there", "storeRef": { "name": store } });
    world.psu("clock", &spec).await;
    let told = world.unready("clock", "ClockSkewed").await;
    for words in [
        "rejects the signature",
        "refuses the time of the signature",
        "ahead of the operator's",
        "set the clock that is wrong",
    ] {
        assert!(told.contains(words), "{words:?} is not in: {told}");
    }
    world.secret("clock").await;
    // A request that takes long is counted from its middle.
    assert!(
        told.contains("its clock is 2m5") || told.contains("its clock is 3m"),
        "{told}"
    );

    // A URL that was signed while its store could not be asked is valid: one of the servers answers after
    // all.
    let url = world.value("busy", "url").await;
    busy.clear_faults();
    assert_eq!(http("GET", &url, "", &[]).await.text(), "x");
    a_code_without_a_meaning_is_shown_and_logged(&world, &busy, &operator).await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_reported_with_what_to_set() {
    let s3 = S3Server::s3s_fs().unwrap();
    let tls = S3Server::s3s_fs_tls().unwrap();
    tls.put_object("data", "there", "x").unwrap();
    let untrusted = BadTls::untrusted().unwrap();
    let other = BadTls::of_another_name().unwrap();
    let expired = BadTls::expired().unwrap();
    let between = BadTls::without_its_issuer().unwrap();
    let itself = S3Server::s3s_fs_signed_by_itself().unwrap();
    let world = World::on("untrusted", &s3).await;
    world.allow_all(&json!({})).await;
    itself.put_object("data", "there", "x").unwrap();
    let keys = json!({ "accessKeyID": tls.access_key, "secretAccessKey": tls.secret_key });
    world.credentials_data(&keys).await;
    itself
        .add_credentials(&tls.access_key, &tls.secret_key)
        .unwrap();
    let own_ca = json!({ "endpoint": itself.endpoint, "caBundle": itself.ca_pem });
    let trusted = json!({ "endpoint": tls.endpoint, "caBundle": tls.ca_pem });
    let with_ca = |bad: &BadTls| json!({ "endpoint": bad.endpoint, "caBundle": bad.ca_pem });
    let bad_ca = json!({ "endpoint": untrusted.endpoint, "caBundle": tls.ca_pem });
    let to_tls = world.plane.api().url.replace("https:", "http:");
    let to_plain = s3.endpoint.replace("http:", "https:");
    let (unknown, failed) = ("Unknown", "TLSFailed");
    #[rustfmt::skip]
    let sick: [Sick<'_>; 11] = [
        ("no-ca", at(&tls.endpoint), unknown, failed, &["the certificate of https://127.0.0.1:", "and the store has no caBundle: set"]),
        ("bad-ca", bad_ca, unknown, failed, &["is not in the store's caBundle, and the server does not send"]),
        ("name", with_ca(&other), unknown, failed, &["is another host's: it names \"elsewhere.invalid\""]),
        ("expired", with_ca(&expired), unknown, failed, &["expired at 2021-01-01T00:00:00Z: renew it"]),
        ("between", with_ca(&between), unknown, failed, &["does not send that authority's certificate: put it into spec.s3.caBundle"]),
        ("own", at(&itself.endpoint), unknown, failed, &["is signed by itself, and the store has no caBundle"]),
        ("own-ca", own_ca, "True", "Verified", &["data/there"]),
        // A server of Go's, which answers in plain text what is plain.
        ("to-tls", at(&to_tls), unknown, "ConnectionFailed", &["speaks TLS, and the operator spoke plain HTTP to it"]),
        ("to-plain", at(&to_plain), unknown, "ConnectionFailed", &["does not speak TLS: let spec.s3.endpoint"]),
        ("refused", at("https://127.0.0.1:1"), unknown, "ConnectionFailed", &["https://127.0.0.1:1 refused or broke"]),
        ("well", trusted, "True", "Verified", &["data/there"]),
    ];
    let operator = sick_stores_say(&world, &s3, &sick).await;
    // The Secret brings the authority along: curl needs nothing else.
    let mount = world.mount("well").await;
    let fetched = curl(&mount, &["--cacert", "ca.crt"]).await;
    assert_eq!(fetched, (0, "x".to_owned()));
    world.finish().await;
    operator.kill();
}

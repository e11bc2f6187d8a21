//! `sign` with credentials that are nowhere on the command line: those of a login by SSO, and of an
//! instance's role. MinIO takes what they sign, and no other.

use std::fmt::Write as _;
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use jiff::Timestamp;
use presigned_testkit::S3Server;
use presigned_testkit::aws::{Keys, MetadataService, SsoPortal};
use serde_json::json;

use super::alone::Caller;
use crate::support::http;

/// The shortest session that MinIO grants.
const SESSION: Duration = Duration::from_mins(15);

/// A server with an object, and a session for it as a service hands it out.
async fn server() -> (S3Server, Keys) {
    let server = S3Server::minio().await.expect("a server");
    server.put_object("data", "k", "hello").expect("put");
    let session = server.assume_role(&server.keys(), None, SESSION).await;
    let session = session.expect("a session");
    let keys = Keys {
        access_key_id: session.access_key,
        secret_access_key: session.secret_key,
        session_token: session.token.expect("a token"),
        expiration: Timestamp::now() + SESSION,
    };
    (server, keys)
}

/// Somebody who has no keys, and knows where the server is.
fn nobody(server: &S3Server) -> Caller {
    Caller::nobody()
        .with("AWS_ENDPOINT_URL_S3", &server.endpoint)
        .with("AWS_REGION", &server.region)
}

/// What is signed for longer than the keys live works, and its end is told.
async fn signs_until_its_end(caller: &Caller, keys: &Keys, more: &[&str]) {
    let args = [&["sign", "s3://data/k", "--expires-in", "2h"], more].concat();
    let ended = caller.run(&args).await;
    let end = keys.expiration;
    // The portal of SSO says milliseconds, instance metadata seconds.
    let told = format!(
        "warning: the credentials end at {}",
        end.strftime("%Y-%m-%dT%H:%M:%S")
    );
    for part in [told.as_str(), "it lives for", "and not for 2h"] {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
    for secret in [&keys.secret_access_key, &keys.session_token] {
        assert!(!ended.err.contains(secret), "a secret is in a message");
    }
    let url = ended.done();
    assert!(url.contains(&keys.access_key_id), "they sign");
    let life = url
        .split("X-Amz-Expires=")
        .nth(1)
        .and_then(|rest| rest.split('&').next());
    let life: u64 = life.expect("a life").trim().parse().expect("seconds");
    assert!(life <= SESSION.as_secs() + 30, "{life} s");
    let got = http("GET", url.trim_end(), "", b"").await;
    assert_eq!((got.status, got.text().as_str()), (200, "hello"));
}

#[tokio::test]
async fn an_instances_role_signs_until_its_session_ends_and_one_without_a_role_is_told() {
    let (server, keys) = server().await;
    let keys = Keys {
        expiration: Timestamp::from_second(keys.expiration.as_second()).expect("a time"),
        ..keys
    };
    let service = MetadataService::start(Some(keys.clone())).expect("a service");
    let on_instance = |service: &MetadataService| {
        nobody(&server)
            .with("AWS_EC2_METADATA_DISABLED", "false")
            .with("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.endpoint())
    };
    signs_until_its_end(&on_instance(&service), &keys, &[]).await;
    assert_eq!(service.calls()[0], "PUT /latest/api/token");

    let without_role = MetadataService::start(None).expect("a service");
    let caller = on_instance(&without_role);
    let said = caller.run(&["sign", "s3://data/k"]).await.refused(3);
    assert!(said.contains("instance metadata"), "{said}");
    assert!(!without_role.calls().is_empty(), "it was not asked");
}

#[tokio::test]
async fn a_login_by_sso_signs_until_its_session_ends_and_one_that_is_over_is_told() {
    let (server, keys) = server().await;
    let portal = SsoPortal::start(keys.clone()).expect("a portal");
    let start = "https://example.awsapps.com/start";
    let account = "sso_account_id = 111122223333\nsso_role_name = reader\n";
    let config = format!(
        "[profile session]\nsso_session = team\n{account}[sso-session team]\nsso_region = eu-west-1\n\
         sso_start_url = {start}\n\
         [profile earlier]\nsso_region = eu-west-1\nsso_start_url = {start}\n{account}"
    );
    // `aws sso login` names its file by the session; before there were sessions, by the URL.
    let logged_in = |caller: Caller, token: &str, until: Timestamp| {
        let cached = json!({ "startUrl": start, "region": "eu-west-1", "accessToken": token,
            "expiresAt": until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() });
        ["team", start].iter().fold(caller, |caller, of| {
            let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, of.as_bytes());
            let name = hash.as_ref().iter().fold(String::new(), |mut name, byte| {
                write!(name, "{byte:02x}").expect("text");
                name
            });
            caller.with_file(&format!(".aws/sso/cache/{name}.json"), &cached.to_string())
        })
    };
    let caller = || {
        nobody(&server)
            .with("AWS_ENDPOINT_URL_SSO", &portal.endpoint())
            .with_file(".aws/config", &config)
    };
    let hour = Duration::from_hours(1);
    let valid = logged_in(caller(), &portal.token(), Timestamp::now() + hour);
    for profile in ["session", "earlier"] {
        signs_until_its_end(&valid, &keys, &["--profile", profile]).await;
    }
    signs_until_its_end(&valid.with("AWS_PROFILE", "session"), &keys, &[]).await;

    let over = logged_in(caller(), &portal.token(), Timestamp::now() - hour);
    let ended = logged_in(
        caller(),
        "of-a-login-that-was-ended",
        Timestamp::now() + hour,
    );
    for caller in [over, ended, caller()] {
        let args = ["sign", "s3://data/k", "--profile", "session"];
        let said = caller.run(&args).await.refused(3);
        assert!(said.contains("aws sso login"), "{said}");
        assert!(!said.contains("of-a-login"), "{said}");
    }
}

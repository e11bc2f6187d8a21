//! Each provider of the AWS chain against a stand-in that speaks its protocol.
//!
//! The chain reads the environment of its process, so each test starts this test binary again with an
//! environment of its own and asks [`child`] what it found.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use presigned_core::api::Reason;
use presigned_core::engine::{CredentialSource, Sts};
use presigned_testkit::aws::{
    ContainerEndpoint, Fault, Keys, MetadataService, Role, StsServer, Trust, token,
};
use presigned_testkit::guard::GuardedFolder;

use super::roles::{fetcher, session};

const CHILD: &str = "PSU_TEST_CHILD";
const STS: &str = "PSU_TEST_STS";
const ROLE: &str = "arn:aws:iam::111122223333:role/signer";
const SUBJECT: &str = "system:serviceaccount:presigned:operator";

/// What a child found.
#[derive(Debug)]
struct Found {
    words: Vec<String>,
}

impl Found {
    /// The access key ID, whether there was a token, and the expiry.
    fn keys(&self) -> (&str, bool, Option<Timestamp>) {
        let [kind, key, session, expiry] = self.words.as_slice() else {
            panic!("{self:?}")
        };
        assert_eq!(kind, "found", "{self:?}");
        (key, session == "session", expiry.parse().ok())
    }

    fn failure(&self, reason: Reason, part: &str) {
        let [kind, found, message] = self.words.as_slice() else {
            panic!("{self:?}")
        };
        assert_eq!(
            (kind.as_str(), found.as_str()),
            ("failed", reason.as_str()),
            "{message}"
        );
        assert!(message.contains(part), "{part} not in: {message}");
    }
}

fn found_in(kind: &str, environment: &[(&str, &str)]) -> Found {
    let home = GuardedFolder::new("presigned-home-").unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "credentials::tests::providers::child",
        ])
        .env_clear()
        // Nothing of this machine is found by chance.
        .env("HOME", home.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", "eu-west-2")
        .envs(environment.iter().copied())
        .env(CHILD, kind)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.split_once("CHILD|"));
    let (_, words) = line.unwrap_or_else(|| panic!("{text}"));
    Found {
        words: words.split('|').map(str::to_owned).collect(),
    }
}

/// Does nothing in a test run; in a process that a test of this file started, it prints what was found.
#[tokio::test]
async fn child() {
    let Ok(kind) = std::env::var(CHILD) else {
        return;
    };
    let sts = Sts {
        endpoint: std::env::var(STS).ok(),
        region: "eu-west-2".to_owned(),
        duration: Duration::from_hours(2),
        ca_bundle: None,
    };
    let source = match kind.as_str() {
        "chain" => CredentialSource::Default,
        "web identity" => CredentialSource::WebIdentity {
            role_arn: ROLE.to_owned(),
            audience: None,
            sts,
        },
        "assume role" => CredentialSource::AssumeRole {
            role_arn: ROLE.to_owned(),
            external_id: None,
            base: Box::new(CredentialSource::Default),
            sts,
        },
        other => panic!("{other}"),
    };
    let now = Timestamp::now();
    let fetched = fetcher(None).fetch(&source, &session(), now).await;
    match fetched.map(|fetched| fetched.credentials) {
        Ok(credentials) => println!(
            "CHILD|found|{}|{}|{}",
            credentials.access_key_id,
            if credentials.is_session() {
                "session"
            } else {
                "static"
            },
            credentials
                .expires_at
                .map_or_else(String::new, |end| end.to_string())
        ),
        Err(failure) => println!(
            "CHILD|failed|{}|{}",
            failure.reason.as_str(),
            failure.message
        ),
    }
}

fn in_an_hour() -> Timestamp {
    let end = Timestamp::now() + SignedDuration::from_hours(1);
    Timestamp::from_second(end.as_second()).unwrap()
}

fn keys(name: &str, expiration: Timestamp) -> Keys {
    Keys {
        access_key_id: name.to_owned(),
        secret_access_key: "secret".to_owned(),
        session_token: "token".to_owned(),
        expiration,
    }
}

fn file(folder: &GuardedFolder, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    presigned_testkit::write_private(&path, text).unwrap();
    path_text(&path)
}

fn path_text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn folder() -> GuardedFolder {
    GuardedFolder::new("presigned-providers-").unwrap()
}

/// An STS where the operator's service account may assume the role for four hours.
fn sts_for_tokens() -> StsServer {
    let sts = StsServer::start().unwrap();
    let trust = Trust::Token {
        audience: "sts.amazonaws.com".to_owned(),
        subject: SUBJECT.to_owned(),
    };
    sts.role(
        ROLE,
        Role {
            trust,
            max_session: 14_400,
        },
    );
    sts
}

fn lives_for(end: Option<Timestamp>, seconds: i64) -> bool {
    let left = end.unwrap().duration_since(Timestamp::now());
    (seconds - 60..=seconds).contains(&left.as_secs())
}

#[test]
fn the_environment_gives_keys_and_their_end() {
    let end = in_an_hour();
    let found = found_in(
        "chain",
        &[
            ("AWS_ACCESS_KEY_ID", "FROMENV"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_SESSION_TOKEN", "token"),
            ("AWS_CREDENTIAL_EXPIRATION", &end.to_string()),
        ],
    );
    assert_eq!(found.keys(), ("FROMENV", true, Some(end)));
}

#[test]
fn a_profile_of_a_shared_file_gives_keys() {
    let folder = folder();
    let shared = file(
        &folder,
        "credentials",
        "[default]\naws_access_key_id = OTHER\naws_secret_access_key = s\n\
         [work]\naws_access_key_id = FROMPROFILE\naws_secret_access_key = s\n",
    );
    let environment = [
        ("AWS_SHARED_CREDENTIALS_FILE", shared.as_str()),
        ("AWS_PROFILE", "work"),
    ];
    assert_eq!(
        found_in("chain", &environment).keys(),
        ("FROMPROFILE", false, None)
    );
}

#[test]
fn a_profile_that_assumes_a_role_gives_a_session() {
    let (folder, sts) = (folder(), StsServer::start().unwrap());
    let trust = Trust::Key {
        access_key_id: "BASE".to_owned(),
        external_id: None,
    };
    sts.role(
        ROLE,
        Role {
            trust,
            max_session: 3600,
        },
    );
    let config = file(
        &folder,
        "config",
        &format!(
            "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = s\n\
             [profile work]\nrole_arn = {ROLE}\nsource_profile = base\n"
        ),
    );
    let found = found_in(
        "chain",
        &[
            ("AWS_CONFIG_FILE", &config),
            ("AWS_PROFILE", "work"),
            ("AWS_ENDPOINT_URL_STS", &sts.endpoint()),
        ],
    );
    let (key, session, end) = found.keys();
    assert!(
        key.starts_with("ASIA") && session && lives_for(end, 3600),
        "{found:?}"
    );
    assert_eq!(sts.calls()[0].signed_by.as_deref(), Some("BASE"));
}

#[test]
fn a_profile_that_starts_a_program_is_not_served() {
    let folder = folder();
    let config = file(
        &folder,
        "config",
        "[profile work]\ncredential_process = /bin/true\n",
    );
    let environment = [
        ("AWS_CONFIG_FILE", config.as_str()),
        ("AWS_PROFILE", "work"),
    ];
    found_in("chain", &environment).failure(Reason::CredentialsInvalid, "set up wrongly");
}

#[test]
fn irsas_environment_gives_a_session_of_an_hour() {
    let (folder, sts) = (folder(), sts_for_tokens());
    let name = file(
        &folder,
        "token",
        &token("sts.amazonaws.com", SUBJECT, in_an_hour()),
    );
    let environment = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", name.as_str()),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ENDPOINT_URL_STS", &sts.endpoint()),
    ];
    let found = found_in("chain", &environment);
    let (key, session, end) = found.keys();
    assert!(
        key.starts_with("ASIA") && session && lives_for(end, 3600),
        "{found:?}"
    );
    assert_eq!(sts.calls()[0].duration, None);

    sts.fail(Fault::Status(StatusCode::INTERNAL_SERVER_ERROR));
    found_in("chain", &environment).failure(Reason::CredentialsUnavailable, "the operator retries");
}

#[test]
fn pod_identitys_environment_gives_a_session() {
    let end = in_an_hour();
    let agent = ContainerEndpoint::start("pod-token", keys("FROMPOD", end)).unwrap();
    let folder = folder();
    let name = file(&folder, "token", "pod-token");
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*agent.full_uri()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", name.as_str()),
    ];
    assert_eq!(
        found_in("chain", &environment).keys(),
        ("FROMPOD", true, Some(end))
    );
    agent.rotate_token("another");
    found_in("chain", &environment).failure(Reason::CredentialsUnavailable, "the operator retries");
    file(&folder, "token", "another");
    assert_eq!(found_in("chain", &environment).keys().0, "FROMPOD");
}

#[test]
fn a_container_endpoint_gives_a_session() {
    let end = in_an_hour();
    let endpoint = ContainerEndpoint::start("Basic abc", keys("FROMECS", end)).unwrap();
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*endpoint.full_uri()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc"),
    ];
    assert_eq!(
        found_in("chain", &environment).keys(),
        ("FROMECS", true, Some(end))
    );
    for fault in [
        Fault::Status(StatusCode::INTERNAL_SERVER_ERROR),
        Fault::Garbage,
        Fault::Hang,
    ] {
        endpoint.fail(fault);
        found_in("chain", &environment)
            .failure(Reason::CredentialsUnavailable, "the operator retries");
    }
}

#[test]
fn instance_metadata_gives_a_session_after_a_token() {
    let end = in_an_hour();
    let service = MetadataService::start(Some(keys("FROMIMDS", end))).unwrap();
    let endpoint = service.endpoint();
    let environment = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint),
    ];
    assert_eq!(
        found_in("chain", &environment).keys(),
        ("FROMIMDS", true, Some(end))
    );
    assert_eq!(service.calls()[0], "PUT /latest/api/token");

    service.fail(Fault::Status(StatusCode::INTERNAL_SERVER_ERROR));
    found_in("chain", &environment).failure(Reason::CredentialsUnavailable, "the operator retries");
    // A machine without that service looks the same.
    service.fail(Fault::Hang);
    found_in("chain", &environment).failure(Reason::CredentialsNotFound, "found nothing");
}

#[test]
fn an_end_that_instance_metadata_did_not_say_is_not_believed() {
    let past = Timestamp::now() - SignedDuration::from_mins(1);
    let service = MetadataService::start(Some(keys("FROMIMDS", past))).unwrap();
    let endpoint = service.endpoint();
    let environment = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint),
    ];
    found_in("chain", &environment).failure(Reason::CredentialsExpired, "expired at");
}

#[test]
fn an_instance_without_a_role_and_a_process_without_anything_are_told_so() {
    let service = MetadataService::start(None).unwrap();
    let endpoint = service.endpoint();
    let environment = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint),
    ];
    found_in("chain", &environment).failure(Reason::CredentialsNotFound, "found nothing");
    found_in("chain", &[]).failure(Reason::CredentialsNotFound, "found nothing");
}

#[test]
fn a_store_of_web_identity_reads_the_token_file_and_asks_for_its_own_length() {
    let (folder, sts) = (folder(), sts_for_tokens());
    let name = file(
        &folder,
        "token",
        &format!("{}\n", token("sts.amazonaws.com", SUBJECT, in_an_hour())),
    );
    let environment = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", name.as_str()),
        (STS, &sts.endpoint()),
    ];
    let found = found_in("web identity", &environment);
    let (_, session, end) = found.keys();
    assert!(session && lives_for(end, 7200), "{found:?}");
    assert_eq!(sts.calls()[0].duration, Some(7200));

    std::fs::remove_file(&name).unwrap();
    found_in("web identity", &environment).failure(
        Reason::CredentialsNotFound,
        "the token file that AWS_WEB_IDENTITY_TOKEN_FILE names is not there",
    );
    file(&folder, "token", "two words");
    found_in("web identity", &environment)
        .failure(Reason::CredentialsInvalid, "does not hold one token");
    found_in("web identity", &environment[1..]).failure(
        Reason::CredentialsNotFound,
        "is not set in the operator's pod",
    );
    assert_eq!(
        sts.requests(),
        1,
        "STS is asked for nothing without a token"
    );
}

#[test]
fn a_store_that_assumes_a_role_uses_the_chain_where_it_names_no_secret() {
    let sts = StsServer::start().unwrap();
    let trust = Trust::Key {
        access_key_id: "FROMENV".to_owned(),
        external_id: None,
    };
    sts.role(
        ROLE,
        Role {
            trust,
            max_session: 14_400,
        },
    );
    let endpoint = sts.endpoint();
    let mut environment = vec![
        ("AWS_ACCESS_KEY_ID", "FROMENV"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        (STS, endpoint.as_str()),
    ];
    let found = found_in("assume role", &environment);
    assert!(lives_for(found.keys().2, 7200), "{found:?}");

    // The same by a session: a role assumes a role.
    let end = in_an_hour().to_string();
    sts.session_key("FROMENV", "token");
    environment.extend([
        ("AWS_SESSION_TOKEN", "token"),
        ("AWS_CREDENTIAL_EXPIRATION", end.as_str()),
    ]);
    found_in("assume role", &environment).failure(
        Reason::CredentialsInvalid,
        "2h is too long: a session of another role assumes it",
    );
}

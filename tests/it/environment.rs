//! Credentials from the operator's environment: tokens of its service account, IRSA, Pod Identity and
//! instance metadata.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use presigned_testkit::S3Server;
use presigned_testkit::aws::{
    ContainerEndpoint, Fault, Keys, MetadataService, Role, StsServer, Trust, token,
};
use serde_json::{Value, json};

use crate::sessions::believe;
use crate::support::{Operator, Setup, World, condition, http, says, store_condition, store_says};

const ROLE: &str = "arn:aws:iam::111122223333:role/signer";
const IRSA: &str = "sts.amazonaws.com";

/// An STS where the operator's service account of this world may assume the role.
fn sts(world: &World, audience: &str) -> StsServer {
    let sts = StsServer::start().unwrap();
    let trust = Trust::Token {
        audience: audience.to_owned(),
        subject: format!("system:serviceaccount:{}:{}", world.system, world.name),
    };
    let role = Role {
        trust,
        max_session: 43_200,
    };
    sts.role(ROLE, role);
    sts
}

/// A token that the stand-in takes, in a file.
fn write_token(world: &World, file: &Path) {
    let subject = format!("system:serviceaccount:{}:{}", world.system, world.name);
    let end = Timestamp::now() + SignedDuration::from_hours(1);
    let token = token(IRSA, &subject, end);
    world.secrets_seen.keep(&token);
    presigned_testkit::write_private(file, &token).unwrap();
}

fn web_identity(sts: &StsServer, changes: &Value) -> Value {
    let mut role = json!({ "roleARN": ROLE, "stsEndpoint": sts.endpoint() });
    for (key, value) in changes.as_object().unwrap() {
        role[key] = value.clone();
    }
    json!({ "credentials": { "secretRef": null, "webIdentity": role } })
}

/// A store that asks the AWS chain of the operator's process.
fn chain() -> Value {
    json!({ "credentials": { "secretRef": null, "default": {} } })
}

/// An operator that finds no credentials of this machine by chance.
async fn started(world: &World, environment: &[(&str, &str)], flags: &[&str]) -> Operator {
    let home = format!("HOME={}", world.folder.display());
    let mut all: Vec<String> = ["AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_CONFIG_FILE"]
        .map(|name| format!("--unset={name}"))
        .to_vec();
    all.push(home);
    let metadata = "AWS_EC2_METADATA_DISABLED";
    if !environment.iter().any(|(name, _)| *name == metadata) {
        all.push(format!("{metadata}=true"));
    }
    all.push("AWS_REGION=eu-west-2".to_owned());
    all.extend(
        environment
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut operator = world.launch(None, &all, flags).await;
    operator.ready().await;
    operator
}

/// A world with objects, whose store has no source of credentials yet.
async fn world(short: &str, s3: &S3Server) -> World {
    world_with(short, s3, Setup::default()).await
}

async fn world_with(short: &str, s3: &S3Server, setup: Setup) -> World {
    for name in ["one", "two", "three"] {
        s3.put_object("data", name, name).unwrap();
    }
    let world = World::with(short, setup).await;
    world.policy(&json!([world.rule(&json!({}))])).await;
    world
}

/// A new resource is issued, and its URL is signed by this key and works.
async fn issues(world: &World, name: &str, key: &str) {
    world.psu(name, &json!({})).await;
    world.ready(name).await;
    let url = world.value(name, "url").await;
    assert!(url.contains(key), "{name} is signed by another key");
    assert_eq!(http("GET", &url, "", &[]).await.status, 200, "{name}");
}

fn keys(s3: &S3Server, id: &str) -> Keys {
    let secret = format!("secret-of-{id}");
    s3.add_credentials(id, &secret).unwrap();
    Keys {
        access_key_id: id.to_owned(),
        secret_access_key: secret,
        session_token: format!("token-of-{id}"),
        expiration: Timestamp::now() + SignedDuration::from_hours(6),
    }
}

#[tokio::test]
async fn a_token_for_the_stores_audience_comes_from_kubernetes_and_is_exchanged() {
    let s3 = S3Server::s3s_fs().unwrap();
    believe(&s3);
    let setup = Setup {
        values: &["webIdentity.audiences={minio-of-this-test,somebody-else}"],
        in_pod: true,
        ..Setup::default()
    };
    let world = world_with("audience", &s3, setup).await;
    let sts = sts(&world, "minio-of-this-test");
    let role = json!({ "audience": "minio-of-this-test", "duration": "12h", "scope": "Namespace" });
    world.store(&s3, &web_identity(&sts, &role)).await;
    let account = format!("--pod-service-account={}", world.name);
    let operator = started(&world, &[], &[&account]).await;
    issues(&world, "one", "ASIASTANDIN").await;
    let calls = sts.calls();
    assert!(!calls.is_empty());
    for call in &calls {
        assert_eq!(call.action, "AssumeRoleWithWebIdentity");
        assert_eq!(call.duration, Some(43_200));
        assert_eq!(call.signed_by, None, "the token is all that is shown");
    }
    let names: Vec<&str> = calls
        .iter()
        .map(|call| call.session_name.as_str())
        .collect();
    let whose = format!("namespace={}", world.tenant);
    assert!(names.contains(&whose.as_str()), "{names:?}");
    // What is changed is held against what the store itself was given, which comes a moment after the first
    // issue.
    world
        .until_store("has credentials of its own", |store| {
            store_says(store, "Ready", "True", "CredentialsReady")
        })
        .await;

    let wrong = json!({ "audience": "somebody-else", "duration": "12h", "scope": "Namespace" });
    world.store(&s3, &web_identity(&sts, &wrong)).await;
    let store = world
        .until_store("is refused the session", |store| {
            store_says(store, "Ready", "False", "CredentialsInvalid")
        })
        .await;
    let message = &store_condition(&store, "Ready").unwrap().message;
    assert!(
        message.contains("with the audience that the token is for"),
        "{message}"
    );
    issues(&world, "two", "ASIASTANDIN").await;

    let unnamed = json!({ "audience": "of-no-value", "duration": "12h", "scope": "Namespace" });
    world.store(&s3, &web_identity(&sts, &unnamed)).await;
    let store = world
        .until_store("is refused the token", |store| {
            store_says(store, "Ready", "False", "CredentialsUnavailable")
        })
        .await;
    let message = &store_condition(&store, "Ready").unwrap().message;
    assert!(message.contains("webIdentity.audiences"), "{message}");
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_token_file_that_is_gone_is_reported_and_the_last_session_signs_on() {
    let s3 = S3Server::s3s_fs().unwrap();
    believe(&s3);
    let world = world("tokenfile", &s3).await;
    let sts = sts(&world, IRSA);
    let file = world.folder.join("token");
    write_token(&world, &file);
    world.store(&s3, &web_identity(&sts, &json!({}))).await;
    let name = file.display().to_string();
    let environment = [("AWS_WEB_IDENTITY_TOKEN_FILE", name.as_str())];
    let operator = started(&world, &environment, &["--resign-within=1s"]).await;
    issues(&world, "one", "ASIASTANDIN").await;

    std::fs::remove_file(&file).unwrap();
    let longer = web_identity(&sts, &json!({ "duration": "2h" }));
    world.store(&s3, &longer).await;
    let store = world
        .until_store("misses the token", |store| {
            store_says(store, "Ready", "False", "CredentialsNotFound")
        })
        .await;
    let message = &store_condition(&store, "Ready").unwrap().message;
    for words in [
        "the token file that AWS_WEB_IDENTITY_TOKEN_FILE names is not there",
        "what was used before the change is still used",
    ] {
        assert!(message.contains(words), "{words:?} is missing: {message}");
    }
    issues(&world, "two", "ASIASTANDIN").await;
    let psu = world.ready("one").await;
    assert!(says(condition(&psu, "Ready"), "True", "Issued"));

    write_token(&world, &file);
    let other = web_identity(&sts, &json!({ "duration": "3h" }));
    world.store(&s3, &other).await;
    world
        .until_store("is ready", |store| {
            store_says(store, "Ready", "True", "CredentialsReady")
        })
        .await;
    issues(&world, "three", "ASIASTANDIN").await;
    let last = sts.calls().pop().unwrap();
    assert_eq!(last.duration, Some(10_800));
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn irsas_environment_signs() {
    let s3 = S3Server::s3s_fs().unwrap();
    believe(&s3);
    let world = world("irsa", &s3).await;
    let sts = sts(&world, IRSA);
    let file = world.folder.join("token");
    write_token(&world, &file);
    world.store(&s3, &chain()).await;
    let (name, endpoint) = (file.display().to_string(), sts.endpoint());
    let environment = [
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &name),
        ("AWS_ENDPOINT_URL_STS", &endpoint),
    ];
    let operator = started(&world, &environment, &[]).await;
    issues(&world, "one", "ASIASTANDIN").await;
    let end = world
        .ready("one")
        .await
        .status
        .unwrap()
        .expiration_time
        .unwrap();
    assert!(end <= Timestamp::now() + SignedDuration::from_hours(1));
    assert_eq!(sts.calls()[0].action, "AssumeRoleWithWebIdentity");
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn pod_identitys_environment_signs_and_an_agent_that_is_down_is_reported() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = world("podidentity", &s3).await;
    let given = keys(&s3, "ASIAPODIDENTITY00001");
    world.secrets_seen.keep(&given.secret_access_key);
    let agent = ContainerEndpoint::start("token-of-the-pod", given).unwrap();
    agent.fail(Fault::Status(http::StatusCode::INTERNAL_SERVER_ERROR));
    let file = world.folder.join("token");
    presigned_testkit::write_private(&file, "token-of-the-pod").unwrap();
    world.secrets_seen.keep("token-of-the-pod");
    world.store(&s3, &chain()).await;
    let (name, uri) = (file.display().to_string(), agent.full_uri());
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &name),
    ];
    let operator = started(&world, &environment, &[]).await;
    world.psu("one", &json!({})).await;
    world.unready("one", "CredentialsUnavailable").await;
    agent.fail(Fault::None);
    world.ready("one").await;
    issues(&world, "two", "ASIAPODIDENTITY00001").await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn instance_metadata_signs() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = world("imds", &s3).await;
    let given = keys(&s3, "ASIAINSTANCE00000001");
    world.secrets_seen.keep(&given.secret_access_key);
    let service = MetadataService::start(Some(given)).unwrap();
    world.store(&s3, &chain()).await;
    let endpoint = service.endpoint();
    let environment = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str()),
    ];
    let operator = started(&world, &environment, &[]).await;
    issues(&world, "one", "ASIAINSTANCE00000001").await;
    assert_eq!(service.calls()[0], "PUT /latest/api/token");
    world.finish().await;
    operator.kill();
}

//! Sessions of roles: what STS is asked for, and what each of its answers becomes.

use std::time::Duration;

use base64::Engine as _;
use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::client::Body;
use presigned_core::api::Reason;
use presigned_core::engine::{CredentialSource, CredentialsError, Session, Sts};
use presigned_core::signing::Credentials;
use presigned_testkit::aws::{Fault, Role, StsServer, Trust, token};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::credentials::CredentialsFetcher;
use crate::http::{Connections, Proxies};
use crate::kube::Cluster;
use crate::telemetry::Metrics;

pub(super) const ROLE: &str = "arn:aws:iam::111122223333:role/signer";
const POLICY: &str = r#"{"Statement":[{"Action":"s3:GetObject","Effect":"Allow","Resource":"arn:aws:s3:::data/a"}],"Version":"2012-10-17"}"#;
pub(super) const SUBJECT: &str = "system:serviceaccount:presigned:operator";

/// A fetcher whose API server gives one answer, to whatever is asked.
pub(super) fn fetcher(answer: Option<(u16, Value)>) -> CredentialsFetcher {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    tokio::spawn(async move {
        while let Some((_, send)) = handle.next_request().await {
            let (code, body) = answer.clone().unwrap_or((500, Value::Null));
            let body = Body::from(body.to_string().into_bytes());
            send.send_response(Response::builder().status(code).body(body).unwrap());
        }
    });
    let client = Client::new(service, "default");
    let cluster = Cluster::new(client, Metrics::default(), "pod-0".to_owned());
    let connections = Connections::new(Clock::start(), Proxies::default());
    CredentialsFetcher::new(cluster, "presigned".to_owned(), connections)
        .with_service_account(Some("operator".to_owned()))
}

pub(super) fn session() -> Session {
    Session {
        name: "team-a@weights".to_owned(),
        policy: Some(POLICY.to_owned()),
    }
}

pub(super) fn at(endpoint: String, hours: u64) -> Sts {
    Sts {
        endpoint: Some(endpoint),
        region: "eu-west-2".to_owned(),
        duration: Duration::from_hours(hours),
        ca_bundle: None,
    }
}

pub(super) fn secret(fields: &[(&str, &str)]) -> (u16, Value) {
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let data: serde_json::Map<String, Value> = fields
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(encode(value))))
        .collect();
    let meta =
        json!({ "name": "base", "namespace": "presigned", "uid": "u", "resourceVersion": "1" });
    (
        200,
        json!({ "metadata": meta, "type": "Opaque", "data": data }),
    )
}

#[allow(clippy::unnecessary_wraps, reason = "what a scripted answer is")]
pub(super) fn static_secret() -> Option<(u16, Value)> {
    Some(secret(&[
        ("accessKeyID", "BASE"),
        ("secretAccessKey", "base-secret"),
    ]))
}

pub(super) fn assume_role(sts: Sts, external_id: Option<&str>) -> CredentialSource {
    CredentialSource::AssumeRole {
        role_arn: ROLE.to_owned(),
        external_id: external_id.map(str::to_owned),
        base: Box::new(CredentialSource::secret("base", None)),
        sts,
    }
}

fn trusting_base(external_id: Option<&str>) -> Role {
    Role {
        trust: Trust::Key {
            access_key_id: "BASE".to_owned(),
            external_id: external_id.map(str::to_owned),
        },
        max_session: 14_400,
    }
}

pub(super) fn server(external_id: Option<&str>) -> StsServer {
    let server = StsServer::start().unwrap();
    server.role(ROLE, trusting_base(external_id));
    server
}

pub(super) async fn assumed(
    answer: Option<(u16, Value)>,
    source: &CredentialSource,
) -> Result<Credentials, CredentialsError> {
    let fetched = fetcher(answer)
        .fetch(source, &session(), Timestamp::now())
        .await;
    fetched.map(|fetched| fetched.credentials)
}

pub(super) fn says(outcome: Result<Credentials, CredentialsError>, reason: Reason, part: &str) {
    let failure = outcome.unwrap_err();
    assert_eq!(failure.reason, reason, "{}", failure.message);
    assert!(
        failure.message.contains(part),
        "{part} not in: {}",
        failure.message
    );
    for value in ["base-secret", "BASE", "VALUE", "header.claims"] {
        assert!(
            !failure.message.contains(value),
            "leaks: {}",
            failure.message
        );
    }
}

#[tokio::test]
async fn a_secrets_credentials_assume_the_role_with_its_external_id() {
    let server = server(Some("our-id"));
    let source = |id| assume_role(at(server.endpoint(), 4), id);
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let with_id = source(Some("our-id"));
    let credentials = fetcher(static_secret())
        .fetch(&with_id, &session(), now)
        .await
        .unwrap();
    let base = credentials.secret.map(|secret| secret.name);
    assert_eq!(base.as_deref(), Some("base"));
    let credentials = credentials.credentials;
    assert!(credentials.access_key_id.starts_with("ASIA"));
    assert!(credentials.session_token.is_some());

    let call = server.calls().remove(0);
    assert_eq!(call.action, "AssumeRole");
    assert_eq!(call.role_arn, ROLE);
    assert_eq!(call.session_name, "team-a@weights");
    assert_eq!(call.policy.as_deref(), Some(POLICY));
    assert_eq!(call.duration, Some(14_400));
    assert_eq!(call.signed_by.as_deref(), Some("BASE"));
    assert_eq!(
        call.signed_at.as_deref(),
        Some("20261122T120000Z"),
        "the clock is the one that was passed in"
    );

    says(
        assumed(static_secret(), &source(None)).await,
        Reason::CredentialsInvalid,
        "it may ask for an externalID",
    );
    says(
        assumed(static_secret(), &source(Some("other"))).await,
        Reason::CredentialsInvalid,
        "with the external ID of the store",
    );
    let gone = json!({ "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404 });
    says(
        assumed(Some((404, gone)), &with_id).await,
        Reason::CredentialsNotFound,
        "Secret \"base\" does not exist",
    );
    assert_eq!(
        server.requests(),
        3,
        "no retry, and no request without credentials"
    );
}

#[tokio::test]
async fn a_token_for_the_stores_audience_is_exchanged() {
    let server = StsServer::start().unwrap();
    let trust = Trust::Token {
        audience: "minio".to_owned(),
        subject: SUBJECT.to_owned(),
    };
    server.role(
        ROLE,
        Role {
            trust,
            max_session: 43_200,
        },
    );
    let source = CredentialSource::WebIdentity {
        role_arn: ROLE.to_owned(),
        audience: Some("minio".to_owned()),
        sts: at(server.endpoint(), 12),
    };
    let issued = |audience, subject, minutes| {
        let end = Timestamp::now() + SignedDuration::from_mins(minutes);
        let token = token(audience, subject, end);
        Some((
            201,
            json!({ "kind": "TokenRequest", "status": { "token": token } }),
        ))
    };
    let credentials = assumed(issued("minio", SUBJECT, 10), &source)
        .await
        .unwrap();
    let life = credentials
        .expires_at
        .unwrap()
        .duration_since(Timestamp::now());
    assert!((43_140..=43_200).contains(&life.as_secs()), "{life}");
    assert!(!credentials.secret_access_key.expose_secret().is_empty());
    let call = server.calls().remove(0);
    assert_eq!(call.duration, Some(43_200));
    assert_eq!(call.policy.as_deref(), Some(POLICY));
    assert_eq!(call.signed_by, None, "the token is all that is shown");

    says(
        assumed(issued("other", SUBJECT, 10), &source).await,
        Reason::CredentialsInvalid,
        "with the audience that the token is for",
    );
    says(
        assumed(issued("minio", "system:serviceaccount:x:y", 10), &source).await,
        Reason::CredentialsInvalid,
        "compare the role's trust policy",
    );
    says(
        assumed(issued("minio", SUBJECT, -1), &source).await,
        Reason::CredentialsExpired,
        "the service account's token has expired",
    );
    let forbidden = json!({ "kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403, "message": "VALUE" });
    says(
        assumed(Some((403, forbidden)), &source).await,
        Reason::CredentialsUnavailable,
        "create on serviceaccounts/token",
    );
    let nameless = fetcher(None).with_service_account(None);
    says(
        nameless
            .fetch(&source, &session(), Timestamp::now())
            .await
            .map(|fetched| fetched.credentials),
        Reason::CredentialsInvalid,
        "POD_SERVICE_ACCOUNT",
    );
}

#[tokio::test]
async fn each_refusal_of_sts_has_its_reason_and_our_words() {
    let server = server(None);
    let source = assume_role(at(server.endpoint(), 1), None);
    let bad = StatusCode::BAD_REQUEST;
    for (status, code, reason, part) in [
        (
            StatusCode::FORBIDDEN,
            "AccessDenied",
            Reason::CredentialsInvalid,
            "need sts:AssumeRole",
        ),
        (
            bad,
            "MalformedPolicyDocument",
            Reason::CredentialsInvalid,
            "cannot read the session policy",
        ),
        (
            bad,
            "PackedPolicyTooLarge",
            Reason::SessionPolicyTooLarge,
            "fewer objects",
        ),
        (
            bad,
            "ExpiredTokenException",
            Reason::CredentialsExpired,
            "have expired: renew them",
        ),
        (
            StatusCode::FORBIDDEN,
            "InvalidClientTokenId",
            Reason::CredentialsInvalid,
            "does not take the credentials",
        ),
        (
            StatusCode::FORBIDDEN,
            "SignatureDoesNotMatch",
            Reason::CredentialsInvalid,
            "does not take the credentials",
        ),
        (
            StatusCode::FORBIDDEN,
            "RegionDisabledException",
            Reason::CredentialsInvalid,
            "not active",
        ),
        (bad, "RequestExpired", Reason::ClockSkewed, "set the clock"),
        (
            bad,
            "Throttling",
            Reason::CredentialsUnavailable,
            "slow down",
        ),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "Surprise",
            Reason::CredentialsUnavailable,
            "status 503",
        ),
        (bad, "Surprise", Reason::CredentialsInvalid, "status 400"),
        (
            bad,
            "ValidationError",
            Reason::CredentialsInvalid,
            "fix roleARN, externalID and duration",
        ),
    ] {
        server.fail(Fault::Refuse {
            status,
            code: code.to_owned(),
            message: "VALUE of STS".to_owned(),
        });
        says(assumed(static_secret(), &source).await, reason, part);
    }
    server.fail(Fault::Status(StatusCode::INTERNAL_SERVER_ERROR));
    says(
        assumed(static_secret(), &source).await,
        Reason::CredentialsUnavailable,
        "the operator retries",
    );
    server.fail(Fault::Garbage);
    says(
        assumed(static_secret(), &source).await,
        Reason::CredentialsUnavailable,
        "holds no session",
    );
    assert_eq!(server.requests(), 14, "pauses and retries are the engine's");
    server.fail(Fault::None);
    assumed(static_secret(), &source).await.unwrap();
}

#[tokio::test]
async fn sts_that_hangs_or_is_gone_is_unavailable() {
    let server = server(None);
    let source = assume_role(at(server.endpoint(), 1), None);
    server.fail(Fault::Hang);
    says(
        assumed(static_secret(), &source).await,
        Reason::CredentialsUnavailable,
        "did not answer in time",
    );
    drop(server);
    says(
        assumed(static_secret(), &source).await,
        Reason::CredentialsUnavailable,
        "could not be reached",
    );
}

#[tokio::test]
async fn a_session_that_is_too_long_is_told_which_limit_it_met() {
    let server = server(None);
    let long = assume_role(at(server.endpoint(), 12), None);
    says(
        assumed(static_secret(), &long).await,
        Reason::CredentialsInvalid,
        "12h is longer than the role's maximum session duration",
    );
    server.session_key("BASE", "base-token");
    let chained = Some(secret(&[
        ("accessKeyID", "BASE"),
        ("secretAccessKey", "base-secret"),
        ("sessionToken", "base-token"),
        ("expiration", "2999-01-01T00:00:00Z"),
    ]));
    let two_hours = assume_role(at(server.endpoint(), 2), None);
    says(
        assumed(chained.clone(), &two_hours).await,
        Reason::CredentialsInvalid,
        "set duration to 1h",
    );
    let hour = assume_role(at(server.endpoint(), 1), None);
    assumed(chained, &hour).await.unwrap();
}

#[tokio::test]
async fn a_session_that_has_ended_signs_nothing() {
    let server = server(None);
    server.shift_expiry(-7200);
    let source = assume_role(at(server.endpoint(), 1), None);
    says(
        assumed(static_secret(), &source).await,
        Reason::CredentialsExpired,
        "a session that expired at",
    );
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_the_store_names_it() {
    let server = StsServer::start_tls().unwrap();
    server.role(ROLE, trusting_base(None));
    let with = |ca_bundle| {
        assume_role(
            Sts {
                ca_bundle,
                ..at(server.endpoint(), 1)
            },
            None,
        )
    };
    assumed(static_secret(), &with(server.ca_pem.clone()))
        .await
        .unwrap();
    says(
        assumed(static_secret(), &with(None)).await,
        Reason::CredentialsUnavailable,
        "neither the system nor the store's caBundle trusts",
    );
    for broken in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        says(
            assumed(static_secret(), &with(Some(broken.to_owned()))).await,
            Reason::CredentialsInvalid,
            "caBundle holds no certificate",
        );
    }
}

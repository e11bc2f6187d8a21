//! Sessions of a real STS, narrowed by the policies that the core writes: they do what is signed, and nothing
//! else.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Method, StatusCode};
use jiff::Timestamp;
use presigned_core::access::{
    Dialect, SessionSubject, namespace_policy, namespace_session_name, request_policy, session_name,
};
use presigned_core::api::{GetOptions, PutOptions};
use presigned_core::engine::{CredentialSource, Session, Sts};
use presigned_core::policy::{CompiledPolicy, Namespace, PolicySet};
use presigned_core::request::{Bucket, Key, Options, Prefix};
use presigned_testkit::S3Server;
use presigned_testkit::s3::client::{Keys, Signer};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::roles::{fetcher, secret};

/// What MinIO ignores for its users, and the API wants.
const ROLE: &str = "arn:aws:iam::000000000000:role/any";

/// A session of the server's own STS, by the fetcher of the product.
async fn session(server: &S3Server, name: String, policy: String) -> Signer {
    let source = CredentialSource::AssumeRole {
        role_arn: ROLE.to_owned(),
        external_id: None,
        base: Box::new(CredentialSource::secret("base", None)),
        sts: Sts {
            endpoint: Some(server.endpoint.clone()),
            region: server.region.clone(),
            duration: Duration::from_mins(15),
            ca_bundle: None,
        },
    };
    let base = secret(&[
        ("accessKeyID", &server.access_key),
        ("secretAccessKey", &server.secret_key),
    ]);
    let session = Session {
        name,
        policy: Some(policy),
    };
    let credentials = fetcher(Some(base))
        .fetch(&source, &session, Timestamp::now())
        .await
        .expect("a session")
        .credentials;
    let token = credentials.session_token.expect("a token");
    server.signer_of(Keys {
        access_key: credentials.access_key_id,
        secret_key: credentials.secret_access_key.expose_secret().to_owned(),
        token: Some(token.expose_secret().to_owned()),
    })
}

async fn status(by: &Signer, method: Method, url: &str, headers: &[(&str, &str)]) -> StatusCode {
    let answer = by.send(method, url, headers, "").await;
    answer.expect("an answer").status()
}

fn bucket() -> Bucket {
    Bucket::parse("data").unwrap()
}

async fn filled() -> S3Server {
    let server = S3Server::minio().await.expect("a server");
    for key in ["team-a/mine $", "team-a/other", "team-b/theirs"] {
        server.put_object("data", key, key).expect("put");
    }
    server
}

#[tokio::test]
async fn a_session_for_a_request_reaches_no_other_key_and_copies_from_none() {
    let server = filled().await;
    let keys = [Key::parse("team-a/mine $").unwrap()];
    let url = |key| server.url("data", key);
    let policy = |options: &Options| {
        request_policy(
            Dialect::Plain,
            &bucket(),
            SessionSubject::Keys(&keys),
            options,
        )
        .unwrap()
    };

    let get = policy(&Options::Get(GetOptions::default()));
    let reader = session(&server, session_name("team-a", "mine"), get).await;
    let mine = url("team-a/mine $");
    assert_eq!(
        status(&reader, Method::GET, &mine, &[]).await,
        StatusCode::OK
    );
    assert_eq!(
        status(&reader, Method::HEAD, &mine, &[]).await,
        StatusCode::OK
    );
    for (method, key) in [
        (Method::GET, "team-a/other"),
        (Method::PUT, "team-a/mine $"),
        (Method::DELETE, "team-a/mine $"),
    ] {
        let answer = status(&reader, method, &url(key), &[]).await;
        assert_eq!(answer, StatusCode::FORBIDDEN, "{key}");
    }

    let put = policy(&Options::Put(PutOptions::default()));
    let writer = session(&server, session_name("team-a", "mine"), put).await;
    assert_eq!(
        status(&writer, Method::PUT, &mine, &[]).await,
        StatusCode::OK
    );
    let copy = [("x-amz-copy-source", "/data/team-a/other")];
    assert_eq!(
        status(&writer, Method::PUT, &mine, &copy).await,
        StatusCode::FORBIDDEN
    );
    // MinIO asks no right of its own for the tags of an upload; a session cannot keep them out there.
    let tags = [("x-amz-tagging", "a=b")];
    assert_eq!(
        status(&writer, Method::PUT, &mine, &tags).await,
        StatusCode::OK
    );
    assert_eq!(
        status(&writer, Method::GET, &mine, &[]).await,
        StatusCode::FORBIDDEN
    );

    let tagged = policy(&Options::Put(PutOptions {
        tagging: Some(BTreeMap::from([("a".to_owned(), "b".to_owned())])),
        ..PutOptions::default()
    }));
    let with_tags = session(&server, session_name("team-a", "mine"), tagged).await;
    let tags = [("x-amz-tagging", "a=b")];
    assert_eq!(
        status(&with_tags, Method::PUT, &mine, &tags).await,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_session_for_a_listing_lists_its_prefix_and_reads_nothing() {
    let server = filled().await;
    let prefix = Prefix::parse("team-a/").unwrap();
    let options = Options::Get(GetOptions::default());
    let policy = request_policy(
        Dialect::Plain,
        &bucket(),
        SessionSubject::Listing(&prefix),
        &options,
    )
    .unwrap();
    let lister = session(&server, session_name("team-a", "all"), policy).await;
    let list = |prefix: &str| format!("{}/data?list-type=2&prefix={prefix}", server.endpoint);
    assert_eq!(
        status(&lister, Method::GET, &list("team-a%2F"), &[]).await,
        StatusCode::OK
    );
    for prefix in ["team-b%2F", "team-a", ""] {
        let answer = status(&lister, Method::GET, &list(prefix), &[]).await;
        assert_eq!(answer, StatusCode::FORBIDDEN, "{prefix}");
    }
    let object = server.url("data", "team-a/other");
    assert_eq!(
        status(&lister, Method::GET, &object, &[]).await,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn a_session_for_a_namespace_does_what_the_policies_allow_it() {
    let server = filled().await;
    let spec = json!({
        "namespaces": {"names": ["team-*"]},
        "allow": [{
            "name": "read-own", "stores": ["minio"], "buckets": ["data"], "prefixes": ["{namespace}/"],
            "methods": ["GET", "LIST"], "maxDuration": "1h",
        }],
    });
    let mut policies = PolicySet::default();
    policies.insert(CompiledPolicy::compile("p", &serde_json::from_value(spec).unwrap()).unwrap());
    let labels = BTreeMap::new();
    let namespace = Namespace {
        name: "team-a",
        labels: &labels,
    };
    let policy = namespace_policy(&policies, &namespace, "minio", Dialect::Plain).unwrap();
    let team = session(&server, namespace_session_name("team-a"), policy).await;
    let list = |prefix: &str| format!("{}/data?list-type=2&prefix={prefix}", server.endpoint);
    for (url, expected) in [
        (server.url("data", "team-a/mine $"), StatusCode::OK),
        (server.url("data", "team-a/other"), StatusCode::OK),
        (server.url("data", "team-b/theirs"), StatusCode::FORBIDDEN),
        (list("team-a%2F"), StatusCode::OK),
        (list("team-b%2F"), StatusCode::FORBIDDEN),
    ] {
        assert_eq!(
            status(&team, Method::GET, &url, &[]).await,
            expected,
            "{url}"
        );
    }
}

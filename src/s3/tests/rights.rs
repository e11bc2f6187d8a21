//! Rights that are missing, on a server that knows users: what S3 answers, by which the engine tells them
//! apart.

use jiff::{SignedDuration, Timestamp};
use presigned_core::engine::{ErrorCode, ListError, S3Result};
use presigned_core::signing::Credentials;
use presigned_testkit::S3Server;
use serde_json::json;

use super::{client, credentials, keys, listing, signed, target};

/// A user who may do this with every object of the bucket, and with the bucket itself.
async fn user(server: &S3Server, name: &str, actions: &[&str]) -> Credentials {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": actions,
            "Resource": ["arn:aws:s3:::models", "arn:aws:s3:::models/*"],
        }],
    });
    let secret = "a secret of this test";
    let policy = policy.to_string();
    server.add_user(name, secret, &policy).await.unwrap();
    credentials(name, secret)
}

async fn ask(server: &S3Server, credentials: &Credentials, key: &str) -> S3Result {
    let here = target(&server.endpoint, &server.region);
    let ask = signed(&here, credentials, key, Timestamp::now());
    client().send(&ask, None).await
}

#[tokio::test]
async fn a_missing_right_and_a_missing_key_are_told_apart_where_the_server_does() {
    let server = S3Server::minio().await.unwrap();
    server.put_object("models", "there", b"x").unwrap();
    let reader = user(&server, "READER00000000000001", &["s3:GetObject"]).await;
    let lister = ["s3:GetObject", "s3:ListBucket"];
    let lister = user(&server, "LISTER00000000000001", &lister).await;
    let writer = user(&server, "WRITER00000000000001", &["s3:PutObject"]).await;

    let answer = async |who, key| ask(&server, who, key).await.unwrap();
    let works = answer(&reader, "there").await;
    assert_eq!((works.status, works.code), (206, None));
    // AWS tells this to nobody who may not list; MinIO does.
    for who in [&lister, &reader] {
        let missing = answer(who, "none").await;
        assert_eq!(missing.code, Some(ErrorCode::NoSuchKey));
    }
    for key in ["none", "there"] {
        let denied = answer(&writer, key).await;
        assert_eq!(denied.code, Some(ErrorCode::AccessDenied), "{key}");
    }

    let mut request = listing::of(&server, "");
    assert_eq!(client().list(&request).await.unwrap().objects.len(), 1);
    request.credentials = reader;
    let ListError::Refused(denied) = client().list(&request).await.unwrap_err() else {
        panic!("the server refuses it");
    };
    assert_eq!(denied.code, Some(ErrorCode::AccessDenied));
}

#[tokio::test]
async fn settings_that_cannot_work_are_told_from_rights_that_are_missing() {
    let server = S3Server::minio().await.unwrap();
    server.put_object("models", "there", b"x").unwrap();
    let code = async |credentials: &Credentials| {
        let answer = ask(&server, credentials, "there").await.unwrap();
        answer.code
    };
    assert_eq!(code(&keys(&server)).await, None);
    let nobody = user(&server, "NOBODY00000000000001", &["s3:PutObject"]).await;
    assert_eq!(code(&nobody).await, Some(ErrorCode::AccessDenied));
    let stranger = credentials("STRANGER000000000001", "secret");
    let stranger = code(&stranger).await;
    assert_eq!(stranger, Some(ErrorCode::InvalidAccessKeyId));
    let forger = credentials(&server.access_key, "another secret");
    let forger = code(&forger).await;
    assert_eq!(forger, Some(ErrorCode::SignatureDoesNotMatch));
    let at = |region: &str, ago| {
        let there = target(&server.endpoint, region);
        signed(&there, &keys(&server), "there", Timestamp::now() - ago)
    };
    let now = SignedDuration::ZERO;
    let elsewhere = client().send(&at("us-east-1", now), None).await.unwrap();
    assert_eq!(elsewhere.code, Some(ErrorCode::WrongRegion));
    assert_eq!(elsewhere.region.as_deref(), Some("eu-west-2"));
    for ago in [
        SignedDuration::from_hours(1),
        SignedDuration::from_hours(-1),
    ] {
        let asked = client().send(&at(&server.region, ago), None).await;
        assert_eq!(asked.unwrap().code, Some(ErrorCode::RequestTimeTooSkewed));
    }
}

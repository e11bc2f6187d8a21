//! Servers with odd habits: what is listed of them is what botocore lists, and each answer has its meaning.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use presigned_core::api::{AddressingStyle, GetOptions};
use presigned_core::engine::{
    CodeName, ErrorCode, KmsError, ListError, PageError, S3Method, S3Request, S3Result,
    TransportError,
};
use presigned_core::request::{Bucket, Key, Options};
use presigned_core::signing::{Endpoint, Operation, Target, presign};
use presigned_testkit::s3::{ODD_ANSWERS, ODD_KEY, ODD_LISTINGS, OddS3};
use serde_json::{Value, json};

use super::listing::request;
use super::{client, credentials};
use crate::s3::S3Client;

/// What botocore lists of each bucket, under `team-a/`.
fn botocore(endpoint: &str) -> Vec<Value> {
    let python = presigned_testkit::tools::path_of("botocore").unwrap();
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/core/tests/botocore/oracle.py");
    let mut child = Command::new(python)
        .arg(oracle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for bucket in ODD_LISTINGS {
        let case = json!({
            "endpoint": endpoint, "region": "eu-west-2", "style": "path", "access_key": "AKIA",
            "secret_key": "secret", "token": null, "signed_at": 1_767_225_600, "bucket": bucket,
            "list": "team-a/",
        });
        writeln!(stdin, "{case}").unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "botocore says why");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What cannot be whole, or cannot be read for certain: botocore does not ask.
fn refused(bucket: &str) -> Option<PageError> {
    Some(match bucket {
        "notencoded" => PageError::NotEncoded,
        "twice" => PageError::KeyRepeated,
        "v1only" => PageError::NoToken,
        "stucktoken" => PageError::TokenRepeated,
        "otherprefix" => PageError::KeyOutsidePrefix,
        _ => return None,
    })
}

#[tokio::test]
async fn odd_servers_are_listed_as_botocore_lists_them() {
    let server = OddS3::start().unwrap();
    let endpoint = server.endpoint.clone();
    let theirs = tokio::task::spawn_blocking(move || botocore(&endpoint))
        .await
        .unwrap();
    assert_eq!(theirs.len(), ODD_LISTINGS.len());
    for (bucket, theirs) in ODD_LISTINGS.iter().zip(theirs) {
        let mut request = request(&server.endpoint, credentials("AKIA", "secret"), "team-a/");
        request.bucket = Bucket::parse(bucket).unwrap();
        let ours = client().list(&request).await;
        if let Some(why) = refused(bucket) {
            assert_eq!(ours, Err(ListError::BadPage(why)), "{bucket}");
            continue;
        }
        let ours = ours.unwrap_or_else(|why| panic!("{bucket}: {why:?}"));
        let size = (*bucket != "nosize").then_some(5);
        let sizes = ours.objects.iter().map(|object| object.size);
        assert!(sizes.clone().all(|given| given == size), "{bucket}");
        let ours: Vec<&str> = ours.objects.iter().map(|o| o.key.as_str()).collect();
        assert!(!ours.is_empty(), "{bucket}");
        // botocore cannot read every date, and lists nothing of a page with one that it cannot.
        let Value::Array(theirs) = theirs else {
            assert!(bucket.starts_with("date-"), "{bucket}: {theirs}");
            continue;
        };
        let mut theirs: Vec<&str> = theirs.iter().map(|key| key.as_str().unwrap()).collect();
        theirs.sort_unstable();
        assert_eq!(ours, theirs, "{bucket}");
    }
}

async fn asked(server: &OddS3, bucket: &str, method: S3Method) -> S3Result {
    asked_by(&client(), server, bucket, method).await
}

async fn asked_by(client: &S3Client, server: &OddS3, bucket: &str, method: S3Method) -> S3Result {
    let endpoint = Endpoint::parse(&server.endpoint).unwrap();
    let bucket = Bucket::parse(bucket).unwrap();
    let target =
        Target::resolve(Some(&endpoint), "eu-west-2", AddressingStyle::Path, &bucket).unwrap();
    let options = match method {
        S3Method::Get => Options::Get(GetOptions::default()),
        S3Method::Head => Options::Head(GetOptions::default()),
    };
    let operation = Operation {
        bucket: &bucket,
        key: &Key::parse(ODD_KEY).unwrap(),
        options: &options,
    };
    let at = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let keys = credentials("AKIA", "secret");
    let signed = presign(&operation, &target, &keys, at, Duration::from_mins(5)).unwrap();
    let request = S3Request {
        method,
        url: signed.url,
        headers: signed.headers,
    };
    client.send(&request, None).await
}

#[tokio::test]
async fn odd_answers_have_their_meaning() {
    use ErrorCode as Is;
    let shown = |name| Some(Is::Other(CodeName::parse(name)));
    let server = OddS3::start().unwrap();
    let mut tried = BTreeSet::new();
    for (bucket, code) in [
        ("accountproblem", Some(Is::AccountProblem)),
        ("archived", Some(Is::InvalidObjectState)),
        ("badversion", Some(Is::InvalidArgument)),
        ("bucketnamebad", Some(Is::InvalidBucketName)),
        ("capexceeded", Some(Is::CapExceeded)),
        ("deletemarker", Some(Is::Deleted)),
        ("empty403", None),
        ("empty404", None),
        ("html403", None),
        ("infected", Some(Is::AccessDenied)),
        ("ipblocked", Some(Is::AccessDenied)),
        ("keytoolong", Some(Is::KeyTooLong)),
        ("kmsdisabled", Some(Is::Kms(KmsError::Disabled))),
        ("kmsgone", Some(Is::Kms(KmsError::InvalidState))),
        ("markerversion", Some(Is::DeleteMarker)),
        ("notimplemented", Some(Is::NotImplemented)),
        (
            "r2unauth",
            Some(Is::CredentialsRefused(CodeName::parse("Unauthorized"))),
        ),
        ("redirect301", Some(Is::WrongRegion)),
        ("redirect307", Some(Is::WrongRegion)),
        ("requesterpays", Some(Is::AccessDenied)),
        ("requesterpays-gcs", Some(Is::RequesterPays)),
        (
            "sigv2",
            Some(Is::SignatureRefused(CodeName::parse("InvalidRequest"))),
        ),
        ("sse-only-https", shown("InsecureTransport")),
        ("ssec", Some(Is::CustomerKey)),
        ("toomany", Some(Is::Unavailable)),
        ("unknowncode", shown("Teapot.Short")),
    ] {
        let answer = asked(&server, bucket, S3Method::Get).await.unwrap();
        assert_eq!(answer.code, code, "{bucket}");
        tried.insert(bucket);
    }
    for (bucket, status) in [
        ("norange", 200),
        ("notfound200", 200),
        ("nodate", 206),
        ("olddate", 206),
        ("slow3", 206),
    ] {
        let answer = asked(&server, bucket, S3Method::Get).await.unwrap();
        assert_eq!((answer.status, answer.code), (status, None), "{bucket}");
        tried.insert(bucket);
    }
    let brief = Duration::from_secs(1);
    let impatient = client().with_timeout(brief);
    let slow = asked_by(&impatient, &server, "slow8", S3Method::Get).await;
    assert_eq!(slow.unwrap_err(), TransportError::Timeout(brief));
    tried.insert("slow8");
    assert_eq!(tried, ODD_ANSWERS.iter().copied().collect(), "all of them");
}

#[tokio::test]
async fn a_head_is_sent_as_a_head() {
    let server = OddS3::start().unwrap();
    let of = async |bucket, method| asked(&server, bucket, method).await.unwrap().status;
    assert_eq!(of("normal", S3Method::Get).await, 404);
    assert_eq!(of("nohead", S3Method::Get).await, 206);
    assert_eq!(of("nohead", S3Method::Head).await, 400);
    assert_eq!(of("noetag", S3Method::Head).await, 200);
    let heads = server.requests();
    let heads = heads
        .iter()
        .filter(|request| request.method == http::Method::HEAD);
    assert_eq!(heads.count(), 2);
    // What only a header tells.
    let marker = asked(&server, "markerversion", S3Method::Head)
        .await
        .unwrap();
    assert_eq!(marker.code, Some(ErrorCode::DeleteMarker));
}

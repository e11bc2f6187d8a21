//! Servers with odd habits: what is listed of them is what botocore lists.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use presigned_core::engine::{ListError, PageError};
use presigned_core::request::Bucket;
use presigned_testkit::s3::{ODD_LISTINGS, OddS3};
use serde_json::{Value, json};

use super::listing::request;
use super::{client, credentials};

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

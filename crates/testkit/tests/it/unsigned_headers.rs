//! What servers do with `x-amz-*` headers that a client adds to a presigned URL and that nobody signed: the
//! table in docs/security.md. A new release of a server that does something else is seen here first.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use presigned_testkit::s3::S3Server;
use presigned_testkit::s3::client::{self, Keys, Signer, element};
use serde_json::json;

/// A URL of `method` that signs `host` alone, used with one header more.
async fn use_url(
    signer: &Signer,
    method: Method,
    url: &str,
    unsigned: Option<(&str, &str)>,
    body: &'static str,
) -> Response<Bytes> {
    let uri = signer.presign(&method, url, &[], Duration::from_mins(1));
    let mut request = Request::builder().method(method).uri(uri.expect("sign"));
    if let Some((name, value)) = unsigned {
        request = request.header(name, value);
    }
    let request = request.body(Full::from(body)).expect("a request");
    client::send(request, None).await.expect("an answer")
}

/// What an answer says, as far as the operator looks at it.
fn said(answer: &Response<Bytes>) -> String {
    let text = String::from_utf8_lossy(answer.body());
    let code = element(&text, "Code").unwrap_or_default();
    let named = match element(&text, "HeadersNotSigned") {
        Some(_) => " HeadersNotSigned",
        None => "",
    };
    format!("{} {code}{named}", answer.status().as_u16())
}

/// What became of an upload with the header: the object as it is read afterwards, its header `seen`, and its
/// tags.
async fn upload(server: &S3Server, header: (&str, &str)) -> String {
    server
        .put_object("models", "secret", "secret")
        .expect("put");
    server.put_object("models", "up", "before").expect("put");
    let (signer, url) = (server.signer(), server.url("models", "up"));
    let body = match header.0 {
        "x-amz-copy-source" => "",
        _ => "after",
    };
    let answer = use_url(&signer, Method::PUT, &url, Some(header), body).await;
    if answer.status() != StatusCode::OK {
        let kept = server.object_bytes("models", "up").expect("read");
        assert_eq!(
            kept.as_deref(),
            Some(b"before".as_slice()),
            "refused and written"
        );
        return said(&answer);
    }
    let head = signer
        .send(Method::HEAD, &url, &[], "")
        .await
        .expect("an answer");
    let tags = signer
        .send(Method::GET, &format!("{url}?tagging"), &[], "")
        .await;
    let tags = String::from_utf8_lossy(tags.expect("an answer").body()).into_owned();
    let object = server.object_bytes("models", "up").expect("read");
    if object.as_deref() == Some(b"secret") {
        "copied".to_owned()
    } else if head.headers().contains_key(header.0) || element(&tags, "Key") == Some("a") {
        "taken".to_owned()
    } else {
        "ignored".to_owned()
    }
}

async fn uploads(server: &S3Server) -> Vec<String> {
    let mut all = Vec::new();
    for header in [
        ("x-amz-copy-source", "/models/secret"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-acl", "public-read"),
        ("x-amz-website-redirect-location", "https://example.com"),
        ("x-amz-meta-a", "b"),
    ] {
        all.push(upload(server, header).await);
    }
    all
}

/// The URL of an object under governance retention, and that of its version if the server has versions.
async fn retained(server: &S3Server) -> (String, Option<String>) {
    let (signer, bucket) = (server.signer(), format!("{}/locked", server.endpoint));
    let lock = [("x-amz-bucket-object-lock-enabled", "true")];
    let made = signer.send(Method::PUT, &bucket, &lock, "").await;
    let made = made.expect("an answer").status();
    assert!(
        made == StatusCode::OK || made == StatusCode::CONFLICT,
        "{made}"
    );
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let until = until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let retention = [
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-object-lock-retain-until-date", until.as_str()),
        // S3 wants a checksum where there is a lock: that of `kept`.
        ("content-md5", "TYtghPPRZ7dsrGaiKpG+Ag=="),
    ];
    let url = server.url("locked", "kept");
    let put = signer.send(Method::PUT, &url, &retention, "kept").await;
    let put = put.expect("an answer");
    assert_eq!(said(&put), "200 ");
    let version = put.headers().get("x-amz-version-id");
    let version = version.and_then(|version| version.to_str().ok());
    let version = version.map(|version| format!("{url}?versionId={version}"));
    (url, version)
}

/// What a DELETE with the bypass header, signed by `keys`, does to an object under governance retention.
async fn bypass(server: &S3Server, keys: Keys) -> String {
    let signer = server.signer();
    let (url, version) = retained(server).await;
    let url = version.unwrap_or(url);
    let deleter = server.signer_of(keys);
    let delete = use_url(&deleter, Method::DELETE, &url, None, "").await;
    if delete.status().is_success() {
        return "no locks".to_owned();
    }
    let header = ("x-amz-bypass-governance-retention", "true");
    let delete = use_url(&deleter, Method::DELETE, &url, Some(header), "").await;
    let left = signer
        .send(Method::GET, &url, &[], "")
        .await
        .expect("an answer");
    match left.status() {
        StatusCode::OK => said(&delete),
        _ => "deleted".to_owned(),
    }
}

/// What a GET of a key that does not exist is answered: as it is, with an unsigned header that means
/// something to an upload, with one that means nothing, and with one of metadata.
async fn probes(server: &S3Server, keys: Keys) -> [String; 4] {
    let (signer, url) = (server.signer_of(keys), server.url("models", "none-8f2c"));
    let ask = async |header| said(&use_url(&signer, Method::GET, &url, header, "").await);
    [
        ask(None).await,
        ask(Some(("x-amz-tagging", "a=b"))).await,
        ask(Some(("x-amz-probe-8f2c", "1"))).await,
        ask(Some(("x-amz-meta-probe", "1"))).await,
    ]
}

#[tokio::test]
async fn s3s_takes_every_unsigned_header() {
    let server = S3Server::s3s_fs().expect("a server");
    // It knows no tags and no ACLs.
    let took = ["copied", "ignored", "ignored", "taken", "taken"];
    assert_eq!(uploads(&server).await, took);
    assert_eq!(bypass(&server, server.keys()).await, "no locks");
    let missing = "404 NoSuchKey";
    assert_eq!(probes(&server, server.keys()).await, [missing; 4]);
}

#[tokio::test]
async fn versitygw_names_each_header_that_is_not_signed() {
    let server = S3Server::versitygw().await.expect("a server");
    let refused = "403 AccessDenied HeadersNotSigned";
    assert_eq!(uploads(&server).await, [refused; 5]);
    assert_eq!(bypass(&server, server.keys()).await, refused);
    let missing = "404 NoSuchKey";
    let answers = probes(&server, server.keys()).await;
    assert_eq!(answers, [missing, refused, refused, refused]);

    // Without the right to list, or to read at all, it still says which header it is.
    for (action, plain) in [
        ("s3:GetObject", missing),
        ("s3:PutObject", "403 AccessDenied"),
    ] {
        let name = action.replace(':', "-");
        let user = server.add_account(&name, "account-secret").await;
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "AWS": [name] },
            "Action": action, "Resource": "arn:aws:s3:::models/*",
        }] });
        let url = format!("{}/models?policy", server.endpoint);
        let signer = server.signer();
        let put = signer.send(Method::PUT, &url, &[], policy.to_string());
        assert!(put.await.expect("an answer").status().is_success());
        let answers = probes(&server, user.expect("an account")).await;
        assert_eq!(answers, [plain, refused, refused, refused]);
    }
}

#[tokio::test]
async fn minio_refuses_unsigned_metadata_and_takes_all_else() {
    let server = S3Server::minio().await.expect("a server");
    // It has no ACLs.
    let meta = "400 AccessDenied";
    let took = ["copied", "taken", "ignored", "ignored", meta];
    assert_eq!(uploads(&server).await, took);
    assert_eq!(bypass(&server, server.keys()).await, "deleted");

    // A probe with x-amz-meta-* would take it for a server that refuses.
    let missing = "404 NoSuchKey";
    let found = [missing, missing, missing, meta];
    assert_eq!(probes(&server, server.keys()).await, found);
    let session = async |action: &str| {
        let policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::*" },
        ] });
        let policy = policy.to_string();
        let lifetime = Duration::from_mins(15);
        let session = server
            .assume_role(&server.keys(), Some(&policy), lifetime)
            .await;
        session.expect("a session")
    };
    // It tells a missing key to those who may not list; to those who may not read, nothing tells the two
    // apart.
    assert_eq!(probes(&server, session("s3:GetObject").await).await, found);
    let denied = "403 AccessDenied";
    let blind = probes(&server, session("s3:PutObject").await).await;
    assert_eq!(blind, [denied, denied, denied, meta]);
    // The bypass takes a right of its own.
    assert_eq!(bypass(&server, session("s3:Delete*").await).await, denied);
    assert_eq!(bypass(&server, session("s3:*").await).await, "deleted");
}

#[tokio::test]
async fn a_delete_that_names_no_version_removes_none_whatever_header_goes_along() {
    let server = S3Server::minio().await.expect("a server");
    let (url, version) = retained(&server).await;
    let version = version.expect("a server with versions");
    let signer = server.signer();
    let header = ("x-amz-bypass-governance-retention", "true");
    for header in [None, Some(header)] {
        use_url(&signer, Method::DELETE, &url, header, "").await;
        let left = use_url(&signer, Method::GET, &version, None, "").await;
        assert_eq!(left.status(), StatusCode::OK, "the version is still there");
    }
    let gone = use_url(&signer, Method::GET, &url, None, "").await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND, "a marker hides it");
}

#[tokio::test]
async fn a_session_for_the_object_takes_the_reach_from_an_unsigned_copy_source() {
    let server = S3Server::minio().await.expect("a server");
    server
        .put_object("models", "secret", "secret")
        .expect("put");
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::models/up" },
    ] });
    let lifetime = Duration::from_mins(15);
    let session = server
        .assume_role(&server.keys(), Some(&policy.to_string()), lifetime)
        .await
        .expect("a session");
    let (signer, url) = (server.signer_of(session), server.url("models", "up"));
    let put = use_url(&signer, Method::PUT, &url, None, "mine").await;
    assert_eq!(put.status(), StatusCode::OK);
    let copy = Some(("x-amz-copy-source", "/models/secret"));
    let put = use_url(&signer, Method::PUT, &url, copy, "").await;
    assert_eq!(said(&put), "403 AccessDenied");
    let object = server.object_bytes("models", "up").expect("read");
    assert_eq!(object.as_deref(), Some(b"mine".as_slice()));
    // What stays is what the object itself can be given: MinIO asks for no right of its own to tag an upload.
    let tags = Some(("x-amz-tagging", "a=b"));
    let put = use_url(&signer, Method::PUT, &url, tags, "mine").await;
    assert_eq!(put.status(), StatusCode::OK);
}

//! The proxy in front of an S3 server injects the faults that it is given, and passes on everything else
//! unchanged.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp};
use presigned_testkit::s3::client::{self, element};
use presigned_testkit::s3::{FaultyS3Proxy, RequestKind, S3Fault, S3Server};

use super::PATIENCE;

/// Asks through the proxy, with a signature in the headers.
async fn ask(
    server: &S3Server,
    proxy: &FaultyS3Proxy,
    method: Method,
    path: &str,
) -> anyhow::Result<Response<Bytes>> {
    let url = format!("{}{path}", proxy.endpoint);
    server.signer().send(method, &url, &[], "").await
}

async fn get(server: &S3Server, proxy: &FaultyS3Proxy) -> Response<Bytes> {
    let answer = ask(server, proxy, Method::GET, "/models/a%20b%2Bc").await;
    answer.expect("an answer")
}

fn text(answer: &Response<Bytes>) -> String {
    String::from_utf8_lossy(answer.body()).into_owned()
}

#[tokio::test]
async fn signatures_hold_through_the_proxy() {
    for server in [
        S3Server::s3s_fs().expect("a server"),
        S3Server::s3s_fs_tls().expect("a server"),
        S3Server::versitygw().await.expect("a server"),
        S3Server::minio().await.expect("a server"),
    ] {
        server.put_object("models", "a b+c", "hello").expect("put");
        let proxy = FaultyS3Proxy::before(&server).expect("a proxy");
        let answer = get(&server, &proxy).await;
        assert_eq!(answer.status(), StatusCode::OK, "{server:?}");
        assert_eq!(answer.body().as_ref(), b"hello");

        let url = format!("{}/models/up", proxy.endpoint);
        let signer = server.signer();
        let put = signer.presign(&Method::PUT, &url, &[], Duration::from_mins(1));
        let put = http::Request::put(put.expect("sign")).body(Full::from("there"));
        let answer = client::send(put.expect("a request"), None).await;
        assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
        let object = server.object_bytes("models", "up").expect("read");
        assert_eq!(object.as_deref(), Some(b"there".as_slice()));

        assert_eq!(proxy.count(RequestKind::Get), 1);
        assert_eq!(proxy.count(RequestKind::Put), 1);
        for seen in proxy.requests() {
            assert_eq!(seen.access_key.as_deref(), Some(&*server.access_key));
        }
    }
}

#[tokio::test]
async fn the_proxy_speaks_tls_if_it_is_asked_to() {
    let server = S3Server::s3s_fs().expect("a server");
    server.put_object("models", "key", "hello").expect("put");
    let proxy = FaultyS3Proxy::before_with_tls(&server).expect("a proxy");
    let url = format!("{}/models/key", proxy.endpoint);
    let lifetime = Duration::from_mins(1);
    let url = server.signer().presign(&Method::GET, &url, &[], lifetime);
    let request = http::Request::get(url.expect("sign")).body(Full::default());
    let answer = client::send(request.expect("a request"), proxy.ca_pem.as_deref()).await;
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn the_clock_is_as_far_off_as_it_was_set() {
    let server = S3Server::s3s_fs().expect("a server");
    server.put_object("models", "a b+c", "hello").expect("put");
    let proxy = FaultyS3Proxy::before(&server).expect("a proxy");
    for minutes in [0, 10, -600] {
        let ahead = SignedDuration::from_mins(minutes);
        proxy.set_clock_ahead(ahead);
        let answer = get(&server, &proxy).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let date = answer.headers()[header::DATE].to_str().expect("a text");
        let date = jiff::fmt::rfc2822::parse(date).expect("a date").timestamp();
        let off = date.duration_since(Timestamp::now() + ahead);
        assert!(off.abs() < SignedDuration::from_secs(30), "{off:#} off");
    }
}

#[tokio::test]
async fn errors_are_made_until_the_faults_are_cleared() {
    let server = S3Server::s3s_fs().expect("a server");
    server.put_object("models", "a b+c", "hello").expect("put");
    let proxy = FaultyS3Proxy::before(&server).expect("a proxy");
    let busy = S3Fault::Error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown");
    proxy.inject_times(RequestKind::Get, busy, 1);
    let answer = get(&server, &proxy).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(element(&text(&answer), "Code"), Some("SlowDown"));
    assert_eq!(get(&server, &proxy).await.status(), StatusCode::OK);

    proxy.inject(None, S3Fault::WrongRegion("eu-north-1".to_owned()));
    let answer = get(&server, &proxy).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let wrong = text(&answer);
    assert_eq!(
        element(&wrong, "Code"),
        Some("AuthorizationHeaderMalformed")
    );
    assert_eq!(element(&wrong, "Region"), Some("eu-north-1"));
    assert_eq!(answer.headers()["x-amz-bucket-region"], "eu-north-1");

    proxy.inject(None, S3Fault::Redirect("eu-north-1".to_owned()));
    let answer = ask(&server, &proxy, Method::HEAD, "/models").await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), StatusCode::MOVED_PERMANENTLY);
    assert_eq!(answer.headers()["x-amz-bucket-region"], "eu-north-1");
    assert!(answer.body().is_empty());

    proxy.inject(None, S3Fault::Cut);
    let cut = ask(&server, &proxy, Method::GET, "/models/key").await;
    assert!(cut.is_err(), "{cut:?}");
    proxy.clear_faults();
    assert_eq!(get(&server, &proxy).await.status(), StatusCode::OK);
    // One download and the failures before it reached the server; what was made here did not.
    assert_eq!(server.requests().expect("requests").len(), 2);
}

#[tokio::test]
async fn a_hanging_request_is_seen_and_not_answered() {
    let server = S3Server::s3s_fs().expect("a server");
    let proxy = FaultyS3Proxy::before(&server).expect("a proxy");
    proxy.inject(RequestKind::Head, S3Fault::Hang);
    let asked = ask(&server, &proxy, Method::HEAD, "/models/key");
    let seen = proxy.wait_for(RequestKind::Head, 1, PATIENCE);
    tokio::select! {
        answer = asked => panic!("it was answered: {answer:?}"),
        seen = seen => assert!(seen),
    }
    assert!(server.requests().expect("requests").is_empty());
}

/// The keys of all pages, or of those before the first that fails.
async fn list(server: &S3Server, proxy: &FaultyS3Proxy) -> (Vec<String>, Result<(), String>) {
    let mut keys = Vec::new();
    let mut token = String::new();
    loop {
        let path = format!("/models?list-type=2&max-keys=2&prefix=a{token}");
        let page = match ask(server, proxy, Method::GET, &path).await {
            Ok(page) if page.status() == StatusCode::OK => text(&page),
            Ok(failed) => {
                let code = element(&text(&failed), "Code").map(str::to_owned);
                return (keys, Err(code.unwrap_or_default()));
            }
            Err(_) => return (keys, Err("cut".to_owned())),
        };
        keys.extend(page.split("<Key>").skip(1).map(|rest| {
            let (key, _) = rest.split_once("</Key>").expect("a key's end");
            key.to_owned()
        }));
        let Some(next) = element(&page, "NextContinuationToken") else {
            return (keys, Ok(()));
        };
        "&continuation-token=".clone_into(&mut token);
        token.extend(next.bytes().map(|byte| format!("%{byte:02X}")));
    }
}

async fn a_listing_is_cut_after_a_page(server: &S3Server) {
    for key in ["a1", "a2", "a3", "a4", "a5"] {
        server.put_object("models", key, "x").expect("put");
    }
    let proxy = FaultyS3Proxy::before(server).expect("a proxy");
    let (keys, end) = list(server, &proxy).await;
    assert_eq!((keys.len(), end), (5, Ok(())));
    assert_eq!(proxy.count(RequestKind::List), 3);

    let error = S3Fault::Error(StatusCode::FORBIDDEN, "AccessDenied");
    for (then, told) in [
        (error, "AccessDenied"),
        (S3Fault::Cut, "cut"),
        (S3Fault::TruncatedResponse, "cut"),
    ] {
        proxy.clear_faults();
        let then = Box::new(then);
        proxy.inject(RequestKind::List, S3Fault::AfterPages { pages: 1, then });
        // Twice: a new listing starts at its first page.
        for _ in 0..2 {
            let (keys, end) = list(server, &proxy).await;
            assert_eq!(keys, ["a1", "a2"]);
            assert_eq!(end, Err(told.to_owned()));
        }
    }
}

#[tokio::test]
async fn a_listing_of_versitygw_is_cut_after_a_page() {
    a_listing_is_cut_after_a_page(&S3Server::versitygw().await.expect("a server")).await;
}

#[tokio::test]
async fn a_listing_of_minio_is_cut_after_a_page() {
    a_listing_is_cut_after_a_page(&S3Server::minio().await.expect("a server")).await;
}

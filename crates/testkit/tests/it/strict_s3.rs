//! The strict proxy refuses what AWS refuses, and what it takes is what the server behind it takes.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use presigned_testkit::s3::client::{self, element};
use presigned_testkit::s3::{S3Server, StrictS3};

const LIFE: Duration = Duration::from_mins(1);

struct Scene {
    server: S3Server,
    strict: StrictS3,
}

impl Scene {
    fn new() -> Self {
        let server = S3Server::s3s_fs().expect("a server");
        server.put_object("data", "a b", "hello").expect("put");
        let strict = StrictS3::before(&server).expect("a proxy");
        Self { server, strict }
    }

    fn url(&self) -> String {
        format!("{}/data/a%20b", self.strict.endpoint)
    }

    /// Uses a URL that is signed `of` a method with another method, and with headers that nobody signed.
    async fn use_url(
        &self,
        of: &Method,
        method: Method,
        headers: &[(&str, &str)],
    ) -> Response<Bytes> {
        let signer = self.server.signer();
        let uri = signer.presign(of, &self.url(), &[], LIFE);
        let mut request = Request::builder().method(method).uri(uri.expect("sign"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from("body")).expect("a request");
        client::send(request, None).await.expect("an answer")
    }
}

/// Status and code of an answer.
fn said(answer: &Response<Bytes>) -> String {
    let text = String::from_utf8_lossy(answer.body());
    let code = element(&text, "Code").unwrap_or_default();
    format!("{} {code}", answer.status().as_u16())
}

#[tokio::test]
async fn what_aws_takes_is_passed_on() {
    let scene = Scene::new();
    let got = scene.use_url(&Method::GET, Method::GET, &[]).await;
    assert_eq!(got.body().as_ref(), b"hello");
    let put = scene.use_url(&Method::PUT, Method::PUT, &[]).await;
    assert_eq!(said(&put), "200 ");
    let object = scene.server.object_bytes("data", "a b").expect("read");
    assert_eq!(object.as_deref(), Some(&b"body"[..]));
    let signer = scene.server.signer();
    let listed = format!("{}/data?list-type=2&prefix=a%20", scene.strict.endpoint);
    let listed = signer.send(Method::GET, &listed, &[], "").await;
    assert_eq!(said(&listed.expect("an answer")), "200 ");
    // What is signed may be sent.
    let meta = [("x-amz-meta-a", "b")];
    let put = signer
        .send(Method::PUT, &scene.url(), &meta, "signed")
        .await;
    assert_eq!(said(&put.expect("an answer")), "200 ");
    // Nobody's request, and a session's that is not known here, are the server's to answer.
    let bare = Request::get(scene.url()).body(Full::default());
    let bare = client::send(bare.expect("a request"), None).await;
    assert_eq!(bare.expect("an answer").status(), 403);
    assert_eq!(scene.strict.refusals(), []);
}

#[tokio::test]
async fn a_url_with_another_authorization_a_header_that_is_not_signed_or_another_method_is_refused()
{
    let scene = Scene::new();
    let get = &Method::GET;
    let two = [("authorization", "Bearer x")];
    let two = scene.use_url(get, Method::GET, &two).await;
    assert_eq!(said(&two), "400 InvalidArgument");
    let unsigned = [("x-amz-meta-a", "b"), ("x-amz-tagging", "c=d")];
    let unsigned = scene.use_url(get, Method::GET, &unsigned).await;
    assert_eq!(said(&unsigned), "403 AccessDenied");
    let text = String::from_utf8_lossy(unsigned.body());
    let named = element(&text, "HeadersNotSigned");
    assert_eq!(named, Some("x-amz-meta-a, x-amz-tagging"));
    let head = scene.use_url(get, Method::HEAD, &[]).await;
    assert_eq!(said(&head), "403 ", "an answer to HEAD has no body");
    let delete = scene.use_url(get, Method::DELETE, &[]).await;
    assert_eq!(said(&delete), "403 SignatureDoesNotMatch");
    let object = scene.server.object_bytes("data", "a b").expect("read");
    assert!(object.is_some());
    let paths = scene.strict.refusals();
    assert!(
        paths.iter().all(|one| one.path == "/data/a%20b"),
        "{paths:?}"
    );
    assert_eq!(paths.len(), 4);
}

#[tokio::test]
async fn a_signature_for_another_region_and_a_bucket_of_another_region_are_told_the_right_one() {
    let scene = Scene::new();
    let mut signer = scene.server.signer();
    signer.region = "us-east-1".to_owned();
    let asked = signer.send(Method::GET, &scene.url(), &[], "").await;
    let asked = asked.expect("an answer");
    assert_eq!(said(&asked), "400 AuthorizationHeaderMalformed");
    assert_eq!(
        asked.headers()["x-amz-bucket-region"],
        scene.server.region.as_str()
    );
    let uri = signer.presign(&Method::GET, &scene.url(), &[], LIFE);
    let request = Request::get(uri.expect("sign")).body(Full::default());
    let asked = client::send(request.expect("a request"), None).await;
    let asked = asked.expect("an answer");
    assert_eq!(said(&asked), "400 AuthorizationQueryParametersError");
    let text = String::from_utf8_lossy(asked.body());
    assert_eq!(element(&text, "Region"), Some(scene.server.region.as_str()));

    scene.strict.move_bucket("data", "ap-southeast-2");
    let moved = scene.use_url(&Method::GET, Method::GET, &[]).await;
    assert_eq!(said(&moved), "301 PermanentRedirect");
    assert_eq!(moved.headers()["x-amz-bucket-region"], "ap-southeast-2");
    assert!(
        !moved.headers().contains_key("location"),
        "AWS names the endpoint in the body alone"
    );
}

#[tokio::test]
async fn a_form_is_refused_only_if_that_is_asked() {
    let scene = Scene::new();
    let send = async || {
        let request = Request::post(format!("{}/data", scene.strict.endpoint))
            .header("content-type", "multipart/form-data; boundary=x")
            .body(Full::from("--x--\r\n"));
        let answer = client::send(request.expect("a request"), None).await;
        said(&answer.expect("an answer"))
    };
    assert_ne!(
        send().await,
        "501 NotImplemented",
        "the server behind answers"
    );
    assert_eq!(scene.strict.refusals(), []);
    scene.strict.refuse_forms();
    assert_eq!(send().await, "501 NotImplemented");
}

#[tokio::test]
async fn cors_rules_need_a_checksum_and_expose_what_they_say_alone() {
    let server = S3Server::versitygw().await.expect("a server");
    server.put_object("data", "a b", "hello").expect("put");
    let scene = Scene {
        strict: StrictS3::before(&server).expect("a proxy"),
        server,
    };
    let signer = scene.server.signer();
    let url = format!("{}/data?cors=", scene.strict.endpoint);
    let page = [("origin", "https://app.example")];
    for exposes in ["", "<ExposeHeader>ETag</ExposeHeader>"] {
        let rules = format!(
            "<CORSConfiguration><CORSRule><AllowedOrigin>https://app.example</AllowedOrigin>\
             <AllowedMethod>GET</AllowedMethod>{exposes}</CORSRule></CORSConfiguration>"
        );
        let put = signer.send(Method::PUT, &url, &[], rules.clone()).await;
        assert_eq!(said(&put.expect("an answer")), "400 InvalidRequest");
        let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, rules.as_bytes());
        let sum = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sum);
        let sum = [("x-amz-checksum-sha256", sum.as_str())];
        let put = signer.send(Method::PUT, &url, &sum, rules).await;
        assert_eq!(said(&put.expect("an answer")), "200 ");

        let got = scene.use_url(&Method::GET, Method::GET, &page).await;
        let read = got.headers().get("access-control-expose-headers");
        assert_eq!(read.is_some(), !exposes.is_empty(), "{:?}", got.headers());
        // A page may read what the proxy refuses as well.
        let unsigned = [page[0], ("x-amz-meta-a", "b")];
        let refused = scene.use_url(&Method::GET, Method::GET, &unsigned).await;
        assert_eq!(said(&refused), "403 AccessDenied");
        let origin = &refused.headers()["access-control-allow-origin"];
        assert_eq!(origin, "https://app.example");
    }
}

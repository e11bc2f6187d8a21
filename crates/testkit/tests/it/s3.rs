//! The S3 servers check signatures, and objects are files.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use presigned_testkit::s3::{S3Server, Trouble};
use presigned_testkit::tls;

/// A presigned URL of `method` on `url` that lives for a minute.
fn presigned(server: &S3Server, method: &Method, url: &str) -> http::Uri {
    let credentials = Credentials::new(&server.access_key, &server.secret_key, None, None, "test");
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_mins(1));
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&server.region)
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .expect("signing parameters")
        .into();
    let request = SignableRequest::new(
        method.as_str(),
        url,
        std::iter::empty(),
        SignableBody::UnsignedPayload,
    );
    let signed = sign(request.expect("a request"), &params).expect("sign");
    let mut request = http::Request::builder()
        .method(method)
        .uri(url)
        .body(())
        .expect("a request");
    signed.into_parts().0.apply_to_request_http1x(&mut request);
    request.uri().clone()
}

async fn send(
    server: &S3Server,
    method: Method,
    uri: http::Uri,
    body: &'static str,
) -> (StatusCode, Bytes) {
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls::client_config(server.ca_pem.as_deref()).expect("TLS"))
        .https_or_http()
        .enable_http1()
        .build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let request = http::Request::builder()
        .method(method)
        .uri(uri)
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .expect("a request");
    let response = client.request(request).await.expect("an answer");
    let status = response.status();
    (
        status,
        response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes(),
    )
}

/// What both servers must do.
async fn fetches_uploads_and_refuses(server: &S3Server) {
    server
        .put_object("models", "a/b.bin", "hello")
        .expect("put");
    let url = format!("{}/models/a/b.bin", server.endpoint);
    let get = presigned(server, &Method::GET, &url);
    let (status, body) = send(server, Method::GET, get.clone(), "").await;
    assert_eq!(
        (status, body.as_ref()),
        (StatusCode::OK, b"hello".as_slice())
    );
    assert_eq!(
        send(server, Method::HEAD, get, "").await.0,
        StatusCode::FORBIDDEN
    );
    let unsigned = url.parse().expect("a URI");
    assert_eq!(
        send(server, Method::GET, unsigned, "").await.0,
        StatusCode::FORBIDDEN
    );

    let url = format!("{}/models/up.bin", server.endpoint);
    let put = presigned(server, &Method::PUT, &url);
    assert_eq!(
        send(server, Method::PUT, put, "there").await.0,
        StatusCode::OK
    );
    let object = server.object_bytes("models", "up.bin").expect("read");
    assert_eq!(object.as_deref(), Some(b"there".as_slice()));
    assert_eq!(server.object_bytes("models", "none").expect("read"), None);
}

#[tokio::test]
async fn s3s_fs_checks_signatures() {
    fetches_uploads_and_refuses(&S3Server::s3s_fs().expect("a server")).await;
}

#[tokio::test]
async fn s3s_fs_speaks_tls_under_its_own_authority() {
    let server = S3Server::s3s_fs_tls().expect("a server");
    assert!(server.endpoint.starts_with("https://"));
    fetches_uploads_and_refuses(&server).await;
}

#[tokio::test]
async fn versitygw_checks_signatures() {
    fetches_uploads_and_refuses(&S3Server::versitygw().await.expect("a server")).await;
}

#[tokio::test]
async fn a_bucket_in_the_hosts_name_is_found() {
    let server = S3Server::s3s_fs().expect("a server");
    server.put_object("models", "key", "hello").expect("put");
    let url = format!("http://models.localhost:{}/key", server.port());
    let signed = presigned(&server, &Method::GET, &url);
    // Asked at the address, so that the test needs no resolver.
    let query = signed.path_and_query().expect("a query").clone();
    let connection = tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await;
    let io = hyper_util::rt::TokioIo::new(connection.expect("connect"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io)
        .await
        .expect("shake hands");
    tokio::spawn(connection);
    let request = http::Request::get(query)
        .header(
            http::header::HOST,
            format!("models.localhost:{}", server.port()),
        )
        .body(Full::<Bytes>::default())
        .expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let requests = server.requests().expect("requests");
    assert_eq!(requests[0].path, "/key");
    assert_eq!(requests[0].status, StatusCode::OK);
}

#[tokio::test]
async fn credentials_can_be_ended_and_the_server_broken() {
    let server = S3Server::s3s_fs().expect("a server");
    server.put_object("models", "key", "hello").expect("put");
    let url = format!("{}/models/key", server.endpoint);
    let get = presigned(&server, &Method::GET, &url);
    let trouble = Trouble::Status(StatusCode::SERVICE_UNAVAILABLE);
    server.set_trouble(trouble).expect("break it");
    let (status, _) = send(&server, Method::GET, get.clone(), "").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    server.set_trouble(Trouble::None).expect("mend it");
    server
        .remove_credentials(&server.access_key)
        .expect("end the key pair");
    assert_eq!(
        send(&server, Method::GET, get.clone(), "").await.0,
        StatusCode::FORBIDDEN
    );
    server
        .add_credentials(&server.access_key, &server.secret_key)
        .expect("bring it back");
    assert_eq!(send(&server, Method::GET, get, "").await.0, StatusCode::OK);
}

#[test]
fn an_object_outside_the_root_is_refused() {
    let server = S3Server::s3s_fs().expect("a server");
    for key in ["../x", "a/../../x"] {
        let put = server.put_object("models", key, "no");
        assert!(put.is_err(), "{key} was put");
    }
}

//! The S3 servers check signatures, and objects are files.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::Full;
use presigned_testkit::s3::client::{self, Signer};
use presigned_testkit::s3::{Gateway, S3Server, Trouble};
use serde_json::json;

/// A presigned URL of `method` on `url` that lives for a minute.
fn presigned(server: &S3Server, method: &Method, url: &str) -> http::Uri {
    let lifetime = Duration::from_mins(1);
    let signed = server.signer().presign(method, url, &[], lifetime);
    signed.expect("sign")
}

async fn send(
    server: &S3Server,
    method: Method,
    uri: http::Uri,
    body: &'static str,
) -> (StatusCode, Bytes) {
    let request = http::Request::builder()
        .method(method)
        .uri(uri)
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .expect("a request");
    let answer = client::send(request, server.ca_pem.as_deref()).await;
    let answer = answer.expect("an answer");
    (answer.status(), answer.into_body())
}

/// What every server must do.
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
async fn minio_checks_signatures() {
    fetches_uploads_and_refuses(&S3Server::minio().await.expect("a server")).await;
}

/// What `signer` is answered, in one word where it is an error.
async fn answer_to(
    signer: &Signer,
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, String) {
    let answer = signer.send(method, url, headers, "").await;
    let answer = answer.expect("an answer");
    let text = String::from_utf8_lossy(answer.body());
    let code = client::element(&text, "Code").unwrap_or_default();
    (answer.status(), code.to_owned())
}

#[tokio::test]
async fn a_user_of_minio_has_the_rights_of_its_policy_and_no_more() {
    let server = S3Server::minio().await.expect("a server");
    server
        .put_object("models", "a b+c/ä", "hello")
        .expect("put");
    server.put_object("other", "key", "no").expect("put");
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/*" },
    ] });
    let user = server
        .add_user("AKIAUSER", "user-secret-key", &policy.to_string())
        .await
        .expect("a user");
    let user = server.signer_of(user);

    let url = server.url("models", "a b+c/ä");
    let allowed = answer_to(&user, Method::GET, &url, &[]).await;
    assert_eq!(allowed.0, StatusCode::OK);
    let denied = (StatusCode::FORBIDDEN, "AccessDenied".to_owned());
    let other = server.url("other", "key");
    assert_eq!(answer_to(&user, Method::GET, &other, &[]).await, denied);
    assert_eq!(answer_to(&user, Method::PUT, &url, &[]).await, denied);
    let objects = ["a b+c/ä", "none"].map(|key| server.object_bytes("models", key).expect("read"));
    assert_eq!(objects, [Some(b"hello".to_vec()), None]);
}

#[tokio::test]
async fn a_session_reaches_no_other_key_and_copies_from_none() {
    let server = S3Server::minio().await.expect("a server");
    for key in ["mine", "other"] {
        server.put_object("models", key, key).expect("put");
    }
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:PutObject"],
        "Resource": "arn:aws:s3:::models/mine",
    }] });
    let session = server
        .assume_role(
            &server.keys(),
            Some(&policy.to_string()),
            Duration::from_mins(15),
        )
        .await
        .expect("a session");
    assert!(session.token.is_some());
    let session = server.signer_of(session);

    let [mine, other] = ["mine", "other"].map(|key| server.url("models", key));
    assert_eq!(
        answer_to(&session, Method::GET, &mine, &[]).await.0,
        StatusCode::OK
    );
    assert_eq!(
        answer_to(&session, Method::PUT, &mine, &[]).await.0,
        StatusCode::OK
    );
    let denied = (StatusCode::FORBIDDEN, "AccessDenied".to_owned());
    assert_eq!(answer_to(&session, Method::GET, &other, &[]).await, denied);
    let copy = [("x-amz-copy-source", "/models/other")];
    assert_eq!(answer_to(&session, Method::PUT, &mine, &copy).await, denied);
    // The same copy with the whole right of who asked for the session: the policy is what stopped it.
    let whole = server
        .assume_role(&server.keys(), None, Duration::from_mins(15))
        .await
        .expect("a session");
    let whole = server.signer_of(whole);
    assert_eq!(
        answer_to(&whole, Method::PUT, &mine, &copy).await.0,
        StatusCode::OK
    );
    let copied = server.object_bytes("models", "mine").expect("read");
    assert_eq!(copied.as_deref(), Some(b"other".as_slice()));
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
    server.set_trouble(Trouble::None).expect("repair it");
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

/// One address of a gateway, and where the object `models/a/b.bin` is there.
async fn signs_over_its_path(gateway: &Gateway, server: &S3Server, object: &str) {
    let url = format!("{}{object}", gateway.endpoint);
    let get = presigned(server, &Method::GET, &url);
    let (status, body) = send(server, Method::GET, get.clone(), "").await;
    assert_eq!(status, StatusCode::OK, "{body:?}");
    assert_eq!(body, "hello");
    let signer = server.signer();
    let listing = url.replace("a/b.bin", "?list-type=2&prefix=a%2F");
    let listed = signer
        .send(Method::GET, &listing, &[], "")
        .await
        .expect("send");
    assert_eq!(listed.status(), StatusCode::OK, "{listed:?}");
    // What was signed for the server's own address is refused here.
    let own = presigned(server, &Method::GET, &server.url("models", "a/b.bin"));
    let forged = format!("{url}?{}", own.query().expect("a query"));
    let forged = forged.parse().expect("a URI");
    assert_eq!(send(server, Method::GET, forged, "").await.0, 403);
    let get = get.to_string().replace("b.bin", "c.bin");
    let forged = get.parse().expect("a URI");
    assert_eq!(send(server, Method::GET, forged, "").await.0, 403);
    assert_eq!(gateway.requests().last().expect("a request").status, 403);
}

#[tokio::test]
async fn a_gateway_takes_what_is_signed_for_its_own_path_or_bucket_only() {
    let server = S3Server::s3s_fs().expect("start s3s-fs");
    server
        .put_object("models", "a/b.bin", "hello")
        .expect("put");
    let gateway = Gateway::with_path(&server, "/storage/v1/s3").expect("start the gateway");
    signs_over_its_path(&gateway, &server, "/models/a/b.bin").await;
    let beside = gateway
        .endpoint
        .replace("/storage/v1/s3", "/models/a/b.bin");
    let beside = presigned(&server, &Method::GET, &beside);
    assert_eq!(send(&server, Method::GET, beside, "").await.0, 404);
    let gateway = Gateway::of_bucket(&server, "models").expect("start the gateway");
    signs_over_its_path(&gateway, &server, "/a/b.bin").await;
}

//! The first byte, from servers that are well and servers that are not.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use presigned_core::engine::{ErrorCode, S3Result, TlsError, TransportError};
use presigned_testkit::S3Server;
use presigned_testkit::pki::Authority;
use presigned_testkit::s3::Trouble;
use presigned_testkit::serve::Background;
use presigned_testkit::tls;
use tokio::net::TcpListener;

use super::{answer, canned, client, credentials, get, keys, plain, signed, target};

const BRIEF: Duration = Duration::from_millis(200);

fn code(asked: &S3Result) -> (u16, Option<ErrorCode>) {
    let answer = asked.as_ref().expect("the server is there");
    (answer.status, answer.code)
}

async fn all() -> [S3Server; 3] {
    [
        S3Server::s3s_fs().unwrap(),
        S3Server::versitygw().await.unwrap(),
        S3Server::minio().await.unwrap(),
    ]
}

#[tokio::test]
async fn real_servers_give_the_first_byte_and_tell_each_fault() {
    for server in all().await {
        server
            .put_object("models", "a b/ü+1.bin", b"weights")
            .unwrap();
        server.put_object("models", "empty", b"").unwrap();
        assert_eq!(code(&get(&server, "a b/ü+1.bin").await), (206, None));
        assert_eq!(
            code(&get(&server, "empty").await)
                .1
                // The range of an empty object is none.
                .filter(|code| !matches!(code, ErrorCode::Other(_))),
            None
        );
        let missing = code(&get(&server, "none").await);
        assert_eq!(missing, (404, Some(ErrorCode::NoSuchKey)));

        let here = target(&server.endpoint, &server.region);
        let now = Timestamp::now();
        let (known, secret) = (&server.access_key, &server.secret_key);
        let asked = async |target, keys, at| {
            let ask = signed(target, keys, "a b/ü+1.bin", at);
            code(&client().send(&ask, None).await).1
        };
        let stranger = credentials("AKIASTRANGER00000000", secret);
        assert_eq!(
            asked(&here, &stranger, now).await,
            Some(ErrorCode::InvalidAccessKeyId)
        );
        let forger = credentials(known, "another secret");
        assert_eq!(
            asked(&here, &forger, now).await,
            Some(ErrorCode::SignatureDoesNotMatch)
        );
        let expired = now - SignedDuration::from_hours(1);
        assert_eq!(
            asked(&here, &keys(&server), expired).await,
            Some(ErrorCode::RequestTimeTooSkewed)
        );
    }
}

#[tokio::test]
async fn versitygw_tells_a_missing_bucket_and_a_wrong_region() {
    let server = S3Server::versitygw().await.unwrap();
    let missing = get(&server, "k").await;
    assert_eq!(code(&missing), (404, Some(ErrorCode::NoSuchBucket)));
    server.put_object("models", "k", b"x").unwrap();
    let elsewhere = target(&server.endpoint, "us-east-1");
    let ask = signed(&elsewhere, &keys(&server), "k", Timestamp::now());
    let asked = client().send(&ask, None).await;
    assert_eq!(code(&asked).1, Some(ErrorCode::WrongRegion));
    assert_eq!(asked.unwrap().region.as_deref(), Some("eu-west-2"));
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_where_the_store_names_it() {
    let server = S3Server::s3s_fs_tls().unwrap();
    server.put_object("models", "k", b"x").unwrap();
    assert_eq!(code(&get(&server, "k").await), (206, None));

    let here = target(&server.endpoint, &server.region);
    let ask = signed(&here, &keys(&server), "k", Timestamp::now());
    let unknown = |ca_bundle| Err(TransportError::Tls(TlsError::UnknownIssuer { ca_bundle }));
    assert_eq!(client().send(&ask, None).await, unknown(false));
    let other = S3Server::s3s_fs_tls().unwrap();
    let other = client().send(&ask, other.ca_pem.as_deref()).await;
    assert_eq!(other, unknown(true));

    // The connection of one store is not that of another that trusts somebody else.
    let shared = client();
    assert_eq!(
        code(&shared.send(&ask, server.ca_pem.as_deref()).await),
        (206, None)
    );
    assert_eq!(shared.send(&ask, None).await, unknown(false));
}

#[tokio::test]
async fn a_certificate_of_another_name_is_no_certificate() {
    let authority = Authority::new("a test's own").unwrap();
    let ask = async |name| {
        let identity = authority.server(&[name]).unwrap();
        let config = tls::server_config(&identity).unwrap();
        let hello = |_| async { Some(http::Response::new("x".to_owned())) };
        let server = Background::start("named", Some(config), hello).unwrap();
        let url = format!("https://{}/models/k", server.address());
        client().send(&plain(url), Some(&authority.pem())).await
    };
    assert_eq!(code(&ask("127.0.0.1").await), (200, None));
    let names = vec!["store.example.com".to_owned()];
    let other = TransportError::Tls(TlsError::OtherName { names });
    assert_eq!(ask("store.example.com").await, Err(other));
}

#[tokio::test]
async fn name_connection_and_time_are_told_apart() {
    let unknown = plain("https://store.invalid/models/k".to_owned());
    assert_eq!(
        client().send(&unknown, None).await,
        Err(TransportError::Host)
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let brief = client().with_timeout(BRIEF);
    for scheme in ["http", "https"] {
        let silent = plain(format!("{scheme}://127.0.0.1:{port}/models/k"));
        assert_eq!(
            brief.send(&silent, None).await,
            Err(TransportError::Timeout(BRIEF))
        );
    }
    drop(listener);
    let refused = plain(format!("http://127.0.0.1:{port}/models/k"));
    assert_eq!(
        client().send(&refused, None).await,
        Err(TransportError::Connection)
    );

    let hung = S3Server::s3s_fs().unwrap();
    hung.set_trouble(Trouble::Hang).unwrap();
    let here = target(&hung.endpoint, &hung.region);
    let ask = signed(&here, &keys(&hung), "k", Timestamp::now());
    assert_eq!(
        brief.send(&ask, None).await,
        Err(TransportError::Timeout(BRIEF))
    );
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_a_broken_connection() {
    let endpoint = canned(vec!["SSH-2.0-OpenSSH\r\n".to_owned(), String::new()]).await;
    for url in [
        format!("{endpoint}/models/k"),
        format!("{endpoint}/models/k"),
    ] {
        let asked = client().send(&plain(url), None).await;
        assert_eq!(asked, Err(TransportError::Connection));
    }
    let server = S3Server::s3s_fs().unwrap();
    let url = server.endpoint.replace("http:", "https:") + "/models/k";
    let asked = client().send(&plain(url), None).await;
    assert_eq!(asked, Err(TransportError::NotTls));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let server = S3Server::s3s_fs().unwrap();
    let to = format!("Location: {}/models/k\r\n", server.endpoint);
    let moved = answer("307 Temporary Redirect", &to, "");
    let here = canned(vec![moved]).await;
    let asked = client()
        .send(&plain(format!("{here}/models/k")), None)
        .await;
    assert_eq!(code(&asked), (307, None));
    assert!(server.requests().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_without_end_is_read_to_a_limit() {
    let head = "HTTP/1.1 403 Forbidden\r\nContent-Length: 1000000000\r\n\r\n";
    let error = "<Error><Code>AccessDenied</Code>";
    let body = format!("{head}{error}{}", " ".repeat(70_000));
    // The server says a gigabyte and hangs up after a little: what is beyond the limit is not waited for.
    let here = canned(vec![body]).await;
    let asked = client()
        .send(&plain(format!("{here}/models/k")), None)
        .await;
    assert_eq!(code(&asked), (403, Some(ErrorCode::AccessDenied)));
}

#[tokio::test]
async fn the_stores_clock_is_measured() {
    let server = S3Server::s3s_fs().unwrap();
    server.put_object("models", "k", b"x").unwrap();
    let skew = get(&server, "k").await.unwrap().skew.unwrap();
    assert!(skew.abs() <= SignedDuration::from_secs(1), "{skew:?}");

    let date = Timestamp::now() + SignedDuration::from_mins(20);
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT");
    let head = format!("Date: {date}\r\n");
    let ahead = vec![answer("403 Forbidden", &head, "")];
    let ahead = plain(canned(ahead).await + "/models/k");
    let skew = client().send(&ahead, None).await.unwrap().skew.unwrap();
    let off = (skew - SignedDuration::from_mins(20)).abs();
    assert!(off <= SignedDuration::from_secs(2), "{skew:?}");
}

#[tokio::test]
async fn connections_serve_again_and_outlive_a_server_that_hangs_up() {
    let server = S3Server::s3s_fs().unwrap();
    server.put_object("models", "k", b"x").unwrap();
    let here = target(&server.endpoint, &server.region);
    let ask = signed(&here, &keys(&server), "k", Timestamp::now());
    let client = client();
    for _ in 0..3 {
        assert_eq!(code(&client.send(&ask, None).await), (206, None));
        assert_eq!(client.connections.waiting(), 1);
    }
    // `canned` hangs up after each answer, though it does not say so.
    let again = || answer("404 Not Found", "", "<Error><Code>NoSuchKey</Code></Error>");
    let here = canned(vec![again(), again()]).await + "/models/k";
    for _ in 0..2 {
        let asked = client.send(&plain(here.clone()), None).await;
        assert_eq!(code(&asked), (404, Some(ErrorCode::NoSuchKey)));
    }
}

//! Each unreachable endpoint fails in its own way.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use presigned_testkit::s3::client;
use presigned_testkit::s3::unreachable::{BadTls, Refusing, Silent, UNKNOWN_HOST};

async fn get(url: &str, ca: Option<&str>) -> anyhow::Result<http::Response<Bytes>> {
    let request = http::Request::get(url).body(Full::default());
    client::send(request.expect("a request"), ca).await
}

/// Why the connection failed, from the outermost cause to the innermost.
fn causes(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[tokio::test]
async fn a_refusing_endpoint_refuses() {
    let refusing = Refusing::new().expect("an endpoint");
    let error = get(&refusing.endpoint, None).await.expect_err("refused");
    let refused = error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused)
    });
    assert!(refused, "{}", causes(&error));
    let port: u16 = refusing
        .endpoint
        .rsplit(':')
        .next()
        .expect("a port")
        .parse()
        .expect("a port");
    assert!(
        std::net::TcpListener::bind(("127.0.0.1", port)).is_err(),
        "the port is free"
    );
}

#[tokio::test]
async fn a_silent_endpoint_connects_and_says_nothing() {
    let silent = Silent::new().expect("an endpoint");
    let connection = tokio::net::TcpStream::connect(silent.address)
        .await
        .expect("connect");
    let mut connection = connection.into_std().expect("a stream");
    connection
        .set_nonblocking(false)
        .expect("a blocking stream");
    connection
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a limit");
    io::Write::write_all(&mut connection, b"GET / HTTP/1.1\r\n\r\n").expect("ask");
    let read = io::Read::read(&mut connection, &mut [0]).expect_err("nothing to read");
    assert_eq!(read.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_not_found() {
    let error = get(UNKNOWN_HOST, None).await.expect_err("no such host");
    assert!(causes(&error).contains("dns error"), "{}", causes(&error));
}

#[tokio::test]
async fn a_bad_certificate_is_refused() {
    let untrusted = BadTls::untrusted().expect("an endpoint");
    let other = BadTls::of_another_name().expect("an endpoint");
    // Trusted, the first is fine: it is the trust that is missing.
    let answer = get(&untrusted.endpoint, Some(&untrusted.ca_pem)).await;
    assert!(answer.is_ok(), "{answer:?}");
    for (bad, trusted) in [(&untrusted, &other.ca_pem), (&other, &other.ca_pem)] {
        let error = get(&bad.endpoint, Some(trusted))
            .await
            .expect_err("refused");
        let told = error
            .chain()
            .any(|cause| cause.source().is_none() && cause.to_string().contains("certificate"));
        assert!(told, "{}", causes(&error));
    }
}

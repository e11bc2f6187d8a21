//! What connections promise: TLS told apart case by case, with real servers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use presigned_core::engine::{TlsError, TransportError};
use presigned_testkit::pki::{Authority, Identity};
use presigned_testkit::serve::Background;
use presigned_testkit::tls;

use super::{Connections, Proxies};
use crate::clock::Clock;

const HERE: &[&str] = &["127.0.0.1"];

fn connections() -> Arc<Connections> {
    Connections::new(Clock::start(), Proxies::default())
}

fn server(identity: &Identity) -> Background {
    let config = tls::server_config(identity).unwrap();
    let hello = |_| async { Some(Response::new("hello".to_owned())) };
    Background::start("TLS", Some(config), hello).unwrap()
}

async fn fetch(url: &str, ca_bundle: Option<&str>) -> Result<Bytes, TransportError> {
    let request = Request::get(url).body(Bytes::new()).unwrap();
    let connections = connections();
    let answer = connections.exchange(request, ca_bundle, 1024, Duration::from_secs(5));
    answer.await.map(|answer| answer.body)
}

/// What a client that trusts `ca_bundle` gets of a server that shows `identity`.
async fn shown(identity: &Identity, ca_bundle: Option<&str>) -> Result<Bytes, TlsError> {
    let server = server(identity);
    match fetch(&format!("https://{}/", server.address()), ca_bundle).await {
        Ok(body) => Ok(body),
        Err(TransportError::Tls(why)) => Err(why),
        other => panic!("{other:?}"),
    }
}

fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_told_with_the_date() {
    let authority = Authority::new("an authority").unwrap();
    let ca = authority.pem();
    let of = |years| authority.server_of_years(HERE, years).unwrap();
    assert_eq!(shown(&of(2020..2100), Some(&ca)).await.unwrap(), "hello");
    let expired = TlsError::Expired {
        at: at("2021-01-01T00:00:00Z"),
    };
    assert_eq!(shown(&of(2020..2021), Some(&ca)).await, Err(expired));
    let early = TlsError::NotYetValid {
        from: at("2090-01-01T00:00:00Z"),
    };
    assert_eq!(shown(&of(2090..2091), Some(&ca)).await, Err(early));
}

#[tokio::test]
async fn a_certificate_of_another_host_is_told_with_its_names() {
    let authority = Authority::new("an authority").unwrap();
    let names = ["store.example.com", "*.store.example.com", "10.1.2.3"];
    let identity = authority.server(&names).unwrap();
    let names = names.map(str::to_owned).to_vec();
    let other = TlsError::OtherName { names };
    assert_eq!(shown(&identity, Some(&authority.pem())).await, Err(other));
}

#[tokio::test]
async fn an_issuer_that_is_not_known_is_told_with_and_without_a_bundle() {
    let authority = Authority::new("an authority").unwrap();
    let identity = authority.server(HERE).unwrap();
    let unknown = |ca_bundle| Err(TlsError::UnknownIssuer { ca_bundle });
    assert_eq!(shown(&identity, None).await, unknown(false));
    // The authority has a new key and its old name.
    let renewed = Authority::new("an authority").unwrap();
    assert_eq!(shown(&identity, Some(&renewed.pem())).await, unknown(true));
    // The server sends the authority too.
    let whole = Identity {
        certificate: identity.certificate.clone() + &authority.pem(),
        ..identity
    };
    let other = Authority::new("another").unwrap();
    assert_eq!(shown(&whole, None).await, unknown(false));
    assert_eq!(shown(&whole, Some(&other.pem())).await, unknown(true));
}

#[tokio::test]
async fn an_intermediate_authority_that_the_server_does_not_send_is_told() {
    let root = Authority::new("a root").unwrap();
    let between = root.intermediate("between").unwrap();
    let alone = between.public_server(HERE).unwrap();
    let whole = Identity {
        certificate: alone.certificate.clone() + &between.pem(),
        ..alone.clone()
    };
    let ca = root.pem();
    assert_eq!(shown(&whole, Some(&ca)).await.unwrap(), "hello");
    let missing = |ca_bundle| Err(TlsError::IntermediateMissing { ca_bundle });
    assert_eq!(shown(&alone, Some(&ca)).await, missing(true));
    assert_eq!(shown(&alone, None).await, missing(false));
    // It may be in the bundle as well, with its root or without.
    assert_eq!(shown(&alone, Some(&between.pem())).await.unwrap(), "hello");
    // One that was sent, of a root that is not known, is not missing.
    let sent = Identity {
        certificate: whole.certificate.clone() + &ca,
        ..whole
    };
    let unknown = TlsError::UnknownIssuer { ca_bundle: false };
    assert_eq!(shown(&sent, None).await, Err(unknown));
}

#[tokio::test]
async fn a_certificate_that_is_itself_in_the_bundle_is_trusted_for_its_names_and_its_time() {
    let own = Identity::self_signed(HERE, 2020..2100).unwrap();
    assert_eq!(shown(&own, Some(&own.certificate)).await.unwrap(), "hello");
    let own_issuer = |ca_bundle| Err(TlsError::SelfSigned { ca_bundle });
    assert_eq!(shown(&own, None).await, own_issuer(false));
    // Another of the same form is not this one.
    let other = Identity::self_signed(HERE, 2020..2100).unwrap();
    assert_eq!(
        shown(&own, Some(&other.certificate)).await,
        own_issuer(true)
    );

    let ended = Identity::self_signed(HERE, 2020..2021).unwrap();
    let expired = TlsError::Expired {
        at: at("2021-01-01T00:00:00Z"),
    };
    assert_eq!(shown(&ended, Some(&ended.certificate)).await, Err(expired));
    let early = Identity::self_signed(HERE, 2090..2091).unwrap();
    let from = at("2090-01-01T00:00:00Z");
    let not_yet = TlsError::NotYetValid { from };
    assert_eq!(shown(&early, Some(&early.certificate)).await, Err(not_yet));
    let elsewhere = Identity::self_signed(&["store.example.com"], 2020..2100).unwrap();
    let names = vec!["store.example.com".to_owned()];
    let of_another = TlsError::OtherName { names };
    let told = shown(&elsewhere, Some(&elsewhere.certificate)).await;
    assert_eq!(told, Err(of_another));

    // One that an authority signed needs no authority either.
    let signed = Authority::new("an authority").unwrap();
    let signed = signed.server(HERE).unwrap();
    assert_eq!(
        shown(&signed, Some(&signed.certificate)).await.unwrap(),
        "hello"
    );
}

#[tokio::test]
async fn http_to_a_tls_server_and_https_to_one_without_are_told_apart() {
    let authority = Authority::new("an authority").unwrap();
    let secure = server(&authority.server(HERE).unwrap());
    let to_tls = fetch(&format!("http://{}/", secure.address()), None).await;
    assert_eq!(to_tls, Err(TransportError::TlsExpected));
    let hello = |_| async { Some(Response::new("hello".to_owned())) };
    let plain = Background::start("plain", None, hello).unwrap();
    let to_plain = fetch(&format!("https://{}/", plain.address()), None).await;
    assert_eq!(to_plain, Err(TransportError::NotTls));
    // A bad request of a server that does speak plain HTTP is an answer.
    let bad = |_| async {
        let mut answer = Response::new("no".to_owned());
        *answer.status_mut() = http::StatusCode::BAD_REQUEST;
        Some(answer)
    };
    let plain = Background::start("plain", None, bad).unwrap();
    let answer = fetch(&format!("http://{}/", plain.address()), None).await;
    assert_eq!(answer.unwrap(), "no");
}

//! Sentences on a store that gave no answer.
//!
//! What holds here: each names what was connected to, by scheme, host and port, and says what to do. A
//! sentence changes only with its cause, since a status is written whenever its sentence changes.

use std::time::Duration;

use super::subject::Subject;
use crate::api::Reason;
use crate::engine::protocol::{ProxyError, TlsError, TransportError};
use crate::request::format_duration;
use crate::text::all_of;

/// The reason and the sentence.
pub(super) fn unreachable(error: &TransportError, subject: &Subject<'_>) -> (Reason, String) {
    let address = subject.address();
    match error {
        TransportError::Host => (
            Reason::HostNotFound,
            format!(
                "the operator cannot resolve the host name of {address}: fix spec.s3.endpoint of the ClusterObjectStore, or \
                 the cluster's DNS"
            ),
        ),
        TransportError::Connection => (
            Reason::ConnectionFailed,
            format!(
                "{address} refused or broke the operator's connection: fix spec.s3.endpoint of the ClusterObjectStore, \
                 or the network between"
            ),
        ),
        TransportError::Proxy(error) => (Reason::ConnectionFailed, proxy(*error, &address)),
        TransportError::NotTls => (
            Reason::ConnectionFailed,
            format!(
                "{address} does not speak TLS: let spec.s3.endpoint of the ClusterObjectStore begin with http:// if the \
                 server speaks plain HTTP, or fix its port"
            ),
        ),
        TransportError::TlsExpected => (
            Reason::ConnectionFailed,
            format!(
                "{address} speaks TLS, and the operator spoke plain HTTP to it: let spec.s3.endpoint of the \
                 ClusterObjectStore begin with https://"
            ),
        ),
        TransportError::Tls(error) => (Reason::TLSFailed, tls(error, &address)),
        TransportError::Timeout(after) => (
            Reason::StoreUnavailable,
            format!(
                "{address} did not answer the operator in time{}: the operator retries",
                within(*after)
            ),
        ),
    }
}

fn within(after: Duration) -> String {
    if after.as_secs() == 0 {
        return String::new();
    }
    format!(" ({})", format_duration(after))
}

fn proxy(error: ProxyError, address: &str) -> String {
    match error {
        ProxyError::Unreachable => format!(
            "the operator cannot reach the proxy that its environment names for {address}: fix HTTPS_PROXY or HTTP_PROXY \
             of the operator, or name the host in NO_PROXY"
        ),
        ProxyError::Refused(401 | 407) => format!(
            "the proxy that the operator's environment names for {address} asks for credentials, or does not take those \
             that it got: write http://USER:PASSWORD@HOST:PORT into HTTPS_PROXY or HTTP_PROXY of the operator"
        ),
        ProxyError::Refused(status) => format!(
            "the proxy that the operator's environment names did not connect to {address} (status {status}): let the \
             proxy allow it, fix spec.s3.endpoint of the ClusterObjectStore, or name the host in NO_PROXY of the operator"
        ),
    }
}

fn tls(error: &TlsError, address: &str) -> String {
    const SET: &str = "spec.s3.caBundle of the ClusterObjectStore";
    const ITS: &str =
        "spec.s3.caBundle of the ClusterObjectStore, or into the ClusterTrustBundle that it names";
    let (what, to_do) = match error {
        TlsError::Expired { at } => (
            format!("expired at {at}"),
            "renew it on the server, with the certificates of its issuers".to_owned(),
        ),
        TlsError::NotYetValid { from } => (
            format!("is not valid before {from}"),
            "set the clock of the operator's node, or give the server another certificate".to_owned(),
        ),
        TlsError::OtherName { names } if names.is_empty() => (
            "names no host".to_owned(),
            "give the server a certificate that names its host as subjectAltName".to_owned(),
        ),
        TlsError::OtherName { names } => (
            format!("is another host's: it names {}", all_of(names)),
            "let spec.s3.endpoint of the ClusterObjectStore name one of these, or give the server a certificate that \
             names its host"
                .to_owned(),
        ),
        TlsError::SelfSigned { ca_bundle: false } => (
            "is signed by itself, and the store has no caBundle".to_owned(),
            format!("set {SET} to that certificate"),
        ),
        TlsError::SelfSigned { ca_bundle: true } => (
            "is signed by itself, and is not in the store's caBundle".to_owned(),
            format!("put that certificate into {ITS}"),
        ),
        TlsError::UnknownIssuer { ca_bundle: false } => (
            "was issued by an authority that the operator does not trust, and the store has no caBundle".to_owned(),
            format!("set {SET} to the certificate of that authority"),
        ),
        TlsError::UnknownIssuer { ca_bundle: true } => (
            "was issued by an authority that is not in the store's caBundle".to_owned(),
            format!("put the present certificate of that authority into {ITS}"),
        ),
        TlsError::IntermediateMissing { ca_bundle: false } => (
            "was issued by an authority that the operator does not trust, and the server does not send that \
             authority's certificate"
                .to_owned(),
            format!("let the server send its intermediate certificates, or put them into {SET}"),
        ),
        TlsError::IntermediateMissing { ca_bundle: true } => (
            "was issued by an authority that is not in the store's caBundle, and the server does not send that \
             authority's certificate"
                .to_owned(),
            format!("put it into {ITS}, or let the server send it if one in the caBundle issued it"),
        ),
        TlsError::Other => {
            return format!(
                "the operator's TLS handshake with {address} failed: check whether the server requires a client \
                 certificate, and which versions and algorithms of TLS it takes"
            );
        }
    };
    format!("the certificate of {address} {what}: {to_do}")
}

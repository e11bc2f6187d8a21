//! Stores that give no answer.

use super::*;

#[test]
fn a_store_that_is_not_reached_leaves_the_verdict_open() {
    let host = "models.s3.eu-west-1.amazonaws.com";
    for (why, reason, words) in [
        (TransportError::Host, Reason::HostNotFound, "cannot resolve"),
        (
            TransportError::Connection,
            Reason::ConnectionFailed,
            "refused or broke",
        ),
        (
            TransportError::Tls(TlsError::Other),
            Reason::TLSFailed,
            "TLS handshake with",
        ),
        (
            TransportError::Timeout(Duration::from_secs(5)),
            Reason::StoreUnavailable,
            "in time",
        ),
    ] {
        for options in [get(), put(), Options::Delete] {
            let verdict = on(&Err(why.clone()), &options);
            says(
                &verdict,
                ConditionStatus::Unknown,
                reason,
                &[words, host, "was not tried"],
            );
            assert!(!verdict.passes());
        }
    }
}

#[test]
fn each_store_that_is_not_reached_has_a_sentence_of_its_own_and_names_scheme_host_and_port() {
    use TransportError as Not;
    let at = "2026-01-02T03:04:05Z".parse().unwrap();
    let names = vec!["a.example.com".to_owned(), "10.0.0.1".to_owned()];
    let cases = [
        (
            Not::Tls(TlsError::Expired { at }),
            "443 expired at 2026-01-02T03:04:05Z: renew it",
        ),
        (
            Not::Tls(TlsError::NotYetValid { from: at }),
            "443 is not valid before 2026-01-02T03:04:05Z: set the clock",
        ),
        (
            Not::Tls(TlsError::OtherName { names }),
            "443 is another host's: it names \"a.example.com\" and \"10.0.0.1\": let spec.s3.endpoint",
        ),
        (
            Not::Tls(TlsError::OtherName { names: Vec::new() }),
            "443 names no host: give the server",
        ),
        (
            Not::Tls(TlsError::SelfSigned { ca_bundle: false }),
            "is signed by itself, and the store has no caBundle: set",
        ),
        (
            Not::Tls(TlsError::SelfSigned { ca_bundle: true }),
            "is signed by itself, and is not in the store's caBundle: put",
        ),
        (
            Not::Tls(TlsError::UnknownIssuer { ca_bundle: false }),
            "does not trust, and the store has no caBundle: set",
        ),
        (
            Not::Tls(TlsError::UnknownIssuer { ca_bundle: true }),
            "put the present certificate of that authority into spec.s3.caBundle of the ClusterObjectStore, or into \
             the ClusterTrustBundle that it names",
        ),
        (
            Not::Tls(TlsError::IntermediateMissing { ca_bundle: false }),
            "does not trust, and the server does not send that authority's certificate: let the server send",
        ),
        (
            Not::Tls(TlsError::IntermediateMissing { ca_bundle: true }),
            "is not in the store's caBundle, and the server does not send that authority's certificate: put",
        ),
        (
            Not::Tls(TlsError::Other),
            "TLS handshake with https://models.s3.eu-west-1.amazonaws.com:443 failed",
        ),
        (
            Not::NotTls,
            "does not speak TLS: let spec.s3.endpoint of the ClusterObjectStore begin with http://",
        ),
        (
            Not::TlsExpected,
            "speaks TLS, and the operator spoke plain HTTP to it",
        ),
        (
            Not::Host,
            "cannot resolve the host name of https://models.s3.eu-west-1.amazonaws.com:443: fix",
        ),
        (Not::Connection, "443 refused or broke"),
        (
            Not::Timeout(Duration::from_secs(7)),
            "443 did not answer the operator in time (7s)",
        ),
        (
            Not::Proxy(ProxyError::Unreachable),
            "cannot reach the proxy that its environment names for https://models",
        ),
        (Not::Proxy(ProxyError::Refused(407)), "asks for credentials"),
        (
            Not::Proxy(ProxyError::Refused(403)),
            "443 (status 403): let the proxy allow it",
        ),
    ];
    for (why, words) in cases {
        let reason = match &why {
            Not::Tls(_) => Reason::TLSFailed,
            Not::Timeout(_) => Reason::StoreUnavailable,
            Not::Host => Reason::HostNotFound,
            _ => Reason::ConnectionFailed,
        };
        let verdict = on(&Err(why), &get());
        says(
            &verdict,
            ConditionStatus::Unknown,
            reason,
            &[
                words,
                "https://models.s3.eu-west-1.amazonaws.com:443",
                "was not tried",
            ],
        );
    }
}

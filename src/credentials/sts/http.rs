//! The HTTP clients that reach STS: one for each set of trusted authorities.
//!
//! What holds here: the system's authorities are read once; a store's own are trusted beside them, for that
//! store alone. Of an answer no more than a limit is read.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use aws_sdk_sts::config::{HttpClient as _, SharedHttpClient};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;
use presigned_core::api::Reason;
use presigned_core::engine::CredentialsError;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// How many bundles are kept: bundles that were edited away must not pile up.
const MOST: usize = 32;
/// The most bytes of an answer: a session has a few thousand, and AWS names no limit for its token.
const LIMIT: usize = 64 * 1024;

static CLIENTS: LazyLock<Mutex<BTreeMap<Option<String>, SharedHttpClient>>> =
    LazyLock::new(Mutex::default);

/// The client that trusts the system's authorities, and those of the bundle. Where no TLS is spoken, none is
/// read.
pub(super) fn client(
    endpoint: Option<&str>,
    ca_bundle: Option<&str>,
) -> Result<SharedHttpClient, CredentialsError> {
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        return Ok(limited(Builder::new().build_http()));
    }
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let key = ca_bundle.map(str::to_owned);
    if let Some(client) = clients.get(&key) {
        return Ok(client.clone());
    }
    let mut trusted = TrustStore::default();
    if let Some(pem) = ca_bundle {
        checked(pem)?;
        trusted.add_pem_certificate(pem);
    }
    let context = TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .map_err(|_| unusable())?;
    let client = limited(
        Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context)
            .build_https(),
    );
    if clients.len() >= MOST {
        clients.clear();
    }
    clients.insert(key, client.clone());
    Ok(client)
}

/// As it is, with answers that break off at the limit.
fn limited(client: SharedHttpClient) -> SharedHttpClient {
    http_client_fn(move |settings, components| {
        let inner = client.http_connector(settings, components);
        SharedHttpConnector::new(LimitedConnector(inner))
    })
}

#[derive(Debug)]
struct LimitedConnector(SharedHttpConnector);

impl HttpConnector for LimitedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async {
            let limit = |body| SdkBody::from_body_1_x(Limited::new(body, LIMIT));
            Ok(answer.await?.map(limit))
        })
    }
}

/// The client panics on a bundle that it cannot use.
fn checked(pem: &str) -> Result<(), CredentialsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| unusable())?;
        roots.add(certificate).map_err(|_| unusable())?;
    }
    if roots.is_empty() {
        return Err(unusable());
    }
    Ok(())
}

fn unusable() -> CredentialsError {
    CredentialsError {
        reason: Reason::CredentialsInvalid,
        message: "the store's caBundle holds no certificate that can be trusted: give PEM certificates of authorities"
            .to_owned(),
    }
}

//! Whom the operator trusts, and why a certificate is not trusted.
//!
//! What holds here: the system's authorities are trusted, and with them those of a store's bundle. A
//! certificate that is itself in the bundle is trusted for its names and its time, whatever it says of
//! itself, as curl, Go and Python do: `openssl req -x509` makes one that calls itself an authority. Of what a
//! server sends, only names of hosts are shown, and they have the form of one.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use presigned_core::engine::{TlsError, TransportError};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};

use super::certificate::Fields;

/// How many CA bundles are kept ready; stores share few.
const BUNDLES: usize = 64;
/// How many names of a certificate are shown, and the longest of a host.
const NAMES: usize = 8;
const MAX_NAME: usize = 253;

/// The settings of TLS for each bundle.
#[derive(Debug, Default)]
pub(super) struct Trust {
    configs: Mutex<BTreeMap<Option<String>, Arc<ClientConfig>>>,
}

impl Trust {
    pub(super) fn config(&self, ca_bundle: Option<&str>) -> Option<Arc<ClientConfig>> {
        let key = ca_bundle.map(str::to_owned);
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = configs.get(&key) {
            return Some(Arc::clone(config));
        }
        let config = Arc::new(config(ca_bundle)?);
        if configs.len() >= BUNDLES {
            configs.clear();
        }
        configs.insert(key, Arc::clone(&config));
        Some(config)
    }
}

fn config(ca_bundle: Option<&str>) -> Option<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Verifier::new(ca_bundle, Arc::clone(&provider)));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?;
    Some(
        builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth(),
    )
}

/// Why a handshake failed.
pub(super) fn handshake_failure(error: &io::Error) -> TransportError {
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        None => TransportError::Connection,
        Some(rustls::Error::InvalidMessage(_)) => TransportError::NotTls,
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(told)))) => {
            let told = told.downcast_ref::<Untrusted>();
            TransportError::Tls(told.map_or(TlsError::Other, |told| told.0.clone()))
        }
        Some(_) => TransportError::Tls(TlsError::Other),
    }
}

/// Why a certificate is not trusted, on its way through rustls.
#[derive(Debug)]
struct Untrusted(TlsError);

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate is not trusted")
    }
}

impl Error for Untrusted {}

#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// `None` if no authority is known at all.
    chains: Option<Arc<WebPkiServerVerifier>>,
    /// The names of the authorities, in DER.
    authorities: Vec<Vec<u8>>,
    /// The certificates of the bundle; `None` without one.
    bundle: Option<Vec<CertificateDer<'static>>>,
}

impl Verifier {
    fn new(ca_bundle: Option<&str>, provider: Arc<CryptoProvider>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let bundle: Option<Vec<_>> = ca_bundle.map(|pem| {
            CertificateDer::pem_slice_iter(pem.as_bytes())
                .filter_map(Result::ok)
                .collect()
        });
        roots.add_parsable_certificates(bundle.iter().flatten().cloned());
        let authorities = roots.roots.iter();
        let authorities = authorities.map(|root| root.subject.to_vec()).collect();
        let chains =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        Self {
            provider,
            chains: chains.build().ok(),
            authorities,
            bundle,
        }
    }

    fn is_in_bundle(&self, certificate: &CertificateDer<'_>) -> bool {
        self.bundle.iter().flatten().any(|one| one == certificate)
    }

    /// Why an issuer is not trusted.
    fn issuer(&self, presented: &[&CertificateDer<'_>]) -> TlsError {
        let ca_bundle = self.bundle.is_some();
        let fields = presented.iter().map(|der| Fields::of(der));
        let Some(fields) = fields.collect::<Option<Vec<_>>>() else {
            return TlsError::Other;
        };
        let Some(leaf) = fields.first() else {
            return TlsError::Other;
        };
        if leaf.is_self_issued() {
            return TlsError::SelfSigned { ca_bundle };
        }
        // The chain as far as it was sent. A certificate that was sent twice makes no circle.
        let mut last = leaf;
        for _ in &fields {
            match fields.iter().find(|one| one.subject == last.issuer) {
                Some(issuer) if !last.is_self_issued() => last = issuer,
                _ => break,
            }
        }
        let has_its_name = |name: &Vec<u8>| name == last.issuer;
        let sent_whole = last.is_self_issued() || self.authorities.iter().any(has_its_name);
        if sent_whole || !(ca_bundle || last.names_its_issuers_place) {
            TlsError::UnknownIssuer { ca_bundle }
        } else {
            TlsError::IntermediateMissing { ca_bundle }
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = match &self.chains {
            _ if self.is_in_bundle(end_entity) => trusted_itself(end_entity, server_name, now)
                .map(|()| ServerCertVerified::assertion()),
            Some(chains) => chains.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let error = match verified {
            Err(rustls::Error::InvalidCertificate(error)) => error,
            other => return other,
        };
        let why = match error {
            CertificateError::ExpiredContext { not_after, .. } => {
                at(not_after).map(|at| TlsError::Expired { at })
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                at(not_before).map(|from| TlsError::NotYetValid { from })
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                Some(TlsError::OtherName {
                    names: names(&presented),
                })
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                let presented: Vec<_> = std::iter::once(end_entity).chain(intermediates).collect();
                Some(self.issuer(&presented))
            }
            // A certificate that calls itself an authority is no server's.
            CertificateError::Other(_) => match self.issuer(&[end_entity]) {
                why @ TlsError::SelfSigned { .. } => Some(why),
                _ => None,
            },
            _ => None,
        };
        let why = Untrusted(why.unwrap_or(TlsError::Other));
        Err(CertificateError::Other(OtherError(Arc::new(why))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let supported = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, supported)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let supported = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, supported)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Checks the time and the names of a certificate that needs no issuer.
fn trusted_itself(
    certificate: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let fields = Fields::of(certificate).ok_or(CertificateError::BadEncoding)?;
    let unix = |at: Timestamp| u64::try_from(at.as_second()).unwrap_or_default();
    let [not_before, not_after] = [fields.not_before, fields.not_after].map(unix);
    if now.as_secs() < not_before {
        let not_before = UnixTime::since_unix_epoch(std::time::Duration::from_secs(not_before));
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before,
        }
        .into());
    }
    if now.as_secs() > not_after {
        let not_after = UnixTime::since_unix_epoch(std::time::Duration::from_secs(not_after));
        return Err(CertificateError::ExpiredContext {
            time: now,
            not_after,
        }
        .into());
    }
    verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)
}

fn at(time: UnixTime) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.as_secs()).ok()?).ok()
}

/// The names that a certificate gives, those that have the form of a host: `DnsName("a")`,
/// `IpAddress(1.2.3.4)`.
fn names(presented: &[String]) -> Vec<String> {
    let is_host = |name: &&str| {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-._*:".contains(&c);
        (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed)
    };
    presented
        .iter()
        .filter_map(|name| name.split_once('(')?.1.strip_suffix(')'))
        .map(|name| name.trim_matches('"'))
        .filter(is_host)
        .take(NAMES)
        .map(str::to_owned)
        .collect()
}

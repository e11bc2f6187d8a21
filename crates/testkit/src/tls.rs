//! TLS on loopback: PEM in, rustls configurations out.

use std::sync::Arc;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::pki::Identity;

/// The certificates of a PEM text.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .context("read the certificates")
}

/// Certificates as PEM text.
#[must_use]
pub fn pem_of<T: AsRef<[u8]>>(certificates: &[T]) -> String {
    let mut pem = String::new();
    for der in certificates {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        STANDARD.encode_string(der.as_ref(), &mut pem);
        pem.push_str("\n-----END CERTIFICATE-----\n");
    }
    pem
}

/// A client that trusts the authorities of `ca` and no other; without `ca`, none.
pub fn client_config(ca: Option<&str>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in ca.map(certificates).transpose()?.unwrap_or_default() {
        roots.add(certificate).context("trust the authority")?;
    }
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .context("set up TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// A server that shows `identity`.
pub fn server_config(identity: &Identity) -> Result<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).context("read the key")?;
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .context("set up TLS")?
        .with_no_client_auth()
        .with_single_cert(certificates(&identity.certificate)?, key)
        .context("use the server's certificate")
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

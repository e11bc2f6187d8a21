//! Keys and certificates for servers on loopback, made anew for each run.

use std::io::Read;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// A private certificate authority.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A key and its certificate, both PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS 8.
    pub key: String,
}

impl Authority {
    /// A new authority that calls itself `name`.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("generate the authority's key")?;
        let issuer = CertifiedIssuer::self_signed(params, key).context("sign the authority")?;
        Ok(Self { issuer })
    }

    /// The authority's certificate, PEM: what a client must trust.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server's certificate for `hosts`, names or addresses.
    pub fn server(&self, hosts: &[&str]) -> Result<Identity> {
        let names: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(names).context("name the server")?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().context("generate the server's key")?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .context("sign the server")?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// A key pair as (private PKCS 8, public) PEM: what signs and checks service-account tokens.
pub fn key_pair() -> Result<(String, String)> {
    let key = KeyPair::generate().context("generate a key pair")?;
    Ok((key.serialize_pem(), key.public_key_pem()))
}

/// 128 random bits in hexadecimal.
pub fn random_token() -> Result<String> {
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("read random bytes")?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

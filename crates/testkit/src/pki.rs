//! Keys and certificates for servers on loopback, made anew for each run.

use std::io::Read;
use std::ops::Range;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// `authorityInfoAccess` with one `caIssuers` that names no place.
const AUTHORITY_INFO_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
const CA_ISSUERS: [u8; 16] = [
    0x30, 0x0e, 0x30, 0x0c, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02, 0x86, 0x00,
];

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
        let key = KeyPair::generate().context("generate the authority's key")?;
        let issuer = CertifiedIssuer::self_signed(authority(name), key);
        Ok(Self {
            issuer: issuer.context("sign the authority")?,
        })
    }

    /// An authority below this one.
    pub fn intermediate(&self, name: &str) -> Result<Self> {
        let key = KeyPair::generate().context("generate the authority's key")?;
        let issuer = CertifiedIssuer::signed_by(authority(name), key, &self.issuer);
        Ok(Self {
            issuer: issuer.context("sign the authority")?,
        })
    }

    /// The authority's certificate, PEM: what a client must trust.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server's certificate for `hosts`, names or addresses.
    pub fn server(&self, hosts: &[&str]) -> Result<Identity> {
        self.issue(&server(hosts)?)
    }

    /// As [`Self::server`], valid from the beginning of one year to that of another.
    pub fn server_of_years(&self, hosts: &[&str], years: Range<i32>) -> Result<Identity> {
        let mut params = server(hosts)?;
        set_years(&mut params, years);
        self.issue(&params)
    }

    /// As [`Self::server`]; the certificate says where this authority's own is to be fetched, as those of
    /// public authorities do.
    pub fn public_server(&self, hosts: &[&str]) -> Result<Identity> {
        let mut params = server(hosts)?;
        let access = CustomExtension::from_oid_content(AUTHORITY_INFO_ACCESS, CA_ISSUERS.to_vec());
        params.custom_extensions = vec![access];
        self.issue(&params)
    }

    fn issue(&self, params: &CertificateParams) -> Result<Identity> {
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

impl Identity {
    /// A server's certificate that it signed itself and that calls itself an authority, as `openssl req
    /// -x509` makes it.
    pub fn self_signed(hosts: &[&str], years: Range<i32>) -> Result<Self> {
        let mut params = server(hosts)?;
        params.extended_key_usages = Vec::new();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        set_years(&mut params, years);
        let key = KeyPair::generate().context("generate the server's key")?;
        let certificate = params.self_signed(&key).context("sign the server")?;
        Ok(Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn server(hosts: &[&str]) -> Result<CertificateParams> {
    let names: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(names).context("name the server")?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn set_years(params: &mut CertificateParams, years: Range<i32>) {
    params.not_before = date_time_ymd(years.start, 1, 1);
    params.not_after = date_time_ymd(years.end, 1, 1);
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

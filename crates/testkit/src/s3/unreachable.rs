//! Endpoints at which no S3 server can be reached: each fails in its own way, and holds its port until it is
//! dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};

use crate::serve::Background;
use crate::{pki, tls};

/// An endpoint whose host's name does not resolve, on any machine (RFC 6761).
pub const UNKNOWN_HOST: &str = "http://s3.testkit.invalid:9000";

/// An endpoint that refuses connections. The port is bound, so that nobody else comes to listen on it.
#[derive(Debug)]
pub struct Refusing {
    /// The address, with its scheme.
    pub endpoint: String,
    _bound: OwnedFd,
}

impl Refusing {
    /// Takes a port.
    pub fn new() -> Result<Self> {
        let bound =
            socket(AddressFamily::INET, SocketType::STREAM, None).context("make a socket")?;
        bind(&bound, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).context("take a port")?;
        let address = getsockname(&bound).context("read the port")?;
        let address = SocketAddr::try_from(address).context("read the port")?;
        Ok(Self {
            endpoint: format!("http://{address}"),
            _bound: bound,
        })
    }
}

/// An endpoint that takes connections and never sends a byte, neither of TLS nor of HTTP.
#[derive(Debug)]
pub struct Silent {
    /// The address, without a scheme.
    pub address: SocketAddr,
    _listener: TcpListener,
}

impl Silent {
    /// Listens.
    pub fn new() -> Result<Self> {
        // The system takes connections as long as nobody accepts them.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("take a port")?;
        Ok(Self {
            address: listener.local_addr().context("read the port")?,
            _listener: listener,
        })
    }

    /// The address over plain HTTP.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// An endpoint with a bad certificate. It answers each request of a client that trusts it with an empty 200.
#[derive(Debug)]
pub struct BadTls {
    /// The address, with its scheme.
    pub endpoint: String,
    /// The authority of the certificate, PEM.
    pub ca_pem: String,
    _server: Background,
}

impl BadTls {
    /// A certificate for this address, from an authority that no client trusts.
    pub fn untrusted() -> Result<Self> {
        Self::start("127.0.0.1")
    }

    /// A certificate for another name. A client that trusts [`BadTls::ca_pem`] must refuse it too.
    pub fn of_another_name() -> Result<Self> {
        Self::start("elsewhere.invalid")
    }

    /// A certificate that expired with the year 2020. A client that trusts [`BadTls::ca_pem`] must refuse it
    /// too.
    pub fn expired() -> Result<Self> {
        let authority = pki::Authority::new("presigned-testkit expired")?;
        let identity = authority.server_of_years(&["127.0.0.1"], 2020..2021)?;
        Self::show(&identity, authority.pem())
    }

    /// A certificate whose issuer is between it and [`BadTls::ca_pem`], and is not sent.
    pub fn without_its_issuer() -> Result<Self> {
        let root = pki::Authority::new("presigned-testkit root")?;
        let between = root.intermediate("presigned-testkit between")?;
        Self::show(&between.server(&["127.0.0.1"])?, root.pem())
    }

    fn start(name: &str) -> Result<Self> {
        let authority = pki::Authority::new("presigned-testkit untrusted")?;
        Self::show(&authority.server(&[name])?, authority.pem())
    }

    fn show(identity: &pki::Identity, ca_pem: String) -> Result<Self> {
        let config = tls::server_config(identity)?;
        let empty = async |_: Request<Incoming>| Some(Response::new(Full::<Bytes>::default()));
        let server = Background::start("bad TLS", Some(config), empty)?;
        Ok(Self {
            endpoint: format!("https://{}", server.address()),
            ca_pem,
            _server: server,
        })
    }
}

//! One connection to a store: name, socket, certificate, each with a failure of its own.
//!
//! What holds here: a failure is classified by the step that failed, not by the text of an error. Nothing of
//! an error is logged: its text may hold what a server sent.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use presigned_core::engine::TransportError;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::clock::Clock;

/// How many CA bundles are kept ready; stores share few.
const BUNDLES: usize = 64;

/// Who is trusted: the system's authorities, and with them those of a bundle.
#[derive(Debug, Default)]
pub(super) struct Trust {
    configs: Mutex<BTreeMap<Option<String>, Arc<ClientConfig>>>,
}

impl Trust {
    fn config(&self, ca_bundle: Option<&str>) -> Option<Arc<ClientConfig>> {
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
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = ca_bundle {
        let bundle = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok);
        roots.add_parsable_certificates(bundle);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?;
    Some(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Peer {
    /// TLS.
    pub(super) tls: bool,
    /// A name or an address; an IPv6 address without brackets.
    pub(super) host: String,
    /// The port.
    pub(super) port: u16,
    /// PEM certificates that are trusted besides the system's.
    pub(super) ca_bundle: Option<String>,
}

/// Bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects.
///
/// # Errors
/// By the step that failed. A name that no server resolves in time is one that cannot be resolved.
pub(super) async fn connect(
    clock: &Clock,
    trust: &Trust,
    peer: &Peer,
    deadline: Instant,
) -> Result<Box<dyn Stream>, TransportError> {
    let addresses = resolve(peer, deadline).await?;
    let socket = dial(clock, &addresses, deadline).await?;
    // A request is one small packet, and waits for nothing.
    let _ = socket.set_nodelay(true);
    if !peer.tls {
        return Ok(Box::new(socket));
    }
    let config = trust.config(peer.ca_bundle.as_deref());
    let config = config.ok_or(TransportError::Tls)?;
    let name = ServerName::try_from(peer.host.clone()).map_err(|_| TransportError::Host)?;
    let handshake = TlsConnector::from(config).connect(name, socket);
    match timeout_at(deadline, handshake).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(handshake_failure(&error)),
        Err(_) => Err(TransportError::Timeout),
    }
}

async fn resolve(peer: &Peer, deadline: Instant) -> Result<Vec<SocketAddr>, TransportError> {
    if let Ok(address) = peer.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, peer.port)]);
    }
    let lookup = tokio::net::lookup_host((peer.host.as_str(), peer.port));
    match timeout_at(deadline, lookup).await {
        Ok(Ok(addresses)) => {
            let addresses: Vec<_> = addresses.collect();
            if addresses.is_empty() {
                Err(TransportError::Host)
            } else {
                Ok(addresses)
            }
        }
        Ok(Err(_)) | Err(_) => Err(TransportError::Host),
    }
}

/// Tries the addresses in order. One that does not answer leaves the others their share of the time.
async fn dial(
    clock: &Clock,
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<TcpStream, TransportError> {
    let mut worst = TransportError::Timeout;
    for (at, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(clock.instant());
        let others = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let share = Duration::max(left / others, Duration::from_millis(250)).min(left);
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {}
            Ok(Err(_)) => worst = TransportError::Connection,
            Err(_) => {}
        }
    }
    Err(worst)
}

/// A handshake fails for the certificate, or for a peer that speaks no TLS at all.
fn handshake_failure(error: &io::Error) -> TransportError {
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        None | Some(rustls::Error::InvalidMessage(_)) => TransportError::Connection,
        Some(_) => TransportError::Tls,
    }
}

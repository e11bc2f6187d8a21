//! One connection: name, socket, proxy, certificate, each with a failure of its own.
//!
//! What holds here: a failure is classified by the step that failed, not by the text of an error. Nothing of
//! an error is logged: its text may hold what a server sent.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use presigned_core::engine::{ProxyError, TlsError, TransportError};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::proxy::ProxyUrl;
use super::trust::{Trust, handshake_failure};
use crate::clock::Clock;

/// The caller, which set the time, reports how long it was.
pub(super) const TIMEOUT: TransportError = TransportError::Timeout(Duration::ZERO);

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

/// Connects, through the proxy if there is one. What it is given without TLS to the peer are the proxy's
/// bytes.
///
/// # Errors
/// By the step that failed. A name that no server resolves in time is one that cannot be resolved.
pub(super) async fn connect(
    clock: &Clock,
    trust: &Trust,
    peer: &Peer,
    proxy: Option<&ProxyUrl>,
    deadline: Instant,
) -> Result<Box<dyn Stream>, TransportError> {
    let stream: Box<dyn Stream> = match proxy {
        None => Box::new(socket(clock, &peer.host, peer.port, deadline).await?),
        Some(proxy) => {
            let unreached = |_| TransportError::Proxy(ProxyError::Unreachable);
            let socket = socket(clock, &proxy.host, proxy.port, deadline).await;
            let socket = socket.map_err(unreached)?;
            let stream: Box<dyn Stream> = if proxy.tls {
                let stream = secure(trust, &proxy.host, None, socket, deadline).await;
                Box::new(stream.map_err(unreached)?)
            } else {
                Box::new(socket)
            };
            if peer.tls {
                tunnel(stream, peer, proxy, deadline).await?
            } else {
                stream
            }
        }
    };
    if !peer.tls {
        return Ok(stream);
    }
    let stream = secure(
        trust,
        &peer.host,
        peer.ca_bundle.as_deref(),
        stream,
        deadline,
    );
    Ok(Box::new(stream.await?))
}

/// Whether a server that gave no answer to plain text answers in TLS, with whatever certificate.
pub(super) async fn speaks_tls(
    clock: &Clock,
    trust: &Trust,
    peer: &Peer,
    deadline: Instant,
) -> bool {
    let Ok(socket) = socket(clock, &peer.host, peer.port, deadline).await else {
        return false;
    };
    let secured = secure(trust, &peer.host, None, socket, deadline).await;
    matches!(secured, Ok(_) | Err(TransportError::Tls(_)))
}

async fn socket(
    clock: &Clock,
    host: &str,
    port: u16,
    deadline: Instant,
) -> Result<TcpStream, TransportError> {
    let addresses = resolve(host, port, deadline).await?;
    let socket = dial(clock, &addresses, deadline).await?;
    // A request is one small packet, and waits for nothing.
    let _ = socket.set_nodelay(true);
    Ok(socket)
}

async fn secure<S: Stream>(
    trust: &Trust,
    host: &str,
    ca_bundle: Option<&str>,
    stream: S,
    deadline: Instant,
) -> Result<tokio_rustls::client::TlsStream<S>, TransportError> {
    let config = trust.config(ca_bundle);
    let config = config.ok_or(TransportError::Tls(TlsError::Other))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| TransportError::Host)?;
    let handshake = TlsConnector::from(config).connect(name, stream);
    match timeout_at(deadline, handshake).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(handshake_failure(&error)),
        Err(_) => Err(TIMEOUT),
    }
}

/// Asks the proxy for a way to the peer (CONNECT).
async fn tunnel(
    stream: Box<dyn Stream>,
    peer: &Peer,
    proxy: &ProxyUrl,
    deadline: Instant,
) -> Result<Box<dyn Stream>, TransportError> {
    let broken = || TransportError::Proxy(ProxyError::Unreachable);
    let host = if peer.host.contains(':') {
        format!("[{}]:{}", peer.host, peer.port)
    } else {
        format!("{}:{}", peer.host, peer.port)
    };
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = host.parse().map_err(|_| TransportError::Host)?;
    let host = HeaderValue::from_str(&host).map_err(|_| TransportError::Host)?;
    request.headers_mut().insert(header::HOST, host);
    if let Some(authorization) = proxy.authorization() {
        request
            .headers_mut()
            .insert(header::PROXY_AUTHORIZATION, authorization);
    }
    let asked = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = async {
            // The request that was under way reports why it ended.
            let _ = connection.with_upgrades().await;
        };
        tokio::spawn(connection.with_subscriber(NoSubscriber::new()));
        let answer = sender.send_request(request).await?;
        if !answer.status().is_success() {
            return Ok(Err(answer.status().as_u16()));
        }
        hyper::upgrade::on(answer).await.map(Ok)
    };
    match timeout_at(deadline, asked).await {
        Ok(Ok(Ok(upgraded))) => Ok(Box::new(TokioIo::new(upgraded))),
        Ok(Ok(Err(status))) => Err(TransportError::Proxy(ProxyError::Refused(status))),
        Ok(Err(_)) => Err(broken()),
        Err(_) => Err(TIMEOUT),
    }
}

async fn resolve(
    host: &str,
    port: u16,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, TransportError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let lookup = tokio::net::lookup_host((host, port));
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
    let mut worst = TIMEOUT;
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

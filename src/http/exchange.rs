//! One request and its answer, over a connection that may have served another before.
//!
//! What holds here: redirects are not followed; no header is added but `Host` and `User-Agent`, and for a
//! proxy what it is to know; a body is read to a limit and no further; and neither a URL nor a header reaches
//! a log: what hyper traces goes nowhere.
//!
//! # Why not hyper-util's pooled client
//! It was tried (0.1.21), with a connector of our own. It reports all failures as exactly as this file, and
//! is longer by a hundred lines: it calls its connector with an address alone, so that a request's deadline
//! goes around it in a task-local value; when a request was sent (by which the store's clock is measured)
//! must be captured beside it; it does not say whether a connection that broke had waited, which decides
//! whether a request is sent again; its pool has no limit for all hosts together, and tenants choose the names
//! of buckets, which are hosts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use presigned_core::engine::{ProxyError, TransportError};
use tokio::time::{Instant, timeout_at};
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::connect::{Peer, TIMEOUT, connect, speaks_tls};
use super::proxy::{Proxies, ProxyUrl, bare};
use super::trust::Trust;
use crate::clock::Clock;

/// How long a connection waits for its next request.
const IDLE: Duration = Duration::from_secs(20);
/// How many connections wait for one store, and for all.
const IDLE_EACH: usize = 2;
const IDLE_ALL: usize = 32;

const AGENT: HeaderValue = HeaderValue::from_static(concat!(
    "presigned-url-operator/",
    env!("CARGO_PKG_VERSION")
));

/// How a proxy asks for credentials.
const NO_USER: StatusCode = StatusCode::PROXY_AUTHENTICATION_REQUIRED;

/// What came back.
pub(crate) struct Exchanged {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The body, cut at the limit.
    pub(crate) body: Bytes,
    /// Whether the body went on after the limit.
    pub(crate) cut: bool,
    /// From the moment when the request was sent to the one when the head of the answer was there.
    pub(crate) took: Duration,
    /// When it was sent.
    pub(crate) sent: Instant,
}

/// Connections, those that wait for their next request among them.
pub struct Connections {
    clock: Clock,
    proxies: Proxies,
    trust: Trust,
    idle: Mutex<BTreeMap<Peer, Vec<Idle>>>,
}

struct Idle {
    sender: SendRequest<Full<Bytes>>,
    until: Instant,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl Connections {
    /// No connection yet. Time-outs and durations are measured by `clock`.
    #[must_use]
    pub fn new(clock: Clock, proxies: Proxies) -> Arc<Self> {
        Arc::new(Self {
            clock,
            proxies,
            trust: Trust::default(),
            idle: Mutex::default(),
        })
    }

    /// Sends a request to the authority of its URI, and reads at most `limit` bytes of what comes back.
    /// `ca_bundle` holds PEM certificates that are trusted besides the system's.
    pub(crate) async fn exchange(
        &self,
        request: Request<Bytes>,
        ca_bundle: Option<&str>,
        limit: usize,
        timeout: Duration,
    ) -> Result<Exchanged, TransportError> {
        let deadline = self.clock.instant() + timeout;
        let peer = peer(request.uri(), ca_bundle).ok_or(TransportError::Host)?;
        let proxy = self.proxies.of(peer.tls, &peer.host, peer.port);
        let request =
            addressed(request, proxy.filter(|_| !peer.tls)).ok_or(TransportError::Host)?;
        let quiet = async {
            if let Some(sender) = self.take(&peer) {
                // The server may have hung up while the connection waited: then the request is sent again.
                match self.send(sender, &peer, &request, limit, deadline).await {
                    Err(TransportError::Connection) => {}
                    answered => return answered,
                }
            }
            let sender = self.open(&peer, proxy, deadline).await?;
            let answered = self.send(sender, &peer, &request, limit, deadline).await;
            if proxy.is_none()
                && !peer.tls
                && may_want_tls(&answered)
                && speaks_tls(&self.clock, &self.trust, &peer, deadline).await
            {
                return Err(TransportError::TlsExpected);
            }
            answered
        };
        match quiet.with_subscriber(NoSubscriber::new()).await {
            // Told as it was set, not as what was left of it.
            Err(TransportError::Timeout(_)) => Err(TransportError::Timeout(timeout)),
            Ok(answer) if proxy.is_some() && answer.status == NO_USER => {
                Err(TransportError::Proxy(ProxyError::Refused(NO_USER.as_u16())))
            }
            answered => answered,
        }
    }

    async fn open(
        &self,
        peer: &Peer,
        proxy: Option<&ProxyUrl>,
        deadline: Instant,
    ) -> Result<SendRequest<Full<Bytes>>, TransportError> {
        let stream = connect(&self.clock, &self.trust, peer, proxy, deadline).await?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|_| TransportError::Connection)?;
        let connection = async {
            // The request that was under way reports why it ended.
            let _ = connection.await;
        };
        tokio::spawn(connection.with_subscriber(NoSubscriber::new()));
        Ok(sender)
    }

    async fn send(
        &self,
        mut sender: SendRequest<Full<Bytes>>,
        peer: &Peer,
        request: &Request<Bytes>,
        limit: usize,
        deadline: Instant,
    ) -> Result<Exchanged, TransportError> {
        let sent = self.clock.instant();
        let answer = sender.send_request(request.clone().map(Full::new));
        let answer = within(deadline, answer).await?;
        let took = self.clock.since(sent);
        let (head, body) = answer.into_parts();
        let (body, cut) = read(body, limit, deadline).await?;
        if !cut {
            self.keep(peer, sender);
        }
        Ok(Exchanged {
            status: head.status,
            headers: head.headers,
            body,
            cut,
            took,
            sent,
        })
    }

    /// How many connections wait for a request.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.values().map(Vec::len).sum()
    }

    fn take(&self, peer: &Peer) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        tidy(&mut idle, self.clock.instant());
        let found = idle.get_mut(peer)?.pop();
        found.map(|found| found.sender)
    }

    fn keep(&self, peer: &Peer, sender: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        tidy(&mut idle, self.clock.instant());
        let all: usize = idle.values().map(Vec::len).sum();
        let same = idle.entry(peer.clone()).or_default();
        if all < IDLE_ALL && same.len() < IDLE_EACH {
            let until = self.clock.instant() + IDLE;
            same.push(Idle { sender, until });
        }
    }
}

/// Drops what waited for too long, or was closed by the other side.
fn tidy(idle: &mut BTreeMap<Peer, Vec<Idle>>, now: Instant) {
    idle.retain(|_, same| {
        same.retain(|one| one.until > now && !one.sender.is_closed());
        !same.is_empty()
    });
}

async fn within<T>(
    deadline: Instant,
    future: impl Future<Output = hyper::Result<T>>,
) -> Result<T, TransportError> {
    match timeout_at(deadline, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(TransportError::Connection),
        Err(_) => Err(TIMEOUT),
    }
}

async fn read(
    mut body: Incoming,
    limit: usize,
    deadline: Instant,
) -> Result<(Bytes, bool), TransportError> {
    let mut read = BytesMut::new();
    while !body.is_end_stream() {
        let frame = timeout_at(deadline, body.frame()).await;
        let frame = match frame.map_err(|_| TIMEOUT)? {
            None => break,
            Some(frame) => frame.map_err(|_| TransportError::Connection)?,
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let room = limit.saturating_sub(read.len());
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok((read.freeze(), true));
        }
    }
    Ok((read.freeze(), false))
}

/// Whether a server that was spoken to in plain text may have wanted TLS: it broke the connection, or called
/// the request a bad one without a word of S3's.
fn may_want_tls(answered: &Result<Exchanged, TransportError>) -> bool {
    match answered {
        Ok(answer) => {
            let is_error_of_s3 = answer.body.windows(6).any(|at| at == b"<Code>");
            answer.status == StatusCode::BAD_REQUEST && !is_error_of_s3
        }
        Err(why) => *why == TransportError::Connection,
    }
}

/// The other end of the connection.
pub(super) fn peer(uri: &Uri, ca_bundle: Option<&str>) -> Option<Peer> {
    let tls = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    Some(Peer {
        tls,
        host: bare(uri.host()?).to_owned(),
        port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
        // Without TLS nobody is trusted, and a connection is the same whatever the bundle.
        ca_bundle: ca_bundle.filter(|_| tls).map(str::to_owned),
    })
}

/// The request as it is sent: the path in its first line, the host in a header. A proxy that passes plain
/// text on gets the whole URI, and who asks.
pub(super) fn addressed<B>(request: Request<B>, proxy: Option<&ProxyUrl>) -> Option<Request<B>> {
    let (mut head, body) = request.into_parts();
    let host = HeaderValue::from_str(head.uri.authority()?.as_str()).ok()?;
    head.headers.insert(header::HOST, host);
    head.headers.entry(header::USER_AGENT).or_insert(AGENT);
    match proxy {
        None => head.uri = head.uri.path_and_query()?.clone().into(),
        Some(proxy) => {
            if let Some(authorization) = proxy.authorization() {
                head.headers
                    .insert(header::PROXY_AUTHORIZATION, authorization);
            }
        }
    }
    head.version = http::Version::HTTP_11;
    Some(Request::from_parts(head, body))
}

//! One request and its answer, over a connection that may have served another before.
//!
//! What holds here: redirects are not followed, no header is added but `Host` and `User-Agent`, a body is
//! read to a limit and no further, and neither a URL nor a header reaches a log: what hyper traces goes
//! nowhere.
//!
//! # Why not hyper-util's pooled client
//! It calls its connector with an address alone. The deadline of the request, the authorities that the store
//! trusts, and the time at which the request was sent (by which the store's clock is measured) would each need
//! a way around it, for a pool of some sixty lines.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use presigned_core::engine::TransportError;
use tokio::time::{Instant, timeout_at};
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::connect::{Peer, Trust, connect};
use crate::clock::Clock;

/// How long a connection waits for its next request.
const IDLE: Duration = Duration::from_secs(20);
/// How many connections wait for one store, and for all.
const IDLE_EACH: usize = 2;
const IDLE_ALL: usize = 32;

const AGENT: &str = concat!("presigned-url-operator/", env!("CARGO_PKG_VERSION"));

/// What came back.
pub(super) struct Exchanged {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The body, cut at the limit.
    pub(super) body: Bytes,
    /// Whether the body went on after the limit.
    pub(super) cut: bool,
    /// From the moment when the request was sent to the one when the head of the answer was there.
    pub(super) took: Duration,
    /// When it was sent.
    pub(super) sent: Instant,
}

/// Connections to stores.
pub(super) struct Connections {
    clock: Clock,
    trust: Trust,
    idle: Mutex<BTreeMap<Peer, Vec<Idle>>>,
}

struct Idle {
    sender: SendRequest<Empty<Bytes>>,
    until: Instant,
}

impl Connections {
    /// No connection yet. Time-outs and durations are measured by `clock`.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            trust: Trust::default(),
            idle: Mutex::default(),
        }
    }

    /// Sends a request without a body to the authority of its URI, and reads at most `limit` bytes of what
    /// comes back.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        request: Request<()>,
        ca_bundle: Option<&str>,
        limit: usize,
        deadline: Instant,
    ) -> Result<Exchanged, TransportError> {
        let (peer, request) = addressed(request, ca_bundle).ok_or(TransportError::Host)?;
        let quiet = async {
            if let Some(sender) = self.take(&peer) {
                // The server may have hung up while the connection waited: then the request is sent anew.
                match self.send(sender, &peer, &request, limit, deadline).await {
                    Err(TransportError::Connection) => {}
                    answered => return answered,
                }
            }
            let sender = self.open(&peer, deadline).await?;
            self.send(sender, &peer, &request, limit, deadline).await
        };
        quiet.with_subscriber(NoSubscriber::new()).await
    }

    async fn open(
        &self,
        peer: &Peer,
        deadline: Instant,
    ) -> Result<SendRequest<Empty<Bytes>>, TransportError> {
        let stream = connect(&self.clock, &self.trust, peer, deadline).await?;
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
        mut sender: SendRequest<Empty<Bytes>>,
        peer: &Peer,
        request: &Request<()>,
        limit: usize,
        deadline: Instant,
    ) -> Result<Exchanged, TransportError> {
        let sent = self.clock.instant();
        let answer = sender.send_request(request.clone().map(|()| Empty::new()));
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
    pub(super) fn waiting(&self) -> usize {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.values().map(Vec::len).sum()
    }

    fn take(&self, peer: &Peer) -> Option<SendRequest<Empty<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        tidy(&mut idle, self.clock.instant());
        let found = idle.get_mut(peer)?.pop();
        found.map(|found| found.sender)
    }

    fn keep(&self, peer: &Peer, sender: SendRequest<Empty<Bytes>>) {
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
        Err(_) => Err(TransportError::Timeout),
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
        let frame = match frame.map_err(|_| TransportError::Timeout)? {
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

/// The other end of the connection, and the request as it is sent: the path in its first line, the host in a
/// header.
fn addressed(request: Request<()>, ca_bundle: Option<&str>) -> Option<(Peer, Request<()>)> {
    let (mut head, ()) = request.into_parts();
    let tls = match head.uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return None,
    };
    let authority = head.uri.authority()?;
    let host = authority.host();
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let peer = Peer {
        tls,
        host: host.to_owned(),
        port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
        // Without TLS nobody is trusted, and a connection is the same whatever the bundle.
        ca_bundle: ca_bundle.filter(|_| tls).map(str::to_owned),
    };
    let host = HeaderValue::from_str(authority.as_str()).ok()?;
    head.headers.insert(header::HOST, host);
    head.headers
        .insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
    let path = head.uri.path_and_query()?.clone();
    head.uri = path.into();
    head.version = http::Version::HTTP_11;
    Some((peer, Request::from_parts(head, ())))
}

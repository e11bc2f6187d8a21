//! One request whose body or answer is a stream: the uploads and downloads of `push` and `fetch`.
//!
//! What holds here: as in [`super::exchange`], redirects are not followed, no header is added but `Host` and
//! `User-Agent`, and neither a URL nor a header reaches a log. No body is held whole: a connection buffers
//! [`BUFFER`] bytes at most. Silence has a time limit, and the transfer as a whole has none.
//!
//! [`super::Connections`] sends a body that is there, and reads an answer up to a limit by a deadline; its
//! connections carry that one kind of body. So streams have a pool of their own, on the same connector, trust
//! and proxies.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use presigned_core::engine::{ProxyError, TransportError};
use tokio::time::{Instant, timeout};
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::connect::{Peer, connect, speaks_tls};
use super::exchange::{addressed, peer};
use super::proxy::{Proxies, ProxyUrl};
use super::trust::Trust;
use crate::clock::Clock;

/// The most bytes that a connection buffers.
const BUFFER: usize = 256 * 1024;
/// How long a connection waits for its next request.
const IDLE: Duration = Duration::from_secs(20);
/// How long a connection may take to be ready for its next request.
const READY: Duration = Duration::from_secs(1);
/// How long a name, a socket, a proxy and a handshake may take together.
const CONNECT: Duration = Duration::from_secs(10);

/// A request's body.
pub(crate) type Upload = UnsyncBoxBody<Bytes, io::Error>;

/// Connections for streams, those that wait for their next request among them.
pub struct Streams {
    clock: Clock,
    proxies: Proxies,
    trust: Trust,
    /// How long the other side may say nothing.
    silence: Duration,
    idle: Mutex<BTreeMap<Peer, Vec<Idle>>>,
}

/// A connection, and until when it waits.
type Idle = (SendRequest<Upload>, Instant);

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

/// The head of an answer, and its body as it comes.
pub(crate) struct Streamed {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: AnswerBody,
}

/// The body of an answer. Once it has been read to its end, its connection serves another request.
pub(crate) struct AnswerBody {
    incoming: Incoming,
    home: Option<(Arc<Streams>, Peer, SendRequest<Upload>)>,
    silence: Duration,
}

/// A request without a body.
pub(crate) fn no_upload() -> Upload {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

impl Streams {
    /// No connection yet. A server that says nothing for `silence` counts as gone.
    #[must_use]
    pub fn new(clock: Clock, proxies: Proxies, silence: Duration) -> Arc<Self> {
        Arc::new(Self {
            clock,
            proxies,
            trust: Trust::default(),
            silence,
            idle: Mutex::default(),
        })
    }

    /// Sends a request to the authority of its URI. `sent` counts the bytes that its body has handed over, so
    /// that a long upload is no silence. `ca_bundle` holds PEM certificates that are trusted besides the
    /// system's.
    pub(crate) async fn request(
        self: &Arc<Self>,
        request: Request<Upload>,
        ca_bundle: Option<&str>,
        sent: &AtomicU64,
    ) -> Result<Streamed, TransportError> {
        let peer = peer(request.uri(), ca_bundle).ok_or(TransportError::Host)?;
        let proxy = self.proxies.of(peer.tls, &peer.host, peer.port);
        let request =
            addressed(request, proxy.filter(|_| !peer.tls)).ok_or(TransportError::Host)?;
        let quiet = self.answer(request, &peer, proxy, sent);
        let (sender, answer) = quiet.with_subscriber(NoSubscriber::new()).await?;
        let no_user = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        if proxy.is_some() && answer.status() == no_user {
            let refused = ProxyError::Refused(no_user.as_u16());
            return Err(TransportError::Proxy(refused));
        }
        let (head, incoming) = answer.into_parts();
        Ok(Streamed {
            status: head.status,
            headers: head.headers,
            body: AnswerBody {
                incoming,
                home: Some((Arc::clone(self), peer, sender)),
                silence: self.silence,
            },
        })
    }

    async fn answer(
        &self,
        mut request: Request<Upload>,
        peer: &Peer,
        proxy: Option<&ProxyUrl>,
        sent: &AtomicU64,
    ) -> Result<(SendRequest<Upload>, http::Response<Incoming>), TransportError> {
        while let Some(mut sender) = self.take(peer) {
            if !matches!(timeout(READY, sender.ready()).await, Ok(Ok(()))) {
                continue;
            }
            let answer = self.heard(sender.try_send_request(request), sent).await?;
            match answer {
                Ok(answer) => return Ok((sender, answer)),
                // The server had hung up while the connection waited, and nothing was sent.
                Err(mut unsent) => match unsent.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(TransportError::Connection),
                },
            }
        }
        let deadline = self.clock.instant() + CONNECT;
        let connected = connect(&self.clock, &self.trust, peer, proxy, deadline).await;
        let stream = connected.map_err(|why| match why {
            TransportError::Timeout(_) => TransportError::Timeout(CONNECT),
            why => why,
        })?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER);
        let handshake = builder.handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|_| TransportError::Connection)?;
        let connection = async {
            // The request that was under way reports why it ended.
            let _ = connection.await;
        };
        tokio::spawn(connection.with_subscriber(NoSubscriber::new()));
        match self.heard(sender.try_send_request(request), sent).await? {
            Ok(answer) => Ok((sender, answer)),
            Err(_) if proxy.is_none() && !peer.tls && self.wants_tls(peer).await => {
                Err(TransportError::TlsExpected)
            }
            Err(_) => Err(TransportError::Connection),
        }
    }

    async fn wants_tls(&self, peer: &Peer) -> bool {
        let deadline = self.clock.instant() + CONNECT;
        speaks_tls(&self.clock, &self.trust, peer, deadline).await
    }

    /// Waits for an answer as long as the request's body moves.
    async fn heard<T>(
        &self,
        answer: impl Future<Output = T>,
        sent: &AtomicU64,
    ) -> Result<T, TransportError> {
        let mut answer = std::pin::pin!(answer);
        loop {
            let before = sent.load(Ordering::Relaxed);
            match timeout(self.silence, &mut answer).await {
                Ok(answered) => return Ok(answered),
                Err(_) if sent.load(Ordering::Relaxed) > before => {}
                Err(_) => return Err(TransportError::Timeout(self.silence)),
            }
        }
    }

    fn take(&self, peer: &Peer) -> Option<SendRequest<Upload>> {
        let now = self.clock.instant();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let same = idle.get_mut(peer)?;
        same.retain(|(sender, until)| *until > now && !sender.is_closed());
        same.pop().map(|(sender, _)| sender)
    }

    fn keep(&self, peer: Peer, sender: SendRequest<Upload>) {
        let until = self.clock.instant() + IDLE;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // There are no more than transfers at once.
        idle.entry(peer).or_default().push((sender, until));
    }
}

impl AnswerBody {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`TransportError::Connection`] if the body breaks off before its length.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        while !self.incoming.is_end_stream() {
            let frame = timeout(self.silence, self.incoming.frame()).await;
            match frame.map_err(|_| TransportError::Timeout(self.silence))? {
                None => break,
                Some(Err(_)) => {
                    self.home = None;
                    return Err(TransportError::Connection);
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
        if let Some((streams, peer, sender)) = self.home.take() {
            streams.keep(peer, sender);
        }
        Ok(None)
    }

    /// The first bytes of the body, at most `limit` of them: what a server says of a failure.
    pub(crate) async fn beginning(mut self, limit: usize) -> Vec<u8> {
        let mut read = Vec::new();
        while let Ok(Some(data)) = self.chunk().await {
            let room = limit.saturating_sub(read.len());
            read.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                break;
            }
        }
        read
    }
}

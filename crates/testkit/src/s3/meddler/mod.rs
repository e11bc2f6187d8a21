//! A proxy before an S3 server that meddles with what is answered: a clock that is off, a store that fails, hangs, is
//! elsewhere, or stops in the middle of a listing.
//!
//! The `Host` header reaches the server as it came, and so do path, query and body: signatures hold through it.

mod answers;
mod seen;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::{S3Server, lock};
use crate::serve::Background;
use crate::upstream::Upstream;
use crate::{pki, tls};

pub use seen::{Kind, Seen};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What happens to a request instead of what the server would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meddling {
    /// An error with this status and S3 error code; the server is not asked.
    Error(StatusCode, &'static str),
    /// No answer, on an open connection; the server is not asked.
    Hang,
    /// The connection is cut; the server is not asked.
    Cut,
    /// The server is asked, and the connection is cut in the middle of its answer's body.
    HalfAnswer,
    /// 400, as of a bucket in this region asked with a signature for another; the server is not asked.
    WrongRegion(String),
    /// 301 `PermanentRedirect`, as of a bucket in this region asked at the endpoint of another; the server is not asked.
    Elsewhere(String),
    /// The first pages of each listing come as they are, and `then` happens to what follows. Other requests pass.
    AfterPages {
        /// How many pages come as they are.
        pages: usize,
        /// What happens to the next.
        then: Box<Meddling>,
    },
}

/// The proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct FaultyS3Proxy {
    /// The address, with its scheme: what a store's `endpoint` is set to.
    pub endpoint: String,
    /// The authority of the proxy's certificate, PEM, where it speaks TLS.
    pub ca_pem: Option<String>,
    state: Arc<State>,
    _server: Background,
}

#[derive(Debug)]
struct State {
    upstream: Upstream<Incoming>,
    date: Mutex<SignedDuration>,
    rules: Mutex<Vec<Rule>>,
    /// How many pages of a listing were asked for, by path and prefix.
    pages: Mutex<BTreeMap<String, usize>>,
    seen: watch::Sender<Vec<Seen>>,
}

#[derive(Debug)]
struct Rule {
    /// None for every kind.
    kind: Option<Kind>,
    meddling: Meddling,
    /// How often it still happens; none for always.
    left: Option<usize>,
}

impl FaultyS3Proxy {
    /// A proxy over plain HTTP before `server`, which it must not outlive to be of use.
    pub fn before(server: &S3Server) -> Result<Self> {
        Self::start(server, false)
    }

    /// A proxy over TLS, with an authority of its own ([`FaultyS3Proxy::ca_pem`]).
    pub fn before_with_tls(server: &S3Server) -> Result<Self> {
        Self::start(server, true)
    }

    fn start(server: &S3Server, with_tls: bool) -> Result<Self> {
        let state = Arc::new(State {
            upstream: Upstream::new(&server.endpoint, server.ca_pem.as_deref())?,
            date: Mutex::default(),
            rules: Mutex::default(),
            pages: Mutex::default(),
            seen: watch::Sender::default(),
        });
        let (scheme, ca_pem, config) = if with_tls {
            let authority = pki::Authority::new("presigned-testkit meddler")?;
            let identity = authority.server(&["127.0.0.1", "localhost", "*.localhost"])?;
            let config = tls::server_config(&identity)?;
            ("https", Some(authority.pem()), Some(config))
        } else {
            ("http", None, None)
        };
        let shared = Arc::clone(&state);
        let handler = move |request| answer(Arc::clone(&shared), request);
        let server = Background::start("meddler", config, handler)?;
        Ok(Self {
            endpoint: format!("{scheme}://{}", server.address()),
            ca_pem,
            state,
            _server: server,
        })
    }

    /// Has the `Date` of every answer be that much ahead of the clock, or behind it where it is negative. The server
    /// itself judges signatures by the true time.
    pub fn set_clock_ahead(&self, by: SignedDuration) {
        *lock(&self.state.date) = by;
    }

    /// Meddles with every request of `kind`, or with every request, until [`FaultyS3Proxy::relent`]. What was said last counts
    /// first.
    pub fn meddle(&self, kind: impl Into<Option<Kind>>, meddling: Meddling) {
        self.add(kind.into(), meddling, None);
    }

    /// Like [`FaultyS3Proxy::meddle`], but only the next `times` times.
    pub fn meddle_times(&self, kind: impl Into<Option<Kind>>, meddling: Meddling, times: usize) {
        self.add(kind.into(), meddling, Some(times));
    }

    fn add(&self, kind: Option<Kind>, meddling: Meddling, left: Option<usize>) {
        lock(&self.state.rules).push(Rule {
            kind,
            meddling,
            left,
        });
    }

    /// Meddles no more; the clock stays as it was set, and requests that hang go on hanging.
    pub fn relent(&self) {
        lock(&self.state.rules).clear();
        lock(&self.state.pages).clear();
    }

    /// The requests so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.state.seen.borrow().clone()
    }

    /// How many requests of `kind` have come so far.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        count(&self.state.seen.borrow(), kind)
    }

    /// Forgets the requests so far, so that counting starts anew.
    pub fn forget_requests(&self) {
        self.state.seen.send_modify(Vec::clear);
    }

    /// Waits until at least `least` requests of `kind` have come; false when that takes longer than `patience`.
    pub async fn wait_for(&self, kind: Kind, least: usize, patience: Duration) -> bool {
        let mut seen = self.state.seen.subscribe();
        let enough = seen.wait_for(|seen| count(seen, kind) >= least);
        matches!(tokio::time::timeout(patience, enough).await, Ok(Ok(_)))
    }
}

fn count(seen: &[Seen], kind: Kind) -> usize {
    seen.iter().filter(|seen| seen.kind == kind).count()
}

impl State {
    /// What happens to this request. Pages are counted whether a rule looks at them or not.
    fn meddling_with(&self, seen: &Seen) -> Option<Meddling> {
        let page = seen.listing.as_ref().map(|listing| {
            let mut pages = lock(&self.pages);
            let page = pages.entry(listing.of.clone()).or_default();
            *page = if listing.continued { *page + 1 } else { 1 };
            *page
        });
        let mut rules = lock(&self.rules);
        let rule = rules.iter_mut().rev().find(|rule| {
            let reached = match &rule.meddling {
                Meddling::AfterPages { pages, .. } => page.is_some_and(|page| page > *pages),
                _ => true,
            };
            reached && rule.left != Some(0) && rule.kind.is_none_or(|kind| kind == seen.kind)
        })?;
        rule.left = rule.left.map(|left| left - 1);
        match rule.meddling.clone() {
            Meddling::AfterPages { then, .. } => Some(*then),
            meddling => Some(meddling),
        }
    }

    async fn ask(&self, request: Request<Incoming>) -> Option<Response<Incoming>> {
        let (head, body) = request.into_parts();
        self.upstream.send(head, body).await.ok()
    }
}

/// The answer to one request; none to cut the connection.
async fn answer(state: Arc<State>, request: Request<Incoming>) -> Option<Response<Body>> {
    let seen = Seen::read(&request);
    let meddling = state.meddling_with(&seen);
    state.seen.send_modify(|all| all.push(seen.clone()));
    let mut answer = match meddling {
        None => state.ask(request).await?.map(whole),
        Some(Meddling::HalfAnswer) => {
            let (head, body) = state.ask(request).await?.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            Response::from_parts(head, half(&body))
        }
        Some(Meddling::Hang) => std::future::pending().await,
        // Pages within pages mean nothing: their connection is cut.
        Some(Meddling::Cut | Meddling::AfterPages { .. }) => return None,
        Some(Meddling::Error(status, code)) => answers::error(&seen, status, code),
        Some(Meddling::WrongRegion(region)) => answers::wrong_region(&seen, &region),
        Some(Meddling::Elsewhere(region)) => answers::elsewhere(&seen, &region),
    };
    let ahead = *lock(&state.date);
    if !ahead.is_zero() {
        let date = jiff::fmt::rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&(Timestamp::now() + ahead));
        let date = date
            .ok()
            .and_then(|date| HeaderValue::try_from(date).ok())?;
        answer.headers_mut().insert(header::DATE, date);
    }
    Some(answer)
}

fn whole(body: Incoming) -> Body {
    body.map_err(io::Error::other).boxed_unsync()
}

/// A body that breaks off in the middle. The length that was promised stays: the client sees that something is missing.
fn half(body: &Bytes) -> Body {
    let frames = [
        Ok(Frame::data(body.slice(..body.len() / 2))),
        Err(io::ErrorKind::ConnectionReset.into()),
    ];
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

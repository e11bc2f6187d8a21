//! A proxy in front of an S3 server that injects faults: a clock that is off, a store that fails, hangs,
//! redirects, or breaks off in the middle of a listing.
//!
//! The proxy passes on the `Host` header, path, query and body unchanged, so that signatures stay valid.

mod request;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::s3_errors::{S3Error, redirect, wrong_region};
use super::{S3Server, StrictS3, lock};
use crate::serve::Background;
use crate::upstream::Upstream;
use crate::{pki, tls};

pub use request::{ProxiedRequest, RequestKind};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What the proxy does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S3Fault {
    /// An error with this status and S3 error code; the server is not asked.
    Error(StatusCode, &'static str),
    /// No answer, on an open connection; the server is not asked.
    Hang,
    /// The connection is cut; the server is not asked.
    Cut,
    /// The server is asked, and the connection is cut in the middle of its response's body.
    TruncatedResponse,
    /// 400, as of a bucket in this region asked with a signature for another; the server is not asked.
    WrongRegion(String),
    /// 301 `PermanentRedirect`, as of a bucket in this region asked at another's endpoint; the server is not
    /// asked.
    Redirect(String),
    /// 200 and an HTML page, as of a web server at the wrong endpoint; the server is not asked.
    WebPage,
    /// The first pages of each listing pass, and `then` happens to the pages that follow. Other requests
    /// pass.
    AfterPages {
        /// How many pages pass.
        pages: usize,
        /// What happens to the next page.
        then: Box<S3Fault>,
    },
}

/// The proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct FaultyS3Proxy {
    /// The address, with its scheme: what a store's `endpoint` is set to.
    pub endpoint: String,
    /// The authority of the proxy's certificate, PEM, if it speaks TLS.
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
    seen: watch::Sender<Vec<ProxiedRequest>>,
}

#[derive(Debug)]
struct Rule {
    /// `None` for every kind.
    kind: Option<RequestKind>,
    fault: S3Fault,
    /// How often the rule still applies; `None` for always.
    left: Option<usize>,
}

impl FaultyS3Proxy {
    /// A proxy over plain HTTP in front of `server`; keep the server running as long.
    pub fn before(server: &S3Server) -> Result<Self> {
        Self::start(&server.endpoint, server.ca_pem.as_deref(), false)
    }

    /// As [`FaultyS3Proxy::before`], in front of a proxy as strict as AWS.
    pub fn before_strict(strict: &StrictS3) -> Result<Self> {
        Self::start(&strict.endpoint, None, false)
    }

    /// A proxy over TLS, with an authority of its own ([`FaultyS3Proxy::ca_pem`]).
    pub fn before_with_tls(server: &S3Server) -> Result<Self> {
        Self::start(&server.endpoint, server.ca_pem.as_deref(), true)
    }

    fn start(upstream: &str, ca_pem: Option<&str>, with_tls: bool) -> Result<Self> {
        let state = Arc::new(State {
            upstream: Upstream::new(upstream, ca_pem)?,
            date: Mutex::default(),
            rules: Mutex::default(),
            pages: Mutex::default(),
            seen: watch::Sender::default(),
        });
        let (scheme, ca_pem, config) = if with_tls {
            let authority = pki::Authority::new("presigned-testkit faulty S3 proxy")?;
            let identity = authority.server(&["127.0.0.1", "localhost", "*.localhost"])?;
            let config = tls::server_config(&identity)?;
            ("https", Some(authority.pem()), Some(config))
        } else {
            ("http", None, None)
        };
        let shared = Arc::clone(&state);
        let handler = move |request| answer(Arc::clone(&shared), request);
        let server = Background::start("faulty-s3-proxy", config, handler)?;
        Ok(Self {
            endpoint: format!("{scheme}://{}", server.address()),
            ca_pem,
            state,
            _server: server,
        })
    }

    /// Sets the `Date` of every response that much ahead of the clock, or behind it if negative. The server
    /// itself checks signatures against the true time.
    pub fn set_clock_ahead(&self, by: SignedDuration) {
        *lock(&self.state.date) = by;
    }

    /// Injects the fault into every request of `kind`, or into every request, until
    /// [`FaultyS3Proxy::clear_faults`]. The newest rule that applies wins.
    pub fn inject(&self, kind: impl Into<Option<RequestKind>>, fault: S3Fault) {
        self.add(kind.into(), fault, None);
    }

    /// Like [`FaultyS3Proxy::inject`], but only the next `times` times.
    pub fn inject_times(&self, kind: impl Into<Option<RequestKind>>, fault: S3Fault, times: usize) {
        self.add(kind.into(), fault, Some(times));
    }

    fn add(&self, kind: Option<RequestKind>, fault: S3Fault, left: Option<usize>) {
        lock(&self.state.rules).push(Rule { kind, fault, left });
    }

    /// Removes all faults. The clock stays as it was set, and requests that hang go on hanging.
    pub fn clear_faults(&self) {
        lock(&self.state.rules).clear();
        lock(&self.state.pages).clear();
    }

    /// The requests so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<ProxiedRequest> {
        self.state.seen.borrow().clone()
    }

    /// How many requests of `kind` have come so far.
    #[must_use]
    pub fn count(&self, kind: RequestKind) -> usize {
        count(&self.state.seen.borrow(), kind)
    }

    /// Forgets the requests so far, so that counting starts anew.
    pub fn forget_requests(&self) {
        self.state.seen.send_modify(Vec::clear);
    }

    /// Waits until at least `least` requests of `kind` have come; false if that takes longer than `timeout`.
    pub async fn wait_for(&self, kind: RequestKind, least: usize, timeout: Duration) -> bool {
        let mut seen = self.state.seen.subscribe();
        let enough = seen.wait_for(|seen| count(seen, kind) >= least);
        matches!(tokio::time::timeout(timeout, enough).await, Ok(Ok(_)))
    }
}

fn count(seen: &[ProxiedRequest], kind: RequestKind) -> usize {
    seen.iter().filter(|seen| seen.kind == kind).count()
}

impl State {
    /// The fault for this request. Pages are counted even if no rule needs the count.
    fn fault_for(&self, seen: &ProxiedRequest) -> Option<S3Fault> {
        let page = seen.listing.as_ref().map(|listing| {
            let mut pages = lock(&self.pages);
            let page = pages.entry(listing.of.clone()).or_default();
            *page = if listing.continued { *page + 1 } else { 1 };
            *page
        });
        let mut rules = lock(&self.rules);
        let rule = rules.iter_mut().rev().find(|rule| {
            let reached = match &rule.fault {
                S3Fault::AfterPages { pages, .. } => page.is_some_and(|page| page > *pages),
                _ => true,
            };
            reached && rule.left != Some(0) && rule.kind.is_none_or(|kind| kind == seen.kind)
        })?;
        rule.left = rule.left.map(|left| left - 1);
        match rule.fault.clone() {
            S3Fault::AfterPages { then, .. } => Some(*then),
            fault => Some(fault),
        }
    }

    async fn ask(&self, request: Request<Incoming>) -> Option<Response<Incoming>> {
        let (head, body) = request.into_parts();
        self.upstream.send(head, body).await.ok()
    }
}

/// The response to one request; `None` to cut the connection.
async fn answer(state: Arc<State>, request: Request<Incoming>) -> Option<Response<Body>> {
    let seen = ProxiedRequest::read(&request);
    let fault = state.fault_for(&seen);
    state.seen.send_modify(|all| all.push(seen.clone()));
    let mut answer = match fault {
        None => state.ask(request).await?.map(whole),
        Some(S3Fault::TruncatedResponse) => {
            let (head, body) = state.ask(request).await?.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            Response::from_parts(head, half(&body))
        }
        Some(S3Fault::Hang) => std::future::pending().await,
        // `AfterPages` within `AfterPages` has no meaning: the connection is cut.
        Some(S3Fault::Cut | S3Fault::AfterPages { .. }) => return None,
        Some(S3Fault::Error(status, code)) => {
            let why = "made by the test's proxy";
            refusal(&seen, &S3Error::new(status.as_u16(), code, why))
        }
        Some(S3Fault::WebPage) => web_page(),
        Some(S3Fault::WrongRegion(region)) => {
            refusal(&seen, &wrong_region(seen.presigned, "another", &region))
        }
        Some(S3Fault::Redirect(region)) => refusal(&seen, &redirect(&region)),
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

fn refusal(seen: &ProxiedRequest, error: &S3Error) -> Response<Body> {
    let body = |bytes| Full::new(bytes).map_err(|never| match never {});
    error
        .response(&seen.method)
        .map(|bytes| body(bytes).boxed_unsync())
}

/// The page of a web server.
fn web_page() -> Response<Body> {
    let page = "<!doctype html><html><head><title>Console</title></head><body></body></html>";
    let body = Full::new(Bytes::from(page)).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    let html = HeaderValue::from_static("text/html");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

fn whole(body: Incoming) -> Body {
    body.map_err(io::Error::other).boxed_unsync()
}

/// A body that breaks off in the middle. `Content-Length` stays, so that the client sees that bytes are
/// missing.
fn half(body: &Bytes) -> Body {
    let frames = [
        Ok(Frame::data(body.slice(..body.len() / 2))),
        Err(io::ErrorKind::ConnectionReset.into()),
    ];
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

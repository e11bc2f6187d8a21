//! One request's way through the proxy.

use std::io;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::TryStreamExt as _;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use super::request::{ApiRequest, Verb};
use super::rules::Fault;
use super::{State, lock};
use crate::control_plane::ApiServer;
use crate::tls;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The API server behind the proxy.
#[derive(Debug, Clone)]
pub(super) struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    scheme: Scheme,
    authority: Authority,
}

impl Upstream {
    pub(super) fn new(api: &ApiServer) -> Result<Self> {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(api.ca.as_deref())?)
            .https_or_http()
            .enable_http1()
            .build();
        let parts = api
            .url
            .parse::<Uri>()
            .context("read the API server's address")?
            .into_parts();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            scheme: parts
                .scheme
                .context("the API server's address has no scheme")?,
            authority: parts
                .authority
                .context("the API server's address has no host")?,
        })
    }

    async fn send(
        &self,
        mut head: http::request::Parts,
        body: Bytes,
    ) -> Result<Response<Incoming>> {
        let path = head.uri.path_and_query().cloned();
        head.uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
            .build()
            .context("make the upstream address")?;
        head.version = http::Version::HTTP_11;
        hop_by_hop(&mut head.headers);
        head.headers.remove(header::HOST);
        head.headers.remove(header::CONTENT_LENGTH);
        let request = Request::from_parts(head, Full::new(body));
        self.client
            .request(request)
            .await
            .context("ask the API server")
    }
}

/// The answer to one request; none to cut the connection.
pub(super) async fn answer(
    state: Arc<State>,
    upstream: Upstream,
    request: Request<Incoming>,
) -> Option<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    let asked = ApiRequest::read(&head.method, &head.uri, &body);
    state
        .requests
        .send_modify(|requests| requests.push(asked.clone()));

    let fault = lock(&state.rules).fault_for(&asked);
    match &fault {
        Some(Fault::Status {
            code,
            reason,
            retry_after,
        }) => {
            return Some(failure(
                *code,
                reason,
                retry_after.map(|after| after.as_secs()),
            ));
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Delay(delay)) => tokio::time::sleep(*delay).await,
        Some(Fault::HoldRequest(gate)) => gate.pass().await,
        Some(Fault::ForwardThenDrop | Fault::HoldAnswer(_)) | None => {}
    }
    let Ok(answer) = upstream.send(head, body).await else {
        return Some(failure(StatusCode::BAD_GATEWAY, "ServiceUnavailable", None));
    };
    match &fault {
        Some(Fault::ForwardThenDrop) => return None,
        Some(Fault::HoldAnswer(gate)) => gate.pass().await,
        _ => {}
    }
    let (mut head, body) = answer.into_parts();
    hop_by_hop(&mut head.headers);
    let body = if asked.verb == Verb::Watch && head.status.is_success() {
        let frames = lock(&state.watches).follow(asked, body);
        StreamBody::new(frames.into_stream()).boxed_unsync()
    } else {
        body.map_err(io::Error::other).boxed_unsync()
    };
    Some(Response::from_parts(head, body))
}

/// What belongs to one connection and must not go on to the next.
fn hop_by_hop(headers: &mut HeaderMap) {
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ] {
        headers.remove(name);
    }
}

/// A failure as the API server would word it.
fn failure(code: StatusCode, reason: &str, retry_after: Option<u64>) -> Response<Body> {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": format!("{reason}, made by the test's proxy"),
        "reason": reason,
        "details": retry_after.map(|seconds| json!({ "retryAfterSeconds": seconds })),
        "code": code.as_u16(),
    });
    let body = Full::new(Bytes::from(status.to_string()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

//! A gateway in front of an S3 server, at an address that has a path or stands for one bucket.
//!
//! The gateway is what is asked: it checks signatures over the path as it came, by the algorithm's
//! description alone, and asks the server behind it by a signature of its own. Forms are passed on as they
//! are, since their signature covers no path.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use super::client::Signer;
use super::signature::Signature;
use super::{S3Server, lock};
use crate::serve::Background;
use crate::upstream::Upstream;

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// How long the gateway's own signatures live.
const LIFE: Duration = Duration::from_mins(1);

/// The gateway; it ends when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    /// The address, with its scheme and its path: what a store's `endpoint` is set to.
    pub endpoint: String,
    state: Arc<State>,
    _server: Background,
}

#[derive(Debug)]
struct State {
    upstream: Upstream<Incoming>,
    signer: Signer,
    server: String,
    /// Empty, or segments that each begin with a slash.
    path: String,
    /// What stands between the server's address and the rest of a path.
    bucket: String,
    seen: Mutex<Vec<GatewayRequest>>,
}

/// A request that reached the gateway. It has no query: a presigned URL's would be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayRequest {
    /// The method.
    pub method: Method,
    /// The path, percent-encoded as it came.
    pub path: String,
    /// What was answered.
    pub status: StatusCode,
}

impl Gateway {
    /// The server at an address with this path, which begins with a slash; keep the server running as long.
    pub fn with_path(server: &S3Server, path: &str) -> Result<Self> {
        Self::start(server, path, String::new())
    }

    /// One bucket of the server at an address of its own; keep the server running as long.
    pub fn of_bucket(server: &S3Server, bucket: &str) -> Result<Self> {
        Self::start(server, "", format!("/{bucket}"))
    }

    fn start(server: &S3Server, path: &str, bucket: String) -> Result<Self> {
        let state = Arc::new(State {
            upstream: Upstream::new(&server.endpoint, server.ca_pem.as_deref())?,
            signer: server.signer(),
            server: server.endpoint.clone(),
            path: path.to_owned(),
            bucket,
            seen: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let server = Background::start("s3-gateway", None, move |request| {
            let state = Arc::clone(&shared);
            async move { Some(state.answer(request).await) }
        })?;
        Ok(Self {
            endpoint: format!("http://{}{path}", server.address()),
            state,
            _server: server,
        })
    }

    /// The requests so far, in the order of their answers.
    #[must_use]
    pub fn requests(&self) -> Vec<GatewayRequest> {
        lock(&self.state.seen).clone()
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = match path.strip_prefix(&self.path) {
            Some(rest) if rest.starts_with('/') => match self.behind(&request, rest) {
                Ok(target) => self.pass_on(request, target).await,
                Err(why) => error(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", &why),
            },
            // What stands beside the S3 API on such a host is no S3 server.
            _ => page(
                StatusCode::NOT_FOUND,
                "<html>no such page</html>".to_owned(),
            ),
        };
        let status = answer.status();
        lock(&self.seen).push(GatewayRequest {
            method,
            path,
            status,
        });
        answer
    }

    /// The path and query to ask of the server, after the check of the signature.
    fn behind(&self, request: &Request<Incoming>, rest: &str) -> Result<String> {
        let bare = format!("{}{}{rest}", self.server, self.bucket);
        let is_form = request
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"));
        if *request.method() == Method::POST && is_form {
            // A form goes to the bucket itself.
            return path_of(bare.trim_end_matches('/'));
        }
        let keys = &self.signer.keys;
        let signature = Signature::of(request)?.context("a signature")?;
        ensure!(
            signature.access_key() == keys.access_key,
            "another credential"
        );
        ensure!(signature.region() == self.signer.region, "another region");
        let signed = signature.check(request, &keys.secret_key)?;
        let query = request.uri().query().unwrap_or_default().split('&');
        let query: Vec<&str> = query
            .filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-"))
            .collect();
        let url = match query.join("&") {
            none if none.is_empty() => bare,
            query => format!("{bare}?{query}"),
        };
        let headers: Vec<(&str, &str)> = signed
            .iter()
            .filter(|(name, _)| !of_the_signature(name))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let url = self
            .signer
            .presign(request.method(), &url, &headers, LIFE)?;
        path_of(&url.to_string())
    }

    async fn pass_on(&self, request: Request<Incoming>, target: String) -> Response<Body> {
        let (mut head, body) = request.into_parts();
        for name in ["authorization", "x-amz-date", "x-amz-content-sha256"] {
            head.headers.remove(name);
        }
        let host = self.server.split_once("://").map_or("", |(_, host)| host);
        let (Ok(host), Ok(uri)) = (HeaderValue::try_from(host), target.parse()) else {
            return error(StatusCode::BAD_REQUEST, "InvalidURI", &"no URI");
        };
        head.headers.insert(header::HOST, host);
        head.uri = uri;
        match self.upstream.send(head, body).await {
            Ok(answer) => answer.map(http_body_util::BodyExt::boxed_unsync),
            Err(why) => error(StatusCode::BAD_GATEWAY, "InternalError", &why),
        }
    }
}

/// Headers that belong to the signature itself, and the host, which the server behind has of its own.
fn of_the_signature(name: &str) -> bool {
    matches!(name, "host" | "x-amz-date" | "x-amz-content-sha256")
}

/// The path and query of a URL.
fn path_of(url: &str) -> Result<String> {
    let (_, rest) = url.split_once("://").context("a scheme")?;
    Ok(rest[rest.find('/').context("a path")?..].to_owned())
}

fn error(status: StatusCode, code: &str, why: &dyn std::fmt::Display) -> Response<Body> {
    page(
        status,
        format!("<Error><Code>{code}</Code><Message>{why}</Message></Error>"),
    )
}

fn page(status: StatusCode, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    answer
}

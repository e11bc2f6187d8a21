//! A gateway in front of an S3 server, at an address that has a path or stands for one bucket.
//!
//! The gateway is what is asked: it checks signatures over the path as it came, by the algorithm's
//! description alone, and asks the server behind it by a signature of its own. Forms are passed on as they
//! are, since their signature covers no path.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use aws_lc_rs::{digest, hmac};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use super::client::Signer;
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
        let signed = self.check(request)?;
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

    /// Checks the signature of a request, in its query or its headers; the signed headers.
    fn check(&self, request: &Request<Incoming>) -> Result<BTreeMap<String, String>> {
        let signature = match request.headers().get(header::AUTHORIZATION) {
            Some(value) => Signature::of_headers(value, request.headers())?,
            None => Signature::of_query(request.uri().query().unwrap_or_default())?,
        };
        let scope = format!(
            "{}/{}/s3/aws4_request",
            signature.day()?,
            self.signer.region
        );
        let credential = format!("{}/{scope}", self.signer.keys.access_key);
        ensure!(signature.credential == credential, "another credential");
        let mut headers = BTreeMap::new();
        for name in signature.headers.split(';') {
            let value = request.headers().get(name).context("a signed header")?;
            headers.insert(name.to_owned(), value.to_str()?.to_owned());
        }
        let mut query: Vec<&str> = request
            .uri()
            .query()
            .unwrap_or_default()
            .split('&')
            .collect();
        query.retain(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-Signature="));
        query.sort_unstable();
        let lines: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}:{}\n", value.trim()))
            .collect();
        let lines = lines.concat();
        let canonical = [
            request.method().as_str(),
            request.uri().path(),
            &query.join("&"),
            &lines,
            &signature.headers,
            &signature.payload,
        ]
        .join("\n");
        let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let text = ["AWS4-HMAC-SHA256", &signature.date, &scope, &hash].join("\n");
        let first = format!("AWS4{}", self.signer.keys.secret_key).into_bytes();
        let key = scope.split('/').fold(first, |key, part| mac(&key, part));
        ensure!(
            hex(&mac(&key, &text)) == signature.value,
            "another signature"
        );
        Ok(headers)
    }
}

/// A signature as a request carries it.
struct Signature {
    credential: String,
    date: String,
    headers: String,
    payload: String,
    value: String,
}

impl Signature {
    fn of_query(query: &str) -> Result<Self> {
        let decoded = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.find(|(key, _)| *key == name).context("a parameter")?;
            let value = percent_encoding::percent_decode_str(value).decode_utf8()?;
            anyhow::Ok(value.into_owned())
        };
        Ok(Self {
            credential: decoded("X-Amz-Credential")?,
            date: decoded("X-Amz-Date")?,
            headers: decoded("X-Amz-SignedHeaders")?,
            payload: "UNSIGNED-PAYLOAD".to_owned(),
            value: decoded("X-Amz-Signature")?,
        })
    }

    fn of_headers(authorization: &HeaderValue, headers: &HeaderMap) -> Result<Self> {
        let Some(parts) = authorization.to_str()?.strip_prefix("AWS4-HMAC-SHA256 ") else {
            bail!("another algorithm");
        };
        let part = |name: &str| {
            let mut pairs = parts
                .split(',')
                .filter_map(|part| part.trim().split_once('='));
            let found = pairs.find(|(key, _)| *key == name).context("a part")?;
            anyhow::Ok(found.1.to_owned())
        };
        let header = |name| anyhow::Ok(headers.get(name).context("a header")?.to_str()?.to_owned());
        Ok(Self {
            credential: part("Credential")?,
            date: header("x-amz-date")?,
            headers: part("SignedHeaders")?,
            payload: header("x-amz-content-sha256")?,
            value: part("Signature")?,
        })
    }

    fn day(&self) -> Result<&str> {
        Ok(self.date.split_once('T').context("a date")?.0)
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

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<Vec<_>>().concat()
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

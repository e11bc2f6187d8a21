//! A stand-in for S3 servers with odd habits that people have met: one bucket is one habit.
//!
//! What holds here: nothing is checked but what the habit needs. A signature is never verified, so a store's
//! keys may be anything; an unsigned `x-amz-` header of a presigned URL is refused, as AWS does. The key of a
//! probe is answered as a good server answers it.

mod answers;
mod listings;

use std::sync::{Arc, Mutex};

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

use super::{S3Request, lock};
use crate::serve::Background;
use crate::{pki, tls};

/// The object of each bucket that is odd in its answers to a GET.
pub const KEY: &str = "team-a/x";

pub use answers::BUCKETS as ODD_ANSWERS;
pub use listings::BUCKETS as ODD_LISTINGS;

/// The server; it ends when it is dropped.
#[derive(Debug)]
pub struct OddS3 {
    /// The address, with its scheme.
    pub endpoint: String,
    /// The authority of the server's certificate, PEM, if it speaks TLS.
    pub ca_pem: Option<String>,
    requests: Arc<Mutex<Vec<S3Request>>>,
    _server: Background,
}

impl OddS3 {
    /// A server over plain HTTP.
    pub fn start() -> Result<Self> {
        Self::with(false)
    }

    /// A server over TLS, with an authority of its own ([`OddS3::ca_pem`]).
    pub fn start_tls() -> Result<Self> {
        Self::with(true)
    }

    /// The requests that reached the server so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<S3Request> {
        lock(&self.requests).clone()
    }

    fn with(with_tls: bool) -> Result<Self> {
        let (scheme, ca_pem, config) = if with_tls {
            let authority = pki::Authority::new("presigned-testkit odd S3")?;
            let identity = authority.server(&["127.0.0.1", "localhost"])?;
            let config = tls::server_config(&identity)?;
            ("https", Some(authority.pem()), Some(config))
        } else {
            ("http", None, None)
        };
        let requests = Arc::<Mutex<Vec<S3Request>>>::default();
        let seen = Arc::clone(&requests);
        let server = Background::start("odd S3", config, move |request: Request<Incoming>| {
            let seen = Arc::clone(&seen);
            async move {
                let asked = Asked::read(&request);
                let odd = asked.answer();
                lock(&seen).push(S3Request {
                    method: asked.method.clone(),
                    host: asked.host,
                    path: request.uri().path().to_owned(),
                    status: odd.status,
                });
                tokio::time::sleep(odd.delay).await;
                Some(odd.response(&asked.method))
            }
        })?;
        Ok(Self {
            endpoint: format!("{scheme}://{}", server.address()),
            ca_pem,
            requests,
            _server: server,
        })
    }
}

/// What a request asks.
struct Asked {
    method: Method,
    host: String,
    bucket: String,
    key: String,
    query: Vec<(String, String)>,
    ranged: bool,
    /// Whether it is signed at all, in a header or in the query.
    signed: bool,
    /// An `x-amz-` header that a presigned URL does not sign.
    unsigned: Option<String>,
}

impl Asked {
    fn read(request: &Request<Incoming>) -> Self {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let path = request.uri().path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let pairs = request.uri().query().unwrap_or_default().split('&');
        let query: Vec<(String, String)> = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect();
        let headers = request.headers();
        let value = |wanted: &str| query.iter().find(|(name, _)| name == wanted);
        let presigned = value("X-Amz-Signature").is_some();
        let names = value("X-Amz-SignedHeaders").map_or("", |(_, names)| names);
        let unsigned = presigned.then(|| unsigned_header(headers, names)).flatten();
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        Self {
            method: request.method().clone(),
            host: host.unwrap_or_default().to_owned(),
            bucket: decoded(bucket),
            key: decoded(key),
            ranged: headers.contains_key(header::RANGE),
            signed: presigned || headers.contains_key(header::AUTHORIZATION),
            unsigned,
            query,
        }
    }

    fn value(&self, wanted: &str) -> Option<&str> {
        let found = self.query.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    }

    fn answer(&self) -> Odd {
        if let Some(header) = &self.unsigned {
            let message = "There were headers present in the request which were not signed";
            let more = format!("<HeadersNotSigned>{header}</HeadersNotSigned>");
            return Odd::error(403, "AccessDenied", message).with_more(&more);
        }
        if !self.signed {
            return Odd::error(403, "AccessDenied", "Anonymous access is forbidden");
        }
        let answers = answers::of(&self.bucket);
        let keys = listings::keys(&self.bucket);
        if answers.is_none() && keys.is_empty() {
            return Odd::error(404, "NoSuchBucket", "The specified bucket does not exist");
        }
        if self.key.is_empty() && self.method == Method::GET {
            let prefix = self.value("prefix").unwrap_or_default();
            let place = self.value("continuation-token").or(self.value("marker"));
            let page = listings::page(&self.bucket, prefix, place);
            return Odd::of(200).with_body("application/xml", page);
        }
        let missing = || Odd::error(404, "NoSuchKey", "The specified key does not exist.");
        if self.key.contains("presigned-probe-") {
            return missing();
        }
        if self.bucket == "nohead" && self.method == Method::HEAD {
            return Odd::of(400);
        }
        if self.bucket == "noxid" && self.value("x-id").is_some() {
            return Odd::error(400, "InvalidArgument", "Unknown query parameter x-id");
        }
        match answers {
            Some(answer) if self.key == KEY => answer,
            _ if !keys.contains(&self.key) => missing(),
            _ if self.ranged => Odd::of(206).with_body("binary/octet-stream", "h"),
            _ => Odd::of(200).with_body("binary/octet-stream", "hello"),
        }
    }
}

/// An `x-amz-` header that was sent and is not among the signed ones.
fn unsigned_header(headers: &HeaderMap, signed: &str) -> Option<String> {
    let names = headers.keys().map(http::HeaderName::as_str);
    let mut foreign = names.filter(|name| name.starts_with("x-amz-"));
    let found = foreign.find(|name| !signed.split(';').any(|signed| signed == *name));
    found.map(ToOwned::to_owned)
}

/// One answer.
struct Odd {
    status: StatusCode,
    headers: Vec<(&'static str, String)>,
    kind: &'static str,
    body: Bytes,
    /// How long the client waits for it.
    delay: std::time::Duration,
}

impl Odd {
    fn of(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or_default(),
            headers: Vec::new(),
            kind: "application/xml",
            body: Bytes::new(),
            delay: std::time::Duration::ZERO,
        }
    }

    /// An error document of S3. Nothing is escaped.
    fn error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
             <Message>{message}</Message><RequestId>TESTKIT</RequestId></Error>"
        );
        Self::of(status).with_body("application/xml", body)
    }

    /// Further elements of an error document.
    fn with_more(mut self, more: &str) -> Self {
        let body = String::from_utf8_lossy(&self.body);
        self.body = Bytes::from(body.replace("<RequestId>", &format!("{more}<RequestId>")));
        self
    }

    fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn with_body(mut self, kind: &'static str, body: impl Into<Bytes>) -> Self {
        (self.kind, self.body) = (kind, body.into());
        self
    }

    fn response(self, method: &Method) -> Response<Full<Bytes>> {
        // The answer to a HEAD has no body, and so no code.
        let body = match *method {
            Method::HEAD => Bytes::new(),
            _ => self.body,
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = self.status;
        let headers = self
            .headers
            .into_iter()
            .chain([("content-type", self.kind.to_owned())]);
        for (name, value) in headers {
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

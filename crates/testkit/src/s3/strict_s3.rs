//! A proxy in front of an S3 server that refuses what AWS S3 refuses and other servers let pass.
//!
//! What holds here: what AWS would take is passed on as it is, `Host` header, path, query and body, so that
//! signatures stay valid and the server behind checks them too. Sources of each rule are AWS's documentation
//! and what its S3 is known to answer; none of it was run against AWS.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use super::client::{self, Keys, Signer};
use super::s3_errors::{S3Error, redirect, wrong_region};
use super::signature::Signature;
use super::{S3Server, lock};
use crate::serve::Background;
use crate::upstream::Upstream;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct StrictS3 {
    /// The address, with its scheme: what a store's `endpoint` is set to.
    pub endpoint: String,
    state: Arc<State>,
    _server: Background,
}

/// A request that the proxy refused. It has no query: a presigned URL's would be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The method.
    pub method: Method,
    /// The path, percent-encoded as it came.
    pub path: String,
    /// The error code.
    pub code: &'static str,
}

#[derive(Debug)]
struct State {
    upstream: Upstream<Incoming>,
    server: String,
    signer: Signer,
    /// The secret keys whose signatures are checked here, by access key.
    known: Mutex<BTreeMap<String, String>>,
    /// Buckets of other regions.
    elsewhere: Mutex<BTreeMap<String, String>>,
    without_forms: AtomicBool,
    refusals: Mutex<Vec<Refusal>>,
}

impl StrictS3 {
    /// A proxy over plain HTTP in front of `server`; keep the server running as long.
    pub fn before(server: &S3Server) -> Result<Self> {
        let keys = [(server.access_key.clone(), server.secret_key.clone())];
        let state = Arc::new(State {
            upstream: Upstream::new(&server.endpoint, server.ca_pem.as_deref())?,
            server: server.endpoint.clone(),
            signer: server.signer(),
            known: Mutex::new(keys.into()),
            elsewhere: Mutex::default(),
            without_forms: AtomicBool::new(false),
            refusals: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let background = Background::start("strict-s3", None, move |request| {
            let state = Arc::clone(&shared);
            async move { state.answer(request).await }
        })?;
        Ok(Self {
            endpoint: format!("http://{}", background.address()),
            state,
            _server: background,
        })
    }

    /// Signatures of these keys are checked here too. Those of other keys are left to the server.
    pub fn know(&self, keys: &Keys) {
        let pair = (keys.access_key.clone(), keys.secret_key.clone());
        lock(&self.state.known).extend([pair]);
    }

    /// The bucket is in another region: requests for it are redirected there.
    pub fn move_bucket(&self, bucket: &str, region: &str) {
        lock(&self.state.elsewhere).insert(bucket.to_owned(), region.to_owned());
    }

    /// Forms are answered by 501, as by R2.
    pub fn refuse_forms(&self) {
        self.state.without_forms.store(true, Ordering::Relaxed);
    }

    /// What was refused so far.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        lock(&self.state.refusals).clone()
    }

    /// Forgets what was refused so far.
    pub fn forget_refusals(&self) {
        lock(&self.state.refusals).clear();
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Option<Response<Body>> {
        let (bucket, origin) = (bucket(&request), Origin::of(&request));
        let mut answer = if let Some(error) = self.refusal(&request, &bucket) {
            lock(&self.refusals).push(Refusal {
                method: request.method().clone(),
                path: request.uri().path().to_owned(),
                code: error.code,
            });
            let body = |bytes| Full::new(bytes).map_err(|never| match never {});
            let answer = error.response(request.method());
            let path = request.uri().path().to_owned();
            read_out(request).await;
            let mut answer = answer.map(|bytes| body(bytes).boxed_unsync());
            if let Some(origin) = &origin {
                let rule = self.cors(origin, &path).await;
                answer.headers_mut().extend(rule);
            }
            answer
        } else {
            let (head, body) = request.into_parts();
            let answer = self.upstream.send(head, body).await.ok()?;
            answer.map(|body| body.map_err(io::Error::other).boxed_unsync())
        };
        let exposed = header::ACCESS_CONTROL_EXPOSE_HEADERS;
        if answer.headers().contains_key(&exposed) && !self.exposes_etag(&bucket).await {
            answer.headers_mut().remove(exposed);
        }
        Some(answer)
    }

    /// Why AWS would not take the request.
    fn refusal(&self, request: &Request<Incoming>, bucket: &str) -> Option<S3Error> {
        if request.method() == Method::OPTIONS {
            return None;
        }
        let headers = request.headers();
        let query = request.uri().query().unwrap_or_default();
        let by_query = query.contains("X-Amz-Signature=") || query.contains("X-Amz-Algorithm=");
        let by_header = headers.contains_key(header::AUTHORIZATION);
        let form = is_form(request);
        if by_header && (by_query || form) {
            return Some(S3Error::new(400, "InvalidArgument", ONE_MECHANISM));
        }
        if let Some(region) = lock(&self.elsewhere).get(bucket) {
            return Some(redirect(region));
        }
        if form {
            let refused = self.without_forms.load(Ordering::Relaxed);
            return refused.then(|| S3Error::new(501, "NotImplemented", "PostObject"));
        }
        // AWS takes bodies of a length that is known, or in its own chunks, which have one too.
        if headers.contains_key(header::TRANSFER_ENCODING) {
            let error = S3Error::new(501, "NotImplemented", NO_CHUNKS);
            return Some(error.with("Header", "Transfer-Encoding"));
        }
        if by_header && !headers.contains_key("x-amz-content-sha256") {
            return Some(S3Error::new(400, "InvalidRequest", NO_HASH));
        }
        let signature = match Signature::of(request) {
            Ok(None) => return None,
            Ok(Some(signature)) => signature,
            Err(_) if by_query => {
                return Some(S3Error::new(
                    400,
                    "AuthorizationQueryParametersError",
                    UNREADABLE,
                ));
            }
            Err(_) => {
                return Some(S3Error::new(
                    400,
                    "AuthorizationHeaderMalformed",
                    UNREADABLE,
                ));
            }
        };
        if signature.service() != "s3" {
            return None;
        }
        if signature.region() != self.signer.region {
            return Some(wrong_region(
                by_query,
                signature.region(),
                &self.signer.region,
            ));
        }
        let names = headers.keys().map(http::HeaderName::as_str);
        let unsigned: Vec<&str> = names
            .filter(|name| name.starts_with("x-amz-") && !signature.covers(name))
            .collect();
        if !unsigned.is_empty() || !signature.covers("host") {
            let error = S3Error::new(403, "AccessDenied", NOT_SIGNED);
            return Some(error.with("HeadersNotSigned", &unsigned.join(", ")));
        }
        let known = lock(&self.known).get(signature.access_key()).cloned();
        if known.is_some_and(|secret| signature.check(request, &secret).is_err()) {
            return Some(S3Error::new(403, "SignatureDoesNotMatch", NO_MATCH));
        }
        let sets_cors = request.method() == Method::PUT && query.split('&').any(is_cors);
        let is_checked = headers.contains_key("content-md5")
            || headers
                .keys()
                .any(|name| name.as_str().starts_with("x-amz-checksum-"));
        (sets_cors && !is_checked).then(|| S3Error::new(400, "InvalidRequest", NO_CHECKSUM))
    }

    /// What the bucket's CORS rules give an origin, as the server answers a preflight request.
    async fn cors(&self, origin: &Origin, path: &str) -> HeaderMap {
        let request = Request::options(format!("{}{path}", self.server))
            .header(header::ORIGIN, &origin.name)
            .header(
                header::ACCESS_CONTROL_REQUEST_METHOD,
                origin.method.as_str(),
            )
            .body(Full::default());
        let Ok(request) = request else {
            return HeaderMap::new();
        };
        let Ok(answer) = client::send(request, None).await else {
            return HeaderMap::new();
        };
        let headers = answer.headers().iter();
        headers
            .filter(|(name, _)| name.as_str().starts_with("access-control-"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Whether a rule of the bucket lets pages read `ETag`. Some servers let them without.
    async fn exposes_etag(&self, bucket: &str) -> bool {
        let url = format!("{}/{bucket}?cors=", self.server);
        let rules = self.signer.send(Method::GET, &url, &[], "").await;
        rules.is_ok_and(|rules| {
            let text = String::from_utf8_lossy(rules.body()).to_lowercase();
            text.contains("<exposeheader>etag</exposeheader>")
        })
    }
}

/// The origin of the page that sends a request.
struct Origin {
    name: HeaderValue,
    method: Method,
}

impl Origin {
    fn of<B>(request: &Request<B>) -> Option<Self> {
        Some(Self {
            name: request.headers().get(header::ORIGIN)?.clone(),
            method: request.method().clone(),
        })
    }
}

/// Reads a body that is refused: a connection that is closed over an unread body is reset, and the client may
/// lose the answer. Who waits for leave to send its body sends none.
async fn read_out(request: Request<Incoming>) {
    if request.headers().contains_key(header::EXPECT) {
        return;
    }
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
}

/// The bucket of a request, by its path.
fn bucket<B>(request: &Request<B>) -> String {
    let path = request.uri().path().trim_start_matches('/');
    path.split('/').next().unwrap_or_default().to_owned()
}

fn is_form<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"));
    kind && request.method() == Method::POST
}

fn is_cors(pair: &str) -> bool {
    matches!(pair, "cors" | "cors=")
}

const ONE_MECHANISM: &str = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature \
                             query string parameter or the Authorization header should be specified";
const NO_CHUNKS: &str = "A header you provided implies functionality that is not implemented";
const NO_HASH: &str = "Missing required header for this request: x-amz-content-sha256";
const NO_CHECKSUM: &str =
    "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
const NOT_SIGNED: &str = "There were headers present in the request which were not signed";
const NO_MATCH: &str = "The request signature we calculated does not match the signature you provided. Check your \
                        key and signing method.";
const UNREADABLE: &str = "The authorization cannot be read";

#[cfg(test)]
mod tests {
    //! Whose bucket a path is, and what is a form: the rest needs a server, see `tests/it/strict_s3.rs`.

    use super::*;

    #[test]
    fn the_bucket_is_the_first_segment_of_the_path() {
        for (path, wanted) in [
            ("/data/a/b", "data"),
            ("/data", "data"),
            ("/", ""),
            ("/data/", "data"),
        ] {
            let request = Request::get(path).body(()).expect("a request");
            assert_eq!(bucket(&request), wanted, "{path}");
        }
    }

    #[test]
    fn a_form_is_a_post_of_several_parts() {
        let kinds = [
            (Method::POST, "multipart/form-data; boundary=x", true),
            (Method::PUT, "multipart/form-data; boundary=x", false),
            (Method::POST, "application/x-www-form-urlencoded", false),
        ];
        for (method, kind, wanted) in kinds {
            let request = Request::builder()
                .method(method)
                .header("content-type", kind);
            assert_eq!(
                is_form(&request.body(()).expect("a request")),
                wanted,
                "{kind}"
            );
        }
    }
}

//! What the proxy records of a request. It keeps no query: that of a presigned URL is a secret.

use http::{Method, Request, header};

/// The operation that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// `GetObject`: a download, a probe, a verification.
    Get,
    /// `HeadObject` or `HeadBucket`.
    Head,
    /// `PutObject` or a copy.
    Put,
    /// `DeleteObject`.
    Delete,
    /// A form's upload.
    Form,
    /// A page of `ListObjectsV2`.
    List,
    /// A call of the STS.
    Sts,
    /// Something else.
    Other,
}

/// A request that reached the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxiedRequest {
    /// The operation that it asks for.
    pub kind: RequestKind,
    /// The method.
    pub method: Method,
    /// The `Host` header.
    pub host: String,
    /// The path, percent-encoded as it came.
    pub path: String,
    /// The names of its headers, in lower case.
    pub headers: Vec<String>,
    /// The access key that it was signed with, in its headers or in its query.
    pub access_key: Option<String>,
    /// Whether it was signed in the query, as presigned URLs are.
    pub(super) presigned: bool,
    pub(super) listing: Option<Page>,
}

/// Which listing a page is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// Path and prefix.
    pub(super) of: String,
    /// Whether it goes on from an earlier page.
    pub(super) continued: bool,
}

impl ProxiedRequest {
    pub(super) fn read<B>(request: &Request<B>) -> Self {
        let text = |name| {
            let value = request.headers().get(name)?;
            value.to_str().ok()
        };
        let path = request.uri().path();
        let query = request.uri().query().unwrap_or_default();
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(found, _)| *found == name)
                .map(|(_, value)| value)
        };
        let form = text(header::CONTENT_TYPE).unwrap_or_default();
        let kind = match *request.method() {
            Method::GET if parameter("list-type") == Some("2") => RequestKind::List,
            Method::GET => RequestKind::Get,
            Method::HEAD => RequestKind::Head,
            Method::PUT => RequestKind::Put,
            Method::DELETE => RequestKind::Delete,
            Method::POST if form.starts_with("multipart/form-data") => RequestKind::Form,
            Method::POST if form.starts_with("application/x-www-form-urlencoded") => {
                RequestKind::Sts
            }
            _ => RequestKind::Other,
        };
        let listing = (kind == RequestKind::List).then(|| Page {
            of: format!("{path}?{}", parameter("prefix").unwrap_or_default()),
            continued: parameter("continuation-token").is_some(),
        });
        // In the query the scope's slashes are encoded; an access key has none.
        let scope = |credential: &str| {
            let end = credential.find(['/', '%']);
            credential[..end.unwrap_or(credential.len())].to_owned()
        };
        let signed = text(header::AUTHORIZATION)
            .and_then(|signed| signed.split_once("Credential="))
            .map(|(_, rest)| scope(rest));
        let presigned = parameter("X-Amz-Credential").map(scope);
        Self {
            kind,
            method: request.method().clone(),
            host: text(header::HOST).unwrap_or_default().to_owned(),
            path: path.to_owned(),
            headers: request.headers().keys().map(ToString::to_string).collect(),
            presigned: presigned.is_some(),
            access_key: signed.or(presigned),
            listing,
        }
    }
}

//! The Secret of one URL: `url`, `head-url`, `curl.conf` and `action.json`.
//!
//! What holds here: no value that a tenant chose begins a line of `headers` or `curl.conf`, or ends a
//! quotation there. A value that would is refused here again, after parsing refused it already. Debug shows
//! no URL.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::content::{SECRET_LIMIT, SecretContent, SecretData, is_header, is_url, seconds};
use super::curl::curl_conf;
use super::error::RenderError;
use crate::api::Method;
use crate::issue::template::Template;

/// What the Secret of one URL is made of.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// The name of the `PresignedURL`.
    pub name: &'a str,
    /// The method that was signed.
    pub method: Method,
    /// The URL.
    pub url: &'a str,
    /// The URL for HEAD that goes with one for GET.
    pub head_url: Option<&'a str>,
    /// The headers that the client must send, in the order to show them.
    pub headers: &'a [(String, String)],
    /// When the URLs die.
    pub expires_at: Timestamp,
    /// The store's private CA.
    pub ca_bundle: Option<&'a str>,
    /// The tenant's labels and annotations.
    pub template: &'a Template,
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("name", &self.name)
            .field("method", &self.method)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Renders the Secret of one URL. The same content renders the same bytes.
///
/// # Errors
/// [`RenderError`] if the result is too large, or if a URL or a header is not one line of printable ASCII.
pub fn render(content: &Content<'_>) -> Result<SecretContent, RenderError> {
    let Content {
        name,
        method,
        url,
        head_url,
        headers,
        expires_at,
        ca_bundle,
        template,
    } = *content;
    if ![Some(url), head_url].into_iter().flatten().all(is_url) {
        return Err(RenderError::Url);
    }
    if !headers.iter().all(|(name, value)| is_header(name, value)) {
        return Err(RenderError::Header);
    }
    let mut data = SecretData::new(method, headers, expires_at, ca_bundle);
    data.put("url", url.to_owned());
    data.put("curl.conf", curl_conf(method, url, headers));
    // A form is sent with fields, which an action has no place for.
    if method != Method::Post {
        data.put("action.json", action(method, url, headers, expires_at)?);
    }
    if let Some(head_url) = head_url {
        data.put("head-url", head_url.to_owned());
    }
    let bytes = data.bytes();
    if bytes > SECRET_LIMIT {
        return Err(RenderError::TooLarge { bytes });
    }
    Ok(data.content(name, expires_at, template))
}

/// The request as one object: an action of the Git LFS batch API, and its method.
fn action(
    method: Method,
    url: &str,
    headers: &[(String, String)],
    expires_at: Timestamp,
) -> Result<String, RenderError> {
    #[derive(Serialize)]
    struct Action<'a> {
        href: &'a str,
        method: &'a str,
        header: InOrder<'a>,
        expires_at: String,
    }
    struct InOrder<'a>(&'a [(String, String)]);
    impl Serialize for InOrder<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
        }
    }
    let action = Action {
        href: url,
        method: method.as_str(),
        header: InOrder(headers),
        expires_at: seconds(expires_at),
    };
    serde_json::to_string(&action).map_err(|_| RenderError::Header)
}

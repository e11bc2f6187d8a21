//! The server behind a proxy: one that is asked on, and whose answer comes back as a stream.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Request, Response, Uri, header};
use hyper::body::{Body, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::tls;

/// A server that requests with bodies of type `B` are passed on to.
#[derive(Debug)]
pub(crate) struct Upstream<B> {
    client: Client<HttpsConnector<HttpConnector>, B>,
    scheme: Scheme,
    authority: Authority,
}

impl<B> Clone for Upstream<B> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            scheme: self.scheme.clone(),
            authority: self.authority.clone(),
        }
    }
}

impl<B> Upstream<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// The server at `url`, under the authority `ca` where it speaks TLS.
    pub(crate) fn new(url: &str, ca: Option<&str>) -> Result<Self> {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(ca)?)
            .https_or_http()
            .enable_http1()
            .build();
        let parts = url
            .parse::<Uri>()
            .with_context(|| format!("read the address {url}"))?
            .into_parts();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            scheme: parts.scheme.context("the address has no scheme")?,
            authority: parts.authority.context("the address has no host")?,
        })
    }

    /// Asks the same of the server. A `Host` header that is there stays: signatures cover it.
    pub(crate) async fn send(
        &self,
        mut head: http::request::Parts,
        body: B,
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
        let request = Request::from_parts(head, body);
        let answer = self.client.request(request).await;
        let (mut head, body) = answer
            .context("ask the server behind the proxy")?
            .into_parts();
        hop_by_hop(&mut head.headers);
        Ok(Response::from_parts(head, body))
    }
}

/// What belongs to one connection and must not go on to the next.
fn hop_by_hop(headers: &mut HeaderMap) {
    for name in [
        header::CONNECTION,
        header::EXPECT,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ] {
        headers.remove(name);
    }
}

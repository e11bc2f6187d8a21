//! Requests to the test servers, signed by the AWS library: what sets servers up, and what tests ask them.
//!
//! It shares no code with the product's signer, and it sends exactly what it is told: a header that is given
//! unsigned stays unsigned.

use std::fmt;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::tls;

/// Credentials of a test server: an access key, its secret key, and a session's token.
#[derive(Clone)]
pub struct Keys {
    /// The access key.
    pub access_key: String,
    /// The secret key.
    pub secret_key: String,
    /// The token, where the keys are a session's.
    pub token: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Keys({})", self.access_key)
    }
}

/// What requests are signed with.
#[derive(Debug, Clone)]
pub struct Signer {
    /// Whose right the requests have.
    pub keys: Keys,
    /// The region of the credential scope.
    pub region: String,
    /// The service of the credential scope: `s3` or `sts`.
    pub service: &'static str,
}

impl Signer {
    /// A URL by which anybody may send `method` to `url` for `lifetime`; `headers` are signed and must be
    /// sent too.
    pub fn presign(
        &self,
        method: &Method,
        url: &str,
        headers: &[(&str, &str)],
        lifetime: Duration,
    ) -> Result<Uri> {
        let mut settings = s3_settings();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(lifetime);
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .body(())
            .context("make the request")?;
        self.apply(
            settings,
            &mut request,
            headers,
            SignableBody::UnsignedPayload,
        )?;
        Ok(request.uri().clone())
    }

    /// Sends a request that is signed in its headers, and reads the whole answer.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response<Bytes>> {
        let body = body.into();
        let mut settings = s3_settings();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).context("make the request")?;
        let signable = SignableBody::Bytes(&body);
        self.apply(settings, &mut request, headers, signable)?;
        send(request.map(|()| Full::new(body.clone())), None).await
    }

    fn apply(
        &self,
        settings: SigningSettings,
        request: &mut Request<()>,
        headers: &[(&str, &str)],
        body: SignableBody<'_>,
    ) -> Result<()> {
        let Keys {
            access_key,
            secret_key,
            token,
        } = &self.keys;
        let identity = Credentials::new(access_key, secret_key, token.clone(), None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .context("signing parameters")?
            .into();
        let url = request.uri().to_string();
        let method = request.method().clone();
        let signable = SignableRequest::new(method.as_str(), &url, headers.iter().copied(), body);
        sign(signable.context("a request to sign")?, &params)
            .context("sign")?
            .into_parts()
            .0
            .apply_to_request_http1x(request);
        Ok(())
    }
}

/// Sends a request as it is, over TLS under the authority `ca` where it is https, and reads the whole answer.
pub async fn send(request: Request<Full<Bytes>>, ca: Option<&str>) -> Result<Response<Bytes>> {
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls::client_config(ca)?)
        .https_or_http()
        .enable_http1()
        .build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let (head, body) = client
        .request(request)
        .await
        .context("ask the server")?
        .into_parts();
    let body = body.collect().await.context("read the answer")?.to_bytes();
    Ok(Response::from_parts(head, body))
}

/// The text between the first `<name>` and `</name>`: enough for answers whose form is known.
#[must_use]
pub fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// How S3 wants requests written: encoded once, and no path made simpler.
fn s3_settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}

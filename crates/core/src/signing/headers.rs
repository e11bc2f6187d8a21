//! The signature of a request in its headers, as aws-sdk-s3 sends it: for the requests that a program makes
//! itself.
//!
//! What holds here: the query is complete before it is signed, and nothing of a signature reaches a log. What
//! holds a session token or a signature has no Debug.

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest,
    SignatureLocation, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use jiff::Timestamp;
use secrecy::SecretString;

use super::credentials::Credentials;
use super::query::{SignError, identity};
use crate::api::Method;

/// A signed request, but for its body.
pub struct SignedRequest {
    /// The URL. It holds no signature.
    pub url: String,
    /// The headers that the request must carry.
    pub headers: Vec<(String, SecretString)>,
}

/// What is signed.
pub(super) struct Unsigned<'a> {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

/// Signs it. The headers of the result begin with those that were given.
pub(super) fn sign_headers(
    request: Unsigned<'_>,
    region: &str,
    creds: &Credentials,
    signed_at: Timestamp,
) -> Result<SignedRequest, SignError> {
    let Unsigned {
        method,
        url,
        headers,
        body,
    } = request;
    let identity = identity(creds)?;
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.signature_location = SignatureLocation::Headers;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.session_token_mode = SessionTokenMode::Include;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(signed_at.into())
        .settings(settings)
        .build()
        .map_err(|_| SignError::Signer)?
        .into();
    // aws-sigv4 logs the canonical request at trace level, and with it the session token.
    let signed =
        tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), || {
            let body = SignableBody::Bytes(body);
            SignableRequest::new(method.as_str(), &url, headers.iter().copied(), body)
                .and_then(|request| sign(request, &params))
        });
    let (instructions, _signature) = signed.map_err(|_| SignError::Signer)?.into_parts();
    let headers = headers.iter().copied().chain(instructions.headers());
    let headers = headers.map(|(name, value)| (name.to_owned(), value.into()));
    Ok(SignedRequest {
        headers: headers.collect(),
        url,
    })
}

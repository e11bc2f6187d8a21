//! The signature of one page of `ListObjectsV2`, in headers, as aws-sdk-s3 sends it.
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
use super::query::{Query, REQUEST_PAYER, SignError, bucket_url, identity};
use super::target::Target;
use crate::api::RequestPayer;
use crate::request::{Bucket, Prefix};

/// One page of a listing.
#[derive(Clone, Copy, Debug)]
pub struct ListPage<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// What the keys begin with.
    pub prefix: &'a Prefix,
    /// The token that the page before named; `None` for the first page.
    pub token: Option<&'a str>,
    /// The most keys in the page.
    pub max_keys: u32,
    /// Who pays for the request.
    pub request_payer: Option<RequestPayer>,
}

/// A signed GET of a page.
pub struct SignedPage {
    /// The URL. It holds no signature.
    pub url: String,
    /// The headers that the request must carry.
    pub headers: Vec<(String, SecretString)>,
}

/// Signs the request for a page: keys are requested percent-encoded, since XML cannot hold every key.
///
/// # Errors
/// Credentials that cannot sign.
pub fn sign_page(
    page: &ListPage<'_>,
    target: &Target,
    creds: &Credentials,
    signed_at: Timestamp,
) -> Result<SignedPage, SignError> {
    let &ListPage {
        bucket,
        prefix,
        token,
        max_keys,
        request_payer,
    } = page;
    let mut url = bucket_url(target, bucket);
    url.push('/');
    let mut query = Query::of(&mut url);
    query.push("list-type", "2");
    if let Some(token) = token {
        query.push("continuation-token", token);
    }
    query.push("encoding-type", "url");
    query.push("max-keys", &max_keys.to_string());
    query.push("prefix", prefix.as_str());

    let identity = identity(creds)?;
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.signature_location = SignatureLocation::Headers;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.session_token_mode = SessionTokenMode::Include;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&target.region)
        .name("s3")
        .time(signed_at.into())
        .settings(settings)
        .build()
        .map_err(|_| SignError::Signer)?
        .into();
    let payer = request_payer.map(|payer| (REQUEST_PAYER, payer.as_str()));
    // aws-sigv4 logs the canonical request at trace level, and with it the session token.
    let signed =
        tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), || {
            SignableRequest::new("GET", &url, payer.into_iter(), SignableBody::Bytes(&[]))
                .and_then(|request| sign(request, &params))
        });
    let (instructions, _signature) = signed.map_err(|_| SignError::Signer)?.into_parts();
    let headers = instructions.headers();
    let headers = payer.into_iter().chain(headers);
    let headers = headers.map(|(name, value)| (name.to_owned(), value.into()));
    Ok(SignedPage {
        headers: headers.collect(),
        url,
    })
}

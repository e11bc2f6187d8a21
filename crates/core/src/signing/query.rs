//! The signer: `SigV4` in the query, as S3 wants it.
//!
//! What holds here: a URL is byte for byte what aws-sdk-s3 presigns for the same input
//! (`tests/sdk_equality.rs`), at a fifth of its cost and without its clock and identity cache. Every option
//! of a request is taken apart exhaustively: a new one does not compile until it is signed. Nothing of a
//! signature reaches a log, not at trace level either.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest,
    SignatureLocation, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;
use thiserror::Error;

use super::credentials::Credentials;
use super::presigned::{Presigned, SecretUrl};
use super::target::{Style, Target};
use crate::api::{GetOptions, IfNoneMatch, Method, PutOptions};
use crate::request::{Bucket, Key, Options};

/// `SigV4`'s limit: seven days.
const MAX_EXPIRES: Duration = Duration::from_hours(168);

/// RFC 3986's unreserved characters stand for themselves, nothing else does.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// A key keeps its slashes.
const KEY: &AsciiSet = &VALUE.remove(b'/');

/// The header that says who pays.
pub(super) const REQUEST_PAYER: &str = "x-amz-request-payer";

/// One operation on one object.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// The object's key.
    pub key: &'a Key,
    /// The method and its options: the effective ones of the grant.
    pub options: &'a Options,
}

/// Why nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignError {
    /// The access key ID is empty or holds a character that no access key ID has.
    #[error(
        "the access key ID is empty or holds spaces or characters that are not printable ASCII: fix the store's credentials"
    )]
    AccessKeyId,
    /// The secret access key is empty.
    #[error("the secret access key is empty: fix the store's credentials")]
    SecretAccessKey,
    /// The session token is empty.
    #[error(
        "the session token is empty: leave it out for static keys, or fix the store's credentials"
    )]
    SessionToken,
    /// A session whose end nobody knows.
    #[error(
        "the session's end is not known, so the URL's could not be either: give the expiration beside the session token"
    )]
    ExpiryUnknown,
    /// The credentials end before the URL.
    #[error(
        "the credentials end before the URL would: set a shorter spec.duration, or renew the credentials"
    )]
    CredentialsEndFirst,
    /// A form in which S3 would put the name of the uploaded file.
    #[error(
        "a value of the form holds ${{filename}}, which S3 replaces by the name of the file that is sent: leave it out; a \
         form for any name under a prefix needs spec.prefix"
    )]
    FileName,
    /// A form that does not limit the size of the upload.
    #[error(
        "a form needs the sizes that it accepts: give spec.post.contentLengthRange, min not above max"
    )]
    Size,
    /// A life that `SigV4` cannot express.
    #[error(
        "a presigned URL lives a whole number of seconds from 1 to 604800 (seven days), counted from a whole second"
    )]
    Life,
    /// The signer refused its input.
    #[error("the signer refused the request: this is a fault of the operator, report it")]
    Signer,
}

/// Signs one request. The URL is good from `signed_at` for `expires`.
///
/// # Assumptions
/// Bucket, key and options were parsed and allowed; `target` was resolved for this bucket.
///
/// # Errors
/// Credentials that cannot sign for the whole of the life, and a life that is not whole seconds up to seven
/// days.
pub fn presign(
    op: &Operation<'_>,
    target: &Target,
    creds: &Credentials,
    signed_at: Timestamp,
    expires: Duration,
) -> Result<Presigned, SignError> {
    let mut url = object_url(target, op.bucket, op.key);
    let mut query = Query::of(&mut url);
    let headers = match op.options {
        Options::Get(get) => {
            query.push("x-id", "GetObject");
            push_get(&mut query, get)
        }
        // The SDK names no operation on a HEAD.
        Options::Head(get) => push_get(&mut query, get),
        Options::Put(put) => {
            query.push("x-id", "PutObject");
            put_headers(put)
        }
        Options::Delete => {
            query.push("x-id", "DeleteObject");
            Vec::new()
        }
        // A form is no URL.
        Options::Post(_) => return Err(SignError::Signer),
    };
    let method = op.options.method();
    let life = Life { signed_at, expires };
    let url = sign_url(method, url, &headers, &target.region, creds, life)?;
    Ok(Presigned {
        method,
        url: SecretUrl::new(url),
        headers,
    })
}

/// When a signature begins to hold, and for how long.
#[derive(Clone, Copy)]
pub(super) struct Life {
    pub(super) signed_at: Timestamp,
    pub(super) expires: Duration,
}

/// Adds the signature's parameters to a URL whose other parameters are in place.
pub(super) fn sign_url(
    method: Method,
    mut url: String,
    headers: &[(String, String)],
    region: &str,
    creds: &Credentials,
    life: Life,
) -> Result<String, SignError> {
    let start = start_of(life, creds)?;
    let identity = identity(creds)?;
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    settings.signature_location = SignatureLocation::QueryParams;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.session_token_mode = SessionTokenMode::Include;
    settings.expires_in = Some(life.expires);
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(start)
        .settings(settings)
        .build()
        .map_err(|_| SignError::Signer)?
        .into();
    // aws-sigv4 logs the canonical request at trace level, and with it the session token.
    let signed =
        tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), || {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            SignableRequest::new(
                method.as_str(),
                url.as_str(),
                headers,
                SignableBody::UnsignedPayload,
            )
            .and_then(|request| sign(request, &params))
        });
    let (instructions, _signature) = signed.map_err(|_| SignError::Signer)?.into_parts();
    let mut query = Query::of(&mut url);
    for (name, value) in instructions.params() {
        query.push(name, value);
    }
    Ok(url)
}

/// The query of a URL that is being written.
pub(super) struct Query<'a>(&'a mut String);

impl<'a> Query<'a> {
    pub(super) const fn of(url: &'a mut String) -> Self {
        Self(url)
    }

    pub(super) fn push(&mut self, name: &str, value: &str) {
        // A path never holds a raw '?': it would have been encoded.
        let separator = if self.0.contains('?') { '&' } else { '?' };
        self.0.push(separator);
        push_pair(self.0, name, value);
    }

    fn push_some(&mut self, name: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }
}

fn push_pair(out: &mut String, name: &str, value: &str) {
    out.extend(utf8_percent_encode(name, VALUE));
    out.push('=');
    out.extend(utf8_percent_encode(value, VALUE));
}

fn object_url(target: &Target, bucket: &Bucket, key: &Key) -> String {
    let mut url = bucket_url(target, bucket);
    url.push('/');
    url.extend(utf8_percent_encode(key.as_str(), KEY));
    url
}

/// A bucket's URL, up to the slash that a key or nothing follows.
pub(super) fn bucket_url(target: &Target, bucket: &Bucket) -> String {
    let Target {
        endpoint,
        region: _,
        style,
    } = target;
    let mut url = format!("{}://", endpoint.scheme().as_str());
    if *style == Style::VirtualHost {
        url.extend([bucket.as_str(), "."]);
    }
    url.push_str(endpoint.host());
    if let Some(port) = endpoint.port() {
        // Writing to a String cannot fail.
        let _ = write!(url, ":{port}");
    }
    url.push_str(endpoint.path());
    if *style == Style::Path {
        url.extend(["/", bucket.as_str()]);
    }
    url
}

/// The parameters in the order of the SDK; the headers are returned.
fn push_get(query: &mut Query<'_>, options: &GetOptions) -> Vec<(String, String)> {
    let GetOptions {
        version_id,
        response_content_type,
        response_content_disposition,
        response_content_encoding,
        response_content_language,
        response_cache_control,
        request_payer,
    } = options;
    query.push_some("response-cache-control", response_cache_control.as_ref());
    query.push_some(
        "response-content-disposition",
        response_content_disposition.as_ref(),
    );
    query.push_some(
        "response-content-encoding",
        response_content_encoding.as_ref(),
    );
    query.push_some(
        "response-content-language",
        response_content_language.as_ref(),
    );
    query.push_some("response-content-type", response_content_type.as_ref());
    query.push_some("versionId", version_id.as_ref());
    let payer = request_payer.map(|payer| (REQUEST_PAYER.to_owned(), payer.as_str().to_owned()));
    payer.into_iter().collect()
}

/// The headers of a PUT, named as in the S3 API reference.
fn put_headers(options: &PutOptions) -> Vec<(String, String)> {
    let PutOptions {
        content_type,
        content_length,
        checksum_sha256,
        checksum_crc64nvme,
        if_match,
        if_none_match,
        server_side_encryption,
        kms_key_id,
        storage_class,
        acl,
        metadata,
        tagging,
    } = options;
    let fixed = [
        ("Content-Type", content_type.clone()),
        (
            "Content-Length",
            content_length.map(|bytes| bytes.to_string()),
        ),
        ("If-Match", if_match.clone()),
        (
            "If-None-Match",
            if_none_match.map(|IfNoneMatch::Any| "*".to_owned()),
        ),
        ("x-amz-acl", acl.clone()),
        ("x-amz-checksum-crc64nvme", checksum_crc64nvme.clone()),
        ("x-amz-checksum-sha256", checksum_sha256.clone()),
        (
            "x-amz-server-side-encryption",
            server_side_encryption.map(|sse| sse.as_str().to_owned()),
        ),
        (
            "x-amz-server-side-encryption-aws-kms-key-id",
            kms_key_id.clone(),
        ),
        ("x-amz-storage-class", storage_class.clone()),
        (
            "x-amz-tagging",
            tagging
                .as_ref()
                .filter(|tags| !tags.is_empty())
                .map(|tags| {
                    let mut out = String::new();
                    for (key, value) in tags {
                        if !out.is_empty() {
                            out.push('&');
                        }
                        push_pair(&mut out, key, value);
                    }
                    out
                }),
        ),
    ];
    let fixed = fixed
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let metadata = metadata.iter().flatten();
    let metadata = metadata.map(|(name, value)| (format!("x-amz-meta-{name}"), value.clone()));
    fixed.chain(metadata).collect()
}

pub(super) fn start_of(life: Life, creds: &Credentials) -> Result<SystemTime, SignError> {
    let Life { signed_at, expires } = life;
    let whole = signed_at.subsec_nanosecond() == 0 && expires.subsec_nanos() == 0;
    if !whole || expires.is_zero() || expires > MAX_EXPIRES {
        return Err(SignError::Life);
    }
    if let Some(end) = creds.expires_at {
        let life = SignedDuration::try_from(expires).map_err(|_| SignError::Life)?;
        let url_end = signed_at.checked_add(life).map_err(|_| SignError::Life)?;
        if url_end > end {
            return Err(SignError::CredentialsEndFirst);
        }
    } else if creds.is_session() {
        return Err(SignError::ExpiryUnknown);
    }
    Ok(signed_at.into())
}

pub(super) fn identity(creds: &Credentials) -> Result<Identity, SignError> {
    let Usable { id, secret, token } = usable(creds)?;
    let keys = aws_credential_types::Credentials::new(
        id,
        secret,
        token.map(ToOwned::to_owned),
        None,
        "presigned-url-operator",
    );
    Ok(Identity::new(keys, None))
}

/// Credentials that can sign. They never print: there is no Debug.
pub(super) struct Usable<'a> {
    pub(super) id: &'a str,
    pub(super) secret: &'a str,
    pub(super) token: Option<&'a str>,
}

pub(super) fn usable(creds: &Credentials) -> Result<Usable<'_>, SignError> {
    let id = creds.access_key_id.as_str();
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(SignError::AccessKeyId);
    }
    let secret = creds.secret_access_key.expose_secret();
    if secret.is_empty() {
        return Err(SignError::SecretAccessKey);
    }
    let token = creds
        .session_token
        .as_ref()
        .map(ExposeSecret::expose_secret);
    if token.is_some_and(str::is_empty) {
        return Err(SignError::SessionToken);
    }
    Ok(Usable { id, secret, token })
}

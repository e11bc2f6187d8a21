//! A setting of a bucket, read or written with a person's own credentials.
//!
//! What holds here: the operator calls none of this; only a command that a person runs changes a bucket.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use jiff::Timestamp;
use presigned_core::api::Method;
use presigned_core::engine::{S3Response, TransportError};
use presigned_core::request::Bucket;
use presigned_core::signing::{
    BucketSetting, Credentials, SignError, SignedRequest, Target, sign_setting,
};
use secrecy::ExposeSecret as _;

use super::client::S3Client;

/// The most bytes of a setting: S3 takes 64 KiB.
const LIMIT: usize = 256 * 1024;

/// A request for a setting.
#[derive(Clone, Copy, Debug)]
pub struct SettingRequest<'a> {
    /// The address of the bucket.
    pub target: &'a Target,
    /// The bucket.
    pub bucket: &'a Bucket,
    /// GET reads it, PUT replaces it, DELETE removes it.
    pub method: Method,
    /// The setting's name in the query, for example `cors`.
    pub name: &'a str,
    /// What is sent.
    pub body: &'a str,
    /// The credentials that sign it.
    pub credentials: &'a Credentials,
    /// PEM certificates that are trusted in addition to the system's.
    pub ca_bundle: Option<&'a str>,
    /// When it is signed, by the store's clock.
    pub signed_at: Timestamp,
}

/// Why there is no setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingError {
    /// The store refused.
    Refused(S3Response),
    /// The store could not be reached.
    TransportError(TransportError),
    /// The request could not be signed.
    NotSigned(SignError),
}

impl S3Client {
    /// Reads or writes a setting; the bytes of the answer.
    ///
    /// # Errors
    /// If the store refuses or gives no answer.
    pub async fn setting(&self, asked: &SettingRequest<'_>) -> Result<Bytes, SettingError> {
        let request = signed(asked).map_err(SettingError::NotSigned)?;
        let exchanged = self
            .connections
            .exchange(request, asked.ca_bundle, LIMIT, self.timeout)
            .await
            .map_err(SettingError::TransportError)?;
        if exchanged.status.is_success() && !exchanged.cut {
            return Ok(exchanged.body);
        }
        Err(SettingError::Refused(self.answer(&exchanged)))
    }
}

fn signed(asked: &SettingRequest<'_>) -> Result<Request<Bytes>, SignError> {
    let &SettingRequest {
        target,
        bucket,
        method,
        name,
        body,
        credentials,
        ca_bundle: _,
        signed_at,
    } = asked;
    let setting = BucketSetting {
        bucket,
        method,
        name,
        body,
    };
    let SignedRequest { url, headers } = sign_setting(&setting, target, credentials, signed_at)?;
    let mut request = Request::builder()
        .method(method.as_str())
        .uri(url)
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .map_err(|_| SignError::Signer)?;
    for (name, value) in &headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| SignError::Signer)?;
        let value = HeaderValue::from_str(value.expose_secret()).map_err(|_| SignError::Signer)?;
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

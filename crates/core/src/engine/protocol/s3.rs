//! What a store is asked over the network, and what it answers: classes and codes, never a server's text.
//!
//! What holds here: every request that the operator makes to a store is a GET or a HEAD, so none changes anything there. An
//! answer carries what decisions are made on, so that nothing a server says can reach a condition.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::request::{Bucket, ListSelection};
use crate::signing::{Credentials, SecretUrl, Target};

/// One request: a presigned URL, asked for its first byte.
#[derive(Clone, Debug)]
pub struct S3Request {
    /// The URL, signed for GET.
    pub url: SecretUrl,
    /// Headers to send besides `Range`, signed or not.
    pub headers: Vec<(String, String)>,
}

/// What came of a request.
pub type S3Result = Result<S3Response, TransportError>;

/// An answer of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Response {
    /// The HTTP status.
    pub status: u16,
    /// The error code of the body, where the status is no success.
    pub code: Option<ErrorCode>,
    /// The region in which the bucket is, where the answer names it (`x-amz-bucket-region`, or the body's `Region`) and
    /// it has the form of one.
    pub region: Option<String>,
    /// The store's clock less the operator's, from the `Date` header; counted against the middle of the request.
    pub skew: Option<SignedDuration>,
}

/// S3's error codes ("Error responses" in the S3 API reference), as far as they decide something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorCode {
    /// `AccessDenied`
    AccessDenied,
    /// `AccessDenied` with the element `HeadersNotSigned`: a header was sent that was not signed.
    HeadersNotSigned,
    /// `NoSuchKey`
    NoSuchKey,
    /// `NoSuchVersion`
    NoSuchVersion,
    /// `NoSuchBucket`
    NoSuchBucket,
    /// `SignatureDoesNotMatch`
    SignatureDoesNotMatch,
    /// `InvalidAccessKeyId`
    InvalidAccessKeyId,
    /// `ExpiredToken`, `InvalidToken`, `TokenRefreshRequired`
    InvalidToken,
    /// `RequestTimeTooSkewed`, and `AccessDenied` of a signature that is not valid yet
    RequestTimeTooSkewed,
    /// `PermanentRedirect`, `AuthorizationHeaderMalformed`, `AuthorizationQueryParametersError` and `IllegalLocationConstraintException`, where
    /// they tell of another region
    WrongRegion,
    /// `InvalidObjectState`: the object is archived.
    InvalidObjectState,
    /// `SlowDown`, `ServiceUnavailable`, `InternalError`
    Unavailable,
    /// Any other.
    Other,
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransportError {
    /// The host's name cannot be resolved.
    Host,
    /// The connection was refused, or broke.
    Connection,
    /// The certificate is not trusted, or names another host.
    Tls,
    /// No answer in time.
    Timeout,
}

/// A listing that is to be made.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// Where the bucket is reached by the operator.
    pub target: Target,
    /// The bucket.
    pub bucket: Bucket,
    /// What is listed and kept.
    pub wanted: ListSelection,
    /// The most objects that are kept; one more ends the listing.
    pub most: u32,
    /// What signs it.
    pub credentials: Credentials,
    /// PEM certificates that are trusted besides the system's.
    pub ca_bundle: Option<String>,
    /// When it is signed, by the store's clock.
    pub signed_at: Timestamp,
    /// How long all pages together may take.
    pub timeout: Duration,
}

/// An object that was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key, not judged yet.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its `ETag`, without quotes; empty where the store gives none.
    pub etag: String,
}

/// What a listing found: everything that `include` and `exclude` keep, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListResponse {
    /// The objects, sorted by the bytes of their keys.
    pub objects: Vec<ListedObject>,
    /// The store's clock less the operator's.
    pub skew: Option<SignedDuration>,
}

/// Why there is no listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListError {
    /// There are more objects than may be kept.
    TooMany,
    /// More keys were looked at than one listing may, without finding too many to keep.
    TooLong,
    /// The store refused a page.
    Refused(S3Response),
    /// The store could not be reached, at the first page or a later one.
    TransportError(TransportError),
    /// A page was not what `ListObjectsV2` answers, or keys came out of order.
    Malformed,
}

/// An answer for those who test what is made of answers.
#[cfg(test)]
pub(in crate::engine) fn answer(status: u16, code: Option<ErrorCode>) -> S3Response {
    S3Response {
        status,
        code,
        region: None,
        skew: Some(SignedDuration::from_secs(1)),
    }
}

//! Requests to a store over the network, and its answers: classes and codes, never a server's text.
//!
//! What holds here:
//! - Every request of the operator to a store is a GET or a HEAD, so none changes anything there.
//! - An answer carries only the fields that decisions need, so no server can put text into a condition.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::request::{Bucket, ListSelection};
use crate::signing::{Credentials, SecretUrl, SignError, Target};

/// One request for the first byte of a presigned URL.
#[derive(Clone, Debug)]
pub struct S3Request {
    /// The URL, signed for GET.
    pub url: SecretUrl,
    /// Headers to send in addition to `Range`, signed or not.
    pub headers: Vec<(String, String)>,
}

/// The result of a request.
pub type S3Result = Result<S3Response, TransportError>;

/// An answer of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Response {
    /// The HTTP status.
    pub status: u16,
    /// The error code of the body, if the status is no success.
    pub code: Option<ErrorCode>,
    /// The region of the bucket, if the answer names it (`x-amz-bucket-region`, or the body's `Region`) and
    /// it has the form of a region.
    pub region: Option<String>,
    /// The store's clock minus the operator's, from the `Date` header; measured against the middle of the
    /// request.
    pub skew: Option<SignedDuration>,
}

/// S3's error codes ("Error responses" in the S3 API reference) that decisions depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorCode {
    /// `AccessDenied`
    AccessDenied,
    /// `AccessDenied` with the element `HeadersNotSigned`: an unsigned header was sent.
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
    /// `PermanentRedirect`, `AuthorizationHeaderMalformed`, `AuthorizationQueryParametersError` and
    /// `IllegalLocationConstraintException`, if they report another region
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

/// A listing to make.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// The endpoint at which the operator reaches the bucket.
    pub target: Target,
    /// The bucket.
    pub bucket: Bucket,
    /// The prefix to list, and which keys to keep.
    pub wanted: ListSelection,
    /// The most objects to keep; one more ends the listing.
    pub most: u32,
    /// The credentials that sign it.
    pub credentials: Credentials,
    /// PEM certificates that are trusted in addition to the system's.
    pub ca_bundle: Option<String>,
    /// When it is signed, by the store's clock.
    pub signed_at: Timestamp,
    /// How long all pages together may take.
    pub timeout: Duration,
}

/// An object that was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key, not evaluated yet.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its `ETag`, without quotes; empty if the store gives none.
    pub etag: String,
}

/// The result of a listing: every object that `include` and `exclude` keep, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListResponse {
    /// The objects, sorted by the bytes of their keys, whatever the order of the store.
    pub objects: Vec<ListedObject>,
    /// The store's clock minus the operator's.
    pub skew: Option<SignedDuration>,
}

/// Why a listing failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListError {
    /// There are more objects than may be kept.
    TooMany,
    /// The listing read as many pages or keys as it may, and the bucket goes on.
    TooLong,
    /// The store refused a page.
    Refused(S3Response),
    /// The store could not be reached, at the first page or a later one.
    TransportError(TransportError),
    /// A page cannot be used.
    BadPage(PageError),
    /// Its request could not be signed.
    NotSigned(SignError),
}

/// Why a page of a listing cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PageError {
    /// It is no XML of a `ListBucketResult`.
    NotAListing,
    /// It is larger than a page of so many keys can be.
    TooLarge,
    /// It declares that its keys are percent-encoded, and a key is not.
    NotEncoded,
    /// It does not say whether more pages follow.
    NoEnd,
    /// More pages follow, and it names no token for the next: an answer of version 1 of the API.
    NoToken,
    /// The token for the next page is one that led here already.
    TokenRepeated,
    /// A key that was listed before.
    KeyRepeated,
    /// A key that does not begin with the prefix.
    KeyOutsidePrefix,
    /// A key of more than 1,024 bytes.
    KeyTooLong,
    /// A size that is no number, or an `ETag` that is none.
    BadObject,
}

/// An answer, for tests that build on answers.
#[cfg(test)]
pub(in crate::engine) fn answer(status: u16, code: Option<ErrorCode>) -> S3Response {
    S3Response {
        status,
        code,
        region: None,
        skew: Some(SignedDuration::from_secs(1)),
    }
}

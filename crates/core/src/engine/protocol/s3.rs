//! Requests to a store over the network, and its answers: classes and codes, never a server's text.
//!
//! What holds here:
//! - Every request of the operator to a store is a GET or a HEAD, so none changes anything there.
//! - An answer carries only the fields that decisions need. Of a server's text no more reaches a condition
//!   than the name of an error code (letters, digits and dots) and the names in its certificate, which have
//!   the form of hosts.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::RequestPayer;
use crate::request::{Bucket, ListSelection};
use crate::signing::{Credentials, SecretUrl, SignError, Target};

/// One request for a presigned URL: a GET of the first byte, or a HEAD.
#[derive(Clone, Debug)]
pub struct S3Request {
    /// The method that the URL is signed for.
    pub method: S3Method,
    /// The URL.
    pub url: SecretUrl,
    /// Headers to send in addition to a GET's `Range`, signed or not.
    pub headers: Vec<(String, String)>,
}

/// The methods that change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum S3Method {
    /// GET, of the first byte.
    Get,
    /// HEAD. An answer that refuses it has no body, and so no error code.
    Head,
}

/// The result of a request.
pub type S3Result = Result<S3Response, TransportError>;

/// An answer of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Response {
    /// The HTTP status.
    pub status: u16,
    /// The error code of the body, if the status is no success and the body is an error document of S3.
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
    /// `Unauthorized`: the credentials are refused, and nothing says which part of them is wrong. With the
    /// code's name, if it can be shown.
    CredentialsRefused(Option<CodeName>),
    /// The kind or the form of the signature is refused: `UnsupportedSignature`,
    /// `AuthorizationQueryParametersError` that reports no other region, `InvalidRequest` that says so, and
    /// others. With the code's name, if it can be shown.
    SignatureRefused(Option<CodeName>),
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
    /// A version that is a delete marker was requested: 405 with `x-amz-delete-marker`.
    DeleteMarker,
    /// `NoSuchKey` with `x-amz-delete-marker`: the newest version is a delete marker.
    Deleted,
    /// `InvalidArgument`: usually a version ID that is none.
    InvalidArgument,
    /// `InvalidRequest` of an object that SSE-C encrypts: whoever reads it must send the key.
    CustomerKey,
    /// A key of KMS cannot be used.
    Kms(KmsError),
    /// `AccountProblem`, `AllAccessDisabled`, `NotSignedUp`, `UserSuspended`: the account behind the bucket
    /// is closed or not paid.
    AccountProblem,
    /// A cap of the account is exceeded: an `AccessDenied` of Backblaze B2 that says so.
    CapExceeded,
    /// `UserProjectMissing`, `InvalidPayer`: the requester pays.
    RequesterPays,
    /// `NotImplemented`
    NotImplemented,
    /// `KeyTooLongError`
    KeyTooLong,
    /// `InvalidBucketName`
    InvalidBucketName,
    /// Any other; its name, if it can be shown.
    Other(Option<CodeName>),
}

/// Why a key of KMS cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KmsError {
    /// `KMS.DisabledException`
    Disabled,
    /// `KMS.KMSInvalidStateException`: for example, it is pending deletion.
    InvalidState,
    /// `KMS.NotFoundException`
    NotFound,
}

/// The name of an error code that can be shown as a server wrote it: 1 to 64 letters, digits and dots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CodeName {
    bytes: [u8; CodeName::MAX],
    // Small, so that an answer is.
    len: u8,
}

impl CodeName {
    /// The longest name.
    const MAX: usize = 64;

    /// The name, if it can be shown.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let of_a_name = |b: u8| b.is_ascii_alphanumeric() || b == b'.';
        if text.is_empty() || !text.bytes().all(of_a_name) {
            return None;
        }
        let mut bytes = [0; Self::MAX];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        let len = u8::try_from(text.len()).ok()?;
        Some(Self { bytes, len })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for CodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for CodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransportError {
    /// The host's name cannot be resolved.
    Host,
    /// The connection was refused, or broke.
    Connection,
    /// The proxy of the operator's environment made no connection.
    Proxy(ProxyError),
    /// `https` was used with a server that does not speak TLS.
    NotTls,
    /// `http` was used with a server that speaks TLS.
    TlsExpected,
    /// The server's certificate is not trusted, or TLS failed otherwise.
    Tls(TlsError),
    /// No answer within this time.
    Timeout(Duration),
}

/// Why a proxy made no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProxyError {
    /// It cannot be reached, or does not speak HTTP.
    Unreachable,
    /// It answered with this status.
    Refused(u16),
}

/// Why a server's certificate is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsError {
    /// It, or one that it depends on, has expired.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// It, or one that it depends on, is not valid yet.
    NotYetValid {
        /// From when on it is.
        from: Timestamp,
    },
    /// It is another host's.
    OtherName {
        /// The names that it gives, hosts all of them.
        names: Vec<String>,
    },
    /// It was signed by itself, and is not in the store's `caBundle`.
    SelfSigned {
        /// The store has a `caBundle`.
        ca_bundle: bool,
    },
    /// The authority that issued it is not trusted.
    UnknownIssuer {
        /// The store has a `caBundle`.
        ca_bundle: bool,
    },
    /// Neither is its issuer trusted, nor was the issuer's certificate sent.
    IntermediateMissing {
        /// The store has a `caBundle`.
        ca_bundle: bool,
    },
    /// Something else.
    Other,
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
    /// Who pays for it.
    pub request_payer: Option<RequestPayer>,
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
    /// Its size in bytes, if the store gives one.
    pub size: Option<u64>,
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
    /// Their keys have more bytes than may be kept.
    TooLarge,
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

//! The one table from answers to their meaning.
//!
//! What holds here: the match is total, and a [`Diagnosis`] carries every fact of its sentence.

use jiff::SignedDuration;

use crate::engine::protocol::{
    CodeName, ErrorCode, KmsError, S3Response, S3Result, TransportError,
};

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Diagnosis {
    /// The object exists, and the signer may read it.
    Readable { status: u16, empty: bool },
    /// An error document of S3 says that the object has no first byte: it exists and is empty.
    OutOfRange { status: u16, code: Option<CodeName> },
    /// The store accepts the signature. The signer may not do this, or the object does not exist.
    AccessDenied { skew: Option<SignedDuration> },
    /// The store accepts the signature, and the object does not exist.
    NoSuchKey { status: u16 },
    /// The store accepts the signature, and the object has no such version.
    NoSuchVersion { status: u16 },
    /// The store accepts the signature, and the object is archived.
    Archived { status: u16 },
    /// The bucket does not exist.
    NoSuchBucket,
    /// The store computes another signature.
    SignatureMismatch { skew: Option<SignedDuration> },
    /// The store does not know the access key ID.
    UnknownAccessKey,
    /// The store refuses the session token.
    InvalidToken,
    /// The store refuses the credentials, and does not say which part of them.
    CredentialsRefused { status: u16, code: Option<CodeName> },
    /// The store refuses the kind or the form of the signature.
    SignatureRefused { status: u16, code: Option<CodeName> },
    /// The bucket is in another region, which the answer may name.
    WrongRegion { region: Option<String> },
    /// The store refuses the time of the signature.
    ClockSkewed { skew: Option<SignedDuration> },
    /// The store refuses a header that was not signed.
    HeadersNotSigned,
    /// The store is busy, or has a fault of its own.
    Unavailable { status: u16 },
    /// The store redirects, and not to another region.
    Redirected { status: u16 },
    /// The store accepts the signature, and the version is a delete marker.
    DeleteMarker { status: u16 },
    /// The store accepts the signature, and the newest version of the object is a delete marker.
    Deleted { status: u16 },
    /// The store refuses a parameter of the request.
    InvalidArgument { status: u16 },
    /// The store accepts the signature, and the object is encrypted with a key that the client must send.
    CustomerKey { status: u16 },
    /// The store accepts the signature, and cannot use the key of KMS that encrypts the object.
    Kms { status: u16, error: KmsError },
    /// The account behind the bucket or the signer has a problem.
    AccountProblem,
    /// A cap of the account is exceeded.
    CapExceeded,
    /// The requester is to pay.
    RequesterPays,
    /// The store does not know this operation.
    NotImplemented { status: u16 },
    /// The key is longer than the store takes.
    KeyTooLong,
    /// The store takes no bucket of this name.
    InvalidBucketName,
    /// The answer is an error of S3 that has no meaning here but its name.
    OtherError { status: u16, code: Option<CodeName> },
    /// The answer holds no error of S3.
    NotS3 { status: u16 },
    /// No answer came.
    Unreachable(TransportError),
}

/// Finds the meaning of an answer.
pub(in crate::engine) fn diagnose(result: &S3Result) -> Diagnosis {
    let response = match result {
        Ok(response) => response,
        Err(error) => return Diagnosis::Unreachable(error.clone()),
    };
    let S3Response {
        status,
        code,
        region,
        skew,
    } = response;
    let (status, skew) = (*status, *skew);
    let region = || region.clone();
    match (status, code) {
        (200 | 206, _) => Diagnosis::Readable {
            status,
            empty: false,
        },
        // An empty object has no first byte.
        (416, None) => Diagnosis::Readable {
            status,
            empty: true,
        },
        (416, Some(ErrorCode::Other(code))) => Diagnosis::OutOfRange {
            status,
            code: *code,
        },
        (_, Some(ErrorCode::AccessDenied)) => Diagnosis::AccessDenied { skew },
        (_, Some(ErrorCode::HeadersNotSigned)) => Diagnosis::HeadersNotSigned,
        (_, Some(ErrorCode::NoSuchKey)) => Diagnosis::NoSuchKey { status },
        (_, Some(ErrorCode::NoSuchVersion)) => Diagnosis::NoSuchVersion { status },
        (_, Some(ErrorCode::NoSuchBucket)) => Diagnosis::NoSuchBucket,
        (_, Some(ErrorCode::SignatureDoesNotMatch)) => Diagnosis::SignatureMismatch { skew },
        (_, Some(ErrorCode::InvalidAccessKeyId)) => Diagnosis::UnknownAccessKey,
        (_, Some(ErrorCode::InvalidToken)) => Diagnosis::InvalidToken,
        // A 401 asks for other credentials, whatever it is called.
        (_, Some(ErrorCode::CredentialsRefused(code))) | (401, Some(ErrorCode::Other(code))) => {
            let code = *code;
            Diagnosis::CredentialsRefused { status, code }
        }
        (_, Some(ErrorCode::SignatureRefused(code))) => Diagnosis::SignatureRefused {
            status,
            code: *code,
        },
        (_, Some(ErrorCode::RequestTimeTooSkewed)) => Diagnosis::ClockSkewed { skew },
        (_, Some(ErrorCode::WrongRegion)) => Diagnosis::WrongRegion { region: region() },
        (_, Some(ErrorCode::InvalidObjectState)) => Diagnosis::Archived { status },
        (_, Some(ErrorCode::DeleteMarker)) => Diagnosis::DeleteMarker { status },
        (_, Some(ErrorCode::Deleted)) => Diagnosis::Deleted { status },
        (_, Some(ErrorCode::InvalidArgument)) => Diagnosis::InvalidArgument { status },
        (_, Some(ErrorCode::CustomerKey)) => Diagnosis::CustomerKey { status },
        (_, Some(ErrorCode::Kms(error))) => {
            let error = *error;
            Diagnosis::Kms { status, error }
        }
        (_, Some(ErrorCode::AccountProblem)) => Diagnosis::AccountProblem,
        (_, Some(ErrorCode::CapExceeded)) => Diagnosis::CapExceeded,
        (_, Some(ErrorCode::RequesterPays)) => Diagnosis::RequesterPays,
        (_, Some(ErrorCode::KeyTooLong)) => Diagnosis::KeyTooLong,
        (_, Some(ErrorCode::InvalidBucketName)) => Diagnosis::InvalidBucketName,
        // It will not do tomorrow what it cannot do today.
        (501, _) | (_, Some(ErrorCode::NotImplemented)) => Diagnosis::NotImplemented { status },
        (_, Some(ErrorCode::Unavailable)) | (408 | 429 | 500..=599, _) => {
            Diagnosis::Unavailable { status }
        }
        (300..=399, _) if response.region.is_some() => Diagnosis::WrongRegion { region: region() },
        (300..=399, _) => Diagnosis::Redirected { status },
        (_, Some(ErrorCode::Other(code))) => Diagnosis::OtherError {
            status,
            code: *code,
        },
        (_, None) => Diagnosis::NotS3 { status },
    }
}

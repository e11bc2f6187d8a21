//! What a store's answer means to the person whose credentials asked.
//!
//! What holds here: no text of a server is repeated, but the name of an error code and of a region.

use presigned_core::engine::{
    ErrorCode, ListError, PageError, S3Response, TlsError, TransportError,
};
use presigned_core::request::format_duration;

use super::exit::Failure;

/// Why a listing failed.
pub fn list_failure(error: &ListError, place: &str, most: u32) -> Failure {
    match error {
        ListError::TooMany => Failure::no(format!(
            "{place} holds more than {most} objects: narrow it by a longer prefix, --include and --exclude, or give \
             --max-objects up to 10000"
        )),
        ListError::TooLarge | ListError::TooLong => Failure::no(format!(
            "{place} holds more than one listing takes: narrow it by a longer prefix"
        )),
        ListError::Refused(answer) => refused(answer, "list", place, "s3:ListBucket"),
        ListError::TransportError(error) => unreachable(error),
        ListError::BadPage(PageError::NotAListing) => Failure::unknown(format!(
            "what answers at the endpoint gave no listing of {place}: is it an S3 server? Check --endpoint-url"
        )),
        ListError::BadPage(_) => Failure::unknown(format!(
            "the store's listing of {place} contradicts itself and cannot be used whole: ask those who run the store"
        )),
        ListError::NotSigned(error) => {
            Failure::unknown(format!("{place} cannot be listed: {error}"))
        }
    }
}

/// Why a store refused.
pub fn refused(answer: &S3Response, verb: &str, place: &str, action: &str) -> Failure {
    let S3Response {
        status,
        code,
        region,
        skew: _,
    } = answer;
    let why = match (code, region) {
        (Some(ErrorCode::WrongRegion), Some(region)) => {
            format!("the bucket is in {region}: give --region {region}")
        }
        (Some(ErrorCode::WrongRegion), None) => {
            "the bucket is in another region: give its --region".to_owned()
        }
        (Some(ErrorCode::NoSuchBucket), _) => {
            "there is no such bucket: check its name, and --endpoint-url".to_owned()
        }
        (Some(ErrorCode::AccessDenied), _) => format!(
            "your credentials may not: they need {action} there; or choose others with --profile"
        ),
        (Some(ErrorCode::InvalidAccessKeyId), _) => {
            "the store does not know the access key: choose other credentials with --profile, or check --endpoint-url"
                .to_owned()
        }
        (Some(ErrorCode::SignatureDoesNotMatch), _) => {
            "the store computes another signature: the secret key is wrong, or something on the way rewrites requests"
                .to_owned()
        }
        (Some(ErrorCode::InvalidToken), _) => {
            "the session has ended or is not the store's: log in again".to_owned()
        }
        (Some(ErrorCode::RequestTimeTooSkewed), _) => {
            "this machine's clock differs too much from the store's: set it".to_owned()
        }
        (Some(ErrorCode::NotImplemented), _) => "the store does not know such requests".to_owned(),
        (Some(ErrorCode::Unavailable), _) => "the store is busy: try again".to_owned(),
        (Some(ErrorCode::Other(Some(name))), _) => {
            format!("it answered {status} {name}")
        }
        (Some(code), _) => format!("it answered {status} {code:?}"),
        (None, _) => format!("it answered {status} and no error of S3: check --endpoint-url"),
    };
    Failure::unknown(format!("the store did not {verb} {place}: {why}"))
}

/// Why there was no answer.
pub fn unreachable(error: &TransportError) -> Failure {
    let why = match error {
        TransportError::Host => "the host's name cannot be resolved".to_owned(),
        TransportError::Connection => "the connection was refused or broke".to_owned(),
        TransportError::Proxy(_) => "the proxy of the environment made no connection".to_owned(),
        TransportError::NotTls => "it does not speak TLS: give an endpoint with http://".to_owned(),
        TransportError::TlsExpected => "it speaks TLS: give an endpoint with https://".to_owned(),
        TransportError::Tls(TlsError::Expired { at }) => {
            format!("its certificate expired at {at}")
        }
        TransportError::Tls(
            TlsError::SelfSigned { .. }
            | TlsError::UnknownIssuer { .. }
            | TlsError::IntermediateMissing { .. },
        ) => "its certificate is of an authority that is not trusted: give --ca-bundle".to_owned(),
        TransportError::Tls(_) => "its certificate is not trusted".to_owned(),
        TransportError::Timeout(limit) => {
            format!("it did not answer within {}", format_duration(*limit))
        }
    };
    Failure::unknown(format!(
        "the store cannot be reached: {why}; check --endpoint-url and --region"
    ))
}

//! From bytes to an [`S3Response`]: the status, a code out of a fixed list, a region that has the form of
//! one, and the clock.
//!
//! What holds here: nothing else of a body or a header leaves this file, but the name of a code that is not
//! in the list, and of that only letters, digits and dots. No other text of a server can reach a condition or
//! a log.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use presigned_core::engine::{CodeName, ErrorCode, KmsError, S3Response};
use presigned_core::signing::is_region;

use crate::clock::skew;

/// How a quotation begins in XML.
const QUOTES: [&str; 6] = ["'", "\"", "&#39;", "&#34;", "&apos;", "&quot;"];

/// Reads an answer that came to a request that was sent at `sent`.
pub(super) fn parse(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    sent: Timestamp,
    took: Duration,
) -> S3Response {
    let success = status.is_success();
    let body = if success { &[] } else { body };
    let text = String::from_utf8_lossy(body);
    let marker = headers.get("x-amz-delete-marker");
    let error = Error {
        text: &text,
        status: status.as_u16(),
        delete_marker: marker.is_some_and(|marker| marker == "true"),
    };
    let region = headers
        .get("x-amz-bucket-region")
        .and_then(|region| region.to_str().ok())
        .filter(|region| is_region(region))
        .or_else(|| error.region());
    S3Response {
        status: status.as_u16(),
        code: if success { None } else { error.code(region) },
        region: region.map(str::to_owned),
        skew: skew(headers, sent, took),
    }
}

/// The body of an error. It is looked through and not parsed: what is looked for are a few elements without
/// attributes, and a body that is no XML has none of them.
struct Error<'a> {
    text: &'a str,
    status: u16,
    /// Whether the answer is about a delete marker. Of a HEAD only a header says so.
    delete_marker: bool,
}

impl<'a> Error<'a> {
    fn element(&self, name: &str) -> Option<&'a str> {
        let (_, rest) = self.text.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once(&format!("</{name}>"))?;
        Some(value.trim())
    }

    /// Its end may hold a key, and with it what somebody chose to write there: only the beginning is
    /// compared.
    fn message_begins(&self, words: &[&str]) -> bool {
        let message = self.element("Message").unwrap_or_default();
        words.iter().any(|words| message.starts_with(words))
    }

    fn region(&self) -> Option<&'a str> {
        let named = self.element("Region");
        // Some servers name the right region in the sentence alone, between quotes of one kind or another.
        let expected = || {
            let (_, rest) = self.element("Message")?.split_once("expecting ")?;
            let rest = QUOTES.iter().find_map(|quote| rest.strip_prefix(quote))?;
            rest.split(['\'', '"', '&']).next()
        };
        named.or_else(expected).filter(|region| is_region(region))
    }

    fn code(&self, region: Option<&str>) -> Option<ErrorCode> {
        if self.delete_marker && self.status == 405 {
            return Some(ErrorCode::DeleteMarker);
        }
        let name = self.element("Code")?;
        Some(match name {
            "AccessDenied" if self.cap_exceeded() => ErrorCode::CapExceeded,
            "AccessDenied" if self.unsigned() => ErrorCode::HeadersNotSigned,
            "AccessDenied" if self.out_of_time() => ErrorCode::RequestTimeTooSkewed,
            // Garage has one code for all that it refuses.
            "AccessDenied" if self.message_begins(&["Forbidden: No such key: "]) => {
                ErrorCode::InvalidAccessKeyId
            }
            "AccessDenied" if self.message_begins(&["Forbidden: Invalid signature"]) => {
                ErrorCode::SignatureDoesNotMatch
            }
            "AccessDenied" => ErrorCode::AccessDenied,
            "NoSuchKey" if self.delete_marker => ErrorCode::Deleted,
            "NoSuchKey" => ErrorCode::NoSuchKey,
            "NoSuchVersion" => ErrorCode::NoSuchVersion,
            "NoSuchBucket" => ErrorCode::NoSuchBucket,
            "SignatureDoesNotMatch" => ErrorCode::SignatureDoesNotMatch,
            // versitygw's own word for it is the second.
            "InvalidAccessKeyId" | "XAdminUserNotFound" | "InvalidSecurity" => {
                ErrorCode::InvalidAccessKeyId
            }
            // Cloudflare R2's.
            "Unauthorized" => ErrorCode::CredentialsRefused(CodeName::parse(name)),
            // MinIO's third; AWS's common one; the last two are OSS's.
            "ExpiredToken"
            | "InvalidToken"
            | "TokenRefreshRequired"
            | "InvalidTokenId"
            | "ExpiredTokenException"
            | "SecurityTokenExpired"
            | "InvalidSecurityToken" => ErrorCode::InvalidToken,
            "RequestTimeTooSkewed"
            | "RequestExpired"
            | "RequestNotReadyYet"
            | "ExpiredPresignRequest" => ErrorCode::RequestTimeTooSkewed,
            "PermanentRedirect" | "IllegalLocationConstraintException" => ErrorCode::WrongRegion,
            "TemporaryRedirect" | "Redirect" if region.is_some() => ErrorCode::WrongRegion,
            "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError"
                if region.is_some() || self.names_a_region() =>
            {
                ErrorCode::WrongRegion
            }
            // The last is AWS's common one.
            "AuthorizationHeaderMalformed"
            | "AuthorizationQueryParametersError"
            | "UnsupportedSignature"
            | "MissingAuthenticationToken"
            | "IncompleteSignature" => ErrorCode::SignatureRefused(CodeName::parse(name)),
            "InvalidRequest" if self.other_signature() => {
                ErrorCode::SignatureRefused(CodeName::parse(name))
            }
            "InvalidObjectState" => ErrorCode::InvalidObjectState,
            // S3's, MinIO's, and what the AWS SDKs take for throttling whatever the status is.
            "SlowDown"
            | "ServiceUnavailable"
            | "InternalError"
            | "RequestTimeout"
            | "SlowDownRead"
            | "SlowDownWrite"
            | "ServerBusy"
            | "TooManyRequests"
            | "TooManyRequestsException"
            | "KMS.ThrottlingException"
            | "BandwidthLimitExceeded"
            | "LimitExceededException"
            | "PriorRequestNotComplete"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "ThrottledException"
            | "Throttling"
            | "ThrottlingException" => ErrorCode::Unavailable,
            "InvalidArgument" => ErrorCode::InvalidArgument,
            "InvalidRequest" if self.customer_key() => ErrorCode::CustomerKey,
            "KMS.DisabledException" => ErrorCode::Kms(KmsError::Disabled),
            "KMS.KMSInvalidStateException" => ErrorCode::Kms(KmsError::InvalidState),
            "KMS.NotFoundException" => ErrorCode::Kms(KmsError::NotFound),
            // The last are AWS's common one and Ceph's.
            "AccountProblem" | "AllAccessDisabled" | "NotSignedUp" | "OptInRequired"
            | "UserSuspended" => ErrorCode::AccountProblem,
            "UserProjectMissing" | "InvalidPayer" => ErrorCode::RequesterPays,
            "NotImplemented" => ErrorCode::NotImplemented,
            // StorageGRID's is the second.
            "KeyTooLongError" | "KeyTooLong" => ErrorCode::KeyTooLong,
            "InvalidBucketName" => ErrorCode::InvalidBucketName,
            name => ErrorCode::Other(CodeName::parse(name)),
        })
    }

    fn cap_exceeded(&self) -> bool {
        self.message_begins(&[
            "Cannot download file, download bandwidth or transaction",
            "Cannot download file, transaction cap exceeded",
            "Transaction cap exceeded",
        ])
    }

    fn other_signature(&self) -> bool {
        self.message_begins(&["The authorization mechanism you have provided is not supported"])
    }

    fn customer_key(&self) -> bool {
        self.message_begins(&[
            "The object was stored using a form of Server Side Encryption",
            "The encryption method specified is not supported",
        ])
    }

    fn names_a_region(&self) -> bool {
        let message = self.element("Message").unwrap_or_default();
        message.contains("region")
    }

    fn unsigned(&self) -> bool {
        self.element("HeadersNotSigned").is_some()
            || self.message_begins(&[
                "There were headers present in the request which were not signed",
            ])
    }

    /// A presigned URL that has expired, or is not good yet, is an `AccessDenied` like any other, but for its
    /// text.
    fn out_of_time(&self) -> bool {
        self.message_begins(&[
            "Request has expired",
            "Request is not valid yet",
            "Request is not yet valid",
        ])
    }
}

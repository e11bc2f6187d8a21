//! From bytes to an answer.

use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use presigned_core::engine::{CodeName, ErrorCode, KmsError, S3Response};
use std::time::Duration;

use crate::s3::answer::parse;

fn read(status: u16, region: Option<&str>, body: &str) -> S3Response {
    let mut headers = HeaderMap::new();
    if let Some(region) = region {
        headers.insert(
            "x-amz-bucket-region",
            HeaderValue::from_str(region).unwrap(),
        );
    }
    let status = StatusCode::from_u16(status).unwrap();
    parse(
        status,
        &headers,
        body.as_bytes(),
        Timestamp::UNIX_EPOCH,
        Duration::ZERO,
    )
}

fn error(inner: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>{inner}</Error>")
}

fn code(inner: &str) -> Option<ErrorCode> {
    read(403, None, &error(inner)).code
}

fn other(name: &str) -> ErrorCode {
    ErrorCode::Other(CodeName::parse(name))
}

#[test]
fn each_code_of_s3_has_its_class() {
    use ErrorCode as Is;
    for (name, class) in [
        ("AccessDenied", Is::AccessDenied),
        ("AccountProblem", Is::AccountProblem),
        ("AllAccessDisabled", Is::AccountProblem),
        ("NotSignedUp", Is::AccountProblem),
        ("OptInRequired", Is::AccountProblem),
        ("UserSuspended", Is::AccountProblem),
        ("NoSuchKey", Is::NoSuchKey),
        ("NoSuchVersion", Is::NoSuchVersion),
        ("NoSuchBucket", Is::NoSuchBucket),
        ("InvalidBucketName", Is::InvalidBucketName),
        ("KeyTooLongError", Is::KeyTooLong),
        ("KeyTooLong", Is::KeyTooLong),
        ("SignatureDoesNotMatch", Is::SignatureDoesNotMatch),
        ("XAdminUserNotFound", Is::InvalidAccessKeyId),
        ("InvalidAccessKeyId", Is::InvalidAccessKeyId),
        ("InvalidSecurity", Is::InvalidAccessKeyId),
        ("ExpiredToken", Is::InvalidToken),
        ("InvalidToken", Is::InvalidToken),
        ("TokenRefreshRequired", Is::InvalidToken),
        ("InvalidTokenId", Is::InvalidToken),
        ("ExpiredTokenException", Is::InvalidToken),
        ("SecurityTokenExpired", Is::InvalidToken),
        ("InvalidSecurityToken", Is::InvalidToken),
        ("RequestTimeTooSkewed", Is::RequestTimeTooSkewed),
        ("RequestExpired", Is::RequestTimeTooSkewed),
        ("PermanentRedirect", Is::WrongRegion),
        ("InvalidObjectState", Is::InvalidObjectState),
        ("InvalidArgument", Is::InvalidArgument),
        ("KMS.DisabledException", Is::Kms(KmsError::Disabled)),
        (
            "KMS.KMSInvalidStateException",
            Is::Kms(KmsError::InvalidState),
        ),
        ("KMS.NotFoundException", Is::Kms(KmsError::NotFound)),
        ("UserProjectMissing", Is::RequesterPays),
        ("InvalidPayer", Is::RequesterPays),
        ("NotImplemented", Is::NotImplemented),
        ("SlowDown", Is::Unavailable),
        ("ServiceUnavailable", Is::Unavailable),
        ("InternalError", Is::Unavailable),
        ("RequestTimeout", Is::Unavailable),
        ("BandwidthLimitExceeded", Is::Unavailable),
        ("TooManyRequests", Is::Unavailable),
        ("TooManyRequestsException", Is::Unavailable),
        ("ServerBusy", Is::Unavailable),
        ("LimitExceededException", Is::Unavailable),
        ("PriorRequestNotComplete", Is::Unavailable),
        ("RequestThrottled", Is::Unavailable),
        ("RequestThrottledException", Is::Unavailable),
        ("ThrottledException", Is::Unavailable),
        ("TemporaryRedirect", other("TemporaryRedirect")),
        ("Teapot.Short", other("Teapot.Short")),
        ("", Is::Other(None)),
        ("&lt;b&gt;", Is::Other(None)),
        (&"a".repeat(65), Is::Other(None)),
    ] {
        let inner = format!("<Code>{name}</Code><Message>m</Message>");
        assert_eq!(code(&inner), Some(class), "{name}");
    }
}

/// What "Error responses" in the S3 API reference lists beside those above. None of them answers a read of an
/// object or a listing, but they are told by their names if one does.
#[test]
fn every_other_code_of_the_documentation_is_shown_by_its_name() {
    for name in "AccessControlListNotSupported AccessPointAlreadyOwnedByYou AmbiguousGrantByEmailAddress \
        BadDigest BucketAlreadyExists \
        BucketAlreadyOwnedByYou BucketHasAccessPointsAttached BucketNotEmpty ClientTokenConflict \
        ConnectionClosedByRequester ConditionalRequestConflict CredentialsNotSupported CrossLocationLoggingProhibited \
        DeviceNotActiveError EndpointNotFound EntityTooLarge EntityTooSmall \
        IllegalVersioningConfigurationException IncompleteBody IncorrectNumberOfFilesInPostRequest \
        InlineDataTooLarge InvalidAccessPoint InvalidAccessPointAliasError \
        InvalidAddressingHeader InvalidBucketAclWithObjectOwnership InvalidBucketOwnerAWSAccountID InvalidBucketState \
        InvalidDigest InvalidEncryptionAlgorithmError InvalidHostHeader InvalidHttpMethod \
        InvalidLocationConstraint InvalidPart InvalidPartOrder InvalidPolicyDocument InvalidRange InvalidRegion \
        InvalidRequest InvalidSOAPRequest InvalidStorageClass InvalidTag InvalidTargetBucketForLogging InvalidURI \
        KMS.InvalidKeyUsageException MalformedACLError MalformedPOSTRequest MalformedXML MaxMessageLengthExceeded \
        MaxPostPreDataLengthExceededError MetadataTooLarge MethodNotAllowed MissingAttachment \
        MissingContentLength MissingRequestBodyError MissingSecurityElement MissingSecurityHeader \
        NoLoggingStatusForKey NoSuchAccessPoint NoSuchBucketPolicy NoSuchCORSConfiguration \
        NoSuchLifecycleConfiguration NoSuchMultiRegionAccessPoint NoSuchTagSet NoSuchUpload \
        NoSuchWebsiteConfiguration NotDeviceOwnerError NotModified OperationAborted OwnershipControlsNotFoundError \
        PreconditionFailed RequestHeaderSectionTooLarge RequestIsNotMultiPartContent \
        RequestTorrentOfBucketError ResponseInterrupted RestoreAlreadyInProgress \
        ServerSideEncryptionConfigurationNotFoundError TooManyBuckets TooManyMultiRegionAccessPointregionsError \
        UnauthorizedAccess UnauthorizedAccessError UnexpectedContent UnexpectedIPError \
        UnresolvableGrantByEmailAddress UnsupportedArgument UserKeyMustBeSpecified"
        .split_whitespace()
    {
        let inner = format!("<Code>{name}</Code><Message>m</Message>");
        assert_eq!(code(&inner), Some(other(name)));
        assert!(matches!(code(&inner), Some(ErrorCode::Other(Some(_)))), "{name}");
    }
}

#[test]
fn what_refuses_the_credentials_or_the_signature_is_known_and_keeps_its_name() {
    let named = CodeName::parse("Unauthorized");
    let refused = "<Code>Unauthorized</Code><Message>Unauthorized</Message>";
    assert_eq!(code(refused), Some(ErrorCode::CredentialsRefused(named)));
    for name in [
        "AuthorizationHeaderMalformed",
        "AuthorizationQueryParametersError",
        "UnsupportedSignature",
        "MissingAuthenticationToken",
        "IncompleteSignature",
    ] {
        let inner = format!("<Code>{name}</Code><Message>m</Message>");
        let refused = ErrorCode::SignatureRefused(CodeName::parse(name));
        assert_eq!(code(&inner), Some(refused), "{name}");
    }
    let message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
    let inner = format!("<Code>InvalidRequest</Code><Message>{message}</Message>");
    let refused = ErrorCode::SignatureRefused(CodeName::parse("InvalidRequest"));
    assert_eq!(code(&inner), Some(refused));
}

#[test]
fn refusals_of_one_code_are_told_apart() {
    let denied = |more: &str| code(&format!("<Code>AccessDenied</Code>{more}"));
    assert_eq!(
        denied("<HeadersNotSigned>x-amz-acl</HeadersNotSigned>"),
        Some(ErrorCode::HeadersNotSigned)
    );
    for message in ["Request has expired", "Request is not valid yet"] {
        assert_eq!(
            denied(&format!("<Message>{message}</Message>")),
            Some(ErrorCode::RequestTimeTooSkewed)
        );
    }
    // Garage's.
    let unknown = denied("<Message>Forbidden: No such key: GK31c2</Message>");
    assert_eq!(unknown, Some(ErrorCode::InvalidAccessKeyId));
    let forged = denied("<Message>Forbidden: Invalid signature</Message>");
    assert_eq!(forged, Some(ErrorCode::SignatureDoesNotMatch));
    // Backblaze B2's.
    let cap = "Cannot download file, download bandwidth or transaction (Class B) cap exceeded.";
    let capped = denied(&format!("<Message>{cap}</Message>"));
    assert_eq!(capped, Some(ErrorCode::CapExceeded));
    let encrypted = "The object was stored using a form of Server Side Encryption. The correct parameters must be \
                     provided to retrieve the object.";
    let encrypted = format!("<Code>InvalidRequest</Code><Message>{encrypted}</Message>");
    assert_eq!(code(&encrypted), Some(ErrorCode::CustomerKey));
    // What a tenant writes into a key decides nothing.
    for words in ["Request has expired", "Forbidden: Invalid signature"] {
        let message = format!("not authorized to perform: s3:GetObject on resource: a/{words}");
        assert_eq!(
            denied(&format!("<Message>{message}</Message>")),
            Some(ErrorCode::AccessDenied)
        );
    }
}

#[test]
fn the_region_is_read_where_it_has_the_form_of_one() {
    let code = "<Code>AuthorizationQueryParametersError</Code>";
    let expecting = |quote: &str| {
        error(&format!(
            "{code}<Message>the region {quote}a{quote} is wrong; expecting {quote}us-east-2{quote}</Message>"
        ))
    };
    for body in [
        error(&format!("{code}<Region>us-east-2</Region>")),
        expecting("'"),
        expecting("&#39;"),
        expecting("&#34;"),
        expecting("&quot;"),
    ] {
        let answer = read(400, None, &body);
        assert_eq!(answer.region.as_deref(), Some("us-east-2"), "{body}");
        assert_eq!(answer.code, Some(ErrorCode::WrongRegion));
    }
    // One grammar with spec.s3.region.
    for region in ["RegionOne", "NL", "us_east.1", &"a".repeat(64)] {
        let body = error(&format!("{code}<Region>{region}</Region>"));
        for answer in [read(400, None, &body), read(301, Some(region), "")] {
            assert_eq!(answer.region.as_deref(), Some(region));
        }
    }
    let answer = read(301, Some("us-east-2"), "");
    assert_eq!(
        (answer.region.as_deref(), answer.code),
        (Some("us-east-2"), None)
    );
    for text in [
        "",
        "https://evil.example/?x=y",
        "a b",
        "<b>",
        "-a",
        "ü",
        &"a".repeat(65),
    ] {
        let body = error(&format!("{code}<Region>{text}</Region>"));
        assert_eq!(read(400, Some(text), &body).region, None, "{text}");
    }
}

#[test]
fn a_body_that_is_no_error_has_no_code() {
    for body in [
        "",
        "<html><h1>403</h1></html>",
        "{\"Code\": \"AccessDenied\"}",
        "<Code>",
        "\u{0}\u{fffd}",
    ] {
        assert_eq!(read(403, None, body).code, None, "{body}");
    }
    let object = error("<Code>NoSuchKey</Code><Region>us-east-2</Region>");
    let given = read(200, None, &object);
    assert_eq!(
        (given.code, given.region),
        (None, None),
        "an object is no error"
    );
}

#[test]
fn a_delete_marker_is_told_by_a_header_to_a_head_too() {
    let marked = |status, body: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
        let status = StatusCode::from_u16(status).unwrap();
        let (sent, took) = (Timestamp::UNIX_EPOCH, Duration::ZERO);
        parse(status, &headers, body.as_bytes(), sent, took).code
    };
    let not_allowed = error("<Code>MethodNotAllowed</Code>");
    for body in ["", &not_allowed] {
        assert_eq!(marked(405, body), Some(ErrorCode::DeleteMarker));
    }
    let missing = error("<Code>NoSuchKey</Code>");
    assert_eq!(marked(404, &missing), Some(ErrorCode::Deleted));
    assert_eq!(marked(404, ""), None);
}

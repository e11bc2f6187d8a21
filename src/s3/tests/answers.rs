//! From bytes to an answer.

use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use presigned_core::engine::{ErrorCode, S3Response};
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

#[test]
fn each_code_of_s3_has_its_class() {
    use ErrorCode as Is;
    for (name, class) in [
        ("AccessDenied", Is::AccessDenied),
        ("NoSuchKey", Is::NoSuchKey),
        ("NoSuchVersion", Is::NoSuchVersion),
        ("NoSuchBucket", Is::NoSuchBucket),
        ("SignatureDoesNotMatch", Is::SignatureDoesNotMatch),
        ("XAdminUserNotFound", Is::InvalidAccessKeyId),
        ("InvalidAccessKeyId", Is::InvalidAccessKeyId),
        ("ExpiredToken", Is::InvalidToken),
        ("InvalidToken", Is::InvalidToken),
        ("TokenRefreshRequired", Is::InvalidToken),
        ("RequestTimeTooSkewed", Is::RequestTimeTooSkewed),
        ("PermanentRedirect", Is::WrongRegion),
        ("InvalidObjectState", Is::InvalidObjectState),
        ("SlowDown", Is::Unavailable),
        ("ServiceUnavailable", Is::Unavailable),
        ("InternalError", Is::Unavailable),
        ("AuthorizationQueryParametersError", Is::Other),
        ("AuthorizationHeaderMalformed", Is::Other),
        ("TemporaryRedirect", Is::Other),
        ("NotImplemented", Is::Other),
        ("", Is::Other),
    ] {
        let inner = format!("<Code>{name}</Code><Message>m</Message>");
        assert_eq!(code(&inner), Some(class), "{name}");
    }
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
        &"a".repeat(64),
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

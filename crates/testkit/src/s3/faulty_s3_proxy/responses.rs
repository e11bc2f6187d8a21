//! Error responses as AWS S3 words them, made without asking the server.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};

use super::{Body, ProxiedRequest};

const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

pub(super) fn error(seen: &ProxiedRequest, status: StatusCode, code: &str) -> Response<Body> {
    answer(seen, status, code, "")
}

/// The page of a web server.
pub(super) fn web_page() -> Response<Body> {
    let page = "<!doctype html><html><head><title>Console</title></head><body></body></html>";
    let body = Full::new(Bytes::from(page)).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    let html = HeaderValue::from_static("text/html");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

/// A signature for one region at a bucket of another.
pub(super) fn wrong_region(seen: &ProxiedRequest, region: &str) -> Response<Body> {
    let code = if seen.presigned {
        "AuthorizationQueryParametersError"
    } else {
        "AuthorizationHeaderMalformed"
    };
    let more = format!("<Region>{region}</Region>");
    in_region(answer(seen, StatusCode::BAD_REQUEST, code, &more), region)
}

/// An endpoint of one region asked for a bucket of another.
pub(super) fn redirect(seen: &ProxiedRequest, region: &str) -> Response<Body> {
    let more = format!("<Endpoint>s3.{region}.amazonaws.com</Endpoint>");
    let status = StatusCode::MOVED_PERMANENTLY;
    in_region(answer(seen, status, "PermanentRedirect", &more), region)
}

fn in_region(mut answer: Response<Body>, region: &str) -> Response<Body> {
    if let Ok(region) = HeaderValue::from_str(region) {
        answer.headers_mut().insert(BUCKET_REGION, region);
    }
    answer
}

fn answer(seen: &ProxiedRequest, status: StatusCode, code: &str, more: &str) -> Response<Body> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>made by the test's proxy</Message>{more}<RequestId>TESTKIT</RequestId></Error>"
    );
    // A response to HEAD has no body, and so no code.
    let body = match seen.method {
        Method::HEAD => Bytes::new(),
        _ => Bytes::from(text),
    };
    let body = Full::new(body).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    let xml = HeaderValue::from_static("application/xml");
    response.headers_mut().insert(header::CONTENT_TYPE, xml);
    response
}

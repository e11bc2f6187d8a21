//! Error responses as AWS S3 words them, made without asking a server.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};

const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

/// An error of S3.
#[derive(Debug, Clone)]
pub(super) struct S3Error {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Further elements, by name.
    more: Vec<(&'static str, String)>,
    /// The bucket's region, which a header says too.
    region: Option<String>,
}

impl S3Error {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            more: Vec::new(),
            region: None,
        }
    }

    /// With an element, if there is something in it.
    pub(super) fn with(mut self, name: &'static str, text: &str) -> Self {
        if !text.is_empty() {
            self.more.push((name, text.to_owned()));
        }
        self
    }

    fn in_region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// The response to a request of this method.
    pub(super) fn response(&self, method: &Method) -> Response<Bytes> {
        let more = self.more.iter();
        let more: Vec<String> = more
            .map(|(name, text)| format!("<{name}>{text}</{name}>"))
            .collect();
        let more = more.concat();
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>{more}\
             <RequestId>TESTKIT</RequestId></Error>",
            self.code, self.message
        );
        // A response to HEAD has no body, and so no code.
        let body = match *method {
            Method::HEAD => Bytes::new(),
            _ => Bytes::from(text),
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let xml = HeaderValue::from_static("application/xml");
        headers.insert(header::CONTENT_TYPE, xml);
        let region = self.region.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(region)) = region {
            headers.insert(BUCKET_REGION, region);
        }
        response
    }
}

/// A signature for one region at a bucket of another.
pub(super) fn wrong_region(presigned: bool, signed: &str, region: &str) -> S3Error {
    let (code, what) = if presigned {
        (
            "AuthorizationQueryParametersError",
            "Error parsing the X-Amz-Credential parameter",
        )
    } else {
        (
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed",
        )
    };
    let message = format!("{what}; the region '{signed}' is wrong; expecting '{region}'");
    let error = S3Error::new(400, code, message).with("Region", region);
    error.in_region(region)
}

/// An endpoint of one region asked for a bucket of another.
pub(super) fn redirect(region: &str) -> S3Error {
    let message = "The bucket you are attempting to access must be addressed using the specified endpoint. Please \
                   send all future requests to this endpoint.";
    let endpoint = format!("s3.{region}.amazonaws.com");
    let error = S3Error::new(301, "PermanentRedirect", message).with("Endpoint", &endpoint);
    error.in_region(region)
}

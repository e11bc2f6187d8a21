//! The client of stores, and its request for the first byte of an object.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use presigned_core::engine::{S3Method, S3Request, S3Response, S3Result, TransportError};

use super::answer;
use crate::clock::Clock;
use crate::http::{Connections, Exchanged};

/// How long one request may take, from the name's look-up to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What is read of the answer to one request.
const LIMIT: usize = 64 * 1024;

/// Sends requests to stores. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct S3Client {
    pub(super) connections: Arc<Connections>,
    pub(super) clock: Clock,
    pub(super) timeout: Duration,
}

impl fmt::Debug for S3Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Client").finish_non_exhaustive()
    }
}

impl S3Client {
    /// Measures the stores' clocks against `clock`.
    #[must_use]
    pub const fn new(connections: Arc<Connections>, clock: Clock) -> Self {
        Self {
            connections,
            clock,
            timeout: TIMEOUT,
        }
    }

    /// As it is, with another time limit for a request.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Requests the first byte behind a URL, or its head. `ca_bundle` holds PEM certificates that are trusted
    /// besides the system's.
    ///
    /// # Errors
    /// Why there was no answer; an answer that refuses is not an error.
    pub async fn send(&self, request: &S3Request, ca_bundle: Option<&str>) -> S3Result {
        let S3Request {
            method,
            url,
            headers,
        } = request;
        let builder = match method {
            S3Method::Get => Request::get(url.expose()).header(header::RANGE, "bytes=0-0"),
            S3Method::Head => Request::head(url.expose()),
        };
        // A URL that does not parse names no host.
        let mut request = builder
            .body(Bytes::new())
            .map_err(|_| TransportError::Host)?;
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) else {
                return Err(TransportError::Connection);
            };
            request.headers_mut().append(name, value);
        }
        let exchanged = self
            .connections
            .exchange(request, ca_bundle, LIMIT, self.timeout)
            .await?;
        Ok(self.answer(&exchanged))
    }

    pub(super) fn answer(&self, exchanged: &Exchanged) -> S3Response {
        let age = self.clock.since(exchanged.sent);
        let sent = self.clock.wall().checked_sub(age).unwrap_or_default();
        let Exchanged {
            status,
            headers,
            body,
            took,
            ..
        } = exchanged;
        answer::parse(*status, headers, body, sent, *took)
    }
}

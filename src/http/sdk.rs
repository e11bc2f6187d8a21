//! The SDK's requests (STS, the AWS chain), over the connections of this room.
//!
//! What holds here: of an answer no more than a limit is read, and of one that is longer the body is empty.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sts::config::SharedHttpClient;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::{Response, StatusCode};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use presigned_core::engine::TransportError;

use super::exchange::Connections;

/// The most bytes of an answer: a session has a few thousand, and AWS names no limit for its token.
const LIMIT: usize = 64 * 1024;
/// How long a request may take if its client sets no time.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A failure, on its way through the SDK.
#[derive(Clone, Debug)]
pub(crate) struct Unreached(pub(crate) TransportError);

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer")
    }
}

impl std::error::Error for Unreached {}

/// A client for the SDK, which trusts the authorities of `ca_bundle` besides the system's.
pub(crate) fn sdk_client(
    connections: &Arc<Connections>,
    ca_bundle: Option<&str>,
) -> SharedHttpClient {
    let connections = Arc::clone(connections);
    let ca_bundle = ca_bundle.map(str::to_owned);
    http_client_fn(move |settings, _| {
        SharedHttpConnector::new(Wire {
            connections: Arc::clone(&connections),
            ca_bundle: ca_bundle.clone(),
            timeout: timeout(settings),
        })
    })
}

fn timeout(settings: &HttpConnectorSettings) -> Duration {
    let parts = [settings.connect_timeout(), settings.read_timeout()];
    match parts.into_iter().flatten().sum() {
        Duration::ZERO => TIMEOUT,
        sum => sum,
    }
}

#[derive(Clone)]
struct Wire {
    connections: Arc<Connections>,
    ca_bundle: Option<String>,
    timeout: Duration,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wire = self.clone();
        HttpConnectorFuture::new(async move { wire.carry(request).await })
    }
}

impl Wire {
    async fn carry(self, request: HttpRequest) -> Result<Response<SdkBody>, ConnectorError> {
        let body = request.body().bytes().map(Bytes::copy_from_slice);
        let body = body.ok_or_else(|| user_error("the request's body is a stream"))?;
        let request = request
            .try_into_http1x()
            .map_err(|_| user_error("the request is none of HTTP"))?;
        let request = request.map(|_| body);
        let exchanged = self
            .connections
            .exchange(request, self.ca_bundle.as_deref(), LIMIT, self.timeout)
            .await;
        let exchanged = exchanged.map_err(|why| {
            let is_timeout = matches!(why, TransportError::Timeout(_));
            let error = Box::new(Unreached(why));
            if is_timeout {
                ConnectorError::timeout(error)
            } else {
                ConnectorError::io(error)
            }
        })?;
        let status = StatusCode::try_from(exchanged.status.as_u16());
        let status = status.map_err(|_| user_error("the status is none of HTTP"))?;
        let body = if exchanged.cut {
            SdkBody::empty()
        } else {
            SdkBody::from(exchanged.body)
        };
        let mut response = Response::new(status, body);
        for (name, value) in &exchanged.headers {
            // A header that is no text says nothing to the SDK.
            if let Ok(value) = value.to_str() {
                let _ = response
                    .headers_mut()
                    .try_append(name.as_str().to_owned(), value.to_owned());
            }
        }
        Ok(response)
    }
}

fn user_error(what: &'static str) -> ConnectorError {
    ConnectorError::user(what.into())
}

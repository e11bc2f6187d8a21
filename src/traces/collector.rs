//! The exporter: OpenTelemetry's own, over the operator's own connections.
//!
//! What holds here: one attempt for a batch, with a time limit. The exporter's retries are off: without
//! tokio's feature they put the thread to sleep, and the operator has one. Nothing of an answer is kept but
//! its status, and nothing of it is logged.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, RetryPolicy, SpanExporter, WithExportConfig as _,
    WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use presigned_core::engine::TransportError;

use super::endpoint::Endpoint;
use crate::http::Connections;

/// How long a collector may take for a batch.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much is read of its answer, which is empty if all is well.
const ANSWER: usize = 16 * 1024;

/// Sends batches of spans.
#[derive(Debug)]
pub(super) struct Exporter {
    otlp: SpanExporter,
    failure: LastFailure,
}

/// Why a batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There was no answer.
    Transport(TransportError),
    /// The answer has this status.
    Status(u16),
    /// It was not sent at all.
    NotSent,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(TransportError::Connection) => f.write_str(
                "the connection was refused or broke; it must speak OTLP over HTTP, usually at port 4318",
            ),
            Self::Transport(error) => write!(f, "{error:?}"),
            Self::Status(status) => write!(f, "it answered with status {status}"),
            Self::NotSent => f.write_str("the request could not be made"),
        }
    }
}

/// The exporter reports less than its client knows.
type LastFailure = Arc<Mutex<Option<Failure>>>;

/// The exporter of an operator.
///
/// # Errors
/// If the endpoint is no URL.
pub(super) fn exporter(
    endpoint: &Endpoint,
    connections: Arc<Connections>,
    resource: &Resource,
) -> Result<Exporter, ExporterBuildError> {
    let failure = LastFailure::default();
    let client = Client {
        connections,
        failure: Arc::clone(&failure),
    };
    let mut otlp = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(endpoint.of_traces())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(TIMEOUT)
        .with_retry_policy(RetryPolicy::disabled())
        .build()?;
    otlp.set_resource(resource);
    Ok(Exporter { otlp, failure })
}

impl Exporter {
    /// Sends a batch.
    ///
    /// # Errors
    /// If the collector did not take it. It is lost then.
    pub(super) async fn export(&self, batch: Vec<SpanData>) -> Result<(), Failure> {
        let exported = self.otlp.export(batch).await;
        let failure = take(&self.failure);
        exported.map_err(|_| failure.unwrap_or(Failure::NotSent))
    }
}

fn take(failure: &LastFailure) -> Option<Failure> {
    failure
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
}

/// The operator's connections, in the form that the exporter wants.
#[derive(Debug)]
struct Client {
    connections: Arc<Connections>,
    failure: LastFailure,
}

impl Client {
    fn failed(&self, failure: Failure) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let exchange = self.connections.exchange(request, None, ANSWER, TIMEOUT);
        let answer = match exchange.await {
            Ok(answer) => answer,
            Err(error) => {
                self.failed(Failure::Transport(error));
                return Err("no answer".into());
            }
        };
        if !answer.status.is_success() {
            self.failed(Failure::Status(answer.status.as_u16()));
        }
        let mut response = Response::new(answer.body);
        *response.status_mut() = answer.status;
        Ok(response)
    }
}

//! A collector of traces: OTLP over HTTP with protobuf, as an OpenTelemetry collector takes it.
//!
//! Requests are decoded by the types of the OTLP specification. One that is no such request is answered with
//! 400, and then there are no spans.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message as _;

use crate::serve::Background;

/// What the collector does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It takes the spans.
    Takes,
    /// It reads the request and never answers.
    Silent,
    /// It answers with 503.
    Refuses,
}

/// A span, as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The id of its trace.
    pub trace: Vec<u8>,
    /// Its own id.
    pub id: Vec<u8>,
    /// The id of its parent; empty at the root.
    pub parent: Vec<u8>,
    /// Its name.
    pub name: String,
    /// When it started, in nanoseconds of Unix time.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// Whether its status is Error.
    pub failed: bool,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
    /// The attributes of who sent it.
    pub resource: Vec<(String, String)>,
}

impl Span {
    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

#[derive(Debug)]
struct State {
    mood: Mood,
    requests: usize,
    spans: Vec<Span>,
    /// All that was sent, headers too.
    heard: Vec<u8>,
}

/// A collector on loopback.
#[derive(Debug)]
pub struct Collector {
    server: Background,
    state: Arc<Mutex<State>>,
}

impl Collector {
    /// Starts one.
    pub fn start(mood: Mood) -> Result<Self> {
        let state = Arc::new(Mutex::new(State {
            mood,
            requests: 0,
            spans: Vec::new(),
            heard: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        let server = Background::start("collector", None, move |request| {
            answer(Arc::clone(&shared), request)
        });
        let server = server.context("start the collector")?;
        Ok(Self { server, state })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// What it does from now on.
    pub fn set(&self, mood: Mood) {
        self.lock().mood = mood;
    }

    /// How many requests have come, whatever became of them.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.lock().requests
    }

    /// The spans that it took.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.lock().spans.clone()
    }

    /// All that was sent, headers too, as text with what is no text replaced.
    #[must_use]
    pub fn heard(&self) -> String {
        String::from_utf8_lossy(&self.lock().heard).into_owned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Option<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    let mood = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests += 1;
        state
            .heard
            .extend(format!("{} {:?}\n", head.uri, head.headers).bytes());
        state.heard.extend(&body);
        state.heard.push(b'\n');
        state.mood
    };
    let status = match mood {
        Mood::Silent => return std::future::pending().await,
        Mood::Refuses => StatusCode::SERVICE_UNAVAILABLE,
        Mood::Takes => {
            let protobuf = head
                .headers
                .get(header::CONTENT_TYPE)
                .is_some_and(|kind| kind == "application/x-protobuf");
            let asked = head.method == Method::POST && head.uri.path() == "/v1/traces" && protobuf;
            match ExportTraceServiceRequest::decode(body) {
                Ok(export) if asked => {
                    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                    state.spans.extend(spans(export));
                    StatusCode::OK
                }
                _ => StatusCode::BAD_REQUEST,
            }
        }
    };
    let body = ExportTraceServiceResponse::default().encode_to_vec();
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    Some(response)
}

fn spans(export: ExportTraceServiceRequest) -> Vec<Span> {
    let mut found = Vec::new();
    for of_resource in export.resource_spans {
        let resource = of_resource.resource.map(|resource| resource.attributes);
        let resource = texts(resource.unwrap_or_default());
        for span in of_resource
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans)
        {
            let failed = span
                .status
                .is_some_and(|status| status.code() == SpanStatus::Error);
            found.push(Span {
                trace: span.trace_id,
                id: span.span_id,
                parent: span.parent_span_id,
                name: span.name,
                start: span.start_time_unix_nano,
                end: span.end_time_unix_nano,
                failed,
                attributes: texts(span.attributes),
                resource: resource.clone(),
            });
        }
    }
    found
}

fn texts(attributes: Vec<KeyValue>) -> Vec<(String, String)> {
    let text = |attribute: KeyValue| {
        let value = match attribute.value.and_then(|value| value.value) {
            Some(Value::StringValue(text)) => text,
            other => format!("{other:?}"),
        };
        (attribute.key, value)
    };
    attributes.into_iter().map(text).collect()
}

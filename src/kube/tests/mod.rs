//! What the callers of the API server promise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod calls;
mod events;
mod fence;
mod parsing;
mod reviews;
mod secrets;
mod server_clock;
mod status;
mod streaming;
mod tokens;
mod trust_bundles;
mod watching;

use std::collections::VecDeque;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use presigned_core::engine::ObjectVersion;
use presigned_core::issue::Owner;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::Cluster;
use crate::telemetry::Metrics;

/// A request as the API server gets it.
struct Got {
    method: String,
    uri: String,
    accept: String,
    content_type: String,
    body: Value,
}

/// A cluster whose API server gives these answers, in this order.
struct Mock {
    cluster: Cluster,
    metrics: Metrics,
    server: JoinHandle<Vec<Got>>,
}

impl Mock {
    fn answering(answers: impl Into<VecDeque<(u16, Value)>>) -> Self {
        let mut answers = answers.into();
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let server = tokio::spawn(async move {
            let mut got = Vec::new();
            while let Some((code, answer)) = answers.pop_front() {
                let (request, send) = handle.next_request().await.expect("too few requests");
                let (parts, body) = request.into_parts();
                let header = |name| {
                    let value = parts.headers.get(name);
                    value.map_or("", |v| v.to_str().unwrap()).to_owned()
                };
                let bytes = body.collect_bytes().await.unwrap();
                got.push(Got {
                    method: parts.method.to_string(),
                    uri: parts.uri.to_string(),
                    accept: header(http::header::ACCEPT),
                    content_type: header(http::header::CONTENT_TYPE),
                    body: serde_json::from_slice(&bytes).unwrap_or_default(),
                });
                let body = Body::from(answer.to_string().into_bytes());
                send.send_response(Response::builder().status(code).body(body).unwrap());
            }
            got
        });
        let metrics = Metrics::default();
        let client = Client::new(service, "default");
        Self {
            cluster: Cluster::new(client, metrics.clone(), "pod-0".to_owned()),
            metrics,
            server,
        }
    }

    /// What was asked, in order.
    async fn asked(self) -> Vec<Got> {
        drop(self.cluster);
        self.server.await.unwrap()
    }
}

fn owner() -> Owner {
    Owner {
        api_version: "presigned.dev/v1alpha1".to_owned(),
        kind: "PresignedURL".to_owned(),
        name: "model".to_owned(),
        uid: "owner-uid".to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(false),
    }
}

fn this(version: &str) -> ObjectVersion {
    ObjectVersion {
        uid: "uid-1".to_owned(),
        resource_version: Some(version.to_owned()),
    }
}

/// The metadata-only answer to a write.
fn metadata(version: &str) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": { "name": "n", "uid": "uid-1", "resourceVersion": version },
    })
}

/// A failure as the API server tells it.
fn failed(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "a text of the server", "reason": reason, "code": code,
    });
    (code, status)
}

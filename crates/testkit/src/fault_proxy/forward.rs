//! One request's way through the proxy.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use serde_json::json;

use super::request::{ApiRequest, Verb};
use super::rules::Fault;
use super::{State, lock};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The API server behind the proxy.
pub(super) type Upstream = crate::upstream::Upstream<Full<Bytes>>;

/// The answer to one request; none to cut the connection.
pub(super) async fn answer(
    state: Arc<State>,
    upstream: Upstream,
    request: Request<Incoming>,
) -> Option<Response<Body>> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    let asked = ApiRequest::read(&head.method, &head.uri, &body);
    state
        .requests
        .send_modify(|requests| requests.push(asked.clone()));

    let fault = lock(&state.rules).fault_for(&asked);
    match &fault {
        Some(Fault::Status {
            code,
            reason,
            retry_after,
        }) => {
            return Some(failure(
                *code,
                reason,
                retry_after.map(|after| after.as_secs()),
            ));
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Delay(delay)) => tokio::time::sleep(*delay).await,
        Some(Fault::HoldRequest(gate)) => gate.pass().await,
        Some(Fault::ForwardThenDrop | Fault::HoldAnswer(_)) | None => {}
    }
    head.headers.remove(header::HOST);
    head.headers.remove(header::CONTENT_LENGTH);
    let Ok(answer) = upstream.send(head, Full::new(body)).await else {
        return Some(failure(StatusCode::BAD_GATEWAY, "ServiceUnavailable", None));
    };
    lock(&state.answers).push((asked.clone(), answer.status()));
    match &fault {
        Some(Fault::ForwardThenDrop) => return None,
        Some(Fault::HoldAnswer(gate)) => gate.pass().await,
        _ => {}
    }
    let (head, body) = answer.into_parts();
    let body = if asked.verb == Verb::Watch && head.status.is_success() {
        let frames = lock(&state.watches).follow(asked, body);
        StreamBody::new(frames.into_stream()).boxed_unsync()
    } else {
        body.map_err(io::Error::other).boxed_unsync()
    };
    Some(Response::from_parts(head, body))
}

/// A failure as the API server would word it.
fn failure(code: StatusCode, reason: &str, retry_after: Option<u64>) -> Response<Body> {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": format!("{reason}, made by the test's proxy"),
        "reason": reason,
        "details": retry_after.map(|seconds| json!({ "retryAfterSeconds": seconds })),
        "code": code.as_u16(),
    });
    let body = Full::new(Bytes::from(status.to_string()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

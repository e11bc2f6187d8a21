//! Stand-ins for the services that AWS's credential providers ask: instance metadata, the container endpoint,
//! the portal of IAM Identity Center and STS.
//!
//! They speak the protocols as AWS documents them, refuse what AWS refuses, record the requests, and fail on
//! demand.

mod container;
mod keys;
mod metadata;
mod portal;
mod sts;

pub use container::ContainerEndpoint;
pub use keys::{KeyService, Keys};
pub use metadata::MetadataService;
pub use portal::SsoPortal;
pub use sts::{Role, StsCall, StsServer, Trust, token};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

/// What is wrong with a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Every request is answered with this status and no body.
    Status(StatusCode),
    /// No request is answered.
    Hang,
    /// Every answer is a page that the protocol does not know, with status 200.
    Garbage,
    /// STS refuses everything with this error.
    Refuse {
        /// The status.
        status: StatusCode,
        /// The code.
        code: String,
        /// STS's own words.
        message: String,
    },
}

/// What a service's thread and its test share.
#[derive(Debug, Default)]
struct Shared<T> {
    state: Mutex<T>,
    fault: Mutex<Fault>,
    calls: Mutex<Vec<String>>,
}

type Answer = Response<Full<Bytes>>;

impl<T> Shared<T> {
    fn new(state: T) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(state),
            fault: Mutex::default(),
            calls: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, T> {
        lock(&self.state)
    }

    fn fail(&self, fault: Fault) {
        *lock(&self.fault) = fault;
    }

    fn called(&self, call: String) {
        lock(&self.calls).push(call);
    }

    fn calls(&self) -> Vec<String> {
        lock(&self.calls).clone()
    }

    /// The answer that the current fault gives; `None` if there is no fault.
    async fn fault_answer(
        &self,
        refuse: impl Fn(StatusCode, &str, &str) -> Answer,
    ) -> Option<Answer> {
        let fault = lock(&self.fault).clone();
        match fault {
            Fault::None => None,
            Fault::Status(status) => Some(empty(status)),
            Fault::Hang => std::future::pending().await,
            Fault::Garbage => Some(answer(
                StatusCode::OK,
                "text/html",
                "<html>no such page</html>".to_owned(),
            )),
            Fault::Refuse {
                status,
                code,
                message,
            } => Some(refuse(status, &code, &message)),
        }
    }
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static(kind),
    );
    answer
}

fn plain(status: StatusCode, text: &str) -> Answer {
    answer(status, "text/plain", text.to_owned())
}

fn empty(status: StatusCode) -> Answer {
    plain(status, "")
}

fn json(status: StatusCode, body: &serde_json::Value) -> Answer {
    answer(status, "application/json", body.to_string())
}

fn header<'a>(request: &'a Request<Incoming>, name: &str) -> &'a str {
    let value = request.headers().get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

async fn body(request: Request<Incoming>) -> String {
    match request.into_body().collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => String::new(),
    }
}

/// Locks even if a panic in another test poisoned the mutex: this test still has its own result.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

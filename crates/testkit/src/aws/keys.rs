//! A service that hands out keys over HTTP to callers with the right header.

use std::sync::{Arc, MutexGuard};

use anyhow::Result;
use http::Request;
use hyper::body::Incoming;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Fault, Shared, empty};
use crate::serve::Background;

/// A key pair as a service hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The access key ID.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// The session token.
    pub session_token: String,
    /// When the session ends.
    pub expiration: Timestamp,
}

impl Keys {
    pub(super) fn members(&self) -> Value {
        json!({
            "AccessKeyId": self.access_key_id, "SecretAccessKey": self.secret_access_key,
            "Token": self.session_token, "Expiration": self.expiration.to_string(),
        })
    }
}

/// A running service; it ends when it is dropped.
#[derive(Debug)]
pub struct KeyService<T> {
    server: Background,
    shared: Arc<Shared<T>>,
}

impl<T: Send + 'static> KeyService<T> {
    pub(super) fn serve(
        name: &str,
        state: T,
        answer: fn(&T, &Request<Incoming>) -> Answer,
    ) -> Result<Self> {
        let shared = Shared::new(state);
        let own = Arc::clone(&shared);
        let server = Background::start(name, None, move |request| {
            let shared = Arc::clone(&own);
            async move {
                shared.called(format!("{} {}", request.method(), request.uri().path()));
                let failure = shared.fault_answer(|status, _, _| empty(status)).await;
                Some(failure.unwrap_or_else(|| answer(&shared.state(), &request)))
            }
        })?;
        Ok(Self { server, shared })
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, T> {
        self.shared.state()
    }

    /// Breaks the service, or repairs it with [`Fault::None`].
    pub fn fail(&self, fault: Fault) {
        self.shared.fail(fault);
    }

    /// The requests so far: method and path.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.shared.calls()
    }
}

//! The container endpoint: ECS's, and the agent of EKS Pod Identity, which want the same header.

use std::sync::Arc;

use anyhow::Result;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::{Answer, Fault, Keys, Shared, answer, header};
use crate::serve::Background;

const PATH: &str = "/v1/credentials";

/// A running container endpoint; it ends when it is dropped.
#[derive(Debug)]
pub struct ContainerEndpoint {
    server: Background,
    shared: Arc<Shared<State>>,
}

#[derive(Debug)]
struct State {
    authorization: String,
    keys: Keys,
}

impl ContainerEndpoint {
    /// Hands out `keys` to who sends `authorization` in the header of that name.
    pub fn start(authorization: &str, keys: Keys) -> Result<Self> {
        let shared = Shared::new(State {
            authorization: authorization.to_owned(),
            keys,
        });
        let state = Arc::clone(&shared);
        let server = Background::start("container-endpoint", None, move |request| {
            let shared = Arc::clone(&state);
            async move { Some(serve(&shared, &request).await) }
        })?;
        Ok(Self { server, shared })
    }

    /// What `AWS_CONTAINER_CREDENTIALS_FULL_URI` is set to.
    #[must_use]
    pub fn full_uri(&self) -> String {
        format!("http://{}{PATH}", self.server.address())
    }

    /// Wants another token from now on: what kubelet mounts changes.
    pub fn rotate_token(&self, authorization: &str) {
        authorization.clone_into(&mut self.shared.state().authorization);
    }

    /// Breaks it, or mends it.
    pub fn fail(&self, fault: Fault) {
        self.shared.fail(fault);
    }

    /// The requests so far: method and path.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.shared.calls()
    }
}

async fn serve(shared: &Shared<State>, request: &Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    shared.called(format!("{} {path}", request.method()));
    let plain = |status| answer(status, "text/plain", String::new());
    if let Some(trouble) = shared.trouble(|status, _, _| plain(status)).await {
        return trouble;
    }
    let state = shared.state();
    if path != PATH {
        return plain(StatusCode::NOT_FOUND);
    }
    if header(request, "authorization") != state.authorization {
        return plain(StatusCode::UNAUTHORIZED);
    }
    super::json(
        StatusCode::OK,
        &json!({
            "AccessKeyId": state.keys.access_key_id, "SecretAccessKey": state.keys.secret_access_key,
            "Token": state.keys.session_token, "Expiration": state.keys.expiration.to_string(),
        }),
    )
}

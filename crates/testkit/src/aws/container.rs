//! The container endpoint: ECS's, and the agent of EKS Pod Identity, which want the same header.

use anyhow::Result;
use http::{Request, StatusCode};
use hyper::body::Incoming;

use super::keys::{KeyService, Keys};
use super::{Answer, empty, header, json};

const PATH: &str = "/v1/credentials";

/// A running container endpoint; it ends when it is dropped.
pub type ContainerEndpoint = KeyService<State>;

/// What it wants, and what it gives for it.
#[derive(Debug)]
pub struct State {
    authorization: String,
    keys: Keys,
}

impl ContainerEndpoint {
    /// Hands out `keys` to who sends `authorization` in the header of that name.
    pub fn start(authorization: &str, keys: Keys) -> Result<Self> {
        let authorization = authorization.to_owned();
        Self::serve(
            "container-endpoint",
            State {
                authorization,
                keys,
            },
            answer,
        )
    }

    /// What `AWS_CONTAINER_CREDENTIALS_FULL_URI` is set to.
    #[must_use]
    pub fn full_uri(&self) -> String {
        self.url(PATH)
    }

    /// Wants another token from now on: what kubelet mounts changes.
    pub fn rotate_token(&self, authorization: &str) {
        authorization.clone_into(&mut self.state().authorization);
    }
}

fn answer(state: &State, request: &Request<Incoming>) -> Answer {
    if request.uri().path() != PATH {
        return empty(StatusCode::NOT_FOUND);
    }
    if header(request, "authorization") != state.authorization {
        return empty(StatusCode::UNAUTHORIZED);
    }
    json(StatusCode::OK, &state.keys.members())
}

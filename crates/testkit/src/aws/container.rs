//! The container endpoint of ECS and of the EKS Pod Identity agent, which require the same header.

use anyhow::Result;
use http::{Request, StatusCode};
use hyper::body::Incoming;

use super::keys::{KeyService, Keys};
use super::{Answer, empty, header, json};

const PATH: &str = "/v1/credentials";

/// A running container endpoint; it ends when it is dropped.
pub type ContainerEndpoint = KeyService<State>;

/// The header that it requires, and the keys that it gives.
#[derive(Debug)]
pub struct State {
    authorization: String,
    keys: Keys,
}

impl ContainerEndpoint {
    /// Hands out `keys` to callers that send `authorization` in the header of that name.
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

    /// Requires another token from now on, as after kubelet rotates the mounted one.
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

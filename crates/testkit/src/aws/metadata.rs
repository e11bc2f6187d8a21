//! Instance metadata, version 2: a token first, then the role, then its keys.

use anyhow::Result;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;

use super::keys::{KeyService, Keys};
use super::{Answer, empty, header, json, plain};
use crate::pki;

const ROLE: &str = "node-role";
const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials/";

/// A running metadata service; it ends when it is dropped.
pub type MetadataService = KeyService<State>;

/// The header that it requires, and the keys that it gives.
#[derive(Debug)]
pub struct State {
    token: String,
    keys: Option<Keys>,
}

impl MetadataService {
    /// Hands out `keys`; `None` is an instance without a role.
    pub fn start(keys: Option<Keys>) -> Result<Self> {
        let token = pki::random_token()?;
        Self::serve("instance-metadata", State { token, keys }, answer)
    }

    /// What `AWS_EC2_METADATA_SERVICE_ENDPOINT` is set to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.url("")
    }
}

fn answer(state: &State, request: &Request<Incoming>) -> Answer {
    let path = request.uri().path();
    if request.method() == Method::PUT && path == "/latest/api/token" {
        let life = header(request, "x-aws-ec2-metadata-token-ttl-seconds");
        if life.is_empty() {
            return empty(StatusCode::BAD_REQUEST);
        }
        let mut answer = plain(StatusCode::OK, &state.token);
        if let Ok(life) = life.parse() {
            answer
                .headers_mut()
                .insert("x-aws-ec2-metadata-token-ttl-seconds", life);
        }
        return answer;
    }
    if header(request, "x-aws-ec2-metadata-token") != state.token {
        return empty(StatusCode::UNAUTHORIZED);
    }
    match (path.strip_prefix(CREDENTIALS), &state.keys) {
        (Some(""), Some(_)) => plain(StatusCode::OK, ROLE),
        (Some(ROLE), Some(keys)) => {
            let mut members = keys.members();
            for (name, value) in [
                ("Code", "Success"),
                ("Type", "AWS-HMAC"),
                ("LastUpdated", "2026-01-01T00:00:00Z"),
            ] {
                members[name] = value.into();
            }
            json(StatusCode::OK, &members)
        }
        _ => empty(StatusCode::NOT_FOUND),
    }
}

//! Instance metadata, version 2: a token first, then the role, then its keys.

use std::sync::Arc;

use anyhow::Result;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::{Answer, Fault, Keys, Shared, answer, header};
use crate::pki;
use crate::serve::Background;

const ROLE: &str = "node-role";
const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials/";

/// A running metadata service; it ends when it is dropped.
#[derive(Debug)]
pub struct MetadataService {
    server: Background,
    shared: Arc<Shared<State>>,
}

#[derive(Debug)]
struct State {
    token: String,
    keys: Option<Keys>,
}

impl MetadataService {
    /// Hands out `keys`; `None` is an instance without a role.
    pub fn start(keys: Option<Keys>) -> Result<Self> {
        let token = pki::random_token()?;
        let shared = Shared::new(State { token, keys });
        let state = Arc::clone(&shared);
        let server = Background::start("instance-metadata", None, move |request| {
            let shared = Arc::clone(&state);
            async move { Some(serve(&shared, &request).await) }
        })?;
        Ok(Self { server, shared })
    }

    /// What `AWS_EC2_METADATA_SERVICE_ENDPOINT` is set to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
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
    let plain = |status, text: &str| answer(status, "text/plain", text.to_owned());
    if let Some(trouble) = shared.trouble(|status, _, _| plain(status, "")).await {
        return trouble;
    }
    let state = shared.state();
    if request.method() == Method::PUT && path == "/latest/api/token" {
        let life = header(request, "x-aws-ec2-metadata-token-ttl-seconds");
        if life.is_empty() {
            return plain(StatusCode::BAD_REQUEST, "");
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
        return plain(StatusCode::UNAUTHORIZED, "");
    }
    match (path.strip_prefix(CREDENTIALS), &state.keys) {
        (Some(""), Some(_)) => plain(StatusCode::OK, ROLE),
        (Some(ROLE), Some(keys)) => super::json(
            StatusCode::OK,
            &json!({
                "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z",
                "AccessKeyId": keys.access_key_id, "SecretAccessKey": keys.secret_access_key,
                "Token": keys.session_token, "Expiration": keys.expiration.to_string(),
            }),
        ),
        _ => plain(StatusCode::NOT_FOUND, ""),
    }
}

//! The portal of IAM Identity Center: keys of a role for whoever has logged in.

use anyhow::Result;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::keys::{KeyService, Keys};
use super::{Answer, empty, header, json};
use crate::pki;

const CREDENTIALS: &str = "/federation/credentials";

/// A running portal; it ends when it is dropped.
pub type SsoPortal = KeyService<State>;

/// The token of who has logged in, and the keys that it is good for.
#[derive(Debug)]
pub struct State {
    token: String,
    keys: Keys,
}

impl SsoPortal {
    /// Hands out `keys` to whoever has [`SsoPortal::token`], for any account and role.
    pub fn start(keys: Keys) -> Result<Self> {
        let token = pki::random_token()?;
        Self::serve("sso-portal", State { token, keys }, answer)
    }

    /// What `AWS_ENDPOINT_URL_SSO` is set to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.url("")
    }

    /// What a login writes into the cache.
    #[must_use]
    pub fn token(&self) -> String {
        self.state().token.clone()
    }
}

fn answer(state: &State, request: &Request<Incoming>) -> Answer {
    if request.method() != Method::GET || request.uri().path() != CREDENTIALS {
        return empty(StatusCode::NOT_FOUND);
    }
    let query = request.uri().query().unwrap_or_default();
    if !query.contains("account_id=") || !query.contains("role_name=") {
        return refusal(StatusCode::BAD_REQUEST, "InvalidRequestException");
    }
    if header(request, "x-amz-sso_bearer_token") != state.token {
        return refusal(StatusCode::UNAUTHORIZED, "UnauthorizedException");
    }
    let Keys {
        access_key_id,
        secret_access_key,
        session_token,
        expiration,
    } = &state.keys;
    let keys = json!({
        "accessKeyId": access_key_id, "secretAccessKey": secret_access_key, "sessionToken": session_token,
        "expiration": expiration.as_millisecond(),
    });
    json(StatusCode::OK, &json!({ "roleCredentials": keys }))
}

fn refusal(status: StatusCode, code: &str) -> Answer {
    let message = "Session token not found or invalid";
    json(status, &json!({ "__type": code, "message": message }))
}

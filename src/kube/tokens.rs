//! Tokens of the operator's own service account, for an audience that is not the API server.
//!
//! What holds here: a token is bound to the operator's pod if that is known, so that it ends with the pod;
//! the chart's admission policy refuses any other. The answer is parsed here and not by the client, which
//! logs a body that it cannot parse.

use std::time::Duration;

use http::Method;
use presigned_core::engine::ApiError;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::call::{Target, Verb};
use super::cluster::Cluster;
use super::http::{JSON, request, segment};

/// How long a token lives: the least that the API server gives. It is used at once and dropped.
const LIFE: Duration = Duration::from_mins(10);
const TOKENS: Target = Target("serviceaccounts/token");

/// The pod that the operator runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// The answer. No Debug: it holds the token.
#[derive(Deserialize)]
struct TokenResponse {
    status: Issued,
}

#[derive(Deserialize)]
struct Issued {
    token: String,
}

impl Cluster {
    /// A token of a service account for one audience, bound to `pod`.
    ///
    /// # Errors
    /// The failure's class.
    pub async fn service_account_token(
        &self,
        namespace: &str,
        account: &str,
        audience: &str,
        pod: Option<&Pod>,
    ) -> Result<SecretString, ApiError> {
        let mut body = json!({
            "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
            "spec": { "audiences": [audience], "expirationSeconds": LIFE.as_secs() },
        });
        if let Some(Pod { name, uid }) = pod {
            body["spec"]["boundObjectRef"] =
                json!({ "kind": "Pod", "apiVersion": "v1", "name": name, "uid": uid });
        }
        let path = format!(
            "/api/v1/namespaces/{}/serviceaccounts/{}/token",
            segment(namespace)?,
            segment(account)?
        );
        let request = request(Method::POST, &path, JSON, body.to_string().into_bytes());
        let future = async { self.client.request_text(request?).await };
        let text = self.calls.call(Verb::Create, TOKENS, future).await?;
        match serde_json::from_str::<TokenResponse>(&text) {
            Ok(answer) if !answer.status.token.is_empty() => Ok(answer.status.token.into()),
            _ => Err(ApiError::Other(None)),
        }
    }
}

//! Tokens of the operator's own service account, for an audience that is not the API server.
//!
//! What holds here: the answer is parsed here and not by the client, which logs a body that it cannot parse.

use std::time::Duration;

use http::{Method, Request, header};
use presigned_core::engine::ApiError;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::Cluster;
use super::call::{Target, Verb};

/// How long a token lives: the least that the API server gives. It is used at once and dropped.
const LIFE: Duration = Duration::from_mins(10);
const TOKENS: Target = Target("serviceaccounts/token");

/// The answer. No Debug: it holds the token.
#[derive(Deserialize)]
struct S3Response {
    status: Issued,
}

#[derive(Deserialize)]
struct Issued {
    token: String,
}

impl Cluster {
    /// A token of a service account for one audience.
    ///
    /// # Errors
    /// The failure's class.
    pub async fn service_account_token(
        &self,
        namespace: &str,
        account: &str,
        audience: &str,
    ) -> Result<SecretString, ApiError> {
        let body = json!({
            "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
            "spec": { "audiences": [audience], "expirationSeconds": LIFE.as_secs() },
        });
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!(
                "/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
            ))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into_bytes())
            .map_err(|_| ApiError::Other(None))?;
        let future = self.client.request_text(request);
        let text = self.calls.call(Verb::Create, TOKENS, future).await?;
        match serde_json::from_str::<S3Response>(&text) {
            Ok(answer) if !answer.status.token.is_empty() => Ok(answer.status.token.into()),
            _ => Err(ApiError::Other(None)),
        }
    }
}

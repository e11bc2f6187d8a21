//! Who may read `/metrics`.
//!
//! What holds here: no answer and no log line holds the token that was shown.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use secrecy::SecretString;

/// What a review of a token came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its owner may read `/metrics`.
    Allowed,
    /// Its owner may not.
    Forbidden,
    /// It is nobody's token.
    Unauthenticated,
    /// It could not be reviewed.
    Unavailable,
}

/// Reviews tokens.
pub trait Reviewer: Send + Sync {
    /// Whether the owner of a token may read `/metrics`.
    fn review<'a>(&'a self, token: &'a SecretString) -> BoxFuture<'a, Verdict>;
}

/// Lets a request through whose bearer token is allowed.
pub(super) async fn admit(
    State(reviewer): State<Arc<dyn Reviewer>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(token) = bearer(&request) else {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "show a bearer token of a Kubernetes service account\n",
        );
    };
    match reviewer.review(&token).await {
        Verdict::Allowed => next.run(request).await,
        Verdict::Forbidden => refuse(
            StatusCode::FORBIDDEN,
            "the token's owner may not get the nonResourceURL /metrics: bind it to a ClusterRole that allows it\n",
        ),
        Verdict::Unauthenticated => refuse(
            StatusCode::UNAUTHORIZED,
            "the API server does not know this token, or it has expired\n",
        ),
        Verdict::Unavailable => refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "the API server could not say whether the token's owner may read /metrics\n",
        ),
    }
}

fn bearer(request: &Request) -> Option<SecretString> {
    let value = request.headers().get(header::AUTHORIZATION)?;
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned().into())
}

fn refuse(status: StatusCode, sentence: &'static str) -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    if status == StatusCode::UNAUTHORIZED {
        (status, challenge, sentence).into_response()
    } else {
        (status, sentence).into_response()
    }
}

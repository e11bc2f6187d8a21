//! Whether the owner of a token may read `/metrics`: a `TokenReview`, then a `SubjectAccessReview`.
//!
//! What holds here: what was allowed is believed for a minute and no longer; a token is kept as a hash.
//! Reviews are made one at a time with a pause after each refusal, so that clients who show wrong tokens cost
//! the API server ten reviews a second at most.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::Method;
use presigned_core::engine::ApiError;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::call::{Target, Verb};
use super::cluster::Cluster;
use super::http::{JSON, request};
use crate::clock::Clock;
use crate::telemetry::{Reviewer, Verdict};

const TOKEN_REVIEWS: Target = Target("tokenreviews");
const ACCESS_REVIEWS: Target = Target("subjectaccessreviews");
/// For how long an allowance is believed.
const BELIEVED: Duration = Duration::from_mins(1);
/// How many allowances are kept; with more readers than that, the API server gets more reviews.
const KEPT: usize = 16;
/// The pause after a refusal.
const PAUSE: Duration = Duration::from_millis(100);

/// Reviews tokens by the API server.
pub struct ScrapeReviews {
    cluster: Cluster,
    clock: Clock,
    /// The hashes of allowed tokens, and until when that is believed, in monotonic time.
    allowed: Mutex<BTreeMap<[u8; 32], Duration>>,
}

/// The answer to a `TokenReview`. No Debug: what the API server says of a token is its owner's.
#[derive(Deserialize)]
struct TokenReview {
    #[serde(default)]
    status: TokenStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenStatus {
    authenticated: bool,
    user: Value,
}

#[derive(Deserialize)]
struct AccessReview {
    #[serde(default)]
    status: AccessStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AccessStatus {
    allowed: bool,
}

impl ScrapeReviews {
    /// Reviews through `cluster`.
    #[must_use]
    pub fn new(cluster: Cluster, clock: Clock) -> Self {
        Self {
            cluster,
            clock,
            allowed: Mutex::default(),
        }
    }

    async fn verdict(&self, token: &SecretString) -> Verdict {
        let hash: [u8; 32] = Sha256::digest(token.expose_secret()).into();
        // Held over the review: one is made at a time, and of two that ask the same the second finds the
        // answer.
        let mut allowed = self.allowed.lock().await;
        let now = self.clock.monotonic();
        allowed.retain(|_, until| *until > now);
        if allowed.contains_key(&hash) {
            return Verdict::Allowed;
        }
        let verdict = self.cluster.review(token).await;
        let verdict = verdict.unwrap_or(Verdict::Unavailable);
        if verdict == Verdict::Allowed {
            if allowed.len() >= KEPT {
                allowed.pop_first();
            }
            allowed.insert(hash, now + BELIEVED);
        } else {
            tokio::time::sleep(PAUSE).await;
        }
        verdict
    }
}

impl Reviewer for ScrapeReviews {
    fn review<'a>(&'a self, token: &'a SecretString) -> BoxFuture<'a, Verdict> {
        self.verdict(token).boxed()
    }
}

impl Cluster {
    /// Asks who a token's owner is, and whether that one may get `/metrics`.
    async fn review(&self, token: &SecretString) -> Result<Verdict, ApiError> {
        let review = json!({
            "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
            "spec": { "token": token.expose_secret() },
        });
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let future = self.parsed(post(path, &review));
        let answer: TokenReview = self.calls.call(Verb::Create, TOKEN_REVIEWS, future).await?;
        let TokenStatus {
            authenticated,
            user,
        } = answer.status;
        if !authenticated {
            return Ok(Verdict::Unauthenticated);
        }
        let review = json!({
            "kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
            "spec": {
                "user": user["username"], "uid": user["uid"], "groups": user["groups"], "extra": user["extra"],
                "nonResourceAttributes": { "path": "/metrics", "verb": "get" },
            },
        });
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let future = self.parsed(post(path, &review));
        let answer: AccessReview = self
            .calls
            .call(Verb::Create, ACCESS_REVIEWS, future)
            .await?;
        Ok(if answer.status.allowed {
            Verdict::Allowed
        } else {
            Verdict::Forbidden
        })
    }
}

fn post(path: &str, body: &Value) -> Result<http::Request<Vec<u8>>, kube::Error> {
    request(Method::POST, path, JSON, body.to_string().into_bytes())
}

//! Whether the chart's admission policy confines the operator.
//!
//! What holds here: an operator that may not read Secrets names only a uid when it writes one over, and
//! cannot see whose the Secret has become since. The policy sees it. So such an operator starts nothing
//! before it has seen that the policy refuses what it must.

use std::time::Duration;

use http::Method;
use kube::Error;
use presigned_core::api::{MANAGED_BY_LABEL, MANAGER};
use serde_json::json;

use super::call::{TIMEOUT, failure};
use super::cluster::Cluster;
use super::http::{METADATA_ONLY, request, segment};
use crate::telemetry::{Readiness, WatchState};

/// What the policy says of a Secret that no PresignedURL controls. The chart's
/// `templates/admission-policy.yaml` holds the same words.
pub(super) const REFUSAL: &str = "may only write a Secret with a PresignedURL as its controller";
/// What `/readyz` calls it.
const NAME: &str = "the chart's admission policy";
/// The pause between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// What a try showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fence {
    /// The policy is in force.
    Holds,
    /// It is not, or it could not be seen; the sentence says which.
    NotSeen(String),
}

impl Cluster {
    /// Waits until the policy is in force, and says in `/readyz` that it does. `namespaces` are those where
    /// the operator may write Secrets; it is tried in each until one shows it.
    pub async fn until_fenced(&self, namespaces: &[String], readiness: &Readiness) {
        let mut said = None;
        loop {
            let fence = self.fence(namespaces).await;
            let Fence::NotSeen(why) = fence else {
                readiness.forget(NAME);
                return;
            };
            if said.as_ref() != Some(&why) {
                tracing::warn!("nothing is done yet: {why}");
                readiness.set(NAME, WatchState::Failing(why.clone()));
                said = Some(why);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Tries it.
    pub(super) async fn fence(&self, namespaces: &[String]) -> Fence {
        let mut seen = Fence::NotSeen("no namespace is served".to_owned());
        for namespace in namespaces {
            seen = self.fence_in(namespace).await;
            if seen == Fence::Holds {
                break;
            }
        }
        seen
    }

    /// Creates a Secret without an owner, of which the API server keeps nothing.
    async fn fence_in(&self, namespace: &str) -> Fence {
        let unclear = |why: &str| {
            Fence::NotSeen(format!(
                "--secret-access=none needs the chart's admission policy, and whether it is in force cannot be tried in the \
                 namespace {namespace}: {why}"
            ))
        };
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": { "generateName": "presigned-url-operator-", "labels": { (MANAGED_BY_LABEL): MANAGER } },
        });
        let Ok(name) = segment(namespace) else {
            return unclear("no namespace has that name");
        };
        let path = format!("/api/v1/namespaces/{name}/secrets?dryRun=All");
        let body = secret.to_string().into_bytes();
        let request = request(Method::POST, &path, METADATA_ONLY, body);
        let future = async { self.client.request_text(request?).await };
        match tokio::time::timeout(TIMEOUT, future).await {
            Ok(Err(Error::Api(status))) if status.code == 403 => {
                if status.message.contains(REFUSAL) {
                    Fence::Holds
                } else {
                    unclear("the API server forbids it for another reason; compare the operator's RBAC with the chart's")
                }
            }
            Ok(Err(Error::Api(status))) if status.code == 404 => unclear("it does not exist"),
            Ok(Err(error)) => unclear(&presigned_core::engine::classify(&failure(&error)).sentence),
            Err(_) => unclear("the API server does not answer"),
            Ok(Ok(_)) => Fence::NotSeen(
                "--secret-access=none needs the chart's admission policy, and a Secret without an owner was let through: \
                 install the chart with admissionPolicy.enabled=true"
                    .to_owned(),
            ),
        }
    }
}

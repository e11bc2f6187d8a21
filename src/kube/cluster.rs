//! The API server, as the operator uses it.

use kube::Client;
use presigned_core::lease::Claim;

use super::call::Calls;
use crate::clock::Clock;
use crate::telemetry::Metrics;

/// The API server, as the operator uses it. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    pub(super) client: Client,
    pub(super) calls: Calls,
    /// The pod's name, for Events.
    pub(super) instance: String,
}

impl Cluster {
    /// Calls through `client`, counts in `metrics`, and signs Events as `instance`.
    #[must_use]
    pub fn new(client: Client, metrics: Metrics, instance: String) -> Self {
        Self {
            client,
            calls: Calls::new(metrics),
            instance,
        }
    }

    /// The same API server, to which nothing is written after the end of a claim.
    #[must_use]
    pub fn within(&self, claim: Claim, clock: Clock) -> Self {
        Self {
            client: self.client.clone(),
            calls: self.calls.within(claim, clock),
            instance: self.instance.clone(),
        }
    }
}

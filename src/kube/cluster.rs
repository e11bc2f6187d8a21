//! The API server, as the operator uses it.

use kube::Client;

use super::call::Calls;
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
}

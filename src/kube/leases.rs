//! The Lease by which the replicas elect their leader.
//!
//! What holds here: a Lease is written at the version that was read, or created if there was none; so of two
//! instances that write at the same time one gets a conflict.

use http::Method;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Resource as _;
use presigned_core::engine::ApiError;

use super::call::{Target, Verb};
use super::cluster::Cluster;
use super::http::{JSON, found, managed, request, segment};

const LEASES: Target = Target("leases");

impl Cluster {
    /// Reads a Lease; `None` if there is none.
    ///
    /// # Errors
    /// The failure's class.
    pub async fn read_lease(&self, namespace: &str, name: &str) -> Result<Option<Lease>, ApiError> {
        let leases = Lease::url_path(&(), Some(segment(namespace)?));
        let path = format!("{leases}/{}", segment(name)?);
        let read = self.parsed(request(Method::GET, &path, JSON, Vec::new()));
        found(self.calls.call(Verb::Get, LEASES, read).await)
    }

    /// Writes a Lease: replaces it if it has a resourceVersion, and creates it otherwise. Returns it as it is
    /// stored.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] or [`ApiError::AlreadyExists`] if another instance wrote it first; else the
    /// failure's class.
    pub async fn write_lease(
        &self,
        namespace: &str,
        name: &str,
        lease: &Lease,
    ) -> Result<Lease, ApiError> {
        let leases = Lease::url_path(&(), Some(segment(namespace)?));
        let body = serde_json::to_vec(lease).map_err(|_| ApiError::Invalid)?;
        if lease.metadata.resource_version.is_none() {
            let request = request(Method::POST, &managed(&leases), JSON, body);
            let created = self.parsed(request);
            return self.calls.call(Verb::Create, LEASES, created).await;
        }
        let path = managed(&format!("{leases}/{}", segment(name)?));
        let replaced = self.parsed(request(Method::PUT, &path, JSON, body));
        self.calls.call(Verb::Update, LEASES, replaced).await
    }
}

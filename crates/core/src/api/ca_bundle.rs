//! Where a store's private CA comes from, if the store does not hold it itself.
//!
//! What holds here: exactly one source is named.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// The most bytes of certificates that a store takes, from wherever they come: each Secret holds them.
pub const CA_BUNDLE_LIMIT: usize = 65536;

/// Where the certificates of a store's private CA come from.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaBundleSource {
    /// A `ClusterTrustBundle` of certificates.k8s.io. Kubernetes 1.37 and later serve them; earlier ones only
    /// with the feature gate and the API turned on.
    pub cluster_trust_bundle: TrustBundleRef,
}

/// A `ClusterTrustBundle`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustBundleRef {
    /// Its name, for example `storage-ca`, or `example.com:issuer:v1` if it belongs to a signer.
    #[schemars(length(min = 1, max = 1079), regex(pattern = schema::TRUST_BUNDLE))]
    pub name: String,
}

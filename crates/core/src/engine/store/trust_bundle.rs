//! The ClusterTrustBundle that a store takes its private CA from.
//!
//! What holds here:
//! - certificates that were seen stay in use, whatever happens to the bundle: a watch that tells of a removal
//!   in error stops no renewal;
//! - nothing is said of a bundle before the API server was asked for it.

use std::sync::Arc;

use crate::api::{CA_BUNDLE_LIMIT, ClusterObjectStoreSpec};
use crate::engine::protocol::TrustBundleSeen;

/// Every certificate begins with this line.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// What is known of a ClusterTrustBundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct TrustBundle {
    /// The certificates that it held last.
    certificates: Option<Arc<str>>,
    /// Why it holds none that can be used now.
    problem: Option<Arc<str>>,
}

impl TrustBundle {
    /// What is known after the API server was asked, or told of a change.
    pub(in crate::engine) fn after(
        before: Option<&Self>,
        name: &str,
        seen: TrustBundleSeen,
    ) -> Self {
        match usable(name, seen) {
            Ok(certificates) => Self {
                certificates: Some(certificates.into()),
                problem: None,
            },
            Err(problem) => Self {
                certificates: before.and_then(|before| before.certificates.clone()),
                problem: Some(problem.into()),
            },
        }
    }

    /// The certificates, or why there are none.
    pub(super) fn certificates(&self) -> Result<&str, &str> {
        let problem = self.problem.as_deref().unwrap_or_default();
        self.certificates.as_deref().ok_or(problem)
    }

    /// Why the certificates in use are those of before.
    pub(super) fn lost(&self) -> Option<&str> {
        self.certificates.as_ref().and(self.problem.as_deref())
    }
}

/// The name of the bundle that a store names.
pub(in crate::engine) fn named_bundle(spec: &ClusterObjectStoreSpec) -> Option<&str> {
    let from = spec.s3.ca_bundle_from.as_ref()?;
    Some(&from.cluster_trust_bundle.name)
}

/// The certificates of a bundle, or what to do about it.
fn usable(name: &str, seen: TrustBundleSeen) -> Result<String, String> {
    Err(match seen {
        TrustBundleSeen::Found(pem) if pem.len() > CA_BUNDLE_LIMIT => format!(
            "the ClusterTrustBundle \"{name}\" has {} bytes of certificates, and a store takes {CA_BUNDLE_LIMIT}, \
             since each Secret holds them as ca.crt: name one without the authorities that the store does not need",
            pem.len()
        ),
        TrustBundleSeen::Found(pem) if pem.contains(CERTIFICATE) => return Ok(pem),
        TrustBundleSeen::Found(_) => format!(
            "the ClusterTrustBundle \"{name}\" holds no certificate: put PEM certificates of authorities into its \
             spec.trustBundle"
        ),
        TrustBundleSeen::Missing => format!(
            "the ClusterTrustBundle \"{name}\" does not exist: create it, or name another in \
             spec.s3.caBundleFrom.clusterTrustBundle.name"
        ),
        TrustBundleSeen::NotServed => format!(
            "the ClusterTrustBundle \"{name}\" cannot be read, since this cluster serves none: set caBundle instead of \
             caBundleFrom, or turn them on at the API server (before Kubernetes 1.37: \
             --feature-gates=ClusterTrustBundle=true and \
             --runtime-config=certificates.k8s.io/v1beta1/clustertrustbundles=true)"
        ),
        TrustBundleSeen::Forbidden => format!(
            "the API server forbids the operator to read the ClusterTrustBundle \"{name}\": compare the operator's \
             RBAC with the chart's"
        ),
        TrustBundleSeen::Unreadable(why) => {
            format!("the ClusterTrustBundle \"{name}\" cannot be read: {why}")
        }
    })
}

//! Where the operator's signing credentials come from.
//!
//! What holds here: providers are asked raw, each time anew, with no cache of theirs in between, so that an expiry is
//! always the one of the credentials that are signed with. Sentences name Secrets, keys and variables, never a value.

mod chain;
mod secret;

use std::time::Duration;

use jiff::Timestamp;
use presigned_core::api::Reason;
use presigned_core::engine::{ApiFailure, CredentialSource, CredentialsFailure, consequence};
use presigned_core::signing::Credentials;

use crate::kube::Cluster;

/// How long a provider may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Fetches credentials from where a store names them. Cheap to clone; keeps nothing.
#[derive(Clone)]
pub struct CredentialsFetcher {
    cluster: Cluster,
    /// The operator's own namespace.
    namespace: String,
}

impl CredentialsFetcher {
    /// Reads Secrets in `namespace`, the operator's own, through `cluster`.
    #[must_use]
    pub const fn new(cluster: Cluster, namespace: String) -> Self {
        Self { cluster, namespace }
    }

    /// Fetches credentials that live at `now`.
    ///
    /// # Errors
    /// Where there are none, where they cannot be used, or where they could not be fetched in time.
    pub async fn fetch(
        &self,
        source: &CredentialSource,
        now: Timestamp,
    ) -> Result<Credentials, CredentialsFailure> {
        match source {
            CredentialSource::Default => {
                let variable = |name: &str| std::env::var(name).ok();
                match tokio::time::timeout(TIMEOUT, chain::provide()).await {
                    Ok(provided) => chain::convert(provided, &variable, now),
                    Err(_) => Err(chain::too_slow()),
                }
            }
            CredentialSource::Secret { name, keys } => {
                let data = self.cluster.secret_data(&self.namespace, name).await;
                let data = data.map_err(|failure| self.unread(name, &failure))?;
                let data = data.ok_or_else(|| self.missing(name))?;
                secret::parse(name, keys, &data, now)
            }
            CredentialSource::WebIdentity { .. } | CredentialSource::AssumeRole { .. } => {
                Err(CredentialsFailure {
                    reason: Reason::CredentialsInvalid,
                    message: "this version assumes no roles: use default or secretRef".to_owned(),
                })
            }
        }
    }

    fn missing(&self, name: &str) -> CredentialsFailure {
        CredentialsFailure {
            reason: Reason::CredentialsNotFound,
            message: format!(
                "Secret {name} does not exist in the operator's namespace {}: create it there, or name another in \
                 credentials.secretRef",
                self.namespace
            ),
        }
    }

    fn unread(&self, name: &str, failure: &ApiFailure) -> CredentialsFailure {
        CredentialsFailure {
            reason: Reason::CredentialsUnavailable,
            message: format!(
                "Secret {name} in the operator's namespace {} could not be read: {}",
                self.namespace,
                match failure {
                    ApiFailure::Forbidden =>
                        "the API server forbids it; compare the operator's RBAC with the chart's",
                    _ => consequence(failure).sentence,
                }
            ),
        }
    }
}

/// The expiry of a session, where one is needed.
fn alive(
    credentials: Credentials,
    from: &str,
    now: Timestamp,
    say_expiry: &str,
) -> Result<Credentials, CredentialsFailure> {
    let failure = |reason, message| Err(CredentialsFailure { reason, message });
    match credentials.expires_at {
        None if credentials.session_token.is_some() => failure(
            Reason::CredentialsExpiryUnknown,
            format!("{from} holds a session token and not when it ends: {say_expiry}"),
        ),
        Some(end) if end <= now => failure(
            Reason::CredentialsExpired,
            format!("{from} holds credentials that ended at {end}: renew them"),
        ),
        _ => Ok(credentials),
    }
}

#[cfg(test)]
mod tests;

//! Where the operator's signing credentials come from.
//!
//! What holds here: providers are asked raw, each time anew, with no cache of theirs in between, so that an expiry is
//! always the one of the credentials that are signed with. Sentences name Secrets, keys and variables, never a value.

mod chain;
mod secret;
mod sts;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use presigned_core::api::Reason;
use presigned_core::engine::{ApiError, CredentialSource, CredentialsError, Session, classify};
use presigned_core::signing::Credentials;
use secrecy::SecretString;

use crate::kube::Cluster;

/// How long a provider may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Where the file is that holds the token of the operator's service account, as IRSA's webhook sets it.
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// Fetches credentials from where a store names them. Cheap to clone; keeps nothing.
#[derive(Clone)]
pub struct CredentialsFetcher {
    cluster: Cluster,
    /// The operator's own namespace.
    namespace: String,
    /// The operator's own service account, where it is known.
    service_account: Option<String>,
}

impl CredentialsFetcher {
    /// Reads Secrets in `namespace`, the operator's own, through `cluster`.
    #[must_use]
    pub const fn new(cluster: Cluster, namespace: String) -> Self {
        Self {
            cluster,
            namespace,
            service_account: None,
        }
    }

    /// Asks for tokens of this service account, the operator's own, where a role wants another audience than IRSA's.
    #[must_use]
    pub fn with_service_account(self, service_account: Option<String>) -> Self {
        Self {
            service_account,
            ..self
        }
    }

    /// Fetches credentials that live at `now`. `session` is what a session of a role is called and narrowed to; credentials
    /// that are no role's are not.
    ///
    /// # Errors
    /// Where there are none, where they cannot be used, or where they could not be fetched in time.
    pub async fn fetch(
        &self,
        source: &CredentialSource,
        session: &Session,
        now: Timestamp,
    ) -> Result<Credentials, CredentialsError> {
        match source {
            CredentialSource::Default => chain(now).await,
            CredentialSource::Secret { name, keys } => self.of_secret(name, keys, now).await,
            CredentialSource::WebIdentity {
                role_arn,
                audience,
                sts,
            } => {
                let token = self.token(audience.as_deref()).await?;
                sts::assume_with_web_identity(role_arn, &token, sts, session, now).await
            }
            CredentialSource::AssumeRole {
                role_arn,
                external_id,
                base,
                sts,
            } => {
                let base = match &**base {
                    CredentialSource::Secret { name, keys } => {
                        self.of_secret(name, keys, now).await?
                    }
                    CredentialSource::Default => chain(now).await?,
                    CredentialSource::WebIdentity { .. } | CredentialSource::AssumeRole { .. } => {
                        return Err(CredentialsError {
                            reason: Reason::CredentialsInvalid,
                            message: "a role is assumed by a Secret's credentials or the AWS chain's, not by another role"
                                .to_owned(),
                        });
                    }
                };
                sts::assume(role_arn, external_id.as_deref(), &base, sts, session, now).await
            }
        }
    }

    async fn of_secret(
        &self,
        name: &str,
        keys: &[Option<String>; 4],
        now: Timestamp,
    ) -> Result<Credentials, CredentialsError> {
        let data = self.cluster.secret_data(&self.namespace, name).await;
        let data = data.map_err(|failure| self.unread(name, &failure))?;
        let data = data.ok_or_else(|| self.missing(name))?;
        secret::parse(name, keys, &data, now)
    }

    /// A token of the operator's service account: of Kubernetes for an audience, else of the file that kubelet keeps fresh.
    async fn token(&self, audience: Option<&str>) -> Result<SecretString, CredentialsError> {
        let Some(audience) = audience else {
            return match std::env::var_os(TOKEN_FILE).filter(|file| !file.is_empty()) {
                Some(file) => sts::read_token(Path::new(&file), TOKEN_FILE).await,
                None => Err(CredentialsError {
                    reason: Reason::CredentialsNotFound,
                    message: format!(
                        "{TOKEN_FILE} is not set in the operator's pod: let IRSA's webhook set it, or set \
                         credentials.webIdentity.audience"
                    ),
                }),
            };
        };
        let Some(account) = &self.service_account else {
            return Err(CredentialsError {
                reason: Reason::CredentialsInvalid,
                message: "the operator's own service account is not known, so no token can be asked for \
                          credentials.webIdentity.audience: set POD_SERVICE_ACCOUNT, as the chart does"
                    .to_owned(),
            });
        };
        let token = self
            .cluster
            .service_account_token(&self.namespace, account, audience)
            .await;
        token.map_err(|failure| CredentialsError {
            reason: Reason::CredentialsUnavailable,
            message: format!(
                "no token of the operator's service account {account} could be had for the store's audience: {}",
                match &failure {
                    ApiError::Forbidden =>
                        "the API server forbids it; give the operator create on serviceaccounts/token, as the chart does",
                    ApiError::NotFound =>
                        "it does not exist; let POD_SERVICE_ACCOUNT name the one that the operator runs as",
                    _ => classify(&failure).sentence,
                }
            ),
        })
    }

    fn missing(&self, name: &str) -> CredentialsError {
        CredentialsError {
            reason: Reason::CredentialsNotFound,
            message: format!(
                "Secret {name} does not exist in the operator's namespace {}: create it there, or name another in \
                 credentials.secretRef",
                self.namespace
            ),
        }
    }

    fn unread(&self, name: &str, failure: &ApiError) -> CredentialsError {
        CredentialsError {
            reason: Reason::CredentialsUnavailable,
            message: format!(
                "Secret {name} in the operator's namespace {} could not be read: {}",
                self.namespace,
                match failure {
                    ApiError::Forbidden =>
                        "the API server forbids it; compare the operator's RBAC with the chart's",
                    _ => classify(failure).sentence,
                }
            ),
        }
    }
}

/// What the AWS chain of the process gives.
async fn chain(now: Timestamp) -> Result<Credentials, CredentialsError> {
    let variable = |name: &str| std::env::var(name).ok();
    match tokio::time::timeout(TIMEOUT, chain::provide()).await {
        Ok(provided) => chain::convert(provided, &variable, now),
        Err(_) => Err(chain::too_slow()),
    }
}

/// The expiry of a session, where one is needed.
fn alive(
    credentials: Credentials,
    from: &str,
    now: Timestamp,
    say_expiry: &str,
) -> Result<Credentials, CredentialsError> {
    let failure = |reason, message| Err(CredentialsError { reason, message });
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

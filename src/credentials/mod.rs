//! Where the operator's signing credentials come from.
//!
//! What holds here: each fetch calls the provider itself, with no cache of the SDK's in between, so that an
//! expiry is always the one of the credentials that are signed with. Messages name Secrets, keys and
//! variables, never a value.

mod chain;
mod expiry;
mod secret;
mod sts;

pub(crate) use chain::provide;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use presigned_core::api::{CredentialsSecret, Reason};
use presigned_core::engine::{
    ApiError, CredentialSource, CredentialsError, FetchedCredentials, Refuser, Session, classify,
};
use secrecy::SecretString;

use crate::http::Connections;
use crate::kube::{Cluster, Pod};

/// The variable that names the file with the token of the operator's service account; IRSA's webhook sets it.
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// Fetches credentials from the source that a store names. Cheap to clone; caches nothing.
#[derive(Clone)]
pub struct CredentialsFetcher {
    cluster: Cluster,
    /// The operator's own namespace.
    namespace: String,
    /// The operator's own service account, if it is known.
    service_account: Option<String>,
    /// The operator's own pod, if it is known.
    pod: Option<Pod>,
    connections: Arc<Connections>,
}

impl CredentialsFetcher {
    /// Reads Secrets in `namespace`, the operator's own, through `cluster`; asks STS and the AWS chain over
    /// `connections`.
    #[must_use]
    pub const fn new(cluster: Cluster, namespace: String, connections: Arc<Connections>) -> Self {
        Self {
            cluster,
            namespace,
            service_account: None,
            pod: None,
            connections,
        }
    }

    /// Requests tokens of this service account, the operator's own, if a role wants another audience than
    /// IRSA's.
    #[must_use]
    pub fn with_service_account(self, service_account: Option<String>) -> Self {
        Self {
            service_account,
            ..self
        }
    }

    /// Binds these tokens to this pod, the operator's own.
    #[must_use]
    pub fn with_pod(self, pod: Option<Pod>) -> Self {
        Self { pod, ..self }
    }

    /// Fetches credentials that are valid at `now`. `session` is the name and the policy of a role's session;
    /// credentials that are not a role's ignore it.
    ///
    /// # Errors
    /// If there are none, if they cannot be used, or if they could not be fetched in time.
    pub async fn fetch(
        &self,
        source: &CredentialSource,
        session: &Session,
        now: Timestamp,
    ) -> Result<FetchedCredentials, CredentialsError> {
        match source {
            CredentialSource::Default => Ok(chain::fetch(&self.connections, now).await?.into()),
            CredentialSource::Secret { name, keys } => {
                self.secret_credentials(name, keys, now).await
            }
            CredentialSource::WebIdentity {
                role_arn,
                audience,
                sts,
            } => {
                let token = self.token(audience.as_deref()).await?;
                let assumed = sts::assume_with_web_identity(
                    &self.connections,
                    role_arn,
                    &token,
                    sts,
                    session,
                    now,
                );
                Ok(assumed.await?.into())
            }
            CredentialSource::AssumeRole {
                role_arn,
                external_id,
                base,
                sts,
            } => {
                let base = match &**base {
                    CredentialSource::Secret { name, keys } => {
                        self.secret_credentials(name, keys, now).await?
                    }
                    CredentialSource::Default => chain::fetch(&self.connections, now).await?.into(),
                    CredentialSource::WebIdentity { .. } | CredentialSource::AssumeRole { .. } => {
                        return Err(CredentialsError {
                            reason: Reason::CredentialsInvalid,
                            message: "a role is assumed by a Secret's credentials or the AWS chain's, not by another role"
                                .to_owned(),
                        });
                    }
                };
                let FetchedCredentials {
                    credentials: base,
                    secret,
                } = base;
                let assumed = sts::assume(
                    &self.connections,
                    role_arn,
                    external_id.as_deref(),
                    &base,
                    sts,
                    session,
                    now,
                );
                Ok(FetchedCredentials {
                    credentials: assumed.await?,
                    secret,
                })
            }
        }
    }

    async fn secret_credentials(
        &self,
        name: &str,
        keys: &[Option<String>; 4],
        now: Timestamp,
    ) -> Result<FetchedCredentials, CredentialsError> {
        let read = self.cluster.secret_data(&self.namespace, name).await;
        let read = read.map_err(|failure| self.not_readable(name, &failure))?;
        let (version, data) = read.ok_or_else(|| self.not_found(name))?;
        let secret = CredentialsSecret {
            name: name.to_owned(),
            uid: version.uid,
            resource_version: version.resource_version.unwrap_or_default(),
        };
        Ok(FetchedCredentials {
            credentials: secret::parse(name, keys, &data, now)?,
            secret: Some(secret),
        })
    }

    /// A token of the operator's service account: of Kubernetes for an audience, else of the file that
    /// kubelet keeps fresh.
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
                message: "the operator's own service account is not known, so no token can be requested for \
                          credentials.webIdentity.audience: set POD_SERVICE_ACCOUNT, as the chart does"
                    .to_owned(),
            });
        };
        let token = self
            .cluster
            .service_account_token(&self.namespace, account, audience, self.pod.as_ref())
            .await;
        token.map_err(|failure| CredentialsError {
            reason: Reason::CredentialsUnavailable,
            message: format!(
                "no token of the operator's service account \"{account}\" could be had for the store's audience: {}",
                match &failure {
                    ApiError::Forbidden => Cow::Borrowed(
                        "the API server forbids it; name the audience in the chart's webIdentity.audiences, or give the \
                         operator create on serviceaccounts/token and its pod's POD_NAME and POD_UID, as the chart does",
                    ),
                    ApiError::Refused(Refuser::Policy(name)) => Cow::Owned(format!(
                        "the ValidatingAdmissionPolicy \"{name}\" refuses it; name the audience in the chart's \
                         webIdentity.audiences, and let POD_NAME and POD_UID name the operator's pod, as the chart does"
                    )),
                    ApiError::NotFound => Cow::Borrowed(
                        "it does not exist; let POD_SERVICE_ACCOUNT name the one that the operator runs as",
                    ),
                    _ => classify(&failure).sentence,
                }
            ),
        })
    }

    fn not_found(&self, name: &str) -> CredentialsError {
        CredentialsError {
            reason: Reason::CredentialsNotFound,
            message: format!(
                "Secret \"{name}\" does not exist in the operator's namespace \"{}\": create it there, or name another in \
                 credentials.secretRef",
                self.namespace
            ),
        }
    }

    fn not_readable(&self, name: &str, failure: &ApiError) -> CredentialsError {
        CredentialsError {
            reason: Reason::CredentialsUnavailable,
            message: format!(
                "Secret \"{name}\" in the operator's namespace \"{}\" could not be read: {}",
                self.namespace,
                match failure {
                    ApiError::Forbidden => Cow::Borrowed(
                        "the API server forbids it; compare the operator's RBAC with the chart's",
                    ),
                    _ => classify(failure).sentence,
                }
            ),
        }
    }
}

#[cfg(test)]
mod tests;

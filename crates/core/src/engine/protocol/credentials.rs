//! Where credentials come from, how a session is requested, and why there are none.

use std::time::Duration;

use crate::api::{CredentialsSecret, Reason, SecretKeys};
use crate::signing::Credentials;

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialSource {
    /// The AWS chain of the operator's process.
    Default,
    /// A Secret in the operator's own namespace.
    Secret {
        /// Its name.
        name: String,
        /// The names of its keys if they are not the default ones: access key ID, secret access key, session
        /// token, expiration.
        keys: [Option<String>; 4],
    },
    /// `AssumeRoleWithWebIdentity` with the operator's service account token.
    WebIdentity {
        /// The role.
        role_arn: String,
        /// The token's audience; `None` reads the file that `AWS_WEB_IDENTITY_TOKEN_FILE` names.
        audience: Option<String>,
        /// How the session is requested.
        sts: Sts,
    },
    /// `AssumeRole` with other credentials.
    AssumeRole {
        /// The role.
        role_arn: String,
        /// The external ID that the role's trust policy may require.
        external_id: Option<String>,
        /// The credentials that assume the role: [`Self::Default`] or [`Self::Secret`].
        base: Box<Self>,
        /// How the session is requested.
        sts: Sts,
    },
}

/// How a session is requested.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sts {
    /// The STS endpoint; `None` is AWS's endpoint of the region.
    pub endpoint: Option<String>,
    /// The region that the request is signed for.
    pub region: String,
    /// The requested lifetime of the session.
    pub duration: Duration,
    /// PEM certificates that are trusted in addition to the system's.
    pub ca_bundle: Option<String>,
}

/// What a session may do, and its name in the audit log of the S3 side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    /// `RoleSessionName`: 2 to 64 letters, digits and `+=,.@_-`.
    pub name: String,
    /// The inline session policy; `None` allows everything that the role may do.
    pub policy: Option<String>,
}

impl CredentialSource {
    /// The source that a store's spec names.
    #[must_use]
    pub fn secret(name: &str, keys: Option<&SecretKeys>) -> Self {
        let keys = keys.cloned().unwrap_or_default();
        let SecretKeys {
            access_key_id,
            secret_access_key,
            session_token,
            expiration,
        } = keys;
        Self::Secret {
            name: name.to_owned(),
            keys: [access_key_id, secret_access_key, session_token, expiration],
        }
    }
}

/// Credentials as a source gave them.
#[derive(Clone, Debug)]
pub struct FetchedCredentials {
    /// The credentials.
    pub credentials: Credentials,
    /// The Secret that they were read from, or that holds the credentials that assumed the role.
    pub secret: Option<CredentialsSecret>,
}

impl From<Credentials> for FetchedCredentials {
    fn from(credentials: Credentials) -> Self {
        Self {
            credentials,
            secret: None,
        }
    }
}

/// Why there are no credentials. The operator writes the sentence, and it contains no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialsError {
    /// Of a fetch: [`Reason::CredentialsNotFound`], [`Reason::CredentialsInvalid`],
    /// [`Reason::CredentialsExpired`], [`Reason::CredentialsExpiryUnknown`] or
    /// [`Reason::CredentialsUnavailable`]; for a role also [`Reason::SessionPolicyTooLarge`] and
    /// [`Reason::ClockSkewed`]. Of a store that rejects the credentials: the reason of its probe.
    pub reason: Reason,
    /// What is wrong and what to do.
    pub message: String,
}

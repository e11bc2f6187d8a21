//! Where credentials come from, how a session is asked for, and why there are none.

use std::time::Duration;

use crate::api::{Reason, SecretKeys};

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialSource {
    /// The AWS chain of the operator's process.
    Default,
    /// A Secret in the operator's own namespace.
    Secret {
        /// Its name.
        name: String,
        /// The names of its keys where they are not the usual ones: access key ID, secret access key, session token,
        /// expiration.
        keys: [Option<String>; 4],
    },
    /// `AssumeRoleWithWebIdentity` with the operator's service account token.
    WebIdentity {
        /// The role.
        role_arn: String,
        /// The token's audience; `None` reads the file that `AWS_WEB_IDENTITY_TOKEN_FILE` names.
        audience: Option<String>,
        /// Where and for how long.
        sts: Sts,
    },
    /// `AssumeRole` with other credentials.
    AssumeRole {
        /// The role.
        role_arn: String,
        /// What the role's trust policy may ask for.
        external_id: Option<String>,
        /// What assumes it: [`Self::Default`] or [`Self::Secret`].
        base: Box<Self>,
        /// Where and for how long.
        sts: Sts,
    },
}

/// How a session is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sts {
    /// Where STS answers; `None` is AWS's of the region.
    pub endpoint: Option<String>,
    /// The region that is signed for.
    pub region: String,
    /// How long the session is to live.
    pub duration: Duration,
    /// PEM certificates that are trusted besides the system's.
    pub ca_bundle: Option<String>,
}

/// What a session may do and how the S3 side's audit log calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    /// `RoleSessionName`: 2 to 64 letters, digits and `+=,.@_-`.
    pub name: String,
    /// The inline session policy; `None` for all that the role may.
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

/// Why credentials could not be had. The sentence is ours, and names no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialsError {
    /// [`Reason::CredentialsNotFound`], [`Reason::CredentialsInvalid`], [`Reason::CredentialsExpired`],
    /// [`Reason::CredentialsExpiryUnknown`] or [`Reason::CredentialsUnavailable`]; of a role also
    /// [`Reason::SessionPolicyTooLarge`] and [`Reason::ClockSkewed`].
    pub reason: Reason,
    /// What is wrong and what to do.
    pub message: String,
}

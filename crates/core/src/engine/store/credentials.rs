//! Credentials as they were fetched, and what a URL needs of them.
//!
//! What holds here:
//! - credentials that could sign nothing are refused as they come, with the reason;
//! - Debug shows no credential.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use super::config::StoreConfig;
use crate::api::{CredentialsSecret, Reason};
use crate::engine::protocol::{CredentialsError, FetchedCredentials};
use crate::issue::{CredentialInputs, credential_hash, refresh_gains};
use crate::signing::Credentials;
use crate::time::between;

/// Between two fetches that were made to lengthen a life.
pub(in crate::engine) const REFRESH_PAUSE: Duration = Duration::from_mins(1);

/// What credentials must have left to sign anything.
pub(super) const MIN_REMAINING: Duration = Duration::from_mins(1);

/// Between two fetches that failed, if somebody requests a renewal.
pub(super) const REQUEST_PAUSE: Duration = Duration::from_secs(30);

/// Between two fetches of credentials that only a person can fix.
pub(super) const RECHECK: Duration = Duration::from_mins(5);

/// Credentials that were fetched.
#[derive(Clone, Debug)]
pub(in crate::engine) struct HeldCredentials {
    pub(in crate::engine) credentials: Credentials,
    pub(in crate::engine) hash: String,
    /// The version of the Secret that they were read from, if they come from one.
    pub(in crate::engine) secret: Option<CredentialsSecret>,
    pub(super) session_length: Option<Duration>,
    /// The store's clock less the operator's: what is signed with them is dated by it.
    pub(in crate::engine) skew: SignedDuration,
}

/// What credentials are needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct CredentialNeed {
    /// The life that is wanted.
    pub(in crate::engine) life: Duration,
    /// The end of the living URL, if the point is to outlive it.
    pub(in crate::engine) living: Option<Timestamp>,
}

impl HeldCredentials {
    /// Makes them from a fetch; `known` are those that were held of the same source.
    pub(super) fn of(
        fetched: FetchedCredentials,
        config: &StoreConfig,
        known: Option<&Self>,
        now: Timestamp,
    ) -> Self {
        let FetchedCredentials {
            credentials,
            secret,
        } = fetched;
        let session = credentials.session_token.is_some() || credentials.expires_at.is_some();
        let same = known.filter(|held| !session && held.holds(&credentials));
        let hash = if let Some(held) = same {
            // A static key is hashed slowly, and fetched again and again.
            held.hash.clone()
        } else if session {
            config.session_hash()
        } else {
            credential_hash(CredentialInputs::Static {
                access_key_id: &credentials.access_key_id,
                secret_access_key: credentials.secret_access_key.expose_secret(),
            })
        };
        let left = credentials.expires_at.map(|end| between(now, end));
        // A provider that hands out one cached session shows less of its length each time.
        let known = known.filter(|held| held.hash == hash);
        let session_length = left.max(
            known
                .and_then(|held| held.session_length)
                .filter(|_| left.is_some()),
        );
        Self {
            credentials,
            hash,
            secret,
            session_length,
            skew: SignedDuration::ZERO,
        }
    }

    /// Whether they are those of a session, of which the source may give another one.
    pub(super) const fn is_session(&self) -> bool {
        self.credentials.expires_at.is_some()
    }

    /// Whether these are the same credentials.
    fn holds(&self, other: &Credentials) -> bool {
        let held = &self.credentials;
        held.access_key_id == other.access_key_id
            && held.secret_access_key.expose_secret() == other.secret_access_key.expose_secret()
            && held.session_token.is_none()
            && held.expires_at.is_none()
    }

    /// Whether something can still be signed with them.
    pub(super) fn is_useful(&self, now: Timestamp) -> bool {
        self.credentials
            .expires_at
            .is_none_or(|end| between(now, end) >= MIN_REMAINING)
    }
}

impl CredentialNeed {
    /// A request of the operator itself, which replaces no URL.
    pub(in crate::engine) const fn of(life: Duration) -> Self {
        Self { life, living: None }
    }

    /// Whether credentials that end then are of any use: a URL that still works is not signed again for the
    /// same end.
    pub(super) fn outlives_living(&self, end: Timestamp) -> bool {
        self.living
            .is_none_or(|living| between(living, end) >= MIN_REMAINING)
    }

    /// Whether fresh credentials of this length are worth a fetch, if those at hand end then.
    pub(super) fn gains(&self, end: Timestamp, length: Duration, now: Timestamp) -> bool {
        let left = between(now, end);
        refresh_gains(self.life, left, length)
            || (!self.outlives_living(end) && length >= left.saturating_add(MIN_REMAINING))
    }
}

/// Refuses credentials that could sign nothing.
pub(super) fn validate(
    fetched: FetchedCredentials,
    now: Timestamp,
) -> Result<FetchedCredentials, CredentialsError> {
    let credentials = &fetched.credentials;
    if credentials
        .expires_at
        .is_some_and(|end| between(now, end) < MIN_REMAINING)
    {
        return Err(expired());
    }
    if credentials.session_token.is_some() && credentials.expires_at.is_none() {
        return Err(CredentialsError {
            reason: Reason::CredentialsExpiryUnknown,
            message: "the credentials hold a session token without its end, so no URL's life could be promised: add \
                      the end (expiration, RFC 3339)"
                .to_owned(),
        });
    }
    Ok(fetched)
}

pub(super) fn expired() -> CredentialsError {
    CredentialsError {
        reason: Reason::CredentialsExpired,
        message: "the credentials have expired or expire within a minute: renew them; the operator picks them up without a restart".to_owned(),
    }
}

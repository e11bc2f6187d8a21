//! Credentials as they were fetched, and how far a fetch has come.
//!
//! What holds here: what could sign nothing is refused as it comes, with the reason. Debug shows no credential.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use super::compiled::StoreConfig;
use super::{RECHECK, REFRESH_PAUSE, USELESS};
use crate::api::Reason;
use crate::engine::protocol::CredentialsError;
use crate::issue::{CredentialInputs, backoff, credential_hash};
use crate::signing::Credentials;
use crate::time::{between, later};

/// How far the fetch from one source has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetch {
    pub(super) wanted: bool,
    failures: u32,
    pub(super) retry_at: Option<Timestamp>,
    fetched_at: Option<Timestamp>,
    pub(super) failure: Option<CredentialsError>,
}

/// Credentials that were fetched.
#[derive(Clone, Debug)]
pub(in crate::engine) struct HeldCredentials {
    pub(in crate::engine) credentials: Credentials,
    pub(in crate::engine) hash: String,
    pub(super) session_length: Option<Duration>,
    /// The store's clock less the operator's, by which what is signed with them is dated.
    pub(in crate::engine) skew: SignedDuration,
}

impl Fetch {
    pub(super) const fn begin() -> Self {
        Self {
            wanted: true,
            failures: 0,
            retry_at: None,
            fetched_at: None,
            failure: None,
        }
    }

    /// Asks for a fetch as soon as possible.
    pub(super) const fn want(&mut self) {
        self.wanted = true;
        self.retry_at = None;
        self.failures = 0;
    }

    pub(super) fn due(&self, now: Timestamp) -> bool {
        self.wanted || self.retry_at.is_some_and(|at| at <= now)
    }

    pub(super) const fn start(&mut self, now: Timestamp) {
        self.wanted = false;
        self.retry_at = None;
        self.fetched_at = Some(now);
    }

    pub(super) fn failed(&mut self, failure: CredentialsError, uid: &str, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        let pause = match failure.reason {
            Reason::CredentialsUnavailable => backoff(self.failures, uid),
            _ => RECHECK,
        };
        self.retry_at = Some(later(now, pause));
        self.failure = Some(failure);
    }

    pub(super) fn worked(&mut self) {
        self.failures = 0;
        self.failure = None;
    }

    pub(super) fn recently(&self, now: Timestamp) -> bool {
        self.fetched_at
            .is_some_and(|at| between(at, now) < REFRESH_PAUSE)
    }

    pub(super) fn clock_stepped(&mut self, now: Timestamp) {
        let longest = later(now, RECHECK);
        self.retry_at = self.retry_at.map(|time| time.min(longest));
        self.fetched_at = self.fetched_at.filter(|time| *time <= now);
    }
}

impl HeldCredentials {
    /// Takes up what a fetch gave; `known` is what was held of the same source.
    pub(super) fn of(
        credentials: Credentials,
        compiled: &StoreConfig,
        known: Option<&Self>,
        now: Timestamp,
    ) -> Self {
        let session = credentials.session_token.is_some() || credentials.expires_at.is_some();
        let hash = if session {
            credential_hash(CredentialInputs::Session {
                source: &compiled.source_name(),
            })
        } else {
            credential_hash(CredentialInputs::Static {
                access_key_id: &credentials.access_key_id,
                secret_access_key: credentials.secret_access_key.expose_secret(),
            })
        };
        let left = credentials.expires_at.map(|end| between(now, end));
        // A provider that hands out one cached session tells less of its length each time.
        let known = known.filter(|held| held.hash == hash);
        let session_length = left.max(
            known
                .and_then(|held| held.session_length)
                .filter(|_| left.is_some()),
        );
        Self {
            credentials,
            hash,
            session_length,
            skew: SignedDuration::ZERO,
        }
    }

    /// Whether something can still be signed with them.
    pub(super) fn is_useful(&self, now: Timestamp) -> bool {
        self.credentials
            .expires_at
            .is_none_or(|end| between(now, end) >= USELESS)
    }
}

/// Refuses credentials that could sign nothing.
pub(super) fn usable(
    credentials: Credentials,
    now: Timestamp,
) -> Result<Credentials, CredentialsError> {
    if credentials
        .expires_at
        .is_some_and(|end| between(now, end) < USELESS)
    {
        return Err(ended());
    }
    if credentials.session_token.is_some() && credentials.expires_at.is_none() {
        return Err(CredentialsError {
            reason: Reason::CredentialsExpiryUnknown,
            message: "the credentials hold a session token without its end, so no URL's life could be promised: add \
                      the end (expiration, RFC 3339)"
                .to_owned(),
        });
    }
    Ok(credentials)
}

pub(super) fn ended() -> CredentialsError {
    CredentialsError {
        reason: Reason::CredentialsExpired,
        message: "the credentials have ended or end within a minute: renew them; they are taken up by themselves".to_owned(),
    }
}

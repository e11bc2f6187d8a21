//! Credentials as they were fetched, and how far a fetch has come.
//!
//! What holds here:
//! - one fetch of a store is under way at a time;
//! - credentials that could sign nothing are refused as they come, with the reason;
//! - other credentials than those in use, or than those of living URLs, become a candidate;
//! - Debug shows no credential.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use super::config::StoreConfig;
use super::probe_verdict::ProbeVerdict;
use super::version::Candidate;
use super::{MIN_REMAINING, RECHECK, REFRESH_PAUSE, Store};
use crate::api::{CredentialsSecret, Reason};
use crate::engine::protocol::{
    CredentialSource, CredentialsError, FetchedCredentials, Session, Uid,
};
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
    /// The version of the Secret that they were read from, if they come from one.
    pub(in crate::engine) secret: Option<CredentialsSecret>,
    pub(super) session_length: Option<Duration>,
    /// The store's clock less the operator's: what is signed with them is dated by it.
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
            credential_hash(CredentialInputs::Session {
                source: &config.source_name(),
            })
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
    Ok(fetched)
}

pub(super) fn ended() -> CredentialsError {
    CredentialsError {
        reason: Reason::CredentialsExpired,
        message: "the credentials have ended or end within a minute: renew them; they are taken up by themselves".to_owned(),
    }
}

impl Store {
    /// The source may hold something else: a fetch comes before the next signature.
    pub(in crate::engine) fn source_changed(&mut self) {
        self.stale = true;
        self.request_all_fetches();
        self.sessions.hurry();
    }

    /// Asks for a fetch as soon as possible.
    pub(in crate::engine) fn request_fetch(&mut self) {
        self.active.fetch.want();
    }

    /// The failure of the last fetch, if it shows that the Secret with the credentials is gone.
    pub(in crate::engine) fn missing_secret(&self) -> Option<&CredentialsError> {
        let failure = self.active.fetch.failure.as_ref()?;
        let from_secret = self.active.config()?.comes_from_secret();
        (from_secret && failure.reason == Reason::CredentialsNotFound).then_some(failure)
    }

    /// What is to be fetched now, if anything.
    pub(in crate::engine) fn begin_fetch(&mut self, now: Timestamp) -> Option<CredentialSource> {
        self.active.config()?;
        let candidate = self.candidate.as_mut().filter(|candidate| {
            let own = candidate.own_fetch();
            own.is_some_and(|fetch| fetch.due(now))
        });
        let version = match candidate {
            Some(candidate) => &mut candidate.version,
            None if self.active.fetch.due(now) => &mut self.active,
            None => return None,
        };
        version.fetch.start(now);
        self.fetching = version.config().map(|config| config.source.clone());
        self.fetching.clone()
    }

    /// When credentials are fetched next.
    pub(in crate::engine) fn next_fetch_at(&self) -> Option<Timestamp> {
        let candidate = self.candidate.as_ref();
        let candidate = candidate.and_then(|candidate| candidate.own_fetch());
        [
            self.active.fetch.retry_at,
            candidate.and_then(|fetch| fetch.retry_at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The fetch under way was not made.
    pub(in crate::engine) fn fetch_not_run(&mut self) {
        self.fetching = None;
        self.request_all_fetches();
    }

    fn request_all_fetches(&mut self) {
        self.request_fetch();
        let candidate = self.candidate.as_mut();
        if let Some(fetch) = candidate.and_then(|candidate| candidate.own_fetch_mut()) {
            fetch.want();
        }
    }

    /// Completes a fetch. `others` says whether living URLs were signed with other credentials than those of
    /// this hash. Returns whether other credentials are in use now.
    pub(in crate::engine) fn complete_fetch(
        &mut self,
        result: Result<FetchedCredentials, CredentialsError>,
        others: impl FnOnce(&str) -> bool,
        now: Timestamp,
    ) -> bool {
        let asked = self.fetching.take();
        let uid = self.seen.uid.clone();
        let result = result.and_then(|fetched| validate(fetched, now));
        if let Some(candidate) = &mut self.candidate
            && candidate.own_fetch().is_some()
            && let Some(config) = candidate.version.config()
            && Some(&config.source) == asked.as_ref()
        {
            match result {
                Ok(fetched) => {
                    let before = candidate.version.credentials.as_ref();
                    let held = HeldCredentials::of(fetched, config, before, now);
                    candidate.version.credentials = Some(held);
                    candidate.version.fetch.worked();
                    candidate.restart_trial(now);
                }
                Err(failure) => candidate.version.fetch.failed(failure, &uid, now),
            }
            self.probing.turn += 1;
            return false;
        }
        let form = self.active.config().cloned();
        let Some(form) = form.filter(|form| Some(&form.source) == asked.as_ref()) else {
            // The store names another source by now, or is another store of the same name.
            self.fetch_not_run();
            return false;
        };
        // If the source changed during the fetch, the result may be older.
        self.stale = self.active.fetch.wanted;
        let fetched = match result {
            Ok(fetched) => fetched,
            Err(failure) => {
                self.active.fetch.failed(failure, &uid, now);
                return false;
            }
        };
        let held = HeldCredentials::of(fetched, &form, self.active.credentials.as_ref(), now);
        self.active.fetch.worked();
        let same = self
            .active
            .credentials
            .as_ref()
            .is_some_and(|old| old.hash == held.hash);
        let try_first = match &self.active.credentials {
            Some(_) => !same,
            None => others(&held.hash),
        };
        match &mut self.candidate {
            // A candidate of another source is on trial: what the source in use gives is used.
            Some(candidate) if candidate.own_fetch().is_some() => {}
            Some(candidate) if try_first => {
                candidate.version.credentials = Some(held);
                candidate.restart_trial(now);
                self.probing.turn += 1;
                return false;
            }
            Some(candidate) => {
                // The credentials in use are back.
                candidate.version.credentials = None;
                if !candidate.version.moved_from(&self.active) {
                    self.candidate = None;
                }
                self.probing.turn += 1;
            }
            None if try_first => {
                self.candidate = Some(Box::new(Candidate::of_credentials(
                    form,
                    held,
                    &self.active,
                    now,
                )));
                self.probing.turn += 1;
                return false;
            }
            None => {}
        }
        let rejected = matches!(self.active.probe.verdict, Some(ProbeVerdict::Rejected(..)));
        let known = self.active.credentials.as_ref();
        let another_session = known
            .is_some_and(|known| known.credentials.access_key_id != held.credentials.access_key_id);
        self.active.credentials = Some(held);
        if !same || self.active.probe.at.is_none() || (rejected && another_session) {
            self.active.probe.at = Some(now);
        }
        !same
    }

    /// Completes a session's fetch, which a resource made; `None` if it was not made. Returns the resources
    /// that waited.
    pub(in crate::engine) fn complete_session_fetch(
        &mut self,
        session: &Session,
        source: &CredentialSource,
        result: Option<Result<FetchedCredentials, CredentialsError>>,
        now: Timestamp,
    ) -> BTreeSet<Uid> {
        let Ok(form) = &self.active.config else {
            return self.sessions.clear();
        };
        // The role is not in use any more, and its sessions were forgotten with it.
        if form.source != *source {
            return BTreeSet::new();
        }
        let result = result.map(|result| {
            result
                .and_then(|fetched| validate(fetched, now))
                .map(|fetched| HeldCredentials::of(fetched, form, None, now))
        });
        self.sessions.fetched(session, result, &self.seen.uid, now)
    }

    /// A session's fetch begins.
    pub(in crate::engine) fn begin_session_fetch(&mut self, session: &Session, now: Timestamp) {
        self.sessions.begin(session, now);
    }
}

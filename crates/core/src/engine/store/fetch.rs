//! Fetches of a store's own credentials, and of the sessions of a role that narrows them.
//!
//! What holds here:
//! - one fetch of a store is under way at a time;
//! - other credentials than those in use, or than those of URLs that still work, become a candidate.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::credentials::{HeldCredentials, validate};
use super::probe_verdict::ProbeVerdict;
use super::state::Store;
use super::version::{Candidate, Fetch};
use crate::api::{Reason, SessionScope};
use crate::engine::protocol::{
    CredentialSource, CredentialsError, FetchedCredentials, Session, Uid,
};

impl Store {
    /// The source may hold something else: a fetch comes before the next signature.
    pub(in crate::engine) fn source_changed(&mut self) {
        self.stale = true;
        self.request_all_fetches();
        self.sessions.clear_pauses();
    }

    /// Somebody requested a renewal: the source and the STS, if they failed, get another request soon.
    /// Returns whether the store is to be planned again.
    pub(in crate::engine) fn renewal_requested(&mut self) -> bool {
        self.sessions.hasten();
        let active = self.active.fetch.hasten();
        let candidate = self.candidate.as_mut();
        let candidate = candidate.and_then(|candidate| candidate.own_fetch_mut());
        candidate.is_some_and(Fetch::hasten) || active
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

    /// Completes a fetch. `others` says whether URLs that still work were signed with other credentials than
    /// those of this hash. Returns whether other credentials are in use now.
    pub(in crate::engine) fn complete_fetch(
        &mut self,
        result: Result<FetchedCredentials, CredentialsError>,
        others: impl FnOnce(&str) -> bool,
        now: Timestamp,
    ) -> bool {
        let source = self.fetching.take();
        let uid = self.seen.uid.clone();
        let result = result.and_then(|fetched| validate(fetched, now));
        if let Some(candidate) = &mut self.candidate
            && candidate.own_fetch().is_some()
            && let Some(config) = candidate.version.config()
            && Some(&config.source) == source.as_ref()
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
        let config = self.active.config().cloned();
        let Some(config) = config.filter(|config| Some(&config.source) == source.as_ref()) else {
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
        let held = HeldCredentials::of(fetched, &config, self.active.credentials.as_ref(), now);
        self.active.fetch.worked();
        let same = self
            .active
            .credentials
            .as_ref()
            .is_some_and(|old| old.hash == held.hash);
        // What expired could probe no candidate.
        let before = self.active.credentials.as_ref();
        let ended = before.is_some_and(|before| !before.is_useful(now));
        let try_first = match &self.active.credentials {
            Some(_) => !same,
            None => others(&held.hash),
        };
        match &mut self.candidate {
            // A candidate of another source is on trial: what the source in use gives is tried beside it.
            Some(candidate) if candidate.own_fetch().is_some() => {
                self.probing.turn += u64::from(try_first || self.new_key.is_some());
                self.new_key = None;
                if try_first {
                    let key = Candidate::of_credentials(config, held, &self.active, now);
                    self.new_key = Some(Box::new(key));
                    return false;
                }
            }
            Some(candidate) if try_first => {
                candidate.version.credentials = Some(held);
                candidate.restart_trial(now);
                self.probing.turn += 1;
                return false;
            }
            Some(candidate) => {
                // The credentials in use are back.
                candidate.version.credentials = None;
                if candidate.version.moved_from(&self.active) {
                    if ended {
                        candidate.restart_trial(now);
                    }
                } else {
                    // What the store said of its place goes for any key.
                    let said = candidate.version.probe.verdict.take();
                    let verdict = &mut self.active.probe.verdict;
                    if verdict.is_none() {
                        *verdict = said.filter(ProbeVerdict::rejects_any_key);
                    }
                    self.candidate = None;
                }
                self.probing.turn += 1;
            }
            None if try_first => {
                self.candidate = Some(Box::new(Candidate::of_credentials(
                    config,
                    held,
                    &self.active,
                    now,
                )));
                self.probing.turn += 1;
                return false;
            }
            None => {}
        }
        let rejected = self.is_rejected();
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
        let Ok(config) = &self.active.config else {
            return self.sessions.clear();
        };
        // The role is not in use any more, and its sessions were forgotten with it.
        if config.source != *source {
            return BTreeSet::new();
        }
        let result = result.map(|result| {
            result
                .and_then(|fetched| validate(fetched, now))
                .map(|fetched| HeldCredentials::of(fetched, config, None, now))
        });
        self.sessions.fetched(session, result, &self.seen.uid, now)
    }

    /// A session's fetch begins.
    pub(in crate::engine) fn begin_session_fetch(&mut self, session: &Session, now: Timestamp) {
        self.sessions.begin(session, now);
    }

    /// Whether a probe is due that a fetch of the store's own session would make possible. Nobody else
    /// fetches another one in these cases: each signer fetches a narrowed session; nothing is signed because
    /// the store rejected the last probe or its clock is too far off; or resources wait for the next probe.
    pub(in crate::engine) fn lacks_session_to_probe(&self, now: Timestamp) -> bool {
        let narrows = self
            .active
            .config()
            .is_some_and(|config| config.scope != SessionScope::Store);
        let due = self.active.probe.at.is_some_and(|at| at <= now);
        let blocks = self.is_rejected() || self.active.skew.too_far_apart().is_some();
        (narrows || blocks || !self.waiting.is_empty()) && due && self.may_fetch_to_probe(now)
    }

    pub(super) fn may_fetch_to_probe(&self, now: Timestamp) -> bool {
        let credentials = self.active.credentials.as_ref();
        let ended = credentials.is_some_and(|held| !held.is_useful(now));
        let fetch = &self.active.fetch;
        ended && fetch.failure.is_none() && !fetch.recently(now)
    }
}

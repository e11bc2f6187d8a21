//! Stores: their compiled spec, their credentials, and what is known of how they answer.
//!
//! What holds here: this is the only cache of credentials, and one fetch of a store is under way at a time. The last
//! credentials that worked are used until they end, whatever the source says meanwhile. A change of credentials,
//! endpoint, region or style is tried before it is used ([`Change`]); until then everything is judged and signed by what
//! was used before. Debug shows no credential.

mod change;
mod compiled;
mod held;
mod look;
mod passed;
mod probe;
mod session;
mod skew;
mod supply;
mod trial;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::{ConditionStatus, ConditionType};
use crate::engine::protocol::CredentialsError;
use crate::engine::protocol::StoreSeen;
use crate::engine::protocol::{CredentialSource, Session, Uid};
use crate::signing::Credentials;
use change::Change;
pub(super) use compiled::StoreConfig;
pub(super) use held::HeldCredentials;
use held::{Fetch, ended, usable};
use look::Look;
pub(super) use look::Looked;
use probe::Known;
pub(super) use probe::PutLeave;
use session::Sessions;
use skew::Clocks;
pub(super) use skew::shifted;
pub(super) use supply::{Need, Supply};
pub(super) use trial::Verdict;

/// Between two fetches that were made to lengthen a life.
pub(super) const REFRESH_PAUSE: Duration = Duration::from_mins(1);
/// What credentials must have left to be of any use: a minute of life.
const USELESS: Duration = Duration::from_mins(1);
/// By how much the date of living URLs may be off before they are signed again; less than what a renewal leaves at least.
const MISDATED: SignedDuration = SignedDuration::from_secs(60);
/// Between two looks at credentials that only a person can mend.
const RECHECK: Duration = Duration::from_mins(5);

/// A store, and what is known of its credentials.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) seen: StoreSeen,
    /// What resources are judged by and signed with: it stays while a change is tried.
    pub(super) compiled: Result<StoreConfig, String>,
    pub(super) held: Option<HeldCredentials>,
    fetch: Fetch,
    /// What the fetch under way asks for.
    fetching: Option<CredentialSource>,
    /// The credentials may have changed since they were fetched: nothing is signed with them before the next fetch.
    stale: bool,
    /// What is tried before it is used.
    change: Option<Box<Change>>,
    look: Look,
    pub(super) unsigned: Known,
    pub(super) clocks: Clocks,
    /// The correction by which the living URLs were dated.
    dated_by: Option<SignedDuration>,
    sessions: Sessions,
    /// Resources that wait for what is wanted or under way.
    pub(super) waiting: BTreeSet<Uid>,
    /// When the status was last written, so that counts do not write it over and over.
    pub(super) status_written_at: Option<Timestamp>,
}

/// What a newer version of a store means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Updated {
    /// Nothing for what is signed.
    Same,
    /// What is signed may differ.
    Changed,
    /// What is signed may differ once it was tried.
    OnTrial,
}

impl Store {
    pub(super) fn new(seen: StoreSeen) -> Self {
        let compiled = compile(&seen);
        let measured = seen.status.conditions.iter().any(|condition| {
            condition.type_ == ConditionType::ClockSkewed.as_str()
                && condition.status != ConditionStatus::Unknown
        });
        let told = seen.status.conditions.iter().find(|condition| {
            condition.type_ == ConditionType::Ready.as_str()
                && condition.observed_generation == Some(seen.generation)
        });
        let rejected = compiled.as_ref().ok().zip(told);
        let rejected = rejected.and_then(|(form, told)| trial::told(&told.message, form));
        Self {
            unsigned: Known::of(compiled.as_ref().ok(), &seen.status, seen.generation),
            look: Look::new(measured, rejected),
            seen,
            compiled,
            held: None,
            fetch: Fetch::begin(),
            fetching: None,
            stale: false,
            change: None,
            clocks: Clocks::default(),
            dated_by: None,
            sessions: Sessions::default(),
            waiting: BTreeSet::new(),
            status_written_at: None,
        }
    }

    /// Takes up a newer version.
    pub(super) fn update(&mut self, seen: StoreSeen, now: Timestamp) -> Updated {
        let anew = self.seen.uid != seen.uid;
        if !anew && self.seen.spec == seen.spec {
            self.seen = seen;
            return Updated::Same;
        }
        if anew {
            let fetching = self.fetching.take();
            let waiting = std::mem::take(&mut self.waiting);
            let clocks = self.clocks;
            *self = Self::new(seen);
            self.fetching = fetching;
            self.waiting = waiting;
            self.clocks = clocks;
            return Updated::Changed;
        }
        let compiled = compile(&seen);
        self.seen = seen;
        self.look.at = Some(now);
        self.look.turn += 1;
        self.look.told = None;
        let (old, new) = match (&self.compiled, compiled) {
            (Ok(old), Ok(new)) => (old, new),
            (old, new) => {
                let source = |form: &Result<StoreConfig, String>| {
                    form.as_ref().ok().map(|form| form.source.clone())
                };
                if source(old) != source(&new) {
                    // What another source gave signs nothing here: the endpoint may be another provider's now.
                    self.held = None;
                    self.fetch = Fetch::begin();
                    self.forget_sessions();
                }
                self.unsigned = new.as_ref().map_or(Known::Untried, |new| {
                    Known::of(Some(new), &self.seen.status, self.seen.generation)
                });
                self.change = None;
                self.compiled = new;
                return Updated::Changed;
            }
        };
        let another_source = old.source != new.source;
        if self.held.is_some() && (another_source || new.moved_from(old)) {
            let known = self.change.take();
            self.change = Some(Box::new(Change::of_spec(new, another_source, known, now)));
            return Updated::OnTrial;
        }
        if new.default_endpoint != old.default_endpoint {
            self.unsigned = Known::of(Some(&new), &self.seen.status, self.seen.generation);
        }
        if another_source {
            self.fetch = Fetch::begin();
            self.forget_sessions();
        }
        // Credentials of the same source that are on trial stay so.
        self.change = self
            .change
            .take()
            .filter(|change| change.fetch.is_none() && change.held.is_some() && !another_source)
            .map(|mut change| {
                change.compiled = new.clone();
                change.again(now);
                change
            });
        self.compiled = Ok(new);
        Updated::Changed
    }

    /// The source is another one. A session is known by its name and policy alone, and a fetch that is under way comes to
    /// nothing: who waited for it asks the new source.
    fn forget_sessions(&mut self) {
        self.waiting.extend(self.sessions.clear());
    }

    pub(super) fn reads_secret(&self, secret: &str) -> bool {
        let used = self.compiled.as_ref().ok();
        let tried = self.change.as_ref().map(|change| &change.compiled);
        used.into_iter()
            .chain(tried)
            .any(|form| form.reads_secret(secret))
    }

    /// What the source holds has changed: a fetch comes before the next signature.
    pub(super) fn changed(&mut self) {
        self.stale = true;
        self.want();
        if let Some(fetch) = self
            .change
            .as_mut()
            .and_then(|change| change.fetch.as_mut())
        {
            fetch.want();
        }
        self.sessions.hurry();
    }

    /// The clock was stepped: no pause may become longer than it was meant to be.
    pub(super) fn clock_stepped(&mut self, now: Timestamp) {
        self.fetch.clock_stepped(now);
        if let Some(change) = &mut self.change {
            change.clock_stepped(now);
        }
        self.status_written_at = self.status_written_at.filter(|time| *time <= now);
        self.clocks.forget();
        self.look.dated = false;
        self.sessions.hurry();
        self.look.at = self.look.at.map(|_| now);
        self.look.turn += 1;
    }

    /// Asks for a fetch as soon as possible.
    pub(super) fn want(&mut self) {
        self.fetch.want();
    }

    /// What is to be fetched now, if anything.
    pub(super) fn fetch_now(&mut self, now: Timestamp) -> Option<CredentialSource> {
        let used = self.compiled.as_ref().ok()?;
        let tried = self
            .change
            .as_mut()
            .and_then(|change| Some((change.fetch.as_mut()?, &change.compiled)));
        let (fetch, form) = match tried.filter(|(fetch, _)| fetch.due(now)) {
            Some(tried) => tried,
            None if self.fetch.due(now) => (&mut self.fetch, used),
            None => return None,
        };
        fetch.start(now);
        self.fetching = Some(form.source.clone());
        self.fetching.clone()
    }

    /// When credentials are fetched next.
    pub(super) fn wake(&self) -> Option<Timestamp> {
        let tried = self
            .change
            .as_ref()
            .and_then(|change| change.fetch.as_ref());
        [self.fetch.retry_at, tried.and_then(|fetch| fetch.retry_at)]
            .into_iter()
            .flatten()
            .min()
    }

    /// A fetch was not tried after all.
    pub(super) fn not_fetched(&mut self) {
        self.fetching = None;
        self.want();
        if let Some(fetch) = self
            .change
            .as_mut()
            .and_then(|change| change.fetch.as_mut())
        {
            fetch.want();
        }
    }

    /// Takes up the result of a fetch; `elsewhere` where living URLs were signed with credentials of this hash or not.
    /// Tells whether other credentials are in use now.
    pub(super) fn fetched(
        &mut self,
        result: Result<Credentials, CredentialsError>,
        others: impl FnOnce(&str) -> bool,
        now: Timestamp,
    ) -> bool {
        let asked = self.fetching.take();
        let uid = self.seen.uid.clone();
        let result = result.and_then(|credentials| usable(credentials, now));
        if let (Some(change), Some(asked)) = (&mut self.change, &asked)
            && change.compiled.source == *asked
            && let Some(fetch) = &mut change.fetch
        {
            match result {
                Ok(credentials) => {
                    fetch.worked();
                    let held = HeldCredentials::of(
                        credentials,
                        &change.compiled,
                        change.held.as_ref(),
                        now,
                    );
                    change.held = Some(held);
                    change.again(now);
                }
                Err(failure) => fetch.failed(failure, &uid, now),
            }
            self.look.turn += 1;
            return false;
        }
        let form = self.compiled.as_ref().ok();
        let Some(form) = form.filter(|form| Some(&form.source) == asked.as_ref()) else {
            // The store names another source by now, or is another store of the same name.
            self.not_fetched();
            return false;
        };
        // A change during the fetch may not be in what it gave.
        self.stale = self.fetch.wanted;
        let credentials = match result {
            Ok(credentials) => credentials,
            Err(failure) => {
                self.fetch.failed(failure, &uid, now);
                return false;
            }
        };
        let held = HeldCredentials::of(credentials, form, self.held.as_ref(), now);
        self.fetch.worked();
        let same = self.held.as_ref().is_some_and(|old| old.hash == held.hash);
        let try_first = match &self.held {
            Some(_) => !same,
            None => others(&held.hash),
        };
        match &mut self.change {
            // What another source gives is on trial already; this one's takes its course.
            Some(change) if change.fetch.is_some() => {}
            Some(change) if try_first => {
                change.held = Some(held);
                change.again(now);
                self.look.turn += 1;
                return false;
            }
            Some(change) => {
                // The credentials in use are back.
                change.held = None;
                if !change.compiled.moved_from(form) {
                    self.change = None;
                }
                self.look.turn += 1;
            }
            None if try_first => {
                self.change = Some(Box::new(Change::of_credentials(form.clone(), held, now)));
                self.look.turn += 1;
                return false;
            }
            None => {}
        }
        self.held = Some(held);
        if !same || self.look.at.is_none() {
            self.look.at = Some(now);
        }
        !same
    }

    /// Whether what lives was dated by another clock than the store's is by now, since this was asked last.
    pub(super) fn redates(&mut self) -> bool {
        if !self.look.dated || self.clocks.stop().is_some() {
            return false;
        }
        let correction = self.clocks.correction();
        let before = *self.dated_by.get_or_insert(correction);
        let differs = (correction - before).abs() > MISDATED;
        if differs {
            self.dated_by = Some(correction);
        }
        differs
    }

    /// Whether the store's clock is to be read before anything is signed; a look that nobody answers is enough.
    fn dates_first(&mut self, now: Timestamp) -> bool {
        let wait = !self.look.dated && self.held.as_ref().is_some_and(|held| held.is_useful(now));
        if wait {
            self.look.at = Some(now);
        }
        wait
    }

    /// Whether a PUT may be signed.
    /// `narrowed` where the session that signs may do nothing else, if the store's scope is Request.
    pub(super) fn put_leave(&mut self, narrowed: bool, now: Timestamp) -> PutLeave {
        let Ok(compiled) = &self.compiled else {
            return PutLeave::Wait;
        };
        let leave = self.unsigned.put_leave(compiled, narrowed, &self.seen.name);
        if leave != PutLeave::Wait {
            return leave;
        }
        // Without credentials of its own there is nothing to probe with; nobody waits for what does not come.
        if self.held.as_ref().is_some_and(|held| held.is_useful(now)) {
            if self.unsigned == Known::Untried {
                self.look.at = Some(now);
            }
            return PutLeave::Wait;
        }
        Known::Unclear.put_leave(compiled, narrowed, &self.seen.name)
    }

    /// Takes up the end of a session's fetch, which a resource made; `None` where it was not tried. Tells who waited.
    pub(super) fn session_fetched(
        &mut self,
        session: &Session,
        source: &CredentialSource,
        result: Option<Result<Credentials, CredentialsError>>,
        now: Timestamp,
    ) -> BTreeSet<Uid> {
        let Ok(form) = &self.compiled else {
            return self.sessions.clear();
        };
        // Of a role that is not in use any more: its sessions were forgotten with it.
        if form.source != *source {
            return BTreeSet::new();
        }
        let result = result.map(|result| {
            result
                .and_then(|credentials| usable(credentials, now))
                .map(|credentials| HeldCredentials::of(credentials, form, None, now))
        });
        self.sessions.fetched(session, result, &self.seen.uid, now)
    }

    /// A session's fetch begins.
    pub(super) fn session_begun(&mut self, session: &Session, now: Timestamp) {
        self.sessions.begin(session, now);
    }
}

fn compile(seen: &StoreSeen) -> Result<StoreConfig, String> {
    seen.spec
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|spec| StoreConfig::of(spec))
}

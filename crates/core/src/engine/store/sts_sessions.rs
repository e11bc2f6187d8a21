//! Sessions that a policy narrows: one for each name and policy, shared by all resources that need just that.
//!
//! What holds here:
//! - the cache is bounded and drops the session that was used longest ago;
//! - one fetch of a session is under way at a time, made by the resource that needs it;
//! - a session that is refused affects nobody else; an STS that is down gets the requests of one resource at
//!   a time, with growing pauses;
//! - the last session that worked is used until it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::clock_skew::shifted;
use super::credentials::{
    CredentialNeed, HeldCredentials, MIN_REMAINING, RECHECK, REFRESH_PAUSE, REQUEST_PAUSE, expired,
};
use crate::api::Reason;
use crate::engine::protocol::CredentialsError;
use crate::engine::protocol::{Session, Uid};
use crate::issue::backoff;
use crate::time::{between, later};

/// Sessions that are kept.
const MAX_SESSIONS: usize = 4096;

/// The sessions of one store.
#[derive(Debug, Default)]
pub(super) struct StsSessions {
    known: BTreeMap<Session, Entry>,
    /// Which session was used when, oldest first.
    by_use: BTreeMap<u64, Session>,
    uses: u64,
    /// Failures in a row of the STS itself, and when the next request may be sent.
    failures: u32,
    failed_at: Option<Timestamp>,
    retry_at: Option<Timestamp>,
    down: Option<CredentialsError>,
    /// Resources that wait until the STS may be requested again.
    waiting: BTreeSet<Uid>,
    under_way: usize,
    /// The store's clock less the operator's: a session ends by the store's.
    pub(super) skew: SignedDuration,
}

#[derive(Debug, Default)]
struct Entry {
    held: Option<HeldCredentials>,
    fetched_at: Option<Timestamp>,
    failure: Option<(CredentialsError, Timestamp)>,
    failures: u32,
    fetching: bool,
    waiting: BTreeSet<Uid>,
    used: u64,
}

/// What a session can give now.
#[derive(Debug)]
pub(super) enum SessionLease {
    Ready(Box<HeldCredentials>),
    /// The caller fetches it.
    Fetch,
    /// Another resource fetches it; those that wait are requeued after that.
    Wait,
    /// Nothing before this time.
    Failed(CredentialsError, Timestamp),
}

impl StsSessions {
    /// The session for a life that is wanted now. It changes nothing but the resources that wait: a fetch
    /// begins with [`Self::begin`].
    pub(super) fn lease(
        &mut self,
        uid: &str,
        session: &Session,
        need: CredentialNeed,
        now: Timestamp,
    ) -> SessionLease {
        self.mark_used(session);
        let retry_at = self.retry_at.filter(|at| *at > now);
        let probing = self.failures > 0 && self.under_way > 0;
        let skew = self.skew;
        let Some(entry) = self.known.get_mut(session) else {
            return SessionLease::Wait;
        };
        let recently = entry
            .fetched_at
            .is_some_and(|at| between(at, now) < REFRESH_PAUSE);
        let blocked = entry.failure.as_ref().filter(|(_, until)| *until > now);
        if let Some(held) = &entry.held {
            // By the operator's clock, as every time that it is compared with.
            let end = held.credentials.expires_at;
            let end = end.map(|end| shifted(end, -skew));
            let left = end.map_or(Duration::MAX, |end| between(now, end));
            let length = held.session_length.unwrap_or(left);
            let gains = end.is_some_and(|end| need.gains(end, length, now));
            let may_fetch = blocked.is_none() && retry_at.is_none() && !probing && !entry.fetching;
            // The fetch of another resource is waited for only if there is nothing else.
            let serves = end.is_none_or(|end| need.outlives_living(end));
            let failing = blocked.is_some() || self.failures > 0;
            if left >= MIN_REMAINING && !(gains && !recently && may_fetch) && (serves || !failing) {
                return SessionLease::Ready(Box::new(held.clone()));
            }
        }
        if entry.fetching {
            entry.waiting.insert(uid.into());
            return SessionLease::Wait;
        }
        if let Some((failure, until)) = blocked {
            return SessionLease::Failed(failure.clone(), *until);
        }
        if let (Some(at), Some(failure)) = (retry_at, &self.down) {
            return SessionLease::Failed(failure.clone(), at);
        }
        if recently && entry.held.is_some() {
            let again = entry.fetched_at.map_or(now, |at| later(at, REFRESH_PAUSE));
            return SessionLease::Failed(self.down.clone().unwrap_or_else(expired), again);
        }
        if probing {
            self.waiting.insert(uid.into());
            return SessionLease::Wait;
        }
        SessionLease::Fetch
    }

    /// A fetch begins.
    pub(super) fn begin(&mut self, session: &Session, now: Timestamp) {
        self.mark_used(session);
        if let Some(entry) = self.known.get_mut(session) {
            entry.fetching = true;
            entry.fetched_at = Some(now);
            self.under_way += 1;
        }
    }

    /// Completes a fetch. Returns the resources that waited for it.
    pub(super) fn fetched(
        &mut self,
        session: &Session,
        result: Option<Result<HeldCredentials, CredentialsError>>,
        store: &str,
        now: Timestamp,
    ) -> BTreeSet<Uid> {
        let Some(entry) = self.known.get_mut(session).filter(|entry| entry.fetching) else {
            return BTreeSet::new();
        };
        entry.fetching = false;
        self.under_way = self.under_way.saturating_sub(1);
        let mut concerned = std::mem::take(&mut entry.waiting);
        concerned.append(&mut self.waiting);
        match result {
            // It was not tried.
            None => entry.fetched_at = None,
            Some(Ok(held)) => {
                entry.held = Some(held);
                entry.failure = None;
                entry.failures = 0;
                self.failures = 0;
                self.retry_at = None;
                self.down = None;
            }
            Some(Err(failure)) if failure.reason == Reason::CredentialsUnavailable => {
                self.failures = self.failures.saturating_add(1);
                self.failed_at = Some(now);
                self.retry_at = Some(later(now, backoff(self.failures, store)));
                self.down = Some(failure);
            }
            Some(Err(failure)) => {
                entry.failures = entry.failures.saturating_add(1);
                entry.failure = Some((failure, later(now, RECHECK)));
            }
        }
        concerned
    }

    /// The role is another one: all sessions are dropped. Returns the resources that waited.
    pub(super) fn clear(&mut self) -> BTreeSet<Uid> {
        let old = std::mem::take(self);
        let waited = old.known.into_values().flat_map(|entry| entry.waiting);
        waited.chain(old.waiting).collect()
    }

    /// Somebody requested a renewal: what failed is requested again soon.
    pub(super) fn hasten(&mut self) {
        if let (Some(failed), Some(again)) = (self.failed_at, self.retry_at) {
            self.retry_at = Some(again.min(later(failed, REQUEST_PAUSE)));
        }
        for entry in self.known.values_mut() {
            if let (Some(last), Some((_, until))) = (entry.fetched_at, &mut entry.failure) {
                *until = (*until).min(later(last, REQUEST_PAUSE));
            }
        }
    }

    /// The clock was stepped, or something changed: no pause goes on.
    pub(super) fn clear_pauses(&mut self) {
        self.retry_at = None;
        self.failures = 0;
        for entry in self.known.values_mut() {
            entry.failure = None;
            entry.fetched_at = None;
        }
    }

    fn mark_used(&mut self, session: &Session) {
        self.uses += 1;
        if let Some(entry) = self.known.get_mut(session) {
            self.by_use.remove(&entry.used);
            entry.used = self.uses;
        } else {
            if self.known.len() >= MAX_SESSIONS {
                self.drop_oldest();
            }
            let entry = Entry {
                used: self.uses,
                ..Entry::default()
            };
            self.known.insert(session.clone(), entry);
        }
        self.by_use.insert(self.uses, session.clone());
    }

    /// Drops the session that was used longest ago and is not being fetched.
    fn drop_oldest(&mut self) {
        let oldest = self
            .by_use
            .iter()
            .find(|(_, session)| self.known.get(*session).is_none_or(|entry| !entry.fetching))
            .map(|(used, _)| *used);
        if let Some(session) = oldest.and_then(|used| self.by_use.remove(&used)) {
            self.known.remove(&session);
        }
    }
}

#[cfg(test)]
mod tests {
    //! The cache, its bound and its pauses.

    use super::*;
    use crate::signing::Credentials;

    const NEED: CredentialNeed = CredentialNeed::of(Duration::from_hours(12));

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn session(name: &str) -> Session {
        Session {
            name: name.to_owned(),
            policy: Some(format!("policy of {name}")),
        }
    }

    fn held(ends: i64) -> HeldCredentials {
        HeldCredentials {
            credentials: Credentials {
                access_key_id: "ASIA".to_owned(),
                secret_access_key: "secret".into(),
                session_token: Some("token".into()),
                expires_at: Some(at(ends)),
            },
            hash: "role".to_owned(),
            secret: None,
            session_length: Some(Duration::from_hours(1)),
            skew: jiff::SignedDuration::ZERO,
        }
    }

    fn down() -> CredentialsError {
        CredentialsError {
            reason: Reason::CredentialsUnavailable,
            message: "nobody answers".to_owned(),
        }
    }

    #[test]
    fn one_fetch_serves_all_that_need_the_same() {
        let mut sessions = StsSessions::default();
        let one = session("one");
        assert!(matches!(
            sessions.lease("a", &one, NEED, at(0)),
            SessionLease::Fetch
        ));
        sessions.begin(&one, at(0));
        assert!(matches!(
            sessions.lease("b", &one, NEED, at(0)),
            SessionLease::Wait
        ));
        let waited = sessions.fetched(&one, Some(Ok(held(3600))), "s", at(1));
        assert_eq!(waited, BTreeSet::from(["b".into()]));
        assert!(matches!(
            sessions.lease("b", &one, NEED, at(1)),
            SessionLease::Ready(_)
        ));
        assert!(
            matches!(
                sessions.lease("b", &one, NEED, at(1700)),
                SessionLease::Fetch
            ),
            "a quarter is gained"
        );
    }

    #[test]
    fn one_session_that_is_refused_blocks_no_other() {
        let mut sessions = StsSessions::default();
        let (bad, good) = (session("bad"), session("good"));
        sessions.begin(&bad, at(0));
        let refused = CredentialsError {
            reason: Reason::SessionPolicyTooLarge,
            message: "too large".to_owned(),
        };
        sessions.fetched(&bad, Some(Err(refused)), "s", at(0));
        assert!(matches!(
            sessions.lease("a", &bad, NEED, at(1)),
            SessionLease::Failed(..)
        ));
        assert!(matches!(
            sessions.lease("b", &good, NEED, at(1)),
            SessionLease::Fetch
        ));
    }

    #[test]
    fn an_sts_that_is_down_gets_one_request_at_a_time_with_growing_pauses() {
        let mut sessions = StsSessions::default();
        let mut requests = 0;
        for second in 0..3600 {
            for who in 0..20 {
                let one = session(&format!("one-{who}"));
                if matches!(
                    sessions.lease("a", &one, NEED, at(second)),
                    SessionLease::Fetch
                ) {
                    requests += 1;
                    sessions.begin(&one, at(second));
                    sessions.fetched(&one, Some(Err(down())), "s", at(second));
                }
            }
        }
        assert!((10..30).contains(&requests), "{requests}");
    }

    #[test]
    fn the_last_session_is_used_while_the_sts_is_down() {
        let mut sessions = StsSessions::default();
        let one = session("one");
        sessions.begin(&one, at(0));
        sessions.fetched(&one, Some(Ok(held(3600))), "s", at(0));
        sessions.begin(&one, at(1700));
        sessions.fetched(&one, Some(Err(down())), "s", at(1700));
        assert!(matches!(
            sessions.lease("a", &one, NEED, at(1701)),
            SessionLease::Ready(_)
        ));
        assert!(matches!(
            sessions.lease("a", &one, NEED, at(3570)),
            SessionLease::Fetch
        ));
    }

    #[test]
    fn while_the_sts_is_down_a_url_is_not_signed_again_for_the_same_end() {
        let mut sessions = StsSessions::default();
        let one = session("one");
        sessions.begin(&one, at(0));
        sessions.fetched(&one, Some(Ok(held(3600))), "s", at(0));
        let outlive = CredentialNeed {
            living: Some(at(3600)),
            ..NEED
        };
        // Less than a quarter is over, and a new session would still give a later end.
        let early = sessions.lease("a", &one, outlive, at(800));
        assert!(matches!(early, SessionLease::Fetch));
        sessions.begin(&one, at(1200));
        sessions.fetched(&one, Some(Err(down())), "s", at(1200));
        for second in [1201, 1210, 1259] {
            let given = sessions.lease("a", &one, outlive, at(second));
            let SessionLease::Failed(failure, again) = given else {
                panic!("{given:?} after {second} s");
            };
            assert_eq!(failure.reason, Reason::CredentialsUnavailable);
            assert!(again > at(second));
        }
        let again = sessions.lease("a", &one, outlive, at(1261));
        assert!(matches!(again, SessionLease::Fetch));
        assert!(matches!(
            sessions.lease("new", &one, NEED, at(1201)),
            SessionLease::Ready(_)
        ));
    }

    #[test]
    fn the_cache_is_bounded_and_drops_the_oldest() {
        let mut sessions = StsSessions::default();
        let first = session("first");
        sessions.begin(&first, at(0));
        sessions.fetched(&first, Some(Ok(held(3600))), "s", at(0));
        for who in 0..MAX_SESSIONS {
            sessions.lease("a", &session(&format!("{who}")), NEED, at(1));
        }
        assert_eq!(sessions.known.len(), MAX_SESSIONS);
        assert_eq!(sessions.by_use.len(), MAX_SESSIONS);
        assert!(matches!(
            sessions.lease("a", &first, NEED, at(1)),
            SessionLease::Fetch
        ));
    }
}

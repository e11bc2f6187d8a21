//! The credentials that a store gives to a resource that is to be signed now.
//!
//! What holds here:
//! - nothing is signed with credentials whose Secret is gone;
//! - nothing is signed while a candidate may be about to replace what would sign it, nor by a clock that is
//!   known to be wrong, nor with what the store rejected;
//! - fresh credentials are fetched first if that gains a quarter of the life, or if those at hand would only
//!   give a URL that still works the same end again; once a minute at most;
//! - while none can be fetched, a URL that still works is not signed again for the same end: that would hide
//!   the problem and gain nothing.

use jiff::{SignedDuration, Timestamp};

use super::clock_skew::shifted;
use super::credentials::{CredentialNeed, HeldCredentials, MIN_REMAINING, expired};
use super::probe_verdict::ProbeVerdict;
use super::state::Store;
use super::sts_sessions::SessionLease;
use super::version::{Candidate, WATCH};
use crate::api::SessionScope;
use crate::engine::protocol::{CredentialSource, CredentialsError, Session};
use crate::time::{between, later};

/// What a store gives to a resource now.
#[derive(Debug)]
pub(in crate::engine) enum Lease {
    /// These credentials.
    Ready(Box<HeldCredentials>),
    /// Something comes first; the resource is requeued after it.
    Wait,
    /// The resource fetches its session from this source, as a slow step.
    Fetch(Box<CredentialSource>),
    /// Nothing, and why; of a session also when it may be fetched again.
    Failed(CredentialsError, Option<Timestamp>),
}

impl Store {
    /// The credentials for a life that is wanted now; requests fresh ones if that gains enough. `session` is
    /// what a role's session is narrowed to, if the store narrows sessions.
    pub(in crate::engine) fn lease(
        &mut self,
        uid: &str,
        need: CredentialNeed,
        session: Option<&Session>,
        now: Timestamp,
    ) -> Lease {
        if let Some(too_far_apart) = self.active.skew.too_far_apart() {
            return Lease::Failed(too_far_apart, None);
        }
        if self.stale {
            return Lease::Wait;
        }
        if let Some(missing) = self.missing_secret() {
            return Lease::Failed(missing.clone(), None);
        }
        if self.on_trial().any(Candidate::is_pending) {
            return Lease::Wait;
        }
        let obstacle = self.on_trial().find_map(Candidate::obstacle);
        if let (None, Some((reason, message))) = (&self.active.credentials, obstacle) {
            return Lease::Failed(CredentialsError { reason, message }, None);
        }
        if self.needs_measurement(now) {
            return Lease::Wait;
        }
        if let Some(ProbeVerdict::Rejected(reason, message)) = self.verdict() {
            let (reason, message) = (*reason, message.clone());
            return Lease::Failed(CredentialsError { reason, message }, None);
        }
        let narrowed = session.and_then(|session| {
            let config = self.active.config.as_ref().ok()?;
            (config.scope != SessionScope::Store).then(|| (session, config.source.clone()))
        });
        self.sessions.skew = self.offset();
        let lease = match narrowed {
            None => self.own_lease(need, now),
            Some((session, source)) => match self.sessions.lease(uid, session, need, now) {
                SessionLease::Ready(held) => Lease::Ready(held),
                SessionLease::Fetch => Lease::Fetch(Box::new(source)),
                SessionLease::Wait => Lease::Wait,
                SessionLease::Failed(failure, again) => Lease::Failed(failure, Some(again)),
            },
        };
        match lease {
            Lease::Ready(mut held) => {
                held.skew = self.offset();
                if !self.probing.clock_read {
                    // What is dated before the store's clock was read is dated anew if that clock differs.
                    self.dated_by = Some(held.skew);
                }
                Lease::Ready(held)
            }
            lease => lease,
        }
    }

    /// Whether the store's clock is to be read before anything is signed; a probe without an answer is
    /// enough.
    fn needs_measurement(&mut self, now: Timestamp) -> bool {
        // A store that nobody used for hours was not probed: what its clock showed then says nothing of now.
        let due = self.active.probe.at;
        if due.is_some_and(|due| later(due, WATCH) <= now) {
            self.probing.clock_read = false;
        }
        if self.probing.clock_read {
            return false;
        }
        if self.active.useful_credentials(now).is_some() {
            self.active.probe.at = Some(now);
            return true;
        }
        // A role's narrowed sessions sign without the store's own, and a probe needs the store's own.
        if self.may_fetch_to_probe(now) {
            self.active.fetch.want();
        }
        self.active.fetch.failure.is_none() && (self.active.fetch.wanted || self.fetching.is_some())
    }

    /// What is added to the operator's time for what the store checks.
    pub(in crate::engine) fn offset(&self) -> SignedDuration {
        self.active.skew.offset()
    }

    fn own_lease(&mut self, need: CredentialNeed, now: Timestamp) -> Lease {
        let Some(held) = &self.active.credentials else {
            return match &self.active.fetch.failure {
                Some(failure) if !self.active.fetch.wanted => Lease::Failed(failure.clone(), None),
                _ => Lease::Wait,
            };
        };
        let Some(end) = held.credentials.expires_at else {
            return Lease::Ready(Box::new(held.clone()));
        };
        // It ends by the store's clock; all else is compared with the operator's.
        let end = shifted(end, -self.offset());
        let left = between(now, end);
        let fresh = self.active.fetch.failure.is_none() && !self.active.fetch.recently(now);
        if left < MIN_REMAINING {
            if fresh {
                self.request_fetch();
            }
            return match (&self.active.fetch.failure, self.active.fetch.wanted) {
                (_, true) => Lease::Wait,
                (Some(failure), false) => Lease::Failed(failure.clone(), None),
                (None, false) => Lease::Failed(expired(), None),
            };
        }
        let length = held.session_length.unwrap_or(left);
        if fresh && need.gains(end, length, now) {
            self.request_fetch();
            return Lease::Wait;
        }
        if let Some(failure) = &self.active.fetch.failure
            && !need.outlives_living(end)
        {
            return Lease::Failed(failure.clone(), None);
        }
        Lease::Ready(Box::new(held.clone()))
    }
}

#[cfg(test)]
mod tests {
    //! Sessions of a role that narrows them.

    use std::time::Duration;

    use super::*;
    use crate::api::{
        AssumeRoleCredentials, AssumedRole, ClusterObjectStoreSpec, S3Store, StoreCredentials,
    };
    use crate::engine::protocol::{FetchedCredentials, StoreSeen};
    use crate::signing::Credentials;

    const NEED: CredentialNeed = CredentialNeed::of(Duration::from_hours(12));

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn store(role: &str, scope: SessionScope) -> StoreSeen {
        let assume_role = AssumeRoleCredentials {
            role: AssumedRole {
                role_arn: format!("arn:aws:iam::111122223333:role/{role}"),
                scope: Some(scope),
                ..AssumedRole::default()
            },
            ..AssumeRoleCredentials::default()
        };
        let s3 = S3Store {
            region: "eu-west-2".to_owned(),
            credentials: StoreCredentials {
                assume_role: Some(assume_role),
                ..StoreCredentials::default()
            },
            ..S3Store::default()
        };
        StoreSeen {
            name: "default".to_owned(),
            uid: "uid".to_owned(),
            resource_version: "1".to_owned(),
            generation: 1,
            spec: Ok(Box::new(ClusterObjectStoreSpec { s3 })),
            status: crate::api::ClusterObjectStoreStatus::default(),
        }
    }

    fn given(id: &str, ends: i64) -> FetchedCredentials {
        let credentials = Credentials {
            access_key_id: id.to_owned(),
            secret_access_key: "secret".into(),
            session_token: Some("token".into()),
            expires_at: Some(at(ends)),
        };
        credentials.into()
    }

    fn session() -> Session {
        Session {
            name: "team-a-dl".to_owned(),
            policy: Some("{}".to_owned()),
        }
    }

    /// A store that has its own session, of which nothing is on trial.
    fn ready(scope: SessionScope) -> Store {
        let mut store = Store::new(store("signer", scope), None);
        store.begin_fetch(at(0)).unwrap();
        assert!(store.complete_fetch(Ok(given("whole", 3600)), |_| false, at(0)));
        store.probing.clock_read = true;
        store
    }

    #[test]
    fn a_narrowed_session_is_fetched_by_who_needs_it_and_is_no_change_of_credentials() {
        let mut store = ready(SessionScope::Request);
        let Lease::Fetch(source) = store.lease("a", NEED, Some(&session()), at(1)) else {
            panic!("it is fetched first");
        };
        store.begin_session_fetch(&session(), at(1));
        let waits = store.lease("b", NEED, Some(&session()), at(1));
        assert!(matches!(waits, Lease::Wait));
        let result = Some(Ok(given("narrow", 3600)));
        let waited = store.complete_session_fetch(&session(), &source, result, at(2));
        assert!(waited.contains("b"));
        let Lease::Ready(held) = store.lease("a", NEED, Some(&session()), at(2)) else {
            panic!("it is at hand");
        };
        assert_eq!(held.credentials.access_key_id, "narrow");
        assert_eq!(held.hash, store.active.credentials.as_ref().unwrap().hash);
    }

    #[test]
    fn a_session_that_has_ended_by_the_stores_clock_is_fetched_anew() {
        for scope in [SessionScope::Store, SessionScope::Request] {
            let mut store = ready(scope);
            store.begin_session_fetch(&session(), at(1));
            let same = Store::new(super::tests::store("signer", scope), None);
            let source = same.active.config.unwrap().source;
            let result = Some(Ok(given("narrow", 3600)));
            store.complete_session_fetch(&session(), &source, result, at(2));
            store.active.skew.read_store(SignedDuration::from_secs(290));
            let need = CredentialNeed {
                life: Duration::from_mins(5),
                living: None,
            };
            let lease = store.lease("a", need, Some(&session()), at(3300));
            assert!(matches!(lease, Lease::Wait | Lease::Fetch(_)), "{lease:?}");
        }
    }

    #[test]
    fn a_store_that_does_not_narrow_signs_with_its_own_session() {
        let mut store = ready(SessionScope::Store);
        let Lease::Ready(held) = store.lease("a", NEED, Some(&session()), at(1)) else {
            panic!("it is at hand");
        };
        assert_eq!(held.credentials.access_key_id, "whole");
    }

    #[test]
    fn a_session_of_the_earlier_role_is_neither_taken_nor_waited_for() {
        let mut changed = ready(SessionScope::Request);
        let source = changed.active.config.clone().unwrap().source;
        changed.begin_session_fetch(&session(), at(1));
        let waits = changed.lease("b", NEED, Some(&session()), at(1));
        assert!(matches!(waits, Lease::Wait));
        let mut broken = store("signer", SessionScope::Request);
        broken.spec = Err("it cannot be read".to_owned());
        changed.update(broken, None, at(2));
        assert!(changed.waiting.contains("b"));
        changed.update(store("other", SessionScope::Request), None, at(3));
        changed.begin_fetch(at(3)).unwrap();
        changed.complete_fetch(Ok(given("whole", 3600)), |_| false, at(3));
        changed.probing.clock_read = true;
        let result = Some(Ok(given("narrow", 3600)));
        changed.complete_session_fetch(&session(), &source, result, at(4));
        let Lease::Fetch(fetched) = changed.lease("b", NEED, Some(&session()), at(4)) else {
            panic!("the new role's session is fetched");
        };
        assert_ne!(*fetched, source);
    }
}

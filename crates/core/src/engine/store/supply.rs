//! What a store can give to a resource that wants to sign now.
//!
//! What holds here: nothing is signed while a change may be about to replace what would sign it, nor by a clock that is
//! known to be wrong. Fresh credentials are fetched first where that gains a quarter of the life, or where those at hand would
//! only give what is alive the same end again; once a minute at most. While none can be had it is not signed again for that
//! end: that would hide the trouble and gain nothing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::session::Given;
use super::{HeldCredentials, Store, USELESS, ended, shifted};
use crate::api::SessionScope;
use crate::engine::protocol::CredentialsError;
use crate::engine::protocol::{CredentialSource, Session};
use crate::issue::refresh_gains;
use crate::time::between;

/// What a store can give to a resource now.
#[derive(Debug)]
pub(in crate::engine) enum Supply {
    /// These credentials.
    Ready(Box<HeldCredentials>),
    /// Something comes first; the resource is looked at again after it.
    Fetching,
    /// The resource fetches the session that it asked for from here, where there is room for a slow step.
    Fetch(Box<CredentialSource>),
    /// Nothing, and why; of a session also when it is asked again.
    Failed(CredentialsError, Option<Timestamp>),
}

/// What credentials are needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Need {
    /// The life that is wanted.
    pub(in crate::engine) life: Duration,
    /// The end of what is issued and alive, where the point is to outlive it.
    pub(in crate::engine) living: Option<Timestamp>,
}

impl Need {
    /// Something that has nothing to do with what is issued.
    pub(in crate::engine) const fn of(life: Duration) -> Self {
        Self { life, living: None }
    }

    /// Whether credentials that end then are of any use: what is alive is not signed again for the same end.
    pub(super) fn is_served_by(&self, end: Timestamp) -> bool {
        self.living
            .is_none_or(|living| between(living, end) >= USELESS)
    }

    /// Whether fresh credentials of this length are worth a fetch, where those at hand end then.
    pub(super) fn gains(&self, end: Timestamp, length: Duration, now: Timestamp) -> bool {
        let left = between(now, end);
        refresh_gains(self.life, left, length)
            || (!self.is_served_by(end) && length >= left.saturating_add(USELESS))
    }
}

impl Store {
    /// The credentials for a life that is wanted now; asks for fresh ones where that gains enough. `session` is what a
    /// role's session is narrowed to, where the store narrows them.
    pub(in crate::engine) fn supply(
        &mut self,
        uid: &str,
        need: Need,
        session: Option<&Session>,
        now: Timestamp,
    ) -> Supply {
        if let Some(stop) = self.clocks.stop() {
            return Supply::Failed(stop, None);
        }
        if self.stale {
            return Supply::Fetching;
        }
        if let Some(change) = &self.change {
            if change.is_pending() {
                return Supply::Fetching;
            }
            if let (None, Some((reason, message))) = (&self.held, change.obstacle()) {
                return Supply::Failed(CredentialsError { reason, message }, None);
            }
        }
        if self.dates_first(now) {
            return Supply::Fetching;
        }
        let narrowed = session.and_then(|session| {
            let form = self.compiled.as_ref().ok()?;
            (form.scope != SessionScope::Store).then(|| (session, form.source.clone()))
        });
        self.sessions.skew = self.correction();
        let supply = match narrowed {
            None => self.of_store(need, now),
            Some((session, source)) => match self.sessions.supply(uid, session, need, now) {
                Given::Ready(held) => Supply::Ready(held),
                Given::Fetch => Supply::Fetch(Box::new(source)),
                Given::Fetching => Supply::Fetching,
                Given::Failed(failure, again) => Supply::Failed(failure, Some(again)),
            },
        };
        match supply {
            Supply::Ready(mut held) => {
                held.skew = self.correction();
                Supply::Ready(held)
            }
            supply => supply,
        }
    }

    /// What is added to the operator's time for what the store checks.
    pub(in crate::engine) fn correction(&self) -> SignedDuration {
        self.clocks.correction()
    }

    fn of_store(&mut self, need: Need, now: Timestamp) -> Supply {
        let Some(held) = &self.held else {
            return match &self.fetch.failure {
                Some(failure) if !self.fetch.wanted => Supply::Failed(failure.clone(), None),
                _ => Supply::Fetching,
            };
        };
        let Some(end) = held.credentials.expires_at else {
            return Supply::Ready(Box::new(held.clone()));
        };
        // It ends by the store's clock; all else is held against the operator's.
        let end = shifted(end, -self.correction());
        let left = between(now, end);
        let fresh = self.fetch.failure.is_none() && !self.fetch.recently(now);
        if left < USELESS {
            if fresh {
                self.want();
            }
            return match (&self.fetch.failure, self.fetch.wanted) {
                (_, true) => Supply::Fetching,
                (Some(failure), false) => Supply::Failed(failure.clone(), None),
                (None, false) => Supply::Failed(ended(), None),
            };
        }
        let length = held.session_length.unwrap_or(left);
        if fresh && need.gains(end, length, now) {
            self.want();
            return Supply::Fetching;
        }
        if let Some(failure) = &self.fetch.failure
            && !need.is_served_by(end)
        {
            return Supply::Failed(failure.clone(), None);
        }
        Supply::Ready(Box::new(held.clone()))
    }
}

#[cfg(test)]
mod tests {
    //! Sessions of a role that narrows them.

    use super::*;
    use crate::api::{
        AssumeRoleCredentials, AssumedRole, ClusterObjectStoreSpec, S3Store, StoreCredentials,
    };
    use crate::engine::protocol::StoreSeen;
    use crate::signing::Credentials;

    const NEED: Need = Need::of(Duration::from_hours(12));

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

    fn given(id: &str, ends: i64) -> Credentials {
        Credentials {
            access_key_id: id.to_owned(),
            secret_access_key: "secret".into(),
            session_token: Some("token".into()),
            expires_at: Some(at(ends)),
        }
    }

    fn session() -> Session {
        Session {
            name: "team-a-dl".to_owned(),
            policy: Some("{}".to_owned()),
        }
    }

    /// A store that has its own session, of which nothing is on trial.
    fn ready(scope: SessionScope) -> Store {
        let mut store = Store::new(store("signer", scope));
        store.fetch_now(at(0)).unwrap();
        assert!(store.fetched(Ok(given("whole", 3600)), |_| false, at(0)));
        store.look.dated = true;
        store
    }

    #[test]
    fn a_narrowed_session_is_fetched_by_who_needs_it_and_is_no_change_of_credentials() {
        let mut store = ready(SessionScope::Request);
        let Supply::Fetch(source) = store.supply("a", NEED, Some(&session()), at(1)) else {
            panic!("it is fetched first");
        };
        store.session_begun(&session(), at(1));
        let waits = store.supply("b", NEED, Some(&session()), at(1));
        assert!(matches!(waits, Supply::Fetching));
        let result = Some(Ok(given("narrow", 3600)));
        let waited = store.session_fetched(&session(), &source, result, at(2));
        assert!(waited.contains("b"));
        let Supply::Ready(held) = store.supply("a", NEED, Some(&session()), at(2)) else {
            panic!("it is at hand");
        };
        assert_eq!(held.credentials.access_key_id, "narrow");
        assert_eq!(held.hash, store.held.as_ref().unwrap().hash);
    }

    #[test]
    fn a_session_that_has_ended_by_the_stores_clock_is_fetched_anew() {
        for scope in [SessionScope::Store, SessionScope::Request] {
            let mut store = ready(scope);
            store.session_begun(&session(), at(1));
            let form = Store::new(super::tests::store("signer", scope));
            let source = form.compiled.unwrap().source;
            let result = Some(Ok(given("narrow", 3600)));
            store.session_fetched(&session(), &source, result, at(2));
            store.clocks.read_store(SignedDuration::from_secs(290));
            let need = Need {
                life: Duration::from_mins(5),
                living: None,
            };
            let supply = store.supply("a", need, Some(&session()), at(3300));
            assert!(
                matches!(supply, Supply::Fetching | Supply::Fetch(_)),
                "{supply:?}"
            );
        }
    }

    #[test]
    fn a_store_that_does_not_narrow_signs_with_its_own_session() {
        let mut store = ready(SessionScope::Store);
        let Supply::Ready(held) = store.supply("a", NEED, Some(&session()), at(1)) else {
            panic!("it is at hand");
        };
        assert_eq!(held.credentials.access_key_id, "whole");
    }

    #[test]
    fn a_session_of_the_earlier_role_is_neither_taken_nor_waited_for() {
        let mut changed = ready(SessionScope::Request);
        let source = changed.compiled.clone().unwrap().source;
        changed.session_begun(&session(), at(1));
        let waits = changed.supply("b", NEED, Some(&session()), at(1));
        assert!(matches!(waits, Supply::Fetching));
        let mut broken = store("signer", SessionScope::Request);
        broken.spec = Err("it cannot be read".to_owned());
        changed.update(broken, at(2));
        assert!(changed.waiting.contains("b"));
        changed.update(store("other", SessionScope::Request), at(3));
        changed.fetch_now(at(3)).unwrap();
        changed.fetched(Ok(given("whole", 3600)), |_| false, at(3));
        let result = Some(Ok(given("narrow", 3600)));
        changed.session_fetched(&session(), &source, result, at(4));
        let Supply::Fetch(asked) = changed.supply("b", NEED, Some(&session()), at(4)) else {
            panic!("the new role is asked");
        };
        assert_ne!(*asked, source);
    }
}

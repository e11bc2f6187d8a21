//! What a store can give to a resource that wants to sign now.
//!
//! What holds here: nothing is signed while a change may be about to replace what would sign it, nor by a clock that is
//! known to be wrong. Fresh credentials are fetched first where that gains a quarter of the life, once a minute at most.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::failure::CredentialsFailure;
use super::super::step::{CredentialSource, Session};
use super::super::time::between;
use super::session::Given;
use super::{Held, Store, USELESS, ended};
use crate::api::SessionScope;
use crate::issue::refresh_gains;

/// What a store can give to a resource now.
#[derive(Debug)]
pub(in crate::engine) enum Supply {
    /// These credentials.
    Ready(Box<Held>),
    /// Something comes first; the resource is looked at again after it.
    Fetching,
    /// The resource fetches the session that it asked for from here, where there is room for a slow step.
    Fetch(Box<CredentialSource>),
    /// Nothing, and why; of a session also when it is asked again.
    Failed(CredentialsFailure, Option<Timestamp>),
}

impl Store {
    /// The credentials for a life that is wanted now; asks for fresh ones where that gains enough. `session` is what a
    /// role's session is narrowed to, where the store narrows them.
    pub(in crate::engine) fn supply(
        &mut self,
        uid: &str,
        life: Duration,
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
                return Supply::Failed(CredentialsFailure { reason, message }, None);
            }
        }
        let narrowed = session.and_then(|session| {
            let form = self.compiled.as_ref().ok()?;
            (form.scope != SessionScope::Store).then(|| (session, form.source.clone()))
        });
        let supply = match narrowed {
            None => self.of_store(life, now),
            Some((session, source)) => match self.sessions.supply(uid, session, life, now) {
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

    fn of_store(&mut self, life: Duration, now: Timestamp) -> Supply {
        let Some(held) = &self.held else {
            return match &self.fetch.failure {
                Some(failure) if !self.fetch.wanted => Supply::Failed(failure.clone(), None),
                _ => Supply::Fetching,
            };
        };
        let Some(end) = held.credentials.expires_at else {
            return Supply::Ready(Box::new(held.clone()));
        };
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
        if fresh && refresh_gains(life, left, length) {
            self.want();
            return Supply::Fetching;
        }
        Supply::Ready(Box::new(held.clone()))
    }
}

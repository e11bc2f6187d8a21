//! The results of listings and tries, and when what was issued is tried.
//!
//! What holds here: a try comes after the status that tells of the issue, so that a slow store delays nobody; what did not
//! work is tried again with growing pauses, what worked is not tried again until it changes.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::ask::{Asked, ListFailure, Listing};
use super::judge::{Judged, judge};
use super::memory::{Issued, Trouble};
use super::obtain::{identity, try_issued};
use super::outcome::RECOUNT;
use super::plan::{RECHECK, SecretPlan, Wake};
use super::proof;
use super::status::{condition, is_current};
use super::step::Work;
use super::time::later;
use super::verdict::{Listable, list_trouble};
use super::{Doing, Engine, Next, Observation, listing};
use crate::api::{ConditionStatus, ConditionType, Reason, Verify};
use crate::issue::backoff;
use crate::policy::{Key, Objects};

/// The longest pause between two tries of what did not work.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

impl Engine {
    /// What was listed was judged by rules that may have changed.
    pub(super) fn list_anew(&mut self, concerned: &[Work]) {
        for work in concerned {
            if let Work::Resource(uid) = work
                && let Some(record) = self.index.resources.get_mut(uid)
                && let Some(memory) = record.memory.any()
            {
                memory.listing = None;
                memory.listed_at = None;
            }
        }
    }

    /// A listing came in, or did not.
    pub(super) fn listed(
        &mut self,
        uid: &str,
        made_for: &str,
        result: Result<Listing, ListFailure>,
        now: Timestamp,
    ) {
        let Some(record) = self.index.resources.get(uid) else {
            return;
        };
        let judged = judge(&self.index, &self.settings, &self.reserved, record);
        // What is no longer allowed needs no listing; the plan that follows says so.
        let Judged::Allowed(allowed) = judged else {
            return;
        };
        let Objects::List(list) = &allowed.granted.request.objects else {
            return;
        };
        if identity(&allowed) != made_for {
            return;
        }
        let namespace = self.index.namespace_of(&record.seen.namespace);
        let skew = result.as_ref().map_or_else(refused_by, |found| found.skew);
        let store = allowed.store.clone();
        let found = match result {
            Ok(found) => {
                let policies = &self.index.policy_set;
                listing::judge(policies, &namespace, &allowed, list, found, now)
            }
            Err(failure) => {
                let listable = Listable {
                    target: &allowed.ask_target,
                    bucket: &allowed.granted.request.bucket,
                    prefix: &list.prefix,
                    most: listing::most(list, &allowed.granted.grant),
                };
                Err(list_trouble(&failure, &listable))
            }
        };
        self.heard(&store, skew, now);
        match found {
            Ok(found) => {
                if let Some(record) = self.index.resources.get_mut(uid) {
                    record.memory.listing = Some(Arc::new(found));
                }
            }
            Err(trouble) => self.stumbled(uid, trouble, now),
        }
    }

    /// Objects were tried.
    pub(super) fn tried(
        &mut self,
        uid: &str,
        sample: &[Key],
        answers: &[Asked],
        (hash, first): (&str, bool),
        now: Timestamp,
    ) {
        let Some(record) = self.index.resources.get(uid) else {
            return;
        };
        let judged = judge(&self.index, &self.settings, &self.reserved, record);
        let Judged::Allowed(allowed) = judged else {
            return;
        };
        let mut skews = answers.iter().flatten().filter_map(|answer| answer.skew);
        self.heard(&allowed.store, skews.next_back(), now);
        let Some(proof) = proof::proof(&allowed, sample, answers, hash.to_owned(), now) else {
            return;
        };
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        let memory = &mut record.memory;
        if proof.is_good() {
            memory.tries = 0;
            memory.try_at = None;
        } else {
            memory.tries = memory.tries.saturating_add(1);
            // Half a minute, doubling up to an hour.
            let pause = backoff(1, uid).saturating_mul(6 << memory.tries.min(8));
            memory.try_at = Some(later(now, pause.min(LONGEST_PAUSE)));
        }
        let trouble = (first && !proof.is_good()).then(|| proof.trouble());
        memory.proof = Some(Box::new(proof));
        if let Some(trouble) = trouble {
            self.stumbled(uid, trouble, now);
        }
    }

    /// A store answered a resource, and its clock may have been read.
    fn heard(&mut self, store: &str, skew: Option<SignedDuration>, now: Timestamp) {
        if let (Some(skew), Some(known)) = (skew, self.index.stores.get_mut(store)) {
            known.heard(skew, now);
            let work = Work::Store(store.to_owned());
            self.queue.by(&work, later(now, RECOUNT));
        }
    }

    /// Something outside did not do what it should: it is tried again, and what lives lives on.
    fn stumbled(&mut self, uid: &str, trouble: Trouble, now: Timestamp) {
        self.observations.push(Observation::Failed(trouble.reason));
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        let memory = &mut record.memory;
        memory.failures = memory.failures.saturating_add(1);
        memory.last_failure = Some(now);
        let pause = if trouble.stalled {
            RECHECK
        } else {
            backoff(memory.failures, uid)
        };
        memory.retry_at = Some(later(now, pause));
        memory.trouble = Some(trouble);
    }

    /// The step that tries what is issued, if that is due.
    pub(super) fn try_it(
        &mut self,
        uid: &str,
        judged: &Judged,
        issued: Option<&Issued>,
        now: Timestamp,
        wake: &mut Wake,
    ) -> Option<Next> {
        let (Judged::Allowed(allowed), Some(issued)) = (judged, issued) else {
            return None;
        };
        let record = self.index.resources.get(uid)?;
        if allowed.granted.wishes.verify == Verify::Never
            || !is_current(record, judged, issued, now)
        {
            return None;
        }
        let hash = proof::hash_of(&issued.hashes);
        let status = &record.seen.status;
        let told = status.hashes.as_ref().and_then(|h| h.verified.as_ref()) == Some(&hash);
        if told {
            let verified = condition(status, ConditionType::Verified)?;
            let good = verified.status == ConditionStatus::True
                || verified.reason == Reason::NotTried.as_str();
            if good {
                // The status remembers it from now on.
                let memory = self.index.resources.get_mut(uid)?.memory.any()?;
                memory.proof = None;
                return None;
            }
            let due = record.memory.try_at.unwrap_or(now);
            if due > now {
                wake.at(due);
                return None;
            }
        }
        match try_issued(&mut self.index, uid, allowed, issued, now, wake) {
            SecretPlan::Step(step, purpose) => {
                Some(Next::Step(step, Doing::Secret(purpose, String::new())))
            }
            SecretPlan::Waiting => {
                self.needs_its_store(uid);
                Some(Next::Idle(wake.0))
            }
            SecretPlan::InLine | SecretPlan::Settled => None,
        }
    }
}

/// What the store's clock showed as it refused a listing.
const fn refused_by(failure: &ListFailure) -> Option<SignedDuration> {
    match failure {
        ListFailure::Refused(answer) => answer.skew,
        ListFailure::TooMany
        | ListFailure::TooLong
        | ListFailure::Unreached(_)
        | ListFailure::Malformed => None,
    }
}

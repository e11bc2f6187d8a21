//! The results of listings and tries, and when what was issued is tried.
//!
//! What holds here: a try comes after the status that tells of the issue, so that a slow store delays nobody; what did not
//! work is tried again with growing pauses, what worked is not tried again until it changes.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::listing;
use crate::api::Problem;
use crate::api::{ConditionStatus, ConditionType, Reason, Verify};
use crate::engine::evaluate::evaluation::{Evaluation, evaluate};
use crate::engine::evaluate::reissue::{Action, RECHECK};
use crate::engine::evaluate::sampling;
use crate::engine::protocol::ObjectKey;
use crate::engine::protocol::{ListError, ListResponse, S3Result};
use crate::engine::reconcile::outcome::RECOUNT;
use crate::engine::reconcile::presigned_url::prerequisites::{identity, try_issued};
use crate::engine::reconcile::presigned_url::status::{condition, is_current};
use crate::engine::s3::diagnosis::{Listable, list_trouble};
use crate::engine::scheduler::wake::RequeueAt;
use crate::engine::{Engine, InFlight, Next, Observation};
use crate::issue::backoff;
use crate::issue::issued::Issued;
use crate::policy::{Key, Objects};
use crate::time::later;

/// The longest pause between two tries of what did not work.
const MAX_PAUSE: Duration = Duration::from_hours(1);

impl Engine {
    /// What was listed was judged by rules that may have changed.
    pub(in crate::engine) fn list_anew(&mut self, concerned: &[ObjectKey]) {
        for work in concerned {
            if let ObjectKey::Resource(uid) = work
                && let Some(record) = self.index.resources.get_mut(uid)
                && let Some(state) = record.state.any()
            {
                state.listing = None;
                state.listed_at = None;
            }
        }
    }

    /// A listing came in, or did not.
    pub(in crate::engine) fn listed(
        &mut self,
        uid: &str,
        made_for: &str,
        result: Result<ListResponse, ListError>,
        now: Timestamp,
    ) {
        let Some(record) = self.index.resources.get(uid) else {
            return;
        };
        let evaluation = evaluate(&self.index, &self.settings, &self.reserved, record);
        // What is no longer allowed needs no listing; the plan that follows says so.
        let Evaluation::Allowed(inputs) = evaluation else {
            return;
        };
        let Objects::List(list) = &inputs.authorized.request.objects else {
            return;
        };
        if identity(&inputs) != made_for {
            return;
        }
        let namespace = self.index.namespace_of(&record.seen.namespace);
        let skew = result.as_ref().map_or_else(refused_by, |found| found.skew);
        let store = inputs.store.clone();
        let found = match result {
            Ok(found) => {
                let policies = &self.index.policy_set;
                listing::evaluate(policies, &namespace, &inputs, list, found, now)
            }
            Err(failure) => {
                let listable = Listable {
                    target: &inputs.ask_target,
                    bucket: &inputs.authorized.request.bucket,
                    prefix: &list.prefix,
                    most: listing::most(list, &inputs.authorized.grant),
                };
                Err(list_trouble(&failure, &listable))
            }
        };
        self.heard(&store, skew, now);
        match found {
            Ok(found) => {
                if let Some(record) = self.index.resources.get_mut(uid) {
                    record.state.listing = Some(Arc::new(found));
                }
            }
            Err(problem) => self.stumbled(uid, problem, now),
        }
    }

    /// Objects were tried.
    pub(in crate::engine) fn tried(
        &mut self,
        uid: &str,
        sample: &[Key],
        answers: &[S3Result],
        (hash, first): (&str, bool),
        now: Timestamp,
    ) {
        let Some(record) = self.index.resources.get(uid) else {
            return;
        };
        let evaluation = evaluate(&self.index, &self.settings, &self.reserved, record);
        let Evaluation::Allowed(inputs) = evaluation else {
            return;
        };
        let mut skews = answers.iter().flatten().filter_map(|answer| answer.skew);
        self.heard(&inputs.store, skews.next_back(), now);
        let Some(verification) =
            sampling::verification(&inputs, sample, answers, hash.to_owned(), now)
        else {
            return;
        };
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        let state = &mut record.state;
        if verification.is_good() {
            state.tries = 0;
            state.verify_at = None;
        } else {
            state.tries = state.tries.saturating_add(1);
            // Half a minute, doubling up to an hour.
            let pause = backoff(1, uid).saturating_mul(6 << state.tries.min(8));
            state.verify_at = Some(later(now, pause.min(MAX_PAUSE)));
        }
        let problem = (first && !verification.is_good()).then(|| verification.problem());
        state.verification = Some(Box::new(verification));
        if let Some(problem) = problem {
            self.stumbled(uid, problem, now);
        }
    }

    /// A store answered a resource, and its clock may have been read.
    fn heard(&mut self, store: &str, skew: Option<SignedDuration>, now: Timestamp) {
        if let (Some(skew), Some(known)) = (skew, self.index.stores.get_mut(store)) {
            known.heard(skew, now);
            let work = ObjectKey::Store(store.to_owned());
            self.queue.by(&work, later(now, RECOUNT));
        }
    }

    /// Something outside did not do what it should: it is tried again, and what lives lives on.
    fn stumbled(&mut self, uid: &str, problem: Problem, now: Timestamp) {
        self.observations.push(Observation::Failed(problem.reason));
        let Some(record) = self.index.resources.get_mut(uid) else {
            return;
        };
        let state = &mut record.state;
        state.failures = state.failures.saturating_add(1);
        state.last_failure = Some(now);
        let pause = if problem.needs_human {
            RECHECK
        } else {
            backoff(state.failures, uid)
        };
        state.retry_at = Some(later(now, pause));
        state.problem = Some(problem);
    }

    /// The step that tries what is issued, if that is due.
    pub(in crate::engine) fn try_it(
        &mut self,
        uid: &str,
        evaluation: &Evaluation,
        issued: Option<&Issued>,
        now: Timestamp,
        requeue: &mut RequeueAt,
    ) -> Option<Next> {
        let (Evaluation::Allowed(inputs), Some(issued)) = (evaluation, issued) else {
            return None;
        };
        let record = self.index.resources.get(uid)?;
        if inputs.authorized.wishes.verify == Verify::Never
            || !is_current(record, evaluation, issued, now)
        {
            return None;
        }
        let hash = sampling::hash_of(&issued.hashes);
        let status = &record.seen.status;
        let recorded = status.hashes.as_ref().and_then(|h| h.verified.as_ref()) == Some(&hash);
        if recorded {
            let verified = condition(status, ConditionType::Verified)?;
            let good = verified.status == ConditionStatus::True
                || verified.reason == Reason::NotTried.as_str();
            if good {
                // The status remembers it from now on.
                let state = self.index.resources.get_mut(uid)?.state.any()?;
                state.verification = None;
                return None;
            }
            let due = record.state.verify_at.unwrap_or(now);
            if due > now {
                requeue.at(due);
                return None;
            }
        }
        match try_issued(&mut self.index, uid, inputs, issued, now, requeue) {
            Action::Step(step, purpose) => {
                Some(Next::Step(step, InFlight::Secret(purpose, String::new())))
            }
            Action::Waiting => {
                self.needs_its_store(uid);
                Some(Next::Idle(requeue.0))
            }
            Action::WaitForSlot | Action::Settled => None,
        }
    }
}

/// What the store's clock showed as it refused a listing.
const fn refused_by(failure: &ListError) -> Option<SignedDuration> {
    match failure {
        ListError::Refused(answer) => answer.skew,
        ListError::TooMany
        | ListError::TooLong
        | ListError::TransportError(_)
        | ListError::Malformed => None,
    }
}

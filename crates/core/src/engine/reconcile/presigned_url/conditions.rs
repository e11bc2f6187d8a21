//! The conditions of a PresignedURL.
//!
//! What holds here:
//! - `Ready` is True only if the Secret holds what is allowed now, and has not expired.
//! - A condition is drafted from facts. Its transition time lives on in the condition that it replaces.

use jiff::Timestamp;

use crate::api::{
    Condition, ConditionStatus, ConditionType, Problem, Reason, Verify, condition, set_condition,
};
use crate::engine::cache::index::{Index, Record};
use crate::engine::evaluate::evaluation::Evaluation;
use crate::engine::evaluate::reissue::{is_current, may_issue};
use crate::engine::evaluate::sampling::hash_of;
use crate::engine::protocol::Settings;
use crate::engine::reconcile::presigned_url::status_messages::{
    EDITED, allowed_by, denied, expired_message, holds, renewal_refused, renewed, undeleted,
};
use crate::engine::s3::ObjectVerdict;
use crate::issue::issued::Issued;

/// What the conditions are drafted from.
pub(super) struct Facts<'a> {
    pub(super) index: &'a Index,
    pub(super) record: &'a Record,
    pub(super) evaluation: &'a Evaluation,
    pub(super) issued: Option<&'a Issued>,
    /// When what is issued is renewed.
    pub(super) renewal: Option<Timestamp>,
    pub(super) settings: &'a Settings,
    pub(super) now: Timestamp,
}

/// A condition without its times.
pub(super) struct ConditionDraft {
    status: ConditionStatus,
    reason: Reason,
    message: String,
}

/// What `Verified` speaks of.
pub(super) struct Verified<'a> {
    /// The hash of what is issued, if that was tried. What kept something from being issued has none.
    pub(super) hash: Option<String>,
    /// What came of it; `None` if the status says it already.
    verdict: Option<&'a ObjectVerdict>,
}

impl ConditionDraft {
    pub(super) fn new(status: impl Into<ConditionStatus>, reason: Reason, message: String) -> Self {
        Self {
            status: status.into(),
            reason,
            message,
        }
    }
}

/// The conditions in their order.
pub(super) fn desired(facts: &Facts<'_>, verified: Option<&Verified<'_>>) -> Vec<Condition> {
    let old = &facts.record.seen.status.conditions;
    let generation = Some(facts.record.seen.generation);
    let drafts = match facts.evaluation.expired_at(facts.record, facts.now) {
        Some(end) => after_the_end(facts, end),
        None => before_the_end(facts),
    };
    let [ready, allowed, renewed, stalled] = drafts;
    // Nearly all resources have all five, and they are kept.
    let mut conditions = Vec::with_capacity(5);
    for (type_, draft) in [
        (ConditionType::Ready, ready),
        (ConditionType::Allowed, allowed),
        (ConditionType::Renewed, renewed),
        (ConditionType::Verified, verification(facts, verified)),
        (ConditionType::Stalled, stalled),
    ] {
        let Some(draft) = draft else { continue };
        // Transition times live on in the old conditions; the order is made anew.
        conditions.extend(condition(old, type_).cloned());
        set_condition(
            &mut conditions,
            type_,
            draft.status,
            (draft.reason, draft.message),
            generation,
            facts.now,
        );
    }
    conditions
}

/// A one-shot resource ends as it was asked to: nothing is wrong, whatever else could be said.
fn after_the_end(facts: &Facts<'_>, end: Timestamp) -> [Option<ConditionDraft>; 4] {
    let message = expired_message(facts.record, end);
    let problem = undeleted(facts.record);
    [
        Some(ConditionDraft::new(false, Reason::Expired, message)),
        Some(allowed(facts.evaluation)),
        renewal_refused(facts.record),
        Some(stalled(problem.as_ref())),
    ]
}

fn before_the_end(facts: &Facts<'_>) -> [Option<ConditionDraft>; 4] {
    let authorized = facts.evaluation.authorized();
    let one_shot = authorized.and_then(|authorized| authorized.one_shot.as_ref());
    let obstacle = obstacle(facts, one_shot.is_some_and(|one_shot| one_shot.edited));
    let renewed = facts.issued.and_then(|_| match &obstacle {
        _ if one_shot.is_some() => renewed(facts.record),
        Some(problem) => Some(ConditionDraft::new(
            false,
            problem.reason,
            problem.message.clone(),
        )),
        None => Some(ConditionDraft::new(
            true,
            Reason::UpToDate,
            "renewals work, or none was due yet".to_owned(),
        )),
    });
    let stalled = stalled(obstacle.as_ref().filter(|problem| problem.needs_human));
    [
        Some(ready(facts, obstacle)),
        Some(allowed(facts.evaluation)),
        renewed,
        Some(stalled),
    ]
}

/// What the policies decided.
fn allowed(evaluation: &Evaluation) -> ConditionDraft {
    let by = |policies: &[String]| ConditionDraft::new(true, Reason::Allowed, allowed_by(policies));
    let unknown =
        |reason, why: &String| ConditionDraft::new(ConditionStatus::Unknown, reason, why.clone());
    match evaluation {
        Evaluation::Invalid(why) => unknown(Reason::InvalidSpec, why),
        Evaluation::Undetermined(why) => unknown(Reason::PolicyUnknown, why),
        Evaluation::Denied(why) => ConditionDraft::new(false, Reason::PolicyDenied, why.clone()),
        Evaluation::StoreUnusable { authorized, .. } => by(&authorized.grant.policies),
        Evaluation::Allowed(inputs) => by(&inputs.authorized.grant.policies),
    }
}

/// What stands in the way of an issue, if anything does.
fn obstacle(facts: &Facts<'_>, edited: bool) -> Option<Problem> {
    let needs_human = |reason, message: &str| {
        Some(Problem {
            reason,
            message: message.to_owned(),
            needs_human: true,
        })
    };
    match facts.evaluation {
        Evaluation::Invalid(why) => needs_human(Reason::InvalidSpec, why),
        Evaluation::Denied(why) => needs_human(Reason::PolicyDenied, why),
        Evaluation::Undetermined(why) => Some(Problem {
            reason: Reason::PolicyUnknown,
            message: why.clone(),
            // A namespace that was not seen yet is on its way.
            needs_human: facts
                .index
                .namespace_of(&facts.record.seen.namespace)
                .is_some(),
        }),
        Evaluation::StoreUnusable {
            reason, message, ..
        } => needs_human(*reason, message),
        Evaluation::Allowed(_) if edited => needs_human(Reason::InvalidSpec, EDITED),
        Evaluation::Allowed(_) if facts.record.suspended() => Some(Problem {
            reason: Reason::Suspended,
            message: "the resource is suspended: set spec.suspend to false to go on".to_owned(),
            needs_human: false,
        }),
        Evaluation::Allowed(_) => facts.record.state.issue.problem.clone(),
    }
}

fn ready(facts: &Facts<'_>, obstacle: Option<Problem>) -> ConditionDraft {
    let &Facts {
        index,
        record,
        evaluation,
        issued,
        settings,
        now,
        ..
    } = facts;
    let current = issued.filter(|issued| is_current(index, record, evaluation, issued, now));
    if let Some(issued) = current {
        let message = holds(record, issued, facts.renewal);
        return ConditionDraft::new(true, Reason::Issued, message);
    }
    let expired = issued.is_some_and(|issued| !issued.alive(now));
    let (reason, message) = match obstacle {
        Some(problem) if problem.reason == Reason::PolicyDenied => (
            problem.reason,
            denied(problem.message, record, issued, settings, now),
        ),
        Some(problem)
            if expired
                && problem.reason != Reason::InvalidSpec
                && problem.reason != Reason::Suspended =>
        {
            let why = problem.message;
            let message = format!("the URL has expired and could not be renewed: {why}");
            (Reason::Expired, message)
        }
        Some(problem) => (problem.reason, problem.message),
        None if expired => (
            Reason::Expired,
            "the URL has expired; a new one is being issued".to_owned(),
        ),
        None => (Reason::Progressing, "a new URL is being issued".to_owned()),
    };
    ConditionDraft::new(false, reason, message)
}

fn stalled(problem: Option<&Problem>) -> ConditionDraft {
    match problem {
        Some(problem) => ConditionDraft::new(true, problem.reason, problem.message.clone()),
        None => ConditionDraft::new(false, Reason::NotStalled, "no action needed".to_owned()),
    }
}

fn verification(facts: &Facts<'_>, verified: Option<&Verified<'_>>) -> Option<ConditionDraft> {
    if let Some(verdict) = verified?.verdict {
        let message = verdict.message.clone();
        return Some(ConditionDraft::new(verdict.status, verdict.reason, message));
    }
    // What the status says of it stands.
    let old = &facts.record.seen.status.conditions;
    let recorded = condition(old, ConditionType::Verified)?;
    let reason = Reason::ALL
        .iter()
        .find(|reason| reason.as_str() == recorded.reason)?;
    let message = recorded.message.clone();
    Some(ConditionDraft::new(recorded.status, *reason, message))
}

/// What `Verified` speaks of; `None` if there is nothing to say.
pub(super) fn verified<'a>(facts: &Facts<'a>) -> Option<Verified<'a>> {
    let record = facts.record;
    let spec = record.seen.spec.as_ref().ok()?;
    if spec.verify == Some(Verify::Never) {
        return None;
    }
    let outcome = record.state.verification.outcome.as_ref();
    let Some(issued) = facts.issued else {
        // If nothing may be issued either, there is nothing that it could speak of.
        may_issue(record, facts.evaluation, facts.now)?;
        // Only what did not work can have kept something back.
        let old = &record.seen.status.conditions;
        let recorded = condition(old, ConditionType::Verified).is_some_and(|recorded| {
            recorded.observed_generation == Some(record.seen.generation)
                && recorded.status != ConditionStatus::True
        });
        let verdict = outcome.map(|outcome| &outcome.verdict);
        return (recorded || verdict.is_some()).then_some(Verified {
            hash: None,
            verdict,
        });
    };
    let hash = hash_of(&issued.hashes);
    let outcome = outcome.filter(|outcome| outcome.hash == hash);
    let recorded = record.seen.status.hashes.as_ref();
    let is_recorded = recorded.and_then(|hashes| hashes.verified.as_ref()) == Some(&hash);
    (outcome.is_some() || is_recorded).then_some(Verified {
        hash: Some(hash),
        verdict: outcome.map(|outcome| &outcome.verdict),
    })
}

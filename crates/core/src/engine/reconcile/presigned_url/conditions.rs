//! The conditions of a PresignedURL.
//!
//! What holds here:
//! - `Ready` is True only if the Secret is current, its URLs have not expired, and the store is not known to
//!   reject their signature.
//! - A condition is drafted from facts. It keeps its transition time while its status stays.
//! - `Ready` says what is wrong, once. The others are short, and say what `Ready` does not: the store's
//!   answer, or why renewals fail while the Secret is current. `Stalled` is there only while it is True.

use jiff::Timestamp;

use crate::api::{
    Condition, ConditionStatus, ConditionType, Method, Problem, Reason, Verify, condition,
    next_condition,
};
use crate::engine::cache::index::Index;
use crate::engine::cache::record::Record;
use crate::engine::evaluate::evaluation::Evaluation;
use crate::engine::evaluate::one_shot::{FixedLife, is_one_shot};
use crate::engine::evaluate::reissue::{heals_at, is_current, may_issue};
use crate::engine::evaluate::sampling::hash_of;
use crate::engine::protocol::{Settings, classify};
use crate::engine::reconcile::presigned_url::rejection::{Answer, rejection};
use crate::engine::reconcile::presigned_url::status_messages::{
    DENIED, EDITED, NEVER_RENEWED, NOT_DECIDED, SEE_READY, SOMEBODY_MUST_ACT, STALLED,
    STALLED_RENEWAL, allowed_message, denied_message, expired_message, healing_message,
    issued_message, renewal_message,
};
use crate::engine::s3::ObjectVerdict;
use crate::issue::issued::Issued;

/// The facts from which conditions are drafted.
pub(super) struct Facts<'a> {
    pub(super) index: &'a Index,
    pub(super) record: &'a Record,
    pub(super) evaluation: &'a Evaluation,
    pub(super) issued: Option<&'a Issued>,
    /// When the URLs are renewed.
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

/// The verification that the condition `Verified` reports.
pub(super) struct Verified<'a> {
    /// The hash of the issued content; `None` if the verification blocks the issue.
    pub(super) hash: Option<String>,
    /// The result; `None` if the status records it already.
    verdict: Option<&'a ObjectVerdict>,
}

impl ConditionDraft {
    fn new(status: impl Into<ConditionStatus>, reason: Reason, message: String) -> Self {
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
    let verification = verification(facts, verified);
    // Without a hash it speaks of something that was not issued.
    let answer = verification
        .as_ref()
        .filter(|_| verified.is_some_and(|verified| verified.hash.is_some()));
    let answer = answer.map(|draft| Answer {
        status: draft.status,
        reason: draft.reason,
        message: &draft.message,
    });
    let drafts = match facts.evaluation.expired_at(facts.record, facts.now) {
        Some(expired_at) => after_expiry(facts, expired_at),
        None => before_expiry(facts, answer),
    };
    let [ready, allowed, renewed, stalled] = drafts;
    // Nearly all resources have all five.
    let mut conditions = Vec::with_capacity(5);
    for (type_, draft) in [
        (ConditionType::Ready, ready),
        (ConditionType::Allowed, allowed),
        (ConditionType::Renewed, renewed),
        (ConditionType::Verified, verification),
        (ConditionType::Stalled, stalled),
    ] {
        let Some(draft) = draft else { continue };
        conditions.push(next_condition(
            old,
            type_,
            draft.status,
            (draft.reason, draft.message),
            generation,
            facts.now,
        ));
    }
    conditions
}

/// The conditions of a one-shot resource that has expired as it was meant to: an earlier problem no longer
/// matters.
fn after_expiry(facts: &Facts<'_>, expired_at: Timestamp) -> [Option<ConditionDraft>; 4] {
    let message = expired_message(facts.record, expired_at);
    // Ready speaks of the end: this is the one condition that tells of the problem.
    let problem = undeleted(facts.record);
    [
        Some(ConditionDraft::new(false, Reason::Expired, message)),
        Some(allowed(facts.evaluation)),
        renewal_refused(facts.record),
        problem.map(|problem| ConditionDraft::new(true, problem.reason, problem.message)),
    ]
}

/// The conditions of a resource that is renewed, or has not expired.
fn before_expiry(facts: &Facts<'_>, answer: Option<Answer<'_>>) -> [Option<ConditionDraft>; 4] {
    let authorized = facts.evaluation.authorized();
    let one_shot = authorized.and_then(|authorized| authorized.one_shot.as_ref());
    let problem = blocking_problem(facts, one_shot.is_some_and(|one_shot| one_shot.edited));
    // While the Secret is current, Ready speaks of it, and Renewed says why it will not be renewed.
    let current = current(facts);
    let is_current = current.is_some();
    // A one-shot resource is signed again only for a change: Renewed says there if a person must act first.
    let is_blocked = is_current && problem.as_ref().is_some_and(|problem| problem.needs_human);
    let (ready, rejection) = match current {
        Some(issued) => ready_while_current(facts, issued, answer, is_blocked),
        None => (not_ready(facts, problem.clone()), None),
    };
    // Ready speaks of a current Secret, unless the store rejects what is there for the same reason, or
    // answered its verification by the same.
    let answered = answer.map(|answer| answer.message);
    let ready_tells = |problem: &Problem| {
        let told = *problem.message == ready.message || answered == Some(&problem.message);
        !is_current || told
    };
    let renewed = facts.issued.and_then(|_| match &problem {
        _ if one_shot.is_some() && !is_blocked => renewed(facts.record, ready_tells),
        Some(problem) => Some(not_renewed(problem, ready_tells(problem))),
        None => {
            let message = renewal_message(facts.renewal);
            Some(ConditionDraft::new(true, Reason::UpToDate, message))
        }
    });
    let problem = problem.as_ref().filter(|problem| problem.needs_human);
    let stalled = match (problem, &rejection) {
        (Some(problem), _) if !ready_tells(problem) => Some((problem.reason, STALLED_RENEWAL)),
        (Some(problem), _) | (None, Some(problem)) => Some((problem.reason, STALLED)),
        (None, None) => None,
    };
    let stalled =
        stalled.map(|(reason, message)| ConditionDraft::new(true, reason, message.to_owned()));
    [
        Some(ready),
        Some(allowed(facts.evaluation)),
        renewed,
        stalled,
    ]
}

/// What the policies decided.
fn allowed(evaluation: &Evaluation) -> ConditionDraft {
    let by =
        |policies: &[String]| ConditionDraft::new(true, Reason::Allowed, allowed_message(policies));
    let unknown =
        |reason| ConditionDraft::new(ConditionStatus::Unknown, reason, NOT_DECIDED.to_owned());
    match evaluation {
        Evaluation::Invalid(_) => unknown(Reason::InvalidSpec),
        Evaluation::Undetermined(_) => unknown(Reason::PolicyUnknown),
        Evaluation::Refused(reason, _) | Evaluation::Deleting(reason, _) => unknown(*reason),
        Evaluation::Denied(_) => {
            ConditionDraft::new(false, Reason::PolicyDenied, DENIED.to_owned())
        }
        Evaluation::StoreUnusable { authorized, .. } => by(&authorized.grant.policies),
        Evaluation::Allowed(inputs) => by(&inputs.authorized.grant.policies),
    }
}

/// The problem that blocks an issue, if there is one.
fn blocking_problem(facts: &Facts<'_>, edited: bool) -> Option<Problem> {
    let needs_human = |reason, message: &str| {
        Some(Problem {
            reason,
            message: message.to_owned(),
            needs_human: true,
        })
    };
    match facts.evaluation {
        Evaluation::Invalid(why) => needs_human(Reason::InvalidSpec, why),
        Evaluation::Denied(why) => needs_human(Reason::PolicyDenied, &why.message),
        Evaluation::Undetermined(why) => Some(Problem {
            reason: Reason::PolicyUnknown,
            message: why.message.clone(),
            // A namespace that was not seen yet is on its way.
            needs_human: facts
                .index
                .namespace_of(&facts.record.seen.namespace)
                .is_some(),
        }),
        Evaluation::Refused(reason, why) => needs_human(*reason, why),
        Evaluation::Deleting(reason, why) => {
            let unremoved = facts.issued.and(unremoved(facts.record));
            unremoved.or_else(|| {
                Some(Problem {
                    reason: *reason,
                    message: (*why).to_owned(),
                    needs_human: false,
                })
            })
        }
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

/// What is issued, if it is what may be issued now.
fn current<'a>(facts: &Facts<'a>) -> Option<&'a Issued> {
    let &Facts {
        index,
        record,
        evaluation,
        issued,
        now,
        ..
    } = facts;
    issued.filter(|issued| is_current(index, record, evaluation, issued, now))
}

/// `Ready` if what is issued is current, and why the store rejects it, if it does. It does not pass over a
/// problem that somebody must solve (`is_blocked`).
fn ready_while_current(
    facts: &Facts<'_>,
    issued: &Issued,
    answer: Option<Answer<'_>>,
    is_blocked: bool,
) -> (ConditionDraft, Option<Problem>) {
    let rejection = rejection(facts.index, facts.record, facts.evaluation, issued, answer);
    if let Some(problem) = &rejection {
        let draft = ConditionDraft::new(false, problem.reason, problem.message.clone());
        return (draft, rejection);
    }
    let not_renewed = match facts.renewal {
        Some(_) => None,
        None => Some(why_not_renewed(facts)),
    };
    let mut message = issued_message(facts.record, issued, not_renewed);
    match answer {
        Some(answer) if answer.reason == Reason::Verified => {
            let head = issued.method == Method::Head;
            message.push_str(if head {
                "; a HEAD worked"
            } else {
                "; a GET worked"
            });
        }
        Some(answer) => {
            message.push_str("; ");
            message.push_str(answer.message);
        }
        None => {}
    }
    // If it is not renewed for another reason than its spec, the sentence refers to Renewed already.
    if is_blocked && (facts.renewal.is_some() || is_one_shot(facts.record)) {
        message.push_str(SOMEBODY_MUST_ACT);
    }
    (
        ConditionDraft::new(true, Reason::Issued, message),
        rejection,
    )
}

/// Why what is issued is not renewed, in words that follow "not renewed".
fn why_not_renewed(facts: &Facts<'_>) -> &'static str {
    if is_one_shot(facts.record) {
        ", since spec.renew is Never"
    } else if facts.record.suspended() {
        " while spec.suspend is true"
    } else {
        " now: the condition Renewed says why"
    }
}

fn not_ready(facts: &Facts<'_>, problem: Option<Problem>) -> ConditionDraft {
    let &Facts {
        index,
        record,
        issued,
        settings,
        now,
        ..
    } = facts;
    let expired = issued.is_some_and(|issued| !index.alive(record, issued, now));
    let (reason, message) = match problem {
        Some(problem) if problem.reason == Reason::PolicyDenied => (
            problem.reason,
            denied_message(problem.message, record, issued, settings, now),
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
        None => {
            let heals_at = heals_at(record).filter(|at| *at > now);
            let message =
                heals_at.map_or_else(|| "a new URL is being issued".to_owned(), healing_message);
            (Reason::Progressing, message)
        }
    };
    ConditionDraft::new(false, reason, message)
}

/// What `Renewed` says of a one-shot resource for which nobody must act: False if it could not be signed
/// again, or if somebody requested a renewal.
fn renewed(record: &Record, ready_tells: impl Fn(&Problem) -> bool) -> Option<ConditionDraft> {
    match &record.state.issue.problem {
        Some(problem) => Some(not_renewed(problem, ready_tells(problem))),
        None => renewal_refused(record),
    }
}

/// What `Renewed` says of a problem, of which `Ready` may tell already.
fn not_renewed(problem: &Problem, ready_tells: bool) -> ConditionDraft {
    let message = if ready_tells {
        SEE_READY.to_owned()
    } else {
        problem.message.clone()
    };
    ConditionDraft::new(false, problem.reason, message)
}

/// What `Renewed` says of a one-shot resource if somebody requested a renewal.
fn renewal_refused(record: &Record) -> Option<ConditionDraft> {
    let requested = record.seen.renew_request.as_ref()?;
    let served = FixedLife::last(record)?.served_request;
    (served.as_ref() != Some(requested))
        .then(|| ConditionDraft::new(false, Reason::NeverRenewed, NEVER_RENEWED.to_owned()))
}

/// The problem that blocks the removal of the Secret of a resource that is being deleted.
fn unremoved(record: &Record) -> Option<Problem> {
    let state = &record.state;
    state.removal.retry.retry_at?;
    let problem = state.issue.problem.as_ref()?;
    Some(Problem {
        reason: problem.reason,
        message: format!(
            "the resource is being deleted, and its Secret could not be removed: {}",
            problem.message
        ),
        needs_human: problem.needs_human,
    })
}

/// The problem that blocks the deletion of a one-shot resource.
fn undeleted(record: &Record) -> Option<Problem> {
    let class = classify(record.state.removal.undeleted.as_ref()?);
    let why = class.sentence;
    Some(Problem {
        reason: class.reason,
        message: format!("the resource is to be deleted after spec.ttlAfterExpiry: {why}"),
        needs_human: true,
    })
}

fn verification(facts: &Facts<'_>, verified: Option<&Verified<'_>>) -> Option<ConditionDraft> {
    if let Some(verdict) = verified?.verdict {
        let message = verdict.message.clone();
        return Some(ConditionDraft::new(verdict.status, verdict.reason, message));
    }
    // Without a new result the recorded condition stays.
    let old = &facts.record.seen.status.conditions;
    let recorded = condition(old, ConditionType::Verified)?;
    let reason = Reason::named(&recorded.reason)?;
    let message = recorded.message.clone();
    Some(ConditionDraft::new(recorded.status, reason, message))
}

/// The verification to report; `None` if there is none.
pub(super) fn verified<'a>(facts: &Facts<'a>) -> Option<Verified<'a>> {
    let record = facts.record;
    let spec = record.seen.spec.as_ref().ok()?;
    if spec.verify == Some(Verify::Never) {
        return None;
    }
    let outcome = record.state.verification.outcome.as_ref();
    let Some(issued) = facts.issued else {
        // Without an issue in progress there is nothing that a verification could block.
        may_issue(record, facts.evaluation, facts.now)?;
        // A recorded success does not block an issue, so it belongs to earlier content.
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
    let recorded = record.seen.status.internal.hashes.as_ref();
    let is_recorded = recorded.and_then(|hashes| hashes.verified.as_deref()) == Some(hash.as_str());
    (outcome.is_some() || is_recorded).then_some(Verified {
        hash: Some(hash),
        verdict: outcome.map(|outcome| &outcome.verdict),
    })
}

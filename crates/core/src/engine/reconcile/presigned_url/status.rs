//! Writing the status: what a person, `kubectl wait` and the next start of the operator read.
//!
//! What holds here:
//! - A status is a function of what is issued, what was evaluated and what is in the way. The same facts make the same
//!   status, so a plan that finds nothing new writes nothing.
//! - `Ready` is True only if the Secret holds what is allowed now, and has not expired.

use jiff::Timestamp;

use crate::api::{
    Condition, ConditionStatus, ConditionType, PresignedUrlStatus, Reason, SignedHashes, Verify,
    set_condition,
};
use crate::engine::cache::index::{Index, Record, store_name, take_newer};
use crate::engine::evaluate::condition;
use crate::engine::evaluate::denial::denied_since;
use crate::engine::evaluate::evaluation::Evaluation;
use crate::engine::evaluate::one_shot;
use crate::engine::evaluate::reissue::{is_current, may_issue, needs_rollout};
use crate::engine::evaluate::sampling::hash_of;
use crate::engine::protocol::Observation;
use crate::engine::protocol::{ApiError, EventRecord, ObjectKey, ObjectVersion, Settings, Step};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::Ctx;
use crate::engine::reconcile::presigned_url::status_messages::{
    EDITED, allowed_by, denied, expired_message, holds, renewal_refused, renewed, undeleted,
};
use crate::engine::reconcile::presigned_url::{RECOUNT, events};
use crate::issue::issued::Issued;
use crate::issue::renew_at;
use crate::time::later;

/// The most policies that the status names.
const MAX_POLICY_REFS: usize = 64;

/// Plans the write of the status, if it differs from what is recorded.
pub(super) fn plan(
    ctx: &mut Ctx<'_>,
    uid: &str,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
) -> Option<Action> {
    let record = ctx.cache.resources.get(uid)?;
    let needed = needs_rollout(ctx.cache, record, evaluation, issued, ctx.now);
    if record.state.rollout.needed != needed {
        ctx.state(uid)?.rollout.needed = needed;
    }
    let record = ctx.cache.resources.get(uid)?;
    let desired = desired(ctx.cache, record, evaluation, issued, ctx.settings, ctx.now);
    if desired == *record.seen.status {
        if let Some(renewal) = desired.renew_at.filter(|at| *at > ctx.now) {
            ctx.requeue.at(renewal);
        }
        return None;
    }
    if let Some(at) = record.state.status.blocked_until(ctx.now) {
        ctx.requeue.at(at);
        return Some(Action::Idle);
    }
    let step = Step::WriteStatus {
        namespace: record.seen.namespace.clone(),
        name: record.seen.name.clone(),
        target: ObjectVersion {
            uid: record.seen.uid.to_string(),
            resource_version: Some(record.seen.resource_version.clone()),
        },
        status: Box::new(desired.clone()),
    };
    let newly_denied =
        denied_since(&desired).is_some() && denied_since(&record.seen.status).is_none();
    let in_flight = InFlight::WriteStatus {
        events: events::of_transition(record, &desired, ctx.now),
        status: Box::new(desired),
        newly_denied,
    };
    Some(Action::Start(step, in_flight))
}

/// The status was written, or was not.
pub(super) fn completed(
    ctx: &mut Ctx<'_>,
    uid: &str,
    new: PresignedUrlStatus,
    events: Vec<EventRecord>,
    newly_denied: bool,
    result: Result<ObjectVersion, ApiError>,
) {
    let version = match result {
        Ok(version) => version,
        Err(error) => {
            let class = ctx.classify(&error);
            let now = ctx.now;
            if let Some(state) = ctx.state(uid) {
                // After a conflict the newer version is on its way; its arrival ends the pause.
                state.status.record(class.retry, 0, uid, now);
            }
            return;
        }
    };
    if newly_denied {
        ctx.observations.push(Observation::Denied);
    }
    let Some(record) = ctx.cache.resources.get_mut(uid) else {
        return;
    };
    if let Some(state) = record.state.any() {
        state.status.reset();
    }
    if !events.is_empty() {
        let events = events.into_iter().map(Box::new);
        record.state.events.extend(events);
    }
    *record.seen.status = new;
    take_newer(&mut record.seen.resource_version, version);
    let store = store_name(&record.seen).to_owned();
    // A store counts all of its URLs at each plan: once a second, not once a resource.
    if ctx.cache.stores.contains_key(&store) {
        ctx.queue
            .by(&ObjectKey::Store(store), later(ctx.now, RECOUNT));
    }
}

/// What Ready and the other conditions say.
struct Verdict {
    ready: (bool, Reason, String),
    allowed: (ConditionStatus, Reason, String),
    renewed: Option<(bool, Reason, String)>,
    /// What only a person can mend.
    stalled: Option<(Reason, String)>,
}

/// Whether the status says that there is a URL that can be used.
pub(in crate::engine) fn says_ready(status: &PresignedUrlStatus) -> bool {
    condition(status, ConditionType::Ready)
        .is_some_and(|ready| ready.status == ConditionStatus::True)
}

/// The status that tells the truth now.
fn desired(
    index: &Index,
    record: &Record,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
    settings: &Settings,
    now: Timestamp,
) -> PresignedUrlStatus {
    let seen = &record.seen;
    let old = &seen.status;
    let renews = issued.map(|issued| renewal(record, evaluation, issued));
    let verdict = verdict(
        index,
        record,
        evaluation,
        issued,
        renews.flatten(),
        settings,
        now,
    );
    let proven = proven(record, evaluation, issued, now);
    let generation = Some(seen.generation);
    let conditions = conditions(record, verdict, proven.as_ref(), now);
    let authorized = evaluation.authorized();
    let policies = authorized.map_or(&[][..], |authorized| &authorized.grant.policies);
    let policies = policies.iter().take(MAX_POLICY_REFS).cloned().collect();
    let retained = match issued {
        Some(_) => None,
        None => one_shot::retained(record, evaluation, now),
    };
    let retained = retained.as_ref();
    let asked = seen
        .spec
        .as_ref()
        .ok()
        .map(|spec| spec.method.unwrap_or_default());
    let (issue, removal) = (&record.state.issue.retry, &record.state.removal.retry);
    let failures = issue.failures.max(removal.failures);
    PresignedUrlStatus {
        observed_generation: generation,
        conditions,
        method: issued.map(|issued| issued.method).or(asked),
        secret_ref: issued.map(|issued| issued.secret.clone()),
        issued_at: issued
            .map(|issued| issued.issued_at)
            .or(retained.map(|fixed_life| fixed_life.fixed.issued_at)),
        expires_at: issued
            .map(|issued| issued.expires_at)
            .or(retained.map(|fixed_life| fixed_life.fixed.expires_at)),
        renew_at: renews.flatten(),
        limited_by: issued
            .and_then(|issued| issued.limited_by)
            .or(retained.and_then(|fixed_life| fixed_life.limited_by)),
        policy_refs: policies,
        objects: issued.map(|issued| issued.objects),
        skipped_objects: issued.and_then(|issued| issued.skipped),
        revision: issued.map(|issued| issued.revision).or(old.revision),
        hashes: issued
            .map(|issued| SignedHashes {
                verified: proven.as_ref().and_then(|(hash, _)| hash.clone()),
                ..issued.hashes.clone()
            })
            .or(retained.map(|fixed_life| fixed_life.hashes.clone())),
        last_renew_request: issued.map_or_else(
            || old.last_renew_request.clone(),
            |issued| issued.served_request.clone(),
        ),
        failed_attempts: (failures > 0).then_some(failures),
        last_failure_time: issue.last_failure.max(removal.last_failure),
    }
}

/// The conditions in their order; transition times live on.
fn conditions(
    record: &Record,
    verdict: Verdict,
    proven: Option<&Proven<'_>>,
    now: Timestamp,
) -> Vec<Condition> {
    let old = &record.seen.status;
    let generation = Some(record.seen.generation);
    // Ready, Allowed, Renewed, Verified and Stalled: nearly all have all, and they are kept.
    let mut conditions = Vec::with_capacity(5);
    let mut put =
        |type_: ConditionType, status: ConditionStatus, reason: Reason, message: String| {
            // Transition times live on in the old conditions; the order is made anew.
            conditions.extend(
                old.conditions
                    .iter()
                    .find(|c| c.type_ == type_.as_str())
                    .cloned(),
            );
            set_condition(
                &mut conditions,
                type_,
                status,
                (reason, message),
                generation,
                now,
            );
        };
    let (ready, reason, message) = verdict.ready;
    put(ConditionType::Ready, ready.into(), reason, message);
    let (allowed, allowed_reason, allowed_message) = verdict.allowed;
    put(
        ConditionType::Allowed,
        allowed,
        allowed_reason,
        allowed_message,
    );
    if let Some((renewed, reason, message)) = verdict.renewed {
        put(ConditionType::Renewed, renewed.into(), reason, message);
    }
    if let Some((_, Some(verdict))) = proven {
        put(
            ConditionType::Verified,
            verdict.status,
            verdict.reason,
            verdict.message.clone(),
        );
    } else if let (Some(_), Some(recorded)) = (proven, condition(old, ConditionType::Verified))
        && let Some(reason) = Reason::ALL.iter().find(|r| r.as_str() == recorded.reason)
    {
        // What was told of it stands.
        put(
            ConditionType::Verified,
            recorded.status,
            *reason,
            recorded.message.clone(),
        );
    }
    if let Some((reason, message)) = verdict.stalled {
        put(
            ConditionType::Stalled,
            ConditionStatus::True,
            reason,
            message,
        );
    } else {
        let fine = "no action needed".to_owned();
        put(
            ConditionType::Stalled,
            ConditionStatus::False,
            Reason::NotStalled,
            fine,
        );
    }
    conditions
}

/// Of what is issued, where that was tried, and what came of it.
type Proven<'a> = (Option<String>, Option<&'a crate::engine::s3::ObjectVerdict>);

/// What `Verified` speaks of and what it says: the hash of what is issued, where that was tried, and what came of it; no
/// verdict where the status told it before. A try that kept something from being issued has no hash.
fn proven<'a>(
    record: &'a Record,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
    now: Timestamp,
) -> Option<Proven<'a>> {
    let spec = record.seen.spec.as_ref().ok()?;
    if spec.verify == Some(Verify::Never) {
        return None;
    }
    let verification = record.state.verification.outcome.as_ref();
    let Some(issued) = issued else {
        // Where nothing may be issued either, there is nothing that it could speak of.
        may_issue(record, evaluation, now)?;
        // Only what did not work can have kept something back.
        let recorded =
            condition(&record.seen.status, ConditionType::Verified).is_some_and(|recorded| {
                recorded.observed_generation == Some(record.seen.generation)
                    && recorded.status != ConditionStatus::True
            });
        let verdict = verification.map(|verification| &verification.verdict);
        return (recorded || verdict.is_some()).then_some((None, verdict));
    };
    let hash = hash_of(&issued.hashes);
    if let Some(verification) = verification.filter(|verification| verification.hash == hash) {
        return Some((Some(hash), Some(&verification.verdict)));
    }
    let recorded = record.seen.status.hashes.as_ref();
    (recorded.and_then(|recorded| recorded.verified.as_ref()) == Some(&hash))
        .then_some((Some(hash), None))
}

/// When what is issued will be replaced; `None` where it will not be.
fn renewal(record: &Record, evaluation: &Evaluation, issued: &Issued) -> Option<Timestamp> {
    match evaluation {
        Evaluation::Allowed(inputs)
            if !record.suspended() && inputs.authorized.one_shot.is_none() =>
        {
            Some(renew_at(
                issued.issued_at,
                issued.expires_at,
                inputs.authorized.request.renew_before,
                &record.seen.uid,
                issued.revision,
            ))
        }
        _ => None,
    }
}

fn verdict(
    index: &Index,
    record: &Record,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
    renews: Option<Timestamp>,
    settings: &Settings,
    now: Timestamp,
) -> Verdict {
    let current = issued.filter(|issued| is_current(index, record, evaluation, issued, now));
    let problem = record.state.issue.problem.as_ref();
    let allowed = match evaluation {
        Evaluation::Invalid(why) => (ConditionStatus::Unknown, Reason::InvalidSpec, why.clone()),
        Evaluation::Denied(why) => (ConditionStatus::False, Reason::PolicyDenied, why.clone()),
        Evaluation::Undetermined(why) => {
            (ConditionStatus::Unknown, Reason::PolicyUnknown, why.clone())
        }
        Evaluation::StoreUnusable { authorized, .. } => (
            ConditionStatus::True,
            Reason::Allowed,
            allowed_by(&authorized.grant.policies),
        ),
        Evaluation::Allowed(inputs) => (
            ConditionStatus::True,
            Reason::Allowed,
            allowed_by(&inputs.authorized.grant.policies),
        ),
    };
    // That a link ends is as it was asked for: nothing is wrong, whatever else could be said.
    if let Some(end) = one_shot::ended(record, evaluation, now) {
        return Verdict {
            ready: (false, Reason::Expired, expired_message(record, end)),
            allowed,
            renewed: renewal_refused(record),
            stalled: undeleted(record),
        };
    }
    let one_shot = evaluation
        .authorized()
        .and_then(|authorized| authorized.one_shot.as_ref());
    // What stands in the way of an issue, if anything does: (reason, sentence, whether only a person can mend it).
    let obstacle = match evaluation {
        Evaluation::Invalid(why) => Some((Reason::InvalidSpec, why.clone(), true)),
        Evaluation::Denied(why) => Some((Reason::PolicyDenied, why.clone(), true)),
        Evaluation::Undetermined(why) => Some((Reason::PolicyUnknown, why.clone(), true)),
        Evaluation::StoreUnusable {
            reason, message, ..
        } => Some((*reason, message.clone(), true)),
        Evaluation::Allowed(_) if one_shot.is_some_and(|one_shot| one_shot.edited) => {
            Some((Reason::InvalidSpec, EDITED.to_owned(), true))
        }
        Evaluation::Allowed(_) if record.suspended() => Some((
            Reason::Suspended,
            "the resource is suspended: set spec.suspend to false to go on".to_owned(),
            false,
        )),
        Evaluation::Allowed(_) => problem.map(|t| (t.reason, t.message.clone(), t.needs_human)),
    };
    let stalled = obstacle
        .as_ref()
        .filter(|(_, _, stalled)| *stalled)
        .map(|(reason, message, _)| (*reason, message.clone()));
    let renewed = issued.and_then(|_| match &obstacle {
        _ if one_shot.is_some() => renewed(record),
        Some((reason, message, _)) => Some((false, *reason, message.clone())),
        None => Some((
            true,
            Reason::UpToDate,
            "renewals work, or none was due yet".to_owned(),
        )),
    });
    let ready = match (current, obstacle) {
        (Some(issued), _) => (true, Reason::Issued, holds(record, issued, renews)),
        (None, Some((Reason::PolicyDenied, why, _))) => (
            false,
            Reason::PolicyDenied,
            denied(why, record, issued, settings, now),
        ),
        (None, Some((reason, message, _))) => match issued {
            Some(issued)
                if !issued.alive(now)
                    && reason != Reason::InvalidSpec
                    && reason != Reason::Suspended =>
            {
                (
                    false,
                    Reason::Expired,
                    format!("the URL has expired and could not be renewed: {message}"),
                )
            }
            _ => (false, reason, message),
        },
        (None, None) if issued.is_some_and(|issued| !issued.alive(now)) => (
            false,
            Reason::Expired,
            "the URL has expired; a new one is being issued".to_owned(),
        ),
        (None, None) => (
            false,
            Reason::Progressing,
            "a new URL is being issued".to_owned(),
        ),
    };
    Verdict {
        ready,
        allowed,
        renewed,
        stalled,
    }
}

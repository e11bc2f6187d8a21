//! The status of a resource: what a person, `kubectl wait` and the next start of the operator read.
//!
//! What holds here: a status is a function of what is issued, what was judged and what is in the way. The same facts make
//! the same status, so a plan that finds nothing new writes nothing. `Ready` is True only where the Secret holds what is
//! allowed now, and is alive.

use jiff::Timestamp;

use crate::api::{
    Condition, ConditionStatus, ConditionType, PresignedUrlStatus, Reason, SignedHashes, Verify,
    set_condition,
};
use crate::engine::cache::index::Record;
use crate::engine::evaluate::evaluation::Evaluation;
use crate::engine::evaluate::one_shot;
use crate::engine::evaluate::reissue::may_issue;
use crate::engine::evaluate::sampling::hash_of;
use crate::engine::protocol::EventRecord;
use crate::engine::protocol::{DenialGrace, Settings};
use crate::engine::reconcile::presigned_url::status_messages::{allowed_by, denied, holds};
use crate::issue::issued::Issued;
use crate::issue::renew_at;

/// The most policies that the status names.
const MAX_POLICY_REFS: usize = 64;

/// What Ready and the other conditions say.
struct Verdict {
    ready: (bool, Reason, String),
    allowed: (ConditionStatus, Reason, String),
    renewed: Option<(bool, Reason, String)>,
    /// What only a person can mend.
    stalled: Option<(Reason, String)>,
}

/// Since when the policies have refused, as the status tells it.
pub(in crate::engine) fn denied_since(status: &PresignedUrlStatus) -> Option<Timestamp> {
    condition(status, ConditionType::Allowed)
        .filter(|allowed| allowed.status == ConditionStatus::False)
        .map(|allowed| allowed.last_transition_time)
}

/// Whether the status says that there is a URL that can be used.
pub(in crate::engine) fn says_ready(status: &PresignedUrlStatus) -> bool {
    condition(status, ConditionType::Ready)
        .is_some_and(|ready| ready.status == ConditionStatus::True)
}

/// Whether the status says that the Secret holds what this generation of the spec asks for.
fn was_current(record: &Record) -> bool {
    condition(&record.seen.status, ConditionType::Ready).is_some_and(|ready| {
        ready.status == ConditionStatus::True
            && ready.observed_generation == Some(record.seen.generation)
    })
}

/// When the refused resource's Secret goes; `None` where it is left to expire.
pub(in crate::engine) fn removal_at(
    record: &Record,
    settings: &Settings,
    now: Timestamp,
) -> Option<Timestamp> {
    match settings.denial_grace {
        DenialGrace::Never => None,
        DenialGrace::After(grace) => {
            let since = denied_since(&record.seen.status).unwrap_or(now);
            Some(since.checked_add(grace).unwrap_or(since))
        }
    }
}

/// Whether what is issued is what may be issued now.
pub(in crate::engine) fn is_current(
    record: &Record,
    evaluation: &Evaluation,
    issued: &Issued,
    now: Timestamp,
) -> bool {
    if !issued.alive(now) || record.state.drifted {
        return false;
    }
    match evaluation {
        Evaluation::Invalid(_) | Evaluation::Denied(_) => false,
        // What might be allowed cannot be told: what was true stays so.
        Evaluation::Undetermined(_) => was_current(record),
        // A change of the store is taken up within --resign-within; what was signed before it still lives.
        Evaluation::StoreUnusable { authorized, .. } => authorized.covers(issued),
        Evaluation::Allowed(inputs) => inputs.authorized.covers(issued),
    }
}

/// The status that tells the truth now.
pub(in crate::engine) fn desired(
    record: &Record,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
    settings: &Settings,
    now: Timestamp,
) -> PresignedUrlStatus {
    let seen = &record.seen;
    let old = &seen.status;
    let renews = issued.map(|issued| renewal(record, evaluation, issued));
    let verdict = verdict(record, evaluation, issued, renews.flatten(), settings, now);
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
                ..one_shot::hashes(evaluation, issued)
            })
            .or(retained.map(|fixed_life| fixed_life.hashes.clone())),
        last_renew_request: issued.map_or_else(
            || old.last_renew_request.clone(),
            |issued| issued.served_request.clone(),
        ),
        failed_attempts: (record.state.failures > 0).then_some(record.state.failures),
        last_failure_time: record.state.last_failure,
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
        let fine = "nothing needs a person".to_owned();
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
type Proven<'a> = (
    Option<String>,
    Option<&'a crate::engine::s3::diagnosis::Verdict>,
);

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
    let verification = record.state.verification.as_ref();
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
    record: &Record,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
    renews: Option<Timestamp>,
    settings: &Settings,
    now: Timestamp,
) -> Verdict {
    let current = issued.filter(|issued| is_current(record, evaluation, issued, now));
    let problem = record.state.problem.as_ref();
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
            ready: (
                false,
                Reason::Expired,
                one_shot::expired_message(record, end),
            ),
            allowed,
            renewed: one_shot::refused(record),
            stalled: one_shot::undeleted(record),
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
            Some((Reason::InvalidSpec, one_shot::EDITED.to_owned(), true))
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
        _ if one_shot.is_some() => one_shot::renewed(record),
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

/// What Events tell of a change of status: one for each transition, none for a renewal that went as planned.
pub(in crate::engine) fn notices(
    record: &Record,
    new: &PresignedUrlStatus,
    now: Timestamp,
) -> Vec<EventRecord> {
    let old = &record.seen.status;
    let mut notices = Vec::new();
    for (type_, action) in [
        (ConditionType::Ready, "Issue"),
        (ConditionType::Renewed, "Renew"),
        (ConditionType::Verified, "Verify"),
    ] {
        let Some(after) = condition(new, type_) else {
            continue;
        };
        let before = condition(old, type_);
        if before
            .is_some_and(|before| before.status == after.status && before.reason == after.reason)
        {
            continue;
        }
        let good = after.status == ConditionStatus::True;
        let over = type_ == ConditionType::Ready && one_shot::is_over(new);
        let silent = match type_ {
            // A good start of renewals, or a new one, is told by Ready; so is their end where the URL is gone as well.
            ConditionType::Renewed => {
                let ready = |status| {
                    condition(status, ConditionType::Ready)
                        .is_some_and(|ready| ready.status == ConditionStatus::True)
                };
                let refused = after.reason == Reason::NeverRenewed.as_str();
                !refused && (!ready(new) || good && (before.is_none() || !ready(old)))
            }
            // That it works is as it should be, and that it was not tried is no news.
            ConditionType::Verified => {
                let failed = |condition: &Condition| condition.status == ConditionStatus::False;
                !failed(after) && !before.is_some_and(failed)
            }
            _ => after.reason == Reason::Progressing.as_str(),
        };
        if silent {
            continue;
        }
        let Some(reason) = Reason::ALL
            .iter()
            .find(|reason| reason.as_str() == after.reason)
        else {
            continue;
        };
        notices.push(EventRecord {
            namespace: record.seen.namespace.clone(),
            name: record.seen.name.clone(),
            uid: record.seen.uid.to_string(),
            version: record.seen.resource_version.clone(),
            warning: !(good || over),
            reason: *reason,
            action,
            note: after.message.clone(),
            at: now,
        });
    }
    notices
}

pub(in crate::engine) fn condition(
    status: &PresignedUrlStatus,
    type_: ConditionType,
) -> Option<&Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_.as_str())
}

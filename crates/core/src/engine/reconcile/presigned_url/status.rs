//! Writing the status: people, `kubectl wait` and the next start of the operator read it.
//!
//! What holds here:
//! - The status is a function of the issued content, the evaluation and the state. The same facts make the
//!   same status, so a plan without news writes nothing.

use jiff::Timestamp;

use crate::api::{
    ConditionType, EffectiveStoreRef, InternalStatus, MAX_POLICY_NAMES, NamedPolicies,
    PresignedUrlStatus, Reason, SecretRef, SignedHashes, StoreKind, condition, denied_since,
};
use crate::engine::cache::index::Index;
use crate::engine::cache::record::{Record, store_name};
use crate::engine::cache::version::take_newer;
use crate::engine::evaluate::denial::early_removal_at;
use crate::engine::evaluate::evaluation::Evaluation;
use crate::engine::evaluate::reissue::needs_rollout;
use crate::engine::protocol::{ApiError, EventRecord, ObjectVersion, Observation, Settings, Step};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::context::Ctx;
use crate::engine::reconcile::presigned_url::conditions::{self, Facts};
use crate::engine::reconcile::presigned_url::events;
use crate::issue::issued::Issued;

/// Plans the write of the status, if it differs from what is recorded.
pub(super) fn plan(
    ctx: &mut Ctx<'_>,
    uid: &str,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
) -> Option<Action> {
    let record = ctx.cache.resources.get(uid)?;
    let needed = needs_rollout(ctx.cache, record, evaluation, issued, ctx.now);
    let desired = desired(ctx.cache, record, evaluation, issued, ctx.settings, ctx.now);
    let is_told = desired == *record.seen.status
        || only_words_of_policies_differ(ctx.cache, record, evaluation, &desired);
    let record = ctx.cache.resources.get_mut(uid)?;
    if record.state.rollout.needed != needed {
        record.state.rollout.needed = needed;
    }
    if is_told {
        if let Some(renewal) = desired.renewal_time.filter(|at| *at > ctx.now) {
            ctx.requeue.at(renewal);
        }
        // A write whose answer was lost was done. Its pause must not hold back the next one.
        if let Some(state) = record.state.any() {
            state.status.reset();
        }
        return None;
    }
    let record = ctx.cache.resources.get(uid)?;
    // No pause holds back that the URLs have ended.
    if let Some(end) = issued.map(|issued| ctx.cache.ends_at(record, issued)) {
        ctx.state(uid)?.status.end_by(end);
    }
    let record = ctx.cache.resources.get(uid)?;
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
    let newly_denied = denied_since(&desired.conditions).is_some()
        && denied_since(&record.seen.status.conditions).is_none();
    let in_flight = InFlight::WriteStatus {
        events: events::of_transition(record, &desired, ctx.now),
        status: Box::new(desired),
        newly_denied,
    };
    Some(Action::start(step, in_flight))
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
                // After a conflict the watch reports the newer version, which ends the pause.
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
    for event in events {
        if record.event_rate.take(ctx.now) {
            record.state.events.push_back(Box::new(event));
        }
    }
    *record.seen.status = new;
    take_newer(&mut record.seen.resource_version, version);
    let store = store_name(&record.seen).to_owned();
    ctx.requeue_store(store);
}

/// The status as it should be now.
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
    let renews = issued.and_then(|_| renewal(record, evaluation));
    let facts = Facts {
        index,
        record,
        evaluation,
        issued,
        renewal: renews,
        settings,
        now,
    };
    let verified = conditions::verified(&facts);
    let generation = Some(seen.generation);
    let conditions = conditions::desired(&facts, verified.as_ref());
    // What is issued keeps the names of the policies that allowed it, whatever they say now, until policies
    // allow just that again.
    let policies = match (evaluation.authorized(), issued) {
        (Some(authorized), Some(issued)) if !authorized.matches(issued) => &issued.policies,
        (Some(authorized), _) => &authorized.grant.policies[..],
        (None, Some(issued)) => &issued.policies,
        (None, None) => &[],
    };
    let policies = policies.iter().take(MAX_POLICY_NAMES).cloned().collect();
    let retained = match issued {
        Some(_) => None,
        None => evaluation.retained_life(record, now),
    };
    let retained = retained.as_ref();
    let requested = seen
        .spec
        .as_ref()
        .ok()
        .map(|spec| spec.method.unwrap_or_default());
    let spec = seen.spec.as_ref();
    let is_binding = spec.is_ok_and(|spec| spec.binding_type.is_some());
    let secret_ref = issued.map(|issued| SecretRef {
        name: issued.secret.name.as_str().into(),
    });
    let (issue, removal) = (&record.state.issue.retry, &record.state.removal.retry);
    let failures = issue.failures.max(removal.failures);
    PresignedUrlStatus {
        observed_generation: generation,
        conditions,
        method: issued.map(|issued| issued.method).or(requested),
        store_ref: seen.spec.is_ok().then(|| EffectiveStoreRef {
            kind: StoreKind::ClusterObjectStore,
            name: store_name(seen).into(),
        }),
        binding: (secret_ref.as_ref().filter(|_| is_binding))
            .map(|secret| Box::new(secret.clone())),
        secret_ref,
        issue_time: issued
            .map(|issued| issued.issued_at)
            .or(retained.map(|fixed_life| fixed_life.times.issued_at)),
        expiration_time: issued
            .map(|issued| issued.expires_at)
            .or(retained.map(|fixed_life| fixed_life.times.expires_at)),
        renewal_time: renews,
        limited_by: issued
            .and_then(|issued| issued.limited_by)
            .or(retained.and_then(|fixed_life| fixed_life.limited_by)),
        policy_refs: policies,
        objects: issued.map(|issued| issued.objects),
        skipped_objects: issued.and_then(|issued| issued.skipped),
        revision: issued.map(|issued| issued.revision).or(old.revision),
        last_renew_request: issued.map_or_else(
            || old.last_renew_request.clone(),
            |issued| issued.served_request.clone(),
        ),
        last_failure_time: issue.last_failure.max(removal.last_failure),
        internal: InternalStatus {
            secret: issued.map(|issued| issued.secret.clone()),
            hashes: issued
                .map(|issued| SignedHashes {
                    verified: verified
                        .as_ref()
                        .and_then(|verified| verified.hash.as_deref().map(Into::into)),
                    ..issued.hashes.clone()
                })
                .or(retained.map(|fixed_life| fixed_life.hashes.clone())),
            signature_time: issued
                .filter(|issued| issued.signed_at > issued.issued_at)
                .map(|issued| issued.signed_at),
            clock_offset: issued
                .map(|issued| issued.clock_offset)
                .filter(|offset| *offset != 0),
            removal_time: match (evaluation, issued) {
                (Evaluation::Denied(_), Some(issued)) => {
                    early_removal_at(record, issued, settings, now)
                }
                _ => None,
            },
            failed_attempts: (failures > 0).then_some(failures),
            named_policies: named_policies(record, evaluation, now),
        },
    }
}

/// Whether the status would change only in sentences that quote the policies: such a status is not written,
/// or one edit of a policy would write the status of everything that it denies; the new sentence comes with
/// the next change of anything else. A sentence that names a policy wrongly does not wait.
fn only_words_of_policies_differ(
    index: &Index,
    record: &Record,
    evaluation: &Evaluation,
    desired: &PresignedUrlStatus,
) -> bool {
    let written = &record.seen.status;
    let quotes_policies = match evaluation {
        Evaluation::Denied(_) | Evaluation::Undetermined(_) => true,
        Evaluation::StoreUnusable { reason, .. } => *reason == Reason::SessionPolicyTooLarge,
        Evaluation::Invalid(_)
        | Evaluation::Refused(..)
        | Evaluation::Deleting(..)
        | Evaluation::Allowed(_) => false,
    };
    if !quotes_policies || misnames_policies(index, record) {
        return false;
    }
    let mut reworded = desired.clone();
    for type_ in [ConditionType::Ready, ConditionType::Renewed] {
        let mut conditions = reworded.conditions.iter_mut();
        let new = conditions.find(|condition| condition.type_ == type_.as_str());
        if let (Some(new), Some(old)) = (new, condition(&written.conditions, type_)) {
            new.message.clone_from(&old.message);
        }
    }
    let named = &written.internal.named_policies;
    reworded.internal.named_policies.clone_from(named);
    reworded == **written
}

/// The policies that the conditions name. The conditions of an expired link tell of its end alone.
fn named_policies(
    record: &Record,
    evaluation: &Evaluation,
    now: Timestamp,
) -> Option<Box<NamedPolicies>> {
    let named = &evaluation.refusal()?.named;
    let told = !named.is_empty() && evaluation.expired_at(record, now).is_none();
    told.then(|| Box::new(named.clone()))
}

/// Whether the written status names a policy that does not concern the namespace any more, or as unreadable
/// one that can be read. Of a namespace that was not seen, nobody knows what concerns it.
fn misnames_policies(index: &Index, record: &Record) -> bool {
    let named = record.seen.status.internal.named_policies.as_deref();
    let (Some(named), Some(namespace)) = (named, index.namespace_of(&record.seen.namespace)) else {
        return false;
    };
    let policies = &index.policy_set;
    let concerns = |name: &String| policies.affects(name, &namespace);
    let broken = |name: &String| policies.in_force(name).is_none() && concerns(name);
    !named.closest.iter().all(concerns) || !named.unreadable.iter().all(broken)
}

/// When the URLs are renewed; `None` if they are not.
fn renewal(record: &Record, evaluation: &Evaluation) -> Option<Timestamp> {
    match evaluation {
        Evaluation::Allowed(inputs) if !record.suspended() => inputs.renewal,
        _ => None,
    }
}

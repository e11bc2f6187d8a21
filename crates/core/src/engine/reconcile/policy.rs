//! Reconciling a PresignedURLPolicy: its status reports whether it can be used, and whether it can allow
//! anything.
//!
//! What holds here:
//! - What is reported follows from the policies alone, so all operators of one release report the same.
//! - An operator writes what it has to say once. If another one writes something else over it, as one of another
//!   release may, that stays until this operator has something new to say: neither corrects the other for ever.

use crate::api::{
    ConditionStatus, ConditionType, PresignedUrlPolicyStatus, Reason, condition, set_condition,
};
use crate::engine::cache::index::Index;
use crate::engine::cache::record::{PolicyRecord, Told};
use crate::engine::cache::version::{replaces, take_newer};
use crate::engine::protocol::{EventSubject, ObjectKey, ObjectVersion, Step, StepResult};
use crate::engine::reconcile::action::{Action, InFlight};
use crate::engine::reconcile::cluster_events::{self, About};
use crate::engine::reconcile::context::Ctx;
use crate::policy::CompiledPolicy;

/// Plans the next step of a policy.
pub(in crate::engine) fn plan(ctx: &mut Ctx<'_>, name: &str) -> Action {
    let now = ctx.now;
    let Some(policy) = ctx.cache.policies.get(name) else {
        return Action::Idle;
    };
    let reason = ctx.cache.reason_of(policy);
    let ready = if reason == Reason::Accepted {
        ConditionStatus::True
    } else {
        ConditionStatus::False
    };
    let told = Told {
        generation: policy.seen.generation,
        reason,
        message: message(ctx.cache, policy),
    };
    let generation = Some(told.generation);
    let mut conditions = policy.seen.status.conditions.clone();
    set_condition(
        &mut conditions,
        ConditionType::Ready,
        ready,
        (reason, told.message.clone()),
        generation,
        now,
    );
    let desired = PresignedUrlPolicyStatus {
        observed_generation: generation,
        conditions,
    };
    let key = ObjectKey::Policy(name.to_owned());
    if desired == policy.seen.status || (policy.told.as_ref() == Some(&told) && is_told(policy)) {
        return cluster_events::plan(ctx, &key);
    }
    if let Some(at) = ctx.status_paused_until(&key) {
        ctx.requeue.at(at);
        return Action::Idle;
    }
    let about = About {
        subject: EventSubject::Policy,
        name,
        uid: &policy.seen.uid,
        resource_version: &policy.seen.resource_version,
    };
    let recorded = &policy.seen.status.conditions;
    let event = cluster_events::of_transition(&about, recorded, &desired.conditions, now);
    let step = Step::WritePolicyStatus {
        name: name.to_owned(),
        target: ObjectVersion {
            uid: policy.seen.uid.clone(),
            resource_version: Some(policy.seen.resource_version.clone()),
        },
        status: Box::new(desired.clone()),
    };
    let told = Box::new(told);
    Action::start(
        step,
        InFlight::WritePolicyStatus(Box::new(desired), told, event),
    )
}

/// Whether the status says of the present spec whether it can be used.
fn is_told(policy: &PolicyRecord) -> bool {
    let status = &policy.seen.status;
    let generation = Some(policy.seen.generation);
    let ready = condition(&status.conditions, ConditionType::Ready);
    status.observed_generation == generation
        && ready.is_some_and(|ready| ready.observed_generation == generation)
}

/// What the policy's Ready says.
fn message(index: &Index, policy: &PolicyRecord) -> String {
    if let Some(why) = &policy.broken {
        return format!("the policy allows nothing until it can be read: {why}");
    }
    let name = &policy.seen.name;
    let compiled = index.policy_set.in_force(name);
    if let Some(lacks) = compiled.and_then(CompiledPolicy::lacks) {
        return format!("the policy can allow nothing: {lacks}");
    }
    // What an admin should know of a policy that is in force.
    let notes = [
        compiled.and_then(CompiledPolicy::lacking_rule),
        index.policy_set.shared_bucket(name),
    ];
    let notes = notes.into_iter().flatten().map(|note| format!("; {note}"));
    format!("the policy is in force{}", notes.collect::<String>())
}

/// A step of a policy is done. Returns whether its next plan comes before those of other objects.
pub(in crate::engine) fn completed(
    ctx: &mut Ctx<'_>,
    name: &str,
    in_flight: InFlight,
    result: StepResult,
    dirty: bool,
) -> bool {
    let key = ObjectKey::Policy(name.to_owned());
    match (in_flight, result) {
        (
            InFlight::WritePolicyStatus(status, told, event),
            StepResult::StatusWritten(Ok(version)),
        ) => {
            ctx.cache.status_retries.remove(&key);
            if let Some(policy) = ctx.cache.policies.get_mut(name)
                && policy.seen.uid == version.uid
            {
                policy.told = Some(*told);
                if replaces(&version, &policy.seen.resource_version) {
                    policy.seen.status = *status;
                }
                take_newer(&mut policy.seen.resource_version, version);
                cluster_events::recorded(ctx, &key, event);
            }
        }
        (InFlight::WritePolicyStatus(..), StepResult::StatusWritten(Err(error))) => {
            return ctx.status_failed(key, &error, dirty);
        }
        (InFlight::WritePolicyStatus(..), StepResult::NotRun)
        | (InFlight::PublishEvent, StepResult::Published | StepResult::NotRun) => {}
        (in_flight, _) => ctx.unexpected(&key, in_flight.name()),
    }
    true
}

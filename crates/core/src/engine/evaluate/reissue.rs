//! Whether the Secret of a resource is written again, why, and when.
//!
//! What holds here:
//! - [`CHECKS`] is the one ordered list of causes. The plan takes the first that is due.
//! - `Ready`, the rollout of a store and the count of its URLs use the same checks, so they cannot contradict
//!   the plan.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::condition;
use crate::api::{ConditionStatus, ConditionType, MANAGED_BY_LABEL, MANAGER, NAME_ANNOTATION};
use crate::engine::cache::index::Index;
use crate::engine::cache::record::{Record, Recorded, store_name};
use crate::engine::cache::state::{REQUEST_PAUSE, SHORT_REQUEST_PAUSE, Unrecorded};
use crate::engine::cache::version::SecretVersion;
use crate::engine::evaluate::evaluation::Evaluation;
use crate::engine::evaluate::signing_inputs::{Authorized, SigningInputs};
use crate::engine::protocol::Cause;
use crate::engine::protocol::ObservedSecret;
use crate::engine::scheduler::wake::RequeueAt;
use crate::issue::issued::{Issued, ends_at};
use crate::issue::{Marks, Ownership, ownership, told_expiry};
use crate::time::later;

/// The least time between two heals of one resource.
const HEAL_PAUSE: Duration = Duration::from_mins(1);

/// The input of a check.
struct Facts<'a> {
    index: &'a Index,
    record: &'a Record,
    authorized: &'a Authorized,
    /// `None` if the store cannot be used.
    inputs: Option<&'a SigningInputs>,
    issued: &'a Issued,
    now: Timestamp,
}

/// One cause to write a Secret again.
struct Check {
    cause: Cause,
    /// Whether `Ready` is False while the cause exists: the Secret is not what the resource promises.
    breaks_ready: bool,
    /// When the Secret is written for this cause; `None` if the cause does not exist.
    due: fn(&Facts<'_>) -> Option<Timestamp>,
}

/// The checks, in their order.
const CHECKS: [Check; 10] = [
    Check {
        cause: Cause::Shortened,
        breaks_ready: true,
        due: policy_shortens_life,
    },
    Check {
        cause: Cause::Changed,
        breaks_ready: true,
        due: request_changed,
    },
    Check {
        cause: Cause::Due,
        breaks_ready: true,
        due: expired,
    },
    Check {
        cause: Cause::Shortened,
        breaks_ready: false,
        due: rule_of_objects_shortens_life,
    },
    Check {
        cause: Cause::Listed,
        breaks_ready: false,
        due: objects_changed,
    },
    Check {
        cause: Cause::Drift,
        breaks_ready: true,
        due: drifted,
    },
    Check {
        cause: Cause::Drift,
        breaks_ready: false,
        due: in_doubt,
    },
    Check {
        cause: Cause::Store,
        breaks_ready: false,
        due: store_changed,
    },
    Check {
        cause: Cause::Due,
        breaks_ready: false,
        due: renewal,
    },
    Check {
        cause: Cause::Requested,
        breaks_ready: false,
        due: renewal_requested,
    },
];

/// Why the Secret is written now; `None` if it is not. Later times go to `requeue`.
pub(in crate::engine) fn reissue(
    index: &Index,
    record: &Record,
    inputs: &SigningInputs,
    issued: Option<&Issued>,
    now: Timestamp,
    requeue: &mut RequeueAt,
) -> Option<Cause> {
    let Some(issued) = issued else {
        return Some(Cause::First);
    };
    let facts = Facts {
        index,
        record,
        authorized: &inputs.authorized,
        inputs: Some(inputs),
        issued,
        now,
    };
    for check in &CHECKS {
        match (check.due)(&facts) {
            Some(due) if due <= now => return Some(check.cause),
            Some(due) => requeue.at(due),
            None => {}
        }
    }
    None
}

/// Whether the Secret is what the spec, the policies and the store promise now: `Ready` is True.
pub(in crate::engine) fn is_current(
    index: &Index,
    record: &Record,
    evaluation: &Evaluation,
    issued: &Issued,
    now: Timestamp,
) -> bool {
    let (authorized, inputs) = match evaluation {
        Evaluation::Invalid(_) | Evaluation::Denied(_) | Evaluation::Deleting(..) => return false,
        // The policies cannot decide now: `Ready` stays as it was.
        Evaluation::Undetermined(_) | Evaluation::Refused(..) => {
            return index.alive(record, issued, now)
                && !record.state.secret.drifted
                && was_current(record);
        }
        // URLs that were signed before a change of the store still work. They are replaced within
        // --resign-within.
        Evaluation::StoreUnusable { authorized, .. } => (&**authorized, None),
        Evaluation::Allowed(inputs) => (&*inputs.authorized, Some(&**inputs)),
    };
    let facts = Facts {
        index,
        record,
        authorized,
        inputs,
        issued,
        now,
    };
    !CHECKS
        .iter()
        .any(|check| check.breaks_ready && (check.due)(&facts).is_some())
}

/// Whether the URLs are signed again by a rollout of the store: its clock, its location or its key changed.
pub(in crate::engine) fn awaits_rollout(
    index: &Index,
    record: &Record,
    inputs: &SigningInputs,
    issued: &Issued,
) -> bool {
    record.state.rollout.signed_by_wrong_clock
        || at_another_location(inputs, issued)
        || signed_with_another_key(index, inputs, issued)
}

/// Whether the URLs are current, except that they were signed for an earlier location of the store.
pub(in crate::engine) fn needs_rollout(
    index: &Index,
    record: &Record,
    evaluation: &Evaluation,
    issued: Option<&Issued>,
    now: Timestamp,
) -> bool {
    match (evaluation, issued) {
        (Evaluation::Allowed(inputs), Some(issued)) => {
            at_another_location(inputs, issued)
                && is_current(index, record, evaluation, issued, now)
        }
        _ => false,
    }
}

/// How a resource counts in the status of its store: `None` if it holds no working URL, else whether its URLs
/// are signed with the store's current key and location.
pub(in crate::engine) fn counts_as_current(
    index: &Index,
    record: &Record,
    now: Timestamp,
) -> Option<bool> {
    // Nothing is cloned here: a store counts all of its resources.
    let (expires_at, offset, credential) = match record.issued()? {
        Recorded::ByWrite(issued) => (
            issued.expires_at,
            issued.clock_offset,
            &issued.hashes.credential,
        ),
        Recorded::ByStatus(status) => (
            status.expiration_time?,
            status.internal.clock_offset.unwrap_or_default(),
            &status.internal.hashes.as_ref()?.credential,
        ),
    };
    if ends_at(expires_at, offset, index.skew_of(record)) <= now {
        return None;
    }
    let store = index.stores.get(store_name(&record.seen))?;
    let held = store.credentials()?;
    Some(held.hash == *credential && !record.state.rollout.needed)
}

/// What is issued: from a write that no status records yet, else from the status.
pub(in crate::engine) fn issued(record: &Record) -> Option<Issued> {
    match record.issued()? {
        Recorded::ByWrite(issued) => Some(issued.clone()),
        Recorded::ByStatus(status) => Issued::of(status),
    }
}

/// The inputs of an issue, if one may start now.
pub(in crate::engine) fn may_issue<'a>(
    record: &Record,
    evaluation: &'a Evaluation,
    now: Timestamp,
) -> Option<&'a SigningInputs> {
    match evaluation {
        Evaluation::Allowed(inputs) if !record.suspended() && !inputs.authorized.is_closed(now) => {
            Some(inputs)
        }
        _ => None,
    }
}

/// Whether the Secret has another version than the one that was written or verified: it must be inspected.
pub(in crate::engine) fn is_suspicious(index: &Index, record: &Record, issued: &Issued) -> bool {
    let secret = &issued.secret;
    let Some(version) = index.secrets.get(&record.seen.namespace, &secret.name) else {
        return true;
    };
    let written = version.uid == secret.uid && version.resource_version == secret.resource_version;
    !written && record.state.secret.verified_version.as_ref() != Some(version)
}

/// What an inspection says of a Secret that was written.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) enum Finding {
    /// This version holds what was written.
    Intact(SecretVersion),
    /// This version holds what was written, and lost its owner reference or a mark.
    Unmarked(SecretVersion),
    /// Somebody changed or removed it.
    Changed,
}

/// Compares a Secret with what was written.
pub(in crate::engine) fn compare(
    record: &Record,
    issued: &Issued,
    found: Option<&ObservedSecret>,
) -> Finding {
    let Some((found, content)) = found.and_then(|found| Some((found, found.content.as_ref()?)))
    else {
        return Finding::Changed;
    };
    let same = found.uid == issued.secret.uid
        && !found.deleting
        && content.opaque
        && !content.immutable
        && *content.data_hash == *issued.secret.data_hash;
    let whose = whose(record, found);
    if !same || !matches!(whose, Ownership::Owned | Ownership::Disowned) {
        return Finding::Changed;
    }
    let version = SecretVersion {
        uid: found.uid.clone(),
        resource_version: found.resource_version.clone(),
    };
    let label = found.labels.get(MANAGED_BY_LABEL).map(String::as_str);
    let named = found.annotations.get(NAME_ANNOTATION);
    let marked = label == Some(MANAGER) && named == Some(&record.seen.name);
    if marked && whose == Ownership::Owned {
        Finding::Intact(version)
    } else {
        Finding::Unmarked(version)
    }
}

/// Whose a Secret is that was inspected for a resource.
pub(in crate::engine) fn whose(record: &Record, found: &ObservedSecret) -> Ownership {
    let marks = Marks {
        owners: &found.owners,
        labels: &found.labels,
        annotations: &found.annotations,
        recorded: is_recorded(record, &found.uid),
    };
    ownership(marks, record.owner_id())
}

/// When the URLs expire of a Secret that was inspected, if the resource owns it.
pub(in crate::engine) fn expiry_of_own(
    record: &Record,
    found: &ObservedSecret,
) -> Option<Timestamp> {
    let owned = matches!(whose(record, found), Ownership::Owned);
    owned.then(|| told_expiry(&found.annotations)).flatten()
}

/// Whether the operator recorded that it wrote the Secret of this uid for the resource.
fn is_recorded(record: &Record, uid: &str) -> bool {
    let state = &record.state;
    let written = match &state.unrecorded {
        Some(Unrecorded::Written(issued)) => Some(&issued.secret),
        Some(Unrecorded::Removed(_)) | None => None,
    };
    // An orphan has no hash: it is known by its owner reference alone.
    let previous = state.secret.previous_secret.as_deref();
    let previous = previous.filter(|secret| !secret.data_hash.is_empty());
    let told = record.seen.status.internal.secret.as_ref();
    let mut recorded = [written, previous, told].into_iter().flatten();
    recorded.any(|secret| secret.uid == uid)
}

/// Whether the status reports `Ready` for this generation of the spec.
fn was_current(record: &Record) -> bool {
    condition(&record.seen.status.conditions, ConditionType::Ready).is_some_and(|ready| {
        ready.status == ConditionStatus::True
            && ready.observed_generation == Some(record.seen.generation)
    })
}

/// When a Secret that was changed again, soon after it was fixed, is fixed again.
pub(in crate::engine) fn heals_at(record: &Record) -> Option<Timestamp> {
    let secret = &record.state.secret;
    let healed_at = secret.healed_at.filter(|_| secret.drifted);
    healed_at.map(|at| later(at, HEAL_PAUSE))
}

// The checks, in the order of the list.

fn policy_shortens_life(facts: &Facts<'_>) -> Option<Timestamp> {
    let shortens = facts.authorized.shortens(facts.issued);
    shortens.then_some(facts.now)
}

fn request_changed(facts: &Facts<'_>) -> Option<Timestamp> {
    let same = facts.authorized.matches(facts.issued);
    (!same).then_some(facts.now)
}

fn expired(facts: &Facts<'_>) -> Option<Timestamp> {
    let alive = facts.index.alive(facts.record, facts.issued, facts.now);
    (!alive).then_some(facts.now)
}

fn rule_of_objects_shortens_life(facts: &Facts<'_>) -> Option<Timestamp> {
    let found = facts.record.state.listing.found.as_ref()?;
    let life = u64::try_from(facts.issued.life()).unwrap_or_default();
    let shortens = facts.authorized.one_shot.is_none() && life > found.grant.max_duration.as_secs();
    shortens.then_some(facts.now)
}

/// A one-shot resource keeps the objects of its first listing.
fn objects_changed(facts: &Facts<'_>) -> Option<Timestamp> {
    let found = facts.record.state.listing.found.as_ref()?;
    let changed = facts.authorized.one_shot.is_none()
        && facts.issued.hashes.objects.as_deref() != Some(found.hash.as_str());
    changed.then_some(facts.now)
}

fn drifted(facts: &Facts<'_>) -> Option<Timestamp> {
    let drifted = facts.record.state.secret.drifted;
    drifted.then(|| heals_at(facts.record).unwrap_or(facts.now))
}

fn in_doubt(facts: &Facts<'_>) -> Option<Timestamp> {
    facts.record.state.secret.in_doubt.then_some(facts.now)
}

fn store_changed(facts: &Facts<'_>) -> Option<Timestamp> {
    let changed = awaits_rollout(facts.index, facts.record, facts.inputs?, facts.issued);
    changed.then(|| facts.record.state.rollout.due.unwrap_or(facts.now))
}

fn renewal(facts: &Facts<'_>) -> Option<Timestamp> {
    facts.inputs?.renewal
}

fn renewal_requested(facts: &Facts<'_>) -> Option<Timestamp> {
    let request = facts.record.seen.renew_request.as_ref()?;
    let unserved = facts.authorized.one_shot.is_none()
        && facts.issued.served_request.as_ref() != Some(request);
    let pause = match facts.issued.served_request {
        None => SHORT_REQUEST_PAUSE,
        Some(_) => REQUEST_PAUSE,
    };
    unserved.then(|| later(facts.issued.issued_at, pause))
}

/// Whether the URLs are for another endpoint, region or addressing style than the store's current one.
fn at_another_location(inputs: &SigningInputs, issued: &Issued) -> bool {
    *issued.hashes.store != *inputs.store_hash
}

/// Whether the URLs were signed with another key than the store's current one.
fn signed_with_another_key(index: &Index, inputs: &SigningInputs, issued: &Issued) -> bool {
    let held = index
        .stores
        .get(&inputs.store)
        .and_then(|store| store.credentials());
    held.is_some_and(|held| held.hash != issued.hashes.credential)
}

//! The invariants after a stretch of calm: every status is right, and a renewal is two writes.

use std::collections::BTreeMap;

use presigned_core::api::{ConditionStatus, PresignedUrlStatus, Verify};
use presigned_core::engine::{ObjectKey, PresignedUrlSeen, SecretAccess};

use crate::chaos::Chaos;
use crate::common::world::{Record, StepKind, World};
use crate::expected_status::{Expected, expected};
use crate::invariants::InvariantChecker;
use crate::ownership_invariants::controls;
use crate::policy_oracle::seconds;
use crate::secret_contents::SecretContents;
use crate::status_facts::{ready, verified_false};

/// Whether a write is not the operator's fault.
pub fn excused(record: &Record, stale: &[ObjectKey]) -> bool {
    // A create that meets a Secret which cannot be read is a question, not a write.
    (record.kind == StepKind::CreateSecret && !record.ok) || stale.contains(&record.key)
}

/// What a start does more than going on would: an unused store whose status shows the end of a session that
/// is over fetches another one, and a renewal that waits for the rate of its listings waits no longer, since
/// nobody remembers it.
pub fn stale(world: &World<Chaos>) -> Vec<ObjectKey> {
    let soon = world.now.as_second() + 300;
    let queued = world.cluster.resources.values().filter(|seen| {
        let lists = seen.spec.as_ref().is_ok_and(|spec| spec.prefix.is_some());
        let due = seen.status.renewal_time;
        lists && due.is_some_and(|due| due.as_second() < soon)
    });
    let queued = queued.map(|seen| ObjectKey::Resource(seen.uid.clone()));
    let stores = world
        .cluster
        .stores
        .values()
        .filter(|store| {
            let told = store.status.credentials_expiration_time;
            told.is_some_and(|end| end.as_second() < soon)
        })
        .map(|store| ObjectKey::Store(store.name.clone()));
    stores.chain(queued).collect()
}

/// The writes for each resource, so far: Secrets, statuses and Events.
pub type Count = BTreeMap<String, (u64, u64, usize)>;

/// The writes for each resource that is Ready now and that no verification failed: one that failed is
/// repeated within the hour, and what it says then is an Event.
pub fn count(world: &World<Chaos>) -> Count {
    count_if(world, |status| ready(status) && !verified_false(status))
}

fn count_if(world: &World<Chaos>, counts: fn(&PresignedUrlStatus) -> bool) -> Count {
    let told = |uid: &str| world.events.iter().filter(|n| n.uid == *uid).count();
    let resources = world.cluster.resources.values();
    resources
        .filter(|seen| counts(&seen.status))
        .map(|seen| {
            let (secrets, statuses) = world
                .cluster
                .writes
                .get(&*seen.uid)
                .copied()
                .unwrap_or_default();
            (seen.uid.to_string(), (secrets, statuses, told(&seen.uid)))
        })
        .collect()
}

/// Promise 11: one Secret and one status a renewal, and no Event.
pub fn renewals(world: &World<Chaos>, checker: &mut InvariantChecker, before: &Count) {
    if world.cluster.blind {
        return;
    }
    for (uid, after) in count_if(world, ready) {
        // What was not Ready then is issued first, and an Event says so: a link may have ended whose Secret
        // had the name. If a URL expires because renewals fail, it is not Ready now.
        let Some(before) = before.get(&uid) else {
            continue;
        };
        let (secrets, statuses) = (after.0 - before.0, after.1 - before.1);
        let events = after.2 - before.2;
        if statuses.abs_diff(secrets) > 1 {
            checker.violations.push(format!(
                "{uid}: {secrets} writes of the Secret and {statuses} of the status in renewals"
            ));
        }
        if events > 0 {
            checker
                .violations
                .push(format!("{uid}: {events} Events in {secrets} renewals"));
        }
    }
}

/// Every status is right, and no Secret of the operator's is left behind.
pub fn statuses(world: &World<Chaos>, checker: &mut InvariantChecker) {
    for seen in world.cluster.resources.values() {
        let expected = expected(world, checker, seen);
        let who = format!("{}/{} ({})", seen.namespace, seen.name, seen.uid);
        if let Err(what) = compare(seen, &expected) {
            checker.violations.push(format!("at rest {who}: {what}"));
        }
        if seen.deleting && seen.status.internal.secret.is_some() {
            let what = "it is being deleted, and tells of a Secret";
            checker.violations.push(format!("at rest {who}: {what}"));
        }
        if let Some(what) = overdue(world, checker, seen) {
            checker.violations.push(format!("at rest {who}: {what}"));
        }
        if let Some(wanted) = &expected.listed
            && let Some(told) = &seen.status.internal.secret
            && let place = (seen.namespace.clone(), told.name.clone())
            && let Some(secret) = world.cluster.secrets.get(&place)
            && let Ok(contents) = SecretContents::of(&secret.data)
            && !contents.entries.iter().map(|entry| &entry.key).eq(wanted)
        {
            let held: Vec<&String> = contents.entries.iter().map(|entry| &entry.key).collect();
            checker.violations.push(format!(
                "at rest {who}: it holds {held:?}, and there are {wanted:?}"
            ));
        }
        let wanted = seen
            .status
            .internal
            .secret
            .as_ref()
            .map(|secret| &secret.name);
        let blind = world.settings.secret_access == SecretAccess::None;
        for ((namespace, name), secret) in &world.cluster.secrets {
            let ours = controls(&seen.uid, secret);
            if ours && !blind && Some(name) != wanted && secret.edited.is_none() {
                checker.violations.push(format!(
                    "at rest {who}: the Secret {namespace}/{name} is left behind"
                ));
            }
        }
    }
}

/// Whether a link ended so long ago that its resource must be gone.
fn overdue(
    world: &World<Chaos>,
    checker: &InvariantChecker,
    seen: &PresignedUrlSeen,
) -> Option<String> {
    let end = checker.links.get(&*seen.uid).filter(|_| !seen.deleting)?;
    let ttl = seen.spec.as_ref().ok()?.ttl_after_expiry.as_deref()?;
    let ttl = if ttl == "0s" { 0 } else { seconds(ttl) };
    let since = checker.calm_since?.as_second().max(end.as_second() + ttl);
    let gone = world.now.as_second() < since + 3000;
    (!gone).then(|| format!("the link ended at {end}, and the resource is still there"))
}

fn spec_verifies(seen: &PresignedUrlSeen) -> Option<Verify> {
    seen.spec.as_ref().ok()?.verify
}

fn compare(seen: &PresignedUrlSeen, expected: &Expected) -> Result<(), String> {
    let status = &seen.status;
    let get = |type_: &str| {
        status
            .conditions
            .iter()
            .find(|condition| condition.type_ == type_)
    };
    let (Some(is), Some(allowed)) = (get("Ready"), get("Allowed")) else {
        return Err("nothing was ever said of it".to_owned());
    };
    let told = format!("{:?} {}: {}", is.status, is.reason, is.message);
    if status.observed_generation != Some(seen.generation) {
        return Err(format!("its status is of an earlier generation: {told}"));
    }
    if expected
        .ready
        .is_some_and(|ready| is.status != ready.into())
    {
        return Err(format!("expected {expected:?}, and it is {told}"));
    }
    if expected.reason.is_some_and(|reason| is.reason != reason) {
        return Err(format!("expected {expected:?}, and it is {told}"));
    }
    if expected.allowed.is_some_and(|says| allowed.status != says) {
        return Err(format!("expected {expected:?}, and Allowed is {allowed:?}"));
    }
    if expected.ready == Some(true) {
        if get("Renewed").is_none_or(|renewed| renewed.status != ConditionStatus::True) {
            return Err(format!("it is Ready, and Renewed is {:?}", get("Renewed")));
        }
        if let Some(stalled) = get("Stalled") {
            return Err(format!("it is Ready, and there is {stalled:?}"));
        }
        if status.internal.failed_attempts.is_some() {
            return Err("it is Ready, and counts failures".to_owned());
        }
        let never = spec_verifies(seen) == Some(Verify::Never);
        let verified = get("Verified").map(|verified| verified.status);
        if never == verified.is_some() {
            return Err(format!("verify is not as asked: {:?}", get("Verified")));
        }
        if !never && expected.works == Some(true) && verified != Some(ConditionStatus::True) {
            return Err(format!("it works, and Verified is {:?}", get("Verified")));
        }
    }
    if is.reason == "PolicyDenied" && status.internal.secret.is_some() {
        return Err("it is refused for long, and still has its Secret".to_owned());
    }
    Ok(())
}

//! The status that a resource must have after a stretch of calm, computed without the engine.

use jiff::Timestamp;
use presigned_core::api::{ConditionStatus, Method, PresignedUrlSpec, SessionScope, Verify};
use presigned_core::engine::{PresignedUrlSeen, SecretAccess};

use crate::chaos::Chaos;
use crate::common::world::World;
use crate::invariants::{InvariantChecker, REACTION};
use crate::ownership_invariants::{controls, is_disowned};
use crate::policy_oracle::{ObjectScope, PolicyAnswer, PolicyQuery, Rules, ask};
use crate::secret_invariants::{keeps, server, store_of, usable};
use crate::withdrawal::has_ended;
use crate::write_invariants::{safe, scope, trusted};

/// Seconds of calm after which every object was checked and renewed at least once.
pub const LATE: i64 = 13 * 3600;

/// The expected status.
#[derive(Debug, PartialEq)]
pub struct Expected {
    pub ready: Option<bool>,
    pub reason: Option<&'static str>,
    pub allowed: Option<ConditionStatus>,
    /// The keys that a listing gives URLs for.
    pub listed: Option<Vec<String>>,
    /// Whether the URL works, if that is known.
    pub works: Option<bool>,
}

fn failed(reason: &'static str, allowed: ConditionStatus) -> Expected {
    Expected {
        ready: Some(false),
        reason: Some(reason),
        ..lives_on(allowed)
    }
}

/// An issued URL lives on until it expires.
fn lives_on(allowed: ConditionStatus) -> Expected {
    Expected {
        ready: None,
        reason: None,
        allowed: Some(allowed),
        listed: None,
        works: None,
    }
}

/// No URL can be issued: an issued one lives on, and a resource without one has this reason.
fn failing(world: &World<Chaos>, seen: &PresignedUrlSeen, reason: &'static str) -> Expected {
    let allowed = ConditionStatus::True;
    if seen.status.revision.is_none() {
        return failed(reason, allowed);
    }
    let dead = seen
        .status
        .expiration_time
        .is_some_and(|end| is_past(world, end));
    Expected {
        ready: dead.then_some(false),
        ..lives_on(allowed)
    }
}

/// Whether a time has passed, and the operator could act since: at the second itself it acts just now.
fn is_past(world: &World<Chaos>, time: Timestamp) -> bool {
    world.now.as_second() > time.as_second() + REACTION
}

/// The status that a resource must have now.
pub fn expected(
    world: &World<Chaos>,
    checker: &InvariantChecker,
    seen: &PresignedUrlSeen,
) -> Expected {
    let now = world.now;
    let late = checker
        .calm_since
        .is_some_and(|since| now.as_second() > since.as_second() + LATE);
    if seen.deleting {
        return Expected {
            allowed: None,
            ..failed("Deleting", ConditionStatus::Unknown)
        };
    }
    // What cannot be read does not tell either that it is a link.
    let Ok(spec) = &seen.spec else {
        return failed("InvalidSpec", ConditionStatus::Unknown);
    };
    let link = checker.links.get(&*seen.uid);
    if let Some(end) = link.filter(|end| **end <= now) {
        let ended = failed("Expired", ConditionStatus::True);
        let reported = is_past(world, *end);
        return Expected {
            ready: ended.ready.filter(|_| reported),
            reason: ended.reason.filter(|_| reported),
            allowed: None,
            ..ended
        };
    }
    let named = spec.keys.iter().flat_map(presigned_core::api::Keys::iter);
    let keys: Vec<&str> = named.chain(spec.key.as_deref()).collect();
    let twice = (1..keys.len()).any(|at| keys[..at].contains(&keys[at]));
    let Some((_, rules)) = checker.rules.last() else {
        return lives_on(ConditionStatus::Unknown);
    };
    let say = checker.answers.get(&*seen.uid).cloned().flatten();
    let say = say.filter(|_| !twice && keys.iter().all(|key| safe(key)));
    let most = match say {
        None => return failed("InvalidSpec", ConditionStatus::Unknown),
        Some(PolicyAnswer::Denied) => return failed("PolicyDenied", ConditionStatus::False),
        Some(PolicyAnswer::Unknown) => {
            return match has_ended(world, checker, rules, seen, spec) {
                Some(true) => failed("PolicyDenied", ConditionStatus::False),
                Some(false) => lives_on(ConditionStatus::Unknown),
                None => Expected {
                    allowed: None,
                    ..lives_on(ConditionStatus::Unknown)
                },
            };
        }
        Some(PolicyAnswer::Allowed(_, most)) => most,
    };
    let allowed = ConditionStatus::True;
    let blind = world.settings.secret_access == SecretAccess::None;
    let Some(store) = store_of(world, seen).filter(|_| usable(world, seen)) else {
        return lives_on(allowed);
    };
    let mut named = store.s3.endpoints.iter().flatten();
    let endpoint = spec.endpoint.as_ref();
    let endpoint = endpoint.is_none_or(|name| named.any(|endpoint| endpoint.name == *name));
    // Names that a session policy cannot hold on this server are refused there.
    let scope = scope(store);
    let unspeakable =
        scope == SessionScope::Request && keys.iter().any(|key| key.contains(['*', '?', '$']));
    // A link that was issued keeps its URL, whatever could be issued now.
    if !endpoint || spec.suspend == Some(true) || blind || unspeakable || link.is_some() {
        return lives_on(allowed);
    }
    let name = spec.secret_name.as_ref().unwrap_or(&seen.name);
    let place = (seen.namespace.clone(), name.clone());
    let conflict = world
        .cluster
        .secrets
        .get(&place)
        .is_some_and(|secret| !controls(&seen.uid, secret) && !is_disowned(seen, secret));
    if spec.method == Some(Method::Put) {
        // The last probe of the store may be an hour old.
        if !late {
            return lives_on(allowed);
        }
        if server(world, store).accepts_unsigned && !trusted(store) {
            return failing(world, seen, "UnsignedHeadersAccepted");
        }
    }
    let listed = match listing(world, rules, seen, spec, most) {
        Ok(listed) => listed,
        Err(reason) => return failing(world, seen, reason),
    };
    let reads = matches!(spec.method, None | Some(Method::Get | Method::Head));
    let objects = world.cloud.buckets.get(&spec.bucket);
    let there = |key: &&str| objects.is_some_and(|objects| objects.contains_key(*key));
    let works = reads && keys.iter().all(there);
    if spec.verify == Some(Verify::Require) && reads && !works {
        return failing(world, seen, "NoSuchKey");
    }
    if conflict {
        return failed("SecretConflict", allowed);
    }
    Expected {
        ready: Some(true),
        reason: Some("Issued"),
        allowed: Some(allowed),
        listed: listed.filter(|_| late),
        works: (works && late).then_some(true),
    }
}

/// The keys under a prefix that get a URL; `None` if the spec lists nothing. The error is the reason.
fn listing(
    world: &World<Chaos>,
    rules: &Rules,
    seen: &PresignedUrlSeen,
    spec: &PresignedUrlSpec,
    most: u32,
) -> Result<Option<Vec<String>>, &'static str> {
    let (Some(prefix), None | Some(Method::Get)) = (&spec.prefix, spec.method) else {
        return Ok(None);
    };
    if world.cloud.listings_fail.is_some() {
        return Err("ListFailed");
    }
    let list = spec.list.as_deref();
    let objects = world.cloud.buckets.get(&spec.bucket);
    let kept: Vec<&String> = objects
        .into_iter()
        .flat_map(|objects| objects.keys())
        .filter(|key| keeps(prefix, list, key))
        .collect();
    let most = list
        .and_then(|list| list.max_objects)
        .map_or(most, |asked| asked.min(most));
    if kept.len() > usize::try_from(most).unwrap() {
        return Err("TooManyObjects");
    }
    let mut found = Vec::new();
    for key in kept.into_iter().filter(|key| safe(key)) {
        let ask = PolicyQuery {
            ..ask(&seen.namespace, spec, ObjectScope::Key(key))
        };
        match rules.answer(&ask) {
            PolicyAnswer::Allowed(..) => found.push(key.clone()),
            PolicyAnswer::Unknown => return Err("PolicyUnknown"),
            PolicyAnswer::Denied => {}
        }
    }
    let least = list.and_then(|list| list.min_objects).unwrap_or(1);
    if found.len() < usize::try_from(least).unwrap() {
        return Err("TooFewObjects");
    }
    Ok(Some(found))
}

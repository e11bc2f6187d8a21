//! What is issued while a policy cannot be read that may allow what the spec asks for: whether other policies
//! allowed it, and allow it still.
//!
//! What holds here: what was issued is read from the Secret, and compared with every spec that there was.

use presigned_core::api::PresignedUrlSpec;
use presigned_core::engine::PresignedUrlSeen;
use presigned_core::issue::data_hash;

use crate::chaos::Chaos;
use crate::common::world::World;
use crate::invariants::InvariantChecker;
use crate::policy_oracle::{PolicyAnswer, Rules, store};
use crate::secret_contents::SecretContents;
use crate::secret_invariants::fits;

/// Whether what other policies allowed has ended; `None` if nobody can tell what was issued, or if some of it
/// may have ended.
pub fn has_ended(
    world: &World<Chaos>,
    checker: &InvariantChecker,
    rules: &Rules,
    seen: &PresignedUrlSeen,
    spec: &PresignedUrlSpec,
) -> Option<bool> {
    let refs = &seen.status.policy_refs;
    let Some(told) = &seen.status.internal.secret else {
        return Some(false);
    };
    let unreadable = |name: &String| rules.is_unreadable(name, &seen.namespace);
    if refs.is_empty() || refs.iter().any(unreadable) {
        return Some(false);
    }
    let place = (seen.namespace.clone(), told.name.clone());
    let secret = world.cluster.secrets.get(&place)?;
    let data = secret.data.iter().map(|(k, v)| (k.as_str(), v.as_slice()));
    if secret.uid != told.uid || data_hash(data) != *told.data_hash {
        return None;
    }
    let contents = SecretContents::of(&secret.data).ok()?;
    let issued = issued_by(checker, seen, &contents);
    if !issued.is_empty() && issued.iter().all(|other| asks_alike(other, spec)) {
        return Some(!allows(rules, seen, spec, &contents));
    }
    is_allowed(checker, rules, seen, &contents).then_some(false)
}

/// Whether what was issued stays while these rules do not tell whether the spec is allowed: they allow what
/// was issued, or a policy allowed it that cannot be read now.
pub fn is_kept(
    checker: &InvariantChecker,
    rules: &Rules,
    seen: &PresignedUrlSeen,
    contents: &SecretContents,
) -> bool {
    let mut refs = seen.status.policy_refs.iter();
    refs.any(|name| rules.is_unreadable(name, &seen.namespace))
        || is_allowed(checker, rules, seen, contents)
}

/// Whether policies allow what was issued, whichever spec it was issued for.
fn is_allowed(
    checker: &InvariantChecker,
    rules: &Rules,
    seen: &PresignedUrlSeen,
    contents: &SecretContents,
) -> bool {
    let issued = issued_by(checker, seen, contents);
    let method = seen.status.method.unwrap_or_default();
    let mut refs = seen.status.policy_refs.iter();
    !issued.is_empty()
        && issued
            .iter()
            .all(|spec| allows(rules, seen, spec, contents))
        && refs.all(|name| rules.serves(name, &seen.namespace, method))
}

/// The specs for which the contents may have been issued.
fn issued_by<'a>(
    checker: &'a InvariantChecker,
    seen: &PresignedUrlSeen,
    contents: &SecretContents,
) -> Vec<&'a PresignedUrlSpec> {
    let specs = checker.specs(&seen.uid, seen.generation);
    let specs = specs.filter_map(|spec| spec.as_ref().ok());
    specs.filter(|spec| fits(spec, contents)).collect()
}

/// Whether policies allow the contents as this spec asked for them. How often it is listed, and how many
/// objects there might be, is nothing of what was issued.
fn allows(
    rules: &Rules,
    seen: &PresignedUrlSeen,
    spec: &PresignedUrlSpec,
    contents: &SecretContents,
) -> bool {
    let mut spec = spec.clone();
    if let Some(list) = &mut spec.list {
        list.min_objects = None;
        list.max_objects = u32::try_from(contents.entries.len()).ok();
        list.refresh_interval = None;
    }
    let answer = rules.answer_all(&seen.namespace, &spec);
    matches!(answer, Some(PolicyAnswer::Allowed(..)))
}

/// Whether two specs ask the policies for the same.
fn asks_alike(one: &PresignedUrlSpec, other: &PresignedUrlSpec) -> bool {
    let asks = |spec: &PresignedUrlSpec| {
        let place = (
            store(spec).to_owned(),
            spec.endpoint.clone(),
            spec.bucket.clone(),
        );
        let objects = (spec.key.clone(), spec.keys.clone(), spec.prefix.clone());
        let options = (spec.get.clone(), spec.put.clone(), spec.post.clone());
        let bounds = (spec.list.clone(), spec.duration.clone());
        let method = spec.method.unwrap_or_default();
        (place, objects, options, bounds, method)
    };
    asks(one) == asks(other)
}

//! A Secret's new metadata, merged with the metadata that it has: promise 6 keeps what others added.
//!
//! What holds here:
//! - A PUT replaces the whole object, so everything to keep is written again.
//! - The operator's own keys win, keys of an earlier template are removed, and everything else stays.
//! - Merging the result again changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::ownership::{Owner, OwnerId};
use crate::api::{MANAGED_BY_LABEL, MANAGER, NAME_ANNOTATION};

/// The annotation that remembers which keys a template set: `label=KEY` and `annotation=KEY`, joined by
/// commas.
///
/// It has one use: those keys are removed once the template no longer names them. A person who forges it on a
/// Secret can remove only labels that the same person could remove directly.
pub(super) const TEMPLATE_KEYS: &str = "presigned.dev/template-keys";

/// The metadata of a Secret that others may share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretMeta {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Owner references, in their order.
    pub owners: Vec<Owner>,
}

/// The metadata that the operator wants on the Secret, as `render` gave it.
#[derive(Clone, Copy, Debug)]
pub struct WantedMeta<'a> {
    /// Labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Annotations.
    pub annotations: &'a BTreeMap<String, String>,
    /// The owner.
    pub owner_id: OwnerId<'a>,
}

/// The metadata to write over a Secret that is owned or abandoned.
///
/// Foreign owner references stay as they are, the operator's own is corrected in its place, and that of a
/// deleted namesake is dropped: with it the object would have two controllers. The caller checks
/// [`ownership`](super::ownership()) first: this function does not remove the reference of another
/// controller.
#[must_use]
pub fn merge(existing: &SecretMeta, wanted: WantedMeta<'_>) -> SecretMeta {
    let (labels, annotations) = remembered(&existing.annotations);
    let mut annotations = over(&existing.annotations, &annotations, wanted.annotations);
    if !wanted.annotations.contains_key(TEMPLATE_KEYS) {
        annotations.remove(TEMPLATE_KEYS);
    }
    SecretMeta {
        labels: over(&existing.labels, &labels, wanted.labels),
        annotations,
        owners: owners(&existing.owners, wanted.owner_id),
    }
}

/// The metadata of a Secret that lost its owner reference or a mark, with these put back. Everything else
/// stays.
#[must_use]
pub fn restored(existing: &SecretMeta, owner: &Owner) -> SecretMeta {
    let owner_id = OwnerId {
        uid: &owner.uid,
        name: &owner.name,
    };
    let mut restored = existing.clone();
    let label = (MANAGED_BY_LABEL.to_owned(), MANAGER.to_owned());
    restored.labels.extend([label]);
    let annotation = (NAME_ANNOTATION.to_owned(), owner.name.clone());
    restored.annotations.extend([annotation]);
    restored.owners = owners(&existing.owners, owner_id);
    restored
}

/// The value of [`TEMPLATE_KEYS`] for a template; `None` if the template sets nothing.
pub(super) fn template_keys(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> Option<String> {
    let keys: Vec<String> = labels
        .keys()
        .map(|key| format!("label={key}"))
        .chain(annotations.keys().map(|key| format!("annotation={key}")))
        .collect();
    (!keys.is_empty()).then(|| keys.join(","))
}

/// The labels and annotations that an earlier template set. An entry without the form of [`template_keys`] is
/// ignored.
fn remembered(annotations: &BTreeMap<String, String>) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let entries = || {
        annotations
            .get(TEMPLATE_KEYS)
            .into_iter()
            .flat_map(|list| list.split(','))
    };
    (
        entries().filter_map(|e| e.strip_prefix("label=")).collect(),
        entries()
            .filter_map(|e| e.strip_prefix("annotation="))
            .collect(),
    )
}

fn over(
    existing: &BTreeMap<String, String>,
    earlier: &BTreeSet<&str>,
    wanted: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    existing
        .iter()
        .filter(|(key, _)| !earlier.contains(key.as_str()))
        .chain(wanted)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn owners(existing: &[Owner], owner_id: OwnerId<'_>) -> Vec<Owner> {
    let ours = Owner::of(owner_id);
    let owned_or_abandoned =
        |owner: &Owner| owner.uid == owner_id.uid || owner.is_namesake(owner_id);
    let at = existing
        .iter()
        .position(owned_or_abandoned)
        .unwrap_or(existing.len());
    let mut all: Vec<Owner> = existing
        .iter()
        .filter(|owner| !owned_or_abandoned(owner))
        .cloned()
        .collect();
    // All references before the first of ours were kept, so its position is the same in the new list.
    all.insert(at.min(all.len()), ours);
    all
}

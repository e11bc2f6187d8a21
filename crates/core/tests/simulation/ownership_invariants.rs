//! The invariants of who owns a Secret, and of resources that are being deleted.

use presigned_core::api::KIND;
use presigned_core::engine::PresignedUrlSeen;

use crate::chaos::Chaos;
use crate::common::cluster::Secret;
use crate::common::world::World;
use crate::invariants::{InvariantChecker, REACTION};

impl InvariantChecker {
    /// A resource that is being deleted has no Secret, whatever finalizer keeps it.
    pub fn deletion(&mut self, world: &World<Chaos>, seen: &PresignedUrlSeen) {
        if !seen.deleting {
            return;
        }
        let since = self.deleted_since.entry(seen.uid.to_string());
        let since = *since.or_insert(world.now);
        let acted = self.last_record(world, seen).max(since);
        let ending = world.cluster.namespaces.get(&seen.namespace);
        if ending.is_none_or(|namespace| namespace.deleting)
            || !Self::had_time(world, seen, acted, REACTION)
        {
            return;
        }
        let told = seen.status.internal.secret.as_ref();
        let kept = world.cluster.secrets.iter().find(|(place, secret)| {
            let known = told.is_some_and(|told| told.uid == secret.uid);
            place.0 == seen.namespace
                && controls(&seen.uid, secret)
                && (known || !world.cluster.blind)
        });
        if let Some((place, _)) = kept {
            let who = format!("{}/{}", seen.namespace, seen.name);
            let what = format!("{who} is being deleted, and its Secret {place:?} is still there");
            self.report(world, what);
        }
    }

    /// A Secret that holds what was written gets its owner reference back, whatever the spec, the policies or
    /// the store say now.
    pub fn lost_owner(&mut self, world: &World<Chaos>, seen: &PresignedUrlSeen) {
        let Some(told) = &seen.status.internal.secret else {
            return;
        };
        let place = (seen.namespace.clone(), told.name.clone());
        let Some(secret) = world.cluster.secrets.get(&place) else {
            return;
        };
        let Some(edited) = secret.edited.filter(|_| is_disowned(seen, secret)) else {
            return;
        };
        let ending = world.cluster.namespaces.get(&seen.namespace);
        if ending.is_none_or(|namespace| namespace.deleting)
            || world.cluster.blind
            || seen.deleting
            || secret.immutable
            || !secret.opaque
            || !Self::had_time(
                world,
                seen,
                edited.max(self.last_record(world, seen)),
                REACTION,
            )
            || self.hash(secret) != *told.data_hash
            || self.ends(secret).is_none_or(|end| end <= world.now)
        {
            return;
        }
        let who = format!("{}/{}", seen.namespace, seen.name);
        self.report(
            world,
            format!("{who}: its Secret lost its owner reference for good"),
        );
    }
}

/// Whether a Secret was written for a resource, as the status records and its marks tell, and lost its owner
/// reference.
pub fn is_disowned(seen: &PresignedUrlSeen, secret: &Secret) -> bool {
    let told = seen.status.internal.secret.as_ref();
    let controlled = secret
        .owners
        .iter()
        .any(|owner| owner.controller == Some(true));
    let label = secret.labels.get("presigned.dev/managed-by");
    let annotation = secret.annotations.get("presigned.dev/presigned-url");
    told.is_some_and(|told| told.uid == secret.uid)
        && !controlled
        && label.is_some_and(|label| label == "presigned-url-operator")
        && annotation == Some(&seen.name)
}

/// Whether the resource of this uid controls a Secret.
pub fn controls(uid: &str, secret: &Secret) -> bool {
    let mut owners = secret.owners.iter();
    owners.any(|owner| owner.kind == KIND && owner.controller == Some(true) && *owner.uid == *uid)
}

//! The ClusterTrustBundles that stores take their private CA from.
//!
//! What holds here:
//! - What is known of a bundle is kept for as long as the shell watches it.
//! - Other certificates in a bundle are an edit of each store that names it.

use std::collections::BTreeSet;

use super::rollout::config_adopted;
use crate::engine::cache::index::Index;
use crate::engine::protocol::{ObjectKey, StoreSeen, TrustBundleSeen};
use crate::engine::reconcile::context::Ctx;
use crate::engine::store::{SpecUpdate, Store, TrustBundle, named_bundle};

/// What is known of the bundle that a store names.
pub(super) fn known(index: &Index, seen: &StoreSeen) -> Option<TrustBundle> {
    let name = named_bundle(seen.spec.as_ref().ok()?)?;
    index.trust_bundles.get(name).cloned()
}

/// The bundles that stores name.
pub(in crate::engine) fn named_trust_bundles(index: &Index) -> BTreeSet<String> {
    let named = index.stores.values().filter_map(Store::names_bundle);
    named.map(str::to_owned).collect()
}

/// Applies what the API server says of a bundle, or that nobody asks it any more. Returns the stores that
/// name it, and what depends on them.
pub(in crate::engine) fn on_trust_bundle(
    ctx: &mut Ctx<'_>,
    name: String,
    seen: Option<TrustBundleSeen>,
) -> Vec<ObjectKey> {
    let stores = ctx.cache.stores.values();
    let concerned: Vec<StoreSeen> = stores
        .filter(|store| store.names_bundle() == Some(&name))
        .map(|store| store.seen.clone())
        .collect();
    let Some(seen) = seen else {
        // It may have been named again: then it is watched again, and told soon.
        if concerned.is_empty() {
            ctx.cache.trust_bundles.remove(&name);
        }
        return Vec::new();
    };
    let before = ctx.cache.trust_bundles.get(&name);
    let bundle = TrustBundle::after(before, &name, seen);
    ctx.cache.trust_bundles.insert(name, bundle.clone());
    let mut affected = Vec::new();
    for seen in concerned {
        let store = seen.name.clone();
        let Some(known) = ctx.cache.stores.get_mut(&store) else {
            continue;
        };
        if known.update(seen, Some(bundle.clone()), ctx.now) == SpecUpdate::Changed {
            affected.extend(config_adopted(ctx, &store));
        }
        affected.push(ObjectKey::Store(store));
    }
    affected
}

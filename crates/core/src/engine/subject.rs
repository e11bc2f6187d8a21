//! What an object is called and how it stands, for traces.
//!
//! What holds here: names and words of ours alone. No bucket, no key and nothing of a Secret is among them.

use crate::api::{Condition, ConditionType, Reason, condition};
use crate::engine::cache::index::Index;
use crate::engine::cache::record::store_name;
use crate::engine::protocol::ObjectKey;

/// An object that steps are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Its namespace; `None` if it is cluster-scoped.
    pub namespace: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
    /// The store that it is about, if its spec can be read.
    pub store: Option<&'a str>,
    /// The reason of its Ready condition.
    pub reason: Option<Reason>,
}

impl<'a> Subject<'a> {
    /// `None` if the object is gone.
    pub(super) fn of(index: &'a Index, key: &ObjectKey) -> Option<Self> {
        match key {
            ObjectKey::Resource(uid) => {
                let seen = &index.resources.get(uid)?.seen;
                Some(Self {
                    namespace: Some(&seen.namespace),
                    name: &seen.name,
                    store: seen.spec.is_ok().then(|| store_name(seen)),
                    reason: ready_reason(&seen.status.conditions),
                })
            }
            ObjectKey::Store(name) => {
                let (name, store) = index.stores.get_key_value(name)?;
                Some(Self {
                    namespace: None,
                    name,
                    store: Some(name),
                    reason: ready_reason(&store.seen.status.conditions),
                })
            }
            ObjectKey::Policy(name) => {
                let (name, policy) = index.policies.get_key_value(name)?;
                Some(Self {
                    namespace: None,
                    name,
                    store: None,
                    reason: Some(index.reason_of(policy)),
                })
            }
        }
    }
}

/// A word that is none of ours is not repeated.
fn ready_reason(conditions: &[Condition]) -> Option<Reason> {
    let ready = condition(conditions, ConditionType::Ready)?;
    Reason::named(&ready.reason)
}

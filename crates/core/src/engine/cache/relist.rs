//! Lists as they come in: what a change of one kind means for the objects that are known.
//!
//! What holds here: a kind is synced once a list of it was complete. What was known and is not in a complete list is gone.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::cache::index::Watched;
use crate::engine::protocol::Change;

/// What tells an object of a kind from others: its name, or its namespace and name.
pub(in crate::engine) type NamespacedName = (String, String);

/// What is known of each kind's list.
#[derive(Debug, Default)]
pub(in crate::engine) struct Relists(BTreeMap<Watched, Relist>);

/// A list that is coming in.
#[derive(Debug, Default)]
struct Relist {
    listed: Option<BTreeSet<NamespacedName>>,
    synced: bool,
}

/// What a change says of objects.
pub(in crate::engine) enum Delta<T> {
    /// One is there.
    Present(T),
    /// One is gone.
    Removed(T),
    /// These are gone: a complete list does not hold them.
    Absent(Vec<NamespacedName>),
}

/// The place of an object that has only a name.
pub(in crate::engine) fn named(name: &(impl AsRef<str> + ?Sized)) -> NamespacedName {
    (name.as_ref().to_owned(), String::new())
}

impl Relists {
    /// Whether a list of a kind was complete.
    pub(in crate::engine) fn synced(&self, kind: Watched) -> bool {
        self.0.get(&kind).is_some_and(|frame| frame.synced)
    }

    /// Takes up a change of a kind of which these objects are known.
    pub(in crate::engine) fn apply<T>(
        &mut self,
        kind: Watched,
        change: Change<T>,
        place: impl Fn(&T) -> NamespacedName,
        known: impl Iterator<Item = NamespacedName>,
    ) -> Delta<T> {
        let frame = self.0.entry(kind).or_default();
        match change {
            Change::Init => {
                frame.listed = Some(BTreeSet::new());
                Delta::Absent(Vec::new())
            }
            Change::InitDone => {
                frame.synced = true;
                let listed = frame.listed.take().unwrap_or_default();
                Delta::Absent(known.filter(|place| !listed.contains(place)).collect())
            }
            Change::InitApply(seen) | Change::Apply(seen) => {
                if let Some(listed) = &mut frame.listed {
                    listed.insert(place(&seen));
                }
                Delta::Present(seen)
            }
            Change::Delete(seen) => {
                if let Some(listed) = &mut frame.listed {
                    listed.remove(&place(&seen));
                }
                Delta::Removed(seen)
            }
        }
    }
}

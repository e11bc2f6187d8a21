//! Lists as they come in: what a change of one kind means for the objects that are known.
//!
//! What holds here: a kind is synced once a list of it was complete. What was known and is not in a complete list is gone.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Change;
use super::index::Watched;

/// What tells an object of a kind from others: its name, or its namespace and name.
pub(super) type Place = (String, String);

/// What is known of each kind's list.
#[derive(Debug, Default)]
pub(super) struct Frames(BTreeMap<Watched, Frame>);

/// A list that is coming in.
#[derive(Debug, Default)]
struct Frame {
    listed: Option<BTreeSet<Place>>,
    synced: bool,
}

/// What a change says of objects.
pub(super) enum Told<T> {
    /// One is there.
    There(T),
    /// One is gone.
    Gone(T),
    /// These are gone: a complete list does not hold them.
    Absent(Vec<Place>),
}

/// The place of an object that has only a name.
pub(super) fn named(name: &(impl AsRef<str> + ?Sized)) -> Place {
    (name.as_ref().to_owned(), String::new())
}

impl Frames {
    /// Whether a list of a kind was complete.
    pub(super) fn synced(&self, kind: Watched) -> bool {
        self.0.get(&kind).is_some_and(|frame| frame.synced)
    }

    /// Takes up a change of a kind of which these objects are known.
    pub(super) fn told<T>(
        &mut self,
        kind: Watched,
        change: Change<T>,
        place: impl Fn(&T) -> Place,
        known: impl Iterator<Item = Place>,
    ) -> Told<T> {
        let frame = self.0.entry(kind).or_default();
        match change {
            Change::Init => {
                frame.listed = Some(BTreeSet::new());
                Told::Absent(Vec::new())
            }
            Change::InitDone => {
                frame.synced = true;
                let listed = frame.listed.take().unwrap_or_default();
                Told::Absent(known.filter(|place| !listed.contains(place)).collect())
            }
            Change::InitApply(seen) | Change::Apply(seen) => {
                if let Some(listed) = &mut frame.listed {
                    listed.insert(place(&seen));
                }
                Told::There(seen)
            }
            Change::Delete(seen) => {
                if let Some(listed) = &mut frame.listed {
                    listed.remove(&place(&seen));
                }
                Told::Gone(seen)
            }
        }
    }
}

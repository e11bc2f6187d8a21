//! Room for slow steps: at most a few requests of resources are under way to one store at a time.
//!
//! What holds here: a store that is slow, or a role's STS, keeps nobody waiting but those that need it, and is not
//! overrun by them. Who finds no room stands in line by urgency, and is looked at again as soon as there is some; a place
//! that was offered and is not used goes to the next.

use std::collections::{BTreeMap, BTreeSet};

use super::queue::Priority;
use super::step::Step;

/// Slow steps of resources under way to one store.
const PER_STORE: usize = 4;

/// Who waits and who is under way.
#[derive(Debug, Default)]
pub(super) struct Slots {
    stores: BTreeMap<String, Line>,
    /// The store to which a resource's slow step is under way.
    under_way: BTreeMap<String, String>,
    /// The store in whose line a resource stands, or was offered a place.
    lined_up: BTreeMap<String, String>,
    sequence: u64,
}

/// The line of one store.
#[derive(Debug, Default)]
struct Line {
    under_way: usize,
    /// Those that are to be looked at, each with a place kept for it.
    offered: BTreeSet<String>,
    waiting: BTreeMap<(Priority, i64, u64), String>,
    places: BTreeMap<String, (Priority, i64, u64)>,
}

impl Line {
    fn free(&self) -> usize {
        PER_STORE.saturating_sub(self.under_way + self.offered.len())
    }

    fn leave(&mut self, uid: &str) {
        self.offered.remove(uid);
        if let Some(place) = self.places.remove(uid) {
            self.waiting.remove(&place);
        }
    }
}

impl Slots {
    /// Whether a resource may begin a slow step to a store now. If not, it stands in line.
    pub(super) fn may_begin(&mut self, store: &str, uid: &str, urgency: (Priority, i64)) -> bool {
        if self.lined_up.get(uid).is_some_and(|known| known != store) {
            self.leave(uid);
        }
        let line = self.stores.entry(store.to_owned()).or_default();
        if line.offered.contains(uid) || (line.waiting.is_empty() && line.free() > 0) {
            return true;
        }
        line.leave(uid);
        self.sequence += 1;
        let place = (urgency.0, urgency.1, self.sequence);
        line.waiting.insert(place, uid.to_owned());
        line.places.insert(uid.to_owned(), place);
        self.lined_up.insert(uid.to_owned(), store.to_owned());
        false
    }

    /// A resource was planned, with this step or none. Tells who is to be looked at since there is room.
    pub(super) fn planned(&mut self, uid: &str, step: Option<&Step>) -> Vec<String> {
        let to = step.and_then(slow_store);
        let from = self
            .lined_up
            .get(uid)
            .filter(|store| {
                let line = self.stores.get(*store);
                to.is_some() || line.is_some_and(|line| line.offered.contains(uid))
            })
            .cloned();
        if from.is_some() {
            self.leave(uid);
        }
        if let Some(to) = to {
            self.stores.entry(to.to_owned()).or_default().under_way += 1;
            self.under_way.insert(uid.to_owned(), to.to_owned());
        }
        from.map(|store| self.offer(&store)).unwrap_or_default()
    }

    /// A step of a resource is done. Tells who is to be looked at since there is room.
    pub(super) fn ended(&mut self, uid: &str) -> Vec<String> {
        let Some(store) = self.under_way.remove(uid) else {
            return Vec::new();
        };
        if let Some(line) = self.stores.get_mut(&store) {
            line.under_way = line.under_way.saturating_sub(1);
        }
        self.offer(&store)
    }

    /// A resource is gone.
    pub(super) fn forget(&mut self, uid: &str) -> Vec<String> {
        let store = self.lined_up.get(uid).cloned();
        self.leave(uid);
        store.map(|store| self.offer(&store)).unwrap_or_default()
    }

    fn leave(&mut self, uid: &str) {
        if let Some(line) = self
            .lined_up
            .remove(uid)
            .and_then(|store| self.stores.get_mut(&store))
        {
            line.leave(uid);
        }
    }

    fn offer(&mut self, store: &str) -> Vec<String> {
        let Some(line) = self.stores.get_mut(store) else {
            return Vec::new();
        };
        let mut offered = Vec::new();
        while line.free() > 0 {
            let Some((_, uid)) = line.waiting.pop_first() else {
                break;
            };
            line.places.remove(&uid);
            line.offered.insert(uid.clone());
            offered.push(uid);
        }
        if line.under_way == 0 && line.offered.is_empty() {
            self.stores.remove(store);
        }
        offered
    }
}

/// The store that a slow step talks to, or for which it talks to an STS.
pub(super) fn slow_store(step: &Step) -> Option<&str> {
    match step {
        Step::FetchCredentials { store, .. }
        | Step::List { store, .. }
        | Step::Ask { store, .. } => Some(store),
        Step::Sign(_)
        | Step::InspectSecret { .. }
        | Step::CreateSecret(_)
        | Step::UpdateSecret { .. }
        | Step::DeleteSecret { .. }
        | Step::DeleteResource { .. }
        | Step::WriteStatus { .. }
        | Step::WriteStoreStatus { .. }
        | Step::WritePolicyStatus { .. }
        | Step::PublishEvent(_) => None,
    }
}

#[cfg(test)]
mod tests {
    //! The line.

    use super::*;

    const URGENT: (Priority, i64) = (Priority::Urgent, 0);
    const ROUTINE: (Priority, i64) = (Priority::Routine, 0);

    fn ask() -> Step {
        Step::Ask {
            store: "default".to_owned(),
            asks: Vec::new(),
            ca_bundle: None,
        }
    }

    fn full() -> Slots {
        let mut slots = Slots::default();
        for at in 0..PER_STORE {
            let uid = format!("u{at}");
            assert!(slots.may_begin("default", &uid, ROUTINE));
            slots.planned(&uid, Some(&ask()));
        }
        slots
    }

    #[test]
    fn a_store_has_a_few_slow_steps_at_most_and_others_are_not_held_up() {
        let mut slots = full();
        assert!(!slots.may_begin("default", "late", ROUTINE));
        assert!(slots.may_begin("other", "late", ROUTINE));
    }

    #[test]
    fn the_urgent_one_goes_first_and_nobody_overtakes_the_line() {
        let mut slots = full();
        assert!(!slots.may_begin("default", "routine", ROUTINE));
        assert!(!slots.may_begin("default", "urgent", URGENT));
        assert_eq!(slots.ended("u0"), ["urgent"]);
        assert!(
            !slots.may_begin("default", "new", URGENT),
            "the place is kept"
        );
        assert!(slots.may_begin("default", "urgent", URGENT));
        slots.planned("urgent", Some(&ask()));
        assert_eq!(slots.ended("u1"), ["new"]);
        assert_eq!(slots.ended("urgent"), ["routine"]);
    }

    #[test]
    fn a_place_that_is_not_used_goes_to_the_next() {
        let mut slots = full();
        assert!(!slots.may_begin("default", "first", ROUTINE));
        assert!(!slots.may_begin("default", "second", ROUTINE));
        assert_eq!(slots.ended("u0"), ["first"]);
        assert_eq!(slots.planned("first", None), ["second"]);
        assert_eq!(slots.forget("second"), Vec::<String>::new());
        assert!(slots.may_begin("default", "third", ROUTINE));
    }
}

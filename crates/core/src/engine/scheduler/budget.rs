//! The bytes that are in memory at once for what is being listed, signed, rendered, sent or read back.
//!
//! What holds here:
//! - What many resources take at once has a bound, whatever each of them takes. One may always go.
//! - Who has room keeps it until nothing large is held for it, and asks for no more meanwhile: nobody waits
//!   with room in hand.
//! - Those that wait go by priority; nobody small overtakes somebody large for ever. While another namespace
//!   waits, one has half of the room at most.
//! - A resource that takes little needs no room, and waits for nobody.

use std::collections::BTreeMap;

use crate::engine::scheduler::queue::{Priority, QueuePosition};

/// How many bytes there are for all resources at once.
pub(in crate::engine) const BYTES: usize = 8 * 1024 * 1024;

/// The resources that hold large values, and those that wait for room.
#[derive(Debug, Default)]
pub(in crate::engine) struct ByteBudget {
    held: BTreeMap<String, Share>,
    waiting: BTreeMap<QueuePosition, (String, Share)>,
    positions: BTreeMap<String, QueuePosition>,
    sequence: u64,
}

/// What one resource takes.
#[derive(Debug)]
struct Share {
    namespace: String,
    bytes: usize,
}

impl ByteBudget {
    /// Whether a resource may take so many bytes now. If not, it waits, and is named by [`Self::planned`] or
    /// [`Self::forget`] of another once there is room. Who has room already may always go on.
    pub(in crate::engine) fn try_acquire(
        &mut self,
        uid: &str,
        namespace: &str,
        bytes: usize,
        priority: (Priority, i64),
    ) -> bool {
        if self.grow(uid, bytes) {
            return true;
        }
        let share = Share {
            namespace: namespace.to_owned(),
            bytes,
        };
        let position = self.positions.get(uid);
        if position.is_none() && self.waiting.is_empty() && self.fits(bytes) {
            self.held.insert(uid.to_owned(), share);
            return true;
        }
        if position.is_some_and(|position| (position.0, position.1) == priority) {
            return false;
        }
        self.remove(uid);
        self.sequence += 1;
        let position = (priority.0, priority.1, self.sequence);
        self.positions.insert(uid.to_owned(), position);
        self.waiting.insert(position, (uid.to_owned(), share));
        false
    }

    /// What a resource with room takes is more than was thought. Returns whether it has room.
    pub(in crate::engine) fn grow(&mut self, uid: &str, bytes: usize) -> bool {
        let held = self.held.get_mut(uid);
        held.is_some_and(|held| {
            held.bytes = held.bytes.max(bytes);
            true
        })
    }

    /// A resource was planned, and something large is held for it or not. Returns the resources that have
    /// room now and are to be planned.
    pub(in crate::engine) fn planned(&mut self, uid: &str, holds: bool) -> Vec<String> {
        if holds || self.held.remove(uid).is_none() {
            return Vec::new();
        }
        self.grant_room()
    }

    /// A resource is gone. Returns the resources that have room now and are to be planned.
    pub(in crate::engine) fn forget(&mut self, uid: &str) -> Vec<String> {
        self.remove(uid);
        self.held.remove(uid);
        self.grant_room()
    }

    fn remove(&mut self, uid: &str) {
        if let Some(position) = self.positions.remove(uid) {
            self.waiting.remove(&position);
        }
    }

    fn used(&self) -> usize {
        self.held.values().map(|share| share.bytes).sum()
    }

    fn fits(&self, bytes: usize) -> bool {
        self.held.is_empty() || self.used() + bytes <= BYTES
    }

    /// The first that waits and whose namespace has less than half; if there is none, the first of all.
    fn next(&self) -> Option<QueuePosition> {
        let has = |namespace: &str| -> usize {
            let held = self.held.values();
            held.filter(|share| share.namespace == namespace)
                .map(|share| share.bytes)
                .sum()
        };
        self.waiting
            .iter()
            .find(|(_, (_, share))| has(&share.namespace) + share.bytes <= BYTES / 2)
            .or_else(|| self.waiting.first_key_value())
            .map(|(position, _)| *position)
    }

    fn grant_room(&mut self) -> Vec<String> {
        let mut granted = Vec::new();
        while let Some(position) = self.next()
            && let Some((_, share)) = self.waiting.get(&position)
            && self.fits(share.bytes)
            && let Some((uid, share)) = self.waiting.remove(&position)
        {
            self.positions.remove(&uid);
            self.held.insert(uid.clone(), share);
            granted.push(uid);
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    //! Who has room.

    use super::*;

    const URGENT: (Priority, i64) = (Priority::Urgent, 0);
    const ROUTINE: (Priority, i64) = (Priority::Routine, 0);
    const QUARTER: usize = BYTES / 4;

    /// Four of namespace `a` that have all the room.
    fn full() -> ByteBudget {
        let mut budget = ByteBudget::default();
        for uid in ["a0", "a1", "a2", "a3"] {
            assert!(budget.try_acquire(uid, "a", QUARTER, ROUTINE));
        }
        budget
    }

    #[test]
    fn what_is_held_at_once_has_a_bound_and_goes_on_with_what_it_has() {
        let mut budget = full();
        assert!(!budget.try_acquire("a4", "a", 1, URGENT));
        assert!(
            budget.try_acquire("a0", "a", QUARTER, ROUTINE),
            "it has room"
        );
        assert_eq!(budget.planned("a0", true), [""; 0]);
        assert_eq!(budget.planned("a0", false), ["a4"]);
        assert!(
            budget.try_acquire("a4", "a", 1, URGENT),
            "room is kept for it"
        );
    }

    #[test]
    fn one_may_go_however_large_it_is() {
        let mut budget = ByteBudget::default();
        assert!(budget.try_acquire("huge", "a", 10 * BYTES, ROUTINE));
        assert!(!budget.try_acquire("small", "b", 1, URGENT));
        assert_eq!(budget.planned("huge", false), ["small"]);
    }

    #[test]
    fn the_urgent_go_first_and_nobody_overtakes_somebody_larger() {
        let mut budget = full();
        assert!(!budget.try_acquire("large", "b", 2 * QUARTER, URGENT));
        assert!(!budget.try_acquire("small", "c", QUARTER, ROUTINE));
        assert_eq!(
            budget.planned("a0", false),
            [""; 0],
            "there is room for small alone"
        );
        assert!(
            !budget.try_acquire("new", "d", 1, ROUTINE),
            "nor does a new one"
        );
        assert_eq!(budget.planned("a1", false), ["large"]);
        assert_eq!(budget.planned("large", false), ["small", "new"]);
    }

    #[test]
    fn one_namespace_has_half_while_another_waits() {
        let mut budget = full();
        assert!(!budget.try_acquire("a4", "a", QUARTER, URGENT));
        assert!(!budget.try_acquire("b0", "b", QUARTER, ROUTINE));
        assert_eq!(budget.planned("a0", false), ["b0"]);
        assert_eq!(budget.planned("a1", false), ["a4"], "nobody else waits");
    }

    #[test]
    fn who_is_gone_leaves_its_room_and_its_place() {
        let mut budget = full();
        for uid in ["first", "second"] {
            assert!(!budget.try_acquire(uid, "b", QUARTER, ROUTINE));
        }
        assert_eq!(budget.forget("first"), [""; 0]);
        assert_eq!(budget.forget("a3"), ["second"]);
        assert_eq!(budget.planned("second", false), [""; 0]);
        assert_eq!(
            budget.planned("second", false),
            [""; 0],
            "what is not held frees nothing"
        );
    }
}

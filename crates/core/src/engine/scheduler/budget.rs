//! The bytes that are in memory at once for what is being listed, signed, rendered, sent or read back.
//!
//! What holds here:
//! - What many resources take at once has a bound, whatever each of them takes. One may always go.
//! - Who has room keeps it until nothing large is held for it, and asks for no more meanwhile: nobody waits
//!   with room in hand.
//! - Those that wait go round by namespace, as [`FairQueue`] says. While another namespace waits, one has
//!   half of the room at most. Nobody small overtakes somebody large for ever.
//! - A resource that takes little needs no room, and waits for nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::scheduler::fair_queue::FairQueue;
use crate::engine::scheduler::priority::Priority;

/// How many bytes there are for all resources at once.
pub(in crate::engine) const BYTES: usize = 8 * 1024 * 1024;

/// The resources that hold large values, and those that wait for room, each with its bytes.
#[derive(Debug, Default)]
pub(in crate::engine) struct ByteBudget {
    held: BTreeMap<String, Share>,
    waiting: FairQueue<String, usize>,
}

/// What one resource takes.
#[derive(Debug)]
struct Share {
    namespace: Arc<str>,
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
        if self.waiting.is_empty() && fits(&self.held, bytes) {
            self.hold(uid, namespace, bytes);
            return true;
        }
        self.waiting
            .wait(uid.to_owned(), namespace, priority, bytes);
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

    /// A resource was planned, and something large is held for it or not: that is asked only if it has room,
    /// as few have. Returns the resources that have room now and are to be planned.
    pub(in crate::engine) fn planned(
        &mut self,
        uid: &str,
        holds: impl FnOnce() -> bool,
    ) -> Vec<String> {
        if !self.held.contains_key(uid) || holds() {
            return Vec::new();
        }
        self.held.remove(uid);
        self.grant_room()
    }

    /// A resource is gone. Returns the resources that have room now and are to be planned.
    pub(in crate::engine) fn forget(&mut self, uid: &str) -> Vec<String> {
        self.waiting.remove(uid);
        self.held.remove(uid);
        self.grant_room()
    }

    fn hold(&mut self, uid: &str, namespace: &str, bytes: usize) {
        self.waiting.granted(namespace);
        let share = Share {
            namespace: namespace.into(),
            bytes,
        };
        self.held.insert(uid.to_owned(), share);
    }

    fn grant_room(&mut self) -> Vec<String> {
        let mut granted = Vec::new();
        while let Some((uid, _, namespace, bytes)) = self.waiting.grant(
            |namespace, bytes| has_its_share(&self.held, namespace, *bytes),
            |bytes| fits(&self.held, *bytes),
        ) {
            self.held.insert(uid.clone(), Share { namespace, bytes });
            granted.push(uid);
        }
        let held = &self.held;
        self.waiting
            .forget_turns(|namespace| held.values().any(|share| &*share.namespace == namespace));
        granted
    }
}

fn fits(held: &BTreeMap<String, Share>, bytes: usize) -> bool {
    let used: usize = held.values().map(|share| share.bytes).sum();
    held.is_empty() || used + bytes <= BYTES
}

/// Whether a namespace would have more than half of the room. One that has none may have it.
fn has_its_share(held: &BTreeMap<String, Share>, namespace: &str, bytes: usize) -> bool {
    let shares = held.values();
    let has: usize = shares
        .filter(|share| &*share.namespace == namespace)
        .map(|share| share.bytes)
        .sum();
    has > 0 && has + bytes > BYTES / 2
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
        assert_eq!(budget.planned("a0", || true), [""; 0]);
        assert_eq!(budget.planned("a0", || false), ["a4"]);
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
        assert_eq!(budget.planned("huge", || false), ["small"]);
    }

    #[test]
    fn the_urgent_go_first_and_nobody_overtakes_somebody_larger() {
        let mut budget = full();
        assert!(!budget.try_acquire("large", "b", 2 * QUARTER, URGENT));
        assert!(!budget.try_acquire("small", "c", QUARTER, ROUTINE));
        assert_eq!(
            budget.planned("a0", || false),
            [""; 0],
            "there is room for small alone"
        );
        assert!(
            !budget.try_acquire("new", "d", 1, ROUTINE),
            "nor does a new one"
        );
        assert_eq!(budget.planned("a1", || false), ["large"]);
        assert_eq!(budget.planned("large", || false), ["small", "new"]);
    }

    #[test]
    fn one_namespace_has_half_while_another_waits() {
        let mut budget = full();
        assert!(!budget.try_acquire("a4", "a", QUARTER, URGENT));
        assert!(!budget.try_acquire("b0", "b", QUARTER, ROUTINE));
        assert_eq!(budget.planned("a0", || false), ["b0"]);
        assert_eq!(budget.planned("a1", || false), ["a4"], "nobody else waits");
    }

    #[test]
    fn who_is_gone_leaves_its_room_and_its_place() {
        let mut budget = full();
        for uid in ["first", "second"] {
            assert!(!budget.try_acquire(uid, "b", QUARTER, ROUTINE));
        }
        assert_eq!(budget.forget("first"), [""; 0]);
        assert_eq!(budget.forget("a3"), ["second"]);
        assert_eq!(budget.planned("second", || false), [""; 0]);
        assert_eq!(
            budget.planned("second", || false),
            [""; 0],
            "what is not held frees nothing"
        );
    }

    #[test]
    fn two_namespaces_do_not_make_a_third_wait_for_all_that_they_want() {
        let mut budget = ByteBudget::default();
        for at in 0..12 {
            for namespace in ["a", "b"] {
                budget.try_acquire(&format!("{namespace}{at}"), namespace, QUARTER, URGENT);
            }
        }
        assert!(!budget.try_acquire("c0", "c", QUARTER, URGENT));
        assert_eq!(budget.planned("a0", || false), ["c0"], "c had no room yet");
        assert_eq!(budget.planned("b0", || false), ["a2"], "a and b in turn");
        assert_eq!(budget.planned("a1", || false), ["b2"]);
    }

    #[test]
    fn who_asks_again_and_again_does_not_go_before_who_waits() {
        let mut budget = full();
        assert!(!budget.try_acquire("b0", "b", QUARTER, URGENT));
        assert_eq!(budget.planned("a0", || false), ["b0"]);
        assert!(!budget.try_acquire("b1", "b", 3 * QUARTER, URGENT));
        assert_eq!(budget.planned("b0", || false), [""; 0], "it is large");
        assert!(!budget.try_acquire("c0", "c", QUARTER, URGENT));
        assert_eq!(budget.planned("a1", || false), ["c0"], "c had no room yet");
        assert_eq!(budget.planned("c0", || false), [""; 0]);
        assert!(!budget.try_acquire("c1", "c", QUARTER, URGENT));
        assert_eq!(budget.planned("a2", || false), ["b1"]);
        assert_eq!(budget.planned("a3", || false), ["c1"]);
    }

    #[test]
    fn who_takes_more_than_half_waits_as_the_others_of_its_namespace_do() {
        let mut budget = full();
        assert!(!budget.try_acquire("huge", "b", 3 * QUARTER, URGENT));
        for uid in ["c0", "c1"] {
            assert!(!budget.try_acquire(uid, "c", QUARTER, URGENT));
        }
        for uid in ["a0", "a1"] {
            assert_eq!(budget.planned(uid, || false), [""; 0], "huge is first");
        }
        assert_eq!(budget.planned("a2", || false), ["huge"]);
        assert_eq!(budget.planned("a3", || false), ["c0"]);
    }
}

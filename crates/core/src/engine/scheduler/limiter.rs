//! Slots for slow steps: at most a few requests of resources are in flight to one store at a time.
//!
//! What holds here:
//! - A slow store, or a slow STS of a role, delays only the resources that need it, and is not overloaded by
//!   them.
//! - A resource that finds no slot waits by priority, and is planned again as soon as there is one.
//! - The slots go round by namespace, as [`FairQueue`] says.
//! - A slot that was reserved and is not used goes to the next resource.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::protocol::Step;
use crate::engine::scheduler::fair_queue::FairQueue;
use crate::engine::scheduler::priority::Priority;

/// The most slow steps of resources in flight to one store.
const PER_STORE: usize = 4;
/// The most of them that belong to one namespace while another namespace waits.
const PER_NAMESPACE: usize = 2;

/// The resources that wait for a slot, and those that hold one.
#[derive(Debug, Default)]
pub(in crate::engine) struct StoreLimiter {
    stores: BTreeMap<String, StoreQueue>,
    /// The store of each resource's slow step in flight.
    in_flight: BTreeMap<String, String>,
    /// The store whose slot a resource waits for, or has reserved.
    queued_at: BTreeMap<String, String>,
    /// Stores whose queue a resource left for another.
    abandoned: BTreeSet<String>,
}

/// The queue of one store: resources, each with its namespace.
#[derive(Debug, Default)]
struct StoreQueue {
    in_flight: BTreeMap<String, Arc<str>>,
    /// Resources that are to be planned, each with a slot reserved for it.
    reserved: BTreeMap<String, Arc<str>>,
    waiting: FairQueue<String, ()>,
}

impl StoreQueue {
    fn available(&self) -> usize {
        PER_STORE.saturating_sub(self.in_flight.len() + self.reserved.len())
    }

    fn reserve(&mut self, uid: &str, namespace: &str) {
        self.waiting.granted(namespace);
        self.reserved.insert(uid.to_owned(), namespace.into());
    }

    fn remove(&mut self, uid: &str) {
        self.reserved.remove(uid);
        self.waiting.remove(uid);
    }

    /// Reserves each free slot for whose turn it is. Returns these resources.
    fn reserve_free_slots(&mut self) -> Vec<String> {
        let mut granted = Vec::new();
        while self.available() > 0 {
            let Self {
                in_flight,
                reserved,
                waiting,
            } = self;
            let held = |namespace: &str| {
                let holders = in_flight.values().chain(reserved.values());
                holders.filter(|other| &***other == namespace).count()
            };
            let next = waiting.grant(|namespace, ()| held(namespace) >= PER_NAMESPACE, |()| true);
            let Some((uid, _, namespace, ())) = next else {
                break;
            };
            reserved.insert(uid.clone(), namespace);
            granted.push(uid);
        }
        let Self {
            in_flight,
            reserved,
            waiting,
        } = self;
        waiting.forget_turns(|namespace| {
            let mut holders = in_flight.values().chain(reserved.values());
            holders.any(|other| &**other == namespace)
        });
        granted
    }
}

impl StoreLimiter {
    /// Whether a resource may start a slow step to a store now. If not, it waits for a slot. A resource that
    /// waits already keeps its position unless its priority changed.
    pub(in crate::engine) fn try_acquire(
        &mut self,
        store: &str,
        uid: &str,
        namespace: &str,
        priority: (Priority, i64),
    ) -> bool {
        if let Some(known) = self.queued_at.get(uid).filter(|known| *known != store) {
            self.abandoned.insert(known.clone());
            self.remove(uid);
        }
        self.queued_at.insert(uid.to_owned(), store.to_owned());
        let queue = self.stores.entry(store.to_owned()).or_default();
        if queue.reserved.contains_key(uid) || (queue.waiting.is_empty() && queue.available() > 0) {
            queue.reserve(uid, namespace);
            return true;
        }
        queue.waiting.wait(uid.to_owned(), namespace, priority, ());
        false
    }

    /// A resource was planned, with this step or none. Returns the resources to plan because there is a slot.
    pub(in crate::engine) fn planned(&mut self, uid: &str, step: Option<&Step>) -> Vec<String> {
        let to = step.and_then(slow_store);
        let from = self
            .queued_at
            .get(uid)
            .and_then(|store| Some((store.clone(), self.stores.get(store)?)))
            .map(|(store, queue)| (store, queue.reserved.get(uid).cloned()))
            .filter(|(_, reserved)| to.is_some() || reserved.is_some());
        if from.is_some() {
            self.remove(uid);
        }
        let (from, namespace) = from.unzip();
        if let Some(to) = to {
            let queue = self.stores.entry(to.to_owned()).or_default();
            let namespace = namespace.flatten().unwrap_or_default();
            queue.in_flight.insert(uid.to_owned(), namespace);
            self.in_flight.insert(uid.to_owned(), to.to_owned());
        }
        let abandoned = std::mem::take(&mut self.abandoned);
        from.into_iter()
            .chain(abandoned)
            .flat_map(|store| self.reserve_free_slots(&store))
            .collect()
    }

    /// A step of a resource is done. Returns the resources to plan because there is a slot.
    pub(in crate::engine) fn ended(&mut self, uid: &str) -> Vec<String> {
        let Some(store) = self.in_flight.remove(uid) else {
            return Vec::new();
        };
        if let Some(queue) = self.stores.get_mut(&store) {
            queue.in_flight.remove(uid);
        }
        self.reserve_free_slots(&store)
    }

    /// A resource is gone. Returns the resources to plan because there is a slot.
    pub(in crate::engine) fn forget(&mut self, uid: &str) -> Vec<String> {
        let store = self.queued_at.get(uid).cloned();
        self.remove(uid);
        store
            .map(|store| self.reserve_free_slots(&store))
            .unwrap_or_default()
    }

    fn remove(&mut self, uid: &str) {
        if let Some(queue) = self
            .queued_at
            .remove(uid)
            .and_then(|store| self.stores.get_mut(&store))
        {
            queue.remove(uid);
        }
    }

    fn reserve_free_slots(&mut self, store: &str) -> Vec<String> {
        let Some(queue) = self.stores.get_mut(store) else {
            return Vec::new();
        };
        let reserved = queue.reserve_free_slots();
        if queue.in_flight.is_empty() && queue.reserved.is_empty() {
            self.stores.remove(store);
        }
        reserved
    }
}

/// The store that a slow step calls, or for which it calls an STS.
pub(in crate::engine) fn slow_store(step: &Step) -> Option<&str> {
    match step {
        Step::FetchCredentials { store, .. }
        | Step::List { store, .. }
        | Step::SendRequests { store, .. } => Some(store),
        Step::Sign(_)
        | Step::InspectSecret { .. }
        | Step::CreateSecret(_)
        | Step::UpdateSecret { .. }
        | Step::RestoreMarks { .. }
        | Step::DeleteSecret { .. }
        | Step::DeleteResource { .. }
        | Step::ReadResource { .. }
        | Step::WriteStatus { .. }
        | Step::WriteStoreStatus { .. }
        | Step::WritePolicyStatus { .. }
        | Step::PublishEvent(_) => None,
    }
}

#[cfg(test)]
mod tests {
    //! The queue of a store.

    use super::*;

    const URGENT: (Priority, i64) = (Priority::Urgent, 0);
    const ROUTINE: (Priority, i64) = (Priority::Routine, 0);

    fn request() -> Step {
        request_to("default")
    }

    fn request_to(store: &str) -> Step {
        Step::SendRequests {
            store: store.to_owned(),
            requests: Vec::new(),
            ca_bundle: None,
            timeout: None,
        }
    }

    fn full() -> StoreLimiter {
        let mut limiter = StoreLimiter::default();
        for at in 0..PER_STORE {
            let uid = format!("u{at}");
            assert!(limiter.try_acquire("default", &uid, "a", ROUTINE));
            limiter.planned(&uid, Some(&request()));
        }
        limiter
    }

    #[test]
    fn a_store_has_a_few_slow_steps_at_most_and_others_are_not_held_up() {
        let mut limiter = full();
        assert!(!limiter.try_acquire("default", "late", "b", ROUTINE));
        assert!(limiter.try_acquire("other", "late", "b", ROUTINE));
    }

    #[test]
    fn the_urgent_one_goes_first_and_nobody_overtakes_the_queue() {
        let mut limiter = full();
        assert!(!limiter.try_acquire("default", "routine", "b", ROUTINE));
        assert!(!limiter.try_acquire("default", "urgent", "b", URGENT));
        assert_eq!(limiter.ended("u0"), ["urgent"]);
        assert!(
            !limiter.try_acquire("default", "new", "b", URGENT),
            "the position is kept"
        );
        assert!(limiter.try_acquire("default", "urgent", "b", URGENT));
        limiter.planned("urgent", Some(&request()));
        assert_eq!(limiter.ended("u1"), ["new"]);
        assert_eq!(limiter.ended("urgent"), ["routine"]);
    }

    #[test]
    fn a_slot_that_is_not_used_goes_to_the_next() {
        let mut limiter = full();
        assert!(!limiter.try_acquire("default", "first", "b", ROUTINE));
        assert!(!limiter.try_acquire("default", "second", "b", ROUTINE));
        assert_eq!(limiter.ended("u0"), ["first"]);
        assert_eq!(limiter.planned("first", None), ["second"]);
        assert_eq!(limiter.forget("second"), Vec::<String>::new());
        assert!(limiter.try_acquire("default", "third", "b", ROUTINE));
    }

    #[test]
    fn one_namespace_does_not_keep_the_others_out() {
        let mut limiter = full();
        for uid in ["a1", "a2"] {
            assert!(!limiter.try_acquire("default", uid, "a", URGENT));
        }
        assert!(!limiter.try_acquire("default", "b1", "b", ROUTINE));
        assert_eq!(limiter.ended("u0"), ["b1"], "a has three in flight");
        assert_eq!(limiter.planned("b1", Some(&request())), [""; 0]);
        assert_eq!(limiter.ended("u1"), ["a1"], "nobody else waits");
    }

    #[test]
    fn a_resource_that_moves_to_another_store_leaves_its_slot_to_the_next() {
        let mut limiter = full();
        for uid in ["first", "second"] {
            assert!(!limiter.try_acquire("default", uid, "b", ROUTINE));
        }
        assert_eq!(limiter.ended("u0"), ["first"]);
        assert!(limiter.try_acquire("other", "first", "b", ROUTINE));
        assert_eq!(
            limiter.planned("first", Some(&request_to("other"))),
            ["second"]
        );
    }

    #[test]
    fn the_slots_go_round_by_namespace() {
        let mut limiter = StoreLimiter::default();
        let mut place = |uid: &str, namespace: &str| {
            let free = limiter.try_acquire("default", uid, namespace, URGENT);
            if free {
                limiter.planned(uid, Some(&request()));
            }
            free
        };
        for at in 0..12 {
            for namespace in ["a", "b"] {
                place(&format!("{namespace}{at}"), namespace);
            }
        }
        assert!(!place("c0", "c"));
        assert_eq!(limiter.ended("a0"), ["c0"], "c had no slot yet");
        limiter.planned("c0", Some(&request()));
        assert_eq!(limiter.ended("b0"), ["a2"], "a and b in turn");
        limiter.planned("a2", Some(&request()));
        assert_eq!(limiter.ended("a1"), ["b2"]);
    }

    #[test]
    fn what_is_about_to_expire_goes_before_first_issues_of_others() {
        let mut limiter = full();
        for uid in ["first1", "first2"] {
            assert!(!limiter.try_acquire("default", uid, "b", (Priority::Urgent, i64::MIN)));
        }
        assert!(!limiter.try_acquire("default", "renewal", "c", (Priority::Expiring, 90)));
        assert_eq!(limiter.ended("u0"), ["renewal"]);
    }
    #[test]
    fn what_waits_moves_forward_as_it_rises() {
        let mut limiter = full();
        for uid in ["first1", "first2"] {
            assert!(!limiter.try_acquire("default", uid, "b", (Priority::Urgent, i64::MIN)));
        }
        assert!(!limiter.try_acquire("default", "later", "c", (Priority::Routine, 100)));
        assert!(!limiter.try_acquire("default", "sooner", "c", (Priority::Routine, 90)));
        assert_eq!(limiter.ended("u0"), ["first1"], "it is more urgent");
        assert!(!limiter.try_acquire("default", "later", "c", (Priority::Urgent, 100)));
        assert_eq!(limiter.ended("u1"), ["later"], "c had no slot yet");
        assert!(!limiter.try_acquire("default", "sooner", "c", (Priority::Expiring, 90)));
        assert_eq!(limiter.ended("u2"), ["sooner"], "whatever c had");
        assert_eq!(limiter.ended("u3"), ["first2"]);
    }
}

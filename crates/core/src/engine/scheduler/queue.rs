//! The queue of objects to plan: two priorities, wall-clock deadlines, and a bound on steps in flight.
//!
//! What holds here:
//! - Priority, namespace, rank and arrival decide the order, never a hash. Within a priority it goes round by
//!   namespace: whatever one namespace creates, another's first issue waits for one of its resources.
//! - An object is in flight at most once. A change meanwhile makes it dirty, and it is planned again once its
//!   step is done.
//! - An object that has started continues before a new one starts, so the two writes of a renewal stay close
//!   together.
//! - Some slots are for urgent objects alone, so routine objects never delay a first issue.
//! - What is about to expire goes before what was never issued: nobody's first issue costs another a URL that
//!   pods use.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::engine::protocol::ObjectKey;
use crate::engine::scheduler::fair_queue::FairQueue;
use crate::engine::scheduler::priority::Priority;

/// The objects that wait, their due times, and the objects in flight.
#[derive(Debug)]
pub struct Queue {
    slots: usize,
    urgent_slots: usize,
    /// Objects that have started and continue, then those that have not.
    lanes: [[FairQueue<ObjectKey, ()>; 2]; 3],
    waiting: BTreeMap<ObjectKey, (Lane, Turn)>,
    timers: BTreeSet<(Timestamp, ObjectKey)>,
    timer: BTreeMap<ObjectKey, Timestamp>,
    in_flight: BTreeMap<ObjectKey, Flight>,
    routine_in_flight: usize,
    resources_in_flight: usize,
}

/// Each kind of slot has a queue of its own, so a full kind is skipped without a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    /// Stores and policies: each has one step at most, and needs no slot.
    Free,
    /// What is about to expire, and what is urgent.
    Urgent,
    Routine,
}

/// Whether an object has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Continues,
    Starts,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    priority: Priority,
    dirty: bool,
}

impl Lane {
    fn of(key: &ObjectKey, priority: Priority) -> Self {
        match (key, priority) {
            (ObjectKey::Store(_) | ObjectKey::Policy(_), _) => Self::Free,
            (ObjectKey::Resource(_), Priority::Expiring | Priority::Urgent) => Self::Urgent,
            (ObjectKey::Resource(_), Priority::Routine) => Self::Routine,
        }
    }
}

impl Queue {
    /// A queue with this many slots for steps in flight, some of them for urgent objects alone.
    #[must_use]
    pub fn new(slots: usize, urgent_slots: usize) -> Self {
        let slots = slots.max(1);
        Self {
            slots,
            urgent_slots: urgent_slots.min(slots - 1),
            lanes: Default::default(),
            waiting: BTreeMap::new(),
            timers: BTreeSet::new(),
            timer: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            routine_in_flight: 0,
            resources_in_flight: 0,
        }
    }

    /// Queues an object of a namespace; of the cluster, if it is empty. A lower rank goes first within a
    /// priority and namespace; an object that waits already moves forward, never back.
    pub fn push(&mut self, key: ObjectKey, namespace: &str, priority: Priority, rank: i64) {
        self.put(key, namespace, (priority, rank), Turn::Starts);
    }

    /// Queues an object that has started: it goes before those that have not.
    pub fn proceed(&mut self, key: ObjectKey, namespace: &str, priority: Priority) {
        self.put(key, namespace, (priority, i64::MIN), Turn::Continues);
    }

    fn put(&mut self, key: ObjectKey, namespace: &str, priority: (Priority, i64), turn: Turn) {
        if let Some(flight) = self.in_flight.get_mut(&key) {
            flight.dirty = true;
            return;
        }
        let lane = Lane::of(&key, priority.0);
        let mut turn = turn;
        if let Some((old_lane, old_turn)) = self.waiting.get(&key) {
            let old = &mut self.lanes[*old_lane as usize][*old_turn as usize];
            let continues = *old_turn == Turn::Continues;
            if old.waits(&key).is_some_and(|old| old <= priority)
                && (continues || turn == *old_turn)
            {
                return;
            }
            if continues {
                turn = Turn::Continues;
            }
            old.remove(&key);
        }
        self.lanes[lane as usize][turn as usize].wait(key.clone(), namespace, priority, ());
        self.waiting.insert(key, (lane, turn));
    }

    /// Queues an object at a time, in place of an earlier requested time. `None` clears the time.
    pub fn at(&mut self, key: &ObjectKey, time: Option<Timestamp>) {
        if let Some(old) = self.timer.remove(key) {
            self.timers.remove(&(old, key.clone()));
        }
        if let Some(time) = time {
            self.timers.insert((time, key.clone()));
            self.timer.insert(key.clone(), time);
        }
    }

    /// Queues an object at a time at the latest: an earlier requested time stays.
    pub fn by(&mut self, key: &ObjectKey, time: Timestamp) {
        if self.timer.get(key).is_none_or(|known| *known > time) {
            self.at(key, Some(time));
        }
    }

    /// Removes and returns the objects that are due.
    pub fn due(&mut self, now: Timestamp) -> Vec<ObjectKey> {
        let mut due = Vec::new();
        while let Some((time, key)) = self.timers.first().cloned() {
            if time > now {
                break;
            }
            self.at(&key, None);
            due.push(key);
        }
        due
    }

    /// The next time at which an object is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// Removes and returns the next object that may start a step now.
    pub fn pop(&mut self) -> Option<(ObjectKey, Priority)> {
        let free = self.slots - self.resources_in_flight.min(self.slots);
        let routine = self.slots - self.urgent_slots > self.routine_in_flight;
        let open = [
            (Lane::Free, true),
            (Lane::Urgent, free > 0),
            (Lane::Routine, free > 0 && routine),
        ];
        open.into_iter()
            .filter(|(_, open)| *open)
            .find_map(|(lane, _)| {
                let lane = self.lanes[lane as usize]
                    .iter_mut()
                    .find(|queue| !queue.is_empty())?;
                let (key, priority, ..) = lane.grant(|_, ()| false, |()| true)?;
                lane.forget_turns(|_| false);
                self.waiting.remove(&key);
                Some((key, priority))
            })
    }

    /// A step of this object has started.
    pub fn begin(&mut self, key: ObjectKey, priority: Priority) {
        if matches!(key, ObjectKey::Resource(_)) {
            self.resources_in_flight += 1;
            self.routine_in_flight += usize::from(priority == Priority::Routine);
        }
        self.in_flight.insert(
            key,
            Flight {
                priority,
                dirty: false,
            },
        );
    }

    /// The step is done. Returns the priority that it ran with and whether the object changed meanwhile;
    /// `None` if no such step was in flight.
    pub fn end(&mut self, key: &ObjectKey) -> Option<(Priority, bool)> {
        let flight = self.in_flight.remove(key)?;
        if matches!(key, ObjectKey::Resource(_)) {
            self.resources_in_flight -= 1;
            self.routine_in_flight -= usize::from(flight.priority == Priority::Routine);
        }
        Some((flight.priority, flight.dirty))
    }

    /// Forgets an object that is gone; a step of it that is in flight still ends.
    pub fn forget(&mut self, key: &ObjectKey) {
        self.at(key, None);
        if let Some((lane, turn)) = self.waiting.remove(key) {
            self.lanes[lane as usize][turn as usize].remove(key);
        }
    }

    /// How many objects wait, urgent and routine.
    #[must_use]
    pub fn depth(&self) -> (usize, usize) {
        let [free, urgent, routine] = &self.lanes;
        let count = |lane: &[FairQueue<_, _>; 2]| lane.iter().map(FairQueue::len).sum::<usize>();
        (count(free) + count(urgent), count(routine))
    }

    /// Whether an object waits that has started, and goes before those that have not.
    #[must_use]
    pub fn continues(&self, key: &ObjectKey) -> bool {
        let waiting = self.waiting.get(key);
        waiting.is_some_and(|(_, turn)| *turn == Turn::Continues)
    }

    /// How many steps are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }
}

#[cfg(test)]
mod tests {
    //! Order and slots.

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::Resource(name.into())
    }

    fn drain(queue: &mut Queue) -> Vec<ObjectKey> {
        std::iter::from_fn(|| queue.pop().map(|(key, _)| key)).collect()
    }

    #[test]
    fn urgent_goes_first_then_rank_then_arrival() {
        let mut queue = Queue::new(8, 2);
        queue.push(key("routine"), "a", Priority::Routine, 0);
        queue.push(key("late"), "a", Priority::Urgent, 2);
        queue.push(key("early"), "a", Priority::Urgent, 1);
        queue.push(key("early-too"), "a", Priority::Urgent, 1);
        let order = [key("early"), key("early-too"), key("late"), key("routine")];
        assert_eq!(drain(&mut queue), order);
    }

    #[test]
    fn what_is_about_to_expire_goes_before_what_was_never_issued() {
        let mut queue = Queue::new(4, 1);
        queue.push(key("first"), "a", Priority::Urgent, i64::MIN);
        queue.push(key("expires"), "a", Priority::Expiring, 90);
        assert_eq!(queue.pop(), Some((key("expires"), Priority::Expiring)));
        assert_eq!(queue.pop(), Some((key("first"), Priority::Urgent)));
    }

    #[test]
    fn routine_objects_never_take_the_urgent_slots() {
        let mut queue = Queue::new(4, 2);
        for at in 0..3 {
            queue.push(key(&format!("routine-{at}")), "a", Priority::Routine, 0);
        }
        for _ in 0..2 {
            let (key, priority) = queue.pop().unwrap();
            queue.begin(key, priority);
        }
        assert_eq!(
            queue.pop(),
            None,
            "two of four slots are for urgent objects"
        );
        queue.push(key("urgent"), "a", Priority::Urgent, 0);
        let (next, priority) = queue.pop().unwrap();
        assert_eq!(next, key("urgent"));
        queue.begin(next, priority);
        queue.end(&key("routine-0")).unwrap();
        assert_eq!(queue.pop().unwrap().0, key("routine-2"));
    }

    #[test]
    fn what_waits_is_counted_by_how_urgent_it_is() {
        let mut queue = Queue::new(4, 1);
        queue.push(ObjectKey::Policy("free".into()), "a", Priority::Urgent, 0);
        queue.push(key("urgent"), "a", Priority::Urgent, 0);
        for name in ["one", "two", "three"] {
            queue.push(key(name), "a", Priority::Routine, 0);
        }
        assert_eq!(queue.depth(), (2, 3));
        queue.begin(key("begun"), Priority::Urgent);
        assert_eq!(queue.in_flight(), 1);
        queue.forget(&key("two"));
        assert_eq!(queue.depth(), (2, 2));
    }

    #[test]
    fn a_store_needs_no_slot() {
        let mut queue = Queue::new(1, 0);
        queue.begin(key("only"), Priority::Urgent);
        queue.push(key("waits"), "a", Priority::Urgent, i64::MIN);
        let store = ObjectKey::Store("default".into());
        queue.push(store.clone(), "a", Priority::Urgent, i64::MIN);
        assert_eq!(queue.pop().map(|(key, _)| key), Some(store));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn what_happens_during_a_step_makes_it_dirty() {
        let mut queue = Queue::new(4, 1);
        queue.begin(key("a"), Priority::Urgent);
        queue.push(key("a"), "a", Priority::Routine, 0);
        assert_eq!(queue.pop(), None);
        assert_eq!(queue.end(&key("a")), Some((Priority::Urgent, true)));
        assert_eq!(queue.end(&key("a")), None);
    }

    #[test]
    fn an_object_that_waits_moves_forward_and_never_back() {
        let mut queue = Queue::new(4, 1);
        queue.push(key("a"), "a", Priority::Routine, 5);
        queue.push(key("b"), "a", Priority::Routine, 3);
        queue.push(key("a"), "a", Priority::Urgent, 9);
        queue.push(key("a"), "a", Priority::Routine, 1);
        assert_eq!(drain(&mut queue), [key("a"), key("b")]);
    }

    #[test]
    fn what_has_started_and_waits_rises_and_still_goes_before_what_starts() {
        let mut queue = Queue::new(4, 1);
        queue.proceed(key("renewal"), "a", Priority::Routine);
        queue.push(key("expires"), "b", Priority::Expiring, 0);
        queue.push(key("first"), "b", Priority::Urgent, i64::MIN);
        queue.push(key("renewal"), "a", Priority::Urgent, 90);
        assert_eq!(queue.depth(), (3, 0));
        let order = [key("renewal"), key("expires"), key("first")];
        assert_eq!(drain(&mut queue), order);
    }

    #[test]
    fn a_time_at_the_latest_moves_the_requested_time_forward_and_never_back() {
        let time = |s| Timestamp::from_second(s).unwrap();
        let mut queue = Queue::new(4, 1);
        queue.by(&key("a"), time(20));
        queue.by(&key("a"), time(10));
        queue.by(&key("a"), time(15));
        assert_eq!(queue.next_due(), Some(time(10)));
        assert_eq!(queue.due(time(10)), [key("a")]);
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn the_last_requested_time_counts() {
        let time = |s| Timestamp::from_second(s).unwrap();
        let mut queue = Queue::new(4, 1);
        queue.at(&key("a"), Some(time(10)));
        queue.at(&key("b"), Some(time(5)));
        queue.at(&key("a"), Some(time(20)));
        assert_eq!(queue.next_due(), Some(time(5)));
        assert_eq!(queue.due(time(10)), [key("b")]);
        assert_eq!(queue.due(time(20)), [key("a")]);
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn whatever_one_namespace_creates_anothers_first_issue_waits_for_one_of_it() {
        let mut queue = Queue::new(8, 2);
        for at in 0..1000 {
            queue.push(key(&format!("a{at:04}")), "a", Priority::Urgent, 0);
        }
        assert_eq!(queue.pop(), Some((key("a0000"), Priority::Urgent)));
        for at in 0..3 {
            queue.push(key(&format!("b{at}")), "b", Priority::Urgent, 0);
        }
        let order: Vec<_> = drain(&mut queue).into_iter().take(6).collect();
        let round = ["b0", "a0001", "b1", "a0002", "b2", "a0003"].map(key);
        assert_eq!(order, round);
    }

    #[test]
    fn what_has_started_continues_before_another_namespace_starts() {
        let mut queue = Queue::new(8, 2);
        queue.push(key("new"), "b", Priority::Urgent, i64::MIN);
        queue.push(key("started"), "a", Priority::Urgent, 0);
        queue.proceed(key("started"), "a", Priority::Urgent);
        queue.push(key("started"), "a", Priority::Routine, 0);
        queue.push(key("expires"), "b", Priority::Expiring, 0);
        let order = [key("started"), key("expires"), key("new")];
        assert_eq!(drain(&mut queue), order);
    }
}

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
//! - One step in eight belongs to whoever has waited longest, so what a policy shortens or refuses is done
//!   although renewals whose ends are nearer come without end.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::engine::protocol::ObjectKey;
use crate::engine::scheduler::age_turn::AgeTurn;
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
    /// How many have arrived so far.
    arrivals: u64,
    age_turn: AgeTurn,
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

/// With what an object left the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The priority with which it waited.
    pub priority: Priority,
    /// When it arrived, counted in arrivals.
    arrival: u64,
    /// Whether it had waited longest.
    oldest: bool,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    ticket: Ticket,
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
            arrivals: 0,
            age_turn: AgeTurn::default(),
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
        self.put(key, namespace, (priority, rank), (Turn::Starts, None));
    }

    /// Queues an object whose step has ended and that continues, with the ticket of that step: it goes before
    /// those that have not started, and keeps its age.
    pub fn proceed(&mut self, key: ObjectKey, namespace: &str, priority: Priority, ticket: Ticket) {
        let since = (Turn::Continues, Some(ticket.arrival));
        self.put(key, namespace, (priority, i64::MIN), since);
    }

    fn put(
        &mut self,
        key: ObjectKey,
        namespace: &str,
        (priority, rank): (Priority, i64),
        (mut turn, arrival): (Turn, Option<u64>),
    ) {
        if let Some(flight) = self.in_flight.get_mut(&key) {
            flight.dirty = true;
            return;
        }
        let lane = Lane::of(&key, priority);
        let mut arrival = arrival.unwrap_or_else(|| {
            self.arrivals += 1;
            self.arrivals
        });
        if let Some((old_lane, old_turn)) = self.waiting.get(&key) {
            let old = &mut self.lanes[*old_lane as usize][*old_turn as usize];
            let continues = *old_turn == Turn::Continues;
            if let Some((old_priority, old_rank, since)) = old.waits(&key) {
                let forward = (old_priority, old_rank) > (priority, rank);
                if !forward && (continues || turn == *old_turn) {
                    return;
                }
                arrival = arrival.min(since);
            }
            if continues {
                turn = Turn::Continues;
            }
            old.remove(&key);
        }
        let position = (priority, rank, arrival);
        self.lanes[lane as usize][turn as usize].wait_since(key.clone(), namespace, position, ());
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
    pub fn pop(&mut self) -> Option<(ObjectKey, Ticket)> {
        let free = self.slots > self.resources_in_flight;
        let routine = self.slots - self.urgent_slots > self.routine_in_flight;
        let open = [
            (Lane::Free, true),
            (Lane::Urgent, free),
            (Lane::Routine, free && routine),
        ];
        let open = open.into_iter().filter(|(_, open)| *open);
        let (lane, by_age) = self.next(open.map(|(lane, _)| lane))?;
        let lane = &mut self.lanes[lane.0 as usize][lane.1 as usize];
        let (key, (priority, _, arrival)) = if by_age {
            lane.take_oldest()
        } else {
            lane.take_first()
        }?;
        lane.forget_turns(|_| false);
        self.waiting.remove(&key);
        let others = self.lanes[Lane::Urgent as usize..].iter().flatten();
        let oldest = others.filter_map(FairQueue::oldest).all(|it| arrival < it);
        let ticket = Ticket {
            priority,
            arrival,
            oldest,
        };
        Some((key, ticket))
    }

    /// The next of these lanes that somebody waits in, and whether its oldest is next. Stores and policies
    /// need no slot, so they have no age.
    fn next(&self, open: impl Iterator<Item = Lane> + Clone) -> Option<((Lane, Turn), bool)> {
        let turns = [Turn::Continues, Turn::Starts];
        let open = open
            .flat_map(|lane| turns.map(|turn| (lane, turn)))
            .filter(|(lane, turn)| !self.lanes[*lane as usize][*turn as usize].is_empty());
        let first = open.clone().next()?;
        if first.0 == Lane::Free || !self.age_turn.is_due() {
            return Some((first, false));
        }
        let age = |(lane, turn): &(Lane, Turn)| self.lanes[*lane as usize][*turn as usize].oldest();
        let oldest = open.min_by_key(age)?;
        Some((oldest, true))
    }

    /// A step of this object has started.
    pub fn begin(&mut self, key: ObjectKey, ticket: Ticket) {
        if matches!(key, ObjectKey::Resource(_)) {
            self.resources_in_flight += 1;
            self.routine_in_flight += usize::from(ticket.priority == Priority::Routine);
            self.age_turn.granted(ticket.oldest);
        }
        let dirty = false;
        self.in_flight.insert(key, Flight { ticket, dirty });
    }

    /// The step is done. Returns the ticket that it began with and whether the object changed meanwhile;
    /// `None` if no such step was in flight.
    pub fn end(&mut self, key: &ObjectKey) -> Option<(Ticket, bool)> {
        let flight = self.in_flight.remove(key)?;
        let priority = flight.ticket.priority;
        if matches!(key, ObjectKey::Resource(_)) {
            self.resources_in_flight -= 1;
            self.routine_in_flight -= usize::from(priority == Priority::Routine);
        }
        Some((flight.ticket, flight.dirty))
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
mod tests;

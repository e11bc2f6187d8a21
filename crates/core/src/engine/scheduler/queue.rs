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
use crate::engine::scheduler::priority::{Priority, QueuePosition};

/// The objects that wait, their due times, and the objects in flight.
#[derive(Debug)]
pub struct Queue {
    slots: usize,
    urgent_slots: usize,
    /// Objects that have started and continue, then those that have not.
    lanes: [[FairQueue<ObjectKey, ()>; 2]; 3],
    /// Who continues and takes no place in a lane yet, as long as nobody is queued after it.
    latest: Option<Latest>,
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

/// An object whose step ended last. It is nearly always the next one.
#[derive(Debug)]
struct Latest {
    key: ObjectKey,
    namespace: String,
    position: QueuePosition,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    ticket: Ticket,
    dirty: bool,
}

impl Lane {
    const ALL: [Self; 3] = [Self::Free, Self::Urgent, Self::Routine];

    fn of(key: &ObjectKey, priority: Priority) -> Self {
        match (key, priority) {
            (ObjectKey::Store(_) | ObjectKey::Policy(_), _) => Self::Free,
            (ObjectKey::Resource(_), Priority::Expiring | Priority::Urgent) => Self::Urgent,
            (ObjectKey::Resource(_), Priority::Routine) => Self::Routine,
        }
    }
}

impl Turn {
    const ALL: [Self; 2] = [Self::Continues, Self::Starts];
}

impl Latest {
    fn lane(&self) -> Lane {
        Lane::of(&self.key, self.position.0)
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
            latest: None,
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
        self.queue_latest();
        if self.in_flight.contains_key(&key) || self.place_of(&key).is_some() {
            let since = (Turn::Continues, Some(ticket.arrival));
            self.put(key, namespace, (priority, i64::MIN), since);
            return;
        }
        self.latest = Some(Latest {
            key,
            namespace: namespace.to_owned(),
            position: (priority, i64::MIN, ticket.arrival),
        });
    }

    /// The latest takes its place in a lane.
    fn queue_latest(&mut self) {
        if let Some(latest) = self.latest.take() {
            let lane = &mut self.lanes[latest.lane() as usize][Turn::Continues as usize];
            lane.wait_since(latest.key, &latest.namespace, latest.position, ());
        }
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
        self.queue_latest();
        let lane = Lane::of(&key, priority);
        let mut arrival = arrival.unwrap_or_else(|| {
            self.arrivals += 1;
            self.arrivals
        });
        if let Some((old, old_turn, (old_priority, old_rank, since))) = self.place_of(&key) {
            let continues = old_turn == Turn::Continues;
            let forward = (old_priority, old_rank) > (priority, rank);
            if !forward && (continues || turn == old_turn) {
                return;
            }
            arrival = arrival.min(since);
            if continues {
                turn = Turn::Continues;
            }
            self.lanes[old as usize][old_turn as usize].remove(&key);
        }
        let position = (priority, rank, arrival);
        self.lanes[lane as usize][turn as usize].wait_since(key, namespace, position, ());
    }

    /// Where an object waits in a lane.
    fn place_of(&self, key: &ObjectKey) -> Option<(Lane, Turn, QueuePosition)> {
        Lane::ALL.into_iter().find_map(|lane| {
            Turn::ALL.into_iter().find_map(|turn| {
                let position = self.lanes[lane as usize][turn as usize].waits(key)?;
                Some((lane, turn, position))
            })
        })
    }

    /// Queues an object at a time, in place of an earlier requested time. `None` clears the time.
    pub fn at(&mut self, key: &ObjectKey, time: Option<Timestamp>) {
        let known = match time {
            Some(time) => self.timer.insert(key.clone(), time),
            None => self.timer.remove(key),
        };
        if known == time {
            return;
        }
        if let Some(old) = known {
            self.timers.remove(&(old, key.clone()));
        }
        if let Some(time) = time {
            self.timers.insert((time, key.clone()));
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
        let open = open.map(|(lane, _)| lane);
        let latest = self.take_latest(open.clone());
        let (key, (priority, _, arrival)) = if let Some(latest) = latest {
            (latest.key, latest.position)
        } else {
            self.queue_latest();
            self.take(open)?
        };
        let others = self.lanes[Lane::Urgent as usize..].iter().flatten();
        let oldest = others.filter_map(FairQueue::oldest).all(|it| arrival < it);
        let ticket = Ticket {
            priority,
            arrival,
            oldest,
        };
        Some((key, ticket))
    }

    /// The latest, if it is the next one of these lanes.
    fn take_latest(&mut self, mut open: impl Iterator<Item = Lane>) -> Option<Latest> {
        let lane = self.latest.as_ref()?.lane();
        if lane != Lane::Free && self.age_turn.is_due() {
            return None;
        }
        let waits = |lane: Lane, turn: Turn| !self.lanes[lane as usize][turn as usize].is_empty();
        let first =
            open.find(|open| *open == lane || Turn::ALL.iter().any(|turn| waits(*open, *turn)));
        if first != Some(lane) || waits(lane, Turn::Continues) {
            return None;
        }
        self.latest.take()
    }

    /// Takes the next one of these lanes.
    fn take(
        &mut self,
        open: impl Iterator<Item = Lane> + Clone,
    ) -> Option<(ObjectKey, QueuePosition)> {
        let ((lane, turn), by_age) = self.next(open)?;
        let lane = &mut self.lanes[lane as usize][turn as usize];
        let taken = if by_age {
            lane.take_oldest()
        } else {
            lane.take_first()
        };
        lane.forget_turns(|_| false);
        taken
    }

    /// The next of these lanes that somebody waits in, and whether its oldest is next. Stores and policies
    /// need no slot, so they have no age.
    fn next(&self, open: impl Iterator<Item = Lane> + Clone) -> Option<((Lane, Turn), bool)> {
        let open = open
            .flat_map(|lane| Turn::ALL.map(|turn| (lane, turn)))
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
        self.queue_latest();
        for lane in self.lanes.iter_mut().flatten() {
            lane.remove(key);
        }
    }

    /// How many objects wait, urgent and routine.
    #[must_use]
    pub fn depth(&self) -> (usize, usize) {
        let count = |lane: Lane| {
            let latest = self.latest.as_ref().filter(|latest| latest.lane() == lane);
            let waiting = self.lanes[lane as usize].iter().map(FairQueue::len);
            waiting.sum::<usize>() + usize::from(latest.is_some())
        };
        let urgent = count(Lane::Free) + count(Lane::Urgent);
        (urgent, count(Lane::Routine))
    }

    /// Whether an object waits that has started, and goes before those that have not.
    #[must_use]
    pub fn continues(&self, key: &ObjectKey) -> bool {
        let is_latest = self
            .latest
            .as_ref()
            .is_some_and(|latest| latest.key == *key);
        let place = || self.place_of(key);
        is_latest || place().is_some_and(|(_, turn, _)| turn == Turn::Continues)
    }

    /// How many steps are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }
}

#[cfg(test)]
mod tests;

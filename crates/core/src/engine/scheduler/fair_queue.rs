//! The queue of those that wait for something scarce: it goes round by namespace.
//!
//! What holds here:
//! - However much one namespace asks for, another waits for one grant to each at most, at its priority.
//! - A namespace that has its share goes after those that have not; then the higher priority decides, then
//!   whose last grant is the oldest.
//! - A turn is remembered while anybody waits: who asks again and again does not go before who waits.
//! - Whoever waits keeps its age as it moves forward. [`AgeTurn`] says when the oldest goes first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::scheduler::age_turn::AgeTurn;
use crate::engine::scheduler::priority::{Priority, QueuePosition};

/// Who waits, by key, each with its request.
#[derive(Debug)]
pub(super) struct FairQueue<K, T> {
    /// Who waits, by namespace.
    waiting: BTreeMap<Arc<str>, BTreeMap<QueuePosition, (K, T)>>,
    /// The first of each namespace, in the order of their turns.
    heads: BTreeSet<Head>,
    /// The namespace and position of each that waits.
    positions: BTreeMap<K, (Arc<str>, QueuePosition)>,
    /// The same by arrival, the oldest first.
    ages: BTreeMap<u64, (Arc<str>, QueuePosition)>,
    /// When the oldest goes first.
    age_turn: AgeTurn,
    /// When each namespace last got something, counted in grants.
    turns: BTreeMap<Arc<str>, u64>,
    turn: u64,
    sequence: u64,
}

/// The first of a namespace: its priority, the last turn of the namespace, its position, the namespace.
type Head = (Priority, Option<u64>, QueuePosition, Arc<str>);

impl<K, T> Default for FairQueue<K, T> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            heads: BTreeSet::new(),
            positions: BTreeMap::new(),
            ages: BTreeMap::new(),
            age_turn: AgeTurn::default(),
            turns: BTreeMap::new(),
            turn: 0,
            sequence: 0,
        }
    }
}

impl<K: Clone + Ord, T> FairQueue<K, T> {
    pub(super) fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.positions.len()
    }

    /// The position of somebody that waits.
    pub(super) fn waits<Q>(&self, key: &Q) -> Option<QueuePosition>
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let (_, position) = self.positions.get(key)?;
        Some(*position)
    }

    /// The arrival of whoever has waited longest.
    pub(super) fn oldest(&self) -> Option<u64> {
        let (arrival, _) = self.ages.first_key_value()?;
        Some(*arrival)
    }

    /// Somebody waits, from now on unless it waits already.
    pub(super) fn wait(&mut self, key: K, namespace: &str, priority: (Priority, i64), asks: T) {
        let known = self.waits(&key).map(|(.., arrival)| arrival);
        if known.is_some() {
            self.remove(&key);
        }
        let arrival = known.unwrap_or_else(|| {
            self.sequence += 1;
            self.sequence
        });
        self.wait_since(key, namespace, (priority.0, priority.1, arrival), asks);
    }

    /// Somebody who does not wait yet waits at this position. No two have the same arrival: either the caller
    /// counts arrivals, or [`Self::wait`] does.
    pub(super) fn wait_since(&mut self, key: K, namespace: &str, position: QueuePosition, asks: T) {
        self.change(namespace, |queue| {
            let namespace = queue.shared(namespace);
            let entry = (Arc::clone(&namespace), position);
            queue.ages.insert(position.2, entry.clone());
            queue.positions.insert(key.clone(), entry);
            let waiting = queue.waiting.entry(namespace).or_default();
            waiting.insert(position, (key, asks));
        });
    }

    /// Somebody waits no more. Returns its namespace and its request.
    pub(super) fn remove<Q>(&mut self, key: &Q) -> Option<(Arc<str>, T)>
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let (namespace, position) = self.positions.remove(key)?;
        let (_, asks) = self.change(&namespace, |queue| queue.leave(&namespace, position))?;
        Some((namespace, asks))
    }

    /// Whoever waits at this position waits no more, but for its entry by key.
    fn leave(&mut self, namespace: &str, position: QueuePosition) -> Option<(K, T)> {
        self.ages.remove(&position.2);
        let waiting = self.waiting.get_mut(namespace)?;
        let left = waiting.remove(&position);
        if waiting.is_empty() {
            self.waiting.remove(namespace);
        }
        left
    }

    /// Whose turn it is gets what it requests, if that `fits`: it waits no more, and the turn of its
    /// namespace is over. `has_its_share` decides for a namespace and a request. Returns it with its
    /// priority, its namespace and its request.
    pub(super) fn grant(
        &mut self,
        has_its_share: impl Fn(&str, &T) -> bool,
        fits: impl Fn(&T) -> bool,
    ) -> Option<(K, Priority, Arc<str>, T)> {
        let (namespace, position, asks) = self.next(has_its_share)?;
        if !fits(asks) {
            return None;
        }
        let (namespace, position) = (Arc::clone(namespace), position);
        self.age_turn.granted(self.oldest() == Some(position.2));
        let (key, asks) = self.take(&namespace, position)?;
        Some((key, position.0, namespace, asks))
    }

    /// Whose turn it is.
    fn next(
        &self,
        has_its_share: impl Fn(&str, &T) -> bool,
    ) -> Option<(&Arc<str>, QueuePosition, &T)> {
        let asks = |namespace: &Arc<str>, position: QueuePosition| {
            let (_, asks) = self.waiting.get(namespace)?.get(&position)?;
            Some(asks)
        };
        let mut heads = self.heads.iter().filter_map(|(.., position, namespace)| {
            Some((namespace, *position, asks(namespace, *position)?))
        });
        let oldest = self.ages.values().next();
        let oldest = oldest.filter(|_| self.age_turn.is_due());
        let oldest = oldest.and_then(|(namespace, position)| {
            Some((namespace, *position, asks(namespace, *position)?))
        });
        let lacks =
            |(namespace, _, asks): &(&Arc<str>, QueuePosition, &T)| !has_its_share(namespace, asks);
        oldest
            .filter(lacks)
            .or_else(|| heads.clone().find(lacks))
            .or(oldest)
            .or_else(|| heads.next())
    }

    /// Takes whose turn it is by priority and namespace: it waits no more, and the turn of its namespace is
    /// over. Returns it with its position.
    pub(super) fn take_first(&mut self) -> Option<(K, QueuePosition)> {
        let (.., position, namespace) = self.heads.first()?;
        let (position, namespace) = (*position, Arc::clone(namespace));
        let (key, _) = self.take(&namespace, position)?;
        Some((key, position))
    }

    /// The same of whoever has waited longest.
    pub(super) fn take_oldest(&mut self) -> Option<(K, QueuePosition)> {
        let (namespace, position) = self.ages.values().next()?;
        let (position, namespace) = (*position, Arc::clone(namespace));
        let (key, _) = self.take(&namespace, position)?;
        Some((key, position))
    }

    fn take(&mut self, namespace: &Arc<str>, position: QueuePosition) -> Option<(K, T)> {
        self.change(namespace, |queue| {
            let (key, asks) = queue.leave(namespace, position)?;
            queue.positions.remove(&key);
            queue.turn_ends(Arc::clone(namespace));
            Some((key, asks))
        })
    }

    /// A namespace got what one of its objects requested.
    pub(super) fn granted(&mut self, namespace: &str) {
        self.change(namespace, |queue| {
            let namespace = queue.shared(namespace);
            queue.turn_ends(namespace);
        });
    }

    fn turn_ends(&mut self, namespace: Arc<str>) {
        self.turn += 1;
        self.turns.insert(namespace, self.turn);
    }

    /// Forgets the turns of namespaces that hold nothing, once nobody waits.
    pub(super) fn forget_turns(&mut self, holds: impl Fn(&str) -> bool) {
        if self.is_empty() {
            self.turns.retain(|namespace, _| holds(namespace));
        }
    }

    /// Changes what is known of a namespace, and keeps its first in order.
    fn change<R>(&mut self, namespace: &str, change: impl FnOnce(&mut Self) -> R) -> R {
        let before = self.head(namespace);
        let changed = change(self);
        let after = self.head(namespace);
        if before != after {
            if let Some(head) = before {
                self.heads.remove(&head);
            }
            self.heads.extend(after);
        }
        changed
    }

    /// The name of a namespace, which every plan of its resources asks for: it is allocated once.
    fn shared(&self, namespace: &str) -> Arc<str> {
        let waiting = self.waiting.get_key_value(namespace).map(|(name, _)| name);
        let known = waiting.or_else(|| self.turns.get_key_value(namespace).map(|(name, _)| name));
        known.map_or_else(|| namespace.into(), Arc::clone)
    }

    fn head(&self, namespace: &str) -> Option<Head> {
        let (namespace, waiting) = self.waiting.get_key_value(namespace)?;
        let (position, _) = waiting.first_key_value()?;
        let turn = self.turns.get(namespace).copied();
        Some((position.0, turn, *position, Arc::clone(namespace)))
    }
}

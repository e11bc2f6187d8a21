//! The queue of those that wait for a share of something scarce: it goes round by namespace.
//!
//! What holds here:
//! - However much one namespace asks for, another waits for one grant to each at most, at its priority.
//! - A namespace that has its share goes after those that have not; then the higher priority decides, then
//!   whose last grant is the oldest.
//! - A turn is remembered while anybody waits: who asks again and again does not go before who waits.

use std::collections::BTreeMap;

use crate::engine::scheduler::queue::{Priority, QueuePosition};

/// Resources that wait, each with what it asks for.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    /// Who waits, by namespace.
    waiting: BTreeMap<String, BTreeMap<QueuePosition, (String, T)>>,
    /// The namespace and position of each of them.
    positions: BTreeMap<String, (String, QueuePosition)>,
    /// When each namespace last got something, counted in grants.
    turns: BTreeMap<String, u64>,
    turn: u64,
    sequence: u64,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            positions: BTreeMap::new(),
            turns: BTreeMap::new(),
            turn: 0,
            sequence: 0,
        }
    }
}

impl<T> FairQueue<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// A resource waits. One that waits already keeps its position unless its priority changed.
    pub(super) fn wait(&mut self, uid: &str, namespace: &str, priority: (Priority, i64), asks: T) {
        let known = self.positions.get(uid).map(|(_, position)| *position);
        let kept = known.filter(|known| (known.0, known.1) == priority);
        let position = kept.unwrap_or_else(|| {
            self.sequence += 1;
            (priority.0, priority.1, self.sequence)
        });
        self.remove(uid);
        let entry = (namespace.to_owned(), position);
        self.positions.insert(uid.to_owned(), entry);
        self.waiting
            .entry(namespace.to_owned())
            .or_default()
            .insert(position, (uid.to_owned(), asks));
    }

    /// A resource waits no more. Returns its namespace and its request.
    pub(super) fn remove(&mut self, uid: &str) -> Option<(String, T)> {
        let (namespace, position) = self.positions.remove(uid)?;
        let waiting = self.waiting.get_mut(&namespace)?;
        let (_, asks) = waiting.remove(&position)?;
        if waiting.is_empty() {
            self.waiting.remove(&namespace);
        }
        Some((namespace, asks))
    }

    /// Whose turn it is. `has_its_share` decides it for a namespace and a request.
    pub(super) fn next(&self, has_its_share: impl Fn(&str, &T) -> bool) -> Option<(&str, &T)> {
        let first_of_each = self.waiting.iter().filter_map(|(namespace, waiting)| {
            let (position, (uid, asks)) = waiting.first_key_value()?;
            let after = has_its_share(namespace, asks);
            let turn = self.turns.get(namespace);
            Some(((after, position.0, turn, position), uid, asks))
        });
        let (_, uid, asks) = first_of_each.min_by_key(|(order, ..)| *order)?;
        Some((uid, asks))
    }

    /// A namespace got what one of its resources requested.
    pub(super) fn granted(&mut self, namespace: &str) {
        self.turn += 1;
        self.turns.insert(namespace.to_owned(), self.turn);
    }

    /// Forgets the turns of namespaces that hold nothing, once nobody waits.
    pub(super) fn forget_turns(&mut self, holds: impl Fn(&str) -> bool) {
        if self.is_empty() {
            self.turns.retain(|namespace, _| holds(namespace));
        }
    }
}

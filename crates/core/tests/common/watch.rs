//! A watch of one kind: a list first, then what happened since, with a lag; it can break and begin again with
//! a list.

use std::collections::VecDeque;

use jiff::Timestamp;
use presigned_core::engine::{Change, Event, ListScope, Watched};

use super::at;
use super::cluster::Cluster;

/// Every kind that the operator watches.
pub const KINDS: [Watched; 6] = [
    Watched::Resources,
    Watched::Policies,
    Watched::Stores,
    Watched::Namespaces,
    Watched::Secrets,
    Watched::OwnSecrets,
];

/// One watch.
#[derive(Debug)]
pub struct Stream {
    pub kind: Watched,
    /// How long an event takes, in seconds.
    pub lag: i64,
    /// Nothing is heard before this time; then a list is made.
    broken_until: Option<Timestamp>,
    frames: VecDeque<(Timestamp, Event)>,
    position: usize,
}

impl Stream {
    /// A watch that begins with a list at a time.
    pub fn new(kind: Watched, lists_at: Timestamp) -> Self {
        Self {
            kind,
            lag: 0,
            broken_until: Some(lists_at),
            frames: VecDeque::new(),
            position: 0,
        }
    }

    /// What was not heard yet is lost; a list at a time makes up for it.
    pub fn break_until(&mut self, lists_at: Timestamp) {
        self.frames.clear();
        self.broken_until = Some(lists_at);
    }

    /// When the next event is heard.
    pub fn due(&self, cluster: &Cluster) -> Option<Timestamp> {
        if let Some(until) = self.broken_until {
            return Some(until);
        }
        if let Some((time, _)) = self.frames.front() {
            return Some(*time);
        }
        let (time, _) = cluster.log.get(&self.kind)?.get(self.position)?;
        Some(at(time.as_second() + self.lag))
    }

    /// The next event that is heard by now.
    pub fn hear(&mut self, cluster: &Cluster, now: Timestamp) -> Option<Event> {
        if self.due(cluster)? > now {
            return None;
        }
        if self.broken_until.take().is_some() {
            self.list(cluster, now);
        }
        if let Some((_, event)) = self.frames.pop_front() {
            return Some(event);
        }
        let (_, event) = cluster.log.get(&self.kind)?.get(self.position)?;
        self.position += 1;
        Some(event.clone())
    }

    /// The event that was heard last, once more.
    pub fn again(&self, cluster: &Cluster) -> Option<Event> {
        let (_, event) = cluster
            .log
            .get(&self.kind)?
            .get(self.position.checked_sub(1)?)?;
        let applied = matches!(
            event,
            Event::Resource(Change::Apply(_))
                | Event::Policy(Change::Apply(_))
                | Event::Store(Change::Apply(_))
                | Event::Namespace(Change::Apply(_))
                | Event::Secret(Change::Apply(_))
                | Event::OwnSecret(Change::Apply(_))
        );
        applied.then(|| event.clone())
    }

    /// Reads the list as it is now; it is told over the next seconds, as pages are.
    fn list(&mut self, cluster: &Cluster, now: Timestamp) {
        self.position = cluster.log.get(&self.kind).map_or(0, Vec::len);
        let mut events = Vec::new();
        let version = cluster.last_version();
        match self.kind {
            Watched::Resources => frame(
                &mut events,
                &version,
                Event::Resource,
                cluster.resources.values().cloned(),
            ),
            Watched::Policies => frame(
                &mut events,
                &version,
                Event::Policy,
                cluster.policies.values().cloned(),
            ),
            Watched::Stores => frame(
                &mut events,
                &version,
                Event::Store,
                cluster.stores.values().cloned(),
            ),
            Watched::Namespaces => frame(
                &mut events,
                &version,
                Event::Namespace,
                cluster.namespaces.values().cloned(),
            ),
            Watched::Secrets => frame(
                &mut events,
                &version,
                Event::Secret,
                cluster.labelled_secrets(),
            ),
            Watched::OwnSecrets => frame(
                &mut events,
                &version,
                Event::OwnSecret,
                cluster.own_secrets.values().cloned(),
            ),
        }
        let last = events.len() - 1;
        for (at_, event) in events.into_iter().enumerate() {
            let late = if at_ == last { self.lag } else { 0 };
            self.frames.push_back((at(now.as_second() + late), event));
        }
    }
}

fn frame<T>(
    events: &mut Vec<Event>,
    version: &str,
    wrap: impl Fn(Change<T>) -> Event,
    objects: impl Iterator<Item = T>,
) {
    events.push(wrap(Change::Init {
        scope: ListScope::Cluster,
    }));
    events.extend(objects.map(|object| wrap(Change::InitApply(object))));
    events.push(wrap(Change::InitDone {
        scope: ListScope::Cluster,
        version: version.to_owned(),
    }));
}

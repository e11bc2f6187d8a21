//! The invariants of every moment, read from the cluster and the cloud alone.
//!
//! What holds here: the checker never asks the engine. If a promise leaves the operator time to react, the
//! time counts from the event that it reacts to, and again from the end of any fault that kept it from
//! acting.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use presigned_core::api::{KIND, PresignedUrlSpec};
use presigned_core::engine::{ObjectKey, PresignedUrlSeen, Uid};

use crate::chaos::Chaos;
use crate::common::at;
use crate::common::cloud::Source;
use crate::common::world::{SECRETS, StepKind, World};
use crate::expected_status::expected;
use crate::listing_invariants::Listings;
use crate::ownership_invariants::controls;
use crate::policy_oracle::{PolicyAnswer, Rules, store_name};
use crate::secret_invariants::{Known, usable};
use crate::status_facts::{allowed_true, asked_again, ready, renewed_false, suspended};

/// Seconds in which the operator reacts without faults: drift is repaired once a minute, a watch lags, steps
/// take seconds.
pub const REACTION: i64 = 120;
/// Seconds after a fault in which the operator recovers: pauses grow to five minutes.
pub const RECOVERY: i64 = 420;
/// Seconds over which the re-signing after a store's change is spread.
pub const RESIGN_WITHIN: i64 = 300;
/// Seconds by which the engine's policies may be out of date when a write lands.
pub const POLICY_STALENESS: i64 = 300;
/// Seconds after a step of the clock in which nothing is removed for its end: one step may be followed by its
/// correction.
const DOUBT: i64 = 900;
/// Calls for one object in one minute.
const CALLS: u32 = 40;
/// So many of the last records tell when a resource was last acted on.
const RECENT: usize = 50;

/// The checker, and what it remembers.
#[derive(Default)]
pub struct InvariantChecker {
    /// The violations found so far.
    pub violations: Vec<String>,
    /// From this time on no faults are injected.
    pub calm_since: Option<Timestamp>,
    /// The spec of each generation, by uid.
    specs: BTreeMap<Uid, BTreeMap<i64, Result<PresignedUrlSpec, String>>>,
    /// What the rules in force say of each resource's spec.
    pub answers: BTreeMap<Uid, Option<PolicyAnswer>>,
    pub rules: Vec<(Timestamp, Rules)>,
    pub stores: BTreeMap<String, Vec<(Timestamp, Option<presigned_core::engine::StoreSeen>)>>,
    /// Every offset that a server's clock ever had.
    pub clock_offsets: BTreeSet<i64>,
    /// When each server's clock was last set, and by how much it is ahead since.
    pub clocks_set: BTreeMap<String, (Timestamp, i64)>,
    /// When each source of credentials last became another one.
    pub sources_set: BTreeMap<String, (Timestamp, Source)>,
    /// Since when a server accepts unsigned headers.
    pub accepts_unsigned_since: BTreeMap<String, Timestamp>,
    /// When each link ends, as its status recorded what was written.
    pub links: BTreeMap<String, Timestamp>,
    /// The latest end of what was ever written for a resource.
    pub written_until: BTreeMap<String, Timestamp>,
    /// The findings about each Secret's last version, by uid.
    pub secrets: BTreeMap<String, Known>,
    records_seen: usize,
    /// The last record of each resource and store.
    acted: BTreeMap<ObjectKey, usize>,
    minute: i64,
    calls: BTreeMap<ObjectKey, u32>,
    /// The versions of resources whose words were read.
    read: BTreeMap<Uid, String>,
    /// The versions of stores whose words were read.
    read_stores: BTreeMap<String, String>,
    /// When a user last did something.
    last_action: Option<Timestamp>,
    events_seen: usize,
    rounds: u64,
    /// Until when the operator's clock is in doubt, since it was stepped.
    doubted_until: Option<Timestamp>,
    /// When the clock was last set back, by the clock after it, and by how many seconds.
    pub set_back: Option<(Timestamp, i64)>,
    /// Since when nothing stands in the way of a first issue, by uid.
    unblocked_since: BTreeMap<String, Timestamp>,
    /// When something last kept what is issued from being signed anew, by uid.
    held_back: BTreeMap<String, Timestamp>,
    /// Since when a resource is being deleted, by uid.
    pub deleted_since: BTreeMap<String, Timestamp>,
    pub listings: Listings,
    /// When a replica last led, or none could, in seconds of the monotonic time.
    pub led_at: i64,
}

impl InvariantChecker {
    pub fn report(&mut self, world: &World<Chaos>, what: impl std::fmt::Display) {
        self.violations.push(format!("{}: {what}", world.now));
    }

    /// The clock of everybody jumped by so much, to `now`.
    pub fn clock_stepped(&mut self, by: i64, now: Timestamp) {
        self.doubted_until = Some(at(now.as_second() + DOUBT));
        self.set_back = (by < 0).then_some((now, -by));
        for (time, _) in &mut self.rules {
            *time = at(time.as_second() + by);
        }
        for history in self.stores.values_mut() {
            for (time, _) in history {
                *time = at(time.as_second() + by);
            }
        }
        for time in self
            .accepts_unsigned_since
            .values_mut()
            .chain(self.held_back.values_mut())
            .chain(self.deleted_since.values_mut())
            .chain(self.clocks_set.values_mut().map(|(time, _)| time))
            .chain(self.sources_set.values_mut().map(|(time, _)| time))
        {
            *time = at(time.as_second() + by);
        }
        self.unblocked_since.clear();
    }

    /// Records what users did.
    pub fn record_inputs(&mut self, world: &World<Chaos>) {
        self.last_action = Some(world.now);
        for seen in world.cluster.resources.values() {
            self.specs
                .entry(seen.uid.clone())
                .or_default()
                .entry(seen.generation)
                .or_insert_with(|| seen.spec.clone().map(|spec| *spec));
        }
        for (endpoint, server) in &world.cloud.servers {
            self.clock_offsets.insert(server.ahead);
            let set = self.clocks_set.get(endpoint);
            if set.is_none_or(|(_, ahead)| *ahead != server.ahead) {
                self.clocks_set
                    .insert(endpoint.clone(), (world.now, server.ahead));
            }
            if server.accepts_unsigned {
                let now = world.now;
                self.accepts_unsigned_since
                    .entry(endpoint.clone())
                    .or_insert(now);
            } else {
                self.accepts_unsigned_since.remove(endpoint);
            }
        }
        for (name, source) in &world.cloud.sources {
            let mut source = source.clone();
            if let Source::Sessions { current, .. } = &mut source {
                *current = None;
            }
            let set = self.sources_set.get(name);
            if set.is_none_or(|(_, last)| *last != source) {
                self.sources_set.insert(name.clone(), (world.now, source));
            }
        }
        let rules = Rules::of(&world.cluster);
        if self.rules.last().is_none_or(|(_, last)| *last != rules) {
            self.rules.push((world.now, rules));
        }
        self.answers.clear();
        for seen in world.cluster.resources.values() {
            let (Ok(spec), Some((_, rules))) = (&seen.spec, self.rules.last()) else {
                continue;
            };
            let answer = rules.answer_all(&seen.namespace, spec);
            self.answers.insert(seen.uid.clone(), answer);
        }
        for name in ["default", "backup"] {
            let now = world.cluster.stores.get(name);
            let history = self.stores.entry(name.to_owned()).or_default();
            let same = history.last().is_some_and(|(_, last)| {
                last.as_ref().map(|s| (&s.uid, s.generation)) == now.map(|s| (&s.uid, s.generation))
            });
            if !same {
                history.push((world.now, now.cloned()));
            }
        }
    }

    /// Checks everything.
    pub fn check(&mut self, world: &mut World<Chaos>) {
        for wrong in std::mem::take(&mut world.violations) {
            self.report(world, wrong);
        }
        for crime in std::mem::take(&mut world.cluster.violations) {
            self.report(world, crime);
        }
        for written in std::mem::take(&mut world.faults.written) {
            self.write(world, &written);
        }
        for removed in std::mem::take(&mut world.faults.removed) {
            self.removed(world, &removed);
        }
        self.count_calls(world);
        self.listings(world);
        self.replicas(world);
        let world = &*world;
        for seen in world.cluster.resources.values() {
            if held_back(world, seen) {
                match self.held_back.get_mut(&*seen.uid) {
                    Some(last) => *last = world.now,
                    None => drop(self.held_back.insert(seen.uid.to_string(), world.now)),
                }
            }
            self.link(world, seen);
            self.deletion(world, seen);
            self.lost_owner(world, seen);
            self.resource(world, seen);
            self.first_issue(world, seen);
        }
        self.expired_secrets(world);
        self.words(world);
    }

    /// The spec of a generation.
    pub fn spec(&self, uid: &str, generation: i64) -> Option<&Result<PresignedUrlSpec, String>> {
        self.specs.get(uid)?.get(&generation)
    }

    /// The specs of all generations up to one, first come first.
    pub fn specs(
        &self,
        uid: &str,
        until: i64,
    ) -> impl DoubleEndedIterator<Item = &Result<PresignedUrlSpec, String>> {
        let specs = self.specs.get(uid).into_iter();
        specs.flat_map(move |specs| specs.range(1..=until).map(|(_, spec)| spec))
    }

    /// Whether the operator had `time` seconds to react for a resource to an event at `since`.
    pub fn had_time(
        world: &World<Chaos>,
        seen: &PresignedUrlSeen,
        since: Timestamp,
        time: i64,
    ) -> bool {
        let now = world.now.as_second();
        // Nobody acts during a pause that the API server asked for.
        let since = since.max(world.paused_until);
        if !world.running() || now <= since.as_second() + time {
            return false;
        }
        now > Self::last_fault(world, seen).as_second() + RECOVERY
    }

    /// When a fault last hit a resource or its store, or ends.
    pub fn last_fault(world: &World<Chaos>, seen: &PresignedUrlSeen) -> Timestamp {
        let store = store_name(seen);
        let works = [
            ObjectKey::Resource(seen.uid.clone()),
            ObjectKey::Store(store.to_owned()),
        ];
        works
            .iter()
            .filter_map(|key| world.faulted.get(key))
            .copied()
            .chain([world.blind_at, world.faults.outage_until])
            .chain([world.faults.store_faults_until, world.faults.sts_down_until])
            .max()
            .unwrap_or(world.now)
    }

    /// Whether what is issued could be signed anew for so long: nobody can act in the second in which the
    /// last obstacle goes.
    pub fn had_leave(&self, world: &World<Chaos>, seen: &PresignedUrlSeen, time: i64) -> bool {
        let since = self.held_back.get(&*seen.uid).copied();
        Self::had_time(world, seen, since.unwrap_or(Timestamp::MIN), time)
    }

    /// Promise 8: what was never issued is issued within seconds, where nothing stands in the way.
    fn first_issue(&mut self, world: &World<Chaos>, seen: &PresignedUrlSeen) {
        let ending = world
            .cluster
            .namespaces
            .get(&seen.namespace)
            .is_none_or(|namespace| namespace.deleting);
        if ending || seen.status.revision.is_some() {
            return;
        }
        let since = self.last_action.unwrap_or(world.now);
        let time = if world.settings.concurrency < 8 {
            180
        } else {
            60
        };
        let asked = if asked_again(&seen.status) { 300 } else { 0 };
        let unblocked = Self::had_time(world, seen, since, time)
            && expected(world, self, seen).ready == Some(true);
        if !unblocked {
            self.unblocked_since.remove(&*seen.uid);
            return;
        }
        // The obstacle, such as a Secret of the same name, may have gone a moment ago.
        let since = *self
            .unblocked_since
            .entry(seen.uid.to_string())
            .or_insert(world.now);
        if world.now.as_second() > since.as_second() + asked + time {
            let who = format!("{}/{}", seen.namespace, seen.name);
            self.report(world, format!("{who} waits for its first issue"));
        }
    }

    /// When a resource was last acted on, if that is not long ago.
    pub fn last_record(&self, world: &World<Chaos>, seen: &PresignedUrlSeen) -> Timestamp {
        self.acted
            .get(&ObjectKey::Resource(seen.uid.clone()))
            .filter(|which| **which + RECENT >= world.records.len())
            .map_or(Timestamp::MIN, |which| world.records[*which].at)
    }

    /// Promises 1 and 9: Ready=True is true.
    fn resource(&mut self, world: &World<Chaos>, seen: &PresignedUrlSeen) {
        let ending = world
            .cluster
            .namespaces
            .get(&seen.namespace)
            .is_none_or(|namespace| namespace.deleting);
        if ending || !ready(&seen.status) {
            return;
        }
        let who = || format!("{}/{} ({})", seen.namespace, seen.name, seen.uid);
        let Some(secret_ref) = &seen.status.internal.secret else {
            return self.report(world, format!("{} is Ready without a Secret", who()));
        };
        let place = (seen.namespace.clone(), secret_ref.name.clone());
        let acted = self.last_record(world, seen);
        let secret = match world.cluster.secrets.get(&place) {
            Some(secret) if secret.uid == secret_ref.uid => secret,
            // Without the right to read Secrets, the next renewal finds it.
            _ if world.cluster.blind && world.cluster.deleted_by_others.contains_key(&place) => {
                return;
            }
            _ => {
                let gone = world.cluster.deleted_by_others.get(&place);
                let since = gone.copied().map_or(acted, |gone| gone.max(acted));
                if Self::had_time(world, seen, since, REACTION) {
                    self.report(
                        world,
                        format!("{} is Ready, and its Secret is not there", who()),
                    );
                }
                return;
            }
        };
        if let Some(edited) = secret.edited
            && (world.cluster.blind || !Self::had_time(world, seen, edited, REACTION))
        {
            return;
        }
        if !world.cluster.blind && !controls(&seen.uid, secret) {
            return self.report(
                world,
                format!(
                    "{} is Ready, but its Secret lost its owner reference",
                    who()
                ),
            );
        }
        if let Err(why) = self.check_secret(world, seen, secret, acted) {
            self.report(world, format!("{} is Ready, but {why}", who()));
        }
    }

    /// Promise 9: no call is repeated over and over.
    fn count_calls(&mut self, world: &World<Chaos>) {
        let minute = world.now.as_second() / 60;
        if minute != self.minute {
            self.minute = minute;
            self.calls.clear();
        }
        let seen = std::mem::replace(&mut self.records_seen, world.records.len());
        for (which, record) in world.records.iter().enumerate().skip(seen) {
            self.acted.insert(record.key.clone(), which);
            if record.kind == StepKind::PublishEvent {
                continue;
            }
            let key = &record.key;
            let calls = self.calls.entry(key.clone()).or_default();
            *calls += 1;
            if *calls == CALLS {
                self.report(world, format!("{key:?} made {CALLS} calls within a minute"));
            }
        }
    }

    /// Promise 13 and the design: a Secret of expired URLs is removed.
    fn expired_secrets(&mut self, world: &World<Chaos>) {
        let mut found = Vec::new();
        for ((namespace, name), secret) in &world.cluster.secrets {
            let Some(ends) = self.ends(secret).filter(|ends| world.now > *ends) else {
                continue;
            };
            let owner = secret
                .owners
                .iter()
                .find(|owner| owner.kind == KIND && owner.controller == Some(true));
            let seen = owner.and_then(|owner| {
                world
                    .cluster
                    .resources
                    .values()
                    .find(|seen| *seen.uid == *owner.uid)
            });
            let ending = world
                .cluster
                .namespaces
                .get(namespace)
                .is_none_or(|namespace| namespace.deleting);
            let (Some(seen), false, None) = (seen, ending, secret.edited) else {
                continue;
            };
            // Without the right to read Secrets, the operator never learns of a create that was not answered.
            let told = seen.status.internal.secret.as_ref();
            if world.cluster.blind && told.is_none_or(|told| told.uid != secret.uid) {
                continue;
            }
            // By a clock in doubt nothing has ended for sure: what is dead stays until the doubt is over.
            let due = self.doubted_until.map_or(ends, |doubt| doubt.max(ends));
            if Self::had_time(world, seen, due, 120) {
                found.push(format!(
                    "the Secret {namespace}/{name} of {} holds a URL that ended at {ends}",
                    seen.name
                ));
            }
        }
        for what in found {
            self.report(world, what);
        }
    }

    /// Promise 10: no secret in a message.
    fn words(&mut self, world: &World<Chaos>) {
        let debug = self
            .rounds
            .is_multiple_of(500)
            .then(|| world.engine_debug());
        self.rounds += 1;
        let mut texts: Vec<&str> = debug.iter().map(String::as_str).collect();
        for seen in world.cluster.resources.values() {
            let version = self.read.get_mut(&*seen.uid);
            if version.as_deref() == Some(&seen.resource_version) {
                continue;
            }
            self.read
                .insert(seen.uid.clone(), seen.resource_version.clone());
            texts.extend(seen.status.conditions.iter().map(|c| c.message.as_str()));
        }
        for store in world.cluster.stores.values() {
            let version = self.read_stores.get(&store.name);
            if version == Some(&store.resource_version) {
                continue;
            }
            self.read_stores
                .insert(store.name.clone(), store.resource_version.clone());
            texts.extend(store.status.conditions.iter().map(|c| c.message.as_str()));
        }
        let events = &world.events[self.events_seen..];
        texts.extend(events.iter().map(|event| event.note.as_str()));
        self.events_seen = world.events.len();
        for text in texts {
            if let Some(word) = SECRETS.iter().find(|word| text.contains(**word)) {
                self.report(world, format!("{word} stands in words for people"));
            }
        }
    }
}

/// Whether something keeps what is issued from being signed anew: the URL that is there stays.
fn held_back(world: &World<Chaos>, seen: &PresignedUrlSeen) -> bool {
    !usable(world, seen)
        || suspended(seen)
        || !allowed_true(&seen.status)
        || renewed_false(&seen.status)
}

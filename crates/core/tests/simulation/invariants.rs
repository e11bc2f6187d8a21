//! The invariants of every moment, read from the cluster and the cloud alone.
//!
//! What holds here: the checker never asks the engine. If a promise leaves the operator time to react, the
//! time counts from the event that it reacts to, and again from the end of any fault that kept it from
//! acting.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use presigned_core::api::{ConditionStatus, KIND, PresignedUrlSpec, PresignedUrlStatus};
use presigned_core::engine::{ObjectKey, PresignedUrlSeen};

use crate::chaos::Chaos;
use crate::common::at;
use crate::common::world::{SECRETS, StepKind, World};
use crate::expected_status::expected;
use crate::policy_oracle::{Rules, store};
use crate::secret_invariants::{Known, usable};

/// Seconds in which the operator reacts without faults: drift is repaired once a minute, a watch lags, steps
/// take seconds.
pub const REACTION: i64 = 120;
/// Seconds after a fault in which the operator recovers: pauses grow to five minutes.
pub const RECOVERY: i64 = 420;
/// Seconds over which the re-signing after a store's change is spread.
pub const RESIGN_WITHIN: i64 = 300;
/// Seconds by which the engine's policies may be out of date when a write lands.
pub const POLICY_STALENESS: i64 = 300;
/// Seconds after a step of the clock in which nothing is removed for its end: one step may be followed by its correction.
const DOUBT: i64 = 900;
/// Calls for one work in one minute.
const CALLS: u32 = 40;

/// The checker, and what it remembers.
#[derive(Default)]
pub struct InvariantChecker {
    /// The violations found so far.
    pub violations: Vec<String>,
    /// From this time on no faults are injected.
    pub calm_since: Option<Timestamp>,
    pub specs: BTreeMap<(String, i64), Result<PresignedUrlSpec, String>>,
    pub rules: Vec<(Timestamp, Rules)>,
    pub stores: BTreeMap<String, Vec<(Timestamp, Option<presigned_core::engine::StoreSeen>)>>,
    /// Every offset that a server's clock ever had.
    pub clock_offsets: BTreeSet<i64>,
    /// When each server's clock was last set, and by how much it is ahead since.
    pub clocks_set: BTreeMap<String, (Timestamp, i64)>,
    /// Since when a server accepts unsigned headers.
    pub accepts_unsigned_since: BTreeMap<String, Timestamp>,
    /// When each link ends, by its status.
    pub links: BTreeMap<String, Timestamp>,
    pub secrets: BTreeMap<(String, String), Known>,
    records_seen: usize,
    minute: i64,
    calls: BTreeMap<ObjectKey, u32>,
    read: BTreeMap<String, String>,
    /// When a user last did something.
    last_action: Option<Timestamp>,
    notices_seen: usize,
    rounds: u64,
    /// Until when the operator's clock is in doubt, since it was stepped.
    doubted_until: Option<Timestamp>,
    /// Since when nothing stands in the way of a first issue, by uid.
    unblocked_since: BTreeMap<String, Timestamp>,
    /// When something last kept what is issued from being signed anew, by uid.
    held_back: BTreeMap<String, Timestamp>,
}

impl InvariantChecker {
    pub fn report(&mut self, world: &World<Chaos>, what: impl std::fmt::Display) {
        self.violations.push(format!("{}: {what}", world.now));
    }

    /// The clock of everybody jumped by so much, to `now`.
    pub fn clock_stepped(&mut self, by: i64, now: Timestamp) {
        self.doubted_until = Some(at(now.as_second() + DOUBT));
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
            .chain(self.clocks_set.values_mut().map(|(time, _)| time))
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
                .entry((seen.uid.to_string(), seen.generation))
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
        let rules = Rules::of(&world.cluster);
        if self.rules.last().is_none_or(|(_, last)| *last != rules) {
            self.rules.push((world.now, rules));
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
            self.report(world, format!("a foreign Secret was touched: {crime}"));
        }
        for written in std::mem::take(&mut world.faults.written) {
            self.write(world, &written);
        }
        for removed in std::mem::take(&mut world.faults.removed) {
            self.removed(world, &removed);
        }
        self.count_calls(world);
        let resources: Vec<PresignedUrlSeen> = world.cluster.resources.values().cloned().collect();
        for seen in &resources {
            if held_back(world, seen) {
                self.held_back.insert(seen.uid.to_string(), world.now);
            }
            self.link(world, seen);
            self.resource(world, seen);
            self.first_issue(world, seen);
        }
        self.expired_secrets(world);
        self.words(world, &resources);
    }

    /// Whether the operator had `time` seconds to react for a resource to an event at `since`.
    pub fn had_time(
        world: &World<Chaos>,
        seen: &PresignedUrlSeen,
        since: Timestamp,
        time: i64,
    ) -> bool {
        let store = seen.spec.as_ref().map_or("default", |spec| store(spec));
        let works = [
            ObjectKey::Resource(seen.uid.clone()),
            ObjectKey::Store(store.to_owned()),
        ];
        let trouble = works
            .iter()
            .filter_map(|work| world.faulted.get(work))
            .copied()
            .chain([world.blind_at, world.faults.outage_until])
            .chain([world.faults.store_faults_until, world.faults.sts_down_until])
            .max()
            .unwrap_or(world.now);
        let now = world.now.as_second();
        world.running() && now > since.as_second() + time && now > trouble.as_second() + RECOVERY
    }

    /// Whether what is issued could be signed anew for so long: nobody can act in the second in which the last obstacle goes.
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
        // A Secret that is not the operator's is not watched: whether it has gone is asked every five minutes.
        let asked = if conflicts(&seen.status) { 300 } else { 0 };
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
        let who = format!("{}/{} ({})", seen.namespace, seen.name, seen.uid);
        let Some(secret_ref) = &seen.status.secret_ref else {
            return self.report(world, format!("{who} is Ready without a Secret"));
        };
        let place = (seen.namespace.clone(), secret_ref.name.clone());
        let acted = world
            .records
            .iter()
            .rev()
            .take(50)
            .find(|record| record.work == ObjectKey::Resource(seen.uid.clone()))
            .map_or(Timestamp::MIN, |record| record.at);
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
                        format!("{who} is Ready, and its Secret is not there"),
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
        if let Err(why) = self.check_secret(world, seen, secret, acted) {
            self.report(world, format!("{who} is Ready, but {why}"));
        }
    }

    /// Promise 9: no call is repeated over and over.
    fn count_calls(&mut self, world: &World<Chaos>) {
        let minute = world.now.as_second() / 60;
        if minute != self.minute {
            self.minute = minute;
            self.calls.clear();
        }
        let new: Vec<ObjectKey> = world.records[self.records_seen.min(world.records.len())..]
            .iter()
            .filter(|record| record.kind != StepKind::PublishEvent)
            .map(|record| record.work.clone())
            .collect();
        self.records_seen = world.records.len();
        for work in new {
            let calls = self.calls.entry(work.clone()).or_default();
            *calls += 1;
            if *calls == CALLS {
                self.report(
                    world,
                    format!("{work:?} made {CALLS} calls within a minute"),
                );
            }
        }
    }

    /// Promise 13 and the design: a Secret of expired URLs is removed.
    fn expired_secrets(&mut self, world: &World<Chaos>) {
        let mut found = Vec::new();
        for ((namespace, name), secret) in &world.cluster.secrets {
            let contents = self.contents(secret).ok();
            let Some(contents) = contents.filter(|contents| world.now > contents.ends) else {
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
            let told = seen.status.secret_ref.as_ref();
            if world.cluster.blind && told.is_none_or(|told| told.uid != secret.uid) {
                continue;
            }
            // By a clock in doubt nothing has ended for sure: what is dead stays until the doubt is over.
            let due = self
                .doubted_until
                .map_or(contents.ends, |doubt| doubt.max(contents.ends));
            if Self::had_time(world, seen, due, 120) {
                found.push(format!(
                    "the Secret {namespace}/{name} of {} holds a URL that ended at {}",
                    seen.name, contents.ends
                ));
            }
        }
        for what in found {
            self.report(world, what);
        }
    }

    /// Promise 10: no secret in a message.
    fn words(&mut self, world: &World<Chaos>, resources: &[PresignedUrlSeen]) {
        let mut texts: Vec<String> = Vec::new();
        for seen in resources {
            let version = self.read.entry(seen.uid.to_string()).or_default();
            if *version == seen.resource_version {
                continue;
            }
            version.clone_from(&seen.resource_version);
            texts.extend(seen.status.conditions.iter().map(|c| c.message.clone()));
        }
        for store in world.cluster.stores.values() {
            texts.extend(store.status.conditions.iter().map(|c| c.message.clone()));
        }
        texts.extend(
            world.notices[self.notices_seen..]
                .iter()
                .map(|notice| notice.note.clone()),
        );
        self.notices_seen = world.notices.len();
        self.rounds += 1;
        if self.rounds.is_multiple_of(500) {
            texts.push(world.engine_debug());
        }
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

fn condition(status: &PresignedUrlStatus, type_: &str) -> Option<(ConditionStatus, Option<i64>)> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
        .map(|condition| (condition.status, condition.observed_generation))
}

/// Whether the status says that somebody else's Secret has the name.
fn conflicts(status: &PresignedUrlStatus) -> bool {
    let mut conditions = status.conditions.iter();
    conditions.any(|c| c.type_ == "Ready" && c.reason == "SecretConflict")
}

pub fn ready(status: &PresignedUrlStatus) -> bool {
    condition(status, "Ready").is_some_and(|(ready, _)| ready == ConditionStatus::True)
}

pub fn ready_generation(status: &PresignedUrlStatus) -> Option<i64> {
    condition(status, "Ready").and_then(|(_, generation)| generation)
}

fn allowed_true(status: &PresignedUrlStatus) -> bool {
    condition(status, "Allowed").is_some_and(|(allowed, _)| allowed == ConditionStatus::True)
}

fn renewed_false(status: &PresignedUrlStatus) -> bool {
    condition(status, "Renewed").is_some_and(|(renewed, _)| renewed == ConditionStatus::False)
}

fn suspended(seen: &PresignedUrlSeen) -> bool {
    seen.spec
        .as_ref()
        .is_ok_and(|spec| spec.suspend == Some(true))
}

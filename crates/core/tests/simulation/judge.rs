//! The judge: what must hold at every moment, read from the cluster and the cloud alone.
//!
//! What holds here: the judge never asks the engine anything. Where a promise leaves the operator time to react, the time
//! is counted from the event that it has to react to, and anew from the end of any trouble that kept it from acting.

use std::collections::BTreeMap;

use jiff::Timestamp;
use presigned_core::api::{ConditionStatus, KIND, PresignedUrlSpec, PresignedUrlStatus};
use presigned_core::engine::{ResourceSeen, Work};
use presigned_core::issue::data_hash;

use crate::allowed::{Ask, Rules, Say, ask, store};
use crate::chaos::{Chaos, Written};
use crate::common::at;
use crate::common::cloud::{Source, source_name};
use crate::common::cluster::Secret;
use crate::common::url::Parts;
use crate::common::world::{Kind, SECRETS, World};
use crate::quiet;

/// Seconds in which the operator reacts when all is well: a heal may wait for a minute, a watch lags, steps take seconds.
const REACTION: i64 = 120;
/// Seconds after trouble in which it is back at work: pauses grow to five minutes.
const RECOVERY: i64 = 420;
/// Seconds over which a change of a store is spread.
const SPREAD: i64 = 300;
/// Seconds by which knowledge of the policies may be old when a write lands.
const HEARSAY: i64 = 300;
/// Calls for one work in one minute.
const CALLS: u32 = 40;

/// What the judge remembers.
#[derive(Default)]
pub struct Judge {
    /// What was found wrong.
    pub verdicts: Vec<String>,
    /// Nothing goes wrong from this time on.
    pub calm_since: Option<Timestamp>,
    specs: BTreeMap<(String, i64), Result<PresignedUrlSpec, String>>,
    rules: Vec<(Timestamp, Rules)>,
    stores: BTreeMap<String, Vec<(Timestamp, Option<presigned_core::engine::StoreSeen>)>>,
    records_seen: usize,
    minute: i64,
    calls: BTreeMap<Work, u32>,
    accepted: BTreeMap<String, Result<(), String>>,
    hashes: BTreeMap<(String, String), String>,
    parts: BTreeMap<(String, String), Option<Parts>>,
    read: BTreeMap<String, String>,
    /// When people last did something.
    noted: Option<Timestamp>,
    notices_seen: usize,
    rounds: u64,
}

impl Judge {
    fn wrong(&mut self, world: &World<Chaos>, what: impl std::fmt::Display) {
        self.verdicts.push(format!("{}: {what}", world.now));
    }

    /// The clock of everybody jumped.
    pub fn clock_stepped(&mut self, by: i64) {
        for (time, _) in &mut self.rules {
            *time = at(time.as_second() + by);
        }
        for history in self.stores.values_mut() {
            for (time, _) in history {
                *time = at(time.as_second() + by);
            }
        }
    }

    /// Takes note of what people did.
    pub fn note(&mut self, world: &World<Chaos>) {
        self.noted = Some(world.now);
        for seen in world.cluster.resources.values() {
            self.specs
                .entry((seen.uid.to_string(), seen.generation))
                .or_insert_with(|| seen.spec.clone().map(|spec| *spec));
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

    /// Looks at everything.
    pub fn look(&mut self, world: &mut World<Chaos>) {
        for wrong in std::mem::take(&mut world.wrongs) {
            self.wrong(world, wrong);
        }
        for crime in std::mem::take(&mut world.cluster.crimes) {
            self.wrong(world, format!("a foreign Secret was touched: {crime}"));
        }
        for written in std::mem::take(&mut world.meddler.written) {
            self.write(world, &written);
        }
        self.count_calls(world);
        let resources: Vec<ResourceSeen> = world.cluster.resources.values().cloned().collect();
        for seen in &resources {
            self.resource(world, seen);
            self.first_issue(world, seen);
        }
        self.expired_secrets(world);
        self.words(world, &resources);
    }

    /// Whether the operator had time to react for a resource to what happened then.
    fn had_time(world: &World<Chaos>, seen: &ResourceSeen, since: Timestamp, time: i64) -> bool {
        let store = seen.spec.as_ref().map_or("default", |spec| store(spec));
        let works = [
            Work::Resource(seen.uid.clone()),
            Work::Store(store.to_owned()),
        ];
        let trouble = works
            .iter()
            .filter_map(|work| world.faulted.get(work))
            .copied()
            .chain([world.blind_at, world.meddler.outage_until])
            .max()
            .unwrap_or(world.now);
        let now = world.now.as_second();
        world.running() && now > since.as_second() + time && now > trouble.as_second() + RECOVERY
    }

    /// Promise 8: what was never issued is issued within seconds, where nothing stands in the way.
    fn first_issue(&mut self, world: &World<Chaos>, seen: &ResourceSeen) {
        let ending = world
            .cluster
            .namespaces
            .get(&seen.namespace)
            .is_none_or(|namespace| namespace.deleting);
        if ending || seen.status.revision.is_some() {
            return;
        }
        let since = self.noted.unwrap_or(world.now);
        let time = if world.settings.concurrency < 8 {
            180
        } else {
            60
        };
        if Self::had_time(world, seen, since, time)
            && quiet::expected(world, seen).ready == Some(true)
        {
            let who = format!("{}/{}", seen.namespace, seen.name);
            self.wrong(world, format!("{who} waits for its first issue"));
        }
    }

    /// Promise 1 and 9: what Ready=True says is so.
    fn resource(&mut self, world: &World<Chaos>, seen: &ResourceSeen) {
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
            return self.wrong(world, format!("{who} is Ready without a Secret"));
        };
        let place = (seen.namespace.clone(), secret_ref.name.clone());
        let acted = world
            .records
            .iter()
            .rev()
            .take(50)
            .find(|record| record.work == Work::Resource(seen.uid.clone()))
            .map_or(Timestamp::MIN, |record| record.at);
        let secret = match world.cluster.secrets.get(&place) {
            Some(secret) if secret.uid == secret_ref.uid => secret,
            // Without the right to read, it is found at the next renewal.
            _ if world.cluster.blind && world.cluster.deleted_by_others.contains_key(&place) => {
                return;
            }
            _ => {
                let gone = world.cluster.deleted_by_others.get(&place);
                let since = gone.copied().map_or(acted, |gone| gone.max(acted));
                if Self::had_time(world, seen, since, REACTION) {
                    self.wrong(
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
        if let Err(why) = self.holds(world, seen, secret, acted) {
            self.wrong(world, format!("{who} is Ready, but {why}"));
        }
    }

    fn parts(&mut self, secret: &Secret) -> Option<Parts> {
        let version = (secret.uid.clone(), secret.resource_version.clone());
        self.parts
            .entry(version)
            .or_insert_with(|| secret.text("url").and_then(Parts::of))
            .clone()
    }

    /// Whether a Secret holds what the status says of it.
    fn holds(
        &mut self,
        world: &World<Chaos>,
        seen: &ResourceSeen,
        secret: &Secret,
        acted: Timestamp,
    ) -> Result<(), String> {
        let url = secret.text("url").ok_or("there is no url")?;
        let parts = self.parts(secret).ok_or("url is no presigned URL")?;
        let told = secret.text("expires-at").ok_or("there is no expires-at")?;
        if told.parse().ok() != Some(parts.end) {
            return Err(format!(
                "expires-at tells {told}, and the URL ends {}",
                parts.end
            ));
        }
        let version = (secret.uid.clone(), secret.resource_version.clone());
        let hash = self.hashes.entry(version).or_insert_with(|| {
            data_hash(secret.data.iter().map(|(k, v)| (k.as_str(), v.as_slice())))
        });
        let told = seen.status.secret_ref.as_ref();
        let same = told.is_some_and(|told| told.data_hash == *hash);
        if same && seen.status.expires_at != Some(parts.end) {
            return Err("status.expiresAt is not the true end".to_owned());
        }
        // Who may not read Secrets cannot tell what a crash left there, until it can write again.
        let in_the_dark = world.cluster.blind && !source_gives(world, seen);
        if !same && !in_the_dark && Self::had_time(world, seen, acted, REACTION) {
            return Err("status is of another Secret's content".to_owned());
        }
        let now = world.now;
        // One step at a time, and some for each of those that end at the same moment.
        let slack = if world.settings.concurrency < 8 {
            90
        } else {
            15
        };
        if now >= parts.end && Self::had_time(world, seen, parts.end, slack) {
            return Err(format!("the URL ended at {}", parts.end));
        }
        if now.as_second() + 900 < parts.start.as_second()
            && Self::had_time(world, seen, world.blind_at, REACTION)
        {
            return Err("the URL is not good yet".to_owned());
        }
        if now < parts.end {
            self.accepted(world, seen, secret, url, &parts)?;
        }
        self.right_object(world, seen, secret, &parts)
    }

    fn accepted(
        &mut self,
        world: &World<Chaos>,
        seen: &ResourceSeen,
        secret: &Secret,
        url: &str,
        parts: &Parts,
    ) -> Result<(), String> {
        let key = world
            .cloud
            .keys
            .get(&parts.access_key_id)
            .ok_or("an unknown key signed it")?;
        if key.ends.is_some_and(|end| end < parts.end) {
            return Err("the URL outlives the session that signed it".to_owned());
        }
        if let Some(revoked) = key.revoked.filter(|revoked| *revoked <= world.now) {
            let changed = self.store_changed(seen).max(revoked);
            if Self::had_time(world, seen, changed, SPREAD + REACTION)
                && source_gives(world, seen)
                && !suspended(seen)
                && allowed_true(&seen.status)
            {
                return Err("its key was revoked".to_owned());
            }
            return Ok(());
        }
        let cloud = &world.cloud;
        let method = secret.text("method").ok_or("there is no method")?;
        let headers: Vec<(String, String)> = secret
            .text("headers")
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let verdict = self
            .accepted
            .entry(format!("{method} {url}"))
            .or_insert_with(|| {
                let when = parts.start;
                cloud.accepts(url, method, &headers, when)?;
                match secret.text("head-url") {
                    Some(head) => cloud.accepts(head, "HEAD", &[], when),
                    None if method == "GET" => Err("there is no head-url".to_owned()),
                    None => Ok(()),
                }
            });
        verdict.clone()
    }

    /// Whether the URL points to what some generation since the one that was observed asks for.
    fn right_object(
        &self,
        world: &World<Chaos>,
        seen: &ResourceSeen,
        secret: &Secret,
        parts: &Parts,
    ) -> Result<(), String> {
        let observed = ready_generation(&seen.status).ok_or("Ready tells no generation")?;
        let window = at(world.now.as_second() - SPREAD - REACTION - RECOVERY);
        let mut specs = (observed..=seen.generation)
            .filter_map(|generation| self.specs.get(&(seen.uid.to_string(), generation)))
            .filter_map(|spec| spec.as_ref().ok());
        let fits = specs.any(|spec| {
            let method = spec.method.unwrap_or_default().as_str();
            let object = parts.path
                == format!(
                    "/{}/{}",
                    spec.bucket,
                    spec.key.as_deref().unwrap_or_default()
                );
            let stores = self.stores.get(store(spec)).into_iter().flatten();
            // What was in force within the window, or is the last that could be used.
            let mut origins = stores.enumerate().filter_map(|(which, (_, store))| {
                let until = self.stores[crate::allowed::store(spec)]
                    .get(which + 1)
                    .map_or(Timestamp::MAX, |(time, _)| *time);
                let usable = store.as_ref().and_then(|s| s.spec.as_ref().ok());
                let broken_since = self.stores[crate::allowed::store(spec)][which + 1..]
                    .iter()
                    .all(|(_, s)| s.as_ref().is_none_or(|s| s.spec.is_err()));
                let recent =
                    until >= window || broken_since || !Self::had_time(world, seen, until, SPREAD);
                usable.filter(|_| recent).map(|usable| (usable, spec))
            });
            let origin = origins.any(|(store, spec)| {
                let wanted = match &spec.endpoint {
                    None => store.s3.endpoint.clone(),
                    Some(name) => store
                        .s3
                        .endpoints
                        .iter()
                        .flatten()
                        .find(|endpoint| endpoint.name == *name)
                        .map(|endpoint| endpoint.url.clone()),
                };
                // An endpoint that is gone, or credentials that cannot be had, leave the old URL in place.
                wanted.as_ref() == Some(&parts.origin)
                    || wanted.is_none()
                    || !source_gives(world, seen)
                    || suspended(seen)
                    || !allowed_true(&seen.status)
                    || renewed_false(&seen.status)
            });
            secret.text("method") == Some(method) && object && origin
        });
        if fits {
            return Ok(());
        }
        Err(format!(
            "the URL is for {} {}{}",
            secret.text("method").unwrap_or("nothing"),
            parts.origin,
            parts.path
        ))
    }

    fn store_changed(&self, seen: &ResourceSeen) -> Timestamp {
        let name = seen.spec.as_ref().map_or("default", |spec| store(spec));
        self.stores
            .get(name)
            .and_then(|history| history.last())
            .map_or(Timestamp::MIN, |(time, _)| *time)
    }

    /// Promises 3 and 2: what is written is allowed, and while all is well the old URL still lives.
    fn write(&mut self, world: &World<Chaos>, written: &Written) {
        let Some(seen) = world
            .cluster
            .resources
            .values()
            .find(|seen| *seen.uid == *written.uid)
        else {
            return;
        };
        let who = format!("{}/{}", seen.namespace, seen.name);
        let Some(parts) = Parts::of(&written.url) else {
            return self.wrong(world, format!("{who}: what was written is no URL"));
        };
        let (bucket, key) = parts.path[1..].split_once('/').unwrap_or_default();
        let life = parts.end.as_second() - written.at.as_second();
        let since = world.now.as_second() - HEARSAY;
        let specs: Vec<&PresignedUrlSpec> = (1..=seen.generation)
            .filter_map(|generation| self.specs.get(&(seen.uid.to_string(), generation)))
            .filter_map(|spec| spec.as_ref().ok())
            .collect();
        let allowed = specs.iter().any(|spec| {
            let ask = Ask {
                bucket,
                key,
                seconds: None,
                ..ask(&written.namespace, spec)
            };
            self.rules.iter().enumerate().any(|(which, (_, rules))| {
                let until = self.rules.get(which + 1).map(|(time, _)| *time);
                let known = until.is_none_or(|until| {
                    until.as_second() >= since || world.blind_at.as_second() >= since
                });
                known
                    && ask.method.as_str() == written.method
                    && matches!(rules.say(&ask), Say::Allowed(max) if life <= max)
            })
        });
        if !allowed {
            let what = format!("{} {} for {life} s", written.method, parts.path);
            self.wrong(world, format!("{who}: no policy allows {what}"));
        }
        let calm = self
            .calm_since
            .is_some_and(|since| written.at.as_second() > since.as_second() + 1800);
        if calm
            && let Some((before, false)) = &written.before
            && let Some(old) = Parts::of(before)
            && ready(&seen.status)
        {
            let left = old.end.as_second() - written.at.as_second();
            let life = old.end.as_second() - old.start.as_second() - 30;
            if left < 120.min(life * 2 / 3) - 10 {
                self.wrong(
                    world,
                    format!("{who}: renewed with {left} s left of {life} s"),
                );
            }
        }
    }

    /// Promise 9: nothing is asked over and over.
    fn count_calls(&mut self, world: &World<Chaos>) {
        let minute = world.now.as_second() / 60;
        if minute != self.minute {
            self.minute = minute;
            self.calls.clear();
        }
        let new: Vec<Work> = world.records[self.records_seen.min(world.records.len())..]
            .iter()
            .filter(|record| record.kind != Kind::Notice)
            .map(|record| record.work.clone())
            .collect();
        self.records_seen = world.records.len();
        for work in new {
            let calls = self.calls.entry(work.clone()).or_default();
            *calls += 1;
            if *calls == CALLS {
                self.wrong(
                    world,
                    format!("{work:?} made {CALLS} calls within a minute"),
                );
            }
        }
    }

    /// Promise 13 and the design: a Secret of dead URLs goes.
    fn expired_secrets(&mut self, world: &World<Chaos>) {
        let mut found = Vec::new();
        for ((namespace, name), secret) in &world.cluster.secrets {
            let Some(parts) = self.parts(secret).filter(|parts| world.now > parts.end) else {
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
            // Without the right to read, a Secret whose create was not answered is never known to be ours.
            let told = seen.status.secret_ref.as_ref();
            if world.cluster.blind && told.is_none_or(|told| told.uid != secret.uid) {
                continue;
            }
            if Self::had_time(world, seen, parts.end, 120) {
                found.push(format!(
                    "the Secret {namespace}/{name} of {} holds a URL that ended at {}",
                    seen.name, parts.end
                ));
            }
        }
        for what in found {
            self.wrong(world, what);
        }
    }

    /// Promise 10: no secret in words.
    fn words(&mut self, world: &World<Chaos>, resources: &[ResourceSeen]) {
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
                self.wrong(world, format!("{word} stands in words for people"));
            }
        }
    }
}

/// Whether the source of a resource's store gives credentials now, so that a new URL could be had.
pub fn source_gives(world: &World<Chaos>, seen: &ResourceSeen) -> bool {
    let name = seen.spec.as_ref().map_or("default", |spec| store(spec));
    let Some(Ok(spec)) = world.cluster.stores.get(name).map(|s| &s.spec) else {
        return false;
    };
    let source = match &spec.s3.credentials.secret_ref {
        None => source_name(&presigned_core::engine::CredentialSource::Default),
        Some(secret) => secret.name.clone(),
    };
    matches!(
        world.cloud.sources.get(&source),
        Some(Source::Static { .. } | Source::Sessions { .. })
    )
}

fn condition(status: &PresignedUrlStatus, type_: &str) -> Option<(ConditionStatus, Option<i64>)> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
        .map(|condition| (condition.status, condition.observed_generation))
}

pub fn ready(status: &PresignedUrlStatus) -> bool {
    condition(status, "Ready").is_some_and(|(ready, _)| ready == ConditionStatus::True)
}

fn ready_generation(status: &PresignedUrlStatus) -> Option<i64> {
    condition(status, "Ready").and_then(|(_, generation)| generation)
}

fn allowed_true(status: &PresignedUrlStatus) -> bool {
    condition(status, "Allowed").is_some_and(|(allowed, _)| allowed == ConditionStatus::True)
}

fn renewed_false(status: &PresignedUrlStatus) -> bool {
    condition(status, "Renewed").is_some_and(|(renewed, _)| renewed == ConditionStatus::False)
}

fn suspended(seen: &ResourceSeen) -> bool {
    seen.spec
        .as_ref()
        .is_ok_and(|spec| spec.suspend == Some(true))
}

//! The invariants of listings: how often a resource and a namespace list, as the documentation says it.
//!
//! What holds here:
//! - A resource lists 3 times, and then once in the `minRefreshInterval` of its policies, whatever its spec
//!   does. Without a living URL the interval is five minutes at most.
//! - A namespace lists 60 times, and then once a second.
//! - A change of the rules is worth one listing of each resource, and so is a change of the store or its key,
//!   a renewal of URLs of which two thirds of the life or less are left, and a write that failed. A restart,
//!   and a step of the clock, begin from nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use presigned_core::engine::{ObjectKey, PresignedUrlSeen, Uid};

use crate::chaos::Chaos;
use crate::common::cloud::Source;
use crate::common::cluster::Secret;
use crate::common::world::{Record, StepKind, World};
use crate::invariants::{InvariantChecker, RECOVERY, RESIGN_WITHIN};
use crate::policy_oracle::store_name;
use crate::random_specs::PUBLIC;
use crate::secret_invariants::{clock, source, store_of};

/// How many listings of a resource need no pause between them.
const OF_RESOURCE: f64 = 3.0;
/// How many listings of a namespace need no pause between them.
const OF_NAMESPACE: f64 = 60.0;
/// The most seconds between two listings for a first URL.
const FIRST: i64 = 300;
/// How many seconds before the end of a life its renewal begins at the latest: then one listing waits for
/// nothing.
const LATEST: i64 = 120;
/// Seconds by which a listing lands later than it was decided, and the next does not: a store that is silent
/// takes five, and what is under way before it takes as long.
const SLACK: i64 = 30;

/// The listings so far.
#[derive(Default)]
pub struct Listings {
    seen: usize,
    /// The last restart, broken watch or step of the clock, and the last change of the leader.
    begun: Option<(Timestamp, i64)>,
    /// The objects that a step was under way for at that moment: an operator that runs on counted its listing
    /// before.
    under_way: Vec<ObjectKey>,
    resources: BTreeMap<Uid, Bucket>,
    namespaces: BTreeMap<String, Bucket>,
    /// The issue and the expiry of the last URLs that a status told of.
    lives: BTreeMap<Uid, (i64, i64)>,
    /// The same of the last Secret, which no status may have told of.
    written: BTreeMap<Uid, (i64, i64)>,
}

/// The listings that are left.
struct Bucket {
    left: f64,
    at: i64,
    /// Whether a status told of a living URL at the last listing.
    living: bool,
    /// The issue whose renewal had its listing.
    renewed: Option<i64>,
}

impl Bucket {
    const fn full(most: f64, at: i64) -> Self {
        Self {
            left: most,
            at,
            living: false,
            renewed: None,
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "seconds of days")]
    fn refill(&mut self, most: f64, interval: i64, now: i64) {
        self.left = most.min(self.left + (now - self.at) as f64 / interval as f64);
        self.at = now;
    }

    /// Takes one; false if there was none.
    fn take(&mut self) -> bool {
        let had = self.left >= 1.0;
        self.left = (self.left - 1.0).max(0.0);
        had
    }
}

impl InvariantChecker {
    /// No resource and no namespace lists more often than the documentation says.
    pub fn listings(&mut self, world: &World<Chaos>) {
        let mut so_far = std::mem::take(&mut self.listings);
        let from = std::mem::replace(&mut so_far.seen, world.records.len());
        let now = (world.blind_at, world.led_at);
        if so_far.begun.replace(now) == Some(now) {
            for record in &world.records[from..] {
                let ObjectKey::Resource(uid) = &record.key else {
                    continue;
                };
                let at = record.at.as_second();
                let counted_before = so_far.under_way.iter().position(|key| *key == record.key);
                if let Some(which) = counted_before {
                    so_far.under_way.swap_remove(which);
                }
                match record.kind {
                    StepKind::List if counted_before.is_some() => {}
                    StepKind::List => self.listing(world, &mut so_far, uid, at),
                    StepKind::CreateSecret | StepKind::UpdateSecret if record.ok => {
                        let place = record.place.as_ref();
                        let secret = place.and_then(|place| world.cluster.secrets.get(place));
                        let secret =
                            secret.filter(|secret| secret.created_for.as_deref() == Some(&**uid));
                        if let Some(expires) = secret.and_then(expiry) {
                            so_far.written.insert(uid.clone(), (at, expires));
                        }
                    }
                    _ => {}
                }
            }
        } else {
            (so_far.resources, so_far.namespaces) = Default::default();
            so_far.under_way = world.in_flight();
            // Only what a status tells is known after a restart.
            so_far.written.clear();
        }
        for seen in world.cluster.resources.values() {
            if let Some(life) = life(seen) {
                so_far.lives.insert(seen.uid.clone(), life);
            } else {
                so_far.lives.remove(&seen.uid);
                let mut secrets = world.cluster.secrets.values();
                let is_its = |secret: &Secret| secret.created_for.as_deref() == Some(&*seen.uid);
                if !secrets.any(is_its) {
                    so_far.written.remove(&seen.uid);
                }
            }
        }
        self.listings = so_far;
    }

    fn listing(&mut self, world: &World<Chaos>, so_far: &mut Listings, uid: &Uid, now: i64) {
        let mut resources = world.cluster.resources.values();
        let Some(seen) = resources.find(|seen| seen.uid == *uid) else {
            return;
        };
        let full = || Bucket::full(OF_RESOURCE, now);
        let bucket = so_far.resources.entry(uid.clone()).or_insert_with(full);
        let last = bucket.at;
        let known = [&so_far.lives, &so_far.written].map(|lives| lives.get(uid).copied());
        let lives = [life(seen), known[0], known[1]];
        let lives: Vec<(i64, i64)> = lives.into_iter().flatten().collect();
        let alive =
            |(issued, expires): &(i64, i64)| *issued <= now + SLACK && *expires + SLACK > now;
        // What lives as the listing lands lived as it was decided.
        let living = lives.iter().any(|life| alive(life) && life.1 > now);
        let interval = if living && bucket.living {
            self.least_interval(&seen.namespace, last)
        } else {
            FIRST
        };
        bucket.refill(OF_RESOURCE, interval - SLACK, now);
        // The pace of living URLs begins at the first listing after a status told of them. What this listing
        // was for may be issued already, within the same second.
        let told = [life(seen), known[0]].into_iter().flatten();
        bucket.living = told.into_iter().any(|life| alive(&life) && life.0 < now);
        let changed = self.rules.last().map_or(i64::MIN, |(at, _)| at.as_second());
        let by_rules = changed + RECOVERY >= last;
        let mut touched = self.store_touched(world, seen);
        // A start learns anew of a change that replaced nothing before it.
        if life(seen).is_some_and(|(issued, _)| issued < touched) {
            touched = touched.max(world.blind_at.as_second());
        }
        let by_store = touched + RESIGN_WITHIN + RECOVERY >= last
            || self.read_another_clock(world, seen, last)
            || self.awaits_the_store(world, seen);
        let due = lives.into_iter().find(|(issued, expires)| {
            let life = expires - issued;
            let pause = (life / 10).clamp(30, 300);
            let near = now + SLACK >= issued + life / 3 && now < expires + SLACK;
            let latest = *expires - LATEST.min(life - life / 3);
            let at_the_latest = last < latest + SLACK && latest <= now;
            near && (now - last + SLACK >= pause
                || bucket.renewed != Some(*issued)
                || at_the_latest)
        });
        // What was listed for a write that failed is listed again.
        let failed = world.faulted.get(&ObjectKey::Resource(uid.clone()));
        let in_vain = failed.is_some_and(|at| at.as_second() >= last);
        let free = due.is_some() || by_rules || by_store || in_vain;
        bucket.renewed = due.map(|(issued, _)| issued).or(bucket.renewed);
        let own = bucket.take();
        let all = so_far.namespaces.entry(seen.namespace.clone());
        let all = all.or_insert_with(|| Bucket::full(OF_NAMESPACE, now));
        all.refill(OF_NAMESPACE, 1, now);
        let allowed = all.take() && own;
        if !free && !allowed {
            let who = format!("{}/{}", seen.namespace, seen.name);
            let whose = if own { "its namespace" } else { "it" };
            let what = format!("{who} lists more often than {whose} may, {interval} s apart");
            self.report(world, what);
        }
    }

    /// When the store of a resource, its clock or its key last changed.
    fn store_touched(&self, world: &World<Chaos>, seen: &PresignedUrlSeen) -> i64 {
        let store = store_of(world, seen);
        // A fetch may bring another key; one of sessions brings another session of the same role, but for the
        // first one after the source became another.
        let source = store.and_then(|store| self.sources_set.get(source(store)));
        let issued = life(seen).map_or(i64::MAX, |(issued, _)| issued);
        let of_store = store_key(seen);
        let mut fetches =
            world.records.iter().rev().filter(|record| {
                record.kind == StepKind::FetchCredentials && record.key == of_store
            });
        let last = fetches.next().map(|record| record.at);
        let before = fetches.next().map_or(Timestamp::MIN, |record| record.at);
        let renewed = match source {
            Some((_, Source::Static { .. })) => last,
            // What was issued before it became another is signed again by whichever session first works.
            Some((set, _)) => last.filter(|_| before <= *set || issued < set.as_second()),
            None => None,
        };
        let endpoint = store.and_then(|store| store.s3.endpoint.as_deref());
        let clock = self.clock_set(world, seen, endpoint.unwrap_or_default());
        let times = [Some(self.store_changed(seen)), Some(clock), renewed];
        let times = times
            .into_iter()
            .flatten()
            .filter(|time| *time <= world.now);
        times.max().map_or(i64::MIN / 2, Timestamp::as_second)
    }

    /// Whether the store's clock differs from the operator's, and a probe may have told so since then, or the
    /// first answer of all: what was signed before is dated by the wrong clock, and is signed again within
    /// the minutes after.
    fn read_another_clock(
        &self,
        world: &World<Chaos>,
        seen: &PresignedUrlSeen,
        since: i64,
    ) -> bool {
        let endpoint = store_of(world, seen).and_then(|store| store.s3.endpoint.as_deref());
        let Some(endpoint) = endpoint.filter(|endpoint| clock(world, seen, endpoint).abs() > 15)
        else {
            return false;
        };
        let (store, own) = (store_key(seen), ObjectKey::Resource(seen.uid.clone()));
        let is_probe =
            |record: &Record| record.key == store && record.kind == StepKind::SendRequests;
        let is_listing = |record: &Record| record.key == own && record.kind == StepKind::List;
        let set = self.clock_set(world, seen, endpoint);
        let records = world.records.iter().rev();
        let answered = records
            .clone()
            .take_while(|record| record.at >= set)
            .filter(|record| record.ok && (is_probe(record) || is_listing(record)));
        answered
            .last()
            .is_some_and(|first| first.at.as_second() >= since)
            || records
                .take_while(|record| record.at.as_second() + RESIGN_WITHIN >= since)
                .any(is_probe)
    }

    /// Whether the Secret still holds URLs for an earlier location of the store: a server that refused the
    /// change at first may have taken it a moment ago.
    fn awaits_the_store(&mut self, world: &World<Chaos>, seen: &PresignedUrlSeen) -> bool {
        let told = seen.status.internal.secret.as_ref();
        let place = told.map(|told| (seen.namespace.clone(), told.name.clone()));
        let secret = place.and_then(|place| world.cluster.secrets.get(&place));
        let contents = secret.and_then(|secret| self.contents(secret).ok());
        let origin = contents.and_then(|all| Some(all.entries.first()?.parts.origin.clone()));
        let endpoint = store_of(world, seen).and_then(|store| store.s3.endpoint.clone());
        origin.is_some_and(|origin| origin != PUBLIC && Some(origin) != endpoint)
    }

    /// The least interval of any rule for a namespace since a time.
    fn least_interval(&self, namespace: &str, since: i64) -> i64 {
        let mut least = i64::MAX;
        for (at, rules) in self.rules.iter().rev() {
            least = least.min(rules.least_refresh_interval(namespace));
            if at.as_second() + RECOVERY < since {
                break;
            }
        }
        if least == i64::MAX { FIRST } else { least }
    }
}

/// The store of a resource.
fn store_key(seen: &PresignedUrlSeen) -> ObjectKey {
    ObjectKey::Store(store_name(seen).to_owned())
}

/// When the URLs of a Secret expire.
fn expiry(secret: &Secret) -> Option<i64> {
    let expires: Timestamp = secret.text("expires-at")?.parse().ok()?;
    Some(expires.as_second())
}

/// When the URLs were issued that a status tells of, and when they expire. The status of a link keeps these times
/// after its Secret is gone.
fn life(seen: &PresignedUrlSeen) -> Option<(i64, i64)> {
    seen.status.internal.secret.as_ref()?;
    let (issued, expires) = (seen.status.issue_time?, seen.status.expiration_time?);
    Some((issued.as_second(), expires.as_second()))
}

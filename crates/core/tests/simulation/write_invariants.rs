//! The invariants of writes and removals: what the policies allow, with keys that work, and links as they
//! were issued.

use jiff::Timestamp;
use presigned_core::api::{
    ClusterObjectStoreSpec, Method, PresignedUrlSpec, Renew, SessionScope, UnsignedHeaders, Verify,
};
use presigned_core::engine::PresignedUrlSeen;

use crate::chaos::{Chaos, Removed, Written};
use crate::common::at;
use crate::common::url::Parts;
use crate::common::world::World;
use crate::invariants::{InvariantChecker, POLICY_STALENESS, REACTION, RECOVERY};
use crate::policy_oracle::{ObjectScope, PolicyAnswer, PolicyQuery, Rules, ask};
use crate::replica_invariants::TAKE_OVER;
use crate::secret_contents::{Call, SecretContents};
use crate::secret_invariants::{PROBE_AGE, server, source, store_of, usable};
use crate::status_facts::{ready, ready_generation};
use crate::withdrawal::is_kept;

/// Seconds after which replaced rules decide nothing: the grace of a denial and more.
const GRACE: i64 = 1800;
/// The most seconds for which a write is under way.
const UNDER_WAY: i64 = 4;
/// The most seconds by which a URL may be dated ahead.
const AHEAD: i64 = 300;

impl InvariantChecker {
    /// Promises 3 and 2: a written Secret is allowed, and without faults the old URL is still valid.
    pub fn write(&mut self, world: &World<Chaos>, written: &Written) {
        let found = world.cluster.resources.values();
        let Some(seen) = found.into_iter().find(|seen| *seen.uid == *written.uid) else {
            return;
        };
        let who = format!("{}/{}", seen.namespace, seen.name);
        let deleted = self.deleted_since.get(&written.uid).copied();
        if deleted.is_some_and(|since| Self::had_time(world, seen, since, REACTION)) {
            self.report(
                world,
                format!("{who}: a Secret of a resource that is being deleted"),
            );
        }
        let contents = match &written.contents {
            Ok(contents) => contents,
            Err(why) => return self.report(world, format!("{who}: what was written: {why}")),
        };
        let until = self
            .written_until
            .entry(written.uid.clone())
            .or_insert(contents.ends);
        *until = contents.ends.max(*until);
        let specs: Vec<&PresignedUrlSpec> = self
            .specs(&seen.uid, seen.generation)
            .filter_map(|spec| spec.as_ref().ok())
            .collect();
        if let Err(what) = self.allowed(world, written, contents, &specs) {
            self.report(world, format!("{who}: no policy allows {what}"));
        }
        let last = seen.spec.as_ref().ok();
        if let Some(spec) = last.filter(|spec| spec.renew == Some(Renew::Never)) {
            self.same_link(world, written, contents, &who);
            debug_assert!(spec.renew_before.is_none());
        } else {
            self.in_good_time(world, seen, written, &who);
            self.once_for_each_renewal(world, written, &who);
        }
        self.by_what_works(world, seen, written, contents, &who);
    }

    /// Each object by rules that the operator may have known, and all of it as some spec asks.
    fn allowed(
        &self,
        world: &World<Chaos>,
        written: &Written,
        contents: &SecretContents,
        specs: &[&PresignedUrlSpec],
    ) -> Result<(), String> {
        let since = world.now.as_second() - POLICY_STALENESS;
        let life = contents.ends.as_second() - written.at.as_second() - self.set_back(written.at);
        // A replica counts by its own clock.
        let life = life - world.most_ahead();
        let rules = || {
            self.rules
                .iter()
                .enumerate()
                .filter_map(|(which, (_, rules))| {
                    let until = self.rules.get(which + 1).map(|(time, _)| *time);
                    let known = until.is_none_or(|until| {
                        until.as_second() >= since || world.blind_at.as_second() >= since
                    });
                    known.then_some(rules)
                })
        };
        let mut why = format!("{} of nothing", contents.method);
        let fitting = specs.iter().any(|spec| {
            if spec.method.unwrap_or_default().as_str() != contents.method {
                return false;
            }
            let namespace = &written.namespace;
            let of_all = rules().any(|rules| {
                matches!(
                    rules.answer_all(namespace, spec),
                    Some(PolicyAnswer::Allowed(..))
                )
            });
            let count = contents.entries.len();
            let enough = !contents.many
                || rules().any(|rules| match rules.answer_all(namespace, spec) {
                    Some(PolicyAnswer::Allowed(_, most)) => count <= usize::try_from(most).unwrap(),
                    _ => false,
                });
            let unfit = contents.entries.iter().find(|entry| {
                let (what, named) = match &entry.call {
                    Call::Form(form) if form.under => (
                        ObjectScope::Under(&entry.key),
                        spec.prefix.as_ref() == Some(&entry.key),
                    ),
                    Call::Form(_) | Call::Url(_) => (ObjectScope::Key(&entry.key), true),
                };
                // By a rule for the duration that is asked for, or for less where a policy has shortened it
                // since.
                let asked = PolicyQuery {
                    bucket: &entry.bucket,
                    ..ask(namespace, spec, what)
                };
                let any = PolicyQuery {
                    seconds: None,
                    ..asked.clone()
                };
                let allows = |rules: &Rules, query: &PolicyQuery<'_>| {
                    matches!(rules.answer(query), PolicyAnswer::Allowed(max, _) if life <= max)
                };
                !named
                    || !safe(&entry.key)
                    || !rules().any(|rules| allows(rules, &asked) || allows(rules, &any))
            });
            if let Some(entry) = unfit {
                why = format!("{} {} for {life} s", contents.method, entry.parts.path);
            } else if !enough || !of_all && contents.many {
                why = format!("{} of {count} objects", contents.method);
            }
            unfit.is_none() && enough && (of_all || !contents.many)
        });
        fitting.then_some(()).ok_or(why)
    }

    /// By how much the clock was set back while a call that landed then was under way: a write was signed and
    /// a removal was begun by the clock of before. Nobody can call back a request that is on its way.
    fn set_back(&self, landed: Timestamp) -> i64 {
        let set = self.set_back.filter(|(time, _)| {
            let since = landed.as_second() - time.as_second();
            (0..=UNDER_WAY).contains(&since)
        });
        set.map_or(0, |(_, by)| by)
    }

    /// Without faults, a URL that is renewed is still valid for a while.
    fn in_good_time(
        &mut self,
        world: &World<Chaos>,
        seen: &PresignedUrlSeen,
        written: &Written,
        who: &str,
    ) {
        let calm = self.calm(written.at, GRACE);
        if calm
            && let Some((old, false)) = &written.before
            && let Some(entry) = old.entries.first()
            && ready(&seen.status)
        {
            let left = old.ends.as_second() - written.at.as_second();
            let life = entry.parts.end.as_second() - entry.parts.start.as_second() - 30;
            // Nobody renewed while the leader changed.
            let changed = world.elected() && world.monotonic() - world.led_at < 120;
            let waited = if changed { TAKE_OVER } else { 0 };
            if left < 120.min(life * 2 / 3) - 10 - waited {
                self.report(
                    world,
                    format!("{who}: renewed with {left} s left of {life} s"),
                );
            }
        }
    }

    /// A link's end never moves later, and after it nothing is issued.
    fn same_link(
        &mut self,
        world: &World<Chaos>,
        written: &Written,
        contents: &SecretContents,
        who: &str,
    ) {
        let Some(end) = self.links.get(&written.uid).copied() else {
            return;
        };
        // Nobody can call back a request that is on its way as the link ends.
        if written.at.as_second() > end.as_second() + UNDER_WAY + world.most_ahead() {
            self.report(world, format!("{who}: a link that ended was issued again"));
        } else if contents.ends > end {
            let moved = contents.ends.as_second() - end.as_second();
            self.report(
                world,
                format!("{who}: the link's end moved {moved} s later"),
            );
        }
    }

    /// Records when a link ends. A status can only tell of what was written before; it begins with that,
    /// whether or not the link was ever Ready.
    pub fn link(&mut self, world: &World<Chaos>, seen: &PresignedUrlSeen) {
        let (Some(end), Some(generation)) =
            (seen.status.expiration_time, ready_generation(&seen.status))
        else {
            return;
        };
        let Some(Ok(spec)) = self.spec(&seen.uid, generation) else {
            return;
        };
        if spec.renew != Some(Renew::Never) {
            return;
        }
        match self.links.get(&*seen.uid) {
            Some(known) if end > *known => {
                let who = format!("{}/{}", seen.namespace, seen.name);
                let moved = end.as_second() - known.as_second();
                self.report(
                    world,
                    format!("{who}: the link's end moved {moved} s later"),
                );
            }
            Some(known) if end == *known => {}
            _ => {
                let until = self.written_until.get(&*seen.uid);
                if until.is_none_or(|until| end > *until) {
                    let who = format!("{}/{}", seen.namespace, seen.name);
                    let told = format!("{who}: its status tells of a link until {end}");
                    self.report(world, format!("{told}, and none was written"));
                }
                self.links.insert(seen.uid.to_string(), end);
            }
        }
    }

    /// The signing credentials, and what the store does with them.
    fn by_what_works(
        &mut self,
        world: &World<Chaos>,
        seen: &PresignedUrlSeen,
        written: &Written,
        contents: &SecretContents,
        who: &str,
    ) {
        let (Ok(spec), Some(store), Some(entry)) =
            (&seen.spec, store_of(world, seen), contents.entries.first())
        else {
            return;
        };
        let server = server(world, store);
        let key = &entry.parts.access_key_id;
        let in_use = self.in_use(world, seen, store, &entry.parts);
        let (scope, trusted) = (scope(in_use), trusted(in_use));
        // While another endpoint is still in use, or its change is being tried, nothing is known of the new
        // one.
        let settled = self.calm(written.at, PROBE_AGE)
            && Some(&entry.parts.origin) == store.s3.endpoint.as_ref();
        let narrowed = world
            .cloud
            .keys
            .get(key)
            .and_then(|key| key.policy.as_ref());
        if settled && scope != SessionScope::Store {
            let other = (scope == SessionScope::Request).then_some("pub/another-object");
            let reaches = |object: &str| {
                let key = &entry.parts.access_key_id;
                world
                    .cloud
                    .permits(key, &contents.method, &entry.bucket, object)
            };
            let wide = match other {
                Some(other) => !other.starts_with(&entry.key) && !lists(spec) && reaches(other),
                None => reaches("elsewhere/object") && spec.bucket != "data",
            };
            if narrowed.is_none() || wide {
                self.report(
                    world,
                    format!("{who}: its session is not narrowed to {scope:?}"),
                );
            }
        }
        let in_region = server
            .region
            .as_ref()
            .is_none_or(|region| *region == entry.parts.region);
        let known = world.cloud.keys.get(key);
        let never = known.is_some_and(|key| key.revoked == Some(Timestamp::MIN));
        // A server of another region refuses whatever is signed, and tells nobody what it thinks of the key.
        if settled && never && in_region {
            self.report(
                world,
                format!("{who}: signed with a key that the store never knew"),
            );
        }
        let well = Self::had_time(world, seen, Timestamp::MIN, 0);
        let works = world.cloud.stops(key, written.at).is_none() && in_region;
        let endpoint = store.s3.endpoint.clone().unwrap_or_default();
        let accepts_unsigned = self.accepts_unsigned_since.get(&endpoint).copied();
        let long = accepts_unsigned.is_some_and(|accepts_unsigned| {
            accepts_unsigned.as_second() + PROBE_AGE < written.at.as_second()
        });
        // A server that refuses the key or the region of whatever is signed never shows what it does with a
        // header that nobody signed, and refuses this PUT too: what was known before stands.
        let shows = works && settled;
        if contents.method == Method::Put.as_str() && shows && long && !trusted {
            self.report(
                world,
                format!("{who}: a PUT was signed on a store that takes what nobody signed"),
            );
        }
        let objects = world.cloud.buckets.get(&entry.bucket);
        let missing = matches!(contents.method.as_str(), "GET" | "HEAD")
            && contents
                .entries
                .iter()
                .any(|entry| objects.is_none_or(|objects| !objects.contains_key(&entry.key)));
        if spec.verify == Some(Verify::Require) && settled && (!works || missing) {
            self.report(
                world,
                format!("{who}: what does not work was published in spite of Require"),
            );
        }
        let rejected = world.cloud.stops(key, written.at).is_some();
        if well && in_region && rejected && Self::had_better(world, written) {
            self.report(
                world,
                format!(
                    "{who}: signed with a key that the store rejects, in place of one that works"
                ),
            );
        }
    }

    /// The spec that a URL was signed by. A spec that names another source is not in use before that source
    /// gives a key that works: until then the last one stays in use that named the source of the key and the
    /// place, and all that it says.
    fn in_use<'a>(
        &'a self,
        world: &'a World<Chaos>,
        seen: &PresignedUrlSeen,
        store: &'a ClusterObjectStoreSpec,
        signed: &Parts,
    ) -> &'a ClusterObjectStoreSpec {
        let key = world.cloud.keys.get(&signed.access_key_id);
        let Some(gave) = key.and_then(|key| key.source.as_deref()) else {
            return store;
        };
        if gave == source(store) || usable(world, seen) {
            return store;
        }
        let mut earlier = self.store_history(seen).rev();
        earlier
            .find(|earlier| {
                source(earlier) == gave
                    && earlier.s3.endpoint.as_ref() == Some(&signed.origin)
                    && earlier.s3.region == signed.region
            })
            .unwrap_or(store)
    }

    /// Whether what stood there was signed with a key for the same server that works still.
    fn had_better(world: &World<Chaos>, written: &Written) -> bool {
        let entry = written
            .before
            .as_ref()
            .and_then(|(old, _)| old.entries.first());
        entry.is_some_and(|entry| {
            let key = &entry.parts.access_key_id;
            let known = world.cloud.keys.get(key);
            known.is_some_and(|key| key.revoked.is_none() && key.ends.is_none())
        })
    }

    pub fn calm(&self, time: Timestamp, since: i64) -> bool {
        self.calm_since
            .is_some_and(|calm| time.as_second() > calm.as_second() + since)
    }

    /// Promise 9: valid URLs are removed only if policies deny them.
    pub fn removed(&mut self, world: &World<Chaos>, removed: &Removed) {
        let mut found = world.cluster.resources.values();
        let Some(seen) = found.find(|seen| *seen.uid == *removed.uid && !seen.deleting) else {
            return;
        };
        let named = |spec: &PresignedUrlSpec| {
            spec.secret_name.as_ref().unwrap_or(&seen.name) == &removed.place.1
        };
        let told = seen.status.internal.secret.as_ref();
        // What a crash left there is not what the status tells of, and only status is believed.
        let known = seen.status.expiration_time == Some(removed.contents.ends);
        if !known || told.is_none_or(|told| told.name != removed.place.1) {
            return;
        }
        // No server takes a date that lies further ahead: all that a start knows of it is that it does not
        // live.
        let ahead = |signed: Timestamp| signed.as_second() > removed.at.as_second() + AHEAD;
        let signed = seen.status.internal.signature_time;
        if signed.or(seen.status.issue_time).is_some_and(ahead) {
            return;
        }
        let since = at(removed.at.as_second() - GRACE - RECOVERY);
        let left = removed.contents.ends.as_second() - removed.at.as_second();
        if left <= world.most_ahead() + self.set_back(removed.at) {
            return;
        }
        // The policies bound a link's life from its issue, however often it was signed since.
        let life = seen.status.issue_time.map_or(left, |issued| {
            removed.contents.ends.as_second() - issued.as_second()
        });
        let mut last = self.specs(&seen.uid, seen.generation).rev().take(3);
        let right = last.all(|spec| {
            let Ok(spec) = spec else { return false };
            named(spec)
                && self.rules.iter().enumerate().all(|(which, (_, rules))| {
                    let until = self.rules.get(which + 1).map(|(time, _)| *time);
                    let long = until.is_some_and(|until| until < since);
                    let long = long && world.blind_at < since;
                    let say = rules.answer_all(&seen.namespace, spec);
                    // A link ends with what policies allow now.
                    let once = spec.renew == Some(Renew::Never);
                    // What a policy that cannot be read may allow takes nothing away.
                    let unknown = say == Some(PolicyAnswer::Unknown) && !once;
                    long || unknown && is_kept(self, rules, seen, &removed.contents) || matches!(say, Some(PolicyAnswer::Allowed(max, _)) if !once || life <= max && left + GRACE < max)
                })
        });
        drop(last);
        if right {
            let who = format!("{}/{}", seen.namespace, seen.name);
            self.report(world, format!("{who}: a Secret that lives was removed"));
        }
    }
}

/// The scope of the sessions of a store's role.
pub fn scope(store: &ClusterObjectStoreSpec) -> SessionScope {
    let credentials = &store.s3.credentials;
    let assumed = credentials
        .assume_role
        .as_ref()
        .map(|contents| contents.role.scope);
    let web = credentials
        .web_identity
        .as_ref()
        .map(|contents| contents.role.scope);
    assumed.or(web).flatten().unwrap_or_default()
}

/// Whether a PUT may be signed whatever the store does with unsigned headers.
pub fn trusted(store: &ClusterObjectStoreSpec) -> bool {
    store.s3.unsigned_headers == Some(UnsignedHeaders::Accept)
        || scope(store) == SessionScope::Request
}

fn lists(spec: &PresignedUrlSpec) -> bool {
    spec.prefix.is_some()
}

/// Whether every client and proxy leaves a key as it is.
pub fn safe(key: &str) -> bool {
    !key.split('/').enumerate().any(|(at, part)| {
        matches!(part, "." | "..") || part.is_empty() && at + 1 < key.split('/').count()
    }) && !key.chars().any(char::is_control)
        && !key.contains("${")
}

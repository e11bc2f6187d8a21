//! The invariants of a Secret under `Ready=True`: it holds what the spec asks for, and all of it works now.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::LazyLock;

use jiff::Timestamp;
use presigned_core::api::{
    ClusterObjectStoreSpec, Format, ListOptions, Method, PostOptions, PresignedUrlSpec,
};
use presigned_core::engine::{PresignedUrlSeen, StoreSeen, Uid};
use presigned_core::issue::data_hash;

use crate::chaos::Chaos;
use crate::common::at;
use crate::common::cloud::{Server, Source};
use crate::common::cluster::Secret;
use crate::common::iam;
use crate::common::post_form::Form;
use crate::common::url::Parts;
use crate::common::world::World;
use crate::invariants::{InvariantChecker, REACTION, RECOVERY, RESIGN_WITHIN};
use crate::policy_oracle::{store, store_name};
use crate::random_specs::PUBLIC;
use crate::secret_contents::{Call, SecretContents};
use crate::status_facts::ready_generation;

/// Seconds after which a store's clock is known: the probe runs hourly.
pub const PROBE_AGE: i64 = 5400;

/// The findings about one version of a Secret.
pub struct Known {
    version: String,
    /// Whether it is what each generation of a resource's spec asks for, as far as that was asked.
    fits: BTreeMap<(Uid, i64), bool>,
    contents: Result<Rc<SecretContents>, String>,
    hash: String,
    accepted: Option<Result<(), String>>,
}

impl InvariantChecker {
    fn known(&mut self, secret: &Secret) -> &mut Known {
        let known = self.secrets.get(&secret.uid);
        if known.is_none_or(|known| known.version != secret.resource_version) {
            let known = Known {
                version: secret.resource_version.clone(),
                fits: BTreeMap::new(),
                contents: SecretContents::of(&secret.data).map(Rc::new),
                hash: data_hash(secret.data.iter().map(|(k, v)| (k.as_str(), v.as_slice()))),
                accepted: None,
            };
            self.secrets.insert(secret.uid.clone(), known);
        }
        self.secrets.get_mut(&secret.uid).unwrap()
    }

    /// When the URLs of a Secret end, if it holds any.
    pub fn ends(&mut self, secret: &Secret) -> Option<Timestamp> {
        let contents = self.known(secret).contents.as_ref();
        contents.ok().map(|contents| contents.ends)
    }

    /// The hash of a Secret's data.
    pub fn hash(&mut self, secret: &Secret) -> String {
        self.known(secret).hash.clone()
    }

    pub fn contents(&mut self, secret: &Secret) -> Result<Rc<SecretContents>, String> {
        self.known(secret).contents.clone()
    }

    /// Whether a Secret holds what the status says of it.
    pub fn check_secret(
        &mut self,
        world: &World<Chaos>,
        seen: &PresignedUrlSeen,
        secret: &Secret,
        acted: Timestamp,
    ) -> Result<(), String> {
        let contents = self.contents(secret)?;
        let told = seen.status.internal.secret.as_ref();
        let same = told.is_some_and(|told| *told.data_hash == *self.known(secret).hash);
        if same && seen.status.expiration_time != Some(contents.ends) {
            return Err("status.expirationTime is not the true end".to_owned());
        }
        let objects = u32::try_from(contents.entries.len()).unwrap();
        if same && seen.status.objects != Some(objects) {
            return Err(format!(
                "it holds {objects} objects, and status says otherwise"
            ));
        }
        // Without the right to read Secrets the operator cannot know what a crash left, until it writes
        // again. It need not if it had signed again for a store's clock, which it forgot with the crash: what
        // it left is as good for as long as the status says.
        let holds_enough = seen.status.objects == Some(objects)
            && seen
                .status
                .expiration_time
                .is_some_and(|told| told <= contents.ends)
            && self.follows_a_clock(world, seen, &contents);
        let in_the_dark = world.cluster.blind && (holds_enough || !usable(world, seen));
        // It begins to see as its store does.
        let acted = if world.cluster.blind {
            acted.max(self.store_changed(seen))
        } else {
            acted
        };
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
        if now >= contents.ends && Self::had_time(world, seen, contents.ends, slack) {
            return Err(format!("the URL ended at {}", contents.ends));
        }
        self.in_time(world, seen, &contents)?;
        if now < contents.ends {
            self.accepted(world, seen, secret, &contents)?;
        }
        self.right_object(world, seen, secret, &contents)
    }

    /// Whether a Secret was signed for the clock of a server that became known after the status was written:
    /// that clock is wrong, or it was set since then.
    fn follows_a_clock(
        &self,
        world: &World<Chaos>,
        seen: &PresignedUrlSeen,
        contents: &SecretContents,
    ) -> bool {
        contents.entries.iter().any(|entry| {
            let origin = &entry.parts.origin;
            let correction = entry.parts.end.as_second() - contents.ends.as_second();
            let set = self.clock_set(world, seen, origin);
            correction != 0 || seen.status.issue_time.is_some_and(|told| told < set)
        })
    }

    /// Whether each part ends when the Secret says, by the clock of the server that it is for.
    fn in_time(
        &self,
        world: &World<Chaos>,
        seen: &PresignedUrlSeen,
        contents: &SecretContents,
    ) -> Result<(), String> {
        let mut last: Option<&Parts> = None;
        for entry in &contents.entries {
            let parts = &entry.parts;
            // Nothing else of an entry is looked at here, and most have it in common.
            let same = last.is_some_and(|last| {
                (last.start, last.end, &last.origin) == (parts.start, parts.end, &parts.origin)
            });
            if same {
                continue;
            }
            last = Some(parts);
            let correction = parts.end.as_second() - contents.ends.as_second();
            let told = || {
                format!(
                    "expires-at tells {}, and the URL ends {}",
                    contents.ends, parts.end
                )
            };
            if correction != 0 && !self.clock_offsets.contains(&correction) {
                return Err(told());
            }
            let ahead = clock(world, seen, &parts.origin);
            // A store whose edit cannot work keeps its earlier settings, which are not known here.
            let told_apart = parts.origin != PUBLIC || usable(world, seen);
            let known = told_apart
                && self.calm_since.is_some_and(|since| {
                    parts.start.as_second() - correction > since.as_second() + PROBE_AGE
                });
            let right = if ahead.abs() > 15 { ahead } else { 0 };
            if known && correction != right {
                let told = told();
                return Err(format!("{told}, and the store's clock is {ahead} s ahead"));
            }
            // What was signed before a probe showed the server's clock is dated by the earlier one, or, if the
            // store has moved, by the API server's.
            let set = self.clock_set(world, seen, &parts.origin);
            let set = set.max(self.store_changed(seen));
            if world.now.as_second() + ahead + 900 < parts.start.as_second()
                && Self::had_time(world, seen, world.blind_at, REACTION)
                && Self::had_time(world, seen, set, PROBE_AGE)
            {
                return Err("the URL is not good yet".to_owned());
            }
        }
        Ok(())
    }

    /// When the clock behind an origin was last set.
    pub fn clock_set(
        &self,
        world: &World<Chaos>,
        seen: &PresignedUrlSeen,
        origin: &str,
    ) -> Timestamp {
        let endpoint = if origin == PUBLIC {
            store_of(world, seen).and_then(|store| store.s3.endpoint.as_deref())
        } else {
            Some(origin)
        };
        endpoint
            .and_then(|endpoint| self.clocks_set.get(endpoint))
            .map_or(Timestamp::MIN, |(time, _)| *time)
    }

    fn accepted(
        &mut self,
        world: &World<Chaos>,
        seen: &PresignedUrlSeen,
        secret: &Secret,
        contents: &SecretContents,
    ) -> Result<(), String> {
        let mut last = None;
        for entry in &contents.entries {
            let id = &entry.parts.access_key_id;
            if last.replace(id) == Some(id) {
                continue;
            }
            let key = world.cloud.keys.get(id);
            let Some(revoked) = key.and_then(|key| key.revoked) else {
                continue;
            };
            if revoked > world.now {
                continue;
            }
            let changed = self.store_changed(seen).max(revoked);
            if Self::had_time(world, seen, changed, RESIGN_WITHIN + REACTION)
                && self.had_leave(world, seen, RESIGN_WITHIN + RECOVERY)
            {
                return Err("its key was revoked".to_owned());
            }
            return Ok(());
        }
        self.known(secret)
            .accepted
            .get_or_insert_with(|| contents.accepted(&world.cloud))
            .clone()
    }

    /// Whether the Secret is what the observed generation, or a later one, asks for.
    fn right_object(
        &mut self,
        world: &World<Chaos>,
        seen: &PresignedUrlSeen,
        secret: &Secret,
        contents: &SecretContents,
    ) -> Result<(), String> {
        let observed = ready_generation(&seen.status).ok_or("Ready tells no generation")?;
        for generation in observed..=seen.generation {
            let asked = (seen.uid.clone(), generation);
            let known = self.known(secret).fits.get(&asked).copied();
            let Some(Ok(spec)) = self.spec(&seen.uid, generation) else {
                continue;
            };
            let fits = known.unwrap_or_else(|| fits(spec, contents));
            if fits && self.right_origin(world, seen, spec, contents) {
                self.known(secret).fits.insert(asked, fits);
                return Ok(());
            }
            self.known(secret).fits.insert(asked, fits);
        }
        let first = contents.entries.first().map(|entry| &entry.parts);
        Err(format!(
            "the URL is for {} {}{}",
            contents.method,
            first.map_or("nothing", |parts| &parts.origin),
            first.map_or("", |parts| &parts.path),
        ))
    }

    fn right_origin(
        &self,
        world: &World<Chaos>,
        seen: &PresignedUrlSeen,
        spec: &PresignedUrlSpec,
        contents: &SecretContents,
    ) -> bool {
        let Some(entry) = contents.entries.first() else {
            return true;
        };
        // What lists a prefix may wait for the rate of its policy, until half of its life is left.
        let half = (entry.parts.end.as_second() - entry.parts.start.as_second()) / 2;
        let within = match spec.prefix {
            Some(_) => RESIGN_WITHIN.max(half),
            None => RESIGN_WITHIN,
        };
        let window = at(world.now.as_second() - within - REACTION - RECOVERY);
        let none = Vec::new();
        let history = self.stores.get(store(spec)).unwrap_or(&none);
        // What was in force within the window, or is the last that could be used: a store that is gone or
        // cannot be read takes the place of none, so what is issued stays until the operator had time for the
        // next usable one.
        let mut origins = history
            .iter()
            .enumerate()
            .filter_map(|(which, (_, store))| {
                let mut later = history[which + 1..].iter();
                let next = later.find(|(_, later)| readable(later.as_ref()).is_some());
                let until = next.map_or(Timestamp::MAX, |(time, _)| *time);
                let recent = until >= window || !Self::had_time(world, seen, until, within);
                readable(store.as_ref()).filter(|_| recent)
            });
        // A store that a fault kept from its change is used after it, and the re-signing is spread from then.
        let fault = Self::last_fault(world, seen).as_second();
        let spread = world.now.as_second() <= fault + RECOVERY + within;
        origins.any(|store| {
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
            // An endpoint that is gone or cannot work, or credentials that cannot be had, leave the old URL
            // in place.
            wanted.as_ref() == Some(&entry.parts.origin)
                || wanted.is_none()
                || !self.had_leave(world, seen, within + RECOVERY)
                || spread
        })
    }

    /// What a resource's store said so far, the oldest first.
    pub fn store_history(
        &self,
        seen: &PresignedUrlSeen,
    ) -> impl DoubleEndedIterator<Item = &ClusterObjectStoreSpec> {
        let name = store_name(seen);
        let history = self.stores.get(name).into_iter().flatten();
        history.filter_map(|(_, store)| readable(store.as_ref()))
    }

    /// When the store of a resource last changed.
    pub fn store_changed(&self, seen: &PresignedUrlSeen) -> Timestamp {
        let name = store_name(seen);
        self.stores
            .get(name)
            .and_then(|history| history.last())
            .map_or(Timestamp::MIN, |(time, _)| *time)
    }
}

/// What a store says, where it is there and can be read.
fn readable(store: Option<&StoreSeen>) -> Option<&ClusterObjectStoreSpec> {
    store?.spec.as_ref().ok().map(|spec| &**spec)
}

/// The store of a resource, where it can be read.
pub fn store_of<'a>(
    world: &'a World<Chaos>,
    seen: &PresignedUrlSeen,
) -> Option<&'a ClusterObjectStoreSpec> {
    let name = store_name(seen);
    let store = world.cluster.stores.get(name)?;
    store.spec.as_ref().ok().map(|spec| &**spec)
}

/// The server behind a store's endpoint.
pub fn server<'a>(world: &'a World<Chaos>, store: &ClusterObjectStoreSpec) -> &'a Server {
    static HEALTHY: LazyLock<Server> = LazyLock::new(Server::default);
    let endpoint = store.s3.endpoint.as_ref();
    let known = endpoint.and_then(|endpoint| world.cloud.servers.get(endpoint));
    known.unwrap_or(&HEALTHY)
}

/// By how much the clock behind an origin is ahead: all consumers' hosts lead to the store's own server.
pub fn clock(world: &World<Chaos>, seen: &PresignedUrlSeen, origin: &str) -> i64 {
    if origin == PUBLIC {
        return store_of(world, seen).map_or(0, |store| server(world, store).ahead);
    }
    world
        .cloud
        .servers
        .get(origin)
        .map_or(0, |server| server.ahead)
}

/// The name under which the cloud knows a store's source.
pub fn source(store: &ClusterObjectStoreSpec) -> &str {
    let credentials = &store.s3.credentials;
    match (
        &credentials.secret_ref,
        &credentials.assume_role,
        &credentials.web_identity,
    ) {
        (Some(secret), _, _) => &secret.name,
        (_, Some(contents), _) => &contents.role.role_arn,
        (_, _, Some(contents)) => &contents.role.role_arn,
        (None, None, None) => "",
    }
}

/// Whether a resource's store could sign a new URL now.
pub fn usable(world: &World<Chaos>, seen: &PresignedUrlSeen) -> bool {
    let Some(store) = store_of(world, seen) else {
        return false;
    };
    let gives = match world.cloud.sources.get(source(store)) {
        Some(Source::Static { key }) => world.cloud.stops(key, world.now).is_none(),
        Some(Source::Sessions { .. }) => true,
        _ => false,
    };
    let server = server(world, store);
    let region = server.region.as_ref();
    gives
        && server.answers()
        && region.is_none_or(|region| *region == store.s3.region)
        && server.ahead.abs() <= 300
}

/// Whether a Secret's content is what a spec asks for.
pub fn fits(spec: &PresignedUrlSpec, contents: &SecretContents) -> bool {
    let method = spec.method.unwrap_or_default();
    let keys: Vec<&str> = contents
        .entries
        .iter()
        .map(|entry| entry.key.as_str())
        .collect();
    let bucket = contents
        .entries
        .iter()
        .all(|entry| entry.bucket == spec.bucket);
    let form = contents
        .entries
        .first()
        .and_then(|entry| match &entry.call {
            Call::Form(form) => Some(form),
            Call::Url(_) => None,
        });
    let objects = match (&spec.key, &spec.keys, &spec.prefix, form) {
        (Some(key), None, None, None) => !contents.many && keys == [key],
        (Some(key), None, None, Some(form)) => !form.under && keys == [key],
        (None, Some(wanted), None, None) => contents.many && keys.iter().copied().eq(wanted.iter()),
        (None, None, Some(prefix), Some(form)) => form.under && keys == [prefix],
        (None, None, Some(prefix), None) => {
            let list = spec.list.as_deref();
            contents.many && keys.iter().all(|key| keeps(prefix, list, key))
        }
        _ => false,
    };
    let sorted = |formats: &[Format]| {
        let mut formats = formats.to_vec();
        formats.sort();
        formats
    };
    let formats = !contents.many
        || sorted(&contents.formats) == sorted(spec.formats.as_deref().unwrap_or_default());
    let form = form.is_none_or(|form| spec.post.as_deref().is_some_and(|post| is_of(form, post)));
    let is_form = (method == Method::Post) == contents.method.eq("POST");
    contents.method == method.as_str() && is_form && bucket && objects && formats && form
}

/// Whether a form asks for what the options say.
fn is_of(form: &Form, post: &PostOptions) -> bool {
    let range = post.content_length_range;
    let status = post.success_action_status.map(|status| status.to_string());
    range.is_some_and(|range| form.range == (range.min.unwrap_or(0), range.max))
        && form.field("Content-Type") == post.content_type.as_deref()
        && form.field("acl") == post.acl.as_deref()
        && form.field("success_action_status") == status.as_deref()
        && form.field("success_action_redirect") == post.success_action_redirect.as_deref()
        && form.has_metadata()
            == post
                .metadata
                .as_ref()
                .is_some_and(|contents| !contents.is_empty())
}

/// Whether a listing keeps a key; the globs of this simulation need no more than a policy's stars.
pub fn keeps(prefix: &str, list: Option<&ListOptions>, key: &str) -> bool {
    let Some(rest) = key.strip_prefix(prefix) else {
        return false;
    };
    let any = |globs: Option<&Vec<String>>| {
        globs.map(|globs| {
            globs.iter().any(|glob| {
                let deep = glob.contains("**");
                iam::like(&glob.replace("**", "*"), rest) && (deep || !rest.contains('/'))
            })
        })
    };
    any(list.and_then(|list| list.include.as_ref())).unwrap_or(true)
        && !any(list.and_then(|list| list.exclude.as_ref())).unwrap_or(false)
}

//! The actions of users and other programs: they apply, edit, break, fix and delete.

use jiff::Timestamp;
use presigned_core::api::{PresignedUrlSpec, Reason, Renew};
use presigned_core::engine::Watched;

use crate::chaos::Chaos;
use crate::common::at;
use crate::common::cloud::Source;
use crate::common::cluster::{Place, Secret};
use crate::common::rng::Rng;
use crate::common::watch::Stream;
use crate::common::world::World;
use crate::fault_schedule;
use crate::random_specs::{CREDENTIALS, NAMES, NAMESPACES, ROLES, STORES};
use crate::random_specs::{policy, quarantine_policy, resource, store, unreadable_namespaces};

/// The world at the start.
pub fn begin(world: &mut World<Chaos>, rng: &mut Rng) {
    let now = world.now;
    for name in NAMESPACES {
        let team = if rng.permille(700) { "x" } else { "y" };
        world.cluster.put_namespace(name, &[("team", team)], now);
    }
    for (at, source) in CREDENTIALS.iter().enumerate() {
        if at == 2 || rng.permille(300) {
            let length = *rng.pick(&[900, 3600, 43_200]);
            world.cloud.sources.insert(
                (*source).to_owned(),
                Source::Sessions {
                    length,
                    current: None,
                },
            );
        } else {
            world.cloud.rotate_static(source, now);
        }
        if !source.is_empty() {
            world.cluster.touch_own_secret(source, now);
        }
    }
    for role in ROLES {
        let length = *rng.pick(&[900, 3600, 43_200]);
        let current = None;
        world
            .cloud
            .sources
            .insert(role.to_owned(), Source::Sessions { length, current });
    }
    fault_schedule::begin(world, rng);
    for name in STORES {
        let spec = store(rng);
        world.cluster.put_store(name, Ok(spec), now);
    }
    for name in ["base", "labelled"] {
        let spec = policy(rng);
        world.cluster.put_policy(name, Ok(spec), now);
    }
    for _ in 0..5 {
        apply(world, rng);
    }
}

fn apply(world: &mut World<Chaos>, rng: &mut Rng) {
    let namespace = *rng.pick(&NAMESPACES);
    apply_in(world, rng, namespace);
}

fn apply_in(world: &mut World<Chaos>, rng: &mut Rng, namespace: &str) {
    if world
        .cluster
        .namespaces
        .get(namespace)
        .is_none_or(|namespace| namespace.deleting)
    {
        return;
    }
    let name = *rng.pick(&NAMES);
    let mut spec = resource(rng, namespace);
    // Half of the edits change one thing only.
    let place = (namespace.to_owned(), name.to_owned());
    if let Some(known) = world.cluster.resources.get(&place)
        && let Ok(old) = &known.spec
        && rng.permille(500)
    {
        let new = spec;
        spec = (**old).clone();
        match rng.range(0, 6) {
            0 => spec.secret_name = new.secret_name,
            1 => spec.suspend = Some(spec.suspend != Some(true)),
            2 => {
                (spec.key, spec.keys, spec.prefix) = (new.key, new.keys, new.prefix);
                (spec.method, spec.get, spec.put) = (new.method, new.get, new.put);
                (spec.post, spec.list, spec.formats) = (new.post, new.list, new.formats);
                spec.ttl_after_expiry = new.ttl_after_expiry;
            }
            3 => spec.duration = new.duration,
            4 => spec.verify = new.verify,
            _ => spec.secret_template = new.secret_template,
        }
    }
    // `renew` is immutable.
    if let Some(known) = world.cluster.resources.get(&place)
        && let Some(renew) = world.faults.renew.get(&known.uid)
    {
        spec.renew = *renew;
        if *renew != Some(Renew::Never) {
            spec.ttl_after_expiry = None;
        }
    }
    if spec.renew == Some(Renew::Never) {
        spec.renew_before_percentage = None;
        if let Some(list) = &mut spec.list {
            list.refresh_interval = None;
        }
    }
    // Admission refuses edits of what a link is signed for.
    if let Some(known) = world.cluster.resources.get(&place)
        && let Ok(old) = &known.spec
        && old.renew == Some(Renew::Never)
    {
        spec = PresignedUrlSpec {
            secret_name: spec.secret_name,
            secret_template: spec.secret_template,
            suspend: spec.suspend,
            verify: spec.verify,
            ..(**old).clone()
        };
    }
    world.log(|| format!("apply {namespace}/{name} {spec:?}"));
    let spec = if rng.permille(20) {
        Err("the model cannot parse it".to_owned())
    } else {
        Ok(spec)
    };
    put(world, &place, spec);
}

/// Creates or edits a resource; its `renew` is kept from then on.
fn put(world: &mut World<Chaos>, place: &Place, spec: Result<PresignedUrlSpec, String>) {
    let renew = spec.as_ref().ok().map(|spec| spec.renew);
    let now = world.now;
    world.cluster.put_resource(&place.0, &place.1, spec, now);
    if let (Some(renew), Some(known)) = (renew, world.cluster.resources.get(place)) {
        let uid = known.uid.clone();
        world.faults.renew.entry(uid).or_insert(renew);
    }
}

/// Does one thing.
pub fn act(world: &mut World<Chaos>, rng: &mut Rng) {
    let now = world.now;
    let some_resource = rng.pick_owned(world.cluster.resources.keys().cloned());
    let some_secret = rng.pick_owned(world.cluster.secrets.keys().cloned());
    match rng.range(0, 131) {
        0..18 => apply(world, rng),
        18..22 => {
            if let Some(place) = some_resource {
                let (namespace, name) = &place;
                world.log(|| format!("delete {namespace}/{name}"));
                let old = world.cluster.resources[&place].spec.clone();
                world.cluster.delete_resource(namespace, name, now);
                if rng.permille(500) {
                    put(world, &place, old.map(|spec| *spec));
                }
                let after = rng.range(0, 40);
                world.collect_garbage_in(after);
            }
        }
        22..26 => {
            if let Some((namespace, name)) = some_resource {
                world.log(|| format!("annotate {namespace}/{name}"));
                world
                    .cluster
                    .annotate(&namespace, &name, &now.as_second().to_string(), now);
            }
        }
        26..40 => edit_policy(world, rng),
        40..44 => {
            let name = *rng.pick(&NAMESPACES);
            if world
                .cluster
                .namespaces
                .get(name)
                .is_some_and(|namespace| !namespace.deleting)
            {
                let team = *rng.pick(&["x", "x", "y"]);
                world.log(|| format!("namespace {name} gets team={team}"));
                world.cluster.put_namespace(name, &[("team", team)], now);
            }
        }
        44..47 => end_namespace(world, rng),
        47..56 => edit_store(world, rng),
        56..62 => edit_credentials(world, rng),
        62..78 => {
            if let Some(place) = some_secret {
                edit_secret(world, rng, &place);
            }
        }
        78..82 => {
            let namespace = *rng.pick(&NAMESPACES);
            let name = *rng.pick(&["shared", "dl", "up", "other"]);
            if world.cluster.namespaces.contains_key(namespace) {
                let place = (namespace.to_owned(), name.to_owned());
                world.log(|| format!("somebody creates the Secret {place:?}"));
                world.cluster.create_foreign_secret(&place, now);
            }
        }
        82..85 => delete_unowned(world, rng),
        85..88 => world.crash(rng.range(0, 300)),
        88..93 => {
            let which = usize::try_from(rng.range(0, 6)).unwrap();
            let seconds = rng.range(1, 120);
            world.break_stream(watching(world), which, seconds);
        }
        93..95 => {
            let which = usize::try_from(rng.range(0, 6)).unwrap();
            let lag = rng.range(0, 15);
            let replica = watching(world);
            if let Some(stream) = world.replicas[replica].streams.get_mut(which) {
                stream.lag = lag;
            }
            world.repeat_event(replica, which);
        }
        95..98 => {
            let until = at(now.as_second() + rng.range(10, 1200));
            world.log(|| format!("the API server is away until {until}"));
            world.faults.outage_until = until;
        }
        125..128 => {
            if let Some((namespace, name)) = some_resource {
                delete_slowly(world, rng, &namespace, &name);
            }
        }
        128..131 => {
            if let Some(place) = some_secret {
                world.log(|| format!("a tool drops the owners of the Secret {place:?}"));
                world.cluster.edit_secret(&place, now, drop_owners);
            }
        }
        98..100 => {
            let by = *rng.pick(&[60, 3600, 20_000, -45, -600, -5000]);
            world.step_clock(by);
            fault_schedule::clock_stepped(world, by);
        }
        _ => fault_schedule::change(world, rng),
    }
}

/// The replica to whose watches something happens: the one that leads, if one does.
fn watching(world: &World<Chaos>) -> usize {
    world.leader().unwrap_or(0)
}

fn delete_unowned(world: &mut World<Chaos>, rng: &mut Rng) {
    let secrets = world.cluster.secrets.iter();
    let unowned = secrets.filter(|(_, secret)| secret.owners.is_empty());
    let unowned: Vec<Place> = unowned.map(|(place, _)| place.clone()).collect();
    if let Some(place) = rng.pick_owned(unowned) {
        world.log(|| format!("somebody deletes the foreign Secret {place:?}"));
        world.cluster.delete_secret_by_hand(&place, world.now);
    }
}

/// A finalizer keeps a resource that is deleted; it may go later.
fn delete_slowly(world: &mut World<Chaos>, rng: &mut Rng, namespace: &str, name: &str) {
    let now = world.now;
    let place = (namespace.to_owned(), name.to_owned());
    if !world.cluster.resources[&place].deleting {
        world.log(|| format!("delete {namespace}/{name}, which a finalizer keeps"));
        world.cluster.begin_deletion(namespace, name, now);
    } else if rng.permille(500) {
        world.log(|| format!("the finalizer of {namespace}/{name} is done"));
        world.cluster.delete_resource(namespace, name, now);
    }
}

/// What a tool does that knows no owner reference, or one that garbage collection is not to follow.
fn drop_owners(secret: &mut Secret) {
    if secret.data.len().is_multiple_of(2) {
        secret.owners.clear();
    }
    for owner in &mut secret.owners {
        owner.controller = None;
    }
}

fn edit_policy(world: &mut World<Chaos>, rng: &mut Rng) {
    let now = world.now;
    let name = *rng.pick(&["base", "labelled", "extra"]);
    match rng.range(0, 10) {
        0..6 => {
            let spec = policy(rng);
            world.log(|| format!("policy {name} becomes {spec:?}"));
            world.cluster.put_policy(name, Ok(spec), now);
        }
        6 => {
            let namespaces = unreadable_namespaces(rng);
            world.log(|| format!("policy {name} breaks, and is for {namespaces}"));
            world.cluster.put_unreadable_policy(name, &namespaces, now);
        }
        _ => {
            world.log(|| format!("policy {name} is deleted"));
            world.cluster.delete_policy(name, now);
        }
    }
}

fn end_namespace(world: &mut World<Chaos>, rng: &mut Rng) {
    let now = world.now;
    let name = *rng.pick(&NAMESPACES);
    match world
        .cluster
        .namespaces
        .get(name)
        .map(|namespace| namespace.deleting)
    {
        None => come_late(world, rng, name),
        Some(false) => {
            world.log(|| format!("namespace {name} begins to end"));
            world.cluster.terminate_namespace(name, now);
        }
        Some(true) => {
            finish(world, name, now);
            // Many who delete a namespace make it again at once.
            if rng.permille(700) {
                come_late(world, rng, name);
            }
        }
    }
}

/// A namespace comes, and what is applied in it is seen before it is.
fn come_late(world: &mut World<Chaos>, rng: &mut Rng, name: &str) {
    let now = world.now;
    let lag = rng.range(0, 45);
    let labels: &[(&str, &str)] = if rng.permille(600) {
        &[("team", "x"), ("quarantine", "yes")]
    } else {
        &[("team", "x")]
    };
    world.log(|| format!("namespace {name} comes with {labels:?}, seen after {lag} s"));
    let namespaces = |stream: &&mut Stream| stream.kind == Watched::Namespaces;
    for replica in &mut world.replicas {
        if let Some(stream) = replica.streams.iter_mut().find(namespaces) {
            stream.lag = lag;
        }
    }
    world.cluster.put_namespace(name, labels, now);
    // Its labels alone decide then.
    if rng.permille(500) {
        let spec = quarantine_policy(rng);
        world.log(|| format!("only policy base is there, and becomes {spec:?}"));
        world.cluster.put_policy("base", Ok(spec), now);
        for other in ["labelled", "extra"] {
            world.cluster.delete_policy(other, now);
        }
    }
    for _ in 0..4 {
        apply_in(world, rng, name);
    }
}

fn finish(world: &mut World<Chaos>, name: &str, now: Timestamp) {
    world.log(|| format!("namespace {name} is gone"));
    world.cluster.finish_namespace(name, now);
}

fn edit_store(world: &mut World<Chaos>, rng: &mut Rng) {
    let now = world.now;
    let name = *rng.pick(&STORES);
    match rng.range(0, 12) {
        0..9 => {
            let spec = store(rng);
            world.log(|| format!("store {name} becomes {spec:?}"));
            world.cluster.put_store(name, Ok(spec), now);
        }
        9 => {
            world.log(|| format!("store {name} breaks"));
            world
                .cluster
                .put_store(name, Err("the model cannot parse it".to_owned()), now);
        }
        10 => {
            world.log(|| format!("store {name} is deleted"));
            world.cluster.delete_store(name, now);
        }
        _ => {
            world.log(|| format!("store {name} is replaced"));
            let spec = store(rng);
            world.cluster.delete_store(name, now);
            world.cluster.put_store(name, Ok(spec), now);
        }
    }
}

fn edit_credentials(world: &mut World<Chaos>, rng: &mut Rng) {
    let now = world.now;
    let source = *rng.pick(&CREDENTIALS);
    // The process's own chain gives sessions, and no watch shows its changes.
    let roll = if source.is_empty() { 5 } else { 0 };
    match rng.range(roll, 10) {
        0..5 => {
            let old_until = at(now.as_second() + *rng.pick(&[1, 3600, 7200, 100_000]));
            world.log(|| format!("credentials {source:?}: a new key, the old until {old_until}"));
            world.cloud.rotate_static(source, old_until);
        }
        5..7 => {
            let length = *rng.pick(&[900, 3600, 43_200]);
            world.log(|| format!("credentials {source:?}: sessions of {length} s"));
            let current = None;
            world
                .cloud
                .sources
                .insert(source.to_owned(), Source::Sessions { length, current });
        }
        7 => {
            world.log(|| format!("credentials {source:?}: no end is told"));
            world
                .cloud
                .sources
                .insert(source.to_owned(), Source::Endless);
        }
        _ => {
            world.log(|| format!("credentials {source:?}: nothing is there"));
            world
                .cloud
                .sources
                .insert(source.to_owned(), Source::Fails(Reason::CredentialsInvalid));
        }
    }
    if !source.is_empty() {
        world.cluster.touch_own_secret(source, now);
    }
}

fn edit_secret(world: &mut World<Chaos>, rng: &mut Rng, place: &Place) {
    let now = world.now;
    let how = rng.range(0, 10);
    world.log(|| format!("somebody edits the Secret {place:?} ({how})"));
    if how < 2 {
        world.cluster.delete_secret_by_hand(place, now);
        return;
    }
    world.cluster.edit_secret(place, now, |secret| match how {
        2 => {
            secret
                .data
                .insert("url".to_owned(), b"http://evil.test/".to_vec());
        }
        3 => {
            secret.data.remove("method");
        }
        4 => {
            secret.labels.insert("mine".to_owned(), "yes".to_owned());
        }
        5 => secret.labels.clear(),
        6 => secret.annotations.clear(),
        7 => secret.owners.clear(),
        8 => secret.immutable = true,
        _ => secret.opaque = false,
    });
}

/// Ends the faults that never end by themselves, so that the world can settle.
pub fn settle(world: &mut World<Chaos>) {
    let now = world.now;
    fault_schedule::settle(world);
    for name in NAMESPACES {
        if world
            .cluster
            .namespaces
            .get(name)
            .is_some_and(|namespace| namespace.deleting)
        {
            finish(world, name, now);
        }
    }
    // No watch shows that a failed chain works again.
    for source in CREDENTIALS {
        if !source.is_empty() {
            world.cluster.touch_own_secret(source, now);
        }
    }
    for replica in &mut world.replicas {
        for stream in &mut replica.streams {
            stream.lag = 0;
        }
    }
    world.collect_garbage_in(30);
}

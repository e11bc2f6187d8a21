//! What the operator keeps in memory for each resource that is settled: the ordinary one, a key with GET. And
//! what it has in memory at once while it signs the largest.
//!
//! What holds here: bytes are counted as they are asked of the allocator, so a figure is the same on every
//! machine and every run. An allocator rounds each of them up, which `make bench` sees and this does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use peak_alloc::PeakAlloc;
use presigned_core::api::{ClusterObjectStoreStatus, PresignedUrlPolicyStatus, PresignedUrlStatus};
use presigned_core::engine::{
    Change, Engine, ErrorCode, Event, ListScope, NamespaceSeen, ObjectKey, ObjectVersion,
    PolicySeen, PresignedUrlSeen, S3Response, SecretAnswer, SecretMetaSeen, Settings, Step,
    StepResult, StoreSeen,
};
use presigned_core::signing::Credentials;
use serde_json::{Value, json};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What the operator has at most for one resource, by the benchmark's aim; the allocator's rounding is on top
/// of it.
const MOST: usize = 3 * 1024;
/// The slope is taken between these two.
const FEW: usize = 300;
const MANY: usize = 1200;

/// What one signing of the largest keys takes at most beside them.
const SIGNING: usize = 4 * 1024 * 1024;
/// What all steps in flight take at most.
const IN_FLIGHT: usize = 8 * 1024 * 1024;

/// The heap is one, so one test has it at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_settled_resource_takes_at_most_3_kib() {
    let _alone = alone();
    // What is made once for all is made here.
    let _ = kept(1);
    let (few, few_restarted) = kept(FEW);
    let (many, many_restarted) = kept(MANY);
    let slope = |few: usize, many: usize| (many - few) / (MANY - FEW);
    let issued = slope(few, many);
    let restarted = slope(few_restarted, many_restarted);
    println!("bytes a resource: {issued} once issued, {restarted} after a restart");
    assert!(issued <= MOST, "{issued} bytes a resource once issued");
    assert!(restarted <= MOST, "{restarted} bytes after a restart");
}

#[test]
fn the_largest_keys_are_signed_in_no_more_memory_than_a_secret_needs() {
    let _alone = alone();
    let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let mut engine = engine(now);
    list(&mut engine, Event::Secret, [], now);
    list(&mut engine, Event::Resource, [large(0, 1024)], now);
    let mut written = vec![String::new()];
    let job = loop {
        match engine.next(now).expect("the keys are signed") {
            (_, Step::Sign(job)) => break job,
            (key, step) => {
                let result = carry_out(&key, step, &mut written);
                engine.done(&key, result, now);
            }
        }
    };
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let signed = job.run();
    let peak = HEAP.peak_usage() - before;
    println!("bytes at the peak of a signature of the largest keys: {peak}");
    drop(signed);
    assert!(peak <= SIGNING, "{peak} bytes at once");
}

#[test]
fn what_is_signed_at_once_has_a_bound_and_small_resources_do_not_wait_for_it() {
    let _alone = alone();
    let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let mut engine = engine_with(
        Settings {
            namespace_share: usize::MAX,
            ..Settings::default()
        },
        now,
    );
    list(&mut engine, Event::Secret, [], now);
    let all = (0..12)
        .map(|at| large(at, 300))
        .chain((12..22).map(|at| resource(at, PresignedUrlStatus::default())));
    list(&mut engine, Event::Resource, all, now);
    let mut written = vec![String::new(); 22];
    let mut most = 0;
    let mut in_flight = Vec::new();
    let (mut first_small, mut first_large) = (None, None);
    // What is in flight stays there for as long as anything else begins.
    for round in 0.. {
        while let Some((key, step)) = engine.next(now) {
            if let Step::CreateSecret(write) = &step
                && write.name.as_str() >= "object-00012"
            {
                first_small.get_or_insert(round);
            }
            if let Step::Sign(_) = &step {
                first_large.get_or_insert(round);
            }
            in_flight.push((key, step));
        }
        let signing = |step: &Step| matches!(step, Step::Sign(_)).then(|| step.bytes());
        let bytes: usize = in_flight.iter().filter_map(|(_, step)| signing(step)).sum();
        most = most.max(bytes);
        if in_flight.is_empty() {
            break;
        }
        for (key, step) in in_flight.drain(..) {
            let result = carry_out(&key, step, &mut written);
            engine.done(&key, result, now);
        }
    }
    assert!(
        most > IN_FLIGHT / 2,
        "{most} bytes: more could be done at once"
    );
    assert!(most <= IN_FLIGHT, "{most} bytes at once");
    assert!(
        first_small.unwrap() <= first_large.unwrap(),
        "the small ones waited"
    );
    assert!(
        written.iter().all(|status| !status.is_empty()),
        "all of them go in the end"
    );
}

#[test]
fn what_is_kept_of_one_namespace_has_a_bound_whatever_it_makes() {
    let _alone = alone();
    let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let share = Settings::default().namespace_share;
    let kept = |length: usize| {
        let before = HEAP.current_usage();
        let mut engine = engine(now);
        list(&mut engine, Event::Secret, [], now);
        list(
            &mut engine,
            Event::Resource,
            (0..300).map(|at| large(at, length)),
            now,
        );
        HEAP.current_usage() - before
    };
    for length in [16, 100, 1024] {
        let kept = kept(length);
        println!("bytes of 300 resources with keys of {length} bytes: {kept}");
        assert!(
            kept <= share + 300 * MOST,
            "{kept} bytes for keys of {length}"
        );
    }
}

/// What an engine of so many settled resources has allocated: one that issued them, and one that found them
/// issued.
fn kept(resources: usize) -> (usize, usize) {
    let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let mut written = vec![String::new(); resources];
    let before = HEAP.current_usage();
    let mut engine = engine(now);
    list(&mut engine, Event::Secret, [], now);
    let fresh = (0..resources).map(|at| resource(at, PresignedUrlStatus::default()));
    list(&mut engine, Event::Resource, fresh, now);
    carry_out_all(&mut engine, &mut written, now);
    let records: usize = written.iter().map(String::capacity).sum();
    let issued = HEAP.current_usage() - before - records;
    assert!(
        written.iter().all(|status| status.contains("secretRef")),
        "all were issued"
    );
    drop(engine);

    let before = HEAP.current_usage();
    let mut engine = self::engine(now);
    let secrets = (0..resources).map(|at| SecretMetaSeen {
        namespace: "bench-00".into(),
        name: name(at),
        uid: secret_uid(&name(at)),
        resource_version: SECRET_VERSION.into(),
        owners: Vec::new(),
        expires_at: None,
    });
    list(&mut engine, Event::Secret, secrets, now);
    let known = written
        .iter()
        // As the watch does: parsed in two steps.
        .map(|status| serde_json::from_str::<Value>(status).unwrap())
        .map(|status| serde_json::from_value(status).unwrap());
    let found = known.enumerate().map(|(at, status)| resource(at, status));
    list(&mut engine, Event::Resource, found, now);
    carry_out_all(&mut engine, &mut [], now);
    (issued, HEAP.current_usage() - before)
}

const SECRET_VERSION: &str = "1000001";

fn name(at: usize) -> String {
    format!("object-{at:05}")
}

fn uid(at: usize) -> String {
    format!("{at:08x}-0000-4000-8000-000000000000")
}

fn secret_uid(name: &str) -> String {
    format!("{:0>8}-1111-4000-8000-000000000000", &name[7..])
}

/// Carries out every step as a cluster would that never fails, and keeps each resource's last status. Where
/// there is no place for one, none may be written.
fn carry_out_all(engine: &mut Engine, written: &mut [String], now: Timestamp) {
    while let Some((key, step)) = engine.next(now) {
        let result = carry_out(&key, step, written);
        engine.done(&key, result, now);
    }
}

fn carry_out(key: &ObjectKey, step: Step, written: &mut [String]) -> StepResult {
    let version = |uid: String| ObjectVersion {
        uid,
        resource_version: Some(SECRET_VERSION.to_owned()),
    };
    match step {
        Step::FetchCredentials { .. } => StepResult::Credentials(Ok(Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
            expires_at: None,
        }
        .into())),
        Step::SendRequests { requests, .. } => {
            // A store is probed with a key that no object has.
            let (status, code) = match key {
                ObjectKey::Store(_) => (404, Some(ErrorCode::NoSuchKey)),
                _ => (206, None),
            };
            let found = S3Response {
                status,
                code,
                region: None,
                skew: None,
            };
            StepResult::Responses(requests.iter().map(|_| Ok(found.clone())).collect())
        }
        Step::Sign(job) => StepResult::Signed(Box::new(job.run())),
        Step::CreateSecret(write) => StepResult::SecretWritten(Ok(SecretAnswer {
            version: version(secret_uid(&write.name)),
            as_sent: true,
        })),
        Step::WriteStatus { target, status, .. } => {
            let at = usize::from_str_radix(&target.uid[..8], 16).unwrap();
            written[at] = serde_json::to_string(&status).unwrap();
            StepResult::StatusWritten(Ok(version(target.uid)))
        }
        Step::WriteStoreStatus { target, .. } | Step::WritePolicyStatus { target, .. } => {
            StepResult::StatusWritten(Ok(version(target.uid)))
        }
        Step::PublishEvent(_) => StepResult::Published,
        other => panic!("a first issue takes no such step: {other:?}"),
    }
}

/// An engine that knows a policy, a store and a namespace.
fn engine(now: Timestamp) -> Engine {
    engine_with(Settings::default(), now)
}

fn engine_with(settings: Settings, now: Timestamp) -> Engine {
    let mut engine = Engine::new(settings).unwrap();
    let policy = PolicySeen {
        name: "bench".into(),
        uid: "policy".into(),
        resource_version: "1".into(),
        generation: 1,
        spec: Ok(Box::new(
            serde_json::from_value(json!({
                "namespaces": { "names": ["bench-*"] },
                "allow": [{ "name": "read-own", "stores": ["default"], "buckets": ["models"], "methods": ["GET"], "maxDuration": "12h",
                            "prefixes": ["{namespace}/"], "maxObjects": 2048 }],
            }))
            .unwrap(),
        )),
        status: PresignedUrlPolicyStatus::default(),
    };
    let store = StoreSeen {
        name: "default".into(),
        uid: "store".into(),
        resource_version: "1".into(),
        generation: 1,
        spec: Ok(Box::new(
            serde_json::from_value(json!({
                "s3": { "region": "eu-central-1", "endpoint": "https://s3.example.com",
                        "credentials": { "secretRef": { "name": "keys" } } },
            }))
            .unwrap(),
        )),
        status: ClusterObjectStoreStatus::default(),
    };
    let namespace = NamespaceSeen {
        name: "bench-00".into(),
        resource_version: "1".into(),
        labels: [("kubernetes.io/metadata.name".into(), "bench-00".into())].into(),
        deleting: false,
    };
    list(&mut engine, Event::Policy, [policy], now);
    list(&mut engine, Event::Store, [store], now);
    list(&mut engine, Event::Namespace, [namespace], now);
    list(&mut engine, Event::OwnSecret, [], now);
    engine
}

fn resource(at: usize, status: PresignedUrlStatus) -> PresignedUrlSeen {
    let name = name(at);
    let key = format!("bench-00/resnet/{name}.bin");
    PresignedUrlSeen {
        uid: uid(at).into(),
        namespace: "bench-00".into(),
        name,
        resource_version: (at + 100_000).to_string(),
        created_at: 0,
        generation: 1,
        deleting: false,
        renew_request: None,
        spec: Ok(Box::new(
            serde_json::from_value(json!({ "bucket": "models", "key": key, "duration": "1h" }))
                .unwrap(),
        )),
        status: Box::new(status),
    }
}

/// As many keys of this length as the API takes bytes.
fn large(at: usize, length: usize) -> PresignedUrlSeen {
    let count = 2048.min(448 * 1024 / length);
    let tail = length - "bench-00/0000".len();
    let keys: Vec<_> = (0..count)
        .map(|n| format!("bench-00/{n:04}{}", "+".repeat(tail)))
        .collect();
    let spec = json!({ "bucket": "models", "keys": keys, "duration": "1h", "formats": ["urls.txt", "curl.conf"] });
    PresignedUrlSeen {
        spec: Ok(Box::new(serde_json::from_value(spec).unwrap())),
        ..resource(at, PresignedUrlStatus::default())
    }
}

fn list<T>(
    engine: &mut Engine,
    event: impl Fn(Change<T>) -> Event,
    objects: impl IntoIterator<Item = T>,
    now: Timestamp,
) {
    engine.on(
        event(Change::Init {
            scope: ListScope::Cluster,
        }),
        now,
    );
    for object in objects {
        engine.on(event(Change::InitApply(object)), now);
    }
    engine.on(
        event(Change::InitDone {
            scope: ListScope::Cluster,
            version: "1".to_owned(),
        }),
        now,
    );
}

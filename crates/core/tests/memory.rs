//! What the operator keeps in memory for each resource that is settled: the ordinary one, a key with GET.
//!
//! What holds here: bytes are counted as they are asked of the allocator, so a figure is the same on every
//! machine and every run. An allocator rounds each of them up, which `make bench` sees and this does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jiff::Timestamp;
use peak_alloc::PeakAlloc;
use presigned_core::api::{ClusterObjectStoreStatus, PresignedUrlPolicyStatus, PresignedUrlStatus};
use presigned_core::engine::{
    Change, Engine, Event, ListScope, NamespaceSeen, ObjectVersion, PolicySeen, PresignedUrlSeen,
    S3Response, SecretMetaSeen, Settings, Step, StepResult, StoreSeen,
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

#[test]
fn a_settled_resource_takes_at_most_3_kib() {
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
    drop(engine);

    let before = HEAP.current_usage();
    let mut engine = self::engine(now);
    let secrets = (0..resources).map(|at| SecretMetaSeen {
        namespace: "bench-00".into(),
        name: name(at),
        uid: secret_uid(&name(at)),
        resource_version: SECRET_VERSION.into(),
        owners: Vec::new(),
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
    let version = |uid: String| ObjectVersion {
        uid,
        resource_version: Some(SECRET_VERSION.to_owned()),
    };
    while let Some((work, step)) = engine.next(now) {
        let result = match step {
            Step::FetchCredentials { .. } => StepResult::Credentials(Ok(Credentials {
                access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
                secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
                session_token: None,
                expires_at: None,
            })),
            Step::SendRequests { requests, .. } => {
                let found = S3Response {
                    status: 206,
                    code: None,
                    region: None,
                    skew: None,
                };
                StepResult::Responses(requests.iter().map(|_| Ok(found.clone())).collect())
            }
            Step::CreateSecret(write) => {
                StepResult::SecretWritten(Ok(version(secret_uid(&write.name))))
            }
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
        };
        engine.done(&work, result, now);
    }
}

/// An engine that knows a policy, a store and a namespace.
fn engine(now: Timestamp) -> Engine {
    let mut engine = Engine::new(Settings::default()).unwrap();
    let policy = PolicySeen {
        name: "bench".into(),
        uid: "policy".into(),
        resource_version: "1".into(),
        generation: 1,
        spec: Ok(Box::new(
            serde_json::from_value(json!({
                "namespaces": { "names": ["bench-*"] },
                "allow": [{ "stores": ["default"], "buckets": ["models"], "methods": ["GET"], "maxDuration": "12h",
                            "prefixes": ["{namespace}/"] }],
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
        }),
        now,
    );
}

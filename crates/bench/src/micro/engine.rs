//! The engine by itself: what one resource costs, from event to the last step, and in a plan that finds
//! nothing to do.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;
use presigned_core::engine::{
    Change, Engine, ErrorCode, Event, ListScope, NamespaceSeen, ObjectKey, ObjectVersion,
    PolicySeen, PresignedUrlSeen, S3Response, SecretAnswer, Settings, Step, StepResult, StoreSeen,
};
use presigned_core::signing::Credentials;
use serde_json::json;

use super::print;

/// How many resources an engine holds.
const RESOURCES: usize = 1000;
/// How many objects the one large resource has.
const KEYS: usize = 2000;
/// How many engines are filled, and how often a full one plans.
const ROUNDS: usize = 15;

pub(super) fn run() -> Result<()> {
    let now = Timestamp::from_second(Timestamp::now().as_second())?;
    let mut issues = Vec::with_capacity(ROUNDS);
    let mut plans = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let mut engine = engine(RESOURCES)?;
        let started = Instant::now();
        let published = carry_out_all(&mut engine, now)?;
        issues.push(started.elapsed() / u32::try_from(RESOURCES)?);
        ensure!(
            published == RESOURCES,
            "every resource was issued, and told once"
        );

        let started = Instant::now();
        engine.on(Event::ClockStepped, now);
        // Only the store is probed again: its clock was measured against the clock that was stepped.
        ensure!(
            carry_out_all(&mut engine, now)? == 0,
            "a settled resource has nothing to do"
        );
        plans.push(started.elapsed() / u32::try_from(RESOURCES)?);
    }
    print(
        "plan a first issue to its end (2 URLs signed and checked)",
        issues,
    );
    print("plan that finds nothing to do", plans);
    let turns: Result<Vec<Duration>> = (0..ROUNDS).map(|_| longest_turn(now)).collect();
    print(
        "longest turn of the engine as 2,000 keys are issued",
        turns?,
    );
    Ok(())
}

/// The longest that other resources wait while one of [`KEYS`] objects is issued: its signatures are a step
/// that is executed outside the engine.
fn longest_turn(now: Timestamp) -> Result<Duration> {
    let mut engine = engine(1)?;
    let keys: Vec<String> = (0..KEYS)
        .map(|at| format!("bench-00/train/images/part-{at:05}.tar"))
        .collect();
    let mut many = resource(1)?;
    many.spec = Ok(Box::new(serde_json::from_value(json!({
        "bucket": "models", "keys": keys, "duration": "1h", "verify": "Never",
    }))?));
    let mut longest = Duration::ZERO;
    let mut timed = |started: Instant| longest = longest.max(started.elapsed());
    let started = Instant::now();
    engine.on(Event::Resource(Change::Apply(many)), now);
    timed(started);
    let mut version = 1_000_000_u64;
    loop {
        let started = Instant::now();
        let Some((work, step)) = engine.next(now) else {
            break;
        };
        timed(started);
        version += 1;
        let (result, _) = execute(step, version)?;
        let started = Instant::now();
        engine.done(&work, result, now);
        timed(started);
    }
    Ok(longest)
}

/// Executes every step as a cluster that never fails; returns how many Events were published.
fn carry_out_all(engine: &mut Engine, now: Timestamp) -> Result<usize> {
    let mut version = 1_000_000_u64;
    let mut published = 0;
    while let Some((work, step)) = engine.next(now) {
        version += 1;
        let (result, told) = execute(step, version)?;
        published += usize::from(told && matches!(work, ObjectKey::Resource(_)));
        engine.done(&work, result, now);
    }
    Ok(published)
}

/// Executes one step; returns whether it was an Event.
fn execute(step: Step, version: u64) -> Result<(StepResult, bool)> {
    let written = |uid: String| {
        StepResult::SecretWritten(Ok(SecretAnswer {
            version: ObjectVersion {
                uid,
                resource_version: Some(version.to_string()),
            },
            as_sent: true,
        }))
    };
    let told = matches!(step, Step::PublishEvent(_));
    let result = match step {
        Step::FetchCredentials { .. } => StepResult::Credentials(Ok(Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
            expires_at: None,
        }
        .into())),
        Step::SendRequests { requests, .. } => StepResult::Responses(
            requests
                .iter()
                .map(|_| {
                    Ok(S3Response {
                        status: 404,
                        code: Some(ErrorCode::NoSuchKey),
                        region: None,
                        skew: None,
                    })
                })
                .collect(),
        ),
        Step::CreateSecret(write) => written(format!("secret-of-{}", write.name)),
        Step::WriteStatus { target, .. }
        | Step::WriteStoreStatus { target, .. }
        | Step::WritePolicyStatus { target, .. } => StepResult::StatusWritten(Ok(ObjectVersion {
            uid: target.uid,
            resource_version: Some(version.to_string()),
        })),
        Step::PublishEvent(_) => StepResult::Published,
        Step::Sign(job) => StepResult::Signed(Box::new(job.run())),
        Step::List { .. }
        | Step::InspectSecret { .. }
        | Step::ReadResource { .. }
        | Step::UpdateSecret { .. }
        | Step::RestoreMarks { .. }
        | Step::DeleteSecret { .. }
        | Step::DeleteResource { .. } => {
            bail!("a first issue takes no other step")
        }
    };
    Ok((result, told))
}

/// An engine that has seen that many resources and has not started a step.
fn engine(resources: usize) -> Result<Engine> {
    let now = Timestamp::now();
    let mut engine = Engine::new(Settings::default()).map_err(anyhow::Error::msg)?;
    let policy = PolicySeen {
        name: "bench".into(),
        uid: "policy".into(),
        resource_version: "1".into(),
        generation: 1,
        spec: Ok(Box::new(serde_json::from_value(json!({
            "namespaces": { "names": ["bench-*"] },
            "allow": [{ "name": "read-own", "stores": ["default"], "buckets": ["models"], "methods": ["GET"], "maxDuration": "12h",
                        "maxObjects": KEYS, "prefixes": ["{namespace}/"] }],
        }))?)),
        status: presigned_core::api::PresignedUrlPolicyStatus::default(),
    };
    let store = StoreSeen {
        name: "default".into(),
        uid: "store".into(),
        resource_version: "1".into(),
        generation: 1,
        spec: Ok(Box::new(serde_json::from_value(json!({
            "s3": { "region": "eu-central-1", "credentials": { "secretRef": { "name": "keys" } } },
        }))?)),
        status: presigned_core::api::ClusterObjectStoreStatus::default(),
    };
    let namespace = NamespaceSeen {
        name: "bench-00".into(),
        resource_version: "1".into(),
        labels: [(
            "kubernetes.io/metadata.name".to_owned(),
            "bench-00".to_owned(),
        )]
        .into(),
        deleting: false,
    };
    list(&mut engine, Event::Policy, [policy], now);
    list(&mut engine, Event::Store, [store], now);
    list(&mut engine, Event::Namespace, [namespace], now);
    list(&mut engine, Event::Secret, [], now);
    list(&mut engine, Event::OwnSecret, [], now);
    let resources: Result<Vec<_>> = (0..resources).map(resource).collect();
    list(&mut engine, Event::Resource, resources?, now);
    ensure!(engine.waiting_for().is_empty(), "every list is complete");
    Ok(engine)
}

fn resource(at: usize) -> Result<PresignedUrlSeen> {
    Ok(PresignedUrlSeen {
        uid: format!("{at:08x}-0000-4000-8000-000000000000").into(),
        namespace: "bench-00".into(),
        name: format!("object-{at:05}"),
        resource_version: (at + 10).to_string(),
        created_at: 0,
        generation: 1,
        deleting: false,
        renew_request: None,
        spec: Ok(Box::new(
            serde_json::from_value(json!({
                "bucket": "models", "key": format!("bench-00/object-{at:05}.bin"), "duration": "1h", "verify": "Never",
            }))
            .context("a spec")?,
        )),
        status: Box::default(),
    })
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

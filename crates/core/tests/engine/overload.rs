//! More renewals are due than the servers take, and each waits until its URL has minutes left: whatever else
//! waits is served all the same, and no URL dies for it.

use presigned_core::api::{ListOptions, PolicyMethod, PresignedUrlSpec};
use presigned_core::engine::Settings;

use crate::common::specs;
use crate::common::world::StepKind;
use crate::scene::{NS, Scene};

/// How many URLs of ten minutes are renewed without end.
const MANY: usize = 70;
/// A renewal of one of them needs ten seconds, and two run at once: each comes after so many seconds, and is
/// due after 200.
const ROUND: i64 = 400;

/// The policy allows the team's folder in these buckets for so long.
fn allow(scene: &mut Scene, buckets: &[&str], longest: &str) {
    let mut rule = specs::rule(buckets, &["{namespace}/"], longest);
    rule.methods.push(PolicyMethod::List);
    let policy = specs::policy(&[NS], vec![rule]);
    let now = scene.0.now;
    scene.0.cluster.put_policy("base", Ok(policy), now);
}

fn name(at: usize) -> String {
    format!("dl-{at:02}")
}

/// `far` has a URL of twelve hours in a bucket of its own, and the others have filled the queue. `edit` makes
/// of each resource what the scene is about; so many steps run at once, and these are slow.
fn overloaded(
    edit: fn(&mut PresignedUrlSpec),
    concurrency: usize,
    slow: &[(StepKind, i64)],
) -> Scene {
    let mut scene = Scene::with(Settings {
        concurrency,
        ..Settings::default()
    });
    for bucket in ["data", "other"] {
        scene.0.cloud.put_object(bucket, "team-a/file.bin");
    }
    allow(&mut scene, &["data", "other"], "12h");
    scene.apply("far", |spec| {
        "other".clone_into(&mut spec.bucket);
        edit(spec);
    });
    scene.run(60);
    assert!(scene.ready("far").0);
    for at in 0..MANY {
        scene.apply(&name(at), |spec| {
            spec.duration = Some("10m".to_owned());
            edit(spec);
        });
    }
    scene.run(100);
    scene.0.faults.slow.extend(slow.iter().copied());
    comes_within(&mut scene, 3 * ROUND, |_| false);
    let now = scene.0.now.as_second();
    let late = (0..MANY).filter(|at| {
        let due = scene.status(&name(*at)).renewal_time;
        due.is_some_and(|due| due.as_second() < now)
    });
    let late = late.count();
    assert!(late > MANY / 3, "{late}: more are due than are served");
    scene
}

fn slow_writes() -> [(StepKind, i64); 3] {
    [
        StepKind::CreateSecret,
        StepKind::UpdateSecret,
        StepKind::WriteStatus,
    ]
    .map(|kind| (kind, 5))
}

/// Whether something comes true within so many seconds, while no URL of the others dies.
fn comes_within(scene: &mut Scene, seconds: i64, comes: impl Fn(&Scene) -> bool) -> bool {
    for _ in 0..seconds {
        scene.run(1);
        for at in 0..MANY {
            let name = name(at);
            let ends = scene.status(&name).expiration_time;
            assert!(ends > Some(scene.0.now), "{name} died at {ends:?}");
        }
        if comes(scene) {
            return true;
        }
    }
    false
}

/// How long the URL of a resource lives in all.
fn life(scene: &Scene, name: &str) -> i64 {
    let status = scene.status(name);
    let ends = status.expiration_time.unwrap().as_second();
    ends - status.issue_time.unwrap().as_second()
}

#[test]
fn a_life_that_a_policy_shortens_is_replaced_however_many_renewals_are_due() {
    let mut scene = overloaded(|_| {}, 2, &slow_writes());
    allow(&mut scene, &["data", "other"], "1h");
    let replaced = comes_within(&mut scene, 2 * ROUND, |scene| life(scene, "far") == 3600);
    assert!(replaced, "it outlives what the policy allows");
    comes_within(&mut scene, 2 * ROUND, |_| false);
}

#[test]
fn a_restart_does_not_forget_that_a_life_is_longer_than_the_policy_allows() {
    let mut scene = overloaded(|_| {}, 2, &slow_writes());
    allow(&mut scene, &["data", "other"], "1h");
    scene.0.crash(2);
    let replaced = comes_within(&mut scene, 2 * ROUND, |scene| life(scene, "far") == 3600);
    assert!(replaced, "it outlives what the policy allows");
}

#[test]
fn a_denial_is_carried_out_however_many_renewals_are_due() {
    let mut scene = overloaded(|_| {}, 2, &slow_writes());
    allow(&mut scene, &["data"], "12h");
    let denied = comes_within(&mut scene, 2 * ROUND, |scene| !scene.ready("far").0);
    assert!(denied, "the status reports the denial");
    let removed = comes_within(&mut scene, 600 + 2 * ROUND, |scene| {
        scene.secret("far").is_none()
    });
    assert!(removed, "the grace is over");
}

#[test]
fn an_edit_and_a_first_issue_are_served_however_many_renewals_are_due() {
    let mut scene = overloaded(|_| {}, 2, &slow_writes());
    let url = scene.url("far");
    scene.apply("far", |spec| spec.key = Some("team-a/other.bin".to_owned()));
    scene.apply("new", |_| {});
    let served = comes_within(&mut scene, 2 * ROUND, |scene| {
        scene.url("far") != url && scene.secret("new").is_some()
    });
    assert!(served, "both are issued");
}

#[test]
fn a_life_that_a_policy_shortens_gets_a_slot_of_its_store_however_many_renewals_list() {
    let listing = |spec: &mut PresignedUrlSpec| {
        spec.key = None;
        spec.prefix = Some("team-a/".to_owned());
        spec.list = Some(Box::new(ListOptions::default()));
    };
    // Four list at once.
    let mut scene = overloaded(listing, 8, &[(StepKind::List, 20)]);
    allow(&mut scene, &["data", "other"], "1h");
    let replaced = comes_within(&mut scene, 2 * ROUND, |scene| life(scene, "far") == 3600);
    assert!(replaced, "it outlives what the policy allows");
}

//! A namespace's share of what is kept in memory: who is refused, what stays, and how it recovers.

use presigned_core::engine::{ApiError, Settings};

use super::scene::{NS, Scene};
use crate::common::cluster::Secret;
use crate::common::world::{Fault, StepKind};

/// Room for four resources of twenty kilobytes.
const SHARE: usize = 100 * 1024;

fn scene() -> Scene {
    Scene::with(Settings {
        namespace_share: SHARE,
        ..Settings::default()
    })
}

/// A resource of so many keys of a thousand bytes.
fn apply(scene: &mut Scene, name: &str, keys: usize) {
    let keys = (0..keys).map(|at| format!("team-a/{at:03}/{}", "x".repeat(980)));
    let keys: Vec<String> = keys.collect();
    scene.apply(name, |spec| {
        spec.key = None;
        spec.keys = Some(keys.into());
    });
    scene.run(30);
}

fn full() -> Scene {
    let mut scene = scene();
    for name in ["a", "b", "c", "d"] {
        apply(&mut scene, name, 20);
        assert_eq!(scene.ready(name), (true, "Issued".to_owned()));
    }
    scene
}

fn beyond() -> (bool, String) {
    (false, "NamespaceShareExceeded".to_owned())
}

fn delete(scene: &mut Scene, name: &str) {
    let now = scene.0.now;
    scene.0.cluster.delete_resource(NS, name, now);
    scene.run(30);
}

#[test]
fn what_is_created_beyond_the_share_is_refused_with_what_to_do_and_recovers_by_itself() {
    let mut scene = full();
    apply(&mut scene, "e", 20);
    apply(&mut scene, "f", 1);
    for name in ["e", "f"] {
        assert_eq!(scene.ready(name), beyond());
        assert!(scene.secret(name).is_none());
        let message = scene.condition(name, "Ready").message;
        for words in ["\"team-a\"", "100 KiB", "delete", "--namespace-share"] {
            assert!(message.contains(words), "{message}");
        }
    }
    delete(&mut scene, "b");
    for name in ["a", "c", "d", "e", "f"] {
        assert_eq!(scene.ready(name), (true, "Issued".to_owned()), "{name}");
    }
}

#[test]
fn what_was_within_keeps_its_living_urls_and_is_signed_again_only_if_it_must() {
    let mut scene = full();
    let old = scene.secret("d").unwrap().uid.clone();
    let wait = scene.until_renewal("d");
    apply(&mut scene, "a", 40);
    assert_eq!(scene.ready("a"), (true, "Issued".to_owned()));
    scene.run(wait + 60);
    assert!(
        scene.secret("d").is_some_and(|secret| secret.uid == old),
        "its URLs live"
    );
    assert_eq!(
        scene.condition("d", "Renewed").reason,
        "NamespaceShareExceeded"
    );
    apply(&mut scene, "a", 20);
    assert_eq!(scene.ready("d"), (true, "Issued".to_owned()));
    assert_eq!(scene.condition("d", "Renewed").reason, "UpToDate");
}

#[test]
fn one_that_is_gone_frees_its_own_share_and_no_more() {
    let mut scene = full();
    delete(&mut scene, "d");
    apply(&mut scene, "e", 20);
    apply(&mut scene, "f", 20);
    assert_eq!(scene.ready("e"), (true, "Issued".to_owned()));
    assert_eq!(scene.ready("f"), beyond());
}

#[test]
fn one_beyond_the_share_loses_its_secret_as_its_urls_expire() {
    let mut scene = full();
    apply(&mut scene, "a", 40);
    // Its spec asks for other URLs than its Secret holds.
    apply(&mut scene, "d", 21);
    assert_eq!(scene.ready("d"), beyond());
    assert!(scene.secret("d").is_some());
    scene.run(12 * 3600);
    assert!(scene.secret("d").is_none());
    assert!(!scene.ready("d").0);
}

#[test]
fn a_restart_finds_the_same_ones_within_and_writes_nothing() {
    let mut scene = full();
    // By name it comes first, and by age last.
    apply(&mut scene, "0", 20);
    assert_eq!(scene.ready("0"), beyond());
    let writes = scene.writes(|scene| {
        scene.restart();
        scene.run(600);
    });
    assert_eq!(writes, []);
    assert_eq!(scene.ready("0"), beyond());
}

#[test]
fn a_read_that_fails_is_made_again() {
    let mut scene = full();
    apply(&mut scene, "e", 20);
    scene.plan(StepKind::ReadResource, Fault::Lost(ApiError::Unavailable));
    delete(&mut scene, "a");
    scene.run(60);
    assert_eq!(scene.ready("e"), (true, "Issued".to_owned()));
}

#[test]
fn one_of_another_class_is_left_to_its_own_instance_beyond_the_share_too() {
    let mut scene = full();
    scene.apply("other", |spec| spec.class = Some("blue".to_owned()));
    scene.run(60);
    let status = scene.status("other");
    assert!(
        status.conditions.is_empty(),
        "it is another instance's: {status:?}"
    );
}

#[test]
fn one_beyond_the_share_that_is_being_deleted_loses_its_secret_too() {
    let mut scene = full();
    apply(&mut scene, "a", 40);
    assert!(scene.secret("d").is_some());
    let now = scene.0.now;
    scene.0.cluster.begin_deletion(NS, "d", now);
    scene.run(10);
    assert!(scene.secret("d").is_none());
    assert_eq!(scene.ready("d"), (false, "Deleting".to_owned()));
}

#[test]
fn what_is_read_back_at_once_has_a_bound() {
    let edits = [
        (
            StepKind::InspectSecret,
            (|secret| drop(secret.data.remove("url"))) as fn(&mut Secret),
        ),
        (StepKind::RestoreMarks, |secret| secret.owners.clear()),
    ];
    for (reading, edit) in edits {
        let mut scene = Scene::new();
        let names: Vec<String> = (0..20).map(|at| format!("dl-{at}")).collect();
        for name in &names {
            scene.apply(name, |_| {});
        }
        scene.run(30);
        scene.0.faults.slow.insert(reading, 5);
        for name in &names {
            let now = scene.0.now;
            scene.0.cluster.edit_secret(&Scene::place(name), now, edit);
        }
        scene.run(2);
        let reads = scene.0.in_flight().len();
        // There are 8 MiB for all that is read, signed and sent, and a read takes 3 MiB.
        assert_eq!(reads, 2, "{reading:?} at once");
        scene.0.faults.slow.clear();
        scene.run(120);
        for name in &names {
            assert_eq!(scene.ready(name), (true, "Issued".to_owned()), "{name}");
        }
    }
}

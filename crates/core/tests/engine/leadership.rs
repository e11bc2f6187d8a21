//! Two instances: one leads, the other follows, and they change places.

use crate::common::world::{Blow, Fault, StepKind};
use crate::scene::{HOME, Scene};
use presigned_core::engine::{ApiError, Settings, StepResult};

/// A resource that is issued, while a second instance follows.
fn followed() -> Scene {
    let mut scene = Scene::new();
    scene.0.add_follower();
    scene.apply("dl", |_| {});
    scene.run(60);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    scene
}

#[test]
fn an_instance_that_follows_takes_no_step() {
    let mut scene = followed();
    let now = scene.0.now;
    let follower = scene.0.follower();
    assert!(follower.waiting_for().is_empty(), "its index is warm");
    assert!(follower.next(now).is_none());
    assert_eq!(follower.load(), (0, 0, 0), "nothing queues up");
    assert_eq!(
        follower.figures().count(),
        0,
        "the leader tells the figures"
    );
    assert_eq!(follower.policies().values().sum::<usize>(), 0);
}

#[test]
fn a_change_of_the_leader_writes_nothing() {
    let mut scene = followed();
    let writes = scene.writes(|scene| {
        scene.0.hand_over();
        scene.run(600);
        scene.0.hand_over();
        scene.run(600);
    });
    assert_eq!(writes, []);
}

#[test]
fn what_the_leader_renewed_is_not_issued_again_by_its_successor() {
    let mut scene = followed();
    let wait = scene.until_renewal("dl");
    scene.run(wait);
    let renewed = scene.url("dl");
    let writes = scene.writes(|scene| {
        scene.0.hand_over();
        scene.run(600);
    });
    assert_eq!(writes, []);
    assert_eq!(scene.url("dl"), renewed);
    let wait = scene.until_renewal("dl");
    scene.run(wait);
    assert_ne!(scene.url("dl"), renewed, "the successor renews");
    let writes = scene.writes(|scene| {
        scene.0.hand_over();
        scene.run(600);
    });
    assert_eq!(writes, [], "the first one knows of the second renewal");
}

/// The follower leads and issues; then the first instance leads again.
fn the_next_issues_and_the_first_writes_nothing(mut scene: Scene) {
    scene.0.hand_over();
    scene.run(600);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    let writes = scene.writes(|scene| {
        scene.0.hand_over();
        scene.run(600);
    });
    assert_eq!(writes, [], "whatever the first instance remembers");
}

#[test]
fn what_a_leader_could_not_record_is_not_recorded_in_its_next_term() {
    let mut scene = Scene::new();
    scene.0.add_follower();
    for _ in 0..20 {
        scene.plan(StepKind::WriteStatus, Fault::Lost(ApiError::Unavailable));
    }
    scene.apply("dl", |_| {});
    scene.run(10);
    assert!(scene.secret("dl").is_some() && scene.status("dl").secret_ref.is_none());
    scene.0.faults.planned.clear();
    the_next_issues_and_the_first_writes_nothing(scene);
}

#[test]
fn what_a_leader_knew_of_a_store_is_found_out_anew_in_its_next_term() {
    let mut scene = Scene::new();
    scene.0.add_follower();
    scene.0.cloud.server(HOME).foreign = true;
    scene.apply("dl", |_| {});
    scene.run(60);
    assert!(!scene.ready("dl").0);
    scene.0.cloud.server(HOME).foreign = false;
    the_next_issues_and_the_first_writes_nothing(scene);
}

#[test]
fn a_leader_that_follows_starts_nothing_of_what_is_queued() {
    let mut scene = Scene::with(Settings {
        concurrency: 4,
        ..Settings::default()
    });
    scene.apply("first", |_| {});
    scene.run(60);
    scene.0.faults.slow.insert(StepKind::CreateSecret, 60);
    for number in 0..20 {
        scene.apply(&format!("dl-{number}"), |_| {});
    }
    scene.run(2);
    let now = scene.0.now;
    let leader = scene.0.engine();
    let (urgent, routine, in_flight) = leader.load();
    assert!(
        urgent + routine > 0 && in_flight > 0,
        "some wait for a slot"
    );
    leader.follow();
    for flight in scene.0.in_flight() {
        let leader = scene.0.engine();
        leader.done(&flight, StepResult::NotRun, now);
        assert!(leader.next(now).is_none());
    }
}

#[test]
fn a_leader_that_drains_tells_what_it_wrote_and_begins_nothing() {
    let mut scene = Scene::issued("dl");
    scene.slow(StepKind::CreateSecret, 5);
    scene.apply("new", |_| {});
    scene.run(2);
    scene.0.engine().drain();
    for name in ["later", "last"] {
        scene.apply(name, |_| {});
    }
    let wait = scene.until_renewal("dl");
    let steps = scene.steps(|scene| scene.run(wait + 60));
    assert_eq!(steps, [StepKind::WriteStatus, StepKind::PublishEvent]);
    assert_eq!(scene.ready("new"), (true, "Issued".to_owned()));
}

#[test]
fn a_leader_that_dies_between_the_two_writes_costs_one_reissue() {
    let mut scene = Scene::new();
    scene.0.add_follower();
    scene.slow(StepKind::WriteStatus, 5);
    scene.plan(StepKind::WriteStatus, Fault::Lost(ApiError::Unavailable));
    scene.apply("dl", |_| {});
    while scene.0.cluster.secrets.is_empty() {
        scene.run(1);
    }
    let steps = scene.steps(|scene| {
        scene.0.leader_dies();
        scene.run(120);
    });
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    assert!(scene.works(&scene.url("dl")));
    let rewritten = steps.iter().filter(|step| **step == StepKind::UpdateSecret);
    assert_eq!(rewritten.count(), 1, "{steps:?}");
}

/// Two replicas that elect their leader, and a resource that is issued. Returns who leads too.
fn elected(mut scene: Scene) -> (Scene, usize) {
    scene.0.elect([0, 0]);
    scene.apply("dl", |_| {});
    scene.run(30);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    let leader = scene.0.leader().expect("one leads");
    (scene, leader)
}

/// A leader is paused with a write under way. The other takes over and does that write, and after that the
/// first one's lands.
fn what_was_sent_before_overwrites_nothing(scene: Scene, kind: StepKind, denied: bool) {
    let (mut scene, leader) = elected(scene);
    scene.0.faults.slow.insert(kind, 60);
    if denied {
        scene.apply("dl", |spec| {
            spec.key = Some("elsewhere/file.bin".to_owned());
        });
    } else {
        let wait = scene.until_renewal("dl");
        scene.run(wait - 5);
    }
    let begins = (0..3600).any(|_| {
        scene.run(1);
        !scene.0.in_flight().is_empty()
    });
    assert!(begins, "the write is due");
    scene.0.faults.slow.clear();
    scene.0.strike(leader, Blow::Pause(100));
    scene.apply("dl", |spec| spec.key = Some("team-a/other.bin".to_owned()));
    scene.run(50);
    assert_eq!(scene.0.leader(), Some(1 - leader));
    let newer = scene.url("dl");
    scene.run(150);
    let sent = scene.0.records.iter().filter(|one| one.kind == kind);
    assert!(
        sent.clone().any(|one| !one.ok),
        "{:?}",
        sent.collect::<Vec<_>>()
    );
    assert_eq!(scene.url("dl"), newer);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn what_a_paused_leader_had_sent_overwrites_nothing_newer() {
    for scene in [Scene::new(), Scene::blind()] {
        what_was_sent_before_overwrites_nothing(scene, StepKind::UpdateSecret, false);
    }
}

#[test]
fn what_a_paused_leader_had_sent_deletes_nothing_newer() {
    for scene in [Scene::new(), Scene::blind()] {
        what_was_sent_before_overwrites_nothing(scene, StepKind::DeleteSecret, true);
    }
}

#[test]
fn a_leader_that_stops_hands_over_at_once_and_one_that_dies_within_17_seconds() {
    for (blow, most) in [
        (Blow::Stop(600), 3),
        (Blow::Kill(600), 17),
        (Blow::Cut(600), 17),
    ] {
        let (mut scene, leader) = elected(Scene::new());
        let writes = scene.writes(|scene| {
            scene.0.strike(leader, blow);
            scene.run(most);
            assert_eq!(scene.0.leader(), Some(1 - leader), "after {blow:?}");
            scene.run(300);
        });
        assert_eq!(writes, [], "after {blow:?}");
    }
}

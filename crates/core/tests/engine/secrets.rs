//! Who owns a Secret, and what the operator does with one that others changed.

use std::time::Duration;

use presigned_core::api::{ConditionStatus, Verify};
use presigned_core::engine::{ApiError, TlsError, TransportError, Watched};
use serde_json::json;

use crate::common::world::{Fault, StepKind};
use crate::scene::{HOME, NS, Scene};

#[test]
fn a_deleted_secret_is_put_back() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    scene
        .0
        .cluster
        .delete_secret_by_hand(&Scene::place("dl"), now);
    scene.run(10);
    assert!(scene.works(&scene.url("dl")));
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn a_secret_that_is_deleted_or_edited_while_its_renewal_is_held_up_is_not_ready() {
    for deleted in [true, false] {
        let mut scene = Scene::new();
        scene.0.cloud.put_object("data", "team-a/file.bin");
        scene.apply("dl", |spec| spec.verify = Some(Verify::Require));
        scene.run(30);
        scene.0.cloud.server(HOME).down = Some(TransportError::Tls(TlsError::Other));
        let wait = scene.until_renewal("dl");
        scene.run(wait + 60);
        assert!(scene.ready("dl").0, "it lives");
        let (place, now) = (Scene::place("dl"), scene.0.now);
        if deleted {
            scene.0.cluster.delete_secret_by_hand(&place, now);
        } else {
            scene.0.cluster.edit_secret(&place, now, |secret| {
                secret.data.remove("url");
            });
        }
        // An inspection that fails is repeated after the pause, and not at once.
        scene.plan(StepKind::InspectSecret, Fault::Lost(ApiError::Unavailable));
        let steps = scene.steps(|scene| scene.run(100));
        assert!(steps.len() < 15, "{steps:?}");
        assert_eq!(scene.ready("dl"), (false, "TLSFailed".to_owned()));
        scene.0.cloud.server(HOME).down = None;
        scene.run(600);
        assert!(scene.works(&scene.url("dl")));
        assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    }
}

#[test]
fn a_label_that_is_removed_before_the_write_is_answered_is_put_back() {
    let mut scene = Scene::new();
    scene.slow(StepKind::CreateSecret, 10);
    scene.apply("dl", |_| {});
    scene.run(5);
    // The watch selects by the label, so it tells of the Secret's loss, and of no later edit.
    let (place, now) = (Scene::place("dl"), scene.0.now);
    scene.0.cluster.edit_secret(&place, now, |secret| {
        secret.labels.clear();
        secret.data.remove("url");
    });
    scene.run(60);
    assert!(scene.works(&scene.url("dl")));
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    assert!(!scene.0.cluster.secrets[&place].labels.is_empty());
}

#[test]
fn an_edited_secret_is_healed_at_most_once_a_minute() {
    let mut scene = Scene::issued("dl");
    let place = Scene::place("dl");
    let steps = scene.steps(|scene| {
        for _ in 0..60 {
            let now = scene.0.now;
            scene.0.cluster.edit_secret(&place, now, |secret| {
                secret
                    .data
                    .insert("url".to_owned(), b"http://evil.test".to_vec());
            });
            scene.run(3);
        }
    });
    let heals = steps
        .iter()
        .filter(|kind| **kind == StepKind::UpdateSecret)
        .count();
    assert!((3..=4).contains(&heals), "in three minutes: {heals}");
    scene.run(120);
    assert!(scene.works(&scene.url("dl")));
}

#[test]
fn foreign_labels_are_kept_and_cause_no_write() {
    let mut scene = Scene::issued("dl");
    let place = Scene::place("dl");
    let now = scene.0.now;
    let writes = scene.writes(|scene| {
        scene.0.cluster.edit_secret(&place, now, |secret| {
            secret.labels.insert("mine".to_owned(), "yes".to_owned());
        });
        scene.run(60);
    });
    assert_eq!(writes, []);
    let wait = scene.until_renewal("dl");
    scene.run(wait);
    assert!(scene.secret("dl").unwrap().labels.contains_key("mine"));
}

#[test]
fn a_foreign_secret_is_never_touched_and_the_conflict_ends_by_itself() {
    let mut scene = Scene::new();
    let now = scene.0.now;
    scene
        .0
        .cluster
        .create_foreign_secret(&Scene::place("dl"), now);
    scene.apply("dl", |_| {});
    scene.run(3600);
    assert_eq!(scene.ready("dl"), (false, "SecretConflict".to_owned()));
    assert_eq!(
        scene.secret("dl").unwrap().text("password"),
        Some("precious")
    );
    let now = scene.0.now;
    scene
        .0
        .cluster
        .delete_secret_by_hand(&Scene::place("dl"), now);

    scene.run(301);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn of_two_that_name_one_secret_the_first_keeps_it() {
    let mut scene = Scene::issued("dl");
    scene.apply("other", |spec| spec.secret_name = Some("dl".to_owned()));
    scene.run(60);
    assert!(scene.ready("dl").0);
    assert_eq!(scene.ready("other"), (false, "SecretConflict".to_owned()));
    let now = scene.0.now;
    scene.0.cluster.delete_resource(NS, "dl", now);
    scene.0.collect_garbage_in(5);
    scene.run(30);
    assert_eq!(scene.ready("other"), (true, "Issued".to_owned()));
}

#[test]
fn the_secret_of_a_deleted_resource_of_the_same_name_is_replaced() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    let spec = scene.0.cluster.resources[&Scene::place("dl")].spec.clone();
    scene.0.cluster.delete_resource(NS, "dl", now);
    scene
        .0
        .cluster
        .put_resource(NS, "dl", spec.map(|spec| *spec), now);
    scene.run(30);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    let uid = &scene.0.cluster.resources[&Scene::place("dl")].uid;
    assert_eq!(scene.secret("dl").unwrap().owners[0].uid, **uid);
}

#[test]
fn a_rename_writes_the_new_before_the_old_goes() {
    let mut scene = Scene::issued("dl");
    let steps = scene.steps(|scene| {
        scene.apply("dl", |spec| spec.secret_name = Some("new".to_owned()));
        scene.run(30);
    });
    assert_eq!(
        steps,
        [
            StepKind::CreateSecret,
            StepKind::DeleteSecret,
            StepKind::WriteStatus
        ]
    );
    assert!(scene.secret("dl").is_none());
    assert!(scene.works(&scene.url("new")));
}

#[test]
fn an_immutable_secret_is_deleted_and_created_anew() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    scene
        .0
        .cluster
        .edit_secret(&Scene::place("dl"), now, |secret| secret.immutable = true);
    scene.run(30);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    assert!(!scene.secret("dl").unwrap().immutable);
}

#[test]
fn an_update_that_somebody_refuses_takes_no_living_secret_away() {
    let mut scene = Scene::issued("dl");
    let old = scene.url("dl");
    for _ in 0..100 {
        scene.plan(StepKind::UpdateSecret, Fault::Lost(ApiError::Invalid));
    }
    let wait = scene.until_renewal("dl");
    let steps = scene.steps(|scene| scene.run(wait + 600));
    assert!(!steps.contains(&StepKind::DeleteSecret), "{steps:?}");
    assert_eq!(scene.url("dl"), old);
    assert!(scene.ready("dl").0);
    assert_eq!(scene.condition("dl", "Stalled").reason, "APIError");
    says_that_somebody_must_act(&scene, "dl");
}

/// A resource that wants a Secret of another name, which was written by an operator that died before it could
/// tell.
fn renamed_without_status() -> Scene {
    rename_without_status(Scene::issued("dl"))
}

fn rename_without_status(mut scene: Scene) -> Scene {
    scene.apply("dl", |spec| spec.secret_name = Some("new".to_owned()));
    scene.plan(StepKind::CreateSecret, Fault::CrashAfter(10));
    scene.run(5);
    assert!(scene.secret("new").is_some() && scene.secret("dl").is_some());
    scene
}

#[test]
fn a_secret_that_no_status_tells_of_is_taken_over() {
    let mut scene = renamed_without_status();
    let steps = scene.steps(|scene| scene.run(60));
    let deleted = steps
        .iter()
        .filter(|kind| **kind == StepKind::DeleteSecret)
        .count();
    assert_eq!(deleted, 1, "{steps:?}");
    assert!(scene.secret("dl").is_none());
    assert!(scene.works(&scene.url("new")));
}

#[test]
fn a_secret_that_no_status_tells_of_goes_when_the_resource_is_refused() {
    let mut scene = renamed_without_status();
    let now = scene.0.now;
    scene.0.cluster.delete_policy("base", now);
    scene.run(300);
    assert_eq!(scene.ready("dl"), (false, "PolicyDenied".to_owned()));
    assert!(scene.secret("new").is_some(), "the grace is for it too");
    scene.run(600);
    assert!(scene.secret("new").is_none());
    assert!(scene.secret("dl").is_none());
}

#[test]
fn a_secret_that_no_status_tells_of_goes_when_another_name_is_wanted() {
    let mut scene = renamed_without_status();
    scene.apply("dl", |spec| spec.secret_name = Some("newer".to_owned()));
    scene.run(60);
    assert!(scene.works(&scene.url("newer")));
    assert!(scene.secret("new").is_none());
    assert!(scene.secret("dl").is_none());
}

#[test]
fn a_stray_that_was_disowned_is_let_go() {
    let mut scene = renamed_without_status();
    let now = scene.0.now;
    scene
        .0
        .cluster
        .edit_secret(&Scene::place("new"), now, |secret| secret.owners.clear());
    scene.apply("dl", |spec| spec.secret_name = Some("newer".to_owned()));
    scene.run(60);
    assert!(scene.works(&scene.url("newer")));
    assert!(scene.secret("new").is_some());
}

/// A first Secret that no status records, of a resource that is denied by now.
#[test]
fn a_secret_that_no_status_tells_of_goes_once_it_expired_beside_an_unreadable_policy() {
    let mut scene = Scene::new();
    scene.apply("dl", |spec| spec.duration = Some("10m".to_owned()));
    scene.run(120);
    let mut scene = rename_without_status(scene);
    let now = scene.0.now;
    let everybody = json!({ "names": ["*"] });
    scene.0.cluster.delete_policy("base", now);
    scene
        .0
        .cluster
        .put_unreadable_policy("labelled", &everybody, now);
    scene.run(500);
    assert!(scene.secret("dl").is_none(), "it expired");
    // With what was issued, the denial is over: nobody knows what the other policy allows.
    assert_eq!(scene.condition("dl", "Allowed").reason, "PolicyUnknown");
    assert!(scene.secret("new").is_some(), "it is alive");
    scene.run(200);
    assert!(scene.secret("new").is_none());
}

fn refused_without_status() -> Scene {
    let mut scene = Scene::new();
    scene.apply("dl", |_| {});
    scene.plan(StepKind::CreateSecret, Fault::CrashAfter(10));
    scene.run(5);
    let now = scene.0.now;
    scene.0.cluster.delete_policy("base", now);
    scene
}

#[test]
fn a_refused_first_secret_that_no_status_tells_of_goes() {
    let mut scene = refused_without_status();
    scene.run(900);
    assert!(scene.secret("dl").is_none());
}

fn forbid_removals(scene: &mut Scene) {
    for _ in 0..1000 {
        scene.plan(StepKind::DeleteSecret, Fault::Lost(ApiError::Forbidden));
    }
}

#[test]
fn a_forbidden_removal_delays_no_renewal_and_is_reported() {
    let untold: fn(&mut Scene) = |scene| scene.apply("dl", |spec| spec.secret_name = None);
    let renamed: fn(&mut Scene) =
        |scene| scene.apply("dl", |spec| spec.secret_name = Some("new".to_owned()));
    for (mut scene, edit, name) in [
        (renamed_without_status(), untold, "dl"),
        (Scene::issued("dl"), renamed, "new"),
    ] {
        forbid_removals(&mut scene);
        edit(&mut scene);
        for _ in 0..16 {
            scene.run(3600);
            assert!(scene.ready("dl").0 && scene.works(&scene.url(name)));
            assert_eq!(scene.condition("dl", "Stalled").reason, "Forbidden");
            says_that_somebody_must_act(&scene, "dl");
        }
        scene.0.faults.planned.clear();
        scene.run(600);
        assert_eq!(scene.0.cluster.secrets.len(), 1);
        assert!(!scene.says("dl", "Stalled"));
        let ready = scene.condition("dl", "Ready").message;
        assert!(!ready.contains("somebody must act"), "{ready}");
    }
}

/// `Ready` is True, and does not pass over `Stalled`.
fn says_that_somebody_must_act(scene: &Scene, name: &str) {
    let ready = scene.condition(name, "Ready");
    assert_eq!(ready.status, ConditionStatus::True);
    let words = "; somebody must act: the condition Renewed says what to do";
    assert!(ready.message.ends_with(words), "{}", ready.message);
}

#[test]
fn without_the_right_to_read_secrets_no_orphan_is_checked() {
    let mut scene = Scene::blind();
    scene.apply("dl", |_| {});
    scene.run(30);
    for _ in 0..200 {
        scene.plan(StepKind::DeleteSecret, Fault::Lost(ApiError::Unavailable));
    }
    for name in ["b", "c"] {
        scene.apply("dl", |spec| spec.secret_name = Some(name.to_owned()));
        scene.run(600);
    }
    scene.0.faults.planned.clear();
    let steps = scene.steps(|scene| scene.run(3600));
    assert!(!steps.contains(&StepKind::InspectSecret), "{steps:?}");
    let left: Vec<&str> = scene
        .0
        .cluster
        .secrets
        .keys()
        .map(|(_, name)| name.as_str())
        .collect();
    assert_eq!(left, ["c"]);
}

#[test]
fn what_was_to_be_removed_and_is_written_again_stays() {
    let mut scene = refused_without_status();
    scene.run(30);
    let slow = ApiError::TooManyRequests {
        retry_after: Some(Duration::from_secs(1)),
    };
    scene.plan(StepKind::InspectSecret, Fault::Lost(slow));
    while !scene.0.faults.planned.is_empty() {
        scene.run(1);
    }
    let steps = scene.steps(|scene| {
        scene.allow("12h");
        scene.run(60);
    });
    assert!(!steps.contains(&StepKind::DeleteSecret), "{steps:?}");
    assert!(scene.ready("dl").0 && scene.works(&scene.url("dl")));
}

#[test]
fn a_secret_that_a_status_on_its_way_may_tell_of_is_left_alone() {
    let mut scene = Scene::issued("dl");
    // Another instance writes the next Secret of the same resource, and this one hears of it first.
    let now = scene.0.now;
    let owners = scene.secret("dl").unwrap().owners.clone();
    let place = Scene::place("new");
    scene.0.cluster.create_foreign_secret(&place, now);
    scene.0.cluster.edit_secret(&place, now, |secret| {
        secret.owners = owners;
        secret.labels.insert(
            "presigned.dev/managed-by".to_owned(),
            "presigned-url-operator".to_owned(),
        );
    });
    let steps = scene.steps(|scene| scene.run(600));
    assert_eq!(steps, []);
    assert!(scene.secret("new").is_some());
}

/// A first Secret that no status records, of a resource for which nothing can be signed by then.
fn untold_while_nothing_can_be_signed() -> Scene {
    let mut scene = Scene::new();
    scene.apply("dl", |spec| spec.duration = Some("15m".to_owned()));
    scene.plan(StepKind::CreateSecret, Fault::CrashAfter(10));
    scene.run(5);
    assert!(scene.secret("dl").is_some());
    scene.0.cloud.server(HOME).ahead = 1000;
    scene.run(120);
    assert_eq!(scene.ready("dl"), (false, "ClockSkewed".to_owned()));
    scene
}

#[test]
fn a_secret_that_no_status_tells_of_waits_a_while_for_what_stands_in_its_way() {
    let mut scene = untold_while_nothing_can_be_signed();
    assert!(scene.secret("dl").is_some());
    scene.0.cloud.server(HOME).ahead = 0;
    let steps = scene.steps(|scene| scene.run(900));
    assert!(!steps.contains(&StepKind::DeleteSecret), "{steps:?}");
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn a_secret_that_no_status_tells_of_goes_where_nothing_can_be_signed() {
    let mut scene = untold_while_nothing_can_be_signed();
    scene.run(600);
    assert!(scene.secret("dl").is_none());
    assert_eq!(scene.ready("dl"), (false, "ClockSkewed".to_owned()));
    let steps = scene.steps(|scene| scene.run(3600));
    assert_eq!(steps, [], "it is removed once");
}

#[test]
fn a_secret_that_no_status_tells_of_goes_where_its_store_is_gone() {
    let mut scene = Scene::new();
    scene.apply("dl", |_| {});
    scene.plan(StepKind::CreateSecret, Fault::CrashAfter(10));
    scene.run(5);
    let now = scene.0.now;
    scene.0.cluster.delete_store("default", now);
    scene.run(120);
    assert!(scene.secret("dl").is_some(), "the store may come back");
    scene.run(600);
    assert!(scene.secret("dl").is_none());
}

#[test]
fn what_a_webhook_adds_at_the_creation_survives_every_renewal() {
    let mut scene = Scene::new();
    scene.0.cluster.webhook_label = Some("cost-centre".to_owned());
    scene.apply("dl", |_| {});
    scene.run(30);
    scene.0.cluster.webhook_label = None;
    for _ in 0..3 {
        let wait = scene.until_renewal("dl");
        scene.run(wait + 5);
        let secret = scene.secret("dl").unwrap();
        assert!(secret.labels.contains_key("cost-centre"));
    }
}

#[test]
fn what_somebody_added_survives_a_renewal_before_the_watch_tells_of_it() {
    let mut scene = Scene::issued("dl");
    let wait = scene.until_renewal("dl");
    scene.run(wait - 1);
    let secrets = scene.0.replicas[0].streams.iter();
    let which = secrets
        .map(|stream| stream.kind)
        .position(|kind| kind == Watched::Secrets);
    scene.0.break_stream(0, which.unwrap(), 60);
    let (place, now) = (Scene::place("dl"), scene.0.now);
    scene.0.cluster.edit_secret(&place, now, |secret| {
        secret.labels.insert("mine".to_owned(), "yes".to_owned());
    });
    let steps = scene.steps(|scene| scene.run(30));
    let expected = [
        StepKind::UpdateSecret,
        StepKind::InspectSecret,
        StepKind::UpdateSecret,
        StepKind::WriteStatus,
    ];
    assert_eq!(
        steps, expected,
        "the first is refused: it names the earlier version"
    );
    let secret = scene.secret("dl").unwrap();
    assert!(secret.labels.contains_key("mine"));
    let wait = scene.until_renewal("dl");
    scene.run(wait + 5);
    assert!(scene.secret("dl").unwrap().labels.contains_key("mine"));
    assert!(scene.works(&scene.url("dl")));
}

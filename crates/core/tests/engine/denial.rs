//! Refusals: the grace, its end, policies that cannot be read, and namespaces that come late.

use presigned_core::api::{LabelOperator, LabelRequirement, NamespaceLabels, Reason};
use presigned_core::engine::{ApiError, Watched};
use serde_json::json;

use crate::common::specs;
use crate::common::world::{Fault, StepKind};
use crate::scene::{NS, Scene};

fn refuse(scene: &mut Scene) {
    let now = scene.0.now;
    scene.0.cluster.delete_policy("base", now);
}

#[test]
fn a_refused_secret_goes_after_the_grace() {
    let mut scene = Scene::issued("dl");
    refuse(&mut scene);
    scene.run(590);
    assert_eq!(scene.ready("dl"), (false, "PolicyDenied".to_owned()));
    assert!(scene.secret("dl").is_some());
    scene.run(20);
    assert!(scene.secret("dl").is_none());
    let writes = scene.writes(|scene| scene.run(24 * 3600));
    assert_eq!(writes, []);
}

#[test]
fn a_refusal_that_is_taken_back_within_the_grace_removes_nothing() {
    let mut scene = Scene::issued("dl");
    let old = scene.url("dl");
    refuse(&mut scene);
    scene.run(300);
    scene.allow("12h");
    let steps = scene.steps(|scene| scene.run(3600));
    assert_eq!(steps, [StepKind::WriteStatus, StepKind::PublishEvent]);
    assert_eq!(scene.url("dl"), old);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn a_removal_that_failed_and_is_needed_no_more_is_forgotten() {
    let mut scene = Scene::issued("dl");
    for _ in 0..3 {
        scene.plan(StepKind::DeleteSecret, Fault::Lost(ApiError::Unavailable));
    }
    refuse(&mut scene);
    scene.run(605);
    assert!(scene.status("dl").internal.failed_attempts.is_some());
    scene.allow("12h");
    scene.run(60);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    let status = scene.status("dl");
    assert_eq!(status.internal.failed_attempts, None);
    assert_eq!(status.last_failure_time, None);
}

#[test]
fn the_grace_goes_on_over_a_restart() {
    let mut scene = Scene::issued("dl");
    refuse(&mut scene);
    scene.run(400);
    scene.restart();
    scene.run(150);
    assert!(scene.secret("dl").is_some());
    scene.run(100);
    assert!(scene.secret("dl").is_none());
}

#[test]
fn a_policy_that_cannot_be_read_removes_nothing() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    scene
        .0
        .cluster
        .put_policy("base", Err("unknown field bukets".to_owned()), now);
    scene.run(3600);
    assert!(scene.ready("dl").0, "it lives");
    assert_eq!(scene.condition("dl", "Allowed").reason, "PolicyUnknown");
    assert!(scene.secret("dl").is_some());
}

#[test]
fn a_policy_that_allows_less_time_shortens_the_life_at_once() {
    let mut scene = Scene::issued("dl");
    scene.allow("1h");
    scene.run(30);
    let status = scene.status("dl");
    let life = status.expiration_time.unwrap().as_second() - status.issue_time.unwrap().as_second();
    assert_eq!(life, 3600);
    assert!(scene.ready("dl").0);
}

#[test]
fn a_policy_edit_that_changes_nothing_writes_no_resource() {
    let mut scene = Scene::issued("dl");
    let steps = scene.steps(|scene| {
        scene.allow("24h");
        scene.run(60);
    });
    assert_eq!(steps, []);
}

#[test]
fn a_secret_that_changed_before_its_removal_is_read_again_and_then_removed() {
    let mut scene = Scene::issued("dl");
    refuse(&mut scene);
    scene.plan(StepKind::DeleteSecret, Fault::Lost(ApiError::Conflict));
    let steps = scene.steps(|scene| scene.run(700));
    // The first delete never landed.
    let (inspection, removal) = (StepKind::InspectSecret, StepKind::DeleteSecret);
    assert!(
        steps.windows(2).any(|steps| steps == [inspection, removal]),
        "{steps:?}"
    );
    assert!(scene.secret("dl").is_none());
    assert!(scene.status("dl").internal.secret.is_none());
}

#[test]
fn a_secret_that_lost_its_owner_reference_before_its_removal_goes_and_one_that_was_taken_stays() {
    for taken in [false, true] {
        let mut scene = Scene::issued("dl");
        refuse(&mut scene);
        scene.run(300);
        let now = scene.0.now;
        let place = Scene::place("dl");
        scene.0.cluster.edit_secret(&place, now, |secret| {
            secret.owners.clear();
            if taken {
                secret.labels.clear();
            }
        });
        scene.run(700);
        assert_eq!(scene.secret("dl").is_some(), taken);
        assert!(scene.status("dl").internal.secret.is_none());
        let writes = scene.writes(|scene| scene.run(24 * 3600));
        assert_eq!(writes, []);
    }
}

#[test]
fn a_removal_that_is_forbidden_is_tried_again_soon_at_first() {
    let mut scene = Scene::issued("dl");
    refuse(&mut scene);
    for _ in 0..4 {
        scene.plan(StepKind::DeleteSecret, Fault::Lost(ApiError::Forbidden));
    }
    scene.run(600 + 35);
    assert!(scene.secret("dl").is_some(), "the pauses grow");
    scene.run(60);
    assert!(scene.secret("dl").is_none());
}

#[test]
fn a_fault_in_one_teams_policy_keeps_no_withdrawn_url_of_another_team_alive() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    let namespaces = json!({ "names": ["team-b"] });
    scene
        .0
        .cluster
        .put_unreadable_policy("theirs", &namespaces, now);
    refuse(&mut scene);
    scene.run(60);
    assert_eq!(scene.ready("dl"), (false, "PolicyDenied".to_owned()));
    let conditions = &scene.status("dl").conditions;
    assert!(conditions.iter().all(|c| !c.message.contains("theirs")));
    scene.run(600);
    assert!(scene.secret("dl").is_none());
}

#[test]
fn a_policy_that_cannot_be_read_stops_no_removal_of_what_another_policys_end_refused() {
    // It breaks before the other ends, within the grace, and the operator starts anew between.
    for (before, restart) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut scene = Scene::issued("dl");
        let break_one = |scene: &mut Scene| {
            let now = scene.0.now;
            let nothing = json!("can be read");
            scene.0.cluster.put_unreadable_policy("late", &nothing, now);
        };
        if before {
            break_one(&mut scene);
        }
        refuse(&mut scene);
        scene.run(60);
        if !before {
            break_one(&mut scene);
        }
        if restart {
            scene.restart();
        }
        scene.run(500);
        assert_eq!(scene.ready("dl"), (false, "PolicyDenied".to_owned()));
        assert_eq!(scene.status("dl").policy_refs, ["base"]);
        assert!(scene.secret("dl").is_some(), "the grace");
        scene.run(60);
        assert!(scene.secret("dl").is_none());
        assert!(scene.status("dl").policy_refs.is_empty());
        // What might be allowed from now on is unknown.
        assert_eq!(scene.condition("dl", "Allowed").reason, "PolicyUnknown");
    }
}

#[test]
fn a_secret_whose_status_was_not_written_belongs_to_the_policy_that_allowed_it() {
    let mut scene = Scene::issued("dl");
    // Another policy allows another object, and the status of its first issue is late.
    let now = scene.0.now;
    let rule = specs::rule(&["other"], &["{namespace}/"], "12h");
    scene
        .0
        .cluster
        .put_policy("other", Ok(specs::policy(&[NS], vec![rule])), now);
    scene.run(5);
    for _ in 0..3 {
        scene.plan(StepKind::WriteStatus, Fault::Lost(ApiError::Unavailable));
    }
    scene.apply("dl", |spec| spec.bucket = "other".to_owned());
    scene.run(2);
    assert_eq!(scene.status("dl").policy_refs, ["base"], "it is late");
    let now = scene.0.now;
    scene
        .0
        .cluster
        .put_policy("other", Err("unknown field bukets".to_owned()), now);
    scene.run(3600);
    assert_eq!(scene.condition("dl", "Allowed").reason, "PolicyUnknown");
    assert_eq!(scene.status("dl").policy_refs, ["other"]);
    assert!(scene.secret("dl").is_some());
    let mut told = scene.0.events.iter().map(|event| event.reason);
    assert!(told.all(|reason| reason != Reason::PolicyDenied));
}

/// A namespace that the policy would allow if it had no labels, whose event is a minute late, and a resource
/// in it.
fn in_a_late_namespace() -> Scene {
    let mut scene = Scene::new();
    scene.run(30);
    let now = scene.0.now;
    let rule = specs::rule(&["data"], &["{namespace}/"], "12h");
    let mut policy = specs::policy(&["late"], vec![rule]);
    policy.namespaces.selector = Some(NamespaceLabels {
        match_labels: None,
        match_expressions: Some(vec![LabelRequirement {
            key: "quarantine".to_owned(),
            operator: LabelOperator::DoesNotExist,
            values: None,
        }]),
    });
    scene.0.cluster.put_policy("open", Ok(policy), now);
    let streams = &mut scene.0.replicas[0].streams;
    let namespaces = streams.iter_mut().find(|s| s.kind == Watched::Namespaces);
    namespaces.expect("namespaces are watched").lag = 60;
    scene
}

fn apply_late(scene: &mut Scene) {
    let now = scene.0.now;
    let spec = specs::get("data", "late/file.bin");
    scene.0.cluster.put_resource("late", "dl", Ok(spec), now);
}

fn late_allowed(scene: &Scene) -> Option<String> {
    let seen = &scene.0.cluster.resources[&("late".to_owned(), "dl".to_owned())];
    let mut conditions = seen.status.conditions.iter();
    let allowed = conditions.find(|c| c.type_ == "Allowed");
    allowed.map(|c| format!("{}: {}", c.reason, c.message))
}

#[test]
fn a_namespace_that_was_not_seen_yet_is_not_one_without_labels() {
    let mut scene = in_a_late_namespace();
    let now = scene.0.now;
    scene
        .0
        .cluster
        .put_namespace("late", &[("quarantine", "yes")], now);
    apply_late(&mut scene);
    scene.run(9);
    assert_eq!(late_allowed(&scene), None, "nothing is said at once");
    scene.run(10);
    let said = late_allowed(&scene).expect("who waits for long is told");
    assert!(
        said.starts_with("PolicyUnknown: the policies have not decided"),
        "{said}"
    );
    assert!(scene.0.cluster.secrets.is_empty());
    scene.run(60);
    let said = late_allowed(&scene).expect("its namespace was seen");
    assert!(said.starts_with("PolicyDenied: "), "{said}");
    assert!(scene.0.cluster.secrets.is_empty());
}

#[test]
fn a_namespace_that_comes_late_has_its_url_as_soon_as_it_is_seen() {
    let mut scene = in_a_late_namespace();
    let now = scene.0.now;
    scene.0.cluster.put_namespace("late", &[], now);
    apply_late(&mut scene);
    scene.run(70);
    let said = late_allowed(&scene).expect("it is told");
    assert!(said.starts_with("Allowed: "), "{said}");
    assert_eq!(scene.0.cluster.secrets.len(), 1);
}

#[test]
fn a_secret_that_is_edited_while_no_policy_can_decide_is_not_ready() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    let broken = Err("unknown field bukets".to_owned());
    scene.0.cluster.put_policy("base", broken, now);
    scene.run(30);
    assert!(scene.ready("dl").0, "it lives, and nothing is decided");
    let now = scene.0.now;
    scene
        .0
        .cluster
        .edit_secret(&Scene::place("dl"), now, |secret| {
            secret.data.remove("url");
        });
    scene.run(30);
    assert_eq!(scene.ready("dl"), (false, "PolicyUnknown".to_owned()));
}

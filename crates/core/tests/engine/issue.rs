//! Issue and renewal: what is written, how often, and what a restart or a crash costs.

use presigned_core::api::ConditionStatus;
use presigned_core::engine::{ApiError, Settings};

use crate::common::at;
use crate::common::world::{Fault, StepKind};
use crate::scene::{NS, Scene};

#[test]
fn a_first_issue_is_one_secret_one_status_and_one_event() {
    let mut scene = Scene::new();
    let steps = scene.steps(|scene| {
        scene.apply("dl", |_| {});
        scene.run(30);
    });
    assert_eq!(
        steps,
        [
            StepKind::CreateSecret,
            StepKind::WriteStatus,
            StepKind::PublishEvent
        ]
    );
    assert!(scene.works(&scene.url("dl")));
    assert_eq!(scene.status("dl").revision, Some(1));
}

#[test]
fn a_renewal_is_one_secret_and_one_status_and_the_old_url_lives_on() {
    let mut scene = Scene::issued("dl");
    let old = scene.url("dl");
    let wait = scene.until_renewal("dl");
    assert!(wait <= 4 * 3600, "two thirds of 12h are left: {wait}");
    let steps = scene.steps(|scene| scene.run(wait));
    assert_eq!(steps, [StepKind::UpdateSecret, StepKind::WriteStatus]);
    assert!(scene.works(&old) && scene.works(&scene.url("dl")));
    assert_ne!(old, scene.url("dl"));
}

#[test]
fn a_restart_is_silent() {
    let mut scene = Scene::issued("dl");
    let writes = scene.writes(|scene| {
        scene.restart();
        scene.run(600);
    });
    assert_eq!(writes, []);
}

#[test]
fn a_crash_between_the_two_writes_costs_one_reissue() {
    let mut scene = Scene::new();
    scene.plan(StepKind::CreateSecret, Fault::CrashAfter(5));
    let steps = scene.steps(|scene| {
        scene.apply("dl", |_| {});
        scene.run(60);
    });
    let expected = [
        StepKind::CreateSecret,
        StepKind::CreateSecret,
        StepKind::InspectSecret,
        StepKind::UpdateSecret,
        StepKind::WriteStatus,
        StepKind::PublishEvent,
    ];
    assert_eq!(steps, expected);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn a_create_that_timed_out_after_it_landed_is_found_again() {
    let mut scene = Scene::new();
    scene.plan(StepKind::CreateSecret, Fault::Landed(ApiError::Timeout));
    scene.apply("dl", |_| {});
    scene.run(60);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    assert!(scene.works(&scene.url("dl")));
}

#[test]
fn the_renew_annotation_renews_once() {
    let mut scene = Scene::issued("dl");
    scene.run(60);
    let old = scene.url("dl");
    let now = scene.0.now;
    scene.0.cluster.annotate(NS, "dl", "please", now);
    let steps = scene.steps(|scene| scene.run(600));
    assert_eq!(steps, [StepKind::UpdateSecret, StepKind::WriteStatus]);
    assert_ne!(old, scene.url("dl"));
    assert_eq!(
        scene.status("dl").last_renew_request.as_deref(),
        Some("please")
    );
    let writes = scene.writes(|scene| {
        scene.restart();
        scene.run(600);
    });
    assert_eq!(writes, []);
}

#[test]
fn a_suspended_resource_is_not_renewed_and_says_so() {
    let mut scene = Scene::issued("dl");
    let old = scene.url("dl");
    scene.apply("dl", |spec| spec.suspend = Some(true));
    scene.run(6 * 3600);
    assert_eq!(scene.url("dl"), old);
    assert!(scene.ready("dl").0, "it lives");
    assert_eq!(scene.condition("dl", "Renewed").reason, "Suspended");
    scene.run(6 * 3600);
    assert_eq!(scene.ready("dl"), (false, "Suspended".to_owned()));
    assert!(scene.secret("dl").is_none());
    scene.apply("dl", |spec| spec.suspend = None);
    scene.run(30);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn at_its_end_ready_turns_false_and_the_secret_goes() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    // Nothing can be written for as long as the URL lives, and an hour longer.
    let end = scene.status("dl").expiration_time.unwrap();
    for _ in 0..400 {
        scene.plan(StepKind::UpdateSecret, Fault::Lost(ApiError::Unavailable));
        scene.plan(StepKind::CreateSecret, Fault::Lost(ApiError::Unavailable));
    }
    scene.run(end.as_second() - now.as_second() - 1);
    assert!(scene.ready("dl").0);
    assert_eq!(scene.condition("dl", "Renewed").reason, "APIError");
    scene.run(5);
    assert!(!scene.ready("dl").0);
    assert!(scene.secret("dl").is_none());
}

#[test]
fn a_pause_that_the_api_server_asks_for_pauses_all() {
    let mut scene = Scene::new();
    let retry_after = Some(std::time::Duration::from_secs(20));
    scene.plan(
        StepKind::CreateSecret,
        Fault::Lost(ApiError::TooManyRequests { retry_after }),
    );
    for name in ["one", "two", "three"] {
        scene.apply(name, |_| {});
    }
    // Those that were on their way when the answer came still land.
    let quiet = scene.steps(|scene| {
        scene.run(1);
        let from = scene.0.records.len();
        scene.run(18);
        assert_eq!(scene.0.records.len(), from);
    });
    assert!(quiet.len() <= 3, "{quiet:?}");
    scene.run(10);
    for name in ["one", "two", "three"] {
        assert!(scene.ready(name).0);
    }
}

#[test]
fn a_clock_that_was_fast_leaves_no_url_of_tomorrow() {
    let mut scene = Scene::issued("dl");
    scene.0.step_clock(-3600);
    scene.run(60);
    assert!(scene.works(&scene.url("dl")));
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    assert!(scene.status("dl").issue_time.unwrap() <= at(scene.0.now.as_second()));
}

#[test]
fn a_resource_of_another_class_is_left_to_its_operator() {
    let mut scene = Scene::new();
    scene.apply("dl", |spec| spec.class = Some("blue".to_owned()));
    let steps = scene.steps(|scene| scene.run(3600));
    assert_eq!(steps, []);
}

#[test]
fn a_namespace_that_ends_is_left_alone() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    scene.0.cluster.terminate_namespace(NS, now);
    scene.apply("late", |_| {});
    let steps = scene.steps(|scene| scene.run(3600));
    assert_eq!(steps, []);
}

#[test]
fn nothing_is_issued_beside_the_stores_credentials_and_the_condition_says_so() {
    let mut scene = Scene::with(Settings {
        own_namespace: NS.to_owned(),
        ..Settings::default()
    });
    let steps = scene.steps(|scene| {
        scene.apply("dl", |_| {});
        scene.run(24 * 3600);
    });
    assert_eq!(steps, [StepKind::WriteStatus, StepKind::PublishEvent]);
    assert_eq!(scene.ready("dl"), (false, "OperatorNamespace".to_owned()));
    let message = scene.condition("dl", "Ready").message;
    assert!(
        message.contains(NS) && message.contains("in another namespace"),
        "{message}"
    );
    assert_eq!(
        scene.condition("dl", "Stalled").status,
        ConditionStatus::True
    );
    assert_eq!(
        scene.condition("dl", "Allowed").status,
        ConditionStatus::Unknown
    );
}

#[test]
fn a_secret_is_a_binding_on_request_and_the_status_names_it_while_it_exists() {
    let mut scene = Scene::issued("dl");
    let named = |scene: &Scene| {
        let binding = scene.status("dl").binding.clone();
        binding.map(|secret| secret.name.to_string())
    };
    assert_eq!(named(&scene), None, "nobody asked");
    assert_eq!(scene.secret("dl").unwrap().text("type"), None);
    scene.apply("dl", |spec| spec.binding_type = Some("s3".into()));
    scene.run(30);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    let secret = scene.secret("dl").unwrap();
    assert_eq!(secret.text("type"), Some("s3"));
    assert_eq!(secret.text("uri"), secret.text("url"));
    assert_eq!(named(&scene).as_deref(), Some("dl"));
    let now = scene.0.now;
    scene.0.cluster.delete_policy("base", now);
    scene.run(700);
    assert!(scene.secret("dl").is_none());
    assert_eq!(named(&scene), None);
}

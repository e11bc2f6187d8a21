//! `verify`: which URLs are requested, when, and what follows from the result.

use std::time::Duration;

use presigned_core::api::{ConditionStatus, IfNoneMatch, Method, PutOptions, Verify};
use presigned_core::engine::{ApiError, TlsError, TransportError};

use crate::common::cloud::Server;
use crate::common::world::{Fault, StepKind};
use crate::scene::{HOME, NS, Scene};

pub fn with(verify: Option<Verify>) -> Scene {
    let mut scene = Scene::new();
    scene.0.cloud.put_object("data", "team-a/file.bin");
    scene.apply("dl", |spec| spec.verify = verify);
    scene
}

/// The server of the scene's store.
pub fn server(scene: &mut Scene) -> &mut Server {
    scene.0.cloud.server(HOME)
}

pub fn verified(scene: &Scene) -> (ConditionStatus, String) {
    let condition = scene.condition("dl", "Verified");
    (condition.status, condition.reason.into_owned())
}

#[test]
fn a_first_issue_is_verified_before_its_status_and_is_two_writes() {
    let mut scene = with(None);
    let steps = scene.steps(|scene| scene.run(30));
    let wanted = [
        StepKind::CreateSecret,
        StepKind::SendRequests,
        StepKind::WriteStatus,
        StepKind::PublishEvent,
    ];
    assert_eq!(steps, wanted);
    assert_eq!(
        verified(&scene),
        (ConditionStatus::True, "Verified".to_owned())
    );
}

#[test]
fn what_is_signed_for_head_is_verified_by_head() {
    let refused = (ConditionStatus::False, "UnexpectedResponse".to_owned());
    for (method, words) in [
        (Method::Get, "url works and head-url does not"),
        (Method::Head, "the URL does not work"),
    ] {
        let mut scene = with(None);
        server(&mut scene).no_head = true;
        scene.apply("dl", |spec| spec.method = Some(method));
        scene.run(30);
        assert_eq!(verified(&scene), refused, "{method:?}");
        let message = scene.condition("dl", "Verified").message;
        assert!(message.contains(words), "{message}");
    }
    // Uploads are no business of HEAD.
    let mut scene = with(None);
    server(&mut scene).no_head = true;
    scene.apply("dl", |spec| spec.method = Some(Method::Put));
    scene.run(30);
    assert_eq!(verified(&scene).1, "NotVerifiable");
}

#[test]
fn a_renewal_of_the_same_spec_is_not_verified_again_nor_is_it_after_a_restart() {
    let mut scene = with(None);
    scene.run(30);
    let wait = scene.until_renewal("dl");
    let steps = scene.steps(|scene| scene.run(wait));
    assert_eq!(steps, [StepKind::UpdateSecret, StepKind::WriteStatus]);
    assert_eq!(
        verified(&scene),
        (ConditionStatus::True, "Verified".to_owned())
    );
    let steps = scene.steps(|scene| {
        scene.restart();
        scene.run(600);
    });
    assert_eq!(steps, []);
}

#[test]
fn a_changed_spec_is_verified_again() {
    let mut scene = with(None);
    scene.run(30);
    scene.apply("dl", |spec| spec.key = Some("team-a/missing".to_owned()));
    scene.run(30);
    assert!(scene.ready("dl").0, "a report holds nothing back");
    let missing = (ConditionStatus::False, "NoSuchKey".to_owned());
    assert_eq!(verified(&scene), missing);
}

#[test]
fn a_url_that_does_not_work_is_one_event_and_so_is_its_recovery() {
    let mut scene = with(None);
    scene.0.cloud.delete_object("data", "team-a/file.bin");
    let reported = |scene: &mut Scene, seconds| {
        let before = scene.0.events.len();
        scene.run(seconds);
        let new = scene.0.events[before..].iter();
        new.filter(|event| event.action == "Verify")
            .map(|event| (event.warning, event.reason.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(reported(&mut scene, 3600), [(true, "NoSuchKey")]);
    scene.0.cloud.put_object("data", "team-a/file.bin");
    assert_eq!(reported(&mut scene, 3700), [(false, "Verified")]);
}

#[test]
fn a_url_that_does_not_work_is_retried_with_growing_pauses() {
    let mut scene = with(None);
    scene.0.cloud.delete_object("data", "team-a/file.bin");
    let steps = scene.steps(|scene| scene.run(3600));
    let requests = steps
        .iter()
        .filter(|kind| **kind == StepKind::SendRequests)
        .count();
    assert!((3..=9).contains(&requests), "{requests}");
    scene.0.cloud.put_object("data", "team-a/file.bin");
    scene.run(3700);
    assert_eq!(
        verified(&scene),
        (ConditionStatus::True, "Verified".to_owned())
    );
    let later = scene.steps(|scene| scene.run(3000));
    assert!(!later.contains(&StepKind::SendRequests), "{later:?}");
}

#[test]
fn under_require_only_a_url_that_worked_is_published() {
    let mut scene = with(Some(Verify::Require));
    scene.0.cloud.delete_object("data", "team-a/file.bin");
    scene.run(30);
    assert_eq!(scene.ready("dl"), (false, "NoSuchKey".to_owned()));
    assert!(scene.secret("dl").is_none());
    // An upload fixes it; no action is needed here.
    assert!(!scene.says("dl", "Stalled"));
    scene.0.cloud.put_object("data", "team-a/file.bin");
    scene.run(60);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    assert_eq!(
        verified(&scene),
        (ConditionStatus::True, "Verified".to_owned())
    );
}

#[test]
fn a_renewal_on_request_after_a_fix_need_not_wait_for_the_next_check() {
    let mut scene = with(Some(Verify::Require));
    server(&mut scene).down = Some(TransportError::Tls(TlsError::Other));
    scene.run(60);
    assert_eq!(scene.ready("dl"), (false, "TLSFailed".to_owned()));
    server(&mut scene).down = None;
    scene.run(60);
    assert!(!scene.ready("dl").0, "it is checked every five minutes");
    let request_renewal = |scene: &mut Scene, value: &str| {
        let now = scene.0.now;
        scene.0.cluster.annotate(NS, "dl", value, now);
        scene.run(2);
    };
    request_renewal(&mut scene, "fixed");
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));

    let mut scene = with(Some(Verify::Require));
    server(&mut scene).down = Some(TransportError::Tls(TlsError::Other));
    let steps = scene.steps(|scene| {
        for n in 0..60 {
            request_renewal(scene, &n.to_string());
        }
    });
    let requests = steps
        .iter()
        .filter(|kind| **kind == StepKind::SendRequests)
        .count();
    assert!((2..=5).contains(&requests), "{requests} in two minutes");
}

#[test]
fn under_require_a_renewal_that_does_not_work_keeps_the_old_url() {
    let mut scene = with(Some(Verify::Require));
    scene.run(30);
    let old = scene.url("dl");
    server(&mut scene).down = Some(TransportError::Timeout(Duration::from_secs(5)));
    let wait = scene.until_renewal("dl");
    scene.run(wait + 60);
    assert_eq!(scene.url("dl"), old);
    assert!(scene.ready("dl").0, "it lives");
    assert_eq!(
        scene.condition("dl", "Renewed").status,
        ConditionStatus::False
    );
    server(&mut scene).down = None;
    scene.run(600);
    assert_ne!(scene.url("dl"), old);
}

#[test]
fn signing_works_while_no_store_can_be_reached() {
    let mut scene = with(None);
    server(&mut scene).down = Some(TransportError::Host);
    scene.run(30);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    let unknown = (ConditionStatus::Unknown, "HostNotFound".to_owned());
    assert_eq!(verified(&scene), unknown);
}

#[test]
fn verify_never_sends_no_request() {
    let mut scene = with(Some(Verify::Never));
    let steps = scene.steps(|scene| scene.run(30));
    assert!(!steps.contains(&StepKind::SendRequests), "{steps:?}");
    let reported = |scene: &Scene| {
        let conditions = &scene.status("dl").conditions;
        conditions.iter().any(|c| c.type_ == "Verified")
    };
    assert!(!reported(&scene));
}

#[test]
fn an_upload_says_that_it_was_not_tried() {
    let mut scene = with(None);
    scene.apply("dl", |spec| {
        spec.method = Some(Method::Put);
        spec.put = Some(Box::new(PutOptions {
            content_length: Some(5),
            if_none_match: Some(IfNoneMatch::Any),
            ..PutOptions::default()
        }));
    });
    scene.run(30);
    let reported = (ConditionStatus::Unknown, "NotVerifiable".to_owned());
    assert_eq!(verified(&scene), reported);
}

#[test]
fn required_of_nothing_that_can_be_tried_is_no_loop() {
    let mut scene = with(Some(Verify::Require));
    let now = scene.0.now;
    let mut rule = crate::common::specs::rule(&["data"], &["{namespace}/"], "12h");
    rule.methods.push(presigned_core::api::PolicyMethod::List);
    let policy = crate::common::specs::policy(&[crate::scene::NS], vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    let steps = scene.steps(|scene| {
        scene.apply("dl", |spec| {
            spec.key = None;
            spec.prefix = Some("team-a/empty/".to_owned());
            spec.list = Some(Box::new(presigned_core::api::ListOptions {
                min_objects: Some(0),
                ..Default::default()
            }));
        });
        scene.run(300);
    });
    assert!(steps.len() < 10, "{steps:?}");
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn a_verification_of_another_spec_says_nothing_of_this_one() {
    let mut scene = with(Some(Verify::Require));
    scene.0.cloud.delete_object("data", "team-a/file.bin");
    scene.run(30);
    assert_eq!(verified(&scene).1, "NoSuchKey");
    scene.apply("dl", |spec| spec.key = Some("team-b/denied".to_owned()));
    scene.run(30);
    assert_eq!(scene.ready("dl"), (false, "PolicyDenied".to_owned()));
    let conditions = &scene.status("dl").conditions;
    assert!(!conditions.iter().any(|c| c.type_ == "Verified"));
}

#[test]
fn a_verification_stays_in_the_status_while_issuing_is_allowed_and_a_restart_is_silent() {
    let mut scene = with(Some(Verify::Require));
    scene.0.cloud.delete_object("data", "team-a/file.bin");
    scene.run(30);
    assert_eq!(verified(&scene).1, "NoSuchKey");
    let reported = |scene: &Scene| {
        let conditions = &scene.status("dl").conditions;
        conditions.iter().any(|c| c.type_ == "Verified")
    };
    scene.restart();
    scene.run(1);
    assert!(reported(&scene));
    let now = scene.0.now;
    scene.0.cluster.delete_policy("base", now);
    scene.run(30);
    assert!(!reported(&scene));
    let writes = scene.writes(|scene| {
        scene.restart();
        scene.run(60);
    });
    assert_eq!((writes, reported(&scene)), (Vec::new(), false));
}

#[test]
fn a_verification_says_nothing_of_a_url_that_is_gone() {
    let mut scene = with(None);
    scene.run(60);
    assert_eq!(verified(&scene).1, "Verified");
    for _ in 0..1000 {
        for kind in [StepKind::CreateSecret, StepKind::UpdateSecret] {
            scene.plan(kind, Fault::Lost(ApiError::Forbidden));
        }
    }
    scene.run(14 * 3600);
    assert!(scene.secret("dl").is_none());
    scene.restart();
    scene.run(60);
    let conditions = &scene.status("dl").conditions;
    assert!(!conditions.iter().any(|c| c.type_ == "Verified"));
}

#[test]
fn a_resource_that_may_only_upload_does_not_learn_which_keys_exist() {
    let mut scene = with(None);
    let upload = |spec: &mut presigned_core::api::PresignedUrlSpec| {
        spec.method = Some(Method::Put);
        spec.put = Some(Box::new(PutOptions {
            content_length: Some(5),
            ..PutOptions::default()
        }));
    };
    scene.apply("dl", upload);
    scene.run(30);
    let there = scene.condition("dl", "Verified").message;
    scene.0.cloud.delete_object("data", "team-a/file.bin");
    scene.apply("dl", |spec| spec.duration = Some("2h".to_owned()));
    scene.run(30);
    assert_eq!(scene.condition("dl", "Verified").message, there);
}

#[test]
fn the_status_waits_two_seconds_at_most_for_the_verification() {
    let first_status = |seconds: i64| {
        let mut scene = with(None);
        // The probe of the store is not slow.
        scene.apply("other", |spec| spec.verify = Some(Verify::Never));
        scene.run(10);
        let now = scene.0.now;
        scene.apply("late", |spec| spec.verify = None);
        scene.slow(StepKind::SendRequests, seconds);
        scene.run(60);
        let records = scene.0.records.iter();
        let of_late = |kind| {
            let late = Scene::place("late");
            move |record: &&crate::common::world::Record| {
                record.kind == kind && record.place.as_ref() == Some(&late)
            }
        };
        let statuses: Vec<i64> = records
            .filter(of_late(StepKind::WriteStatus))
            .map(|record| record.at.as_second() - now.as_second())
            .collect();
        assert_eq!(scene.condition("late", "Verified").reason, "Verified");
        assert!(scene.ready("late").0);
        statuses
    };
    assert_eq!(first_status(0), [0], "one status");
    assert_eq!(first_status(1), [1], "one status");
    assert_eq!(first_status(30), [2, 2], "the verification comes after it");
}

#[test]
fn a_store_without_a_slot_delays_no_status_for_more_than_two_seconds() {
    let mut scene = with(None);
    scene.run(10);
    scene.0.faults.slow.insert(StepKind::SendRequests, 30);
    let now = scene.0.now;
    for at in 0..20 {
        scene.apply(&format!("dl-{at}"), |spec| spec.verify = None);
    }
    scene.run(3);
    for at in 0..20 {
        let name = format!("dl-{at}");
        let ready = scene.condition(&name, "Ready");
        let waited = ready.last_transition_time.as_second() - now.as_second();
        assert!(scene.ready(&name).0 && waited <= 2, "{name}: {waited} s");
    }
    scene.run(600);
    for at in 0..20 {
        assert_eq!(
            scene.condition(&format!("dl-{at}"), "Verified").reason,
            "Verified"
        );
    }
}

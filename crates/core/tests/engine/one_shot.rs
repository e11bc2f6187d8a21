//! Links: `renew: Never` is issued once, keeps its end whatever happens, and is never issued again.

use jiff::Timestamp;
use presigned_core::api::{ConditionStatus, Method, PresignedUrlSpec, Renew};
use presigned_core::engine::ApiError;

use crate::common::at;
use crate::common::cloud::Source;
use crate::common::specs;
use crate::common::world::{Fault, StepKind};
use crate::scene::{HOME, NS, Scene};

pub fn never(duration: &str) -> impl FnOnce(&mut PresignedUrlSpec) {
    let duration = duration.to_owned();
    move |spec| {
        spec.renew = Some(Renew::Never);
        spec.duration = Some(duration);
    }
}

pub fn issued(duration: &str) -> Scene {
    let mut scene = Scene::new();
    scene.apply("link", never(duration));
    scene.run(30);
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
    scene
}

fn times(scene: &Scene) -> (Timestamp, Timestamp) {
    let status = scene.status("link");
    (status.issue_time.unwrap(), status.expiration_time.unwrap())
}

/// Lets time pass to so many seconds after the link's end.
pub fn run_to_end(scene: &mut Scene, after: i64) {
    let wait = times(scene).1.as_second() - scene.0.now.as_second();
    scene.run(wait + after);
}

fn stalled(scene: &Scene) -> bool {
    scene.says("link", "Stalled")
}

fn delete_secret(scene: &mut Scene) {
    let now = scene.0.now;
    scene
        .0
        .cluster
        .delete_secret_by_hand(&Scene::place("link"), now);
}

fn update_policy(scene: &mut Scene, names: &[&str], longest: Option<&str>) {
    let now = scene.0.now;
    let rules = longest.map(|longest| specs::rule(&["data"], &["{namespace}/"], longest));
    let policy = specs::policy(names, rules.into_iter().collect());
    scene.0.cluster.put_policy("base", Ok(policy), now);
}

/// The chain of the process gives sessions of so many seconds.
fn sessions(scene: &mut Scene, length: i64) {
    let current = None;
    scene
        .0
        .cloud
        .sources
        .insert(String::new(), Source::Sessions { length, current });
}

#[test]
fn a_link_is_issued_once_and_ends_without_anything_being_wrong() {
    let mut scene = issued("2h");
    let url = scene.url("link");
    let (_, end) = times(&scene);
    assert_eq!(scene.status("link").renewal_time, None);
    let steps = scene.steps(|scene| {
        run_to_end(scene, -1);
        assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
        assert!(scene.works(&url));
    });
    assert_eq!(steps, [], "nothing is renewed");
    run_to_end(&mut scene, 5);
    assert_eq!(scene.ready("link"), (false, "Expired".to_owned()));
    assert!(!stalled(&scene), "nothing is wrong");
    assert!(scene.secret("link").is_none());
    assert_eq!(times(&scene).1, end, "the status keeps the end");
    assert!(!scene.works(&url));
    let last = scene.0.events.last().unwrap();
    assert!(!last.warning, "a requested expiry is no warning");
    let steps = scene.steps(|scene| {
        scene.restart();
        scene.run(30 * 24 * 3600);
    });
    assert_eq!(steps, [], "never again by itself");
}

#[test]
fn a_link_may_live_for_a_minute() {
    let mut scene = issued("1m");
    assert_eq!(
        times(&scene).1.as_second() - times(&scene).0.as_second(),
        60
    );
    scene.run(61);
    assert_eq!(scene.ready("link"), (false, "Expired".to_owned()));
    scene.apply("renewed", |spec| spec.duration = Some("1m".to_owned()));
    scene.run(30);
    assert_eq!(scene.ready("renewed"), (false, "InvalidSpec".to_owned()));
}

#[test]
fn a_link_that_is_healed_or_signed_again_keeps_its_times_to_the_second() {
    let mut scene = issued("6h");
    let before = times(&scene);
    for (hour, what) in ["deleted", "edited", "rotated", "moved"].iter().enumerate() {
        scene.run(3600);
        let old = scene.url("link");
        let now = scene.0.now;
        match *what {
            "deleted" => delete_secret(&mut scene),
            "edited" => {
                scene
                    .0
                    .cluster
                    .edit_secret(&Scene::place("link"), now, |secret| secret.data.clear());
            }
            "rotated" => {
                scene.0.cloud.rotate_static("s3", now);
                scene.0.cluster.touch_own_secret("s3", now);
            }
            _ => {
                let store = specs::store("https://other.example.test", Some("s3"));
                scene.0.cluster.put_store("default", Ok(store), now);
            }
        }
        scene.run(400);
        assert_ne!(scene.url("link"), old, "{what}");
        assert!(scene.works(&scene.url("link")), "{what}");
        assert_eq!(times(&scene), before, "{what}");
        let revision = i64::try_from(hour).unwrap() + 2;
        assert_eq!(scene.status("link").revision, Some(revision), "{what}");
    }
    run_to_end(&mut scene, 1);
    assert_eq!(scene.ready("link"), (false, "Expired".to_owned()));
}

#[test]
fn a_link_is_healed_in_its_last_minute_too() {
    let mut scene = issued("2m");
    let before = times(&scene);
    run_to_end(&mut scene, -20);
    delete_secret(&mut scene);
    scene.run(5);
    assert!(scene.works(&scene.url("link")));
    assert_eq!(times(&scene), before);
}

#[test]
fn credentials_that_end_before_the_link_sign_nothing_shorter() {
    let mut scene = Scene::new();
    let now = scene.0.now;
    let store = specs::store(HOME, None);
    scene.0.cluster.put_store("default", Ok(store), now);
    sessions(&mut scene, 4 * 3600);
    scene.apply("link", never("3h"));
    scene.run(30);
    let before = times(&scene);
    // From now on a session lives for an hour.
    sessions(&mut scene, 3600);
    scene.restart();
    scene.run(3600);
    delete_secret(&mut scene);
    scene.run(60);
    assert!(scene.secret("link").is_none());
    assert_eq!(
        scene.ready("link"),
        (false, "CredentialsExpired".to_owned())
    );
    let why = scene.condition("link", "Ready").message;
    assert!(why.contains("a shorter one is not signed"), "{why}");
    assert_eq!(times(&scene), before);
    // The provider gives a new session when a sixth of the old one is left: that one reaches the end.
    run_to_end(&mut scene, -200);
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
    assert!(scene.works(&scene.url("link")));
    assert_eq!(times(&scene), before);
}

#[test]
fn a_link_that_a_clock_ahead_signed_again_is_not_ready_until_it_can_be_signed_anew() {
    let mut scene = Scene::new();
    let now = scene.0.now;
    let store = specs::store(HOME, None);
    scene.0.cluster.put_store("default", Ok(store), now);
    sessions(&mut scene, 12 * 3600);
    scene.apply("link", never("3h"));
    scene.run(2 * 3600);
    let before = times(&scene);
    delete_secret(&mut scene);
    scene.run(60);
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
    assert_eq!(times(&scene), before);
    // Until now the clock was ahead, and from now on a session does not reach the end of the link.
    scene.0.step_clock(-5000);
    sessions(&mut scene, 600);
    for _ in 0..2 {
        scene.restart();
        scene.run(300);
        assert!(!scene.ready("link").0, "{:?}", scene.status("link"));
    }
    sessions(&mut scene, 12 * 3600);
    scene.restart();
    scene.run(60);
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
    assert!(scene.works(&scene.url("link")));
    assert_eq!(times(&scene), before);
    assert!(scene.status("link").internal.signature_time.is_some());
}

#[test]
fn a_link_that_a_store_lets_nobody_sign_again_says_in_renewed_what_to_do() {
    let mut scene = issued("2h");
    let url = scene.url("link");
    let now = scene.0.now;
    let before = scene.0.cluster.stores["default"].spec.clone();
    let before = before.map(|spec| *spec);
    let unreadable = Err("it cannot be read".to_owned());
    scene.0.cluster.put_store("default", unreadable, now);
    for _ in 0..2 {
        scene.run(60);
        assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
        let stalled = scene.condition("link", "Stalled");
        assert!(stalled.message.contains("Renewed says"), "{stalled:?}");
        let ready = scene.condition("link", "Ready").message;
        assert!(ready.contains("; somebody must act"), "{ready}");
        let renewed = scene.condition("link", "Renewed");
        assert_eq!(renewed.status, ConditionStatus::False);
        assert_eq!(renewed.reason, "StoreInvalid");
        assert!(renewed.message.contains("it cannot be read"), "{renewed:?}");
        scene.restart();
    }
    let now = scene.0.now;
    scene.0.cluster.put_store("default", before, now);
    scene.run(60);
    let conditions = &scene.status("link").conditions;
    assert!(!conditions.iter().any(|c| c.type_ == "Renewed") && !stalled(&scene));
    assert_eq!(scene.url("link"), url);
}

#[test]
fn a_refused_renew_annotation_is_one_event() {
    let mut scene = issued("2h");
    let url = scene.url("link");
    let reported = scene.0.events.len();
    for request in ["please", "now"] {
        let now = scene.0.now;
        scene.0.cluster.annotate(NS, "link", request, now);
        scene.run(600);
    }
    let renewed = scene.condition("link", "Renewed");
    assert_eq!(
        (renewed.status, &*renewed.reason),
        (ConditionStatus::False, "NeverRenewed")
    );
    assert!(renewed.message.contains("presigned.dev/renew"));
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
    assert_eq!(scene.url("link"), url);
    assert_eq!(scene.0.events.len(), reported + 1);
    // A heal does not pass for an answer.
    delete_secret(&mut scene);
    scene.run(60);
    assert_eq!(scene.status("link").last_renew_request, None);
    assert_eq!(scene.condition("link", "Renewed").reason, "NeverRenewed");
    run_to_end(&mut scene, 600);
    assert_eq!(scene.ready("link"), (false, "Expired".to_owned()));
    assert!(scene.secret("link").is_none());
}

#[test]
fn a_renewal_requested_after_the_end_is_refused_with_an_event() {
    let mut scene = issued("2h");
    run_to_end(&mut scene, 5);
    let reported = scene.0.events.len();
    let now = scene.0.now;
    scene.0.cluster.annotate(NS, "link", "please", now);
    scene.run(600);
    assert_eq!(scene.condition("link", "Renewed").reason, "NeverRenewed");
    assert_eq!(scene.0.events.len(), reported + 1);
    assert!(scene.secret("link").is_none());
}

#[test]
fn an_edit_that_got_past_admission_changes_nothing_that_was_issued() {
    let edits: [fn(&mut PresignedUrlSpec); 3] = [
        |spec| spec.key = Some("team-a/other.bin".to_owned()),
        |spec| spec.duration = Some("3h".to_owned()),
        |spec| spec.method = Some(Method::Delete),
    ];
    for edit in edits {
        let mut scene = issued("2h");
        let (url, before) = (scene.url("link"), times(&scene));
        scene.apply("link", edit);
        scene.run(600);
        assert_eq!(scene.ready("link"), (false, "InvalidSpec".to_owned()));
        assert!(stalled(&scene));
        assert_eq!(scene.url("link"), url);
        assert_eq!(times(&scene), before);
        scene.restart();
        run_to_end(&mut scene, 600);
        assert_eq!(scene.ready("link"), (false, "Expired".to_owned()));
        assert!(scene.secret("link").is_none());
    }
}

#[test]
fn an_edit_that_is_taken_back_is_forgiven() {
    let mut scene = issued("2h");
    let before = times(&scene);
    scene.apply("link", |spec| {
        spec.key = Some("team-a/other.bin".to_owned());
    });
    scene.run(60);
    scene.apply("link", |spec| spec.key = Some("team-a/file.bin".to_owned()));
    scene.run(60);
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
    assert_eq!(times(&scene), before);
}

#[test]
fn a_policy_that_allows_less_moves_the_end_earlier_for_good() {
    let mut scene = Scene::new();
    scene.apply("link", |spec| spec.renew = Some(Renew::Never));
    scene.run(30);
    let (start, _) = times(&scene);
    scene.run(3600);
    scene.allow("3h");
    scene.run(60);
    let moved = (start, at(start.as_second() + 3 * 3600));
    assert_eq!(times(&scene), moved);
    assert!(scene.works(&scene.url("link")));
    scene.allow("12h");
    scene.run(60);
    delete_secret(&mut scene);
    scene.run(60);
    assert_eq!(times(&scene), moved, "never later");
    run_to_end(&mut scene, 1);
    assert_eq!(scene.ready("link"), (false, "Expired".to_owned()));
}

#[test]
fn a_policy_that_allows_less_than_has_passed_ends_the_link() {
    let mut scene = Scene::new();
    scene.apply("link", |spec| spec.renew = Some(Renew::Never));
    scene.run(2 * 3600);
    let (start, _) = times(&scene);
    scene.allow("1h");
    scene.run(60);
    assert_eq!(scene.ready("link"), (false, "Expired".to_owned()));
    assert!(scene.secret("link").is_none());
    assert_eq!(times(&scene).1, at(start.as_second() + 3600));
    scene.allow("12h");
    let steps = scene.steps(|scene| scene.run(24 * 3600));
    assert_eq!(steps, []);
}

#[test]
fn a_link_that_a_policy_ended_stays_ended_if_the_next_edit_comes_at_once() {
    let mut scene = Scene::new();
    scene.apply("link", |spec| spec.renew = Some(Renew::Never));
    scene.run(2 * 3600);
    let (start, _) = times(&scene);
    scene.slow(StepKind::WriteStatus, 5);
    scene.allow("1h");
    scene.run(2);
    scene.allow("12h");
    scene.run(600);
    assert_eq!(scene.ready("link"), (false, "Expired".to_owned()));
    assert_eq!(times(&scene), (start, at(start.as_second() + 3600)));
    assert!(scene.secret("link").is_none());
}

#[test]
fn a_policy_that_adds_a_condition_signs_again_to_the_same_end() {
    let mut scene = Scene::new();
    scene.apply("link", |spec| {
        spec.renew = Some(Renew::Never);
        spec.duration = Some("2h".to_owned());
        spec.method = Some(Method::Put);
    });
    scene.run(30);
    let before = times(&scene);
    let now = scene.0.now;
    let mut rule = specs::rule(&["data"], &["{namespace}/"], "12h");
    rule.create_only = Some(true);
    let policy = specs::policy(&[NS], vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    scene.run(60);
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
    let headers = scene.secret("link").unwrap().text("headers").unwrap();
    assert!(
        headers.to_lowercase().contains("if-none-match"),
        "{headers}"
    );
    assert_eq!(times(&scene), before);
    scene.allow("12h");
    scene.run(60);
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
    assert_eq!(times(&scene), before);
}

#[test]
fn a_link_that_is_allowed_again_is_put_back_with_its_end() {
    let mut scene = issued("6h");
    let before = times(&scene);
    update_policy(&mut scene, &["elsewhere"], Some("12h"));
    scene.run(3600);
    assert_eq!(scene.ready("link"), (false, "PolicyDenied".to_owned()));
    assert!(scene.secret("link").is_none());
    assert_eq!(times(&scene), before);
    scene.restart();
    update_policy(&mut scene, &[NS], Some("12h"));
    scene.run(60);
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
    assert!(scene.works(&scene.url("link")));
    assert_eq!(times(&scene), before);
}

#[test]
fn a_link_that_is_refused_ends_all_the_same() {
    let mut scene = issued("6h");
    update_policy(&mut scene, &["elsewhere"], Some("12h"));
    run_to_end(&mut scene, 5);
    assert_eq!(scene.ready("link"), (false, "Expired".to_owned()));
    assert!(!stalled(&scene));
    update_policy(&mut scene, &[NS], Some("12h"));
    let steps = scene.steps(|scene| scene.run(24 * 3600));
    assert!(!steps.contains(&StepKind::CreateSecret), "{steps:?}");
}

#[test]
fn a_suspended_link_is_issued_when_it_goes_on() {
    let mut scene = Scene::new();
    scene.apply("link", never("2h"));
    scene.apply("link", |spec| spec.suspend = Some(true));
    scene.run(3600);
    assert_eq!(scene.ready("link"), (false, "Suspended".to_owned()));
    scene.apply("link", |spec| spec.suspend = None);
    scene.run(30);
    let before = times(&scene);
    scene.apply("link", |spec| spec.suspend = Some(true));
    scene.run(60);
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
    delete_secret(&mut scene);
    scene.run(60);
    assert_eq!(scene.ready("link"), (false, "Suspended".to_owned()));
    scene.apply("link", |spec| spec.suspend = None);
    scene.run(60);
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
    assert_eq!(times(&scene), before);
    run_to_end(&mut scene, 5);
    scene.apply("link", |spec| spec.suspend = Some(true));
    scene.run(60);
    assert_eq!(scene.ready("link"), (false, "Expired".to_owned()));
}

#[test]
fn a_link_without_a_status_is_issued_anew() {
    let mut scene = issued("2h");
    run_to_end(&mut scene, 60);
    let (now, place) = (scene.0.now, Scene::place("link"));
    let spec = scene.0.cluster.resources[&place].spec.clone();
    scene.0.cluster.delete_resource(NS, "link", now);
    let spec = spec.map(|spec| *spec);
    scene.0.cluster.put_resource(NS, "link", spec, now);
    scene.run(30);
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
}

#[test]
fn a_link_whose_status_could_not_be_written_before_its_end_is_not_issued_twice() {
    let mut scene = Scene::new();
    for _ in 0..40 {
        scene.plan(StepKind::WriteStatus, Fault::Lost(ApiError::Unavailable));
    }
    let steps = scene.steps(|scene| {
        scene.apply("link", never("1m"));
        scene.run(3 * 3600);
    });
    let created = steps
        .iter()
        .filter(|kind| **kind == StepKind::CreateSecret)
        .count();
    assert_eq!(created, 1, "{steps:?}");
    assert_eq!(scene.ready("link"), (false, "Expired".to_owned()));
}

#[test]
fn a_clock_that_ran_ahead_makes_no_link_longer() {
    let mut scene = issued("2h");
    let (_, end) = times(&scene);
    scene.0.step_clock(-24 * 3600);
    scene.run(60);
    assert_eq!(scene.ready("link"), (true, "Issued".to_owned()));
    assert!(scene.works(&scene.url("link")));
    let (start, moved) = times(&scene);
    assert!(moved < end && moved.as_second() - start.as_second() == 2 * 3600);
}

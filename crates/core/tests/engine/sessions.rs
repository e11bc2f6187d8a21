//! Roles whose sessions are narrowed: to the namespace or to what is signed.
//!
//! What holds here: equal requests share one session. An STS that is down or refuses one session takes no URL
//! away from others, and it is called only if a new session gains something.

use presigned_core::api::ConditionStatus::{False, True};
use presigned_core::api::{
    AssumeRoleCredentials, AssumedRole, Method, Reason, SessionScope, StoreCredentials,
};

use crate::common::cloud::Source;
use crate::common::url::Parts;
use crate::common::world::StepKind;
use crate::scene::{HOME, OTHER, Scene};

const ROLE: &str = "arn:aws:iam::111122223333:role/signer";
const HOUR: i64 = 3600;

/// A scene whose store signs by a role's sessions of an hour.
fn role(scope: SessionScope) -> Scene {
    let mut scene = Scene::new();
    scene.edit_store(|spec| {
        spec.s3.credentials = StoreCredentials {
            assume_role: Some(AssumeRoleCredentials {
                role: AssumedRole {
                    role_arn: ROLE.to_owned(),
                    scope: Some(scope),
                    ..AssumedRole::default()
                },
                ..AssumeRoleCredentials::default()
            }),
            ..StoreCredentials::default()
        };
    });
    fix(&mut scene);
    scene
}

/// STS gives sessions from now on.
fn fix(scene: &mut Scene) {
    let source = Source::Sessions {
        length: HOUR,
        current: None,
    };
    scene.0.cloud.sources.insert(ROLE.to_owned(), source);
}

/// STS gives nothing from now on.
fn cut(scene: &mut Scene) {
    let source = Source::Fails(Reason::CredentialsUnavailable);
    scene.0.cloud.sources.insert(ROLE.to_owned(), source);
}

fn many(scene: &mut Scene, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|at| format!("dl-{at}")).collect();
    for name in &names {
        scene.apply(name, |spec| {
            spec.key = Some(format!("team-a/{name}"));
        });
    }
    names
}

/// How often a session of this name was requested.
fn session_requests(scene: &Scene, name: &str) -> usize {
    let sessions = scene.0.cloud.sessions.iter();
    sessions.filter(|session| session.name == name).count()
}

fn fetches(scene: &Scene) -> Vec<i64> {
    let records = scene.0.records.iter();
    records
        .filter(|record| record.kind == StepKind::FetchCredentials)
        .map(|record| record.at.as_second())
        .collect()
}

#[test]
fn a_namespace_shares_one_session_that_is_fetched_once() {
    let mut scene = role(SessionScope::Namespace);
    scene.0.faults.slow.insert(StepKind::FetchCredentials, 5);
    let names = many(&mut scene, 50);
    scene.run(60);
    let first = Parts::of(&scene.url(&names[0])).unwrap().access_key_id;
    for name in &names {
        assert!(scene.works(&scene.url(name)), "{name}");
        assert_eq!(
            Parts::of(&scene.url(name)).unwrap().access_key_id,
            first,
            "{name}"
        );
    }
    assert_eq!(session_requests(&scene, "namespace=team-a"), 1);
}

#[test]
fn a_session_for_a_request_tells_whose_it_is_and_allows_no_other_key() {
    let mut scene = role(SessionScope::Request);
    let names = many(&mut scene, 3);
    scene.run(60);
    for name in &names {
        let session = format!("team-a@{name}");
        let mut sessions = scene.0.cloud.sessions.iter();
        let session = sessions.find(|given| given.name == session);
        let policy = session.unwrap().policy.clone().unwrap();
        let object = format!("arn:aws:s3:::data/team-a/{name}");
        assert!(policy.contains(&format!("\"{object}\"")), "{policy}");
        assert_eq!(policy.matches("arn:aws:s3:::data").count(), 1, "{policy}");
        assert!(scene.works(&scene.url(name)));
    }
}

#[test]
fn an_outage_of_sts_takes_no_living_url_away_and_ends_by_itself() {
    for scope in [
        SessionScope::Store,
        SessionScope::Namespace,
        SessionScope::Request,
    ] {
        let mut scene = role(scope);
        let names = many(&mut scene, 20);
        scene.run(60);
        let before: Vec<String> = names.iter().map(|name| scene.url(name)).collect();
        cut(&mut scene);
        let sessions_before = scene.0.cloud.sessions.len();
        // Renewals have been due for a while, and the URLs live.
        scene.run(40 * 60);
        for name in &names {
            assert!(scene.works(&scene.url(name)), "{scope:?}: {name}");
            assert!(scene.ready(name).0, "{scope:?}: {name}");
        }
        let storm = scene.0.cloud.sessions.len() - sessions_before;
        assert!((3..60).contains(&storm), "{scope:?}: {storm} calls");
        for (name, before) in names.iter().zip(&before) {
            let renewed = scene.condition(name, "Renewed");
            assert_eq!(
                (renewed.status, &*renewed.reason),
                (False, "CredentialsUnavailable"),
                "{scope:?}: {name}"
            );
            assert_eq!(scene.url(name), *before, "{scope:?}: nothing is gained");
        }
        fix(&mut scene);
        scene.run(8 * 60);
        for (name, before) in names.iter().zip(&before) {
            assert_ne!(scene.url(name), *before, "{scope:?}: {name}");
            assert!(scene.works(&scene.url(name)), "{scope:?}: {name}");
            let reported = &scene.status(name).conditions;
            let fails = reported
                .iter()
                .any(|reported| reported.type_ == "Renewed" && reported.status == False);
            assert!(!fails, "{scope:?}: {name}");
        }
    }
}

#[test]
fn an_endpoint_that_was_named_during_an_outage_of_sts_is_probed_with_the_first_session_after_it() {
    let mut scene = role(SessionScope::Store);
    scene.apply("dl", |_| {});
    scene.run(60);
    assert!(scene.url("dl").starts_with(HOME));
    cut(&mut scene);
    scene.run(HOUR + 60);
    scene.edit_store(|spec| spec.s3.endpoint = Some(OTHER.to_owned()));
    // The probe that finds no session that still works is not the last one for minutes.
    scene.run(1000);
    assert_eq!(scene.store_says("Ready").0, False);
    let given = scene.0.cloud.keys.len();
    fix(&mut scene);
    while scene.0.cloud.keys.len() == given {
        scene.run(1);
    }
    scene.run(20);
    assert!(scene.url("dl").starts_with(OTHER), "{}", scene.url("dl"));
    assert!(scene.works(&scene.url("dl")));
    assert_eq!(scene.store_says("Ready").0, True);
}

#[test]
fn a_session_that_sts_refuses_blocks_no_other() {
    let mut scene = role(SessionScope::Request);
    let refused = "team-a@dl-0".to_owned();
    let too_large = Reason::SessionPolicyTooLarge;
    scene.0.cloud.refused.insert(refused.clone(), too_large);
    let names = many(&mut scene, 20);
    scene.run(60);
    assert_eq!(
        scene.ready(&names[0]),
        (false, "SessionPolicyTooLarge".to_owned())
    );
    assert_eq!(scene.condition(&names[0], "Stalled").status, True);
    for name in &names[1..] {
        assert_eq!(scene.ready(name), (true, "Issued".to_owned()), "{name}");
    }
    scene.run(HOUR);
    // Retried every five minutes, in case somebody fixed the role.
    assert!(
        session_requests(&scene, &refused) <= 14,
        "{}",
        session_requests(&scene, &refused)
    );
    scene.0.cloud.refused.clear();
    scene.run(5 * 60 + 5);
    assert_eq!(scene.ready(&names[0]), (true, "Issued".to_owned()));
}

#[test]
fn a_thousand_sessions_are_fetched_four_at_a_time() {
    let mut scene = role(SessionScope::Request);
    scene.run(10);
    scene.0.faults.slow.insert(StepKind::FetchCredentials, 1);
    let before = scene.0.records.len();
    let names = many(&mut scene, 1000);
    scene.run(265);
    let landed: Vec<i64> = scene.0.records[before..]
        .iter()
        .filter(|record| record.kind == StepKind::FetchCredentials)
        .map(|record| record.at.as_second())
        .collect();
    for second in &landed {
        let at_once = landed.iter().filter(|other| *other == second).count();
        // The store's own session is not a resource's.
        assert!(at_once <= 5, "{at_once} sessions in one second");
    }
    for name in &names {
        assert_eq!(scene.ready(name), (true, "Issued".to_owned()), "{name}");
        assert!(scene.works(&scene.url(name)), "{name}");
    }
}

#[test]
fn a_session_of_an_hour_under_a_request_for_twelve_makes_no_storm() {
    for scope in [SessionScope::Store, SessionScope::Namespace] {
        let mut scene = role(scope);
        let names = many(&mut scene, 100);
        scene.run(60);
        let (before, start) = (scene.0.cloud.sessions.len(), fetches(&scene).len());
        scene.run(6 * HOUR);
        let calls = scene.0.cloud.sessions.len() - before;
        assert!(calls > 0, "{scope:?}");
        let per_minute = fetches(&scene)[start..].iter().fold(
            std::collections::BTreeMap::new(),
            |mut counts, at| {
                *counts.entry(at / 60).or_insert(0) += 1;
                counts
            },
        );
        let most = per_minute.values().max().copied().unwrap_or(0);
        // A session of the namespace comes beside the store's own, by which it is watched.
        let allowed = if scope == SessionScope::Store { 1 } else { 2 };
        assert!(most <= allowed, "{scope:?}: {most} calls in one minute");
        for name in &names {
            assert!(scene.works(&scene.url(name)), "{scope:?}: {name}");
        }
    }
}

#[test]
fn sessions_for_requests_are_fetched_once_for_each_renewal() {
    let mut scene = role(SessionScope::Request);
    let names = many(&mut scene, 10);
    scene.run(6 * HOUR);
    for name in &names {
        let revision = scene.status(name).revision.unwrap();
        let calls = session_requests(&scene, &format!("team-a@{name}"));
        assert!(
            u64::try_from(calls).unwrap() <= u64::try_from(revision).unwrap() + 1,
            "{name}: {calls} calls for revision {revision}"
        );
        assert!(scene.works(&scene.url(name)), "{name}");
    }
}

#[test]
fn if_the_session_may_do_nothing_else_a_store_that_accepts_unsigned_headers_gets_uploads() {
    let upload = |scope| {
        let mut scene = role(scope);
        scene.0.cloud.server(HOME).accepts_unsigned = true;
        scene.apply("up", |spec| spec.method = Some(Method::Put));
        scene.run(60);
        scene.ready("up")
    };
    let refused = (false, "UnsignedHeadersAccepted".to_owned());
    assert_eq!(upload(SessionScope::Request), (true, "Issued".to_owned()));
    assert_eq!(upload(SessionScope::Namespace), refused);
    assert_eq!(upload(SessionScope::Store), refused);
}

#[test]
fn a_store_is_watched_though_only_narrowed_sessions_sign() {
    for scope in [SessionScope::Namespace, SessionScope::Request] {
        let mut scene = role(scope);
        scene.apply("dl", |_| {});
        scene.run(30);
        // The store's own session ends, and nobody signs with it.
        scene.run(3 * HOUR);
        scene.0.cloud.server(HOME).ahead = -200;
        scene.0.cloud.server(HOME).accepts_unsigned = true;
        scene.run(2 * HOUR);
        let reported = scene.store_says("ClockInSync");
        assert_eq!(reported, (False, "ClockSkewed".to_owned()), "{scope:?}");
        assert_eq!(scene.store_says("UnsignedHeadersRejected").0, False);
        let parts = Parts::of(&scene.url("dl")).unwrap();
        let issued_at = scene.status("dl").issue_time.unwrap().as_second();
        assert_eq!(parts.start.as_second(), issued_at - 230, "{scope:?}");
    }
}

#[test]
fn what_a_narrowed_session_signs_first_waits_for_the_stores_clock() {
    let mut scene = role(SessionScope::Request);
    scene.0.cloud.server(HOME).ahead = 240;
    scene.0.faults.slow.insert(StepKind::SendRequests, 5);
    // It is the first after a long rest, in which the store's own session ended and the clock was stepped.
    for name in ["first", "second"] {
        scene.apply(name, |_| {});
        scene.run(30);
        let issued_at = scene.status(name).issue_time.unwrap().as_second();
        let parts = Parts::of(&scene.url(name)).unwrap();
        assert_eq!(parts.start.as_second(), issued_at + 210, "{name}");
        scene.0.cluster.delete_resource("team-a", name, scene.0.now);
        scene.run(2 * HOUR);
        scene.0.step_clock(60);
    }
}

#[test]
fn what_was_signed_before_the_stores_clock_could_be_read_is_signed_again() {
    let mut scene = role(SessionScope::Request);
    scene.0.cloud.server(HOME).ahead = 240;
    // The store's own session cannot be had for a while; that of the resource can.
    let own = "store=default".to_owned();
    let refused = &mut scene.0.cloud.refused;
    refused.insert(own.clone(), Reason::CredentialsUnavailable);
    scene.apply("dl", |_| {});
    scene.run(30);
    let url = scene.url("dl");
    scene.0.cloud.refused.remove(&own);
    scene.run(900);
    assert_ne!(scene.url("dl"), url);
    let parts = Parts::of(&scene.url("dl")).unwrap();
    let issued_at = scene.status("dl").issue_time.unwrap().as_second();
    assert_eq!(parts.start.as_second(), issued_at + 210);
}

//! The first probe of a new store binds as the probe of a change does: nothing new is signed with what the
//! store rejected, and no condition claims what was not measured.

use std::time::Duration;

use presigned_core::api::ConditionStatus::{False, True, Unknown};
use presigned_core::api::{
    AssumeRoleCredentials, AssumedRole, ContentLengthRange, Method, PolicyMethod, PostOptions,
    PresignedUrlSpec, Renew, SessionScope, StoreCredentials, Verify,
};
use presigned_core::engine::{ErrorCode, Event, TlsError, TransportError};

use crate::common::cloud::Source;
use crate::common::specs;
use crate::common::world::StepKind;
use crate::scene::{HOME, NS, Scene};

fn link(spec: &mut PresignedUrlSpec) {
    spec.renew = Some(Renew::Never);
    spec.duration = Some("1h".to_owned());
}

fn form(spec: &mut PresignedUrlSpec) {
    spec.method = Some(Method::Post);
    spec.post = Some(Box::new(PostOptions {
        content_length_range: Some(ContentLengthRange {
            min: None,
            max: 1000,
        }),
        ..PostOptions::default()
    }));
}

/// One resource of each kind, on a new store that was prepared so.
pub fn new_store(prepare: impl FnOnce(&mut Scene)) -> Scene {
    let mut scene = Scene::new();
    let now = scene.0.now;
    let mut rule = specs::rule(&["data"], &["{namespace}/"], "12h");
    rule.methods.push(PolicyMethod::Post);
    let policy = specs::policy(&[NS], vec![rule]);
    scene.0.cluster.put_policy("base", Ok(policy), now);
    prepare(&mut scene);
    scene.apply("dl", |spec| spec.verify = None);
    scene.apply("require", |spec| spec.verify = Some(Verify::Require));
    scene.apply("never", |spec| spec.verify = Some(Verify::Never));
    scene.apply("link", link);
    scene.apply("up", |spec| spec.method = Some(Method::Put));
    scene.apply("form", form);
    scene.run(60);
    scene
}

pub const NAMES: [&str; 6] = ["dl", "require", "never", "link", "up", "form"];

/// The store says the reason, and nothing is signed. After the fix everything is.
pub fn signs_nothing_until(mut scene: Scene, reason: &str, fix: impl FnOnce(&mut Scene)) {
    assert_eq!(scene.store_says("Ready"), (False, reason.to_owned()));
    for name in NAMES {
        assert!(scene.secret(name).is_none(), "{name} was signed");
        assert_eq!(scene.ready(name), (false, reason.to_owned()), "{name}");
    }
    let steps = scene.steps(|scene| scene.run(3600));
    assert_eq!(steps, [], "nothing is tried but the store");
    fix(&mut scene);
    scene.0.cloud.put_object("data", "team-a/file.bin");
    scene.run(310);
    let ready = (True, "CredentialsReady".to_owned());
    assert_eq!(scene.store_says("Ready"), ready);
    for name in NAMES {
        assert_eq!(scene.ready(name), (true, "Issued".to_owned()), "{name}");
    }
}

#[test]
fn nothing_is_signed_with_a_key_that_the_store_never_knew() {
    let unknown = |scene: &mut Scene| {
        let now = scene.0.now;
        let key = scene.rotate();
        scene.0.cloud.keys.get_mut(&key).unwrap().revoked = Some(now);
    };
    signs_nothing_until(new_store(unknown), "CredentialsInvalid", |scene| {
        scene.rotate();
    });
    let known_later = |scene: &mut Scene| {
        for key in scene.0.cloud.keys.values_mut() {
            key.revoked = None;
        }
    };
    signs_nothing_until(new_store(unknown), "CredentialsInvalid", known_later);
}

#[test]
fn nothing_is_signed_for_a_web_page() {
    let scene = new_store(|scene| scene.0.cloud.server(HOME).foreign = true);
    signs_nothing_until(scene, "UnexpectedResponse", |scene| {
        scene.0.cloud.server(HOME).foreign = false;
    });
}

#[test]
fn nothing_is_signed_for_a_store_that_refuses_the_kind_of_signature() {
    for code in [
        ErrorCode::CredentialsRefused(None),
        ErrorCode::SignatureRefused(None),
    ] {
        let scene = new_store(|scene| {
            scene.0.cloud.server(HOME).refuses = Some(("/".to_owned(), code));
        });
        signs_nothing_until(scene, "CredentialsInvalid", |scene| {
            scene.0.cloud.server(HOME).refuses = None;
        });
    }
}

#[test]
fn nothing_is_signed_for_a_region_that_the_server_does_not_serve() {
    let serves = |scene: &mut Scene| {
        scene.0.cloud.server(HOME).region = Some("garage".to_owned());
    };
    signs_nothing_until(new_store(serves), "WrongRegion", |scene| {
        scene.edit_store(|spec| spec.s3.region = "garage".to_owned());
    });
}

#[test]
fn what_was_issued_before_a_rejection_stays_and_nothing_new_is_signed() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    let now = scene.0.now;
    for key in scene.0.cloud.keys.values_mut() {
        key.revoked = Some(now);
    }
    scene.run(2 * 3600);
    let invalid = (False, "CredentialsInvalid".to_owned());
    assert_eq!(scene.store_says("Ready"), invalid);
    scene.apply("new", |_| {});
    scene.run(30);
    assert_eq!(scene.ready("new"), (false, invalid.1.clone()));
    assert!(scene.secret("new").is_none());
    assert_eq!(scene.url("dl"), url);
}

#[test]
fn a_rejected_store_is_rejected_after_a_start_too_and_the_start_writes_nothing() {
    let mut scene = new_store(|scene| scene.0.cloud.server(HOME).foreign = true);
    let writes = scene.writes(|scene| {
        scene.restart();
        scene.run(60);
    });
    assert_eq!(writes, []);
    for name in NAMES {
        let now = scene.0.now;
        scene.0.cluster.delete_resource(NS, name, now);
    }
    scene.run(60);
    let writes = scene.writes(|scene| {
        scene.restart();
        scene.run(60);
    });
    assert_eq!(writes, []);
    let unexpected = (False, "UnexpectedResponse".to_owned());
    assert_eq!(scene.store_says("Ready"), unexpected);
}

#[test]
fn a_page_in_front_of_a_store_that_worked_does_not_stop_it() {
    let mut scene = Scene::issued("dl");
    scene.0.cloud.server(HOME).foreign = true;
    scene.run(2 * 3600);
    let unexpected = (Unknown, "UnexpectedResponse".to_owned());
    assert_eq!(scene.store_says("Ready"), unexpected);
    scene.apply("new", |_| {});
    scene.run(30);
    assert_eq!(scene.ready("new"), (true, "Issued".to_owned()));
}

#[test]
fn a_store_that_cannot_be_reached_says_so_and_signs() {
    for (error, reason) in [
        (TransportError::Host, "HostNotFound"),
        (TransportError::Connection, "ConnectionFailed"),
        (TransportError::Tls(TlsError::Other), "TLSFailed"),
        (
            TransportError::Timeout(Duration::from_secs(5)),
            "StoreUnavailable",
        ),
    ] {
        let mut scene = Scene::new();
        scene.0.cloud.server(HOME).down = Some(error);
        scene.apply("dl", |_| {});
        scene.run(60);
        assert_eq!(scene.store_says("Ready"), (Unknown, reason.to_owned()));
        assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
        assert_eq!(
            scene.store_says("ClockInSync"),
            (Unknown, "ClockUnknown".to_owned())
        );
        let writes = scene.writes(|scene| {
            scene.restart();
            scene.run(60);
        });
        assert!(!writes.contains(&StepKind::WriteStoreStatus), "{writes:?}");
    }
}

#[test]
fn a_store_that_nobody_uses_does_not_claim_that_it_was_tried() {
    let mut scene = Scene::new();
    scene.run(30);
    assert_eq!(scene.store_says("Ready"), (True, "NotProbed".to_owned()));
    let not_read = (Unknown, "ClockUnknown".to_owned());
    assert_eq!(scene.store_says("ClockInSync"), not_read);
    let read = |seconds| Event::ApiClock(jiff::SignedDuration::from_secs(seconds));
    scene.0.report(&read(3));
    scene.run(30);
    assert_eq!(scene.store_says("ClockInSync"), not_read);
    // Signatures would be dated by the API server's clock.
    scene.0.report(&read(100));
    scene.run(30);
    let skewed = (False, "ClockSkewed".to_owned());
    assert_eq!(scene.store_says("ClockInSync"), skewed);
    scene.0.report(&read(0));
    scene.apply("dl", |_| {});
    scene.run(30);
    let agrees = (True, "ClockInSync".to_owned());
    assert_eq!(scene.store_says("ClockInSync"), agrees);
    let ready = (True, "CredentialsReady".to_owned());
    assert_eq!(scene.store_says("Ready"), ready);
}

#[test]
fn a_bucket_that_does_not_exist_says_nothing_of_the_key() {
    let mut scene = Scene::new();
    scene.0.cloud.server(HOME).missing = vec!["data".to_owned()];
    scene.apply("dl", |_| {});
    scene.run(30);
    let undecided = (Unknown, "NoSuchBucket".to_owned());
    assert_eq!(scene.store_says("Ready"), undecided);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    // Its clock was read all the same.
    assert_eq!(scene.store_says("ClockInSync").0, True);
}

#[test]
fn a_store_of_the_same_name_is_another_store() {
    let mut scene = Scene::issued("dl");
    let spec = *scene.0.cluster.stores["default"].spec.clone().unwrap();
    let now = scene.0.now;
    scene.0.cloud.server(HOME).down = Some(TransportError::Timeout(Duration::from_secs(5)));
    scene.0.cluster.delete_store("default", now);
    scene.0.cluster.put_store("default", Ok(spec), now);
    scene.run(60);
    let not_read = (Unknown, "ClockUnknown".to_owned());
    assert_eq!(scene.store_says("ClockInSync"), not_read);
    let unknown = (Unknown, "StoreUnavailable".to_owned());
    assert_eq!(scene.store_says("Ready"), unknown);
}

#[test]
fn a_session_that_the_store_rejects_is_replaced_by_another_one() {
    let mut scene = Scene::new();
    let sessions = || Source::Sessions {
        length: 43_200,
        current: None,
    };
    let now = scene.0.now;
    scene.0.cloud.sources.insert("s3".to_owned(), sessions());
    scene.0.cluster.touch_own_secret("s3", now);
    scene.apply("dl", |_| {});
    scene.run(30);
    let now = scene.0.now;
    for key in scene.0.cloud.keys.values_mut() {
        key.revoked = Some(now);
    }
    scene.0.cloud.sources.insert("s3".to_owned(), sessions());
    scene.run(3700);
    let ready = (True, "CredentialsReady".to_owned());
    assert_eq!(scene.store_says("Ready"), ready);
    scene.apply("new", |_| {});
    scene.run(30);
    assert!(scene.works(&scene.url("new")));
}

/// A store whose role gives sessions of a quarter of an hour.
fn short_sessions(scope: SessionScope) -> Scene {
    let mut scene = Scene::new();
    let role = "arn:aws:iam::111122223333:role/app";
    let sessions = Source::Sessions {
        length: 900,
        current: None,
    };
    scene.0.cloud.sources.insert(role.to_owned(), sessions);
    scene.edit_store(|store| {
        store.s3.credentials = StoreCredentials {
            assume_role: Some(AssumeRoleCredentials {
                role: AssumedRole {
                    role_arn: role.to_owned(),
                    scope: Some(scope),
                    ..AssumedRole::default()
                },
                ..AssumeRoleCredentials::default()
            }),
            ..StoreCredentials::default()
        };
    });
    scene
}

/// The store is repaired after its session has expired.
fn is_issued_after(mut scene: Scene, repair: impl FnOnce(&mut Scene)) {
    scene.run(2000);
    assert!(!scene.ready("dl").0);
    repair(&mut scene);
    scene.run(310);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn a_rejected_store_is_probed_after_its_session_has_expired() {
    for scope in [SessionScope::Store, SessionScope::Request] {
        let mut scene = short_sessions(scope);
        scene.0.cloud.server(HOME).foreign = true;
        scene.apply("dl", |_| {});
        is_issued_after(scene, |scene| scene.0.cloud.server(HOME).foreign = false);
    }
}

#[test]
fn a_store_whose_clock_is_off_is_probed_after_its_session_has_expired() {
    for scope in [SessionScope::Store, SessionScope::Request] {
        let mut scene = short_sessions(scope);
        scene.0.cloud.server(HOME).ahead = -1000;
        scene.apply("dl", |_| {});
        is_issued_after(scene, |scene| scene.0.cloud.server(HOME).ahead = 0);
    }
}

#[test]
fn a_store_that_accepts_unsigned_headers_is_probed_after_its_session_has_expired() {
    let mut scene = short_sessions(SessionScope::Store);
    scene.0.cloud.server(HOME).accepts_unsigned = true;
    scene.apply("dl", |spec| spec.method = Some(Method::Put));
    scene.run(6000);
    assert!(!scene.ready("dl").0);
    scene.0.cloud.server(HOME).accepts_unsigned = false;
    scene.run(3700);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn a_rejection_stands_while_the_store_is_silent() {
    let silent = || Some(TransportError::Connection);
    let mut page = new_store(|scene| scene.0.cloud.server(HOME).foreign = true);
    page.0.cloud.server(HOME).down = silent();
    signs_nothing_until(page, "UnexpectedResponse", |scene| {
        let server = scene.0.cloud.server(HOME);
        (server.down, server.foreign) = (None, false);
    });
    let mut unknown = new_store(|scene| {
        let now = scene.0.now;
        let key = scene.rotate();
        scene.0.cloud.keys.get_mut(&key).unwrap().revoked = Some(now);
    });
    unknown.0.cloud.server(HOME).down = silent();
    signs_nothing_until(unknown, "CredentialsInvalid", |scene| {
        scene.0.cloud.server(HOME).down = None;
        scene.rotate();
    });
}

#[test]
fn a_session_that_has_expired_by_the_stores_clock_lifts_no_rejection() {
    let mut scene = short_sessions(SessionScope::Store);
    let server = scene.0.cloud.server(HOME);
    (server.region, server.ahead) = (Some("garage".to_owned()), 200);
    scene.apply("dl", |_| {});
    for _ in 0..120 {
        scene.run(60);
        let wrong = (False, "WrongRegion".to_owned());
        assert_eq!(scene.store_says("Ready"), wrong);
        assert!(scene.secret("dl").is_none(), "signed for the wrong region");
    }
}

#[test]
fn a_place_that_is_rejected_is_rejected_for_each_session_that_comes() {
    let mut scene = Scene::issued("dl");
    let sessions = Source::Sessions {
        length: 900,
        current: None,
    };
    let now = scene.0.now;
    scene.0.cloud.sources.insert("s3".to_owned(), sessions);
    scene.0.cluster.touch_own_secret("s3", now);
    let elsewhere = "https://elsewhere.example.test";
    scene.0.cloud.server(elsewhere).region = Some("garage".to_owned());
    scene.edit_store(|store| store.s3.endpoint = Some(elsewhere.to_owned()));
    scene.run(60);
    scene.restart();
    while scene.secret("dl").is_some() {
        scene.run(600);
    }
    scene.slow(StepKind::SendRequests, 5);
    for _ in 0..60 {
        scene.run(60);
        let wrong = (False, "WrongRegion".to_owned());
        assert_eq!(scene.store_says("Ready"), wrong);
        assert!(scene.secret("dl").is_none(), "signed for the wrong region");
    }
}

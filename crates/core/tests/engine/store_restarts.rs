//! A restart, or another leader, changes nothing of what is known of a store: what the store rejected stays
//! rejected, what it accepted stays proven, and no condition speaks of another place.

use presigned_core::api::ConditionStatus::{False, Unknown};
use presigned_core::engine::TransportError;

use crate::common::specs;
use crate::common::world::StepKind;
use crate::first_probe::{new_store, signs_nothing_until};
use crate::scene::{HOME, NS, OTHER, Scene};

const SILENT: Option<TransportError> = Some(TransportError::Connection);

/// A new key that the server does not know.
fn rotate_to_a_bad_key(scene: &mut Scene) -> String {
    let key = scene.rotate();
    let now = scene.0.now;
    scene.0.cloud.keys.get_mut(&key).unwrap().revoked = Some(now);
    key
}

fn move_to_other(scene: &mut Scene) {
    scene.edit_store(|spec| spec.s3.endpoint = Some(OTHER.to_owned()));
}

fn unused(scene: &mut Scene, name: &str) {
    let now = scene.0.now;
    scene.0.cluster.delete_resource(NS, name, now);
    scene.run(60);
}

#[test]
fn a_rejection_stands_over_a_restart_while_the_store_is_silent() {
    let mut page = new_store(|scene| scene.0.cloud.server(HOME).foreign = true);
    page.0.cloud.server(HOME).down = SILENT;
    page.restart();
    page.run(60);
    signs_nothing_until(page, "UnexpectedResponse", |scene| {
        let server = scene.0.cloud.server(HOME);
        (server.down, server.foreign) = (None, false);
    });
    let mut region = new_store(|scene| {
        scene.0.cloud.server(HOME).region = Some("garage".to_owned());
    });
    region.0.cloud.server(HOME).down = SILENT;
    region.restart();
    region.run(60);
    signs_nothing_until(region, "WrongRegion", |scene| {
        let server = scene.0.cloud.server(HOME);
        (server.down, server.region) = (None, None);
    });
    let mut unknown = new_store(|scene| {
        rotate_to_a_bad_key(scene);
    });
    unknown.0.cloud.server(HOME).down = SILENT;
    unknown.restart();
    unknown.run(60);
    signs_nothing_until(unknown, "CredentialsInvalid", |scene| {
        scene.0.cloud.server(HOME).down = None;
        scene.rotate();
    });
}

#[test]
fn a_key_that_was_rejected_on_trial_signs_nothing_after_a_restart_while_the_store_is_silent() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    rotate_to_a_bad_key(&mut scene);
    scene.run(600);
    scene.0.cloud.server(HOME).down = SILENT;
    scene.restart();
    scene.apply("new", |_| {});
    scene.run(2 * 3600);
    assert_eq!(scene.url("dl"), url);
    assert!(scene.secret("new").is_none(), "signed with a rejected key");
    let invalid = (False, "CredentialsInvalid".to_owned());
    assert_eq!(scene.store_says("Ready"), invalid);
    let said = &scene.0.cluster.stores["default"].status.conditions;
    let ready = said.iter().find(|c| c.type_ == "Ready").unwrap();
    assert!(!ready.message.contains("still used"), "{}", ready.message);
    // Another key is not the one that was rejected.
    scene.rotate();
    scene.run(3600);
    assert!(scene.works(&scene.url("new")) && scene.works(&scene.url("dl")));
}

#[test]
fn a_place_that_was_rejected_on_trial_gets_no_url_after_a_restart_while_it_is_silent() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    scene.0.cloud.server(OTHER).foreign = true;
    move_to_other(&mut scene);
    scene.run(600);
    scene.0.cloud.server(OTHER).down = SILENT;
    scene.restart();
    scene.apply("new", |_| {});
    scene.run(2 * 3600);
    assert_eq!(scene.url("dl"), url);
    assert!(scene.secret("new").is_none(), "signed for a web page");
    let unexpected = (False, "UnexpectedResponse".to_owned());
    assert_eq!(scene.store_says("Ready"), unexpected);
}

#[test]
fn a_key_that_came_while_the_operator_was_away_is_not_the_one_that_was_rejected() {
    let mut scene = new_store(|scene| {
        rotate_to_a_bad_key(scene);
    });
    scene.0.cloud.server(HOME).down = SILENT;
    scene.rotate();
    scene.restart();
    scene.run(60);
    let unknown = (Unknown, "ConnectionFailed".to_owned());
    assert_eq!(scene.store_says("Ready"), unknown);
    assert!(scene.works(&scene.url("dl")), "signing needs no answer");
}

#[test]
fn a_page_in_front_of_a_store_that_worked_does_not_stop_it_after_a_restart_either() {
    let down_first: fn(&mut Scene) = |scene| {
        scene.0.cloud.server(HOME).down = SILENT;
        scene.run(2 * 3600);
        scene.restart();
        scene.run(60);
        scene.0.cloud.server(HOME).down = None;
        scene.0.cloud.server(HOME).foreign = true;
        scene.run(3600);
    };
    let page: fn(&mut Scene) = |scene| {
        scene.0.cloud.server(HOME).foreign = true;
        scene.run(2 * 3600);
    };
    for before in [page, down_first] {
        let mut scene = Scene::issued("dl");
        before(&mut scene);
        for _ in 0..2 {
            scene.restart();
            scene.run(2 * 3600);
            let unexpected = (Unknown, "UnexpectedResponse".to_owned());
            assert_eq!(scene.store_says("Ready"), unexpected);
        }
        scene.apply("new", |_| {});
        scene.run(30);
        assert_eq!(scene.ready("new"), (true, "Issued".to_owned()));
        let writes = scene.writes(|scene| {
            scene.restart();
            scene.run(60);
        });
        assert_eq!(writes, []);
    }
}

#[test]
fn a_restart_does_not_take_a_place_on_trial_for_one_that_worked() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    scene.0.cloud.server(OTHER).foreign = true;
    scene.0.faults.slow.insert(StepKind::SendRequests, 30);
    move_to_other(&mut scene);
    scene.run(10);
    scene.restart();
    scene.run(600);
    assert_eq!(scene.url("dl"), url);
    let unexpected = (False, "UnexpectedResponse".to_owned());
    assert_eq!(scene.store_says("Ready"), unexpected);
}

#[test]
fn a_place_that_is_named_before_the_credentials_came_is_a_new_one() {
    let mut scene = Scene::issued("dl");
    let url = scene.url("dl");
    scene.0.cloud.server(OTHER).foreign = true;
    scene.0.faults.slow.insert(StepKind::FetchCredentials, 60);
    scene.restart();
    scene.run(10);
    move_to_other(&mut scene);
    scene.run(3600);
    assert_eq!(scene.url("dl"), url);
    let unexpected = (False, "UnexpectedResponse".to_owned());
    assert_eq!(scene.store_says("Ready"), unexpected);
}

#[test]
fn the_clock_of_a_place_that_never_answered_is_not_known() {
    let not_read = (Unknown, "ClockUnknown".to_owned());
    let on_trial = || {
        let mut scene = Scene::issued("dl");
        scene.0.cloud.server(OTHER).down = SILENT;
        move_to_other(&mut scene);
        scene.run(600);
        scene
    };
    let mut scene = on_trial();
    scene.restart();
    scene.run(600);
    assert_eq!(scene.store_says("ClockInSync"), not_read);
    let mut scene = on_trial();
    unused(&mut scene, "dl");
    scene.run(600);
    assert_eq!(scene.store_says("ClockInSync"), not_read);
    // Nor what it does with headers that were not signed.
    let now = scene.0.now;
    scene.restart();
    scene.apply("up", |spec| {
        *spec = specs::get("data", "team-a/up.bin");
        spec.method = Some(presigned_core::api::Method::Put);
    });
    scene.run(600);
    assert!(scene.secret("up").is_none(), "since {now}");
}

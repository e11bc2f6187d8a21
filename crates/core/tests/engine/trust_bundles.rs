//! A store takes its private CA from a ClusterTrustBundle: nothing is signed without it, a changed one
//! reaches each Secret, and one that goes takes nothing away.

use presigned_core::api::ConditionStatus::{False, True};
use presigned_core::api::{CaBundleSource, TrustBundleRef};
use presigned_core::engine::{Event, TransportError, TrustBundleSeen};

use crate::common::specs;
use crate::common::world::StepKind;
use crate::scene::{HOME, NS, Scene};

const NAME: &str = "example.com:storage:v1";

fn pem(what: &str) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{what}\n-----END CERTIFICATE-----\n")
}

fn found(what: &str) -> TrustBundleSeen {
    TrustBundleSeen::Found(pem(what))
}

fn tell(scene: &mut Scene, seen: TrustBundleSeen) {
    scene.0.report(&Event::TrustBundle {
        name: NAME.to_owned(),
        seen: Some(seen),
    });
}

fn name_the_bundle(scene: &mut Scene) {
    scene.edit_store(|spec| {
        spec.s3.ca_bundle = None;
        spec.s3.ca_bundle_from = Some(CaBundleSource {
            cluster_trust_bundle: TrustBundleRef {
                name: NAME.to_owned(),
            },
        });
    });
}

/// A store that names the bundle, and a resource; nothing is said of the bundle yet.
fn waiting() -> Scene {
    let mut scene = Scene::new();
    name_the_bundle(&mut scene);
    scene.apply("dl", |_| {});
    scene.run(60);
    scene
}

/// The same, issued with the bundle's certificates.
fn issued() -> Scene {
    let mut scene = waiting();
    tell(&mut scene, found("one"));
    scene.run(30);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    assert_eq!(ca(&scene, "dl"), pem("one"));
    scene
}

fn ca(scene: &Scene, name: &str) -> String {
    let secret = scene.secret(name).expect("there is a Secret");
    secret.text("ca.crt").unwrap_or_default().to_owned()
}

/// What `Ready` of the store says.
fn message(scene: &Scene) -> String {
    let conditions = &scene.0.cluster.stores["default"].status.conditions;
    let ready = conditions.iter().find(|c| c.type_ == "Ready");
    ready.expect("the store has been told of").message.clone()
}

#[test]
fn before_anything_is_said_of_the_bundle_nothing_is_planned_or_reported() {
    let mut scene = waiting();
    assert!(scene.secret("dl").is_none(), "signed without a CA");
    assert!(scene.status("dl").conditions.is_empty());
    let status = &scene.0.cluster.stores["default"].status;
    assert!(status.conditions.is_empty(), "{status:?}");
    tell(&mut scene, found("one"));
    scene.run(30);
    assert_eq!(ca(&scene, "dl"), pem("one"));
    assert_eq!(scene.store_says("Ready").0, True);
    // The operator trusts it as well.
    let engine = scene.0.engine_debug();
    assert!(engine.contains("BEGIN CERTIFICATE"), "{engine}");
}

#[test]
fn a_bundle_that_cannot_be_used_signs_nothing_says_why_and_is_taken_up_once_it_can() {
    let cases = [
        (TrustBundleSeen::Missing, "does not exist: create it"),
        (
            TrustBundleSeen::NotServed,
            "this cluster serves none: set caBundle",
        ),
        (TrustBundleSeen::Forbidden, "forbids the operator to read"),
        (
            TrustBundleSeen::Unreadable("it is away".to_owned()),
            "cannot be read: it is away",
        ),
        (
            TrustBundleSeen::Found(String::new()),
            "holds no certificate: put PEM",
        ),
        (
            found(&"x".repeat(65536)),
            "a store takes 65536, since each Secret holds them",
        ),
    ];
    for (seen, words) in cases {
        let mut scene = waiting();
        tell(&mut scene, seen);
        scene.run(60);
        let invalid = (False, "StoreInvalid".to_owned());
        assert_eq!(scene.store_says("Ready"), invalid);
        let message = message(&scene);
        assert!(message.contains(words), "{message}");
        assert!(message.contains(&format!("\"{NAME}\"")), "{message}");
        assert!(scene.secret("dl").is_none(), "signed without a CA: {words}");
        assert_eq!(scene.ready("dl"), (false, "StoreInvalid".to_owned()));
        let renewed = scene.condition("dl", "Ready").message;
        assert!(renewed.contains(words), "{renewed}");
        tell(&mut scene, found("one"));
        scene.run(30);
        assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
        assert_eq!(ca(&scene, "dl"), pem("one"));
        assert_eq!(scene.store_says("Ready").0, True);
    }
}

#[test]
fn other_certificates_reach_each_secret_and_the_same_ones_write_nothing() {
    let mut scene = issued();
    let url = scene.url("dl");
    let writes = scene.writes(|scene| {
        tell(scene, found("one"));
        scene.run(600);
    });
    assert_eq!(writes, []);
    tell(&mut scene, found("two"));
    scene.run(600);
    assert_eq!(ca(&scene, "dl"), pem("two"));
    assert_ne!(scene.url("dl"), url, "each write is a new revision");
    assert!(scene.works(&scene.url("dl")));
}

#[test]
fn a_bundle_that_goes_stops_no_renewal_and_the_store_says_so() {
    for (seen, words) in [
        (TrustBundleSeen::Missing, "does not exist"),
        (TrustBundleSeen::NotServed, "this cluster serves none"),
        (TrustBundleSeen::Forbidden, "forbids"),
    ] {
        let mut scene = issued();
        let url = scene.url("dl");
        tell(&mut scene, seen);
        scene.run(60);
        assert_eq!(scene.url("dl"), url);
        assert_eq!(
            scene.store_says("Ready"),
            (False, "StoreInvalid".to_owned())
        );
        let said = message(&scene);
        assert!(said.contains(words), "{said}");
        assert!(said.contains("held before are used until"), "{said}");
        let renewal = scene.until_renewal("dl");
        scene.run(renewal + 60);
        assert_ne!(scene.url("dl"), url, "it was renewed");
        assert_eq!(ca(&scene, "dl"), pem("one"));
        scene.apply("new", |_| {});
        scene.run(30);
        assert_eq!(ca(&scene, "new"), pem("one"));
        tell(&mut scene, found("one"));
        scene.run(60);
        assert_eq!(scene.store_says("Ready").0, True);
    }
}

#[test]
fn a_restart_waits_for_the_bundle_and_writes_nothing() {
    let mut scene = issued();
    let writes = scene.writes(|scene| {
        scene.restart();
        scene.run(600);
    });
    assert_eq!(writes, [], "nothing is known of the bundle yet");
    let writes = scene.writes(|scene| {
        tell(scene, found("one"));
        scene.run(600);
    });
    assert_eq!(writes, []);
    assert_eq!(scene.store_says("Ready").0, True);
}

#[test]
fn after_a_restart_without_the_bundle_what_was_issued_stays_and_nothing_new_is_signed() {
    let mut scene = issued();
    let url = scene.url("dl");
    scene.restart();
    scene.run(10);
    tell(&mut scene, TrustBundleSeen::Missing);
    scene.apply("new", |_| {});
    scene.run(60);
    assert_eq!(scene.url("dl"), url);
    assert_eq!(ca(&scene, "dl"), pem("one"));
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    assert!(scene.secret("new").is_none(), "signed without a CA");
    tell(&mut scene, found("one"));
    scene.run(30);
    assert_eq!(ca(&scene, "new"), pem("one"));
}

#[test]
fn a_rejection_of_before_a_restart_stands_while_the_bundle_is_waited_for() {
    let mut scene = waiting();
    scene.0.cloud.server(HOME).foreign = true;
    tell(&mut scene, found("one"));
    scene.run(600);
    let unexpected = (False, "UnexpectedResponse".to_owned());
    assert_eq!(scene.store_says("Ready"), unexpected);
    scene.0.cloud.server(HOME).down = Some(TransportError::Connection);
    let writes = scene.writes(|scene| {
        scene.restart();
        scene.run(60);
        tell(scene, found("one"));
        scene.run(600);
    });
    assert!(!writes.contains(&StepKind::CreateSecret), "{writes:?}");
    assert_eq!(scene.store_says("Ready"), unexpected);
}

#[test]
fn from_an_inline_bundle_to_the_same_certificates_writes_nothing() {
    let mut scene = Scene::new();
    scene.edit_store(|spec| spec.s3.ca_bundle = Some(pem("one")));
    scene.apply("dl", |_| {});
    scene.run(600);
    let url = scene.url("dl");
    name_the_bundle(&mut scene);
    scene.run(60);
    tell(&mut scene, found("one"));
    scene.run(600);
    assert_eq!(scene.url("dl"), url);
    // And back, before anything is said of a bundle that is named anew.
    scene.edit_store(|spec| {
        *spec = specs::store(HOME, Some("s3"));
        spec.s3.ca_bundle = Some(pem("two"));
    });
    scene.run(600);
    assert_eq!(ca(&scene, "dl"), pem("two"));
}

#[test]
fn while_a_bundle_that_is_named_anew_is_waited_for_nothing_that_was_learned_of_the_store_is_lost() {
    let mut scene = Scene::new();
    scene.edit_store(|spec| spec.s3.ca_bundle = Some(pem("one")));
    scene.apply("dl", |_| {});
    scene.run(600);
    scene.0.cloud.server(HOME).foreign = true;
    name_the_bundle(&mut scene);
    scene.run(60);
    tell(&mut scene, found("one"));
    scene.run(60);
    scene.apply("new", |_| {});
    scene.run(60);
    // A store that worked before is not taken for one that never did.
    assert_eq!(scene.ready("new"), (true, "Issued".to_owned()));
}

#[test]
fn a_store_without_its_bundle_holds_up_no_other_and_no_removal_of_the_store() {
    let mut scene = waiting();
    let now = scene.0.now;
    let other = specs::store(HOME, Some("s3"));
    scene.0.cluster.put_store("other", Ok(other), now);
    scene.apply("elsewhere", |spec| {
        spec.store_ref = Some(presigned_core::api::StoreRef {
            name: Some("other".to_owned()),
            ..presigned_core::api::StoreRef::default()
        });
    });
    scene.run(30);
    assert_eq!(scene.ready("elsewhere"), (true, "Issued".to_owned()));
    assert!(scene.secret("dl").is_none(), "signed without a CA");
    scene.0.cluster.delete_store("default", now);
    scene.run(30);
    assert_eq!(scene.ready("dl"), (false, "StoreNotFound".to_owned()));
    scene.0.cluster.delete_resource(NS, "dl", now);
    scene.run(30);
}

#[test]
fn only_bundles_that_stores_name_are_watched_and_one_that_is_not_any_more_is_forgotten() {
    use presigned_core::engine::{Engine, Settings, StoreSeen};

    let now = crate::common::at(1_800_000_000);
    let mut engine = Engine::new(Settings::default()).unwrap();
    let mut version = 0;
    let mut put = |engine: &mut Engine, named: bool| {
        version += 1;
        let mut spec = specs::store(HOME, Some("s3"));
        spec.s3.ca_bundle_from = named.then(|| CaBundleSource {
            cluster_trust_bundle: TrustBundleRef {
                name: NAME.to_owned(),
            },
        });
        let seen = StoreSeen {
            name: "default".to_owned(),
            uid: "uid".to_owned(),
            resource_version: format!("{version}"),
            generation: version,
            spec: Ok(Box::new(spec)),
            status: presigned_core::api::ClusterObjectStoreStatus::default(),
        };
        let change = presigned_core::engine::Change::Apply(seen);
        engine.on(Event::Store(change), now);
    };
    let told = |engine: &mut Engine, seen| {
        let name = NAME.to_owned();
        engine.on(Event::TrustBundle { name, seen }, now);
    };
    let knows = |engine: &Engine| format!("{engine:?}").contains("BEGIN CERTIFICATE");
    put(&mut engine, false);
    assert!(engine.named_trust_bundles().is_empty());
    put(&mut engine, true);
    assert!(engine.named_trust_bundles().contains(NAME));
    told(&mut engine, Some(found("one")));
    assert!(knows(&engine));
    // It is named again before its watch ended.
    put(&mut engine, false);
    put(&mut engine, true);
    told(&mut engine, None);
    assert!(knows(&engine));
    told(&mut engine, Some(TrustBundleSeen::Missing));
    assert!(knows(&engine));
    put(&mut engine, false);
    told(&mut engine, None);
    assert!(!knows(&engine));
}

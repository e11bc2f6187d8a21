//! Roles whose sessions are narrowed to one request: a role's session signs nothing once the store names
//! another role.

use std::collections::BTreeSet;

use presigned_core::api::{
    AssumeRoleCredentials, AssumedRole, ClusterObjectStoreSpec, Reason, SessionScope,
    StoreCredentials,
};
use presigned_core::engine::CredentialsError;

use crate::common::cloud::Source;
use crate::common::specs;
use crate::common::url::Parts;
use crate::common::world::{Fault, StepKind};
use crate::scene::{HOME, OTHER, Scene};

const FIRST: &str = "arn:aws:iam::111122223333:role/first";
const SECOND: &str = "arn:aws:iam::111122223333:role/second";

fn of_role(endpoint: &str, role: &str) -> ClusterObjectStoreSpec {
    let mut spec = specs::store(endpoint, None);
    spec.s3.credentials = StoreCredentials {
        assume_role: Some(AssumeRoleCredentials {
            role: AssumedRole {
                role_arn: role.to_owned(),
                scope: Some(SessionScope::Request),
                ..AssumedRole::default()
            },
            ..AssumeRoleCredentials::default()
        }),
        ..StoreCredentials::default()
    };
    spec
}

fn with_two_roles() -> Scene {
    let mut scene = Scene::new();
    for role in [FIRST, SECOND] {
        let sessions = Source::Sessions {
            length: 3600,
            current: None,
        };
        scene.0.cloud.sources.insert(role.to_owned(), sessions);
    }
    scene.edit_store(|spec| *spec = of_role(HOME, FIRST));
    scene
}

/// The keys that were given until now.
fn given(scene: &Scene) -> BTreeSet<String> {
    scene.0.cloud.keys.keys().cloned().collect()
}

/// The URL is of the other endpoint, signed once by what only the second role gave.
fn moves_to_the_second_role(scene: &mut Scene, before: &BTreeSet<String>) {
    let steps = scene.steps(|scene| scene.run(600));
    let writes = steps
        .iter()
        .filter(|kind| **kind == StepKind::UpdateSecret)
        .count();
    assert_eq!(writes, 1, "{steps:?}");
    let parts = Parts::of(&scene.url("dl")).unwrap();
    assert_eq!(parts.origin, OTHER);
    assert!(!before.contains(&parts.access_key_id));
    assert!(scene.works(&scene.url("dl")));
}

#[test]
fn a_session_of_the_earlier_role_signs_nothing_after_an_invalid_spec() {
    let mut scene = with_two_roles();
    scene.apply("dl", |_| {});
    scene.run(60);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    let now = scene.0.now;
    let broken = Err("spec.s3.region: missing".to_owned());
    scene.0.cluster.put_store("default", broken, now);
    scene.run(60);
    let before = given(&scene);
    let now = scene.0.now;
    scene
        .0
        .cluster
        .put_store("default", Ok(of_role(OTHER, SECOND)), now);
    moves_to_the_second_role(&mut scene, &before);
}

#[test]
fn a_session_of_the_earlier_role_signs_nothing_if_the_new_role_gave_none() {
    let mut scene = with_two_roles();
    let failure = CredentialsError {
        reason: Reason::CredentialsInvalid,
        message: "the STS says no".to_owned(),
    };
    scene.plan(StepKind::FetchCredentials, Fault::NoCredentials(failure));
    scene.run(5);
    scene.apply("dl", |_| {});
    scene.run(60);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    let before = given(&scene);
    scene.edit_store(|spec| *spec = of_role(OTHER, SECOND));
    moves_to_the_second_role(&mut scene, &before);
}

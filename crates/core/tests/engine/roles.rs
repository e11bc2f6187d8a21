//! Roles whose sessions are narrowed to one request: a role's session signs nothing once the store names
//! another role.

use std::collections::BTreeSet;

use presigned_core::api::{
    AssumeRoleCredentials, AssumedRole, ClusterObjectStoreSpec, Reason, SecretCredentials,
    SessionScope, StoreCredentials,
};
use presigned_core::engine::{CredentialsError, ErrorCode, ObjectKey};

use crate::common::cloud::Source;
use crate::common::specs;
use crate::common::url::Parts;
use crate::common::world::{Fault, Record, StepKind};
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

#[test]
fn a_deleted_secret_of_a_roles_keys_signs_nothing_new_with_the_sessions_at_hand() {
    let mut scene = with_two_roles();
    scene.edit_store(|spec| {
        let role = spec.s3.credentials.assume_role.as_mut().unwrap();
        role.source_secret_ref = Some(SecretCredentials {
            name: "base".to_owned(),
            keys: None,
        });
    });
    let now = scene.0.now;
    scene.0.cluster.touch_own_secret("base", now);
    scene.apply("dl", |spec| spec.duration = Some("10m".to_owned()));
    scene.run(60);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    let url = scene.url("dl");
    let now = scene.0.now;
    let none = Source::Fails(Reason::CredentialsNotFound);
    let sessions = scene.0.cloud.sources.insert(FIRST.to_owned(), none);
    scene.0.cluster.delete_own_secret("base", now);
    // The same session policy: its session is at hand.
    scene.apply("new", |_| {});
    scene.run(300);
    let not_found = "CredentialsNotFound".to_owned();
    assert!(
        scene.secret("new").is_none(),
        "signed with a session at hand"
    );
    assert_eq!(scene.ready("new"), (false, not_found.clone()));
    scene.apply("dl", |spec| spec.duration = Some("9m".to_owned()));
    scene.run(120);
    assert_eq!(scene.url("dl"), url, "what lives stays as it is");
    scene
        .0
        .cloud
        .sources
        .insert(FIRST.to_owned(), sessions.unwrap());
    let now = scene.0.now;
    scene.0.cluster.touch_own_secret("base", now);
    scene.run(60);
    assert!(scene.works(&scene.url("new")) && scene.url("dl") != url);
}

#[test]
fn a_session_that_expires_on_trial_is_replaced_at_the_next_probe() {
    let mut scene = with_two_roles();
    scene.apply("dl", |_| {});
    scene.run(60);
    let sessions = Source::Sessions {
        length: 900,
        current: None,
    };
    scene.0.cloud.sources.insert(SECOND.to_owned(), sessions);
    let refuses = Some(("/".to_owned(), ErrorCode::SignatureRefused(None)));
    scene.0.cloud.server(OTHER).refuses = refuses;
    scene.edit_store(|spec| *spec = of_role(OTHER, SECOND));
    let before = scene.0.records.len();
    scene.run(1800);
    let of_store = |record: &&Record| matches!(record.key, ObjectKey::Store(_));
    let tried = scene.0.records[before..].iter().filter(of_store);
    let tried: Vec<i64> = tried.map(|record| record.at.as_second()).collect();
    let longest = tried.windows(2).map(|two| two[1] - two[0]).max();
    assert!(longest <= Some(330), "{longest:?} s between two tries");
}

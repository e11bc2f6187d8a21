//! Without any right to read Secrets: the uid in the answer to a create is the only proof of ownership.

use crate::common::world::StepKind;
use crate::scene::Scene;

/// `dl`, issued by an operator that may not read Secrets.
fn issued() -> Scene {
    let mut scene = Scene::blind();
    scene.apply("dl", |_| {});
    scene.run(30);
    scene
}

#[test]
fn nothing_is_read_and_renewals_work() {
    let mut scene = Scene::blind();
    let steps = scene.steps(|scene| {
        scene.apply("dl", |_| {});
        scene.run(30);
        let wait = scene.until_renewal("dl");
        scene.run(wait);
    });
    let expected = [
        StepKind::CreateSecret,
        StepKind::WriteStatus,
        StepKind::PublishEvent,
        StepKind::UpdateSecret,
        StepKind::WriteStatus,
    ];
    assert_eq!(steps, expected);
    assert!(scene.works(&scene.url("dl")));
}

#[test]
fn a_foreign_secret_is_a_conflict_that_ends_by_itself() {
    let mut scene = Scene::blind();
    let now = scene.0.now;
    scene
        .0
        .cluster
        .create_foreign_secret(&Scene::place("dl"), now);
    scene.apply("dl", |_| {});
    scene.run(3600);
    assert_eq!(scene.ready("dl"), (false, "SecretConflict".to_owned()));
    let now = scene.0.now;
    scene
        .0
        .cluster
        .delete_secret_by_hand(&Scene::place("dl"), now);
    scene.run(301);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn a_deleted_secret_is_written_again_at_renewal() {
    let mut scene = issued();
    let now = scene.0.now;
    scene
        .0
        .cluster
        .delete_secret_by_hand(&Scene::place("dl"), now);
    let wait = scene.until_renewal("dl");
    scene.run(wait + 5);
    assert!(scene.works(&scene.url("dl")));
}

#[test]
fn a_restart_is_silent() {
    let mut scene = issued();
    let writes = scene.writes(|scene| {
        scene.restart();
        scene.run(600);
    });
    assert_eq!(writes, []);
}

#[test]
fn what_somebody_edited_is_renewed_by_its_uid() {
    let mut scene = issued();
    let now = scene.0.now;
    scene
        .0
        .cluster
        .edit_secret(&Scene::place("dl"), now, |secret| {
            secret.labels.insert("mine".to_owned(), "yes".to_owned());
        });
    let before = scene.url("dl");
    let steps = scene.steps(|scene| {
        let wait = scene.until_renewal("dl");
        scene.run(wait);
    });
    let expected = [
        StepKind::UpdateSecret,
        StepKind::UpdateSecret,
        StepKind::WriteStatus,
    ];
    assert_eq!(steps, expected);
    assert_ne!(scene.url("dl"), before);
}

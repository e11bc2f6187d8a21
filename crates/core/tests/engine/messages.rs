//! What the conditions say beyond their reason.

use presigned_core::api::{Method, Renew};

use crate::scene::Scene;

#[test]
fn an_edit_of_a_policy_that_changes_only_the_words_of_a_denial_writes_no_status() {
    let mut scene = Scene::issued("dl");
    scene.allow_buckets(&["one"]);
    scene.run(30);
    let denied = scene.condition("dl", "Ready").message;
    assert!(denied.contains("is for bucket \"one\""), "{denied}");
    let steps = scene.steps(|scene| {
        scene.allow_buckets(&["two"]);
        scene.run(60);
    });
    assert_eq!(steps, [], "no status, no Event");
    // What another field brings along is written, with the words of now.
    scene.run(600);
    assert!(scene.secret("dl").is_none());
    let denied = scene.condition("dl", "Ready").message;
    assert!(denied.contains("is for bucket \"two\""), "{denied}");
    let steps = scene.steps(|scene| {
        scene.allow_buckets(&["three"]);
        scene.run(60);
        scene.restart();
        scene.run(60);
    });
    assert_eq!(steps, [], "nor after a restart");
    scene.apply("dl", |spec| spec.duration = Some("2h".to_owned()));
    scene.run(30);
    let denied = scene.condition("dl", "Ready").message;
    assert!(denied.contains("is for bucket \"three\""), "{denied}");
    scene.allow("12h");
    scene.run(30);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn another_policy_that_cannot_be_read_writes_no_status_of_what_waits_for_the_first() {
    let mut scene = Scene::new();
    let broken = |scene: &mut Scene, name: &str| {
        let now = scene.0.now;
        let why = Err("unknown field bukets".to_owned());
        scene.0.cluster.put_policy(name, why, now);
    };
    broken(&mut scene, "base");
    scene.apply("dl", |_| {});
    scene.run(30);
    assert_eq!(scene.ready("dl"), (false, "PolicyUnknown".to_owned()));
    let steps = scene.steps(|scene| {
        broken(scene, "next");
        scene.run(60);
    });
    assert_eq!(steps, []);
}

#[test]
fn the_time_of_a_removal_is_written_though_only_a_message_says_it() {
    let mut scene = Scene::issued("dl");
    scene.allow_buckets(&["one"]);
    scene.run(30);
    let removal = scene.status("dl").internal.removal_time;
    let denied = scene.condition("dl", "Ready").message;
    let words = format!("is removed at {}", removal.expect("it is removed"));
    assert!(denied.ends_with(&words), "{denied}");
    scene.0.settings.denial_grace = presigned_core::engine::DenialGrace::Never;
    scene.restart();
    scene.run(30);
    assert_eq!(scene.status("dl").internal.removal_time, None);
    let denied = scene.condition("dl", "Ready").message;
    assert!(
        denied.contains("is removed when its URL expires"),
        "{denied}"
    );
}

#[test]
fn no_decision_reads_the_message_of_a_removal() {
    let mut scene = Scene::issued("dl");
    scene.allow_buckets(&["one"]);
    scene.run(30);
    scene.restart();
    let seen = scene.0.cluster.resources.get_mut(&Scene::place("dl"));
    for condition in &mut seen.expect("it is there").status.conditions {
        if condition.type_ == "Ready" {
            condition.message = "in the words of another release".to_owned();
        }
    }
    let steps = scene.steps(|scene| scene.run(60));
    assert_eq!(steps, [], "the words of policies alone differ");
}

#[test]
fn renewed_says_when_the_next_renewal_comes() {
    let scene = Scene::issued("dl");
    let at = scene.status("dl").renewal_time.expect("it is renewed");
    let words = format!("the next is due at {at}");
    assert_eq!(scene.condition("dl", "Renewed").message, words);
}

#[test]
fn a_healing_that_waits_says_when() {
    let mut scene = Scene::issued("dl");
    let place = Scene::place("dl");
    let edit = |scene: &mut Scene| {
        let now = scene.0.now;
        scene.0.cluster.edit_secret(&place, now, |secret| {
            secret.data.remove("url");
        });
        scene.run(5);
    };
    edit(&mut scene);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
    edit(&mut scene);
    assert_eq!(scene.ready("dl"), (false, "Progressing".to_owned()));
    let message = scene.condition("dl", "Ready").message;
    assert!(message.contains("it is fixed again at 20"), "{message}");
    scene.run(60);
    assert_eq!(scene.ready("dl"), (true, "Issued".to_owned()));
}

#[test]
fn what_is_not_renewed_says_why() {
    let mut scene = Scene::issued("dl");
    scene.apply("link", |spec| spec.renew = Some(Renew::Never));
    scene.apply("dl", |spec| spec.suspend = Some(true));
    scene.run(30);
    for (name, words) in [
        ("link", "; it is not renewed, since spec.renew is Never"),
        ("dl", "; it is not renewed while spec.suspend is true"),
    ] {
        let message = scene.condition(name, "Ready").message;
        assert!(message.contains(words), "{message}");
    }
    scene.apply("dl", |spec| spec.suspend = None);
    scene.run(30);
    let now = scene.0.now;
    scene.0.cluster.delete_store("default", now);
    scene.run(30);
    let message = scene.condition("dl", "Ready").message;
    let words = "; it is not renewed now: the condition Renewed says why";
    assert!(message.contains(words), "{message}");
}

#[test]
fn the_status_names_the_store_and_the_method_that_the_spec_leaves_out() {
    let mut scene = Scene::issued("dl");
    let now = scene.0.now;
    scene.0.cluster.delete_policy("base", now);
    scene.apply("denied", |_| {});
    scene.run(30);
    for name in ["dl", "denied"] {
        let status = scene.status(name);
        let store = status.store_ref.as_ref().map(|store| &*store.name);
        assert_eq!(store, Some("default"), "{name}");
        assert_eq!(status.method, Some(Method::Get), "{name}");
    }
    assert_eq!(scene.ready("denied"), (false, "PolicyDenied".to_owned()));
}

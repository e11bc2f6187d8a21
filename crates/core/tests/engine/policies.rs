//! What a policy says of itself.

use presigned_core::api::{AllowRule, NamespaceMatch, Reason};

use crate::common::specs;
use crate::scene::{NS, Scene};

/// What the Ready condition of a policy says: its reason and its message.
fn says(scene: &Scene, policy: &str) -> (String, String) {
    let conditions = &scene.0.cluster.policies[policy].status.conditions;
    let ready = conditions.iter().find(|c| c.type_ == "Ready");
    let ready = ready.expect("it is told");
    (ready.reason.to_string(), ready.message.clone())
}

fn put(scene: &mut Scene, name: &str, namespaces: &[&str], rules: Vec<AllowRule>) {
    let now = scene.0.now;
    let spec = specs::policy(namespaces, rules);
    scene.0.cluster.put_policy(name, Ok(spec), now);
}

#[test]
fn a_policy_that_can_allow_nothing_does_not_say_that_it_is_in_force() {
    let mut scene = Scene::new();
    let rule = || specs::rule(&["data"], &["{namespace}/"], "12h");
    let now = scene.0.now;
    let mut nobody = specs::policy(&[], vec![rule()]);
    nobody.namespaces = NamespaceMatch::default();
    scene.0.cluster.put_policy("nobody", Ok(nobody), now);
    put(&mut scene, "empty", &[NS], vec![]);
    let none = specs::rule(&["data"], &[], "12h");
    put(&mut scene, "no-prefix", &[NS], vec![none.clone()]);
    put(&mut scene, "half", &[NS], vec![rule(), none]);
    scene.run(30);
    for (policy, words) in [
        ("nobody", "spec.namespaces selects no namespace"),
        ("empty", "spec.allow holds no rule"),
        (
            "no-prefix",
            "rule \"r0\" allows nothing, since it names no prefix",
        ),
    ] {
        let (reason, message) = says(&scene, policy);
        assert_eq!(reason, "AllowsNothing", "{policy}");
        assert!(message.contains(words), "{message}");
    }
    let (reason, message) = says(&scene, "half");
    assert_eq!(reason, "Accepted");
    assert!(
        message.contains("; rule \"r1\" allows nothing"),
        "{message}"
    );
    assert_eq!(
        says(&scene, "base"),
        ("Accepted".to_owned(), "the policy is in force".to_owned())
    );
    let now = scene.0.now;
    let why = Err("unknown field bukets".to_owned());
    scene.0.cluster.put_policy("half", why, now);
    scene.run(30);
    let counts = scene.0.replicas[0]
        .engine
        .as_ref()
        .expect("it runs")
        .policies();
    let expected = [
        (Reason::Accepted, 1),
        (Reason::AllowsNothing, 3),
        (Reason::PolicyInvalid, 1),
    ];
    assert_eq!(counts, expected.into());
}

#[test]
fn a_policy_tells_of_a_bucket_that_another_policy_makes_two_namespaces_meet_in() {
    let mut scene = Scene::new();
    let own = specs::rule(&["{namespace}-data"], &["*"], "12h");
    put(&mut scene, "own", &["*"], vec![own]);
    scene.run(30);
    assert_eq!(says(&scene, "own").1, "the policy is in force");
    // The other comes later, and ends.
    let other = specs::rule(&["x-data"], &["*"], "12h");
    put(&mut scene, "other", &["*"], vec![other]);
    scene.run(30);
    let (reason, message) = says(&scene, "own");
    assert_eq!(reason, "Accepted");
    assert!(
        message.contains("bucket \"{namespace}-data\" of rule \"r0\" can be, for another namespace, the bucket \"x-data\""),
        "{message}"
    );
    let now = scene.0.now;
    scene.0.cluster.delete_policy("other", now);
    scene.run(30);
    assert_eq!(says(&scene, "own").1, "the policy is in force");
}

//! Policies that cannot be read: which namespaces they touch, and which they leave alone.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{CompiledPolicy, Decision, Namespace, PolicySet, SelectableNamespaces};
use super::{Labels, decide_for, labels, refused, request};

/// The policies with one that cannot be read, of these namespaces.
fn broken(namespaces: &Value) -> PolicySet {
    let spec = json!({"namespaces": namespaces, "allow": [{"bukets": ["data"]}]});
    let mut set = PolicySet::default();
    set.insert_unreadable("broken", SelectableNamespaces::read(&spec));
    set
}

/// Whether a namespace hears of the policy, by a decision and as one that its edit concerns.
fn touched(set: &PolicySet, name: &str, labels: &Labels) -> bool {
    let namespace = Namespace { name, labels };
    let affected = set.affects("broken", &namespace);
    match decide_for(set, name, labels, &request(&json!({}))) {
        Decision::Unknown {
            policies, unknown, ..
        } => {
            assert_eq!(policies, ["broken"]);
            assert_eq!(unknown.named.unreadable, ["broken"]);
            assert!(unknown.message.contains("\"broken\""));
            assert!(affected);
            true
        }
        decision => {
            assert!(!refused(decision).contains("broken"));
            assert!(!affected);
            false
        }
    }
}

#[test]
fn a_policy_that_cannot_be_read_touches_only_namespaces_that_it_can_select() {
    // Each with whether it touches team-a without labels, team-b with team=b, and team-c with team=c.
    for (namespaces, touches) in [
        // Readable as a whole: what it says.
        (json!({"names": ["team-a"]}), [true, false, false]),
        (json!({"names": ["team-*"]}), [true, true, true]),
        (json!({"names": []}), [false, false, false]),
        (json!({}), [false, false, false]),
        (json!({"selector": {}}), [false, false, false]),
        (
            json!({"selector": {"matchLabels": {"team": "b"}}}),
            [false, true, false],
        ),
        (
            json!({"names": ["team-b", "team-a"], "selector": {"matchLabels": {"team": "b"}}}),
            [false, true, false],
        ),
        (
            json!({"selector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}),
            [false, true, true],
        ),
        // One part cannot be read: the other narrows.
        (
            json!({"names": ["team-a"], "selector": {"matchLabel": {"team": "b"}}}),
            [true, false, false],
        ),
        (
            json!({"nmaes": ["team-a"], "selector": {"matchLabels": {"team": "b"}}}),
            [false, true, false],
        ),
        (
            json!({"names": "team-a", "selector": {"matchLabels": {"team": "b"}}}),
            [false, true, false],
        ),
        (
            json!({"names": ["Team-A", "team-b"], "selector": {"matchLabels": {"team": "c"}}}),
            [false, false, true],
        ),
        (json!({"names": ["team-b", 7]}), [true, true, true]),
        // Of a selector, each requirement that can be read narrows.
        (
            json!({"selector": {"matchLabels": {"team": "b"}, "matchExpresions": []}}),
            [false, true, false],
        ),
        (
            json!({"selector": {"matchLabels": {"team": "b", "tier": 7}}}),
            [false, true, false],
        ),
        (
            json!({"selector": {"matchExpressions": [
                {"key": "team", "operator": "NotIn", "values": ["b"]}, {"key": "tier", "operator": "Is"},
            ]}}),
            [true, false, true],
        ),
        (
            json!({"selector": {"matchExpressions": [
                {"key": "team", "operator": "Exists"}, {"key": "team", "operator": "In"},
            ]}}),
            [false, true, true],
        ),
        // Nothing can be read: it may be about any.
        (json!({"nmaes": ["team-a"]}), [true, true, true]),
        (
            json!({"selector": {"matchLabel": {"team": "b"}}}),
            [true, true, true],
        ),
        (json!({"selector": "team=b"}), [true, true, true]),
        (json!(null), [true, true, true]),
        (json!("team-a"), [true, true, true]),
        (json!(["team-a"]), [true, true, true]),
    ] {
        let set = broken(&namespaces);
        let told = [
            touched(&set, "team-a", &Labels::new()),
            touched(&set, "team-b", &labels([("team", "b")])),
            touched(&set, "team-c", &labels([("team", "c")])),
        ];
        assert_eq!(told, touches, "{namespaces}");
    }
}

#[test]
fn a_spec_without_namespaces_may_be_about_any() {
    for spec in [
        json!({}),
        json!(null),
        json!([]),
        json!({"namespace": {"names": ["a"]}}),
    ] {
        let mut set = PolicySet::default();
        set.insert_unreadable("broken", SelectableNamespaces::read(&spec));
        assert!(touched(&set, "team-a", &Labels::new()), "{spec}");
    }
}

proptest! {
    #[test]
    fn a_fault_elsewhere_touches_just_the_namespaces_that_the_policy_would_select(
        names in proptest::option::of(proptest::collection::vec("[ab*]{1,3}", 0..3)),
        pairs in proptest::option::of(proptest::collection::btree_map("[xy]", "[ab]", 0..2)),
        name in "[ab]{1,3}", own in proptest::collection::btree_map("[xy]", "[ab]", 0..3),
    ) {
        let namespaces = json!({
            "names": names, "selector": pairs.as_ref().map(|pairs| json!({"matchLabels": pairs})),
        });
        let spec = json!({"namespaces": namespaces, "allow": []});
        let spec = serde_json::from_value(spec).expect("the policy is one");
        let mut set = PolicySet::default();
        set.insert(CompiledPolicy::compile("broken", &spec).expect("it compiles"));
        let selects = set.affects("broken", &Namespace { name: &name, labels: &own });
        prop_assert_eq!(touched(&broken(&namespaces), &name, &own), selects);
        // What cannot be read besides can only be about more namespaces.
        let mut faulty = namespaces;
        faulty["extra"] = json!(1);
        if names.is_some() || pairs.is_some() {
            let touched = touched(&broken(&faulty), &name, &own);
            prop_assert!(touched || !selects);
        }
    }
}

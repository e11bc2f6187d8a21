//! Policies that can allow nothing say what they lack.

use serde_json::{Value, json};

use super::{compile, rule};

fn lacks(namespaces: &Value, rules: &[Value]) -> Option<String> {
    compile("p", namespaces, rules)
        .expect("it compiles")
        .lacks()
}

#[test]
fn a_policy_that_can_allow_nothing_says_what_it_lacks() {
    let one = [rule(&json!({}))];
    for namespaces in [
        json!({}),
        json!({"names": []}),
        json!({"selector": {}}),
        json!({"selector": {"matchLabels": {}, "matchExpressions": []}}),
        json!({"names": ["team-a"], "selector": {}}),
        json!({"names": [], "selector": {"matchLabels": {"a": "b"}}}),
    ] {
        let why = lacks(&namespaces, &one).expect("it selects nothing");
        assert!(
            why.contains("spec.namespaces selects no namespace: give"),
            "{why}"
        );
    }
    let all = json!({"names": ["*"]});
    let why = lacks(&all, &[]).expect("no rules");
    assert!(why.contains("spec.allow holds no rule: add one"), "{why}");
    for (patch, words) in [
        (json!({"stores": []}), "names no store: list it in stores"),
        (
            json!({"buckets": []}),
            "names no bucket: list it in buckets",
        ),
        (
            json!({"prefixes": []}),
            "names no prefix: list it in prefixes",
        ),
        (
            json!({"methods": []}),
            "names no method: list it in methods",
        ),
        (json!({"methods": ["LIST"]}), "allows LIST alone"),
    ] {
        let empty = rule(&patch);
        let why = lacks(&all, &[empty.clone(), empty.clone()]).expect("no rule allows anything");
        assert_eq!(why.split(" allows nothing").next(), Some("rule \"r0\""));
        assert!(why.contains(words), "{why}");
        // Another rule allows something: the policy is in force, and the empty rule can be told.
        let both = [rule(&json!({})), empty];
        assert_eq!(lacks(&all, &both), None);
        let policy = compile("p", &all, &both).expect("it compiles");
        let told = policy.lacking_rule().expect("one rule is empty");
        assert!(
            told.starts_with("rule \"r1\" allows nothing, since it "),
            "{told}"
        );
    }
}

#[test]
fn a_policy_that_can_allow_something_lacks_nothing() {
    for namespaces in [
        json!({"names": ["team-a"]}),
        json!({"selector": {"matchLabels": {"a": "b"}}}),
        json!({"selector": {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}}),
    ] {
        for methods in [json!(["HEAD"]), json!(["GET", "LIST"]), json!(["DELETE"])] {
            assert_eq!(
                lacks(&namespaces, &[rule(&json!({"methods": methods}))]),
                None
            );
        }
    }
}

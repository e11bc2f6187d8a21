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
        (
            json!({"methods": ["POST"], "maxUploadBytes": 1, "createOnly": true}),
            "takes no form, since it is createOnly, and names no other method: add PUT to methods",
        ),
        (
            json!({"methods": ["POST", "LIST"], "maxUploadBytes": 1, "createOnly": true}),
            "takes no form, since it is createOnly",
        ),
        (
            json!({"buckets": ["ab"]}),
            "names no bucket that S3 can have, but \"ab\": fix buckets",
        ),
        (
            json!({"buckets": ["x--x-s3", "-*", "{namespace}--ol-s3"]}),
            "but \"x--x-s3\", \"-*\" and \"{namespace}--ol-s3\": fix buckets",
        ),
        (
            json!({"prefixes": ["x".repeat(1025), format!("{}*", "x".repeat(1025))]}),
            "names no prefix that a key can have",
        ),
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

#[test]
fn a_bucket_pattern_that_some_bucket_meets_lacks_nothing() {
    let long = |more: &str| format!("{more}{}", "a".repeat(63 - more.len()));
    for bucket in [
        "abc",
        "a*",
        "*",
        "**",
        "*-*",
        "*.*",
        "a.*.b",
        "A_*",
        "xn*",
        "*-s3",
        "sthree*",
        "1.2.3.*",
        "{namespace}",
        "a{namespace}",
        "xn-{namespace}",
        "1.2.3.{namespace}",
        "{namespace.labels['x']}-s3",
        &long(""),
        &long("*"),
        &long("**"),
        &long("*-*"),
    ] {
        let policy = [rule(&json!({"buckets": [bucket]}))];
        assert_eq!(lacks(&json!({"names": ["*"]}), &policy), None, "{bucket}");
        let both = [rule(&json!({"buckets": ["ab", bucket]}))];
        assert_eq!(lacks(&json!({"names": ["*"]}), &both), None, "{bucket}");
    }
    for bucket in [
        "a",
        "-a*",
        "*-",
        "a..*",
        "*.-a",
        "xn--*",
        "XN--*",
        "*--x-s3",
        "*-s3alias",
        "1.2.3.4",
        "-{namespace}",
        "{namespace}.mrap",
        "sthree-{namespace}",
        &format!("{}a", long("")),
        &format!("{}*", "a".repeat(64)),
        &format!("{}{{namespace}}", long("")),
    ] {
        let policy = [rule(&json!({"buckets": [bucket]}))];
        assert!(
            lacks(&json!({"names": ["*"]}), &policy).is_some(),
            "{bucket}"
        );
    }
}

#[test]
fn a_rule_that_creates_only_by_put_lacks_nothing() {
    for methods in [
        json!(["POST", "PUT"]),
        json!(["POST", "GET"]),
        json!(["PUT"]),
    ] {
        let patch = json!({"methods": methods, "maxUploadBytes": 1, "createOnly": true});
        assert_eq!(lacks(&json!({"names": ["*"]}), &[rule(&patch)]), None);
    }
    let forms = json!({"methods": ["POST"], "maxUploadBytes": 1});
    assert_eq!(lacks(&json!({"names": ["*"]}), &[rule(&forms)]), None);
}

//! The decision: who is selected, what matches, which rule is taken, what is not known.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Decision, Namespace, PolicySet, SelectableNamespaces};
use super::{
    Labels, compile, decide, decide_for, granted, is_allowed, labels, policies, refused, request,
    rule,
};
use crate::api::{AllowRule, IfNoneMatch};
use crate::request::Options;

#[test]
fn nothing_is_allowed_without_a_policy() {
    assert!(!is_allowed(&decide(
        &PolicySet::default(),
        &request(&json!({}))
    )));
}

#[test]
fn a_rule_that_allows_the_whole_of_it_grants_its_own_limits() {
    let grant = granted(decide(
        &policies(&[rule(&json!({}))]),
        &request(&json!({"duration": "12h"})),
    ));
    assert_eq!(grant.policies, ["p0"]);
    assert_eq!(grant.max_objects, 1000);
    assert_eq!(grant.max_duration, Duration::from_hours(12));
    assert_eq!(grant.options, request(&json!({})).options);
}

#[test]
fn a_list_that_is_empty_allows_nothing_and_one_that_is_left_out_does_not_parse() {
    for field in ["stores", "buckets", "prefixes", "methods"] {
        let set = policies(&[rule(&json!({field: []}))]);
        assert!(!is_allowed(&decide(&set, &request(&json!({})))), "{field}");
        let rule = rule(&json!({"name": "a", field: null}));
        let read = serde_json::from_value::<AllowRule>(rule);
        let why = read.expect_err(field).to_string();
        assert!(why.contains(&format!("missing field `{field}`")), "{why}");
    }
    let mut set = PolicySet::default();
    set.insert(compile("p", &json!({"names": ["*"]}), &[]).expect("it compiles"));
    assert!(!is_allowed(&decide(&set, &request(&json!({})))));
}

#[test]
fn names_and_selector_must_both_match_and_empty_ones_match_nothing() {
    let team = json!({"matchLabels": {"team": "a"}});
    let expressions = |e: Value| json!({"selector": {"matchExpressions": e}});
    let cases = [
        (json!({}), false),
        (json!({"names": []}), false),
        (json!({"selector": {}}), false),
        (
            json!({"selector": {"matchLabels": {}, "matchExpressions": []}}),
            false,
        ),
        (json!({"names": ["team-a"]}), true),
        (json!({"names": ["other", "team-*"]}), true),
        (json!({"names": ["team"]}), false),
        (json!({"names": ["team-ab"]}), false),
        (json!({"names": ["*"]}), true),
        (json!({"names": ["t*m*a"]}), true),
        (json!({"names": ["t*b"]}), false),
        (json!({"selector": team}), true),
        (json!({"names": ["team-a"], "selector": team}), true),
        (json!({"names": ["other"], "selector": team}), false),
        (json!({"names": ["team-a"], "selector": {}}), false),
        (json!({"names": [], "selector": team}), false),
        (
            json!({"names": ["team-a"], "selector": {"matchLabels": {"team": "b"}}}),
            false,
        ),
        (
            json!({"selector": {"matchLabels": {"team": "a", "env": "dev"}}}),
            false,
        ),
        (
            expressions(json!([{"key": "team", "operator": "In", "values": ["b", "a"]}])),
            true,
        ),
        (
            expressions(json!([{"key": "team", "operator": "In", "values": ["b"]}])),
            false,
        ),
        (
            expressions(json!([{"key": "env", "operator": "In", "values": ["a"]}])),
            false,
        ),
        (
            expressions(json!([{"key": "team", "operator": "NotIn", "values": ["b"]}])),
            true,
        ),
        (
            expressions(json!([{"key": "team", "operator": "NotIn", "values": ["a"]}])),
            false,
        ),
        (
            expressions(json!([{"key": "env", "operator": "NotIn", "values": ["a"]}])),
            true,
        ),
        (
            expressions(json!([{"key": "team", "operator": "Exists"}])),
            true,
        ),
        (
            expressions(json!([{"key": "env", "operator": "Exists"}])),
            false,
        ),
        (
            expressions(json!([{"key": "env", "operator": "DoesNotExist"}])),
            true,
        ),
        (
            expressions(json!([{"key": "team", "operator": "DoesNotExist"}])),
            false,
        ),
        (
            expressions(
                json!([{"key": "team", "operator": "Exists"}, {"key": "env", "operator": "Exists"}]),
            ),
            false,
        ),
    ];
    let labels = labels([("team", "a")]);
    let namespace = Namespace {
        name: "team-a",
        labels: &labels,
    };
    for (namespaces, expected) in cases {
        let mut set = PolicySet::default();
        set.insert(compile("p", &namespaces, &[rule(&json!({}))]).expect("it compiles"));
        assert_eq!(
            is_allowed(&set.decide(&namespace, &request(&json!({})))),
            expected,
            "{namespaces}"
        );
        assert_eq!(set.affects("p", &namespace), expected, "{namespaces}");
        assert!(!set.affects("q", &namespace));
    }
}

#[test]
fn one_rule_must_allow_the_whole_and_two_halves_do_not() {
    let halves = [
        rule(&json!({"buckets": ["other"], "prefixes": ["*"], "maxDuration": "168h"})),
        rule(&json!({"buckets": ["data"], "prefixes": ["team-b/"], "maxDuration": "168h"})),
        rule(&json!({"maxDuration": "1m", "allowVersions": true})),
        rule(&json!({"allowResponseOverrides": true})),
    ];
    let asked = request(&json!({"get": {"versionID": "v", "responseContentType": "a/b"}}));
    assert!(!is_allowed(&decide(&policies(&halves), &asked)));
    let mut one = PolicySet::default();
    one.insert(compile("p", &json!({"names": ["team-a"]}), &halves).expect("it compiles"));
    assert!(!is_allowed(&decide(&one, &asked)));
}

#[test]
fn create_only_signs_that_nothing_is_replaced() {
    let put = json!({"methods": ["PUT"], "maxUploadBytes": 10, "createOnly": true});
    let asked =
        request(&json!({"method": "PUT", "put": {"contentLength": 1, "contentType": "a/b"}}));
    let Options::Put(options) = granted(decide(&policies(&[rule(&put)]), &asked)).options else {
        panic!("another method")
    };
    assert_eq!(options.if_none_match, Some(IfNoneMatch::Any));
    assert_eq!(
        options.content_type.as_deref(),
        Some("a/b"),
        "the rest stays as asked"
    );
}

#[test]
fn of_several_rules_one_without_a_condition_is_chosen_then_the_longest_then_the_first() {
    let put = |patch: Value| {
        super::with(
            rule(&json!({"methods": ["PUT"], "maxUploadBytes": 10})),
            &patch,
        )
    };
    let set = policies(&[
        put(json!({"createOnly": true, "maxDuration": "168h"})),
        put(json!({"maxDuration": "1h"})),
        put(json!({"maxDuration": "2h"})),
        put(json!({"maxDuration": "2h"})),
    ]);
    let plain = json!({"contentLength": 1});
    let guarded = json!({"contentLength": 1, "ifNoneMatch": "*"});
    for (put, policy) in [(plain, "p2"), (guarded, "p0")] {
        let asked = request(&json!({"method": "PUT", "put": put}));
        let grant = granted(decide(&set, &asked));
        assert_eq!(grant.policies, [policy]);
        assert_eq!(
            grant.options == asked.options,
            policy == "p2" || policy == "p0"
        );
    }
}

#[test]
fn a_policy_that_cannot_be_read_makes_a_denial_unknown_and_removes_no_right() {
    let mut set = policies(&[rule(&json!({}))]);
    set.insert_unreadable("zz", SelectableNamespaces::default());
    set.insert_unreadable("aa", SelectableNamespaces::default());
    assert!(
        is_allowed(&decide(&set, &request(&json!({})))),
        "what another policy allows is allowed"
    );
    let other = request(&json!({"key": "team-b/x"}));
    let Decision::Unknown { policies, .. } = decide(&set, &other) else {
        panic!("a refusal needs every policy")
    };
    assert_eq!(policies, ["aa", "zz"]);
    let labels = Labels::new();
    assert!(set.affects(
        "zz",
        &Namespace {
            name: "any",
            labels: &labels
        }
    ));
    assert!(set.remove("zz") && !set.remove("zz"));
    set.insert(compile("aa", &json!({"names": ["x"]}), &[]).expect("it compiles"));
    refused(decide(&set, &other));
}

#[test]
fn a_policy_that_breaks_stops_to_allow() {
    let mut set = policies(&[rule(&json!({}))]);
    set.insert_unreadable("p0", SelectableNamespaces::default());
    assert!(matches!(
        decide(&set, &request(&json!({}))),
        Decision::Unknown { .. }
    ));
}

#[test]
fn templates_expand_to_the_requesting_namespace() {
    let label = "{namespace.labels['presigned.dev/team']}";
    let set = policies(&[
        rule(&json!({"buckets": ["{namespace}-data"], "prefixes": ["*"]})),
        rule(&json!({"prefixes": [format!("{label}/{{namespace}}/")]})),
    ]);
    let labels = labels([("presigned.dev/team", "Red_1.x")]);
    for (bucket, key, expected) in [
        ("team-a-data", "any", true),
        ("team-b-data", "any", false),
        ("team-a-data2", "any", false),
        ("team-a", "any", false),
        ("data", "Red_1.x/team-a/x", true),
        ("data", "Red_1.x/team-a", true),
        ("data", "Red_1.x/team-ab/x", false),
        ("data", "Red_1.x", false),
        ("data", "red_1.x/team-a/x", false),
    ] {
        let asked = request(&json!({"bucket": bucket, "key": key}));
        assert_eq!(
            is_allowed(&decide_for(&set, "team-a", &labels, &asked)),
            expected,
            "{bucket} {key}"
        );
    }
}

#[test]
fn the_rules_that_a_decision_chose_are_named() {
    let wide = rule(&json!({"prefixes": ["*"], "maxDuration": "1h"}));
    let long = rule(&json!({"name": "long"}));
    let set = policies(&[wide, long]);
    let labels = Labels::new();
    let team = Namespace {
        name: "team-a",
        labels: &labels,
    };
    let chosen = |patch: &Value| set.chosen_rules(&team, &request(patch));
    assert_eq!(chosen(&json!({})), [("p1", "long")]);
    let keys = json!({"key": null, "keys": ["team-a/x", "team-b/y"]});
    assert_eq!(chosen(&keys), [("p0", "r0"), ("p1", "long")]);
    assert_eq!(chosen(&json!({"key": "team-b/y"})), [("p0", "r0")]);
    assert_eq!(chosen(&json!({"bucket": "other"})), []);
    let under = json!({"key": null, "prefix": "team-a/", "method": "GET"});
    assert_eq!(chosen(&under), [], "no rule lists");
}

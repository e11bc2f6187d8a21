//! The decision: who is selected, what matches, which rule is taken, what is not known.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Decision, Namespace, Options, PolicySet};
use super::{
    Labels, compile, decide, decide_for, granted, is_allowed, labels, policies, refused, request,
    rule,
};
use crate::api::IfNoneMatch;

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
    assert_eq!((grant.policy.as_str(), grant.rule), ("p0", 0));
    assert_eq!(grant.max_duration, Duration::from_hours(12));
    assert_eq!(grant.options, request(&json!({})).options);
}

#[test]
fn a_list_that_is_left_out_or_empty_allows_nothing() {
    for field in ["stores", "buckets", "prefixes", "methods"] {
        for empty in [json!(null), json!([])] {
            let set = policies(&[rule(&json!({field: empty}))]);
            assert!(!is_allowed(&decide(&set, &request(&json!({})))), "{field}");
        }
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
fn stores_and_buckets_match_whole_names() {
    for (field, patterns, expected) in [
        ("stores", json!(["mai"]), false),
        ("stores", json!(["main2"]), false),
        ("stores", json!(["other", "m*"]), true),
        ("stores", json!(["*n"]), true),
        ("stores", json!(["m*i*n"]), true),
        ("stores", json!(["ma*ain"]), false),
        ("stores", json!(["main*main"]), false),
        ("stores", json!(["**"]), true),
        ("buckets", json!(["dat"]), false),
        ("buckets", json!(["d*"]), true),
        ("buckets", json!(["*"]), true),
        ("buckets", json!(["data.x"]), false),
    ] {
        let set = policies(&[rule(&json!({field: patterns}))]);
        assert_eq!(
            is_allowed(&decide(&set, &request(&json!({})))),
            expected,
            "{field} {patterns}"
        );
    }
}

#[test]
fn prefixes_match_whole_segments_unless_they_are_raw() {
    for (prefix, key, expected) in [
        ("models/", "models", true),
        ("models/", "models/x", true),
        ("models/", "models/x/y", true),
        ("models/", "models-old/x", false),
        ("models/", "model", false),
        ("models/", "Models/x", false),
        ("models", "models", true),
        ("models", "models/x", true),
        ("models", "models-old/x", false),
        ("models", "modelsx", false),
        ("models*", "models", true),
        ("models*", "models-old/x", true),
        ("models*", "model", false),
        ("models/*", "models/x", true),
        ("models/*", "models", false),
        ("a/b", "a/b/c", true),
        ("a/b", "a/bc", false),
        ("*", "anything/at.all", true),
        ("a/..*", "a/..b", true),
    ] {
        let set = policies(&[rule(&json!({"prefixes": [prefix]}))]);
        let asked = request(&json!({"key": key}));
        assert_eq!(
            is_allowed(&decide(&set, &asked)),
            expected,
            "{prefix} {key}"
        );
    }
}

#[test]
fn get_allows_head_and_no_method_allows_another() {
    let put = json!({"contentLength": 1});
    for (allowed, asked, expected) in [
        ("GET", "GET", true),
        ("GET", "HEAD", true),
        ("GET", "PUT", false),
        ("GET", "DELETE", false),
        ("HEAD", "HEAD", true),
        ("HEAD", "GET", false),
        ("PUT", "PUT", true),
        ("PUT", "GET", false),
        ("PUT", "HEAD", false),
        ("PUT", "DELETE", false),
        ("DELETE", "DELETE", true),
        ("DELETE", "PUT", false),
        ("DELETE", "GET", false),
    ] {
        let set = policies(&[rule(&json!({"methods": [allowed], "maxUploadBytes": 10}))]);
        let put = if asked == "PUT" {
            put.clone()
        } else {
            json!(null)
        };
        let asked_for = request(&json!({"method": asked, "put": put}));
        assert_eq!(
            is_allowed(&decide(&set, &asked_for)),
            expected,
            "{allowed} {asked}"
        );
    }
}

#[test]
fn a_life_beyond_the_rules_is_refused_and_one_left_out_is_not() {
    let set = policies(&[rule(&json!({"maxDuration": "1h"}))]);
    for (duration, expected) in [
        (json!(null), true),
        (json!("1h"), true),
        (json!("60m"), true),
        (json!("3601s"), false),
        (json!("12h"), false),
    ] {
        let asked = request(&json!({"duration": duration}));
        assert_eq!(is_allowed(&decide(&set, &asked)), expected, "{duration}");
    }
}

#[test]
fn an_upload_has_a_size_within_the_rules() {
    for (unsized_put, length, expected) in [
        (json!(null), json!(null), false),
        (json!(false), json!(null), false),
        (json!(true), json!(null), true),
        (json!(null), json!(10), true),
        (json!(null), json!(0), true),
        (json!(null), json!(11), false),
        (json!(true), json!(11), false),
        (json!(true), json!(10), true),
    ] {
        let allow =
            json!({"methods": ["PUT"], "maxUploadBytes": 10, "allowUnsizedPut": unsized_put});
        let asked = request(&json!({"method": "PUT", "put": {"contentLength": length}}));
        assert_eq!(
            is_allowed(&decide(&policies(&[rule(&allow)]), &asked)),
            expected,
            "{unsized_put} {length}"
        );
    }
}

#[test]
fn a_kms_key_is_listed_and_the_default_key_by_its_own_name() {
    let kms = |key: Value| json!({"serverSideEncryption": "aws:kms", "kmsKeyID": key, "contentLength": 1});
    for (keys, put, expected) in [
        (
            json!([]),
            json!({"serverSideEncryption": "AES256", "contentLength": 1}),
            true,
        ),
        (json!([]), kms(json!(null)), false),
        (json!(["aws/s3"]), kms(json!(null)), true),
        (json!(["aws/s3"]), kms(json!("key-1")), false),
        (json!(["key-1"]), kms(json!("key-1")), true),
        (json!(["key-1"]), kms(json!("key-12")), false),
        (json!(["key-1"]), kms(json!(null)), false),
        (json!(["key-1"]), kms(json!("KEY-1")), false),
    ] {
        let allow = json!({"methods": ["PUT"], "maxUploadBytes": 10, "kmsKeys": keys});
        let asked = request(&json!({"method": "PUT", "put": put}));
        assert_eq!(
            is_allowed(&decide(&policies(&[rule(&allow)]), &asked)),
            expected,
            "{keys} {put}"
        );
    }
}

#[test]
fn each_tag_needs_its_key_and_empty_blocks_need_nothing() {
    let put = |put: Value| json!({"methods": ["PUT"], "maxUploadBytes": 10, "tagKeys": put});
    for (keys, tags, expected) in [
        (json!(["a", "b"]), json!({"a": "1", "b": "2"}), true),
        (json!(["a"]), json!({"a": "1", "b": "2"}), false),
        (json!([]), json!({}), true),
        (json!([]), json!({"a": ""}), false),
    ] {
        let asked = request(
            &json!({"method": "PUT", "put": {"contentLength": 1, "metadata": {}, "tagging": tags}}),
        );
        assert_eq!(
            is_allowed(&decide(&policies(&[rule(&put(keys))]), &asked)),
            expected,
            "{tags}"
        );
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
    let asked = request(&json!({"get": {"versionId": "v", "responseContentType": "a/b"}}));
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
fn of_several_rules_the_one_that_forces_nothing_is_taken_then_the_longest_then_the_first() {
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
        assert_eq!(grant.policy, policy);
        assert_eq!(
            grant.options == asked.options,
            policy == "p2" || policy == "p0"
        );
    }
}

#[test]
fn a_policy_that_cannot_be_read_makes_a_refusal_unknown_and_takes_nothing_away() {
    let mut set = policies(&[rule(&json!({}))]);
    set.insert_broken("zz", "spec.allow[0].createonly: unknown field");
    set.insert_broken("aa", "spec: not an object");
    assert!(
        is_allowed(&decide(&set, &request(&json!({})))),
        "what another policy allows is allowed"
    );
    let other = request(&json!({"key": "team-b/x"}));
    let Decision::Unknown { policies, message } = decide(&set, &other) else {
        panic!("a refusal needs every policy")
    };
    assert_eq!(policies, ["aa", "zz"]);
    assert!(
        !message.contains("createonly"),
        "a tenant is not told what is in another's policy"
    );
    let labels = Labels::new();
    assert!(set.affects(
        "zz",
        &Namespace {
            name: "any",
            labels: &labels
        }
    ));
    assert_eq!(
        set.broken("zz"),
        Some("spec.allow[0].createonly: unknown field")
    );
    assert_eq!(set.broken("p0"), None);

    assert!(set.remove("zz") && !set.remove("zz"));
    set.insert(compile("aa", &json!({"names": ["x"]}), &[]).expect("it compiles"));
    refused(decide(&set, &other));
}

#[test]
fn a_policy_that_breaks_stops_to_allow() {
    let mut set = policies(&[rule(&json!({}))]);
    set.insert_broken("p0", "why");
    assert!(matches!(
        decide(&set, &request(&json!({}))),
        Decision::Unknown { .. }
    ));
}

#[test]
fn templates_expand_to_the_namespace_that_asks() {
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

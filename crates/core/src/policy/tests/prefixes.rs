//! Requested prefixes: a form or a listing reaches nothing that a key by itself would not.
//!
//! The attacker may create resources in one namespace and picks that namespace's labels.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::isolation::{LABEL, expanded, name, pattern, set_of_all, value};
use super::{Labels, decide, decide_for, is_allowed, labels, policies, refused, request, rule};
use crate::policy::PolicySet;
use crate::request::{Key, Prefix};

/// A listing of the prefix, and a form for it.
fn both(prefix: &str) -> [Value; 2] {
    [
        json!({"key": null, "prefix": prefix}),
        json!({
            "key": null, "prefix": prefix, "method": "POST",
            "post": {"contentLengthRange": {"max": 10}},
        }),
    ]
}

fn everything(patch: &Value) -> Value {
    let all = json!({"methods": ["GET", "LIST", "PUT", "POST"], "maxUploadBytes": 10});
    super::with(rule(&all), patch)
}

fn may(set: &PolicySet, namespace: &str, labels: &Labels, patch: &Value) -> bool {
    is_allowed(&decide_for(set, namespace, labels, &request(patch)))
}

#[test]
fn a_prefix_ends_in_a_slash_unless_the_rule_is_raw_and_is_empty_by_a_star_alone() {
    for (rule, prefix, expected) in [
        ("models/", "models/", true),
        ("models", "models/", true),
        ("models/", "models/x/", true),
        ("models/", "models", false),
        ("models/", "models/x", false),
        ("models/", "models-old/", false),
        ("models/", "model", false),
        ("models/", "m", false),
        ("models/", "", false),
        ("models/*", "models/", true),
        ("models/*", "models/x", true),
        ("models/*", "models", false),
        ("models*", "models", true),
        ("models*", "models-old", true),
        ("models*", "models/", true),
        ("models*", "model", false),
        ("models*", "", false),
        ("*", "", true),
        ("*", "x", true),
        ("*", "x/", true),
        ("a/b", "a/", false),
        ("a/b", "a/b/", true),
        ("a/b", "a/bc/", false),
        ("{namespace}/", "team-a/", true),
        ("{namespace}/", "team-a", false),
        ("{namespace}/", "team-ab/", false),
        ("{namespace}/", "team-", false),
        ("{namespace}/", "", false),
        ("{namespace}/*", "team-a/", true),
        ("{namespace}/*", "team-a/x", true),
        ("{namespace}/*", "team-a", false),
        ("{namespace}/*", "team-ab/", false),
        ("{namespace}/logs*", "team-a/logs", true),
        ("{namespace}/logs*", "team-a/", false),
    ] {
        let set = policies(&[everything(&json!({"prefixes": [rule]}))]);
        for asked in both(prefix) {
            assert_eq!(
                may(&set, "team-a", &Labels::new(), &asked),
                expected,
                "{rule} {asked}"
            );
        }
    }
}

#[test]
fn a_listing_needs_list_and_get_in_one_rule() {
    let [list, _] = both("team-a/");
    for (methods, expected) in [
        (&[&["GET", "LIST"][..]][..], true),
        (&[&["GET"]], false),
        (&[&["LIST"]], false),
        (&[&["LIST", "HEAD"]], false),
        (&[&["GET"], &["LIST"]], false),
        (&[&["GET"], &["LIST", "PUT"]], false),
    ] {
        let rules: Vec<_> = methods
            .iter()
            .map(|m| rule(&json!({"methods": m, "maxUploadBytes": 1})))
            .collect();
        let decision = decide(&policies(&rules), &request(&list));
        assert_eq!(is_allowed(&decision), expected, "{methods:?}");
    }
    let set = policies(&[rule(&json!({"methods": ["LIST", "GET"]}))]);
    assert!(is_allowed(&decide(&set, &request(&json!({})))));
    refused(decide(
        &policies(&[rule(&json!({"methods": ["LIST"]}))]),
        &request(&json!({})),
    ));
}

#[test]
fn a_form_needs_post_and_put_does_not_give_it() {
    for prefix in [false, true] {
        let one = json!({"method": "POST", "post": {"contentLengthRange": {"max": 10}}});
        let asked = if prefix {
            both("team-a/")[1].clone()
        } else {
            one
        };
        for (methods, expected) in [
            (json!(["POST"]), true),
            (json!(["PUT", "GET", "LIST"]), false),
        ] {
            let set = policies(&[rule(&json!({"methods": methods, "maxUploadBytes": 10}))]);
            assert_eq!(
                is_allowed(&decide(&set, &request(&asked))),
                expected,
                "{asked}"
            );
        }
    }
    let put = json!({"method": "PUT", "put": {"contentLength": 1}});
    let set = policies(&[rule(&json!({"methods": ["POST"], "maxUploadBytes": 10}))]);
    refused(decide(&set, &request(&put)));
}

#[test]
fn a_form_has_a_largest_size_within_the_rules_whatever_a_put_may_leave_out() {
    for (range, expected) in [
        (json!(null), false),
        (json!({"max": 10}), true),
        (json!({"min": 10, "max": 10}), true),
        (json!({"max": 11}), false),
        (json!({"min": 0, "max": 0}), true),
    ] {
        let allow = json!({"methods": ["POST"], "maxUploadBytes": 10, "allowUnsizedPut": true});
        let asked = request(&json!({"method": "POST", "post": {"contentLengthRange": range}}));
        assert_eq!(
            is_allowed(&decide(&policies(&[rule(&allow)]), &asked)),
            expected,
            "{range}"
        );
    }
}

#[test]
fn the_largest_number_of_objects_of_the_rules_that_allow_a_listing_counts() {
    let rules = |most: [u32; 2]| {
        policies(&most.map(|n| rule(&json!({"methods": ["GET", "LIST"], "maxObjects": n}))))
    };
    let [list, _] = both("team-a/");
    let grant = super::granted(decide(&rules([5, 7]), &request(&list)));
    assert_eq!(
        (grant.max_objects, grant.policies),
        (7, vec!["p0".to_owned()])
    );
    let asked = super::with(list, &json!({"list": {"maxObjects": 6}}));
    assert!(is_allowed(&decide(&rules([5, 7]), &request(&asked))));
    refused(decide(&rules([5, 5]), &request(&asked)));
}

#[test]
fn team_a_reaches_nothing_of_team_ab_by_any_prefix() {
    let own = "team-ab/deep/er/x.bin";
    for pattern in [
        "{namespace}",
        "{namespace}/",
        "{namespace}/*",
        "{namespace}/deep*",
    ] {
        let set = policies(&[everything(&json!({"prefixes": [pattern]}))]);
        assert!(may(&set, "team-ab", &Labels::new(), &json!({"key": own})));
        for attacker in ["team-a", "team", "team-abc", "t", "ab", "x"] {
            for end in 0..=own.len() {
                if Prefix::parse(&own[..end]).is_err() {
                    continue;
                }
                for asked in both(&own[..end]) {
                    assert!(
                        !may(&set, attacker, &Labels::new(), &asked),
                        "{attacker} {asked}"
                    );
                }
            }
            let smuggled = json!({"key": null, "keys": [format!("{attacker}/deep/x"), own]});
            assert!(
                !may(&set, attacker, &Labels::new(), &smuggled),
                "{attacker}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, max_global_rejects: 200_000, ..ProptestConfig::default() })]

    #[test]
    fn no_prefix_of_a_key_that_is_given_to_one_namespace_is_given_to_another(
        pattern in pattern(), victim in name(), attacker in name(), team in value(), chosen in value(),
        tail in prop_oneof![Just(""), Just("/a"), Just("a"), Just("-b/a"), Just("/a/b")],
    ) {
        prop_assume!(pattern.contains("{namespace}") && victim != attacker);
        let Some(set) = set_of_all("prefixes", &pattern) else { return Ok(()) };
        let own = expanded(&pattern, &victim, &team);
        let key = format!("{}{tail}", own.trim_end_matches(['*', '/']));
        prop_assume!(Key::parse(&key).is_ok());
        let (own, other) = (labels([("team", &team)]), labels([("team", &chosen)]));
        prop_assume!(may(&set, &victim, &own, &json!({"key": key})));
        for end in (0..=key.len()).filter(|&end| key.is_char_boundary(end)) {
            if Prefix::parse(&key[..end]).is_ok() {
                for asked in both(&key[..end]) {
                    prop_assert!(!may(&set, &attacker, &other, &asked), "{}: {} by {}", pattern, attacker, asked);
                }
            }
        }
    }

    #[test]
    fn a_prefix_is_allowed_only_where_each_key_under_it_is(
        pattern in pattern(), asker in name(), team in value(), prefix in "[ab/-]{0,6}", tail in "[ab/-]{1,4}",
    ) {
        let Some(set) = set_of_all("prefixes", &pattern) else { return Ok(()) };
        prop_assume!(Prefix::parse(&prefix).is_ok());
        let key = format!("{prefix}{tail}");
        prop_assume!(Key::parse(&key).is_ok());
        let own = labels([("team", &team)]);
        for asked in both(&prefix) {
            if may(&set, &asker, &own, &asked) {
                prop_assert!(may(&set, &asker, &own, &json!({"key": key})), "{}: {} then {}", pattern, asked, key);
            }
        }
    }

    #[test]
    fn a_prefix_is_allowed_as_the_plain_expansion_says(
        pattern in pattern(), asker in name(), team in value(), prefix in "[ab/-]{0,6}",
    ) {
        let Some(set) = set_of_all("prefixes", &pattern) else { return Ok(()) };
        prop_assume!(Prefix::parse(&prefix).is_ok());
        let own = expanded(&pattern, &asker, &team);
        let usable = !team.is_empty() && !team.contains(['/', '*']) && !team.contains("..") && team != ".";
        let expected = (usable || !pattern.contains(LABEL)) && match own.strip_suffix('*') {
            Some(raw) => prefix.starts_with(raw),
            None => prefix.ends_with('/') && prefix.starts_with(&format!("{}/", own.trim_end_matches('/'))),
        };
        for asked in both(&prefix) {
            let said = may(&set, &asker, &labels([("team", &team)]), &asked);
            prop_assert_eq!(said, expected, "{} for {}/{}: {}", pattern, asker, team, asked);
        }
    }
}

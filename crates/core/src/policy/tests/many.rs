//! Several keys, and what a listing found: each object by one rule, the whole by as many as it takes.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Decision, Listed, Namespace, PolicySet, SelectableNamespaces};
use super::{Labels, decide, granted, is_allowed, policies, refused, request, rule};
use crate::api::IfNoneMatch;
use crate::request::{Key, Options};

fn keys(keys: &[&str]) -> Value {
    json!({"key": null, "keys": keys})
}

fn listed(set: &PolicySet, patch: &Value, found: &[&str]) -> Listed {
    let labels = Labels::new();
    let namespace = Namespace {
        name: "team-a",
        labels: &labels,
    };
    let found: Vec<Key> = found
        .iter()
        .map(|key| Key::parse(key).expect("it is a key"))
        .collect();
    set.decide_listed(&namespace, &request(patch), &found)
}

#[test]
fn each_key_needs_a_rule_and_all_need_one() {
    let set = policies(&[
        rule(&json!({"prefixes": ["b/"], "maxDuration": "2h", "maxObjects": 2})),
        rule(&json!({"prefixes": ["a/"], "maxDuration": "1h", "maxObjects": 3})),
        rule(&json!({"prefixes": ["c/"], "maxDuration": "30m", "maxObjects": 100})),
    ]);
    let grant = granted(decide(&set, &request(&keys(&["a/1", "b/1", "a/2"]))));
    assert_eq!(grant.policies, ["p0", "p1"]);
    assert_eq!(grant.max_duration, Duration::from_hours(1));
    assert_eq!(
        grant.max_objects, 3,
        "the most of the rules that allow any of them"
    );
    let grant = granted(decide(&set, &request(&keys(&["b/1"]))));
    assert_eq!(
        (grant.policies, grant.max_objects),
        (vec!["p0".to_owned()], 2)
    );

    for bad in ["d/1", "ab/1", "B/1", "b-old/1"] {
        refused(decide(&set, &request(&keys(&["a/1", bad, "b/1"]))));
    }
    let asked = super::with(keys(&["a/1", "b/1"]), &json!({"duration": "90m"}));
    refused(decide(&set, &request(&asked)));
}

#[test]
fn there_are_no_more_keys_than_a_rule_for_one_of_them_allows() {
    let set = policies(&[
        rule(&json!({"prefixes": ["a/"], "maxObjects": 2})),
        rule(&json!({"prefixes": ["b/"], "maxObjects": 3})),
        rule(&json!({"prefixes": ["c/"], "maxObjects": 9})),
    ]);
    for (asked, expected) in [
        (&["a/1", "a/2"][..], true),
        (&["a/1", "a/2", "a/3"], false),
        (&["a/1", "a/2", "b/1"], true),
        (&["a/1", "a/2", "b/1", "b/2"], false),
    ] {
        let decision = decide(&set, &request(&keys(asked)));
        assert_eq!(is_allowed(&decision), expected, "{asked:?}");
    }
    let three = request(&keys(&["a/1", "a/2", "a/3"]));
    assert_eq!(
        refused(decide(&set, &three)),
        "No policy allows namespace \"team-a\" to GET 3 keys in bucket \"data\" of store \"main\" in one resource: the \
         rules that allow them take at most 2. Name fewer keys, and the rest in other resources, or ask an admin for a \
         larger maxObjects."
    );
    let mut unread = set;
    unread.insert_unreadable("x", SelectableNamespaces::default());
    assert!(
        matches!(decide(&unread, &three), Decision::Unknown { .. }),
        "what cannot be read may allow more"
    );
}

#[test]
fn a_rule_without_a_condition_is_chosen_where_it_covers_and_one_with_a_condition_binds_all() {
    let put = |patch: Value| {
        super::with(
            rule(&json!({"methods": ["PUT"], "maxUploadBytes": 10})),
            &patch,
        )
    };
    let set = policies(&[
        put(json!({"prefixes": ["new/", "any/"], "createOnly": true, "maxDuration": "24h"})),
        put(json!({"prefixes": ["any/"]})),
    ]);
    for (asked, policies, forced) in [
        (&["any/1", "any/2"][..], &["p1"][..], false),
        (&["any/1", "new/1"], &["p0", "p1"], true),
        (&["new/1"], &["p0"], true),
    ] {
        let patch = json!({"method": "PUT", "put": {"contentLength": 1}});
        let grant = granted(decide(&set, &request(&super::with(keys(asked), &patch))));
        assert_eq!(grant.policies, policies, "{asked:?}");
        let Options::Put(put) = grant.options else {
            panic!("another method")
        };
        assert_eq!(
            put.if_none_match == Some(IfNoneMatch::Any),
            forced,
            "{asked:?}"
        );
    }
}

#[test]
fn one_rule_allows_the_whole_of_one_key_and_two_halves_do_not() {
    let halves = [
        rule(&json!({"prefixes": ["a/"], "maxDuration": "1m"})),
        rule(&json!({"prefixes": ["b/"], "allowVersions": true})),
        rule(&json!({"prefixes": ["*"], "methods": ["PUT", "LIST"], "maxUploadBytes": 1})),
    ];
    let asked = json!({"duration": "1h", "get": {"versionID": "v"}});
    let set = policies(&halves);
    assert!(is_allowed(&decide(
        &set,
        &request(&super::with(keys(&["b/1"]), &asked))
    )));
    for bad in [&["a/1"][..], &["b/1", "a/1"]] {
        refused(decide(&set, &request(&super::with(keys(bad), &asked))));
    }
}

#[test]
fn a_refusal_names_the_first_keys_and_the_rules_that_are_closest_to_one() {
    let set = policies(&[rule(&json!({"prefixes": ["a/"]}))]);
    let asked = keys(&["a/1", "b/1", "a/2", "c", "d", "e"]);
    assert_eq!(
        refused(decide(&set, &request(&asked))),
        "No policy allows namespace \"team-a\" to GET 4 of 6 keys, \"b/1\", \"c\", \"d\" and 1 more, in bucket \"data\" \
         of store \"main\". Closest to the first: policy \"p0\" rule \"r0\" is for keys under \"a/\". Ask for what a rule \
         allows, or ask an admin for a rule."
    );
    let one = refused(decide(&set, &request(&keys(&["b/1"]))));
    assert!(
        one.contains("to GET \"b/1\" in bucket") && one.contains(" Closest: policy"),
        "{one}"
    );
    let whole = json!({"duration": "13h"});
    let all = refused(decide(
        &set,
        &request(&super::with(keys(&["a/1", "a/2"]), &whole)),
    ));
    assert!(
        all.contains("2 of 2 keys, \"a/1\" and \"a/2\", in bucket"),
        "{all}"
    );
    assert!(all.contains("rule \"r0\" allows at most 12h."), "{all}");
    let none = refused(decide(&PolicySet::default(), &request(&asked)));
    assert!(
        none.starts_with("No policy selects namespace \"team-a\", so it may not GET 6 of 6 keys"),
        "{none}"
    );
}

#[test]
fn a_listed_key_is_checked_like_a_requested_key() {
    let list = json!({"key": null, "prefix": "a/"});
    let set = policies(&[
        rule(&json!({"prefixes": ["a/x/"], "maxDuration": "1h", "maxObjects": 5})),
        rule(&json!({"prefixes": ["a/y"], "methods": ["GET"], "maxDuration": "2h"})),
        rule(&json!({"prefixes": ["a/z"], "methods": ["HEAD", "LIST"]})),
    ]);
    let found = ["a/1", "a/x/1", "a/y", "a/y-old", "a/z/1"];
    let found = listed(&set, &list, &found);
    assert_eq!(found.allowed, [false, true, true, false, false]);
    assert!(!found.unknown);
    let grant = found.grant.expect("two are allowed");
    assert_eq!(grant.policies, ["p0", "p1"]);
    assert_eq!(
        (grant.max_duration, grant.max_objects),
        (Duration::from_hours(1), 1000)
    );

    let none = listed(&set, &list, &["a/1"]);
    assert_eq!((none.allowed, none.grant), (vec![false], None));
    let empty = listed(&set, &list, &[]);
    assert_eq!(
        (empty.allowed, empty.grant, empty.unknown),
        (vec![], None, false)
    );
}

#[test]
fn a_listed_key_that_an_unreadable_policy_may_allow_is_not_removed() {
    let list = json!({"key": null, "prefix": "a/"});
    let mut set = policies(&[rule(&json!({"prefixes": ["a/x/"]}))]);
    set.insert_unreadable("b", SelectableNamespaces::default());
    assert!(listed(&set, &list, &["a/x/1", "a/y"]).unknown);
    assert!(
        !listed(&set, &list, &["a/x/1"]).unknown,
        "all of it is allowed by another"
    );
}

#[test]
fn each_key_under_a_prefix_that_may_be_listed_is_allowed() {
    let prefixes = ["a/", "a", "a/*", "a*", "*", "{namespace}/", "a/x/", "a/x"];
    let keys = ["a", "a/1", "a/x", "a/x/1", "a/x-old", "ab", "team-a/1", "b"];
    for of_rule in prefixes {
        for asked in ["a/", "a", "a/x", "a/x/", "team-a/", ""] {
            let mut set = policies(&[rule(
                &json!({"prefixes": [of_rule], "methods": ["GET", "LIST"]}),
            )]);
            set.insert_unreadable("b", SelectableNamespaces::default());
            let list = json!({"key": null, "prefix": asked});
            if !is_allowed(&decide(&set, &request(&list))) {
                continue;
            }
            let found: Vec<&str> = keys
                .into_iter()
                .filter(|key| key.starts_with(asked))
                .collect();
            let found = listed(&set, &list, &found);
            assert!(!found.allowed.contains(&false), "{of_rule} lists {asked}");
            assert!(!found.unknown);
        }
    }
}

#[test]
fn two_thousand_keys_and_a_hundred_rules_are_decided_in_order() {
    let rules: Vec<Value> = (0..100)
        .map(|n| rule(&json!({"prefixes": [format!("r{n}/"), format!("{{namespace}}/r{n}/")], "maxObjects": 2048})))
        .collect();
    let set = policies(&rules);
    let names: Vec<String> = (0..2048)
        .map(|n| format!("team-a/r{}/{n}", n % 100))
        .collect();
    let asked = request(&json!({"key": null, "keys": names}));
    assert_eq!(granted(decide(&set, &asked)).policies.len(), 100);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn keys_are_allowed_together_just_where_each_is_alone(
        prefixes in proptest::collection::vec("[ab]{1,2}(/|\\*)?", 1..4),
        asked in proptest::collection::btree_set("[ab]{1,2}(/[ab])?", 1..4),
        create_only in any::<[bool; 4]>(),
    ) {
        let rules: Vec<_> = prefixes.iter().zip(create_only).map(|(prefix, create_only)| rule(&json!({
            "prefixes": [prefix], "methods": ["PUT"], "maxUploadBytes": 1, "createOnly": create_only,
        }))).collect();
        let set = policies(&rules);
        let put = json!({"method": "PUT", "put": {"contentLength": 1}});
        let alone: Vec<Decision> = asked
            .iter()
            .map(|key| decide(&set, &request(&super::with(json!({"key": key}), &put))))
            .collect();
        let names: Vec<&str> = asked.iter().map(String::as_str).collect();
        let together = decide(&set, &request(&super::with(keys(&names), &put)));
        prop_assert_eq!(is_allowed(&together), alone.iter().all(is_allowed));
        if is_allowed(&together) {
            let grant = granted(together);
            let alone: Vec<_> = alone.into_iter().map(granted).collect();
            let forced = |options: &Options| matches!(options, Options::Put(put) if put.if_none_match.is_some());
            prop_assert_eq!(forced(&grant.options), alone.iter().any(|one| forced(&one.options)));
            prop_assert_eq!(Some(grant.max_duration), alone.iter().map(|one| one.max_duration).min());
        }
    }
}

//! A namespace never reaches what a template gives to another, whatever it is called and however it labels
//! itself.
//!
//! The attacker may create resources in one namespace and picks that namespace's labels; the alphabets are
//! small, so that names, labels, keys and patterns run into each other.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Labels, compile, decide_for, is_allowed, labels, policies, request, rule};
use crate::policy::PolicySet;
use crate::request::Key;

pub(super) const LABEL: &str = "{namespace.labels['team']}";

#[test]
fn team_a_and_team_ab_never_meet() {
    for prefix in [
        "{namespace}",
        "{namespace}/",
        "{namespace}/*",
        "data/{namespace}/",
        "x/{namespace}",
        "{namespace}/x",
    ] {
        let set = policies(&[rule(&json!({"prefixes": [prefix]}))]);
        let own = prefix
            .trim_end_matches(['*', '/'])
            .replace("{namespace}", "team-ab");
        let asked = request(&json!({"key": format!("{own}/x")}));
        assert!(
            is_allowed(&decide_for(&set, "team-ab", &Labels::new(), &asked)),
            "{prefix}"
        );
        for attacker in ["team-a", "team", "team-abc", "team-b", "ab", "a", "x", ""] {
            let decision = decide_for(&set, attacker, &Labels::new(), &asked);
            assert!(!is_allowed(&decision), "{attacker} by {prefix}");
        }
    }
}

#[test]
fn a_label_that_cannot_stand_in_a_name_closes_the_whole_rule() {
    let set = policies(&[rule(&json!({"prefixes": ["open/", format!("{LABEL}/")]}))]);
    let asked = request(&json!({"key": "open/x"}));
    assert!(is_allowed(&decide_for(
        &set,
        "team-a",
        &labels([("team", "red")]),
        &asked
    )));
    let long = "x".repeat(64);
    for value in [
        "",
        "/",
        "a/b",
        "*",
        "a*",
        "..",
        "a..b",
        ".",
        "a b",
        "a\nb",
        "{namespace}",
        "é",
        "%2e%2e",
        long.as_str(),
    ] {
        let labels = labels([("team", value), ("other", "x")]);
        assert!(
            !is_allowed(&decide_for(&set, "team-a", &labels, &asked)),
            "{value:?}"
        );
        let own = request(&json!({"key": "a/b"}));
        assert!(
            !is_allowed(&decide_for(&set, "team-a", &labels, &own)),
            "{value:?}"
        );
    }
    assert!(
        !is_allowed(&decide_for(&set, "team-a", &Labels::new(), &asked)),
        "a missing label"
    );
    let near = labels([("Team", "red"), ("team ", "red"), ("x/team", "red")]);
    assert!(
        !is_allowed(&decide_for(&set, "team-a", &near, &asked)),
        "other labels"
    );
}

#[test]
fn a_bucket_template_that_cannot_expand_closes_the_rule_for_other_buckets_too() {
    let set = policies(&[rule(&json!({"buckets": ["data", format!("{LABEL}-data")]}))]);
    assert!(!is_allowed(&decide_for(
        &set,
        "team-a",
        &Labels::new(),
        &request(&json!({}))
    )));
    assert!(is_allowed(&decide_for(
        &set,
        "team-a",
        &labels([("team", "x")]),
        &request(&json!({}))
    )));
}

#[test]
fn a_label_is_not_expanded_again() {
    let set = policies(&[rule(&json!({"prefixes": [format!("{LABEL}/")]}))]);
    let asked = request(&json!({"key": "team-a/x"}));
    for value in ["{namespace}", "namespace", "*"] {
        assert!(
            !is_allowed(&decide_for(
                &set,
                "team-a",
                &labels([("team", value)]),
                &asked
            )),
            "{value}"
        );
    }
}

/// Names of namespaces and values of labels that run into each other.
pub(super) fn name() -> impl Strategy<Value = String> {
    prop_oneof![3 => "a(-?a){0,2}", 1 => "[ab](-?[ab]){0,2}"]
}

/// A label's value as a namespace editor may try it, past what the API server takes.
pub(super) fn value() -> impl Strategy<Value = String> {
    prop_oneof![4 => name(), 1 => "[ab./*-]{0,3}"]
}

/// A pattern that may hold anything; most do not compile, and those that do must hold.
pub(super) fn pattern() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => Just("{namespace}".to_owned()),
        3 => Just(LABEL.to_owned()),
        2 => Just("/".to_owned()),
        2 => "[a-]",
        1 => Just("*".to_owned()),
    ];
    proptest::collection::vec(part, 1..6).prop_map(|parts| parts.concat())
}

fn set_of(field: &str, pattern: &str) -> Option<PolicySet> {
    set_with(&json!({"buckets": ["*"], "prefixes": ["*"], field: [pattern]}))
}

/// As [`set_of`], for every method that takes a prefix.
pub(super) fn set_of_all(field: &str, pattern: &str) -> Option<PolicySet> {
    let methods = json!({"methods": ["GET", "LIST", "POST"], "maxUploadBytes": 10});
    set_with(&super::with(methods, &json!({field: [pattern]})))
}

fn set_with(patch: &Value) -> Option<PolicySet> {
    let mut set = PolicySet::default();
    set.insert(compile("p", &json!({"names": ["*"]}), &[rule(patch)]).ok()?);
    Some(set)
}

/// What the pattern is for a namespace, by plain replacement: a model that shares nothing with the code.
pub(super) fn expanded(pattern: &str, name: &str, team: &str) -> String {
    pattern.replace(LABEL, team).replace("{namespace}", name)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, max_global_rejects: 200_000, ..ProptestConfig::default() })]

    #[test]
    fn a_prefix_with_the_namespace_in_it_is_never_reached_from_another(
        pattern in pattern(), victim in name(), attacker in name(), team in value(), chosen in value(),
        tail in prop_oneof![Just(""), Just("/a"), Just("a"), Just("-a"), Just("-b/a"), Just("b/a")],
    ) {
        prop_assume!(pattern.contains("{namespace}") && victim != attacker);
        let Some(set) = set_of("prefixes", &pattern) else { return Ok(()) };
        let own = expanded(&pattern, &victim, &team);
        let own = own.trim_end_matches('*');
        for key in [format!("{own}{tail}"), format!("{}{tail}", own.trim_end_matches('/'))] {
            if Key::parse(&key).is_err() {
                continue;
            }
            let asked = request(&json!({"key": key}));
            let theirs = is_allowed(&decide_for(&set, &victim, &labels([("team", &team)]), &asked));
            let reached = is_allowed(&decide_for(&set, &attacker, &labels([("team", &chosen)]), &asked));
            prop_assert!(!(theirs && reached), "{pattern}: {attacker}/{chosen} reaches {key} of {victim}/{team}");
        }
    }

    #[test]
    fn a_bucket_with_the_namespace_in_it_is_never_reached_from_another(
        pattern in pattern(), victim in name(), attacker in name(), team in value(), chosen in value(),
    ) {
        prop_assume!(pattern.contains("{namespace}") && victim != attacker);
        let Some(set) = set_of("buckets", &pattern) else { return Ok(()) };
        let bucket = expanded(&pattern, &victim, &team);
        if crate::request::Bucket::parse(&bucket).is_err() {
            return Ok(());
        }
        let asked = request(&json!({"bucket": bucket}));
        let reached = is_allowed(&decide_for(&set, &attacker, &labels([("team", &chosen)]), &asked));
        prop_assert!(!reached, "{pattern}: {attacker}/{chosen} reaches {bucket} of {victim}/{team}");
    }

    #[test]
    fn a_prefix_allows_what_its_plain_expansion_says(
        pattern in pattern(), asker in name(), team in value(), key in "[ab/-]{1,8}",
    ) {
        let Some(set) = set_of("prefixes", &pattern) else { return Ok(()) };
        prop_assume!(Key::parse(&key).is_ok());
        let own = expanded(&pattern, &asker, &team);
        let usable = !team.is_empty() && !team.contains(['/', '*']) && !team.contains("..") && team != ".";
        let expected = (usable || !pattern.contains(LABEL)) && match own.strip_suffix('*') {
            Some(raw) => key.starts_with(raw),
            None => format!("{key}/").starts_with(&format!("{}/", own.trim_end_matches('/'))),
        };
        let decision = decide_for(&set, &asker, &labels([("team", &team)]), &request(&json!({"key": key})));
        prop_assert_eq!(is_allowed(&decision), expected, "{} for {}/{}: {}", pattern, asker, team, key);
    }

    #[test]
    fn a_glob_matches_as_its_definition_says(pattern in "[ab*]{1,6}", name in "[ab]{3,8}") {
        fn matches(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern, name) {
                ([], []) => true,
                ([b'*', rest @ ..], _) => {
                    matches(rest, name) || name.split_first().is_some_and(|(_, name)| matches(pattern, name))
                }
                ([p, pattern @ ..], [n, name @ ..]) => p == n && matches(pattern, name),
                _ => false,
            }
        }
        let set = set_of("buckets", &pattern).expect("a glob compiles");
        let decision = decide_for(&set, "a", &Labels::new(), &request(&json!({"bucket": name})));
        prop_assert_eq!(is_allowed(&decision), matches(pattern.as_bytes(), name.as_bytes()));
    }
}

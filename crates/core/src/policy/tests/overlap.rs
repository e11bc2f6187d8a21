//! Bucket patterns that meet in one bucket of two namespaces.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Labels, compile, decide_for, is_allowed, request, rule};
use crate::policy::PolicySet;
use crate::request::Bucket;

/// Policies `a`, `b` and so on: the namespaces' names, and the buckets of one rule.
fn set(policies: &[(&Value, Value)]) -> PolicySet {
    let mut set = PolicySet::default();
    for (name, (names, buckets)) in ["a", "b", "c"].iter().zip(policies) {
        let rules = [rule(&json!({"buckets": buckets, "prefixes": ["*"]}))];
        set.insert(compile(name, &json!({"names": names}), &rules).expect("it compiles"));
    }
    set
}

#[test]
fn a_template_that_another_pattern_can_equal_for_another_namespace_is_told() {
    let all = &json!(["*"]);
    let teams = &json!(["team-*"]);
    let archive = &json!(["archive"]);
    let label = "{namespace.labels['team']}-data";
    // The names and buckets of policy a, those of policy b, and whether a tells of b.
    for (one, other, told) in [
        (
            (all, json!(["{namespace}-data"])),
            (all, json!(["x-data"])),
            true,
        ),
        (
            (all, json!(["{namespace}-data"])),
            (all, json!(["x-logs"])),
            false,
        ),
        (
            (all, json!(["{namespace}-data"])),
            (all, json!(["x-*"])),
            true,
        ),
        (
            (all, json!(["{namespace}-data"])),
            (all, json!(["logs-*-old"])),
            false,
        ),
        (
            (all, json!(["{namespace}-data"])),
            (all, json!(["team-{namespace}"])),
            true,
        ),
        (
            (all, json!(["{namespace}-data"])),
            (all, json!(["{namespace}-old-data"])),
            true,
        ),
        (
            (all, json!(["{namespace}-data"])),
            (all, json!(["{namespace}-logs"])),
            false,
        ),
        (
            (all, json!(["data-{namespace}"])),
            (all, json!(["logs-{namespace}"])),
            false,
        ),
        (
            (all, json!(["data{namespace}"])),
            (all, json!(["data"])),
            false,
        ),
        (
            (all, json!(["{namespace}-data"])),
            (all, json!([label])),
            true,
        ),
        // The same template makes the same name of the same value only.
        (
            (all, json!(["{namespace}-data"])),
            (teams, json!(["{namespace}-data"])),
            false,
        ),
        ((all, json!([label])), (teams, json!([label])), false),
        // Who may use every bucket is meant to.
        (
            (all, json!(["{namespace}-data"])),
            (all, json!(["*"])),
            false,
        ),
        // The names of the policies' namespaces count.
        (
            (teams, json!(["{namespace}-data"])),
            (all, json!(["x-data"])),
            false,
        ),
        (
            (teams, json!(["{namespace}-data"])),
            (all, json!(["team-x-data"])),
            true,
        ),
        (
            (teams, json!(["{namespace}"])),
            (archive, json!(["archive"])),
            false,
        ),
        (
            (all, json!(["{namespace}-data"])),
            (archive, json!(["archive-data"])),
            false,
        ),
        (
            (all, json!(["{namespace}-data"])),
            (archive, json!(["other-data"])),
            true,
        ),
        (
            (archive, json!(["{namespace}-data"])),
            (archive, json!(["archive-*"])),
            false,
        ),
    ] {
        let set = set(&[one.clone(), other.clone()]);
        let found = set.shared_bucket("a");
        assert_eq!(found.is_some(), told, "{one:?} {other:?}: {found:?}");
        if let Some(found) = found {
            assert!(found.contains("rule \"r0\" of policy \"b\""), "{found}");
            assert!(
                found.ends_with("give them names that cannot be equal"),
                "{found}"
            );
        }
    }
}

#[test]
fn patterns_of_one_policy_meet_too_and_those_of_other_stores_or_empty_rules_do_not() {
    let meeting = |patch: Value| {
        let rules = [
            rule(&json!({"buckets": ["{namespace}-data"]})),
            rule(&super::with(json!({"buckets": ["x-data"]}), &patch)),
        ];
        let mut set = PolicySet::default();
        set.insert(compile("a", &json!({"names": ["*"]}), &rules).expect("it compiles"));
        set.shared_bucket("a")
    };
    assert_eq!(
        meeting(json!({})).expect("they meet"),
        "bucket \"{namespace}-data\" of rule \"r0\" can be, for another namespace, the bucket \"x-data\" that rule \"r1\" of \
         policy \"a\" is for: give them names that cannot be equal"
    );
    assert!(meeting(json!({"stores": ["m*"]})).is_some());
    assert_eq!(meeting(json!({"stores": ["other"]})), None);
    assert_eq!(meeting(json!({"prefixes": []})), None);
    assert_eq!(PolicySet::default().shared_bucket("a"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn where_two_namespaces_get_one_bucket_by_two_patterns_it_is_told(
        before in "[ab-]{0,2}", after in "[ab-]{0,2}",
        other in prop_oneof!["[ab]{1,2}(-[ab])?\\*?", "[ab-]{0,2}\\{namespace\\}[ab-]{0,2}"],
        names in prop_oneof![Just(json!(["*"])), Just(json!(["a*"])), Just(json!(["ab"]))],
        one in "[ab]{1,2}(-[ab])?", two in "[ab]{1,2}(-[ab])?",
    ) {
        prop_assume!(one != two && other != "*");
        let pattern = format!("{before}{{namespace}}{after}");
        prop_assume!(pattern != other);
        let bucket = format!("{before}{one}{after}");
        prop_assume!(Bucket::parse(&bucket).is_ok());
        let set = set(&[(&names, json!([pattern])), (&json!(["*"]), json!([other]))]);
        let asked = request(&json!({"bucket": bucket}));
        let by_template = {
            let mut set = set.clone();
            set.remove("b");
            is_allowed(&decide_for(&set, &one, &Labels::new(), &asked))
        };
        let by_other = {
            let mut set = set.clone();
            set.remove("a");
            is_allowed(&decide_for(&set, &two, &Labels::new(), &asked))
        };
        if by_template && by_other {
            prop_assert!(set.shared_bucket("a").is_some(), "{} {} {} {}", pattern, other, one, two);
        }
    }
}

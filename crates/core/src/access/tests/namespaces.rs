//! A session for a namespace does what the policies allow it in that store, and nothing else.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{AccessError, Dialect, namespace_policy};
use super::iam::allows;
use super::{AWS, statements};
use crate::api::Reason;
use crate::policy::{CompiledPolicy, Decision, Namespace, PolicySet};
use crate::request::{Limits, Request};

fn rule(patch: &Value) -> Value {
    let mut rule = json!({
        "stores": ["main"], "buckets": ["data"], "prefixes": ["{namespace}/"], "methods": ["GET"], "maxDuration": "12h",
    });
    for (field, value) in patch.as_object().unwrap() {
        rule[field] = value.clone();
    }
    rule
}

fn set(rules: &[Value]) -> PolicySet {
    let mut rules = rules.to_vec();
    for (at, rule) in rules.iter_mut().enumerate() {
        rule["name"] = format!("r{at}").into();
    }
    let spec = json!({"namespaces": {"names": ["team-*"]}, "allow": rules});
    let spec = serde_json::from_value(spec).unwrap();
    let mut set = PolicySet::default();
    set.insert(CompiledPolicy::compile("p", &spec).unwrap());
    set
}

fn policy_for(rules: &[Value], name: &str, store: &str) -> Result<String, AccessError> {
    let labels = BTreeMap::from([("team".to_owned(), "x".to_owned())]);
    let namespace = Namespace {
        name,
        labels: &labels,
    };
    namespace_policy(&set(rules), &namespace, store, AWS)
}

fn policy(rules: &[Value]) -> String {
    policy_for(rules, "team-a", "main").unwrap()
}

#[test]
fn a_rule_becomes_the_resources_that_it_allows() {
    let text = policy(&[
        rule(&json!({})),
        rule(
            &json!({"prefixes": ["in/{namespace.labels['team']}"], "methods": ["PUT"], "maxUploadBytes": 1,
                     "acls": ["private"], "tagKeys": ["t"]}),
        ),
        rule(&json!({"buckets": ["logs-*"], "prefixes": ["raw?-*"], "methods": ["DELETE"]})),
    ]);
    let can = |action: &str, resource: &str| {
        allows(&text, action, &format!("arn:aws:s3:::{resource}"), None)
    };
    assert!(can("s3:GetObject", "data/team-a"));
    assert!(can("s3:GetObject", "data/team-a/x/y"));
    assert!(!can("s3:GetObject", "data/team-ab/x"));
    assert!(!can("s3:GetObjectVersion", "data/team-a/x"));
    assert!(!can("s3:PutObject", "data/team-a/x"));
    for action in ["s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging"] {
        assert!(can(action, "data/in/x/1"), "{action}");
    }
    assert!(can("s3:DeleteObject", "logs-eu/raw?-1"));
    assert!(!can("s3:DeleteObject", "logs-eu/rawx-1"));
    assert!(!can("s3:DeleteObject", "data/team-a/x"));
}

#[test]
fn a_form_uploads_and_a_listing_stays_below_its_prefix() {
    let text = policy(&[
        rule(
            &json!({"prefixes": ["in/"], "methods": ["POST"], "maxUploadBytes": 1, "tagKeys": ["t"]}),
        ),
        rule(&json!({"prefixes": ["out/", "raw-*"], "methods": ["GET", "LIST"]})),
    ]);
    let can = |action: &str, resource: &str, prefix| {
        allows(&text, action, &format!("arn:aws:s3:::{resource}"), prefix)
    };
    assert!(can("s3:PutObject", "data/in/x", None));
    assert!(!can("s3:PutObjectTagging", "data/in/x", None));
    assert!(!can("s3:GetObject", "data/in/x", None));
    for prefix in ["out/", "out/x/", "raw-", "raw-1"] {
        assert!(can("s3:ListBucket", "data", Some(prefix)), "{prefix}");
    }
    for prefix in ["out", "outer/", "in/", ""] {
        assert!(!can("s3:ListBucket", "data", Some(prefix)), "{prefix}");
    }
    assert!(!can("s3:ListBucket", "data", None));

    let whole = policy(&[rule(
        &json!({"prefixes": ["*"], "methods": ["GET", "LIST"]}),
    )]);
    assert!(allows(&whole, "s3:ListBucket", "arn:aws:s3:::data", None));
}

#[test]
fn another_store_another_namespace_and_a_missing_label_reach_nothing() {
    let nothing = |rules: &[Value], name: &str, store: &str| {
        let error = policy_for(rules, name, store).unwrap_err();
        assert!(matches!(error, AccessError::Nothing { .. }), "{error:?}");
        assert_eq!(error.reason(), Reason::PolicyDenied);
    };
    nothing(&[rule(&json!({}))], "team-a", "other");
    nothing(&[rule(&json!({}))], "elsewhere", "main");
    nothing(
        &[rule(&json!({"prefixes": ["{namespace.labels['none']}/"]}))],
        "team-a",
        "main",
    );
    nothing(
        &[rule(&json!({"buckets": ["{namespace.labels['none']}"]}))],
        "team-a",
        "main",
    );
    nothing(&[rule(&json!({"methods": []}))], "team-a", "main");
}

#[test]
fn what_a_wider_rule_says_is_not_said_again() {
    let text = policy(&[
        rule(&json!({"prefixes": ["*"]})),
        rule(&json!({"prefixes": ["models/", "models*", "m*"]})),
    ]);
    let statements = statements(&text);
    assert_eq!(statements[0]["Resource"], json!("arn:aws:s3:::data/*"));
    assert_eq!(statements.len(), 2, "{text}");
}

#[test]
fn a_namespace_with_too_many_rules_gets_an_error_that_says_so() {
    let rules: Vec<Value> = (0..60)
        .map(|n| rule(&json!({"prefixes": [format!("folder-{n}/")]})))
        .collect();
    let error = policy_for(&rules, "team-a", "main").unwrap_err();
    assert!(
        matches!(error, AccessError::NamespaceTooLarge { .. }),
        "{error:?}"
    );
    assert_eq!(error.reason(), Reason::SessionPolicyTooLarge);
    assert!(
        error
            .to_string()
            .contains("namespace \"team-a\" in store \"main\""),
        "{error}"
    );
}

#[test]
fn a_wildcard_in_a_rules_prefix_is_refused_where_the_server_may_not_know_the_escape() {
    let labels = BTreeMap::new();
    let namespace = Namespace {
        name: "team-a",
        labels: &labels,
    };
    let policies = set(&[rule(&json!({"prefixes": ["a?/"]}))]);
    let error = namespace_policy(&policies, &namespace, "main", Dialect::Plain).unwrap_err();
    assert_eq!(
        error,
        AccessError::Wildcard {
            text: "a?".to_owned()
        }
    );
}

proptest! {
    /// With one bucket the session is exactly as wide as the rules.
    #[test]
    fn a_session_does_what_the_rules_allow(
        prefixes in proptest::collection::vec("[ab]{1,2}(/[ab]{1,2})?[/*]?", 1..4),
        key in "[abc]{1,3}(/[abc]{1,3})?",
    ) {
        let rules = [rule(&json!({"prefixes": prefixes}))];
        let spec = json!({"storeRef": {"name": "main"}, "bucket": "data", "key": key});
        let spec = serde_json::from_value(spec).unwrap();
        let limits = Limits { min_duration: std::time::Duration::from_mins(5) };
        let request = Request::parse(&spec, &limits).unwrap();
        let labels = BTreeMap::new();
        let namespace = Namespace { name: "team-a", labels: &labels };
        let allowed = matches!(set(&rules).decide(&namespace, &request), Decision::Allowed(_));
        let reached = allows(&policy(&rules), "s3:GetObject", &format!("arn:aws:s3:::data/{key}"), None);
        prop_assert_eq!(allowed, reached);
    }
}

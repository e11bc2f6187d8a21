//! The policy of a signing identity does what the policies allow, and nothing else.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{Dialect, SignerStore, signer_policy};
use super::iam::allows;
use super::{AWS, statements};
use crate::policy::{CompiledPolicy, Namespace, PolicySet};

fn rule(patch: &Value) -> Value {
    let mut rule = json!({
        "name": "r", "stores": ["main"], "buckets": ["data"], "prefixes": ["in/"], "methods": ["GET"],
        "maxDuration": "1h", "maxUploadBytes": 1,
    });
    for (field, value) in patch.as_object().unwrap() {
        rule[field] = value.clone();
    }
    rule
}

fn set(namespaces: &Value, rules: &[Value]) -> PolicySet {
    let mut rules = rules.to_vec();
    for (at, rule) in rules.iter_mut().enumerate() {
        rule["name"] = format!("r{at}").into();
    }
    let spec = json!({"namespaces": namespaces, "allow": rules});
    let spec = serde_json::from_value(spec).unwrap();
    let mut set = PolicySet::default();
    set.insert(CompiledPolicy::compile("p", &spec).unwrap());
    set
}

fn store(dialect: Dialect) -> SignerStore<'static> {
    SignerStore {
        name: "main",
        dialect,
        kms_keys: &[],
    }
}

fn policy(namespaces: &Value, rules: &[Value]) -> String {
    let set = set(namespaces, rules);
    signer_policy(&set, &[store(AWS)], None).unwrap().unwrap()
}

fn teams() -> Value {
    json!({"names": ["team-*"]})
}

/// The actions and resources of all statements.
fn said(policy: &str) -> Vec<(String, String)> {
    let texts = |value: &Value| match value {
        Value::String(one) => vec![one.clone()],
        several => serde_json::from_value(several.clone()).unwrap(),
    };
    let mut said = Vec::new();
    for statement in statements(policy) {
        for action in texts(&statement["Action"]) {
            for resource in texts(&statement["Resource"]) {
                said.push((action.clone(), resource));
            }
        }
    }
    said.sort();
    said
}

#[test]
fn a_right_is_there_only_if_a_rule_allows_what_needs_it() {
    let object = ["data/in", "data/in/*"].map(|name| format!("arn:aws:s3:::{name}"));
    let plain = [
        ("GET", "s3:GetObject"),
        ("HEAD", "s3:GetObject"),
        ("PUT", "s3:PutObject"),
        ("POST", "s3:PutObject"),
        ("DELETE", "s3:DeleteObject"),
    ];
    for (method, action) in plain {
        let text = policy(&teams(), &[rule(&json!({"methods": [method]}))]);
        let expected = object
            .clone()
            .map(|resource| (action.to_owned(), resource))
            .to_vec();
        assert_eq!(said(&text), expected, "{method}");
    }
    let all = json!({
        "methods": ["GET", "PUT"], "allowVersions": true, "acls": ["private"], "tagKeys": ["t"], "kmsKeys": ["1234-abcd"],
    });
    let text = policy(&teams(), &[rule(&all)]);
    let actions: Vec<String> = said(&text).into_iter().map(|(action, _)| action).collect();
    for action in [
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:PutObject",
        "s3:PutObjectAcl",
        "s3:PutObjectTagging",
    ] {
        assert!(actions.iter().any(|named| named == action), "{action}");
    }
    assert!(
        said(&text).contains(&(
            "kms:Decrypt".to_owned(),
            "arn:aws:kms:*:*:key/1234-abcd".to_owned()
        )),
        "{text}"
    );
    assert!(!actions.iter().any(|action| action.contains('*')));
}

#[test]
fn the_keys_of_other_servers_and_the_default_key_need_no_right() {
    let keys = rule(&json!({"methods": ["GET", "PUT"], "kmsKeys": ["aws/s3"]}));
    assert!(!policy(&teams(), std::slice::from_ref(&keys)).contains("kms:"));
    let named = rule(&json!({"methods": ["PUT"], "kmsKeys": ["1234-abcd"]}));
    let plain = signer_policy(&set(&teams(), &[named]), &[store(Dialect::Plain)], None);
    assert!(!plain.unwrap().unwrap().contains("kms:"));
    let bucket = ["arn:aws:kms:eu-west-1:111122223333:key/1234".to_owned()];
    let of_bucket = SignerStore {
        kms_keys: &bucket,
        ..store(AWS)
    };
    let text = signer_policy(&set(&teams(), &[keys]), &[of_bucket], None);
    let text = text.unwrap().unwrap();
    for action in ["kms:Decrypt", "kms:GenerateDataKey"] {
        assert!(allows(&text, action, &bucket[0], None), "{action}");
    }
}

#[test]
fn a_listing_is_allowed_below_its_prefix_and_only_with_list() {
    let text = policy(&teams(), &[rule(&json!({"methods": ["GET", "LIST"]}))]);
    let list = |prefix| allows(&text, "s3:ListBucket", "arn:aws:s3:::data", prefix);
    assert!(list(Some("in/")) && list(Some("in/x")));
    assert!(!list(Some("")) && !list(Some("other/")) && !list(None));
    assert!(!policy(&teams(), &[rule(&json!({}))]).contains("ListBucket"));
}

#[test]
fn a_template_is_as_wide_as_the_names_of_its_policy() {
    let own = rule(&json!({"prefixes": ["{namespace}/"]}));
    let labelled = rule(&json!({"prefixes": ["by/{namespace.labels['team']}/"]}));
    let get = |text: &str, key: &str| {
        allows(
            text,
            "s3:GetObject",
            &format!("arn:aws:s3:::data/{key}"),
            None,
        )
    };
    let text = policy(&teams(), &[own.clone(), labelled]);
    assert!(get(&text, "team-a/x") && get(&text, "by/anybody/x"));
    assert!(!get(&text, "ops/x") && !get(&text, "team") && !get(&text, "other/by/x"));

    let exact = policy(&json!({"names": ["a", "b"]}), std::slice::from_ref(&own));
    assert!(get(&exact, "a/x") && get(&exact, "b/x") && !get(&exact, "c/x"));
    let by_label = json!({"selector": {"matchLabels": {"x": "y"}}});
    assert!(get(&policy(&by_label, std::slice::from_ref(&own)), "any/x"));

    let labels = BTreeMap::new();
    let [a, other] = ["team-a", "other"].map(|name| Namespace {
        name,
        labels: &labels,
    });
    let set = set(&teams(), &[own]);
    let given = signer_policy(&set, &[store(AWS)], Some(&[a, other]));
    let given = given.unwrap().unwrap();
    assert!(get(&given, "team-a/x") && !get(&given, "team-b/x") && !get(&given, "other/x"));
    let none = signer_policy(&set, &[store(AWS)], Some(&[other]));
    assert_eq!(none, Ok(None));
}

#[test]
fn a_store_that_no_rule_names_gets_nothing() {
    let set = set(&teams(), &[rule(&json!({}))]);
    let other = SignerStore {
        name: "other",
        ..store(AWS)
    };
    assert_eq!(signer_policy(&set, &[other], None), Ok(None));
    let both = signer_policy(&set, &[other, store(AWS)], None);
    assert!(both.unwrap().is_some());
}

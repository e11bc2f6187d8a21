//! What policies promise: tables by theme, and properties against an attacker who chooses names.
#![allow(clippy::expect_used, clippy::panic)]
// A table is as long as it needs to be.
#![allow(clippy::too_many_lines)]

mod compile;
mod decide;
mod denial_message;
mod emptiness;
mod every_field;
mod isolation;
mod many;
mod overlap;
mod prefixes;
mod redirect_pattern;
mod rule_check;
mod selectable;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{CompiledPolicy, Decision, Grant, Namespace, PolicyError, PolicySet};
use crate::request::Request;
use crate::request::tests::{limits, with};

/// Labels of a namespace.
type Labels = BTreeMap<String, String>;

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

/// A GET of `team-a/x` in bucket `data` of store `main`, and what the patch says.
fn request(patch: &Value) -> Request {
    let base = json!({"storeRef": {"name": "main"}, "bucket": "data", "key": "team-a/x"});
    let spec = serde_json::from_value(with(base, patch)).expect("the spec is one");
    Request::parse(&spec, &limits()).expect("the request parses")
}

/// A rule that allows a GET of `team-a/` in bucket `data` of store `main` for 12h, and what the patch says.
fn rule(patch: &Value) -> Value {
    let base = json!({
        "stores": ["main"], "buckets": ["data"], "prefixes": ["team-a/"], "methods": ["GET"],
        "maxDuration": "12h",
    });
    with(base, patch)
}

fn compile(name: &str, namespaces: &Value, allow: &[Value]) -> Result<CompiledPolicy, PolicyError> {
    // A rule without a name is named by its place.
    let named = |(at, rule): (usize, &Value)| with(json!({"name": format!("r{at}")}), rule);
    let allow: Vec<Value> = allow.iter().enumerate().map(named).collect();
    let spec = json!({"namespaces": namespaces, "allow": allow});
    let spec = serde_json::from_value(spec).expect("the policy is one");
    CompiledPolicy::compile(name, &spec)
}

/// Policies for every namespace, named `p0`, `p1` and so on, each with one of the rules.
fn policies(rules: &[Value]) -> PolicySet {
    let mut set = PolicySet::default();
    for (at, rule) in rules.iter().enumerate() {
        let allow = std::slice::from_ref(rule);
        set.insert(
            compile(&format!("p{at}"), &json!({"names": ["*"]}), allow).expect("it compiles"),
        );
    }
    set
}

/// What the policies say to the namespace `team-a` without labels.
fn decide(set: &PolicySet, request: &Request) -> Decision {
    decide_for(set, "team-a", &Labels::new(), request)
}

fn decide_for(set: &PolicySet, name: &str, labels: &Labels, request: &Request) -> Decision {
    set.decide(&Namespace { name, labels }, request)
}

fn granted(decision: Decision) -> Grant {
    match decision {
        Decision::Allowed(grant) => *grant,
        other => panic!("not allowed: {other:?}"),
    }
}

fn refused(decision: Decision) -> String {
    match decision {
        Decision::Denied(refusal) => refusal.message,
        other => panic!("not refused: {other:?}"),
    }
}

fn is_allowed(decision: &Decision) -> bool {
    matches!(decision, Decision::Allowed(_))
}

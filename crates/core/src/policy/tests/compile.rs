//! Policies that cannot mean what they say are refused by field, with what to write.

use serde_json::{Value, json};

use super::super::CompiledPolicy;
use super::{compile, rule};
use crate::api::PresignedUrlPolicySpec;

#[test]
fn what_cannot_be_read_is_named_with_what_to_write() {
    let cases = [
        (
            json!({"maxDuration": ""}),
            "maxDuration",
            "is empty; write numbers with units",
        ),
        (
            json!({"maxDuration": "59s"}),
            "maxDuration",
            "is not between 1m and 168h",
        ),
        (
            json!({"maxDuration": "169h"}),
            "maxDuration",
            "is not between 1m and 168h",
        ),
        (
            json!({"methods": ["GET", "PUT"]}),
            "maxUploadBytes",
            "is required with PUT and POST; give the largest",
        ),
        (
            json!({"methods": ["POST"]}),
            "maxUploadBytes",
            "is required with PUT and POST",
        ),
        (
            json!({"maxObjects": 0}),
            "maxObjects",
            "is not between 1 and 10000; give",
        ),
        (
            json!({"maxObjects": 10_001}),
            "maxObjects",
            "is not between 1 and 10000",
        ),
        (
            json!({"minRefreshInterval": "59s"}),
            "minRefreshInterval",
            "is not between 1m and 168h; give",
        ),
        (
            json!({"minRefreshInterval": "169h"}),
            "minRefreshInterval",
            "is not between 1m and 168h",
        ),
        (
            json!({"minRefreshInterval": "often"}),
            "minRefreshInterval",
            "is not a duration; write",
        ),
        (
            json!({"maxUploadBytes": 5_368_709_121_u64}),
            "maxUploadBytes",
            "give at most 5368709120 (5 GiB)",
        ),
        (
            json!({"stores": ["a", ""]}),
            "stores[1]",
            "matches nothing; give a name",
        ),
        (
            json!({"stores": ["Main"]}),
            "stores[0]",
            "holds \"M\"; give lower-case letters",
        ),
        (
            json!({"stores": ["{namespace}"]}),
            "stores[0]",
            "templates expand in buckets and prefixes only",
        ),
        (
            json!({"endpoints": ["in/side"]}),
            "endpoints[0]",
            "holds \"/\"; give",
        ),
        (
            json!({"buckets": ["da/ta"]}),
            "buckets[0]",
            "holds \"/\"; give",
        ),
        (json!({"buckets": [""]}), "buckets[0]", "matches nothing"),
        (
            json!({"buckets": ["{namespace}*"]}),
            "buckets[0]",
            "joins a template with *",
        ),
        (
            json!({"buckets": ["*-{namespace}"]}),
            "buckets[0]",
            "joins a template with *",
        ),
        (
            json!({"buckets": ["da/ta-{namespace}"]}),
            "buckets[0]",
            "holds \"/\"",
        ),
        (
            json!({"buckets": ["{namespace}-{namespace.labels['env']}"]}),
            "buckets[0]",
            "two templates side by side",
        ),
        (
            json!({"buckets": ["{namespaces}"]}),
            "buckets[0]",
            "an unknown template; write {namespace} or",
        ),
        (
            json!({"buckets": ["a}"]}),
            "buckets[0]",
            "a brace without its partner; write",
        ),
        (
            json!({"prefixes": [""]}),
            "prefixes[0]",
            "give a prefix, or * for the whole bucket",
        ),
        (
            json!({"prefixes": ["/a"]}),
            "prefixes[0]",
            "begins with /, and no key does",
        ),
        (
            json!({"prefixes": ["/"]}),
            "prefixes[0]",
            "begins with /, and no key does",
        ),
        (
            json!({"prefixes": ["/*"]}),
            "prefixes[0]",
            "begins with /, and no key does",
        ),
        (
            json!({"prefixes": ["a//b"]}),
            "prefixes[0]",
            "holds an empty segment",
        ),
        (
            json!({"prefixes": ["a//"]}),
            "prefixes[0]",
            "holds an empty segment",
        ),
        (
            json!({"prefixes": ["a/../b"]}),
            "prefixes[0]",
            "\"..\", and no key does",
        ),
        (
            json!({"prefixes": ["./a*"]}),
            "prefixes[0]",
            "holds an empty segment, \".\"",
        ),
        (
            json!({"prefixes": ["a/*/b"]}),
            "prefixes[0]",
            "a * may only be the last character",
        ),
        (
            json!({"prefixes": ["**"]}),
            "prefixes[0]",
            "a * may only be the last character",
        ),
        (
            json!({"prefixes": ["a\n"]}),
            "prefixes[0]",
            "a control character",
        ),
        (
            json!({"prefixes": ["${namespace}/"]}),
            "prefixes[0]",
            "holds ${",
        ),
        (
            json!({"prefixes": ["{namespace"]}),
            "prefixes[0]",
            "a brace without its partner",
        ),
        (
            json!({"prefixes": ["namespace}"]}),
            "prefixes[0]",
            "a brace without its partner",
        ),
        (
            json!({"prefixes": ["{{namespace}}"]}),
            "prefixes[0]",
            "an unknown template",
        ),
        (
            json!({"prefixes": ["{ namespace }"]}),
            "prefixes[0]",
            "an unknown template",
        ),
        (
            json!({"prefixes": ["{namespace.labels[\"a\"]}"]}),
            "prefixes[0]",
            "an unknown template",
        ),
        (
            json!({"prefixes": ["{namespace.labels['']}"]}),
            "prefixes[0]",
            "an unknown template",
        ),
        (
            json!({"prefixes": ["{namespace.labels['a b']}"]}),
            "prefixes[0]",
            "an unknown template",
        ),
        (
            json!({"prefixes": ["{namespace.name}"]}),
            "prefixes[0]",
            "an unknown template",
        ),
        (
            json!({"prefixes": ["{namespace}*"]}),
            "prefixes[0]",
            "has no / between a template and *",
        ),
        (
            json!({"prefixes": ["{namespace}-x*"]}),
            "prefixes[0]",
            "put / before the *",
        ),
        (
            json!({"prefixes": ["a/{namespace.labels['x']}b*"]}),
            "prefixes[0]",
            "has no / between a template and *",
        ),
        (
            json!({"prefixes": ["{namespace}{namespace.labels['x']}/"]}),
            "prefixes[0]",
            "put / between them",
        ),
        (
            json!({"prefixes": ["{namespace.labels['x']}-{namespace}/a"]}),
            "prefixes[0]",
            "two templates side by side",
        ),
        (
            json!({"prefixes": ["{namespace}-archive/"]}),
            "prefixes[0]",
            "\"{namespace}-archive/\" holds a template beside other characters",
        ),
        (
            json!({"prefixes": ["a/x{namespace}"]}),
            "prefixes[0]",
            "write it alone between slashes, as in {namespace}/ or a/{namespace}/b/",
        ),
        (
            json!({"prefixes": ["a/{namespace.labels['x']}.d/b*"]}),
            "prefixes[0]",
            "holds a template beside other characters",
        ),
        (
            json!({"acls": ["*"]}),
            "acls[0]",
            "is compared as it stands",
        ),
        (
            json!({"storageClasses": [""]}),
            "storageClasses[0]",
            "matches nothing",
        ),
        (
            json!({"kmsKeys": ["arn:*"]}),
            "kmsKeys[0]",
            "name each value",
        ),
        (
            json!({"templateKeys": [""]}),
            "templateKeys[0]",
            "\"\" matches no key of a label or annotation; give",
        ),
        (
            json!({"templateKeys": ["a", "b c"]}),
            "templateKeys[1]",
            "matches no key of a label or annotation",
        ),
        (
            json!({"templateKeys": ["{namespace}"]}),
            "templateKeys[0]",
            "for example example.com/*",
        ),
        (
            json!({"tagKeys": ["{namespace}"]}),
            "tagKeys[0]",
            "without * and templates",
        ),
    ];
    for (patch, field, words) in cases {
        let rules = [rule(&json!({})), rule(&patch)];
        let error = compile("p", &json!({"names": ["*"]}), &rules).expect_err(&patch.to_string());
        assert_eq!(error.field, format!("{field} of rule \"r1\""), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
}

#[test]
fn a_namespace_selector_that_cannot_be_read_is_not_dropped() {
    let expression = |e: Value| json!({"selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}, e]}});
    let cases = [
        (
            json!({"names": ["team-a", "Team"]}),
            "names[1]",
            "holds \"T\"",
        ),
        (
            json!({"names": ["{namespace}"]}),
            "names[0]",
            "templates expand in buckets and prefixes only",
        ),
        (
            json!({"selector": {"matchLabels": {"a b": "c"}}}),
            "selector.matchLabels",
            "is not a label's key",
        ),
        (
            json!({"selector": {"matchLabels": {"a": "b/c"}}}),
            "selector.matchLabels",
            "is not a label's value",
        ),
        (
            expression(json!({"key": "a", "operator": "In"})),
            "selector.matchExpressions[1]",
            "list at least one",
        ),
        (
            expression(json!({"key": "a", "operator": "NotIn", "values": []})),
            "selector.matchExpressions[1]",
            "list at least one",
        ),
        (
            expression(json!({"key": "a", "operator": "Exists", "values": ["b"]})),
            "selector.matchExpressions[1]",
            "remove them",
        ),
        (
            expression(json!({"key": "restricted ", "operator": "DoesNotExist"})),
            "selector.matchExpressions[1]",
            "is not a label's key",
        ),
        (
            expression(json!({"key": "Ex_ample/a", "operator": "Exists"})),
            "selector.matchExpressions[1]",
            "is not a label's key",
        ),
        (
            expression(json!({"key": "a", "operator": "NotIn", "values": ["b "]})),
            "selector.matchExpressions[1]",
            "is not a label's value",
        ),
    ];
    for (namespaces, field, words) in cases {
        let error = compile("p", &namespaces, &[]).expect_err(&namespaces.to_string());
        assert_eq!(error.field, format!("spec.namespaces.{field}"), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn every_good_form_compiles() {
    let rules = [rule(&json!({
        "stores": ["*", "main.eu", "m*n-*"],
        "buckets": ["data", "logs-*", "*", "{namespace}", "x-{namespace.labels['team']}-y", "{namespace}.data"],
        "prefixes": [
            "*", "models", "models/", "models*", "models/*", "a/b/{namespace}", "{namespace}/*", "{namespace}/x-*",
            "{namespace.labels['presigned.dev/team']}/{namespace}/", "x-y/{namespace}/z", "...", "a/..*", "a b/ü",
        ],
        "methods": ["GET", "HEAD", "PUT", "DELETE", "POST", "LIST"], "maxDuration": "168h", "maxUploadBytes": 0,
        "maxObjects": 10_000, "minRefreshInterval": "1m", "redirects": ["https://a.b:1/c?d=*", "http://a"],
        "endpoints": ["inside", "out*"],
    }))];
    let policy = compile("p", &json!({"names": []}), &rules).expect("it compiles");
    assert_eq!(policy.name(), "p");
}

#[test]
fn an_empty_rule_is_no_error() {
    let spec: PresignedUrlPolicySpec = serde_json::from_value(
        json!({"namespaces": {}, "allow": [
            {"name": "a", "stores": [], "buckets": [], "prefixes": [], "methods": [], "maxDuration": "1m"}]}),
    )
    .expect("the policy is one");
    assert!(CompiledPolicy::compile("p", &spec).is_ok());
}

#[test]
fn two_rules_never_have_one_name() {
    let named = |name: &str| rule(&json!({"name": name}));
    let all = json!({"names": ["*"]});
    assert!(compile("p", &all, &[named("a"), named("b")]).is_ok());
    let error = compile("p", &all, &[named("a"), named("b"), named("a")]).expect_err("one twice");
    assert_eq!(
        error.to_string(),
        "name of rule \"a\": another rule of the policy has it; give each rule a name of its own"
    );
    for name in ["", "A", "a b", "-a", &"a".repeat(64)] {
        let error = compile("p", &all, &[named(name)]).expect_err(name);
        assert!(error.field.starts_with("name of rule \""), "{error}");
        assert!(error.message.contains("1 to 63 lower-case"), "{error}");
    }
}

#[test]
fn a_misspelt_field_does_not_parse() {
    for policy in [
        json!({"namespaces": {}, "allow": [rule(&json!({"name": "a", "createonly": true}))]}),
        json!({"namespaces": {"name": ["a"]}, "allow": []}),
        json!({"namespaces": {"selector": {"matchLabels": {"a": "b"}, "matchExpresions": []}}, "allow": []}),
        json!({"namespaces": {"selector": {"matchExpressions": [
            {"key": "a", "operator": "Exists", "value": "b"},
        ]}}, "allow": []}),
        json!({"namespaces": {"selector": {"matchExpressions": [{"key": "a", "operator": "in"}]}}, "allow": []}),
        json!({"namespaces": {}, "allow": [], "deny": []}),
        json!({"namespaces": {}, "allow": [rule(&json!({"name": "a", "methods": ["list"]}))]}),
    ] {
        assert!(
            serde_json::from_value::<PresignedUrlPolicySpec>(policy.clone()).is_err(),
            "{policy}"
        );
    }
}

//! `PresignedURLPolicy`: a mistake is refused or reported, and never widens what is allowed.

use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use presigned_core::api::PresignedUrlPolicy;
use serde_json::{Value, json};

use super::Kind;
use crate::cluster::cluster;

pub(super) fn policy() -> Kind {
    Kind {
        name: "PresignedURLPolicy",
        plural: "presignedurlpolicies",
        namespaced: false,
        plain: json!({ "namespaces": { "names": ["team-a"] }, "allow": [rule(&json!({}))] }),
    }
}

pub(super) fn rule(changes: &Value) -> Value {
    let mut rule = json!({
        "name": "read", "stores": ["default"], "buckets": ["models"], "prefixes": ["llama/"], "methods": ["GET"], "maxDuration": "12h",
    });
    super::merge(&mut rule, changes);
    rule
}

fn allow(changes: &Value) -> Value {
    json!({ "allow": [rule(changes)] })
}

#[tokio::test]
async fn what_no_rule_can_do_without_is_required_and_not_empty() {
    let mut none = Vec::new();
    for field in ["stores", "buckets", "prefixes", "methods"] {
        none.push((field, json!(null), "Required"));
        none.push((field, json!([]), "at least 1"));
    }
    none.push(("maxDuration", json!(null), "Required"));
    for (field, value, words) in none {
        let case = format!("{field}: {value}");
        let path = format!("spec.allow[0].{field}");
        let changes = allow(&json!({ field: value }));
        policy().refuses(&[(&case, changes, &[&path, words])]).await;
    }
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "one table")]
async fn a_rule_that_cannot_mean_what_it_says_is_refused() {
    let life = &["spec.allow[0].maxDuration", "between 1m and 168h"][..];
    let prefix = &["spec.allow[0].prefixes", "a template is a whole segment"][..];
    policy()
        .refuses(&[
            (
                "PUT without a size",
                allow(&json!({ "methods": ["GET", "PUT"] })),
                &["spec.allow[0]", "maxUploadBytes is required with PUT"],
            ),
            (
                "PUT unsized without a size",
                allow(&json!({ "methods": ["PUT"], "allowUnsizedPut": true })),
                &["maxUploadBytes is required with PUT"],
            ),
            (
                "a rule without a name",
                allow(&json!({ "name": null })),
                &["spec.allow[0].name", "Required"],
            ),
            (
                "a rule with a name that is none",
                allow(&json!({ "name": "Read all" })),
                &["spec.allow[0].name", "lower-case letters"],
            ),
            (
                "two rules of one name",
                json!({ "allow": [rule(&json!({})), rule(&json!({}))] }),
                &["spec.allow[1]", "Duplicate"],
            ),
            ("too long", allow(&json!({ "maxDuration": "8d" })), life),
            (
                "seven days and a bit",
                allow(&json!({ "maxDuration": "169h" })),
                life,
            ),
            ("empty", allow(&json!({ "maxDuration": "" })), life),
            (
                "an unknown method",
                allow(&json!({ "methods": ["PATCH"] })),
                &[
                    "spec.allow[0].methods[0]",
                    "\"GET\", \"HEAD\", \"PUT\", \"DELETE\", \"POST\", \"LIST\"",
                ],
            ),
            (
                "over 5 GiB",
                allow(&json!({ "methods": ["PUT"], "maxUploadBytes": 5_368_709_121_u64 })),
                &["maxUploadBytes", "5368709120"],
            ),
            (
                "a template with *",
                allow(&json!({ "buckets": ["{namespace}-*"] })),
                &["spec.allow[0].buckets", "reach the buckets of others"],
            ),
            (
                "a template before *",
                allow(&json!({ "prefixes": ["{namespace}*"] })),
                prefix,
            ),
            (
                "a template near *",
                allow(&json!({ "prefixes": ["a/{namespace}-x*"] })),
                prefix,
            ),
            (
                "a template within a segment",
                allow(&json!({ "prefixes": ["{namespace}-archive/"] })),
                &["spec.allow[0].prefixes", "a template is a whole segment"],
            ),
            (
                "a template at the end of a segment",
                allow(&json!({ "prefixes": ["a/x-{namespace.labels['a.b/c']}/b"] })),
                prefix,
            ),
            ("* within", allow(&json!({ "prefixes": ["a*/b"] })), prefix),
            (
                "a leading slash",
                allow(&json!({ "prefixes": ["/a"] })),
                prefix,
            ),
            (
                "a store's name",
                allow(&json!({ "stores": ["A b"] })),
                &["each of stores must be a resource's name"],
            ),
            (
                "a namespace's name",
                json!({ "namespaces": { "names": ["a.b"] } }),
                &["each of names must be a namespace's name"],
            ),
            (
                "an unknown operator",
                json!({ "namespaces": { "selector": {
                    "matchExpressions": [{ "key": "a", "operator": "Gt", "values": ["1"] }] } } }),
                &[
                    "operator",
                    "\"In\", \"NotIn\", \"Exists\", \"DoesNotExist\"",
                ],
            ),
            (
                "no namespaces",
                json!({ "namespaces": null }),
                &["spec.namespaces", "Required"],
            ),
        ])
        .await;
}

#[tokio::test]
async fn a_rule_for_forms_and_listings_that_cannot_be_meant_is_refused() {
    let often = &["spec.allow[0].minRefreshInterval", "between 1m and 168h"][..];
    policy()
        .refuses(&[
            (
                "POST without a size",
                allow(&json!({ "methods": ["POST"] })),
                &[
                    "spec.allow[0]",
                    "maxUploadBytes is required with PUT and POST",
                ],
            ),
            (
                "a key of a label",
                allow(&json!({ "templateKeys": ["a b"] })),
                &["each of templateKeys must be the key of a label"],
            ),
            (
                "no objects",
                allow(&json!({ "maxObjects": 0 })),
                &["spec.allow[0].maxObjects", "greater than or equal to 1"],
            ),
            (
                "too many objects",
                allow(&json!({ "maxObjects": 10_001 })),
                &["spec.allow[0].maxObjects", "10000"],
            ),
            (
                "listed often",
                allow(&json!({ "minRefreshInterval": "59s" })),
                often,
            ),
            (
                "listed seldom",
                allow(&json!({ "minRefreshInterval": "169h" })),
                often,
            ),
            (
                "listed whenever",
                allow(&json!({ "minRefreshInterval": "" })),
                often,
            ),
            (
                "a short redirect",
                allow(&json!({ "redirects": ["http://"] })),
                &["spec.allow[0].redirects[0]", "at least 8"],
            ),
            (
                "17 redirects",
                allow(&json!({ "redirects": vec!["https://a.example/"; 17] })),
                &["spec.allow[0].redirects", "16"],
            ),
        ])
        .await;
}

#[tokio::test]
async fn rules_for_teams_by_name_label_and_template_are_let_through() {
    policy()
        .takes(&[
            ("the plain one", json!({})),
            ("nobody", json!({ "namespaces": { "names": null } })),
            (
                "by labels",
                json!({ "namespaces": { "names": ["team-*"], "selector": {
                    "matchLabels": { "tier": "prod" },
                    "matchExpressions": [
                        { "key": "example.com/team", "operator": "In", "values": ["a", "b"] },
                        { "key": "legacy", "operator": "DoesNotExist" },
                    ],
                } } }),
            ),
            (
                "templates",
                allow(&json!({
                    "buckets": ["{namespace}-data", "shared-*", "{namespace.labels['team']}"],
                    "prefixes": ["{namespace}/", "{namespace}/raw-*", "*", "models*", "{namespace.labels['example.com/team']}", "a/{namespace}/b/"],
                })),
            ),
            (
                "every option",
                allow(&json!({
                    "methods": ["GET", "HEAD", "PUT", "DELETE", "POST", "LIST"], "maxUploadBytes": 1, "allowUnsizedPut": true,
                    "acls": ["private"], "storageClasses": ["STANDARD_IA"], "kmsKeys": ["aws/s3"], "tagKeys": ["team"],
                    "endpoints": ["public*"], "allowResponseOverrides": true, "allowVersions": true,
                    "allowMetadata": true, "createOnly": true,
                    "redirects": ["https://app.example.com/done", "http://localhost:8080/*"],
                    "maxObjects": 10_000, "minRefreshInterval": "1m",
                    "templateKeys": ["*", "app", "Team_1", "example.com/*"],
                })),
            ),
        ])
        .await;
}

#[tokio::test]
async fn the_largest_policy_is_within_the_budget_of_one_request() {
    let mut wide = rule(&json!({}));
    wide["prefixes"] = (0..64)
        .map(|at| format!("p{at}/{}", "a".repeat(200)))
        .collect();
    wide["buckets"] = (0..64)
        .map(|at| format!("b{at}-{}", "a".repeat(50)))
        .collect();
    wide["stores"] = (0..32).map(|at| format!("s{at}")).collect();
    let rules: Vec<Value> = (0..64)
        .map(|at| {
            let mut rule = wide.clone();
            rule["name"] = format!("{}-{at}", "a".repeat(60)).into();
            rule
        })
        .collect();
    let policy = policy();
    policy
        .takes(&[("64 wide rules", json!({ "allow": rules }))])
        .await;
}

#[tokio::test]
async fn two_owners_apply_their_rules_to_one_policy_and_neither_takes_the_others() {
    let api: Api<PresignedUrlPolicy> = Api::all(cluster().await.admin().expect("a client"));
    let apply = async |owner: &str, rule: Value| {
        let policy = json!({
            "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURLPolicy", "metadata": { "name": "two-owners" },
            "spec": { "namespaces": { "names": ["nobodys"] }, "allow": [rule] },
        });
        let params = PatchParams::apply(owner);
        api.patch("two-owners", &params, &Patch::Apply(policy))
            .await
    };
    let longest = |policy: &PresignedUrlPolicy| -> Vec<(String, String)> {
        let rules = policy.spec.allow.iter();
        rules
            .map(|rule| (rule.name.clone(), rule.max_duration.clone()))
            .collect()
    };
    let rules = |reads: &str, writes: &str| {
        let pair = |name: &str, life: &str| (name.to_owned(), life.to_owned());
        vec![pair("read", reads), pair("write", writes)]
    };
    apply("reader", rule(&json!({}))).await.expect("the first");
    let both = apply("writer", rule(&json!({ "name": "write" }))).await;
    assert_eq!(longest(&both.expect("the second")), rules("12h", "12h"));
    let shorter = apply("reader", rule(&json!({ "maxDuration": "1h" }))).await;
    assert_eq!(longest(&shorter.expect("an edit")), rules("1h", "12h"));
    let taken = apply("writer", rule(&json!({ "maxDuration": "24h" }))).await;
    match taken {
        Err(kube::Error::Api(status)) => {
            assert_eq!(status.code, 409, "{status:?}");
            let path = r#".spec.allow[name="read"].maxDuration"#;
            assert!(status.message.contains(path), "{status:?}");
        }
        other => panic!("the other's rule was taken: {other:?}"),
    }
    let deleted = api.delete("two-owners", &DeleteParams::default()).await;
    deleted.expect("deleted");
}

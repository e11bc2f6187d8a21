//! Fields that the API does not have: refused by their place and the nearest name, whatever the client asks
//! for, and kept for the operator to refuse if the admission policies are not there.

use std::time::{Duration, Instant};

use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::params::ValidationDirective;
use presigned_core::api::{ClusterObjectStore, PresignedUrl, PresignedUrlPolicy};
use presigned_core::request::unknown_fields;
use presigned_testkit::S3Server;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::policies::{policy, rule};
use super::stores::store;
use super::{Kind, merge, presigned_url};
use crate::cluster::cluster;
use crate::support::{World, eventually};

/// The admission policies of these tests bind objects with this label only: other tests want misspelt ones.
const CHECKED: (&str, &str) = ("spelling", "checked");
/// The field manager of the tests' server-side applies.
const MANAGER: &str = "speller";

/// How a client writes.
#[derive(Clone, Copy, Debug)]
enum Client {
    /// As Helm 3 does: a POST that asks for no validation of fields.
    Creates,
    /// As Argo CD, Flux and Helm 4 do: a server-side apply.
    Applies,
    /// As kubectl does: strictly.
    AppliesStrictly,
    /// As `kubectl --validate=false` does.
    AppliesBlindly,
}

const CLIENTS: [Client; 4] = [
    Client::Creates,
    Client::Applies,
    Client::AppliesStrictly,
    Client::AppliesBlindly,
];

/// The plain object with the changes.
fn whole(kind: &Kind, changes: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "presigned.dev/v1alpha1", "kind": kind.name, "spec": kind.plain,
        "metadata": { "name": "spelling", "labels": { (CHECKED.0): CHECKED.1 } },
    });
    merge(&mut object, changes);
    object
}

/// What the API server makes of an object that is merged from the plain one and the changes.
async fn ask(client: Client, kind: &Kind, changes: &Value) -> Result<Value, String> {
    let object: DynamicObject = serde_json::from_value(whole(kind, changes)).expect("an object");
    let name = object.metadata.name.clone().expect("a name");
    let api = api(kind).await;
    let apply = PatchParams::apply(MANAGER).dry_run();
    let validated = |field_validation| PatchParams {
        field_validation: Some(field_validation),
        ..apply.clone()
    };
    let patch = Patch::Apply(&object);
    let asked = match client {
        Client::Creates => {
            let dry = PostParams {
                dry_run: true,
                ..PostParams::default()
            };
            api.create(&dry, &object).await
        }
        Client::Applies => api.patch(&name, &apply, &patch).await,
        Client::AppliesStrictly => {
            let strict = validated(ValidationDirective::Strict);
            api.patch(&name, &strict, &patch).await
        }
        Client::AppliesBlindly => {
            let blind = validated(ValidationDirective::Ignore);
            api.patch(&name, &blind, &patch).await
        }
    };
    match asked {
        Ok(object) => Ok(serde_json::to_value(object).expect("JSON")),
        Err(kube::Error::Api(status)) if status.code == 422 => Err(status.message),
        Err(other) => panic!("{client:?}: neither taken nor refused: {other}"),
    }
}

async fn api(kind: &Kind) -> Api<DynamicObject> {
    let client = cluster().await.admin().expect("a client");
    let resource = ApiResource {
        group: "presigned.dev".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "presigned.dev/v1alpha1".to_owned(),
        kind: kind.name.to_owned(),
        plural: kind.plural.to_owned(),
    };
    if kind.namespaced {
        Api::namespaced_with(client, "default", &resource)
    } else {
        Api::all_with(client, &resource)
    }
}

/// Installs the admission policies for labelled objects, and waits until each is in force.
async fn installed() {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED.get_or_init(install).await;
}

async fn install() {
    let cluster = cluster().await;
    for refusal in presigned_core::api::refusals_of_unknown_fields() {
        let policy = serde_json::to_string(&refusal.policy).expect("JSON");
        cluster.apply_yaml(&policy).await.expect("the policy");
        let mut binding = serde_json::to_value(&refusal.binding).expect("JSON");
        binding["spec"]["matchResources"] =
            json!({ "objectSelector": { "matchLabels": { (CHECKED.0): CHECKED.1 } } });
        let binding = binding.to_string();
        cluster.apply_yaml(&binding).await.expect("the binding");
    }
    let deadline = Instant::now() + Duration::from_mins(1);
    for kind in [presigned_url(), policy(), store()] {
        while ask(Client::Creates, &kind, &json!({ "nonsense": true }))
            .await
            .is_ok()
        {
            assert!(Instant::now() < deadline, "{}: not in force", kind.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn allow(changes: &Value) -> Value {
    json!({ "spec": { "allow": [rule(&json!({})), rule(&{
        let mut other = json!({ "name": "other" });
        merge(&mut other, changes);
        other
    })] } })
}

#[tokio::test]
async fn an_unknown_field_is_refused_by_its_place_and_the_nearest_name_whoever_writes_it() {
    installed().await;
    let spec = |changes: Value| json!({ "spec": changes });
    let credentials = |of: Value| json!({ "spec": { "s3": { "credentials": of } } });
    let table = [
        (
            presigned_url(),
            spec(json!({ "duraton": "1h" })),
            r#"unknown field "spec.duraton": did you mean "duration"?"#,
        ),
        (
            presigned_url(),
            spec(json!({ "renewbefore": "1h" })),
            r#"unknown field "spec.renewbefore": did you mean "renewBefore"?"#,
        ),
        (
            presigned_url(),
            spec(json!({ "contentLength": 5 })),
            r#"unknown field "spec.contentLength": it is a field of spec.put"#,
        ),
        (
            presigned_url(),
            json!({ "renew": "Never" }),
            r#"unknown field "renew": it is a field of spec"#,
        ),
        (
            presigned_url(),
            spec(json!({ "method": "PUT", "put": { "if_none_match": "*" } })),
            r#"unknown field "spec.put.if_none_match": did you mean "ifNoneMatch"?"#,
        ),
        (
            presigned_url(),
            spec(json!({ "get": { "versionId": "1" } })),
            r#"unknown field "spec.get.versionId": did you mean "versionID"?"#,
        ),
        (
            presigned_url(),
            spec(
                json!({ "method": "POST", "post": { "contentLengthRange": { "max": 1, "mim": 1 } } }),
            ),
            r#"unknown field "spec.post.contentLengthRange.mim": did you mean "min"?"#,
        ),
        (
            presigned_url(),
            spec(json!({ "storeRef": { "namespace": "a" } })),
            r#"unknown field "spec.storeRef.namespace": did you mean "name"?"#,
        ),
        (
            policy(),
            allow(&json!({ "createonly": true })),
            r#"unknown field "spec.allow[1].createonly": did you mean "createOnly"?"#,
        ),
        (
            policy(),
            spec(json!({ "deny": [] })),
            r#"unknown field "spec.deny": the fields here are allow, namespaces"#,
        ),
        (
            policy(),
            spec(json!({ "namespaces": { "selectors": {} } })),
            r#"unknown field "spec.namespaces.selectors": did you mean "selector"?"#,
        ),
        (
            policy(),
            spec(json!({ "namespaces": { "selector": {
                "matchExpressions": [{ "key": "a", "operator": "Exists", "value": [] }] } } })),
            r#"unknown field "spec.namespaces.selector.matchExpressions[0].value": did you mean "values"?"#,
        ),
        (
            store(),
            spec(json!({ "s3": { "regoin": "a" } })),
            r#"unknown field "spec.s3.regoin": did you mean "region"?"#,
        ),
        (
            store(),
            credentials(json!({ "default": { "profile": "a" } })),
            r#"unknown field "spec.s3.credentials.default.profile": there are no fields here"#,
        ),
        (
            store(),
            credentials(json!({ "default": null, "webIdentity": {
                "roleARN": "arn:aws:iam::123456789012:role/signer", "scoop": "Request" } })),
            r#"unknown field "spec.s3.credentials.webIdentity.scoop": did you mean "scope"?"#,
        ),
    ];
    let mut faults = Vec::new();
    for (kind, changes, sentence) in &table {
        // Without an API server the words are the same.
        let offline = unknown_fields(&whole(kind, changes));
        if offline != [*sentence] {
            faults.push(format!("offline: {offline:?}\n    wanted: {sentence}"));
        }
        for client in CLIENTS {
            match ask(client, kind, changes).await {
                Err(message) if message.contains(sentence) => {}
                other => faults.push(format!(
                    "{client:?}, {changes}: {other:?}\n    wanted: {sentence}"
                )),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn an_object_without_unknown_fields_is_taken_as_large_as_the_schema_lets_it_be() {
    installed().await;
    let labels = |of: &str, count: usize| -> serde_json::Map<String, Value> {
        (0..count)
            .map(|at| (format!("{of}{at}"), json!("v")))
            .collect()
    };
    let rules: Vec<Value> = (0..64)
        .map(|at| {
            let mut rule = rule(&json!({
                "methods": ["GET", "PUT", "POST"], "maxUploadBytes": 1, "allowUnsizedPut": false, "acls": ["private"],
                "storageClasses": ["GLACIER"], "kmsKeys": ["aws/s3"], "tagKeys": ["a"], "endpoints": ["a"],
                "redirects": ["https://a.example/"], "allowResponseOverrides": true, "allowVersions": true,
                "allowRequesterPays": true, "allowMetadata": true, "templateKeys": ["*"], "createOnly": true,
                "maxObjects": 1, "minRefreshInterval": "5m",
            }));
            rule["name"] = format!("rule-{at}").into();
            rule
        })
        .collect();
    let requirements = vec![json!({ "key": "a", "operator": "In", "values": ["b"] }); 32];
    let selector = json!({ "matchLabels": labels("l", 32), "matchExpressions": requirements });
    let endpoints: Vec<Value> = (0..16)
        .map(|at| json!({ "name": format!("e{at}"), "url": "https://s3.example.com" }))
        .collect();
    let table = [
        (
            presigned_url(),
            json!({ "key": null, "keys": (0..2048).map(|at| format!("k/{at}")).collect::<Vec<_>>(),
                "secretTemplate": { "labels": labels("l", 32), "annotations": labels("a", 32) } }),
        ),
        (
            policy(),
            json!({ "namespaces": { "selector": selector }, "allow": rules }),
        ),
        (store(), json!({ "s3": { "endpoints": endpoints } })),
    ];
    for (kind, changes) in &table {
        for client in CLIENTS {
            let taken = ask(client, kind, &json!({ "spec": changes })).await;
            assert!(
                taken.is_ok(),
                "{client:?}, {}: {:?}",
                kind.name,
                taken.err()
            );
        }
    }
    // And its last field is looked at as well.
    let (kind, mut changes) = (policy(), table[1].1.clone());
    changes["allow"][63]["maxobjects"] = json!(1);
    let refused = ask(Client::Creates, &kind, &json!({ "spec": changes })).await;
    let sentence = r#"unknown field "spec.allow[63].maxobjects": did you mean "maxObjects"?"#;
    let message = refused.expect_err("it is refused");
    assert!(message.contains(sentence), "{message}");
}

#[tokio::test]
async fn what_was_stored_with_an_unknown_field_can_be_labelled_and_keeps_it_until_its_next_edit() {
    installed().await;
    let kind = presigned_url();
    let api = api(&kind).await;
    let stored = json!({
        "apiVersion": "presigned.dev/v1alpha1", "kind": kind.name, "metadata": { "name": "stored-before" },
        "spec": { "bucket": "models", "key": "a", "duraton": "1h" },
    });
    let stored: DynamicObject = serde_json::from_value(stored).expect("an object");
    api.create(&PostParams::default(), &stored)
        .await
        .expect("nothing checks it");
    let patch = async |changes: Value| {
        let params = PatchParams::default();
        api.patch("stored-before", &params, &Patch::Merge(changes))
            .await
    };
    let labels = json!({ "metadata": { "labels": { (CHECKED.0): CHECKED.1 } } });
    patch(labels).await.expect("a label");
    let edited = patch(json!({ "spec": { "key": "b" } })).await;
    let message = edited.expect_err("an edit").to_string();
    assert!(message.contains(r#"did you mean "duration"?"#), "{message}");
    let fixed = json!({ "spec": { "duraton": null, "duration": "1h" } });
    patch(fixed).await.expect("the fix");
    api.delete("stored-before", &kube::api::DeleteParams::default())
        .await
        .expect("deleted");
}

/// Without the admission policies: the API server drops nothing, and the type refuses it.
async fn kept_and_not_read<K: DeserializeOwned>(kind: &Kind, changes: Value, pointer: &str) {
    let mut changes = json!({ "spec": changes });
    changes["metadata"]["labels"][CHECKED.0] = json!("not");
    for client in CLIENTS {
        let kept = ask(client, kind, &changes).await.expect(pointer);
        assert!(
            kept.pointer(pointer).is_some(),
            "{client:?}, {pointer}: was dropped"
        );
        let why = serde_json::from_value::<K>(kept)
            .err()
            .expect(pointer)
            .to_string();
        assert!(why.contains("unknown field"), "{pointer}: {why}");
    }
}

#[tokio::test]
async fn an_unknown_field_that_gets_in_is_kept_so_that_the_operator_can_refuse_it() {
    type Urls = PresignedUrl;
    type Policies = PresignedUrlPolicy;
    let misspelt = json!({ "duraton": "1h" });
    kept_and_not_read::<Urls>(&presigned_url(), misspelt, "/spec/duraton").await;
    let put = json!({ "method": "PUT", "put": { "contentLenght": 1 } });
    kept_and_not_read::<Urls>(&presigned_url(), put, "/spec/put/contentLenght").await;
    let misspelt = json!({ "allow": [rule(&json!({ "createonly": true }))] });
    kept_and_not_read::<Policies>(&policy(), misspelt, "/spec/allow/0/createonly").await;
    let selector = json!({ "matchLabels": { "a": "b" }, "matchExpression": [] });
    let misspelt = json!({ "namespaces": { "selector": selector } });
    let pointer = "/spec/namespaces/selector/matchExpression";
    kept_and_not_read::<Policies>(&policy(), misspelt, pointer).await;
    let misspelt = json!({ "s3": { "maxSignatureage": "1h" } });
    kept_and_not_read::<ClusterObjectStore>(&store(), misspelt, "/spec/s3/maxSignatureage").await;
}

#[tokio::test]
async fn a_misspelt_field_that_gets_in_signs_nothing_and_the_status_says_where_it_is() {
    let s3 = S3Server::s3s_fs().expect("a store");
    let world = World::on("spelling", &s3).await;
    let operator = world.operator(&[]).await;
    let urls: Api<DynamicObject> = Api::namespaced_with(
        world.client.clone(),
        &world.tenant,
        &ApiResource::erase::<PresignedUrl>(&()),
    );
    let refused = async |name: &str| {
        eventually("it is refused", async || {
            let object = urls.get(name).await.expect("it is there");
            let ready = object.data["status"]["conditions"][0].clone();
            let message = ready["message"].as_str().unwrap_or_default().to_owned();
            if ready["status"] == "False" && ready["reason"] == "InvalidSpec" {
                Ok(message)
            } else {
                Err(object.data)
            }
        })
        .await
    };
    world.psu("lives", &json!({})).await;
    world.ready("lives").await;
    let before = world.secret("lives").await;
    let edit = async |changes: Value| {
        let params = PatchParams::default();
        urls.patch("lives", &params, &Patch::Merge(changes))
            .await
            .expect("nothing checks it");
    };
    edit(json!({ "spec": { "duraton": "1h" } })).await;
    let message = refused("lives").await;
    assert!(message.contains("unknown field `duraton`"), "{message}");
    edit(json!({ "spec": { "duraton": null }, "renew": "Never" })).await;
    eventually("the other one is named", async || {
        let message = refused("lives").await;
        message
            .contains("`renew` beside the spec")
            .then_some(())
            .ok_or(message)
    })
    .await;
    world
        .psu(
            "new",
            &json!({ "method": "PUT", "put": { "contentLength": 1, "ifNonMatch": "*" } }),
        )
        .await;
    let message = refused("new").await;
    assert!(message.contains("unknown field `ifNonMatch`"), "{message}");
    operator.idle().await;
    assert!(
        world
            .secrets()
            .get_opt("new")
            .await
            .expect("an answer")
            .is_none()
    );
    assert_eq!(world.secret("lives").await, before, "what was issued stays");
    let gone = kube::api::DeleteParams::default();
    urls.delete("new", &gone).await.expect("deleted");
    edit(json!({ "renew": null })).await;
    world.ready("lives").await;
    assert_eq!(world.secret("lives").await, before);
    world.finish().await;
    operator.kill();
}

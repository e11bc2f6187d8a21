//! Policies: which requests are refused, how the refusal reads, and which resources an edit reaches.

use kube::Api;
use presigned_core::api::PresignedUrlPolicy;
use presigned_testkit::{FaultProxy, S3Server};
use serde_json::json;

use crate::support::{World, condition, eventually, http, says};

#[tokio::test]
async fn a_refusal_says_what_was_asked_and_what_is_allowed_and_ends_with_the_policys_edit() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "models/a", "x").unwrap();
    let world = World::on("refuse", &s3).await;
    world
        .policy(&json!([world.rule(
            &json!({ "methods": ["GET"], "prefixes": ["public/"], "maxDuration": "1h" })
        )]))
        .await;
    let operator = world.operator(&[]).await;
    world.psu("wants", &json!({ "key": "models/a" })).await;
    let message = world.unready("wants", "PolicyDenied").await;
    for words in ["models/a", "data", &world.name, &world.tenant, "public/"] {
        assert!(message.contains(words), "{words:?} is missing: {message}");
    }
    let psu = world.psus().get("wants").await.unwrap();
    assert!(says(condition(&psu, "Allowed"), "False", "PolicyDenied"));
    assert!(says(condition(&psu, "Stalled"), "True", "PolicyDenied"));
    assert!(world.secrets().get_opt("wants").await.unwrap().is_none());

    world
        .psu("long", &json!({ "key": "public/a", "duration": "2h" }))
        .await;
    let message = world.unready("long", "PolicyDenied").await;
    assert!(
        message.contains("2h") && message.contains("1h"),
        "{message}"
    );

    world
        .policy(&json!([world.rule(
            &json!({ "prefixes": ["public/", "models/"], "maxDuration": "2h" })
        )]))
        .await;
    let psu = world.ready("wants").await;
    assert_eq!(psu.status.unwrap().policy_refs, [world.name.as_str()]);
    world.ready("long").await;
    let answer = http("GET", &world.value("wants", "url").await, "", &[]).await;
    assert_eq!(answer.status, 200);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_denial_removes_the_secret_after_the_grace_and_not_before() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("grace", &s3).await;
    let operator = world.operator(&["--denial-grace=6s"]).await;
    world.psu("doomed", &json!({})).await;
    world.psu("saved", &json!({})).await;
    world.ready("doomed").await;
    world.ready("saved").await;
    let saved = world.secret("saved").await;
    // The policy is replaced by one that comes a moment later: nothing goes down for the one that is still
    // allowed.
    world.policy(&json!([])).await;
    let message = world.unready("saved", "PolicyDenied").await;
    assert!(message.contains("is removed at"), "{message}");
    world.secret("saved").await;
    let rule = world.rule(&json!({ "prefixes": ["saved"] }));
    world.policy(&json!([rule])).await;
    world.ready("saved").await;
    world.gone("doomed").await;
    let psu = world.psus().get("doomed").await.unwrap();
    let denied = condition(&psu, "Allowed").unwrap().last_transition_time;
    let waited = jiff::Timestamp::now().as_second() - denied.as_second();
    assert!(waited >= 6, "removed {waited} s after the denial");
    let now = world.secret("saved").await;
    assert_eq!(
        now.metadata.resource_version,
        saved.metadata.resource_version
    );
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_fault_in_another_teams_policy_keeps_no_withdrawn_url_alive() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("typo", &s3).await;
    let operator = world.operator(&["--denial-grace=8s"]).await;
    world.psu("doomed", &json!({})).await;
    world.ready("doomed").await;
    // It is about nobody's namespaces, so that the tests beside this one do not notice.
    let theirs = format!("{}-theirs", world.name);
    let namespaces = json!({ "names": [format!("{theirs}-*")] });
    // The API server takes it, and the operator cannot mean what it says.
    let rule = world.rule(&json!({ "acls": ["*"] }));
    world
        .policy_named(&theirs, &namespaces, &json!([rule]))
        .await;
    let policies: Api<PresignedUrlPolicy> = Api::all(world.client.clone());
    eventually("the fault is told", async || {
        let policy = policies.get(&theirs).await.unwrap();
        let status = policy.status.unwrap_or_default();
        let told = status
            .conditions
            .iter()
            .any(|c| c.reason == "PolicyInvalid");
        if told { Ok(()) } else { Err(status) }
    })
    .await;
    // Tests beside this one may have such policies too.
    eventually("it is counted", async || {
        let metrics = operator.get("/metrics").await.text();
        let invalid = "presigned_policies{reason=\"PolicyInvalid\"} ";
        let count = metrics.lines().find_map(|line| line.strip_prefix(invalid));
        let counted = count.is_some_and(|count| count != "0");
        if counted { Ok(()) } else { Err(metrics) }
    })
    .await;
    world.policy(&json!([])).await;
    let message = world.unready("doomed", "PolicyDenied").await;
    assert!(!message.contains(&theirs), "{message}");
    let psu = world.psus().get("doomed").await.unwrap();
    assert_eq!(psu.status.unwrap().policy_refs, [world.name.as_str()]);
    world.gone("doomed").await;
    world.unready("doomed", "PolicyDenied").await;
    let gone = kube::api::DeleteParams::default();
    policies.delete(&theirs, &gone).await.unwrap();
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn without_a_grace_a_denial_removes_the_secret_at_once() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("nograce", &s3).await;
    let operator = world.operator(&["--denial-grace=0s"]).await;
    world.psu("doomed", &json!({})).await;
    world.ready("doomed").await;
    world.policy(&json!([])).await;
    world.gone("doomed").await;
    world.unready("doomed", "PolicyDenied").await;
    world
        .until("doomed", "holds nothing", |psu| {
            psu.status.as_ref().unwrap().internal.secret.is_none()
        })
        .await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn edits_of_labels_reach_every_resource_of_the_namespace() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("labels", &s3).await;
    let selector = json!({ "selector": { "matchLabels": { "test": world.name, "tier": "gold" } } });
    let rule = world.rule(&json!({ "prefixes": ["{namespace.labels['owner']}/"] }));
    world
        .policy_named(&world.name, &selector, &json!([rule]))
        .await;
    let operator = world.operator(&["--denial-grace=0s"]).await;
    for name in ["one", "two"] {
        world
            .psu(name, &json!({ "key": format!("blue/{name}") }))
            .await;
        let message = world.unready(name, "PolicyDenied").await;
        assert!(message.contains("No policy selects"), "{message}");
    }
    world.label_namespace(json!({ "tier": "gold" })).await;
    for name in ["one", "two"] {
        // Words alone write no status: they come with the next change of anything else.
        world
            .edit(name, json!({ "spec": { "duration": "1h" } }))
            .await;
        world
            .until(name, "names the rule", |psu| {
                condition(psu, "Ready")
                    .unwrap()
                    .message
                    .contains("No policy allows")
            })
            .await;
    }
    world.label_namespace(json!({ "owner": "blue" })).await;
    world.ready("one").await;
    world.ready("two").await;
    world.label_namespace(json!({ "owner": "red" })).await;
    world.gone("one").await;
    world.gone("two").await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn an_edit_that_changes_no_decision_writes_nothing() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("noedit", &s3).await;
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let operator = world.operator_behind(&proxy, &[]).await;
    world.psu("same", &json!({})).await;
    world.psu("refused", &json!({ "bucket": "other" })).await;
    world.ready("same").await;
    world.unready("refused", "PolicyDenied").await;
    world.rolled_out(1).await;
    operator.idle().await;
    proxy.forget_requests();

    let wider = [world.rule(&json!({})), world.rule(&json!({ "stores": ["elsewhere"], "prefixes": ["x/"], "buckets": ["other"], "methods": ["DELETE"] }))];
    world.policy(&json!(wider)).await;
    world.label_namespace(json!({ "colour": "green" })).await;
    let policies: Api<PresignedUrlPolicy> = Api::all(world.client.clone());
    eventually("the edit was seen", async || {
        let policy = policies.get(&world.name).await.unwrap();
        let seen = policy
            .status
            .as_ref()
            .and_then(|status| status.observed_generation);
        if seen == policy.metadata.generation {
            Ok(())
        } else {
            Err(seen)
        }
    })
    .await;
    operator.idle().await;
    let writes: Vec<_> = world
        .writes(&proxy)
        .into_iter()
        .filter(|write| write.resource != "presignedurlpolicies" && write.name != "refused")
        .collect();
    assert_eq!(writes, []);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_shorter_max_duration_replaces_what_lives_too_long() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("shorter", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("left-out", &json!({})).await;
    world.psu("asked", &json!({ "duration": "6h" })).await;
    world.ready("left-out").await;
    world.ready("asked").await;
    world
        .policy(&json!([world.rule(&json!({ "maxDuration": "1h" }))]))
        .await;
    world.unready("asked", "PolicyDenied").await;
    let psu = world
        .until("left-out", "lives for an hour", |psu| {
            let status = psu.status.as_ref().unwrap();
            let life = status.expiration_time.unwrap().as_second()
                - status.issue_time.unwrap().as_second();
            life == 3600 && says(condition(psu, "Ready"), "True", "Issued")
        })
        .await;
    assert_eq!(psu.status.unwrap().revision, Some(2));
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn each_class_is_served_by_its_own_operator_and_denied_template_keys_by_none() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("class", &s3).await;
    let special = world
        .operator(&["--class=special", "--secret-template-deny=corp.example"])
        .await;
    world.psu("other", &json!({})).await;
    world.psu("mine", &json!({ "class": "special" })).await;
    world
        .psu(
            "denied",
            &json!({ "class": "special",
        "secretTemplate": { "labels": { "team.corp.example/owner": "x" } } }),
        )
        .await;
    world.ready("mine").await;
    let message = world.unready("denied", "InvalidSpec").await;
    assert!(message.contains("team.corp.example/owner"), "{message}");
    special.idle().await;
    let other = world.psus().get("other").await.unwrap();
    assert!(other.status.is_none(), "{:?}", other.status);
    let plain = world.operator(&[]).await;
    world.ready("other").await;
    special.idle().await;
    world.ready("mine").await;
    world.finish().await;
    special.kill();
    plain.kill();
}

#[tokio::test]
async fn a_key_that_makes_other_tools_act_needs_a_rule_that_names_it() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("templatekeys", &s3).await;
    world
        .policy(&json!([world.rule(&json!({ "templateKeys": null }))]))
        .await;
    let operator = world.operator(&[]).await;
    let replicate = json!({ "replicator.v1.mittwald.de/replicate-to": "*" });
    let template = json!({ "labels": { "app": "web" }, "annotations": replicate });
    world
        .psu("spread", &json!({ "secretTemplate": template }))
        .await;
    let message = world.unready("spread", "PolicyDenied").await;
    assert!(
        message.contains("does not allow the key \"app\" in secretTemplate"),
        "{message}"
    );
    assert!(world.secrets().get_opt("spread").await.unwrap().is_none());
    world
        .policy(&json!([world.rule(&json!({ "templateKeys": ["app"] }))]))
        .await;
    // Words alone write no status: they come with the next change of anything else.
    let edit = json!({ "spec": { "duration": "1h" } });
    world.edit("spread", edit).await;
    world
        .until("spread", "is refused for the other key", |psu| {
            let ready = condition(psu, "Ready").unwrap();
            ready.message.contains(
                "\"replicator.v1.mittwald.de/replicate-to\" in secretTemplate, only \"app\"",
            )
        })
        .await;
    let edit = json!({ "spec": { "secretTemplate": { "annotations": null } } });
    world.edit("spread", edit).await;
    world.ready("spread").await;
    let labels = world.secret("spread").await.metadata.labels.unwrap();
    assert_eq!(labels["app"], "web");
    // What is withdrawn from the policy goes with the grace, as any other option.
    world
        .policy(&json!([world.rule(&json!({ "templateKeys": null }))]))
        .await;
    world.unready("spread", "PolicyDenied").await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_grace_of_never_leaves_the_secret_to_expire() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("never", &s3).await;
    let operator = world.operator(&["--denial-grace=never"]).await;
    world.psu("kept", &json!({ "duration": "1m" })).await;
    let expires = world
        .ready("kept")
        .await
        .status
        .unwrap()
        .expiration_time
        .unwrap();
    world.policy(&json!([])).await;
    let message = world.unready("kept", "PolicyDenied").await;
    assert!(message.contains("when its URL expires"), "{message}");
    operator.idle().await;
    world.secret("kept").await;
    assert!(
        jiff::Timestamp::now() < expires,
        "the test was too slow to tell"
    );
    world.gone("kept").await;
    assert!(jiff::Timestamp::now() >= expires);
    world.finish().await;
    operator.kill();
}

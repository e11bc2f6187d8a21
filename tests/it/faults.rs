//! Faults around the operator: it is killed, restarted, cut off, refused and asked to slow down.

use std::time::Instant;

use http::StatusCode;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::{ResourceQuota, Secret};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use presigned_testkit::fault_proxy::{Fault, Gate, Match, Verb};
use presigned_testkit::{FaultProxy, S3Server};
use serde_json::json;

use crate::support::{World, condition, eventually, http as fetch, says};

#[tokio::test]
async fn a_restart_with_nothing_to_do_is_silent() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("restart", &s3).await;
    // s3s takes unsigned headers; nobody uses the PUT URL here.
    world
        .store(&s3, &json!({ "unsignedHeaders": "Accept" }))
        .await;
    let operator = world.operator(&[]).await;
    world.psu("get", &json!({})).await;
    world
        .psu(
            "put",
            &json!({ "method": "PUT", "put": { "contentType": "text/plain" } }),
        )
        .await;
    world
        .psu(
            "template",
            &json!({ "secretTemplate": { "labels": { "a": "b" } }, "secretName": "elsewhere" }),
        )
        .await;
    world.psu("denied", &json!({ "bucket": "forbidden" })).await;
    world.psu("suspended", &json!({ "suspend": true })).await;
    for name in ["get", "put", "template"] {
        world.ready(name).await;
    }
    world.unready("denied", "PolicyDenied").await;
    world.unready("suspended", "Suspended").await;
    world.rolled_out(3).await;
    operator.idle().await;
    operator.kill();

    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    for _ in 0..2 {
        let operator = world.operator_behind(&proxy, &[]).await;
        operator.idle().await;
        assert_eq!(world.writes(&proxy), [], "Events included");
        operator.kill();
    }
    world.finish().await;
}

#[tokio::test]
async fn a_crash_between_the_two_writes_costs_one_reissue_of_that_resource() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "torn", "x").unwrap();
    let world = World::on("torn", &s3).await;
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let operator = world.operator_behind(&proxy, &[]).await;
    world.psu("whole", &json!({})).await;
    world.ready("whole").await;
    let whole = world.secret("whole").await;
    let gate = Gate::new();
    let status = Match::resource("presignedurls/status").namespace(&world.tenant);
    let rule = proxy.add(status.name("torn"), Fault::HoldRequest(gate.clone()));
    world.psu("torn", &json!({})).await;
    gate.reached(1).await;
    let before = world.secret("torn").await;
    operator.kill();
    proxy.remove(rule);
    proxy.forget_requests();

    let operator = world.operator_behind(&proxy, &[]).await;
    let psu = world.ready("torn").await;
    assert_eq!(psu.status.unwrap().revision, Some(1));
    let after = world.secret("torn").await;
    assert_eq!(after.metadata.uid, before.metadata.uid);
    operator.idle().await;
    let written = proxy.count(&Match::resource("secrets").verb(Verb::Update).name("torn"));
    assert_eq!(written, 1, "{:#?}", world.writes(&proxy));
    assert_eq!(world.secret("whole").await, whole);
    assert_eq!(world.secret("torn").await, after);
    let answer = fetch("GET", &world.value("torn", "url").await, "", &[]).await;
    assert_eq!(answer.status, 200);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_create_that_timed_out_after_it_landed_is_no_conflict() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("landed", &s3).await;
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let operator = world.operator_behind(&proxy, &[]).await;
    let creates = Match::resource("secrets").verb(Verb::Create);
    let rule = proxy.add_times(creates, Fault::ForwardThenDrop, 1);
    world.psu("landed", &json!({})).await;
    world.ready("landed").await;
    assert_eq!(proxy.fired(rule), 1);
    let uids: Vec<String> = world
        .versions("landed")
        .into_iter()
        .map(|version| version.uid)
        .collect();
    assert!(
        uids.windows(2).all(|two| two[0] == two[1]),
        "one Secret: {uids:?}"
    );
    let conflicts = world.events("landed").await;
    let conflicts = conflicts
        .iter()
        .filter(|event| event.reason.as_deref() == Some("SecretConflict"));
    assert_eq!(conflicts.count(), 0);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn when_the_server_asks_to_slow_down_nobody_calls_until_then() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("slow", &s3).await;
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let operator = world.operator_behind(&proxy, &[]).await;
    let creates = Match::resource("secrets").verb(Verb::Create);
    proxy.add_times(creates.clone(), Fault::too_many_requests(3), 1);
    world.psu("first", &json!({})).await;
    assert!(proxy.wait_for(&creates, 1, super::support::LONG).await);
    let refused = Instant::now();
    world.psu("second", &json!({})).await;
    // The refused create itself is one; whatever comes next comes after the pause.
    let writes = world.writes(&proxy).len();
    while world.writes(&proxy).len() == writes {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(
            refused.elapsed() < super::support::LONG,
            "nothing is tried again"
        );
    }
    let paused = refused.elapsed().as_secs_f64();
    println!("tried again after {paused} s");
    // The refusal was sent a moment before it was seen here.
    assert!(paused > 2.8, "tried again after {paused} s");
    let psu = world.ready("first").await;
    let status = psu.status.unwrap();
    assert_eq!(status.internal.failed_attempts, None);
    assert_eq!(status.last_failure_time, None);
    world.ready("second").await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_watch_that_is_cut_goes_on_where_it_was() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("cut", &s3).await;
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let operator = world.operator_behind(&proxy, &[]).await;
    world.psu("before", &json!({})).await;
    world.ready("before").await;
    operator.idle().await;
    let before = world.secret("before").await;
    proxy.forget_requests();
    let watches = Match::all().verb(Verb::Watch).verb(Verb::List);
    let broken = Fault::status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
    let rule = proxy.add(watches.clone(), broken);
    assert!(
        proxy.cut_watches(&Match::all()) >= 6,
        "every kind is watched"
    );
    world.psu("during", &json!({})).await;
    assert!(proxy.wait_for(&watches, 6, super::support::LONG).await);
    proxy.remove(rule);
    world.ready("during").await;
    world.psu("after", &json!({})).await;
    world.ready("after").await;
    assert_eq!(operator.get("/readyz").await.status, 200);
    assert_eq!(world.secret("before").await, before);
    let others: Vec<_> = world
        .writes(&proxy)
        .into_iter()
        .filter(|write| write.name.starts_with("before"))
        .collect();
    assert_eq!(others, []);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn an_api_server_that_fails_is_tried_again_and_removes_nothing() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "lives", "x").unwrap();
    let world = World::on("failing", &s3).await;
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let operator = world.operator_behind(&proxy, &[]).await;
    world.psu("lives", &json!({})).await;
    world.ready("lives").await;
    let old = world.value("lives", "url").await;
    let broken = Fault::status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
    let rule = proxy.add(Match::resource("secrets").only_writes(), broken);
    world
        .edit(
            "lives",
            json!({ "spec": { "get": { "responseContentType": "text/x-new" } } }),
        )
        .await;
    world
        .until("lives", "tells of the failure", |psu| {
            says(condition(psu, "Renewed"), "False", "APIError")
                && psu.status.as_ref().unwrap().internal.failed_attempts >= Some(1)
        })
        .await;
    assert_eq!(world.value("lives", "url").await, old);
    assert_eq!(
        fetch("GET", &old, "", &[]).await.status,
        200,
        "it still lives"
    );
    proxy.remove(rule);
    let psu = world.ready("lives").await;
    assert_eq!(psu.status.as_ref().unwrap().internal.failed_attempts, None);
    let answer = fetch("GET", &world.value("lives", "url").await, "", &[]).await;
    assert!(answer.head.contains("text/x-new"), "{}", answer.head);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn sigterm_finishes_what_is_in_flight() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("sigterm", &s3).await;
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let operator = world.operator_behind(&proxy, &[]).await;
    let gate = Gate::new();
    let creates = Match::resource("secrets")
        .verb(Verb::Create)
        .name("inflight");
    proxy.add(creates, Fault::HoldAnswer(gate.clone()));
    world.psu("inflight", &json!({})).await;
    gate.reached(1).await;
    operator.ask_to_stop();
    gate.release();
    assert_eq!(operator.ended().await, Some(0));
    // No operator runs: what the status says was written before the end.
    let psu = world.psus().get("inflight").await.unwrap();
    assert!(
        says(condition(&psu, "Ready"), "True", "Issued"),
        "{:?}",
        psu.status
    );
    let secret = world.secret("inflight").await;
    let recorded = psu.status.unwrap().internal.secret.unwrap();
    assert_eq!(
        Some(recorded.resource_version),
        secret.metadata.resource_version
    );
    world.finish().await;
}

#[tokio::test]
async fn an_answer_that_never_comes_is_given_up_and_holds_up_nobody_else() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("hang", &s3).await;
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let operator = world.operator_behind(&proxy, &[]).await;
    let creates = Match::resource("secrets").verb(Verb::Create).name("hangs");
    let rule = proxy.add_times(creates.clone(), Fault::Hang, 1);
    world.psu("hangs", &json!({})).await;
    assert!(proxy.wait_for(&creates, 1, super::support::LONG).await);
    world.psu("beside", &json!({})).await;
    world.ready("beside").await;
    assert!(
        world.secrets().get_opt("hangs").await.unwrap().is_none(),
        "it still hangs"
    );
    world.ready("hangs").await;
    assert_eq!(proxy.fired(rule), 1);
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn two_operators_at_once_corrupt_nothing() {
    let s3 = S3Server::s3s_fs().unwrap();
    let names: Vec<String> = (0..5).map(|at| format!("twice-{at}")).collect();
    for name in &names {
        s3.put_object("data", name, name).unwrap();
    }
    let world = World::on("twoops", &s3).await;
    let operators = [world.operator(&[]).await, world.operator(&[]).await];
    for name in &names {
        world
            .psu(
                name,
                &json!({ "duration": "1m", "renewBeforePercentage": 80 }),
            )
            .await;
    }
    for name in &names {
        world
            .until(name, "was renewed thrice", |psu| {
                psu.status
                    .as_ref()
                    .is_some_and(|status| status.revision > Some(3))
            })
            .await;
        let answer = fetch("GET", &world.value(name, "url").await, "", &[]).await;
        assert_eq!(answer.status, 200, "{name}");
        let uids: std::collections::BTreeSet<String> = world
            .versions(name)
            .into_iter()
            .map(|version| version.uid)
            .collect();
        assert_eq!(uids.len(), 1, "no Secret was made anew");
        world.ready(name).await;
    }
    world.finish().await;
    operators
        .into_iter()
        .for_each(super::support::Operator::kill);
}

#[tokio::test]
async fn a_full_quota_refuses_what_is_new_and_stops_no_renewal() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "lives", "x").unwrap();
    let world = World::on("quota", &s3).await;
    let operator = world.operator(&[]).await;
    world.psu("lives", &json!({})).await;
    world.ready("lives").await;
    let old = world.value("lives", "url").await;
    world
        .apply(json!({
            "apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": { "name": "full", "namespace": world.tenant },
            "spec": { "hard": { "count/secrets": "1" } },
        }))
        .await;
    let quotas: Api<ResourceQuota> = Api::namespaced(world.client.clone(), &world.tenant);
    eventually("the Secret is counted", async || {
        let status = quotas.get("full").await.unwrap().status;
        let used = status.and_then(|status| status.used);
        match used.and_then(|used| used.get("count/secrets").cloned()) {
            Some(used) if used.0 == "1" => Ok(()),
            other => Err(other),
        }
    })
    .await;
    world.psu("new", &json!({})).await;
    let message = world.unready("new", "Forbidden").await;
    assert!(message.contains("ResourceQuota \"full\""), "{message}");
    let ask = json!({ "metadata": { "annotations": { "presigned.dev/renew": "1" } } });
    world.edit("lives", ask).await;
    world
        .until("lives", "was renewed", |psu| {
            psu.status.as_ref().unwrap().revision == Some(2)
        })
        .await;
    let renewed = world.value("lives", "url").await;
    assert_ne!(renewed, old);
    assert_eq!(fetch("GET", &renewed, "", &[]).await.status, 200);
    quotas
        .delete("full", &DeleteParams::default())
        .await
        .unwrap();
    // An edit is tried at once; without one it is looked at every five minutes.
    world
        .edit("new", json!({ "spec": { "duration": "2h" } }))
        .await;
    world.ready("new").await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn an_admission_policy_that_refuses_the_operators_secret_is_named() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("vap", &s3).await;
    let operator = world.operator(&[]).await;
    let name = format!("{}-no-urls.example.com", world.name);
    let kind = |kind: &str, spec: serde_json::Value| {
        json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": { "name": name },
            "spec": spec })
    };
    world
        .apply(kind(
            "ValidatingAdmissionPolicy",
            json!({
                "matchConstraints": { "resourceRules": [{ "apiGroups": [""], "apiVersions": ["v1"],
                    "operations": ["CREATE"], "resources": ["secrets"] }] },
                "validations": [{ "expression": "false", "message": "exceeded quota: none, no URLs here" }],
            }),
        ))
        .await;
    world
        .apply(kind(
            "ValidatingAdmissionPolicyBinding",
            json!({
                "policyName": name, "validationActions": ["Deny"],
                "matchResources": { "namespaceSelector": { "matchLabels": {
                    "kubernetes.io/metadata.name": world.tenant } } },
            }),
        ))
        .await;
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let any: Secret = serde_json::from_value(json!({ "metadata": { "name": "any" } })).unwrap();
    eventually("the policy is in force", async || {
        match world.secrets().create(&dry, &any).await {
            Err(kube::Error::Api(status)) if status.message.contains(&name) => Ok(()),
            other => Err(other.map(drop)),
        }
    })
    .await;
    world.psu("new", &json!({})).await;
    let message = world.unready("new", "Forbidden").await;
    let named = format!("ValidatingAdmissionPolicy \"{name}\" refuses the operator this write");
    assert!(message.contains(&named), "{message}");
    assert!(!message.contains("no URLs here"), "{message}");
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(world.client.clone());
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(world.client.clone());
    let gone = DeleteParams::default();
    bindings.delete(&name, &gone).await.unwrap();
    policies.delete(&name, &gone).await.unwrap();
    eventually("the policy is out of force", async || {
        world.secrets().create(&dry, &any).await.map(drop)
    })
    .await;
    // An edit is tried at once; without one it is looked at every five minutes.
    world
        .edit("new", json!({ "spec": { "duration": "2h" } }))
        .await;
    world.ready("new").await;
    world.finish().await;
    operator.kill();
}

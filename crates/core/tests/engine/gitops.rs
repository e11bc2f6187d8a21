//! What a GitOps tool makes of the statuses: the health scripts of `docs/gitops.md`, run by the Lua that Argo
//! CD has, and the rules of kstatus, which Flux and `kubectl apply --prune` of kustomize have.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use presigned_core::api::{Method, Renew};
use presigned_core::engine::{ApiError, CredentialsError};
use presigned_core::{api::Reason, engine::Settings};
use serde_json::{Value, json};

use crate::common::specs;
use crate::common::world::{Fault, StepKind};
use crate::scene::{HOME, NS, Scene};

/// A kind, an object of it, and what Argo CD is to say.
type Case = (String, &'static str, Value, &'static str);

fn case(what: &str, kind: &'static str, object: Value, health: &'static str) -> Case {
    (what.to_owned(), kind, object, health)
}

/// The resource as the model's API server holds it.
fn psu(scene: &Scene, name: &str) -> Value {
    let seen = &scene.0.cluster.resources[&Scene::place(name)];
    json!({
        "metadata": { "name": name, "generation": seen.generation },
        "spec": seen.spec.as_ref().unwrap(),
        "status": &*seen.status,
    })
}

fn store(scene: &Scene) -> Value {
    let seen = &scene.0.cluster.stores["default"];
    json!({ "metadata": { "generation": seen.generation }, "status": seen.status })
}

fn policy(scene: &Scene) -> Value {
    let seen = &scene.0.cluster.policies["base"];
    json!({ "metadata": { "generation": seen.generation }, "status": seen.status })
}

/// What the scripts say: each a status and a message.
fn evaluate(cases: &[Case]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = root.join("docs/gitops.md");
    let mut lua = Command::new("go")
        .args(["run", "-mod=readonly", "."])
        .arg(page)
        .current_dir(root.join("hack/lua"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("go, which make test asks for");
    let questions: Vec<Value> = cases
        .iter()
        .map(|(_, kind, object, _)| json!({ "kind": kind, "object": object }))
        .collect();
    let questions = serde_json::to_vec(&questions).unwrap();
    let mut input = lua.stdin.take().unwrap();
    input.write_all(&questions).unwrap();
    drop(input);
    let output = lua.wait_with_output().unwrap();
    assert!(output.status.success(), "its words are above");
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let text = |answer: &Value, key: &str| answer[key].as_str().unwrap().to_owned();
    answers
        .iter()
        .map(|answer| (text(answer, "status"), text(answer, "message")))
        .collect()
}

fn links(cases: &mut Vec<Case>) {
    let mut scene = Scene::new();
    scene.apply("dl", |spec| {
        spec.renew = Some(Renew::Never);
        spec.duration = Some("1h".to_owned());
    });
    scene.run(30);
    cases.push(case(
        "a link that lives",
        "PresignedURL",
        psu(&scene, "dl"),
        "Healthy",
    ));
    let now = scene.0.now;
    scene.0.cluster.annotate(NS, "dl", "please", now);
    scene.run(60);
    cases.push(case(
        "a link that is asked to renew",
        "PresignedURL",
        psu(&scene, "dl"),
        "Healthy",
    ));
    scene.run(3600);
    assert_eq!(scene.ready("dl").1, "Expired");
    cases.push(case(
        "a link that has expired",
        "PresignedURL",
        psu(&scene, "dl"),
        "Healthy",
    ));
    scene.apply("dl", |spec| spec.method = Some(Method::Head));
    cases.push(case(
        "an edit that is not reconciled yet",
        "PresignedURL",
        psu(&scene, "dl"),
        "Progressing",
    ));
}

fn renewed(cases: &mut Vec<Case>) {
    let kind = "PresignedURL";
    let mut scene = Scene::new();
    scene.apply("dl", |_| {});
    cases.push(case("a new one", kind, psu(&scene, "dl"), "Progressing"));
    for _ in 0..3 {
        scene.plan(StepKind::CreateSecret, Fault::Lost(ApiError::Unavailable));
    }
    scene.run(1);
    assert_eq!(scene.ready("dl").1, "APIError");
    cases.push(case(
        "one whose first write failed",
        kind,
        psu(&scene, "dl"),
        "Progressing",
    ));
    scene.run(120);
    cases.push(case(
        "one that is issued",
        kind,
        psu(&scene, "dl"),
        "Healthy",
    ));
    scene.apply("dl", |spec| spec.suspend = Some(true));
    scene.run(60);
    cases.push(case(
        "a suspended one",
        kind,
        psu(&scene, "dl"),
        "Suspended",
    ));
    scene.apply("dl", |spec| spec.suspend = None);
    scene.apply("dl", |spec| "elsewhere".clone_into(&mut spec.bucket));
    scene.run(60);
    assert_eq!(scene.ready("dl").1, "PolicyDenied");
    cases.push(case("a refused one", kind, psu(&scene, "dl"), "Degraded"));

    let mut scene = Scene::issued("dl");
    for _ in 0..400 {
        scene.plan(StepKind::UpdateSecret, Fault::Lost(ApiError::Unavailable));
        scene.plan(StepKind::DeleteSecret, Fault::Lost(ApiError::Unavailable));
    }
    scene.run(13 * 3600);
    assert_eq!(scene.ready("dl").1, "Expired");
    cases.push(case(
        "one that should have been renewed",
        kind,
        psu(&scene, "dl"),
        "Degraded",
    ));
}

fn stores_and_policies(cases: &mut Vec<Case>) {
    let (of_store, of_policy) = ("ClusterObjectStore", "PresignedURLPolicy");
    let mut scene = Scene::with(Settings::default());
    cases.push(case("a new store", of_store, store(&scene), "Progressing"));
    cases.push(case(
        "a new policy",
        of_policy,
        policy(&scene),
        "Progressing",
    ));
    scene.apply("dl", |_| {});
    scene.run(30);
    cases.push(case(
        "a store that signs",
        of_store,
        store(&scene),
        "Healthy",
    ));
    cases.push(case(
        "a policy in force",
        of_policy,
        policy(&scene),
        "Healthy",
    ));
    let now = scene.0.now;
    let mut broken = specs::store(HOME, Some("s3"));
    broken.s3.endpoint = Some("no endpoint".to_owned());
    scene.0.cluster.put_store("default", Ok(broken), now);
    let unread = Err("it has a field that is not known".to_owned());
    scene.0.cluster.put_policy("base", unread, now);
    scene.run(30);
    cases.push(case("a broken store", of_store, store(&scene), "Degraded"));
    cases.push(case(
        "a broken policy",
        of_policy,
        policy(&scene),
        "Degraded",
    ));

    let mut scene = Scene::new();
    for _ in 0..3 {
        let failure = CredentialsError {
            reason: Reason::CredentialsUnavailable,
            message: "the provider did not answer; the operator retries".to_owned(),
        };
        scene.plan(StepKind::FetchCredentials, Fault::NoCredentials(failure));
    }
    scene.apply("dl", |_| {});
    scene.run(2);
    cases.push(case(
        "a store whose provider is down",
        of_store,
        store(&scene),
        "Progressing",
    ));
}

fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    links(&mut cases);
    renewed(&mut cases);
    stores_and_policies(&mut cases);
    cases
}

/// What kstatus says of a kind that it does not know, by its rules in their order: the generation, `Reconciling`
/// and `Stalled`, then `Ready`. What has none of these counts as current.
fn kstatus(object: &Value) -> &'static str {
    let status = &object["status"];
    let observed = &status["observedGeneration"];
    if !observed.is_null() && *observed != object["metadata"]["generation"] {
        return "InProgress";
    }
    let none = Vec::new();
    let conditions = status["conditions"].as_array().unwrap_or(&none);
    let is = |type_: &str| {
        let found = conditions.iter().find(|found| found["type"] == type_);
        found.and_then(|found| found["status"].as_str())
    };
    match (is("Reconciling"), is("Stalled"), is("Ready")) {
        (Some("True"), _, _) => "InProgress",
        (_, Some("True"), _) => "Failed",
        (_, _, Some("True") | None) => "Current",
        (_, _, Some(_)) => "InProgress",
    }
}

/// It says the same as the scripts, but for what is named: the page tells what helps.
#[test]
fn the_rules_of_kstatus_tell_each_state() {
    for (what, kind, object, health) in all() {
        let wanted = match what.as_str() {
            // Nothing says Stalled of these.
            "a link that has expired"
            | "one that should have been renewed"
            | "a broken store"
            | "a broken policy" => "InProgress",
            "a new one" | "a new store" | "a new policy" => "Current",
            // What is suspended holds a URL that lives, so it is Ready.
            _ => match health {
                "Healthy" | "Suspended" => "Current",
                "Degraded" => "Failed",
                _ => "InProgress",
            },
        };
        assert_eq!(kstatus(&object), wanted, "{kind}, {what}: {object:#}");
    }
}

#[test]
fn the_documented_health_scripts_tell_each_state() {
    let cases = all();
    let answers = evaluate(&cases);
    assert_eq!(answers.len(), cases.len());
    for ((what, kind, object, wanted), (health, message)) in cases.iter().zip(answers) {
        assert_eq!(health, *wanted, "{kind}, {what}: {object:#}");
        assert!(!message.is_empty(), "{kind}, {what}");
    }
}

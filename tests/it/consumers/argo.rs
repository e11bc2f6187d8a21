//! Argo Workflows: the container set of the example, and what Argo's own driver for HTTP artifacts does with
//! presigned URLs.
//!
//! What holds here: the driver and the types are Argo's own code (`hack/argo`). No workflow controller runs:
//! the containers run in the order of their dependencies.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::Scene;
use super::pod::Pod;
use crate::support::tool;

/// Runs the tool; whether it succeeded, and what it said.
async fn argo(arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(tool("argo-artifact").await)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start it");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("write");
    drop(stdin);
    let output = child.wait_with_output().expect("its end");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_fetches_its_input_and_pushes_its_output() {
    let scene = Scene::new("argo").await;
    scene.put("team-a/lines.txt", "one\ntwo\nthree\n");
    scene.issued("argo/requests.yaml").await;
    let workflow = scene.example("argo/workflow.yaml").remove(0);
    let (worked, said) = argo(&["check"], &workflow.to_string()).await;
    assert!(worked, "{said}");

    let spec = &workflow["spec"];
    let entry = spec["templates"].as_array().unwrap().iter();
    let mut entry = entry.filter(|template| template["name"] == spec["entrypoint"]);
    let mut set = entry.next().expect("the entry point")["containerSet"].clone();
    set["volumes"] = spec["volumes"].clone();
    let pod = Pod::with(&scene.world, set.clone()).await;
    let mut done: Vec<&Value> = Vec::new();
    for container in set["containers"].as_array().unwrap() {
        let before = container["dependencies"].as_array().into_iter().flatten();
        assert!(before.into_iter().all(|name| done.contains(&name)));
        pod.runs_container(container);
        done.push(&container["name"]);
    }
    let count = scene.object("team-a/line-counts.txt").expect("the output");
    assert_eq!(String::from_utf8(count).unwrap().trim(), "3");
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn argos_http_driver_loads_by_a_url_tells_it_in_its_errors_and_saves_none() {
    let scene = Scene::new("argohttp").await;
    scene.put("in.txt", "the input");
    let world = &scene.world;
    world.psu("in", &json!({ "key": "in.txt" })).await;
    world
        .psu("out", &json!({ "key": "out.txt", "method": "PUT" }))
        .await;
    world.ready("in").await;
    world.ready("out").await;
    let (url, put) = (
        world.value("in", "url").await,
        world.value("out", "url").await,
    );
    let artifact = |url: &str, headers: Value| {
        let http = json!({ "url": url, "headers": headers });
        json!({ "name": "a", "path": "/a", "http": http }).to_string()
    };
    let file = world.folder.join("artifact");
    let path = file.to_str().unwrap();
    scene.strict.forget_refusals();

    let (worked, said) = argo(&["load", path], &artifact(&url, json!([]))).await;
    assert!(worked, "{said}");
    assert_eq!(std::fs::read(&file).unwrap(), b"the input");
    assert_eq!(scene.strict.refusals(), []);

    // Its `auth` and `headers` sign in a second time.
    let headers = json!([{ "name": "Authorization", "value": "Bearer x" }]);
    let (worked, said) = argo(&["load", path], &artifact(&url, headers)).await;
    assert!(!worked && said.contains("400"), "{said}");
    assert!(said.contains("X-Amz-Signature="), "its errors tell the URL");

    // It sends a body whose length it does not say.
    std::fs::write(&file, "the output").unwrap();
    let (worked, said) = argo(&["save", path], &artifact(&put, json!([]))).await;
    assert!(!worked && said.contains("501"), "{said}");
    assert_eq!(scene.object("out.txt"), None);
    let refusals = scene.strict.refusals();
    let codes: Vec<&str> = refusals.iter().map(|one| one.code).collect();
    assert_eq!(codes, ["InvalidArgument", "NotImplemented"]);
    scene.finish().await;
}

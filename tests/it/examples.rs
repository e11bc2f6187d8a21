//! The examples, and the YAML of the docs, are what a real API server takes as they stand, in a namespace
//! that is held to the restricted standard.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{self, Scope};
use kube::{Api, Client, ResourceExt as _};
use presigned_core::api::PresignedUrlSpec;
use presigned_core::policy::{CompiledPolicy, Decision, Namespace, PolicySet};
use presigned_core::request::{IssuanceOptions, Limits, Request};
use presigned_testkit::control_plane::documents;

use crate::cluster::{cluster, eventually};

const NAMESPACES: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: presigned-system}
---
apiVersion: v1
kind: Namespace
metadata: {name: team-a, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Namespace
metadata: {name: archive}
---
apiVersion: v1
kind: Namespace
metadata: {name: browser, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Namespace
metadata: {name: website}
---
apiVersion: v1
kind: Namespace
metadata: {name: argocd}
";

/// The files of a folder of this repository, by the end of their names.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "nothing in {}", folder.display());
    files
}

/// The manifests among the fenced blocks of a page, as one text.
fn manifests(page: &str) -> String {
    let blocks = page.split("```yaml\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split("```").next());
    let manifests: Vec<&str> = blocks
        .filter(|block| block.contains("apiVersion:"))
        .collect();
    manifests.join("\n---\n")
}

/// Every document of every example and every page, with the name of its file.
fn examples() -> Vec<(String, DynamicObject)> {
    let read = |path: PathBuf| {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).expect("read the example");
        let text = match path.extension() {
            Some(extension) if extension == "md" => manifests(&text),
            _ => text,
        };
        let all = documents(&text).unwrap_or_else(|why| panic!("{name}: {why:#}"));
        all.into_iter().map(move |object| (name.clone(), object))
    };
    let pages = files("docs", "md").into_iter().chain(files(".", "md"));
    let all = files("examples", "yaml").into_iter();
    let folders = ["argo", "browser", "kserve", "models"];
    let folders = folders.map(|folder| files(&format!("examples/{folder}"), "yaml"));
    let folders = folders.into_iter().flatten();
    // What kubectl reads, and no API server.
    let folders = folders.filter(|file| !file.ends_with("kustomization.yaml"));
    let all = all.chain(folders).chain(pages);
    // No API server here has the kinds of KServe and Argo Workflows; tests/it/transfer/kserve.rs and
    // tests/it/consumers/argo.rs hold them to their contracts.
    let known = |(_, object): &(String, DynamicObject)| {
        let types = object.types.as_ref().expect("a kind");
        let of_workflows = types.kind == "Workflow";
        !of_workflows && !types.api_version.starts_with("serving.kserve.io/")
    };
    all.flat_map(read).filter(known).collect()
}

/// Takes no field that it does not know: `kubectl apply` would only warn of it.
async fn try_out(client: &Client, object: &DynamicObject) -> kube::Result<DynamicObject> {
    let types = object.types.as_ref().expect("a kind");
    let kind = GroupVersionKind::try_from(types).expect("a group");
    let (resource, capabilities) = discovery::pinned_kind(client, &kind).await?;
    let api: Api<DynamicObject> = match (capabilities.scope, object.namespace()) {
        (Scope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(client.clone(), &namespace, &resource)
        }
        (Scope::Namespaced, None) => panic!("{}: name its namespace", object.name_any()),
        (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
    };
    let mut strictly = PatchParams::apply("examples").validation_strict();
    strictly.dry_run = true;
    api.patch(&object.name_any(), &strictly, &Patch::Apply(object))
        .await
}

#[tokio::test]
async fn every_example_is_taken_as_it_stands() {
    let control_plane = cluster().await;
    control_plane
        .apply_yaml(NAMESPACES)
        .await
        .expect("namespaces");
    let client = control_plane.admin().expect("a client");
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "team-a");
    eventually("Pods can be made in team-a", async || {
        accounts
            .get_opt("default")
            .await
            .is_ok_and(|found| found.is_some())
    })
    .await;
    let mut faults = Vec::new();
    for (file, object) in examples() {
        if let Err(why) = try_out(&client, &object).await {
            faults.push(format!("{file}: {}: {why}", object.name_any()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_policy_among_the_examples_can_be_put_in_force() {
    let mut seen = 0;
    for (file, object) in examples() {
        if object
            .types
            .as_ref()
            .is_some_and(|types| types.kind == "PresignedURLPolicy")
        {
            let spec = serde_json::from_value(object.data["spec"].clone()).expect(&file);
            CompiledPolicy::compile(&object.name_any(), &spec).expect(&file);
            seen += 1;
        }
    }
    assert!(seen > 0);
}

/// What a namespace of the examples is labelled with.
const LABELS: [(&str, &str); 1] = [("example.com/team", "a")];

#[test]
fn the_examples_policies_allow_what_the_examples_ask() {
    let all: Vec<_> = examples()
        .into_iter()
        .filter(|(file, _)| file.contains("/examples/"))
        .collect();
    let of_kind = |kind: &'static str| {
        all.iter().filter_map(move |(file, object)| {
            let of = object.types.as_ref()?.kind.as_str();
            (of == kind).then_some((file, object))
        })
    };
    let mut policies = PolicySet::default();
    for (file, object) in of_kind("PresignedURLPolicy") {
        let spec = serde_json::from_value(object.data["spec"].clone()).expect(file);
        policies.insert(CompiledPolicy::compile(&object.name_any(), &spec).expect(file));
    }
    let labels = LABELS.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let labels = BTreeMap::from(labels);
    let limits = Limits {
        min_duration: Duration::from_mins(5),
    };
    let mut asked = 0;
    for (file, object) in of_kind("PresignedURL") {
        let spec: PresignedUrlSpec =
            serde_json::from_value(object.data["spec"].clone()).expect(file);
        IssuanceOptions::parse(&spec).expect(file);
        let request = Request::parse(&spec, &limits).expect(file);
        let namespace = object.namespace().expect("a namespace");
        let namespace = Namespace {
            name: &namespace,
            labels: &labels,
        };
        let decision = policies.decide(&namespace, &request);
        assert!(
            matches!(decision, Decision::Allowed(_)),
            "{file}: {}: {decision:?}",
            object.name_any()
        );
        asked += 1;
    }
    assert!(asked > 9, "{asked} requests among the examples");
}

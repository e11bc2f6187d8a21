//! The control plane serves, and ends with whoever started it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::ListParams;
use presigned_testkit::ControlPlane;
use presigned_testkit::control_plane::KUBECONFIG_VARIABLE;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::eventually;

#[derive(Deserialize)]
struct Ready {
    kubeconfig: PathBuf,
    url: String,
    folder: PathBuf,
}

fn supervisor() -> (Child, Ready) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_presigned-testkit"))
        .arg("control-plane")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start the supervisor");
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    output.read_line(&mut line).expect("read its output");
    let ready = serde_json::from_str(&line).expect("a line of JSON");
    (child, ready)
}

async fn is_gone(ready: &Ready) {
    let address = ready.url.trim_start_matches("https://").to_owned();
    eventually("the API server is gone", async || {
        TcpStream::connect(&address).await.is_err()
    })
    .await;
    eventually("the folder is gone", async || !ready.folder.exists()).await;
}

#[tokio::test]
async fn it_stops_and_leaves_nothing_when_standard_input_closes() {
    let (mut child, ready) = supervisor();
    assert!(ready.kubeconfig.exists());
    drop(child.stdin.take());
    assert!(child.wait().expect("wait for the supervisor").success());
    is_gone(&ready).await;
}

#[tokio::test]
async fn it_stops_and_leaves_nothing_when_its_supervisor_is_killed() {
    let (mut child, ready) = supervisor();
    child.kill().expect("kill the supervisor");
    child.wait().expect("wait for the supervisor");
    is_gone(&ready).await;
}

#[tokio::test]
async fn a_service_account_acts_under_its_own_rights() {
    let control_plane = ControlPlane::shared().await.expect("a control plane");
    let manifests = r"
apiVersion: v1
kind: Namespace
metadata: {name: accounts}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: accounts}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: accounts}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: accounts}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: accounts}]
";
    let applied = control_plane.apply_yaml(manifests).await.expect("apply");
    assert_eq!(applied.len(), 4);
    let client = control_plane
        .service_account_client("accounts", "reader")
        .await
        .expect("a client");
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "accounts");
    eventually("the role is known", async || {
        maps.list(&ListParams::default()).await.is_ok()
    })
    .await;
    let secrets: Api<Secret> = Api::namespaced(client, "accounts");
    let refused = secrets
        .list(&ListParams::default())
        .await
        .expect_err("no right to list Secrets");
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));
    let metrics = control_plane.metrics().await.expect("metrics");
    assert!(metrics.contains("apiserver_request_total"));
}

#[tokio::test]
async fn a_kind_applied_with_its_definition_is_waited_for() {
    let control_plane = ControlPlane::shared().await.expect("a control plane");
    let manifests = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.testkit.presigned.dev}
spec:
  group: testkit.presigned.dev
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: testkit.presigned.dev/v1
kind: Widget
metadata: {name: first, namespace: default}
";
    let applied = control_plane.apply_yaml(manifests).await.expect("apply");
    assert!(applied[1].metadata.uid.is_some());
}

#[tokio::test]
async fn an_api_server_that_is_started_again_has_its_objects_and_the_new_flags() {
    let control_plane = ControlPlane::start().await.expect("a control plane");
    let before = control_plane.pid("kube-apiserver").expect("its pid");
    let kept = "{apiVersion: v1, kind: ConfigMap, metadata: {name: kept, namespace: default}}";
    control_plane.apply_yaml(kept).await.expect("apply");
    let flags = ["--feature-gates=WatchList=false"];
    let started = control_plane.restart_api_with(&flags).await;
    started.expect("start it again");
    let after = control_plane.pid("kube-apiserver").expect("its pid");
    assert_ne!(after, before);
    let client = control_plane.admin().expect("a client");
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    assert!(maps.get("kept").await.is_ok());
    let metrics = control_plane.metrics().await.expect("metrics");
    let gate = "kubernetes_feature_enabled{name=\"WatchList\",";
    let gate = metrics.lines().find(|line| line.starts_with(gate));
    assert!(gate.is_some_and(|line| line.ends_with(" 0")), "{gate:?}");
}

#[tokio::test]
async fn a_control_plane_is_of_the_kubernetes_that_is_asked_for() {
    let given = |variable| std::env::var_os(variable).is_some();
    if given(KUBECONFIG_VARIABLE) || given("KUBEBUILDER_ASSETS") {
        // It is of the version that whoever brought it chose.
        return;
    }
    let another = std::env::var("PSU_KUBERNETES").unwrap_or_default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hack/kube");
    let module = std::fs::read_to_string(folder.join(another).join("go.mod"));
    let pinned = module.expect("the module that pins it");
    let pinned = pinned.lines().find_map(|line| {
        let line = line.trim().trim_start_matches("require ");
        line.strip_prefix("k8s.io/kubernetes ")?.split(' ').next()
    });
    let control_plane = ControlPlane::shared().await.expect("a control plane");
    let client = control_plane.admin().expect("a client");
    let version = client.apiserver_version().await.expect("its version");
    assert_eq!(Some(&*version.git_version), pinned);
}

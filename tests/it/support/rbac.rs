//! The operator's service account and RBAC, as the chart renders them for one test.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use kube::core::DynamicObject;
use presigned_testkit::{control_plane, tools};

/// What of the chart a test applies: who the operator is, what it may do, and what holds it back.
const KINDS: [&str; 7] = [
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

/// The path of a Go tool, built when it was missing.
pub(crate) async fn tool(name: &'static str) -> PathBuf {
    tokio::task::spawn_blocking(move || tools::path_of(name))
        .await
        .expect("no panic")
        .expect("hack/tools.sh provides it")
}

/// Renders the chart as release `name` with some values, and keeps the rights, as YAML documents.
pub(crate) async fn render(
    name: &str,
    system: &str,
    served: &[String],
    values: &[String],
    folder: &Path,
) -> Result<String> {
    let mut all = vec!["rbac.aggregate=false".to_owned()];
    all.extend(values.iter().cloned());
    if !served.is_empty() {
        all.push(format!("operator.namespaces={{{}}}", served.join(",")));
    }
    template(name, system, &all, folder, |kind, _| KINDS.contains(&kind)).await
}

/// The chart's roles for people, as it renders them by default; the same for every test.
pub(crate) async fn roles(folder: &Path) -> Result<String> {
    let name = "people-of-the-tests";
    template(name, "presigned-system", &[], folder, |kind, object| {
        let labels = object.metadata.labels.as_ref();
        let aggregated = "rbac.authorization.k8s.io/aggregate-to-edit";
        kind == "ClusterRole" && labels.is_some_and(|labels| labels.contains_key(aggregated))
    })
    .await
}

/// What the chart renders with these values, of those objects that `keep` keeps.
async fn template(
    name: &str,
    system: &str,
    values: &[String],
    folder: &Path,
    keep: impl Fn(&str, &DynamicObject) -> bool,
) -> Result<String> {
    let helm = tool("helm").await;
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/presigned-url-operator");
    let mut command = Command::new(helm);
    command
        .args(["template", name])
        .arg(chart)
        .args(["--namespace", system])
        .args(["--set", &format!("fullnameOverride={name}")])
        .args(["--set", "crds.enabled=false"])
        .env("KUBECONFIG", "/dev/null");
    for value in values {
        command.args(["--set", value]);
    }
    for home in ["HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME"] {
        command.env(home, folder);
    }
    let output = tokio::task::spawn_blocking(move || command.output())
        .await?
        .context("run helm")?;
    if !output.status.success() {
        bail!("helm: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?;
    let mut kept = Vec::new();
    for object in control_plane::documents(&text)? {
        let kind = object.types.as_ref().map(|types| &*types.kind);
        if kind.is_some_and(|kind| keep(kind, &object)) {
            kept.push(serde_json::to_string(&object)?);
        }
    }
    Ok(kept.join("\n---\n"))
}

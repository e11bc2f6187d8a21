//! `kubectl apply --server-side`, in-process: manifests from YAML text, any kind that the server knows.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{self, Scope};
use kube::{Api, Client};

use super::ControlPlane;

/// The field manager that owns what tests apply.
pub const FIELD_MANAGER: &str = "presigned-testkit";

/// How long a kind may stay unknown after its CRD was applied.
const DISCOVERY_PATIENCE: Duration = Duration::from_secs(30);

impl ControlPlane {
    /// Applies each document of `yaml` as the admin, in their order; see [`apply_yaml`].
    pub async fn apply_yaml(&self, yaml: &str) -> Result<Vec<DynamicObject>> {
        apply_yaml(&self.admin()?, yaml).await
    }
}

/// Applies each document of `yaml` on the server's side, in their order, and returns what the server made of
/// them.
///
/// An object without a namespace goes to the client's default one. A kind that the server does not know yet
/// is waited for: its CRD may be among the documents before it.
///
/// # Errors
/// The server's refusal, with the kind and name of the object that it refused.
pub async fn apply_yaml(client: &Client, yaml: &str) -> Result<Vec<DynamicObject>> {
    let mut applied = Vec::new();
    for object in documents(yaml)? {
        applied.push(apply(client, object).await?);
    }
    Ok(applied)
}

/// The objects of a YAML text; empty documents are skipped.
pub fn documents(yaml: &str) -> Result<Vec<DynamicObject>> {
    let values: Vec<serde_json::Value> =
        serde_saphyr::from_multiple(yaml).context("read the YAML")?;
    values
        .into_iter()
        .filter(|value| !value.is_null())
        .map(|value| serde_json::from_value(value).context("read the YAML as an object"))
        .collect()
}

async fn apply(client: &Client, object: DynamicObject) -> Result<DynamicObject> {
    let types = object
        .types
        .clone()
        .context("an object without apiVersion and kind")?;
    let name = object
        .metadata
        .name
        .clone()
        .context("an object without a name")?;
    let kind = GroupVersionKind::try_from(&types).context("read apiVersion and kind")?;
    let api = api_for(client, &kind, object.metadata.namespace.as_deref()).await?;
    api.patch(
        &name,
        &PatchParams::apply(FIELD_MANAGER).force(),
        &Patch::Apply(&object),
    )
    .await
    .with_context(|| format!("apply {} {name}", types.kind))
}

async fn api_for(
    client: &Client,
    kind: &GroupVersionKind,
    namespace: Option<&str>,
) -> Result<Api<DynamicObject>> {
    let deadline = Instant::now() + DISCOVERY_PATIENCE;
    loop {
        match discovery::pinned_kind(client, kind).await {
            Ok((resource, capabilities)) => {
                return Ok(match (capabilities.scope, namespace) {
                    (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
                    (Scope::Namespaced, Some(namespace)) => {
                        Api::namespaced_with(client.clone(), namespace, &resource)
                    }
                    (Scope::Namespaced, None) => {
                        Api::default_namespaced_with(client.clone(), &resource)
                    }
                });
            }
            Err(error) if Instant::now() > deadline => {
                bail!(
                    "the server does not know {}/{} {}: {error}",
                    kind.group,
                    kind.version,
                    kind.kind
                )
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

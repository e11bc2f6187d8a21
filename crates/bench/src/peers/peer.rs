//! The two peers: what each is given to do, and how it starts.
//!
//! What holds here: each does the least that makes a Secret of its own, with as many workers as the operator
//! has steps, and without a limit on its own calls.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use kube::api::ApiResource;
use kube::core::GroupVersionKind;
use presigned_testkit::tools;
use serde_json::{Value, json};

use crate::process::Process;
use crate::scale::CONCURRENCY;
use crate::scale::world::World;

/// The name of the store and of the issuer.
const SOURCE: &str = "bench";

/// Another operator that makes Secrets.
pub struct Peer {
    pub name: &'static str,
    /// Of its resources, each of which is to be Ready.
    pub kind: ApiResource,
    /// Of all that it makes or has in a namespace, Secrets and Events apart.
    pub makes: Vec<ApiResource>,
    /// The spec of the resource with this name.
    pub spec: fn(&str) -> Value,
    program: &'static str,
    folder: PathBuf,
    args: Vec<String>,
    /// Where its Secrets come from, given how many bytes they hold.
    source: fn(usize) -> Value,
}

impl Peer {
    /// All of them; their programs are built if they are missing.
    pub fn all() -> Result<Vec<Self>> {
        let folder = tools::folder_with(&["external-secrets", "cert-manager"])?;
        let certificate = kind("cert-manager.io", "v1", "Certificate");
        let secret = kind("external-secrets.io", "v1", "ExternalSecret");
        Ok(vec![
            Self {
                name: "External Secrets, fake provider",
                makes: vec![secret.clone()],
                kind: secret,
                spec: |_| {
                    json!({
                        "refreshInterval": "1h",
                        "secretStoreRef": { "kind": "ClusterSecretStore", "name": SOURCE },
                        "data": [{ "secretKey": "value", "remoteRef": { "key": "value" } }],
                    })
                },
                program: "external-secrets",
                folder: folder.clone(),
                args: vec![
                    format!("--concurrent={CONCURRENCY}"),
                    "--client-qps=100000".to_owned(),
                    "--client-burst=100000".to_owned(),
                    "--metrics-addr=0".to_owned(),
                ],
                source: |bytes| {
                    json!({
                        "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore",
                        "metadata": { "name": SOURCE },
                        "spec": { "provider": { "fake": {
                            "data": [{ "key": "value", "value": "x".repeat(bytes) }],
                        } } },
                    })
                },
            },
            Self {
                name: "cert-manager, self-signed",
                makes: vec![
                    certificate.clone(),
                    kind("cert-manager.io", "v1", "CertificateRequest"),
                ],
                kind: certificate,
                spec: |name| {
                    json!({
                        "secretName": name, "dnsNames": [format!("{name}.example.com")],
                        // The cheapest to make.
                        "privateKey": { "algorithm": "ECDSA", "size": 256 },
                        "issuerRef": { "kind": "ClusterIssuer", "name": SOURCE },
                    })
                },
                program: "cert-manager",
                folder,
                args: vec![format!("--concurrent-workers={CONCURRENCY}")],
                source: |_| {
                    json!({
                        "apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": { "name": SOURCE },
                        "spec": { "selfSigned": {} },
                    })
                },
            },
        ])
    }

    /// Applies its CRDs, which `hack/tools.sh` puts beside its program, and where its Secrets come from.
    pub async fn install(&self, world: &World, secret_bytes: usize) -> Result<()> {
        let crds = self.folder.join(format!("{}-crds.yaml", self.program));
        let crds = fs::read_to_string(&crds).with_context(|| format!("read {}", crds.display()))?;
        world.apply_yaml(&crds).await?;
        world.apply(&[(self.source)(secret_bytes)]).await
    }

    /// Starts it as the admin.
    pub fn start(&self, world: &World) -> Result<Process> {
        let kubeconfig = format!("KUBECONFIG={}", world.kubeconfig().display());
        let program = self.folder.join(self.program).display().to_string();
        let args = [kubeconfig, program]
            .into_iter()
            .chain(self.args.iter().cloned());
        Process::start(self.program, "env".as_ref(), args)
    }
}

fn kind(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

//! Who asks: kubeconfigs, tokens of service accounts and clients for them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ObjectReference, ServiceAccount};
use kube::api::{ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig as KubeconfigFile};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use super::ControlPlane;
use crate::tls;

/// Longer than any run: no test has to renew a token.
const TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// An API server and whom to trust for it.
#[derive(Debug, Clone)]
pub struct ApiServer {
    /// The address, with its scheme.
    pub url: String,
    /// The authority of the server's certificate, PEM; none for plain HTTP or a public one.
    pub ca: Option<String>,
}

/// An API server and a bearer token for it.
#[derive(Clone)]
pub struct Kubeconfig {
    api: ApiServer,
    token: String,
}

impl ApiServer {
    /// The server that a client's configuration names.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let ca = config
            .root_cert
            .as_ref()
            .map(|certificates| tls::pem_of(certificates));
        Self {
            url: config
                .cluster_url
                .to_string()
                .trim_end_matches('/')
                .to_owned(),
            ca,
        }
    }

    /// This server as seen by the owner of `token`.
    #[must_use]
    pub fn as_user(&self, token: String) -> Kubeconfig {
        Kubeconfig {
            api: self.clone(),
            token,
        }
    }
}

impl std::fmt::Debug for Kubeconfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kubeconfig")
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

impl Kubeconfig {
    /// Writes a kubeconfig file, readable by its owner only. It is JSON, which is YAML.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.write_with(path, &json!({}))
    }

    /// As [`Self::write`], with other fields of the cluster, for example its `proxy-url`.
    pub fn write_with(&self, path: &Path, fields: &Value) -> Result<()> {
        let mut cluster = json!({ "server": self.api.url });
        if let Some(ca) = &self.api.ca {
            cluster["certificate-authority-data"] = json!(STANDARD.encode(ca));
        }
        for (name, value) in fields.as_object().into_iter().flatten() {
            cluster[name] = value.clone();
        }
        let context = json!({ "cluster": "testkit", "user": "user" });
        let file = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "testkit", "cluster": cluster }],
            "users": [{ "name": "user", "user": { "token": self.token } }],
            "contexts": [{ "name": "testkit", "context": context }],
            "current-context": "testkit",
        });
        crate::write_private(path, &format!("{file:#}\n"))
    }

    /// The configuration of a client that never retries by itself.
    pub fn config(&self) -> Result<Config> {
        let mut config = Config::new(self.api.url.parse().context("read the server's address")?);
        if let Some(ca) = &self.api.ca {
            let certificates = tls::certificates(ca)?;
            config.root_cert = Some(certificates.iter().map(|der| der.to_vec()).collect());
        }
        config.auth_info.token = Some(self.token.clone().into());
        config.default_retry = false;
        Ok(config)
    }

    /// A client that never retries by itself.
    pub fn client(&self) -> Result<Client> {
        Client::try_from(self.config()?).context("make a client")
    }

    /// The server's address, with its scheme.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.api.url
    }

    /// The bearer token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// The current context of a kubeconfig file.
pub(super) async fn read(path: &Path) -> Result<Config> {
    let file = KubeconfigFile::read_from(path)
        .with_context(|| format!("read the kubeconfig {}", path.display()))?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("use the kubeconfig {}", path.display()))?;
    config.default_retry = false;
    Ok(config)
}

impl ControlPlane {
    /// A client with the bearer token `token`.
    pub fn client_as_token(&self, token: &str) -> Result<Client> {
        self.api().as_user(token.to_owned()).client()
    }

    /// The service account's identity, with a token that the API server issued. Namespace and account must be
    /// there.
    pub async fn service_account(&self, namespace: &str, name: &str) -> Result<Kubeconfig> {
        self.token_for(namespace, name, None).await
    }

    /// As [`Self::service_account`], with a token that is bound to a pod, as those are that pods mount.
    pub async fn service_account_in_pod(
        &self,
        namespace: &str,
        name: &str,
        pod: &ObjectReference,
    ) -> Result<Kubeconfig> {
        self.token_for(namespace, name, Some(pod)).await
    }

    async fn token_for(
        &self,
        namespace: &str,
        name: &str,
        pod: Option<&ObjectReference>,
    ) -> Result<Kubeconfig> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin()?, namespace);
        let bound_object_ref = pod.map(|pod| BoundObjectReference {
            api_version: pod.api_version.clone(),
            kind: pod.kind.clone(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
        });
        let request = TokenRequest {
            metadata: ObjectMeta::default(),
            spec: TokenRequestSpec {
                bound_object_ref,
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            },
            status: None,
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .with_context(|| format!("ask for a token of {namespace}/{name}"))?;
        let token = answer.status.context("the answer holds no token")?.token;
        Ok(self.api().as_user(token))
    }

    /// A client that acts as the service account.
    pub async fn service_account_client(&self, namespace: &str, name: &str) -> Result<Client> {
        self.service_account(namespace, name).await?.client()
    }

    /// A kubeconfig file that acts as the service account; it goes with the control plane's folder.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let path = self.folder().join(format!("kubeconfig-{namespace}-{name}"));
        self.service_account(namespace, name).await?.write(&path)?;
        Ok(path)
    }

    /// The API server's own metrics, in the text format.
    pub async fn metrics(&self) -> Result<String> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        self.admin()?
            .request_text(request)
            .await
            .context("read the API server's metrics")
    }
}

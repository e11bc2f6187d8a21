//! The client: who the API server is, and who we say we are.
//!
//! What holds here: the client retries nothing (retries belong to the core's table of failures), compresses
//! nothing (the answers are small, and a compressed watch costs more than it saves), and has no read timeout
//! (a watch is silent for minutes; calls have a limit of their own).

use std::path::Path;

use kube::client::ClientBuilder;
use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, config};
use thiserror::Error;

use super::server_clock::ServerClock;
use crate::http::{Proxies, ProxyUrl, ProxyUrlError};

/// Who the operator says it is.
const OPERATOR: &str = concat!("presigned-url-operator/", env!("CARGO_PKG_VERSION"));
/// Who the kubectl plugin says it is.
const PLUGIN: &str = concat!("kubectl-presigned/", env!("CARGO_PKG_VERSION"));

/// Why there is no client. The sentences hold their causes.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The kubeconfig cannot be used.
    #[error(
        "the kubeconfig {from} cannot be used: {error}; give --kubeconfig another file, or fix it"
    )]
    Kubeconfig {
        /// Which one.
        from: String,
        /// Why.
        error: Box<KubeconfigError>,
    },
    /// Neither kubeconfig nor pod.
    #[error(
        "no API server is known: give --kubeconfig FILE or KUBECONFIG, or run in a pod with a service account token ({0})"
    )]
    Nowhere(Box<config::InClusterError>),
    /// `NO_PROXY` cannot be read beside a kubeconfig.
    #[error(
        "NO_PROXY cannot be read beside a kubeconfig: give names, addresses and networks between commas, and no empty entry"
    )]
    NoProxy,
    /// The kubeconfig's proxy cannot be used.
    #[error("the API server cannot be reached as the kubeconfig says: {0}")]
    Proxy(#[from] ProxyUrlError),
    /// The settings are there but make no client.
    #[error("the API server's settings make no client: {0}")]
    Build(Box<kube::Error>),
}

/// A client for `--kubeconfig`, else `KUBECONFIG`, else the pod's service account, else `~/.kube/config`.
/// `clock` measures by each answer. `proxies` are the environment's.
///
/// # Errors
/// If none of them can be used; the message says what to do.
pub async fn connect(
    kubeconfig: Option<&Path>,
    clock: &ServerClock,
    proxies: &Proxies,
) -> Result<Client, ClientError> {
    let config = config(kubeconfig, None, proxies, OPERATOR).await?;
    let builder = ClientBuilder::try_from(config);
    let builder = builder.map_err(|e| ClientError::Build(Box::new(e)))?;
    Ok(builder.with_layer(clock).build())
}

/// A client for a person's commands, and the namespace that their context names. `context` is one of the
/// kubeconfig; `None` is its current one.
///
/// # Errors
/// As [`connect`].
pub async fn connect_as_person(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
    proxies: &Proxies,
) -> Result<(Client, String), ClientError> {
    let config = config(kubeconfig, context, proxies, PLUGIN).await?;
    let namespace = config.default_namespace.clone();
    let client = Client::try_from(config).map_err(|e| ClientError::Build(Box::new(e)))?;
    Ok((client, namespace))
}

async fn config(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
    proxies: &Proxies,
    agent: &'static str,
) -> Result<Config, ClientError> {
    let (mut config, named) = settings(kubeconfig, context).await?;
    let proxy = match &named {
        Some(url) => Some(ProxyUrl::parse(url, "its proxy-url")?),
        None => of_environment(&config.cluster_url, proxies),
    };
    config.proxy_url = proxy.and_then(|proxy| proxy.expose().parse().ok());
    config.default_retry = false;
    config.disable_compression = true;
    config.headers.push((
        http::header::USER_AGENT,
        http::HeaderValue::from_static(agent),
    ));
    Ok(config)
}

/// The proxy of the environment for the API server; kube would ask `NO_PROXY` for the proxy's own name.
fn of_environment(server: &http::Uri, proxies: &Proxies) -> Option<ProxyUrl> {
    let tls = server.scheme_str() == Some("https");
    let port = server.port_u16().unwrap_or(if tls { 443 } else { 80 });
    proxies.of(tls, server.host()?, port).cloned()
}

/// The settings, and the proxy that the kubeconfig names.
async fn settings(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
) -> Result<(Config, Option<String>), ClientError> {
    if let Some(path) = kubeconfig {
        let from = path.display().to_string();
        return parse(Kubeconfig::read_from(path), context, &from).await;
    }
    if std::env::var_os("KUBECONFIG").is_some_and(|v| !v.is_empty()) {
        return parse(Kubeconfig::read(), context, "of KUBECONFIG").await;
    }
    if context.is_some() {
        return parse(Kubeconfig::read(), context, "~/.kube/config").await;
    }
    match Config::incluster() {
        Ok(config) => Ok((config, None)),
        Err(not_in_pod) => match Kubeconfig::read() {
            Ok(found) => parse(Ok(found), None, "~/.kube/config").await,
            Err(_) => Err(ClientError::Nowhere(Box::new(not_in_pod))),
        },
    }
}

async fn parse(
    read: Result<Kubeconfig, KubeconfigError>,
    context: Option<&str>,
    from: &str,
) -> Result<(Config, Option<String>), ClientError> {
    let named = |error| match error {
        KubeconfigError::ParseNoProxy(_) => ClientError::NoProxy,
        error => ClientError::Kubeconfig {
            from: from.to_owned(),
            error: Box::new(error),
        },
    };
    let kubeconfig = read.map_err(named)?;
    let proxy = proxy_url(&kubeconfig, context);
    let options = KubeConfigOptions {
        context: context.map(ToOwned::to_owned),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Ok((config.map_err(named)?, proxy))
}

/// The `proxy-url` of the cluster that the context names. As with kubectl, it is used whatever `NO_PROXY`
/// says.
fn proxy_url(kubeconfig: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let current = context.or(kubeconfig.current_context.as_deref())?;
    let context = kubeconfig.contexts.iter().find(|one| one.name == current)?;
    let cluster = &context.context.as_ref()?.cluster;
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|one| one.name == *cluster)?;
    let url = cluster.cluster.as_ref()?.proxy_url.clone();
    url.filter(|url| !url.is_empty())
}

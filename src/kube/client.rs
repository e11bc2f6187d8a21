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

use super::ServerClock;

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
    /// The settings are there but make no client.
    #[error("the API server's settings make no client: {0}")]
    Build(Box<kube::Error>),
}

/// A client for `--kubeconfig`, else `KUBECONFIG`, else the pod's service account, else `~/.kube/config`.
/// `clock` measures by each answer.
///
/// # Errors
/// If none of them can be used; the message says what to do.
pub async fn connect(
    kubeconfig: Option<&Path>,
    clock: &ServerClock,
) -> Result<Client, ClientError> {
    let mut config = settings(kubeconfig).await?;
    config.default_retry = false;
    config.disable_compression = true;
    let agent = concat!("presigned-url-operator/", env!("CARGO_PKG_VERSION"));
    config.headers.push((
        http::header::USER_AGENT,
        http::HeaderValue::from_static(agent),
    ));
    let builder = ClientBuilder::try_from(config);
    let builder = builder.map_err(|e| ClientError::Build(Box::new(e)))?;
    Ok(builder.with_layer(clock).build())
}

async fn settings(kubeconfig: Option<&Path>) -> Result<Config, ClientError> {
    if let Some(path) = kubeconfig {
        return parse(Kubeconfig::read_from(path), &path.display().to_string()).await;
    }
    if std::env::var_os("KUBECONFIG").is_some_and(|v| !v.is_empty()) {
        return parse(Kubeconfig::read(), "of KUBECONFIG").await;
    }
    match Config::incluster() {
        Ok(config) => Ok(config),
        Err(not_in_pod) => match Kubeconfig::read() {
            Ok(found) => parse(Ok(found), "~/.kube/config").await,
            Err(_) => Err(ClientError::Nowhere(Box::new(not_in_pod))),
        },
    }
}

async fn parse(
    read: Result<Kubeconfig, KubeconfigError>,
    from: &str,
) -> Result<Config, ClientError> {
    let named = |error| ClientError::Kubeconfig {
        from: from.to_owned(),
        error: Box::new(error),
    };
    let kubeconfig = read.map_err(named)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(named)
}

//! `run`: the flags, and the operator put together from them.
//!
//! What holds here: everything that can be wrong with the surroundings (kubeconfig, namespace, addresses) ends the start
//! with a sentence; once running, nothing here decides anything.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use presigned_core::engine::{self, DenialGrace, Engine, Event};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::shutdown;
use super::values::{AccessFlag, denial_grace, namespace, pause};
use crate::controller::{self, Clock, SharedEngine};
use crate::kube::{Cluster, Scope, ServerClock, connect, watch_all};
use crate::stores::CredentialsFetcher;
use crate::telemetry::{
    LogFormat, LogLevel, Metrics, Readiness, bind, health_router, init_logs, metrics_router, serve,
};

/// Where a pod finds its namespace when nobody names it.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// How many events may wait for the engine before the watches wait too.
const EVENTS: usize = 1024;

/// Arguments of `run`. Each can also be given as an environment variable.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The kubeconfig file. Left out: KUBECONFIG, else the pod's service account, else ~/.kube/config.
    #[arg(long, env = "PSU_KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The operator's own namespace, where credentials Secrets are read. Left out: the pod's.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME", value_parser = namespace)]
    pod_namespace: Option<String>,

    /// The operator's own service account: a store's webIdentity.audience asks for its tokens. The chart sets it.
    #[arg(long, env = "POD_SERVICE_ACCOUNT", value_name = "NAME")]
    pod_service_account: Option<String>,

    /// The pod's name, for Events. Left out: the host's name.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pod_name: Option<String>,

    /// Serve these namespaces only, separated by commas. Left out: all.
    #[arg(long, env = "PSU_NAMESPACES", value_name = "NAMES", value_delimiter = ',', value_parser = namespace)]
    namespaces: Vec<String>,

    /// Serve the resources of this spec.class. Left out: those without one.
    #[arg(long, env = "PSU_CLASS", value_name = "CLASS")]
    class: Option<String>,

    /// How long a resource that is denied keeps its Secret: a duration, 0s (at once) or never (until it expires).
    #[arg(long, env = "PSU_DENIAL_GRACE", value_name = "DURATION", default_value = "10m", value_parser = denial_grace)]
    denial_grace: DenialGrace,

    /// The shortest spec.duration that is renewed.
    #[arg(long, env = "PSU_MIN_RENEWED_DURATION", value_name = "DURATION", default_value = "5m", value_parser = pause)]
    min_renewed_duration: Duration,

    /// Over how long re-signing is spread when a store or its credentials change.
    #[arg(long, env = "PSU_RESIGN_WITHIN", value_name = "DURATION", default_value = "5m", value_parser = pause)]
    resign_within: Duration,

    /// How many steps may be under way at once.
    #[arg(long, env = "PSU_CONCURRENCY", value_name = "NUMBER", default_value_t = 32,
          value_parser = clap::value_parser!(u16).range(2..=1024))]
    concurrency: u16,

    /// More label and annotation keys that spec.secretTemplate may not set, separated by commas; subdomains included.
    #[arg(
        long,
        env = "PSU_SECRET_TEMPLATE_DENY",
        value_name = "DOMAINS",
        value_delimiter = ','
    )]
    secret_template_deny: Vec<String>,

    /// Whether tenants' Secrets are watched (metadata only). none needs fewer rights and heals drift at renewal.
    #[arg(
        long,
        env = "PSU_SECRET_ACCESS",
        value_name = "ACCESS",
        default_value = "watch"
    )]
    secret_access: AccessFlag,

    /// Where /livez and /readyz are served.
    #[arg(
        long,
        env = "PSU_HEALTH_ADDR",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8081"
    )]
    health_addr: SocketAddr,

    /// Where /metrics is served.
    #[arg(
        long,
        env = "PSU_METRICS_ADDR",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8080"
    )]
    metrics_addr: SocketAddr,

    /// How much is logged.
    #[arg(
        long,
        env = "PSU_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info"
    )]
    log_level: LogLevel,

    /// How a log line looks.
    #[arg(
        long,
        env = "PSU_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "json"
    )]
    log_format: LogFormat,
}

/// What the controller is told by flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The operator's own namespace.
    pub own_namespace: String,
    /// The operator's own service account, where it is known.
    pub own_service_account: Option<String>,
    /// The namespaces served; `None` for all.
    pub namespaces: Option<BTreeSet<String>>,
    /// What the engine decides by.
    pub engine: engine::Settings,
}

/// Everything that the controller runs on.
pub struct Wired {
    /// What the flags say.
    pub settings: Settings,
    /// The API server.
    pub cluster: Cluster,
    /// The API server's clock against ours.
    pub server_clock: ServerClock,
    /// Credentials.
    pub credentials: CredentialsFetcher,
    /// What the watches see. The watches end when it is dropped.
    pub events: mpsc::Receiver<Event>,
    /// The watches; none of them ends by itself.
    pub watches: JoinSet<()>,
    /// What `/readyz` tells.
    pub readiness: Readiness,
    /// What `/metrics` tells.
    pub metrics: Metrics,
    /// Cancelled when the operator is asked to stop.
    pub stop: CancellationToken,
}

/// Connects, and starts the watches.
///
/// # Errors
/// Where there is no API server to talk to.
pub async fn wire(
    settings: Settings,
    kubeconfig: Option<&Path>,
    instance: String,
    readiness: Readiness,
    metrics: Metrics,
    stop: CancellationToken,
) -> anyhow::Result<Wired> {
    let wall = Clock::start();
    let server_clock = ServerClock::new(move || wall.wall());
    let client = connect(kubeconfig, &server_clock).await?;
    let cluster = Cluster::new(client.clone(), metrics.clone(), instance);
    let (sender, events) = mpsc::channel(EVENTS);
    let scope = Scope {
        namespaces: settings.namespaces.clone(),
        own_namespace: settings.own_namespace.clone(),
        secrets: settings.engine.secret_access,
    };
    let watches = watch_all(&client, &scope, &sender, &readiness);
    let credentials = CredentialsFetcher::new(cluster.clone(), settings.own_namespace.clone())
        .with_service_account(settings.own_service_account.clone());
    Ok(Wired {
        settings,
        cluster,
        server_clock,
        credentials,
        events,
        watches,
        readiness,
        metrics,
        stop,
    })
}

/// Runs the operator until it is asked to stop.
pub(super) fn run(args: RunArgs) -> anyhow::Result<()> {
    // One thread: the work is to wait for the API server, and a second one would cost a heap of its own for nothing.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime cannot be started")?
        .block_on(serve_and_run(args))
}

async fn serve_and_run(args: RunArgs) -> anyhow::Result<()> {
    let RunArgs {
        kubeconfig,
        pod_namespace,
        pod_service_account,
        pod_name,
        namespaces,
        class,
        denial_grace,
        min_renewed_duration,
        resign_within,
        concurrency,
        secret_template_deny,
        secret_access,
        health_addr,
        metrics_addr,
        log_level,
        log_format,
    } = args;
    init_logs(log_level, log_format).context("logging cannot be started")?;
    let whole_cluster = namespaces.is_empty();
    let settings = Settings {
        own_namespace: own_namespace(pod_namespace, Path::new(NAMESPACE_FILE))?,
        own_service_account: pod_service_account.filter(|name| !name.is_empty()),
        namespaces: (!whole_cluster).then(|| namespaces.into_iter().collect()),
        engine: engine::Settings {
            class: class.filter(|class| !class.is_empty()),
            whole_cluster,
            denial_grace,
            min_renewed_duration,
            resign_within,
            concurrency: concurrency.into(),
            secret_access: secret_access.into(),
            template_deny: secret_template_deny
                .into_iter()
                .filter(|domain| !domain.is_empty())
                .collect(),
        },
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), ?settings, "starting");

    let stop = shutdown::on_signal()?;
    let readiness = Readiness::default();
    let engine =
        SharedEngine::new(Engine::new(settings.engine.clone()).map_err(anyhow::Error::msg)?);
    let scraped = engine.clone();
    let metrics = Metrics::new(move || scraped.expiries());
    let health = bind(health_addr, "/livez and /readyz", "--health-addr").await?;
    let scrape = bind(metrics_addr, "/metrics", "--metrics-addr").await?;
    let mut servers = JoinSet::new();
    servers.spawn(serve(
        health,
        health_router(readiness.clone()),
        stop.clone(),
    ));
    servers.spawn(serve(scrape, metrics_router(metrics.clone()), stop.clone()));

    let instance = pod_name.unwrap_or_else(host_name);
    let kubeconfig = kubeconfig.as_deref();
    let wired = wire(settings, kubeconfig, instance, readiness, metrics, stop).await?;
    controller::run(engine, wired).await;
    while let Some(ended) = servers.join_next().await {
        ended.context("a server of /metrics or health broke")??;
    }
    Ok(())
}

/// The operator's own namespace: what is given, else what the pod's service account says.
pub(super) fn own_namespace(given: Option<String>, file: &Path) -> anyhow::Result<String> {
    if let Some(given) = given {
        return Ok(given);
    }
    match std::fs::read_to_string(file) {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ => bail!(
            "the operator's own namespace is not known: set POD_NAMESPACE (or --pod-namespace) to the namespace that \
             holds the stores' credentials Secrets"
        ),
    }
}

fn host_name() -> String {
    let name = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    match name.as_deref().map(str::trim) {
        Ok(name) if !name.is_empty() => name.to_owned(),
        _ => presigned_core::api::MANAGER.to_owned(),
    }
}

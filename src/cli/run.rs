//! `run`: the flags, turned into the controller's settings.
//!
//! What holds here: every flag is read in one place and becomes one setting; a namespace that is not known
//! ends the start with a sentence. Nothing is connected here.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use presigned_core::api::DEFAULT_CLASS;
use presigned_core::engine::{self, DenialGrace};

use super::values::{
    AccessFlag, AuthFlag, bytes, denial_grace, lease_name, namespace, pause, store_timeout,
};
use super::{shutdown, start_line};
use crate::controller::{self, Candidacy, Settings};
use crate::telemetry::{LogFormat, LogLevel, init_logs};
use crate::traces::{Destination, Endpoint, SamplingRatio};

/// The file in which a pod finds its namespace if no flag names it.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Arguments of `run`. Each can also be given as an environment variable.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The kubeconfig file. Left out: KUBECONFIG, else the pod's service account, else ~/.kube/config.
    #[arg(long, env = "PSU_KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The operator's own namespace, where credentials Secrets are read. Left out: the pod's.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME", value_parser = namespace)]
    pod_namespace: Option<String>,

    /// The operator's own service account: a store's webIdentity.audience asks for its tokens. The chart sets
    /// it.
    #[arg(long, env = "POD_SERVICE_ACCOUNT", value_name = "NAME")]
    pod_service_account: Option<String>,

    /// The pod's name, for Events and tokens. Left out: the host's name.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pod_name: Option<String>,

    /// The pod's uid: tokens for a store's webIdentity.audience are bound to the pod of this name and uid.
    /// The chart sets both.
    #[arg(long, env = "POD_UID", value_name = "UID")]
    pod_uid: Option<String>,

    /// Serve these namespaces only, separated by commas. Left out: all.
    #[arg(long, env = "PSU_NAMESPACES", value_name = "NAMES", value_delimiter = ',', value_parser = namespace)]
    namespaces: Vec<String>,

    /// Serve the resources of this spec.class.
    #[arg(long, env = "PSU_CLASS", value_name = "CLASS", default_value = DEFAULT_CLASS)]
    class: String,

    /// Elect a leader among the replicas by a Lease in the operator's own namespace. Left out: run one
    /// replica.
    #[arg(long, env = "PSU_LEADER_ELECT")]
    leader_elect: bool,

    /// The name of that Lease. Operators that share a namespace each need their own: with --namespaces it is also
    /// the operator's name in the statuses of stores, elected or not.
    #[arg(long, env = "PSU_LEASE_NAME", value_name = "NAME", default_value = "presigned-url-operator", value_parser = lease_name)]
    lease_name: String,

    /// How long a resource that is denied keeps its Secret: a duration, 0s (at once) or never (until it
    /// expires).
    #[arg(long, env = "PSU_DENIAL_GRACE", value_name = "DURATION", default_value = "10m", value_parser = denial_grace)]
    denial_grace: DenialGrace,

    /// The shortest spec.duration that is renewed.
    #[arg(long, env = "PSU_MIN_RENEWED_DURATION", value_name = "DURATION", default_value = "5m", value_parser = pause)]
    min_renewed_duration: Duration,

    /// Over how long re-signing is spread when a store or its credentials change.
    #[arg(long, env = "PSU_RESIGN_WITHIN", value_name = "DURATION", default_value = "5m", value_parser = pause)]
    resign_within: Duration,

    /// How long a verification of a URL or a probe of a store may take, from the resolution of its name to
    /// the end of the answer: 1s to 1m.
    #[arg(long, env = "PSU_STORE_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = store_timeout)]
    store_timeout: Duration,

    /// How much memory the PresignedURLs of one namespace may take, for example 8Mi. Those that are created
    /// after it is full are refused until others go.
    #[arg(long, env = "PSU_NAMESPACE_SHARE", value_name = "BYTES", default_value = "8Mi", value_parser = bytes)]
    namespace_share: usize,

    /// How many steps may be under way at once.
    #[arg(long, env = "PSU_CONCURRENCY", value_name = "NUMBER", default_value_t = 32,
          value_parser = clap::value_parser!(u16).range(2..=1024))]
    concurrency: u16,

    /// More label and annotation keys that spec.secretTemplate may not set, separated by commas; subdomains
    /// included.
    #[arg(
        long,
        env = "PSU_SECRET_TEMPLATE_DENY",
        value_name = "DOMAINS",
        value_delimiter = ','
    )]
    secret_template_deny: Vec<String>,

    /// Whether tenants' Secrets are watched (metadata only). none needs fewer rights and heals drift at
    /// renewal.
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

    /// Who may read /metrics. token: those whose bearer token the API server allows to get the nonResourceURL
    /// /metrics.
    #[arg(
        long,
        env = "PSU_METRICS_AUTH",
        value_name = "AUTH",
        default_value = "none"
    )]
    metrics_auth: AuthFlag,

    /// The base URL of a collector that gets traces by OTLP over HTTP, usually at port 4318. Left out: there are no
    /// traces.
    #[arg(long, env = "PSU_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<Endpoint>,

    /// The share of traces that are recorded, from 0 to 1.
    #[arg(
        long,
        env = "PSU_OTLP_SAMPLING",
        value_name = "RATIO",
        default_value_t = SamplingRatio::ALL
    )]
    otlp_sampling: SamplingRatio,

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

/// Runs the operator until it is asked to stop.
pub(super) fn run(args: RunArgs) -> anyhow::Result<()> {
    // One thread: the work is to wait for the API server, and a second one would cost a heap of its own for
    // nothing.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime cannot be started")?
        .block_on(start(args))
}

async fn start(args: RunArgs) -> anyhow::Result<()> {
    let RunArgs {
        kubeconfig,
        pod_namespace,
        pod_service_account,
        pod_name,
        pod_uid,
        namespaces,
        class,
        leader_elect,
        lease_name,
        denial_grace,
        min_renewed_duration,
        resign_within,
        store_timeout,
        namespace_share,
        concurrency,
        secret_template_deny,
        secret_access,
        health_addr,
        metrics_addr,
        metrics_auth,
        otlp_endpoint,
        otlp_sampling,
        log_level,
        log_format,
    } = args;
    init_logs(log_level, log_format).context("logging cannot be started")?;
    let instance = pod_name.unwrap_or_else(host_name);
    let pod_uid = pod_uid.filter(|uid| !uid.is_empty());
    let candidacy = leader_elect.then(|| Candidacy {
        lease: lease_name.clone(),
        identity: identity(&instance, pod_uid.as_deref()),
    });
    let own_namespace = own_namespace(pod_namespace, Path::new(NAMESPACE_FILE))?;
    let settings = Settings {
        kubeconfig,
        own_namespace: own_namespace.clone(),
        own_service_account: pod_service_account.filter(|name| !name.is_empty()),
        own_pod_uid: pod_uid,
        instance,
        health_addr,
        metrics_addr,
        metrics_auth: metrics_auth == AuthFlag::Token,
        store_timeout,
        candidacy,
        traces: otlp_endpoint.map(|endpoint| Destination {
            endpoint,
            sampling: otlp_sampling,
        }),
        engine: engine::Settings {
            class: (!class.is_empty() && class != DEFAULT_CLASS).then_some(class),
            own_namespace,
            lease_name,
            namespaces: (!namespaces.is_empty()).then(|| namespaces.into_iter().collect()),
            denial_grace,
            min_renewed_duration,
            resign_within,
            namespace_share,
            concurrency: concurrency.into(),
            secret_access: secret_access.into(),
            template_deny: secret_template_deny
                .into_iter()
                .filter(|domain| !domain.is_empty())
                .collect(),
        },
    };
    start_line::log_start(&settings);

    let stop = shutdown::on_signal()?;
    controller::run(controller::build(settings, stop).await?).await
}

/// The name by which this process holds the Lease. A container that restarts in its pod is the same holder,
/// and its former process is gone; without a pod each process is a holder of its own.
fn identity(instance: &str, pod_uid: Option<&str>) -> String {
    match pod_uid {
        Some(uid) => format!("{instance}_{uid}"),
        None => format!(
            "{instance}_{:016x}",
            RandomState::new().build_hasher().finish()
        ),
    }
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

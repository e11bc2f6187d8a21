//! The operator put together: settings in, everything that the loop runs on out.
//!
//! What holds here: everything that can be wrong with the surroundings (kubeconfig, addresses) ends the start
//! with a sentence; the clock is made here, once, and each part gets a clone of it; nothing here decides
//! anything.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use presigned_core::engine::{self, Engine, Event, SecretAccess};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::election::{Candidacy, Leadership};
use super::executor::StepExecutor;
use super::shared_engine::SharedEngine;
use crate::clock::Clock;
use crate::credentials::CredentialsFetcher;
use crate::http::{Connections, Proxies};
use crate::kube::{
    Cluster, Pod, Scope, ScrapeReviews, ServerClock, connect, watch_all, watch_trust_bundles,
};
use crate::s3::S3Client;
use crate::telemetry::{Metrics, Readiness, Reviewer, bind, health_router, metrics_router, serve};
use crate::traces::{Destination, Sender, Traces};

/// How many events may wait for the engine before the watches wait too. An event may hold half a megabyte of
/// keys.
const EVENTS: usize = 16;

/// What the flags say of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The kubeconfig file; `None` for what the surroundings hold.
    pub kubeconfig: Option<PathBuf>,
    /// The operator's own namespace.
    pub own_namespace: String,
    /// The operator's own service account, if it is known.
    pub own_service_account: Option<String>,
    /// The uid of the operator's own pod, if it is known.
    pub own_pod_uid: Option<String>,
    /// The pod's name, for Events and tokens.
    pub instance: String,
    /// The address of `/livez` and `/readyz`.
    pub health_addr: SocketAddr,
    /// The address of `/metrics`.
    pub metrics_addr: SocketAddr,
    /// Whether `/metrics` is for those alone whom the API server allows it.
    pub metrics_auth: bool,
    /// How long a verification of a URL or a probe of a store may take.
    pub store_timeout: Duration,
    /// The election to take part in; `None` leads always.
    pub candidacy: Option<Candidacy>,
    /// Where traces go; `None` makes none.
    pub traces: Option<Destination>,
    /// What the engine decides by.
    pub engine: engine::Settings,
}

/// Everything that the loop runs on.
pub struct Runtime {
    pub(super) engine: SharedEngine,
    pub(super) executor: StepExecutor,
    pub(super) clock: Clock,
    /// The API server's clock against ours.
    pub(super) server_clock: ServerClock,
    /// What the watches see.
    pub(super) events: mpsc::Receiver<Event>,
    /// The watches; none of them ends by itself.
    pub(super) watches: JoinSet<()>,
    /// The ClusterTrustBundles to watch.
    pub(super) trust_bundles: watch::Sender<BTreeSet<String>>,
    /// Cancelled if the cluster was restored to a backup.
    pub(super) went_back: CancellationToken,
    pub(super) metrics: Metrics,
    /// Cancelled when the operator is asked to stop.
    pub(super) stop: CancellationToken,
    /// The servers of health and metrics; they end when `stop` is cancelled.
    pub(super) servers: JoinSet<()>,
    pub(super) leadership: Leadership,
    pub(super) traces: Traces,
}

/// Starts the servers, connects to the API server, and starts the watches.
///
/// # Errors
/// If the engine refuses its settings, an address is taken, or there is no API server to talk to.
pub async fn build(settings: Settings, stop: CancellationToken) -> anyhow::Result<Runtime> {
    let Settings {
        kubeconfig,
        own_namespace,
        own_service_account,
        own_pod_uid,
        instance,
        health_addr,
        metrics_addr,
        metrics_auth,
        store_timeout,
        candidacy,
        traces,
        engine,
    } = settings;
    let scope = Scope {
        namespaces: engine.namespaces.clone(),
        own_namespace: own_namespace.clone(),
        secrets: engine.secret_access,
    };
    let engine = SharedEngine::new(Engine::new(engine).map_err(anyhow::Error::msg)?);
    let scraped = engine.clone();
    let metrics = Metrics::new(move || scraped.soonest());
    let readiness = Readiness::default();

    // Both addresses are taken before anything is served.
    let health = bind(health_addr, "/livez and /readyz", "--health-addr").await?;
    let scrape = bind(metrics_addr, "/metrics", "--metrics-addr").await?;
    let mut servers = JoinSet::new();
    let health_routes = health_router(readiness.clone());
    servers.spawn(serve(health, health_routes, stop.clone()));

    let clock = Clock::start();
    let server_clock = ServerClock::new(clock.clone());
    let proxies = Proxies::from_env()?;
    let client = connect(kubeconfig.as_deref(), &server_clock, &proxies).await?;
    let connections = Connections::new(clock.clone(), proxies);
    let sender = Sender {
        namespace: own_namespace.clone(),
        instance: instance.clone(),
    };
    let traces = Traces::start(traces.as_ref(), &sender, &connections, &metrics, &clock)?;
    let own_pod = own_pod_uid.map(|uid| Pod {
        name: instance.clone(),
        uid,
    });
    let cluster = Cluster::new(client.clone(), metrics.clone(), instance);
    let reviewer: Option<Arc<dyn Reviewer>> = metrics_auth.then(|| {
        let reviews = ScrapeReviews::new(cluster.clone(), clock.clone());
        Arc::new(reviews) as Arc<dyn Reviewer>
    });
    let metrics_routes = metrics_router(metrics.clone(), reviewer);
    servers.spawn(serve(scrape, metrics_routes, stop.clone()));
    if scope.secrets == SecretAccess::None {
        let writable = writable(&scope);
        tokio::select! {
            () = cluster.until_fenced(&writable, &readiness) => {}
            () = stop.cancelled() => {}
        }
    }
    let (sender, events) = mpsc::channel(EVENTS);
    let went_back = CancellationToken::new();
    let mut watches = watch_all(&client, &scope, &sender, &readiness, &went_back);
    let trust_bundles = watch_trust_bundles(&client, &sender, &went_back, &mut watches);
    let leadership = match candidacy {
        None => Leadership::alone(),
        Some(candidacy) => Leadership::elected(
            cluster.clone(),
            clock.clone(),
            own_namespace.clone(),
            candidacy,
        ),
    };
    let credentials =
        CredentialsFetcher::new(cluster.clone(), own_namespace, Arc::clone(&connections))
            .with_service_account(own_service_account)
            .with_pod(own_pod);
    let s3 = S3Client::new(connections, clock.clone()).with_timeout(store_timeout);
    let executor = StepExecutor::new(cluster, credentials, s3, metrics.clone(), clock.clone());
    Ok(Runtime {
        engine,
        executor,
        clock,
        server_clock,
        events,
        watches,
        trust_bundles,
        went_back,
        metrics,
        stop,
        servers,
        leadership,
        traces,
    })
}

/// The namespaces whose Secrets the operator may write: those that it serves, or its own for all.
fn writable(scope: &Scope) -> Vec<String> {
    let served: Vec<_> = scope.namespaces.iter().flatten().cloned().collect();
    if served.is_empty() {
        vec![scope.own_namespace.clone()]
    } else {
        served
    }
}

/// Waits for the servers, which end when the operator was asked to stop.
///
/// # Errors
/// If one of them broke.
pub(super) async fn join(mut servers: JoinSet<()>) -> anyhow::Result<()> {
    while let Some(ended) = servers.join_next().await {
        ended.context("a server of /metrics or health broke")?;
    }
    Ok(())
}

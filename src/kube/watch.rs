//! Watches: one task a kind that sends what it sees to the core.
//!
//! What holds here: a kind is watched as a whole or by one stream a served namespace, and each list says
//! which of them it covers, so that the core removes by it nothing of another namespace. Each stream has its
//! own pauses, so that a kind that is forbidden or missing holds up no other; a watch never ends by itself;
//! what went wrong is logged once when it changes, and is in `/readyz` for as long as it lasts. A history
//! that went back is told once for all of them, by a token.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::runtime::watcher;
use kube::{Client, Resource};
use presigned_core::api::{
    ClusterObjectStore, MANAGED_BY_LABEL, MANAGER, PresignedUrl, PresignedUrlPolicy,
};
use presigned_core::engine::{ApiError, Change, Event, ListScope, SecretAccess, classify};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::call::{class, failure};
use super::convert::{self, RawObject};
use super::list_watch::{self, Source, WatchStream};
use super::pieces::LargePieces;
use crate::telemetry::{Readiness, WatchState};

/// The first pause after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(15);
/// The longest pause while a CRD is missing: somebody is probably installing it.
const MAX_PAUSE_FOR_CRD: Duration = Duration::from_secs(3);

/// What is watched.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The namespaces served; `None` for all.
    pub namespaces: Option<BTreeSet<String>>,
    /// The operator's own namespace.
    pub own_namespace: String,
    /// Whether tenants' Secrets are watched.
    pub secrets: SecretAccess,
}

/// Starts all watches. Each ends when `events` is closed or the set is dropped. `went_back` is cancelled if
/// the API server is behind what it told before.
#[must_use]
pub fn watch_all(
    client: &Client,
    scope: &Scope,
    events: &mpsc::Sender<Event>,
    readiness: &Readiness,
    went_back: &CancellationToken,
) -> JoinSet<()> {
    let Scope {
        namespaces,
        own_namespace,
        secrets,
    } = scope;
    let watch_of = |name: &'static str| Watch {
        name,
        readiness: readiness.clone(),
        events: events.clone(),
    };
    let large = LargePieces::default();
    let source = |path| Source::new(client, path, &large, went_back);
    let mut tasks = JoinSet::new();

    let streams = each(namespaces.as_ref()).map(|(scope, namespace)| {
        let path = PresignedUrl::url_path(&(), namespace);
        (scope, source(path).stream::<RawObject<PresignedUrl>>())
    });
    let watch = watch_of("presignedurls.presigned.dev");
    tasks.spawn(watch.run(streams.collect(), convert::resource, Event::Resource));

    let policies = source(PresignedUrlPolicy::url_path(&(), None)).stream();
    let watch = watch_of("presignedurlpolicies.presigned.dev");
    tasks.spawn(watch.run(whole(policies), convert::policy, Event::Policy));

    let stores = source(ClusterObjectStore::url_path(&(), None)).stream();
    let watch = watch_of("clusterobjectstores.presigned.dev");
    tasks.spawn(watch.run(whole(stores), convert::store, Event::Store));

    let all = source(Namespace::url_path(&(), None)).metadata_only();
    let streams = each(namespaces.as_ref()).map(|(scope, namespace)| {
        let one = namespace.map(|name| all.clone().fields(&format!("metadata.name={name}")));
        (scope, one.unwrap_or_else(|| all.clone()).stream())
    });
    let watch = watch_of("namespaces");
    tasks.spawn(watch.run(streams.collect(), convert::namespace, Event::Namespace));

    if *secrets == SecretAccess::Watch {
        let ours = format!("{MANAGED_BY_LABEL}={MANAGER}");
        let streams = each(namespaces.as_ref()).map(|(scope, namespace)| {
            let secrets = source(Secret::url_path(&(), namespace)).metadata_only();
            (scope, secrets.labels(&ours).stream())
        });
        let watch = watch_of("secrets");
        tasks.spawn(watch.run(streams.collect(), convert::secret, Event::Secret));
    }

    let own = source(Secret::url_path(&(), Some(own_namespace))).metadata_only();
    let watch = watch_of("secrets of the operator's own namespace");
    tasks.spawn(watch.run(whole(own.stream()), convert::secret, Event::OwnSecret));

    tasks
}

/// The whole cluster, or each of the namespaces that are named, as what a list covers.
fn each(namespaces: Option<&BTreeSet<String>>) -> impl Iterator<Item = (ListScope, Option<&str>)> {
    let all = namespaces.is_none().then_some((ListScope::Cluster, None));
    let each = namespaces
        .into_iter()
        .flatten()
        .map(|name| (ListScope::Namespace(name.clone()), Some(name.as_str())));
    all.into_iter().chain(each)
}

/// The only stream of a kind.
fn whole<K>(stream: WatchStream<K>) -> Vec<(ListScope, WatchStream<K>)> {
    vec![(ListScope::Cluster, stream)]
}

/// One kind's watch.
struct Watch {
    name: &'static str,
    readiness: Readiness,
    events: mpsc::Sender<Event>,
}

impl Watch {
    /// Sends what the streams bring, each marked with what it covers, until nobody listens.
    async fn run<K: Send + 'static, T: Send + 'static>(
        self,
        streams: Vec<(ListScope, WatchStream<K>)>,
        convert: impl Fn(K) -> T + Send,
        wrap: impl Fn(Change<T>) -> Event + Send,
    ) {
        let Self {
            name,
            readiness,
            events,
        } = self;
        readiness.set(name, WatchState::Listing);
        let mut unlisted: BTreeSet<_> = streams.iter().map(|(scope, _)| scope.clone()).collect();
        let streams = streams.into_iter().map(|(scope, stream)| {
            let problem = WatchProblem::new(name, readiness.clone());
            with_backoff(stream, problem)
                .map(move |event| (scope.clone(), event))
                .boxed()
        });
        let mut all = stream::select_all(streams);
        while let Some((scope, event)) = all.next().await {
            let listed = matches!(event, list_watch::Event::InitDone(_)).then(|| scope.clone());
            let change = change(scope, event, &convert);
            if events.send(wrap(change)).await.is_err() {
                return;
            }
            if let Some(scope) = listed {
                tracing::debug!(watch = name, ?scope, "first list or re-list complete");
                unlisted.remove(&scope);
                if unlisted.is_empty() {
                    readiness.set(name, WatchState::Synced);
                }
            }
        }
    }
}

/// What a stream's event means to the engine.
fn change<K, T>(
    scope: ListScope,
    event: list_watch::Event<K>,
    convert: impl Fn(K) -> T,
) -> Change<T> {
    match event {
        list_watch::Event::Init => Change::Init { scope },
        list_watch::Event::InitApply(object) => Change::InitApply(convert(object)),
        list_watch::Event::InitDone(version) => Change::InitDone { scope, version },
        list_watch::Event::Apply(object) => Change::Apply(convert(object)),
        list_watch::Event::Delete(object) => Change::Delete(convert(object)),
    }
}

/// The stream without its failures: each is reported, and followed by a pause.
fn with_backoff<K: Send + 'static>(
    stream: WatchStream<K>,
    problem: WatchProblem,
) -> impl Stream<Item = list_watch::Event<K>> + Send {
    stream::unfold((stream, problem), |(mut stream, mut problem)| async {
        loop {
            match stream.next().await? {
                Ok(event) => {
                    if !matches!(event, list_watch::Event::Init) {
                        problem.resolved();
                    }
                    return Some((event, (stream, problem)));
                }
                Err(error) => tokio::time::sleep(problem.report(&watch_failure(&error))).await,
            }
        }
    })
}

/// What is wrong with one stream, and how long to wait for it.
pub(super) struct WatchProblem {
    name: &'static str,
    readiness: Readiness,
    message: Option<String>,
    pause: Duration,
}

impl WatchProblem {
    pub(super) fn new(name: &'static str, readiness: Readiness) -> Self {
        Self {
            name,
            readiness,
            message: None,
            pause: FIRST_PAUSE,
        }
    }

    /// Reports a failure if it is another than the one before; returns how long to wait.
    pub(super) fn report(&mut self, failure: &ApiError) -> Duration {
        let message = message(self.name, failure);
        // The server forgets old versions as a matter of course; a new list follows.
        if *failure == ApiError::Other(Some(410)) {
            tracing::debug!(watch = self.name, "the watch was too old; listing again");
        } else if self.message.as_ref() != Some(&message) {
            tracing::warn!(watch = self.name, "{message}");
            let state = WatchState::Failing(message.clone());
            self.readiness.set(self.name, state);
            self.message = Some(message);
        }
        let longest = match failure {
            ApiError::NotFound => MAX_PAUSE_FOR_CRD,
            _ => MAX_PAUSE,
        };
        let pause = self.pause.min(longest);
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        pause.mul_f64(jitter())
    }

    /// The next pause, before it is shortened by chance.
    pub(super) const fn pause(&self) -> Duration {
        self.pause
    }

    pub(super) fn resolved(&mut self) {
        self.pause = FIRST_PAUSE;
        if self.message.take().is_some() {
            tracing::info!(watch = self.name, "the watch works again");
            self.readiness.set(self.name, WatchState::Listing);
        }
    }
}

pub(super) fn watch_failure(error: &watcher::Error) -> ApiError {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => failure(error),
        watcher::Error::WatchError(status) => class(status),
        watcher::Error::NoResourceVersion => ApiError::Other(None),
    }
}

fn message(name: &str, failure: &ApiError) -> String {
    match failure {
        ApiError::NotFound if name.ends_with(presigned_core::api::GROUP) => format!(
            "waiting for CRD {name}: install the chart's CRDs, or run \
             presigned-url-operator crds | kubectl apply -f -"
        ),
        ApiError::Forbidden => format!(
            "the API server forbids to list or watch {name}: compare the operator's RBAC with the chart's"
        ),
        _ => format!(
            "cannot list or watch {name}: {}",
            classify(failure).sentence
        ),
    }
}

/// Between a half and one. Chance is allowed here: a pause decides nothing.
pub(super) fn jitter() -> f64 {
    let random = RandomState::new().hash_one(());
    0.5 + f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX) / 2.0
}

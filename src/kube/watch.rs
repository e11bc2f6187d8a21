//! Watches: one task a kind that tells the core what it sees.
//!
//! What holds here: each watch has its own pauses, so that a kind that is forbidden or missing holds up no other; a watch
//! never ends by itself; what went wrong is said once in the log when it changes, and in `/readyz` for as long as it lasts.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use futures::stream::{self, BoxStream, Stream, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::core::PartialObjectMeta as Metadata;
use kube::runtime::watcher;
use kube::{Api, Client, Resource};
use presigned_core::api::{
    ClusterObjectStore, MANAGED_BY_LABEL, MANAGER, PresignedUrl, PresignedUrlPolicy,
};
use presigned_core::engine::{ApiError, Change, Event, SecretAccess, classify};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::call::{class, failure};
use super::convert::{self, RawObject};
use super::merge::{alone, merged};
use crate::telemetry::{Readiness, WatchState};

/// The most objects in one page of a list: a page is in memory whole, as text and then parsed.
const PAGE: u32 = 250;
/// The first pause after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(15);
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

/// Starts all watches. Each ends when `events` is closed or the set is dropped.
#[must_use]
pub fn watch_all(
    client: &Client,
    scope: &Scope,
    events: &mpsc::Sender<Event>,
    readiness: &Readiness,
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
    let everything = watcher::Config::default().page_size(PAGE);
    let mut tasks = JoinSet::new();

    let streams: Vec<_> = in_each(client, namespaces.as_ref())
        .into_iter()
        .map(|api| objects::<RawObject<PresignedUrl>>(api, &everything))
        .collect();
    let tell = merged(streams.len());
    let watch = watch_of("presignedurls.presigned.dev");
    tasks.spawn(watch.run(streams, convert::resource, tell, Event::Resource));

    let stream = objects::<RawObject<PresignedUrlPolicy>>(Api::all(client.clone()), &everything);
    let watch = watch_of("presignedurlpolicies.presigned.dev");
    let tell = |_, event| alone(event);
    tasks.spawn(watch.run(vec![stream], convert::policy, tell, Event::Policy));

    let stream = objects::<RawObject<ClusterObjectStore>>(Api::all(client.clone()), &everything);
    let watch = watch_of("clusterobjectstores.presigned.dev");
    let tell = |_, event| alone(event);
    tasks.spawn(watch.run(vec![stream], convert::store, tell, Event::Store));

    let api = || Api::<Metadata<Namespace>>::all(client.clone());
    let streams: Vec<_> = match namespaces {
        None => vec![objects(api(), &everything)],
        Some(names) => names
            .iter()
            .map(|name| everything.clone().fields(&format!("metadata.name={name}")))
            .map(|one| objects(api(), &one))
            .collect(),
    };
    let tell = merged(streams.len());
    let convert = |object: Metadata<_>| convert::namespace(object.metadata);
    tasks.spawn(watch_of("namespaces").run(streams, convert, tell, Event::Namespace));

    let convert = |object: Metadata<_>| convert::secret(object.metadata);
    if *secrets == SecretAccess::Watch {
        let ours = format!("{MANAGED_BY_LABEL}={MANAGER}");
        let ours = everything.clone().labels(&ours);
        let streams: Vec<_> = in_each::<Metadata<Secret>>(client, namespaces.as_ref())
            .into_iter()
            .map(|api| objects(api, &ours))
            .collect();
        let tell = merged(streams.len());
        tasks.spawn(watch_of("secrets").run(streams, convert, tell, Event::Secret));
    }

    let own = Api::<Metadata<Secret>>::namespaced(client.clone(), own_namespace);
    let watch = watch_of("secrets of the operator's own namespace");
    let streams = vec![objects(own, &everything)];
    let tell = |_, event| alone(event);
    tasks.spawn(watch.run(streams, convert, tell, Event::OwnSecret));

    tasks
}

/// One `Api` for all namespaces, or one for each of those named.
fn in_each<K>(client: &Client, namespaces: Option<&BTreeSet<String>>) -> Vec<Api<K>>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    match namespaces {
        None => vec![Api::all(client.clone())],
        Some(names) => names
            .iter()
            .map(|name| Api::namespaced(client.clone(), name))
            .collect(),
    }
}

type Told<K> = BoxStream<'static, Result<watcher::Event<K>, watcher::Error>>;

fn objects<K>(api: Api<K>, config: &watcher::Config) -> Told<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    watcher::watcher(api, config.clone()).boxed()
}

/// One kind's watch.
struct Watch {
    name: &'static str,
    readiness: Readiness,
    events: mpsc::Sender<Event>,
}

impl Watch {
    /// Tells what the streams tell, until nobody listens.
    async fn run<K: Send + 'static, T: Send + 'static>(
        self,
        streams: Vec<Told<K>>,
        convert: impl Fn(K) -> T + Send,
        mut tell: impl FnMut(usize, watcher::Event<T>) -> Vec<Change<T>> + Send,
        wrap: impl Fn(Change<T>) -> Event + Send,
    ) {
        let Self {
            name,
            readiness,
            events,
        } = self;
        readiness.set(name, WatchState::ListResponse);
        let patient = streams.into_iter().enumerate().map(|(part, stream)| {
            let trouble = Trouble::new(name, readiness.clone());
            patient(stream, trouble)
                .map(move |event| (part, event))
                .boxed()
        });
        let mut told = stream::select_all(patient);
        while let Some((part, event)) = told.next().await {
            for change in tell(part, each(event, &convert)) {
                let synced = matches!(change, Change::InitDone);
                if events.send(wrap(change)).await.is_err() {
                    return;
                }
                if synced {
                    readiness.set(name, WatchState::Synced);
                    tracing::debug!(watch = name, "first list or re-list complete");
                }
            }
        }
    }
}

fn each<K, T>(event: watcher::Event<K>, convert: impl Fn(K) -> T) -> watcher::Event<T> {
    match event {
        watcher::Event::Init => watcher::Event::Init,
        watcher::Event::InitApply(object) => watcher::Event::InitApply(convert(object)),
        watcher::Event::InitDone => watcher::Event::InitDone,
        watcher::Event::Apply(object) => watcher::Event::Apply(convert(object)),
        watcher::Event::Delete(object) => watcher::Event::Delete(convert(object)),
    }
}

/// The stream without its failures: each is told, and waited out.
fn patient<K: Send + 'static>(
    stream: Told<K>,
    trouble: Trouble,
) -> impl Stream<Item = watcher::Event<K>> + Send {
    stream::unfold((stream, trouble), |(mut stream, mut trouble)| async {
        loop {
            match stream.next().await? {
                Ok(event) => {
                    if !matches!(event, watcher::Event::Init) {
                        trouble.over();
                    }
                    return Some((event, (stream, trouble)));
                }
                Err(error) => tokio::time::sleep(trouble.met(&error)).await,
            }
        }
    })
}

/// What is wrong with one stream, and how long to wait for it.
struct Trouble {
    name: &'static str,
    readiness: Readiness,
    why: Option<String>,
    pause: Duration,
}

impl Trouble {
    fn new(name: &'static str, readiness: Readiness) -> Self {
        Self {
            name,
            readiness,
            why: None,
            pause: FIRST_PAUSE,
        }
    }

    /// Tells of a failure where it is another than before; answers how long to wait.
    fn met(&mut self, error: &watcher::Error) -> Duration {
        let failure = watch_failure(error);
        let why = why(self.name, &failure);
        // The server forgets old versions as a matter of course; a new list follows.
        if failure == ApiError::Other(Some(410)) {
            tracing::debug!(watch = self.name, "the watch was too old; listing again");
        } else if self.why.as_ref() != Some(&why) {
            tracing::warn!(watch = self.name, "{why}");
            let state = WatchState::Failing(why.clone());
            self.readiness.set(self.name, state);
            self.why = Some(why);
        }
        let longest = match failure {
            ApiError::NotFound => MAX_PAUSE_FOR_CRD,
            _ => MAX_PAUSE,
        };
        let pause = self.pause.min(longest);
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        pause.mul_f64(jitter())
    }

    fn over(&mut self) {
        self.pause = FIRST_PAUSE;
        if self.why.take().is_some() {
            tracing::info!(watch = self.name, "the watch works again");
            self.readiness.set(self.name, WatchState::ListResponse);
        }
    }
}

fn watch_failure(error: &watcher::Error) -> ApiError {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => failure(error),
        watcher::Error::WatchError(status) => class(status),
        watcher::Error::NoResourceVersion => ApiError::Other(None),
    }
}

fn why(name: &str, failure: &ApiError) -> String {
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

/// Between a half and one. The shell may throw dice: a pause decides nothing.
fn jitter() -> f64 {
    let dice = RandomState::new().hash_one(());
    0.5 + f64::from(u32::try_from(dice >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX) / 2.0
}

//! The ClusterTrustBundles that stores name: each is watched by itself, for as long as a store names it.
//!
//! What holds here: no other bundle is read, since one may have a megabyte. A cluster that serves none is
//! asked once a minute, and only while a store names one. What the API server says is told when it changes.
//! That it does not answer is told only once it has not for a while: the other watches wait then as well, and
//! certificates that were seen stay in use.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt as _;
use kube::Client;
use presigned_core::engine::{ApiError, Event, TrustBundleSeen, classify};
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::call::{TIMEOUT, failure};
use super::list_watch::{self, Source, Versioned};
use super::pieces::LargePieces;
use super::watch::{MAX_PAUSE, WatchProblem, jitter, watch_failure};
use crate::telemetry::Readiness;

/// The kind, as it is logged.
const NAME: &str = "clustertrustbundles.certificates.k8s.io";
/// The versions that are known, the newest first. All hold the certificates in the same field.
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];
/// Between two looks at a cluster that serves none.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// Starts to watch the bundles of the names that are sent to what it returns, as one of `tasks`. `went_back`
/// is cancelled if the API server is behind what it told before.
#[must_use]
pub fn watch_trust_bundles(
    client: &Client,
    events: &mpsc::Sender<Event>,
    went_back: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> watch::Sender<BTreeSet<String>> {
    let (sender, names) = watch::channel(BTreeSet::new());
    let watches = watch_named(client.clone(), names, events.clone(), went_back.clone());
    tasks.spawn(watches);
    sender
}

async fn watch_named(
    client: Client,
    mut names: watch::Receiver<BTreeSet<String>>,
    events: mpsc::Sender<Event>,
    went_back: CancellationToken,
) {
    let large = LargePieces::default();
    let mut tasks = JoinSet::new();
    let mut watched: BTreeMap<String, AbortHandle> = BTreeMap::new();
    let mut ended = Vec::new();
    loop {
        let wanted = names.borrow_and_update().clone();
        for (name, task) in watched.extract_if(.., |name, _| !wanted.contains(name)) {
            task.abort();
            ended.push(name);
        }
        // What a task sent before comes before this.
        for name in ended.drain(..) {
            let event = Event::TrustBundle { name, seen: None };
            if events.send(event).await.is_err() {
                return;
            }
        }
        for name in wanted {
            watched.entry(name).or_insert_with_key(|name| {
                let bundle = Bundle {
                    client: client.clone(),
                    name: name.clone(),
                    events: events.clone(),
                    large: large.clone(),
                    went_back: went_back.clone(),
                    told: None,
                };
                tasks.spawn(bundle.run())
            });
        }
        while tasks.try_join_next().is_some() {}
        if names.changed().await.is_err() {
            return;
        }
    }
}

/// What is used of a bundle.
#[derive(Deserialize)]
struct ClusterTrustBundle {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    resource_version: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    trust_bundle: String,
}

impl Versioned for ClusterTrustBundle {
    fn resource_version(&self) -> Option<&str> {
        Some(&self.metadata.resource_version)
    }
}

/// One bundle.
struct Bundle {
    client: Client,
    name: String,
    events: mpsc::Sender<Event>,
    large: LargePieces,
    went_back: CancellationToken,
    told: Option<TrustBundleSeen>,
}

/// Nobody takes the events any more.
struct Unheard;

impl Bundle {
    async fn run(mut self) {
        while let Ok(()) = self.follow().await {}
    }

    /// Looks for the API, and watches the bundle for as long as it is served.
    async fn follow(&mut self) -> Result<(), Unheard> {
        // The operator is ready without it: only the stores that name it wait.
        let mut problem = WatchProblem::new(NAME, Readiness::default());
        let version = loop {
            match self.served_version().await {
                Ok(Some(version)) => break version,
                Ok(None) => {
                    self.tell(TrustBundleSeen::NotServed).await?;
                    tokio::time::sleep(LOOK_AGAIN.mul_f64(jitter())).await;
                }
                Err(error) => self.failed(&error, &mut problem).await?,
            }
        };
        let path = format!("/apis/certificates.k8s.io/{version}/clustertrustbundles");
        let source = Source::new(&self.client, path, &self.large, &self.went_back);
        let only = format!("metadata.name={}", self.name);
        let mut stream = source.fields(&only).stream::<ClusterTrustBundle>();
        let mut listed = None;
        while let Some(event) = stream.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    let error = watch_failure(&error);
                    if error == ApiError::NotFound {
                        return Ok(());
                    }
                    self.failed(&error, &mut problem).await?;
                    continue;
                }
            };
            match event {
                list_watch::Event::Init => {
                    listed = Some(TrustBundleSeen::Missing);
                    continue;
                }
                list_watch::Event::InitApply(bundle) => listed = Some(found(bundle)),
                list_watch::Event::InitDone(_) => {
                    if let Some(seen) = listed.take() {
                        self.tell(seen).await?;
                    }
                }
                list_watch::Event::Apply(bundle) => self.tell(found(bundle)).await?,
                // It went while it was listed.
                list_watch::Event::Delete(_) if listed.is_some() => {
                    listed = Some(TrustBundleSeen::Missing);
                }
                list_watch::Event::Delete(_) => self.tell(TrustBundleSeen::Missing).await?,
            }
            problem.resolved();
        }
        Ok(())
    }

    /// The newest known version in which the API server serves bundles.
    async fn served_version(&self) -> Result<Option<&'static str>, ApiError> {
        for version in VERSIONS {
            let group = format!("certificates.k8s.io/{version}");
            let asked = self.client.list_api_group_resources(&group);
            let asked = tokio::time::timeout(TIMEOUT, asked).await;
            match asked.map_err(|_| ApiError::Timeout)? {
                Ok(list) => {
                    let mut resources = list.resources.iter();
                    if resources.any(|resource| resource.name == "clustertrustbundles") {
                        return Ok(Some(version));
                    }
                }
                Err(error) => match failure(&error) {
                    ApiError::NotFound => {}
                    error => return Err(error),
                },
            }
        }
        Ok(None)
    }

    /// Reports a failure, and pauses. One that may pass by itself is told once the pauses are at their
    /// longest.
    async fn failed(
        &mut self,
        error: &ApiError,
        problem: &mut WatchProblem,
    ) -> Result<(), Unheard> {
        let longest = problem.pause() == MAX_PAUSE;
        let pause = problem.report(error);
        match error {
            ApiError::Forbidden => self.tell(TrustBundleSeen::Forbidden).await?,
            _ if longest => {
                let why = classify(error).sentence.into_owned();
                self.tell(TrustBundleSeen::Unreadable(why)).await?;
            }
            _ => {}
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    async fn tell(&mut self, seen: TrustBundleSeen) -> Result<(), Unheard> {
        if self.told.as_ref() == Some(&seen) {
            return Ok(());
        }
        self.told = Some(seen.clone());
        let event = Event::TrustBundle {
            name: self.name.clone(),
            seen: Some(seen),
        };
        self.events.send(event).await.map_err(|_| Unheard)
    }
}

fn found(bundle: ClusterTrustBundle) -> TrustBundleSeen {
    TrustBundleSeen::Found(bundle.spec.trust_bundle)
}

//! The operator in a container's memory, beside a tenant that makes as much as the API takes.
//!
//! # Expected flow
//! A tenant makes the largest objects that the API takes, edits all of them, deletes their Secrets, and puts
//! large annotations on Secrets with the operator's label; the operator is started and killed meanwhile.
//! After each of these another tenant asks for its first URL.
//!
//! What holds here: the run fails if the operator is killed, if a URL that lived is gone, or if the other
//! tenant waits longer than it may. Its wait begins when a watch of the benchmark tells of its request: the
//! API server writes, validates and tells of large objects one after the other, and the operator knows of the
//! request no earlier than anybody else.

mod group;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use presigned_core::api::{ConditionStatus, PresignedUrl};
use serde_json::{Value, json};

use crate::scale::operator::Operator;
use crate::scale::world::World;
use group::MemoryGroup;

/// How many calls of the tenant are under way.
const CONCURRENCY: usize = 8;
/// How often a call is made again that the API server gave up.
const TRIES: usize = 20;
/// How often the operator's memory is read.
const SAMPLE: Duration = Duration::from_millis(20);
/// The longest that the API server may take to tell of a new resource.
const API_SERVER_WAIT: Duration = Duration::from_mins(2);
/// The namespaces of the two tenants.
const GREEDY: &str = "bench-00";
const OTHER: &str = "bench-01";

/// What a run does.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many of the largest resources the greedy tenant makes.
    pub resources: usize,
    /// How many Secrets with large annotations.
    pub secrets: usize,
    /// How many ordinary resources other tenants have.
    pub ordinary: usize,
    /// The container's memory limit, in MiB.
    pub limit: u64,
    /// The longest that another tenant may wait for its first URL, once the API server tells of its request.
    pub wait: Duration,
}

/// Runs everything and prints it as it comes.
pub async fn run(load: Load, program: &Path) -> Result<()> {
    let Load {
        resources,
        secrets,
        ordinary,
        limit,
        wait,
    } = load;
    println!(
        "\nmemory: {resources} of the largest PresignedURLs and {secrets} annotated Secrets in one namespace, {ordinary} \
         ordinary ones in others, a limit of {limit} MiB"
    );
    let world = World::make(32, 1).await?;
    let group = MemoryGroup::with_limit(limit * 1024 * 1024)?;
    let mut run = Run {
        world,
        group,
        program,
        wait,
        operator: None,
        peak: Arc::new(AtomicU64::new(0)),
        others: 0,
    };
    // Ordinary ones begin at the third namespace, so that neither tenant has any.
    run.world.create_beside(ordinary).await?;
    run.start().await?;
    run.settle("ordinary load", ordinary).await?;

    run.each(resources, async |api, at| {
        let made = api.create(&PostParams::default(), &largest(at)?).await;
        made.context("make a large resource").map(drop)
    })
    .await?;
    run.first_url("the largest were made").await?;

    run.each(resources, async |api, at| {
        let patch = Patch::Merge(json!({ "spec": { "duration": "50m" } }));
        let params = PatchParams::default();
        let edited = api.patch(&name(at), &params, &patch).await;
        edited.context("edit a large resource").map(drop)
    })
    .await?;
    run.first_url("all were edited").await?;

    let deleted = run.delete_secrets().await?;
    run.first_url(&format!("{deleted} Secrets were deleted"))
        .await?;

    run.annotate(secrets).await?;
    run.first_url("Secrets were annotated").await?;

    for turn in ["first", "second"] {
        run.restart().await?;
        run.first_url(&format!("the {turn} restart")).await?;
    }
    run.check().await
}

/// When a watch of our own, beside the operator's, told of a resource: the operator can know of it no earlier.
struct Told(Arc<OnceLock<Instant>>);

impl Told {
    /// Begins to watch for a resource that is made later.
    async fn watch(api: &Api<PresignedUrl>, name: &str) -> Result<Self> {
        let one = WatchParams::default().fields(&format!("metadata.name={name}"));
        let mut events = api.watch(&one, "0").await?.boxed();
        let at = Arc::new(OnceLock::new());
        let told = Arc::clone(&at);
        // It ends with the first event, or with the API server.
        tokio::spawn(async move {
            while let Some(Ok(event)) = events.next().await {
                if matches!(event, WatchEvent::Added(_)) {
                    let _ = told.set(Instant::now());
                    break;
                }
            }
        });
        Ok(Self(at))
    }

    fn at(&self) -> Option<Instant> {
        self.0.get().copied()
    }
}

struct Run<'a> {
    // It ends before its group, which could not be removed else, and before its cluster.
    operator: Option<Operator>,
    group: MemoryGroup,
    world: World,
    program: &'a Path,
    wait: Duration,
    /// The most anonymous memory of any operator of this run, in KiB.
    peak: Arc<AtomicU64>,
    /// How many first URLs the other tenant asked for.
    others: usize,
}

impl Run<'_> {
    async fn start(&mut self) -> Result<()> {
        let started = Instant::now();
        let mut operator = Operator::start_in(&self.world, self.program, &self.group.processes())?;
        operator.ready(started).await?;
        println!("  ready after {:.2} s", started.elapsed().as_secs_f64());
        let (pid, peak) = (operator.process.pid()?, self.peak.clone());
        // It ends with the process.
        tokio::spawn(async move {
            while let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
                let Some(kib) = anonymous(&status) else { break };
                peak.fetch_max(kib, Ordering::Relaxed);
                tokio::time::sleep(SAMPLE).await;
            }
        });
        self.operator = Some(operator);
        Ok(())
    }

    /// Kills the operator and starts another.
    async fn restart(&mut self) -> Result<()> {
        self.operator = None;
        self.start().await
    }

    async fn settle(&mut self, what: &str, resources: usize) -> Result<()> {
        if resources > 0 {
            let operator = self.operator.as_ref().context("there is an operator")?;
            operator.process.settled(Instant::now()).await?;
        }
        self.tell(what)
    }

    fn tell(&mut self, what: &str) -> Result<()> {
        let operator = self.operator.as_mut().context("there is an operator")?;
        let alive = operator.process.usage();
        let kills = self.group.kills()?;
        ensure!(
            kills == 0,
            "after {what}: the kernel killed it {kills} times, for its memory"
        );
        let now = alive.context("the operator lives")?.resident_mib();
        let peak = self.peak.load(Ordering::Relaxed) as f64 / 1024.0;
        println!("  {what}: {now:.0} MiB resident, {peak:.0} MiB of its own at the peak");
        Ok(())
    }

    /// Does something for each of so many of the greedy tenant's resources.
    async fn each(
        &self,
        count: usize,
        doing: impl AsyncFn(Api<PresignedUrl>, usize) -> Result<()>,
    ) -> Result<()> {
        let api: Api<PresignedUrl> = Api::namespaced(self.world.client(), GREEDY);
        stream::iter(0..count)
            .map(|at| {
                let (api, doing) = (api.clone(), &doing);
                persist(async move || doing(api.clone(), at).await)
            })
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// The other tenant's first URL.
    async fn first_url(&mut self, after: &str) -> Result<()> {
        self.others += 1;
        let api: Api<PresignedUrl> = Api::namespaced(self.world.client(), OTHER);
        let name = format!("other-{}", self.others);
        let resource =
            json!({ "bucket": "models", "key": format!("{OTHER}/{name}"), "verify": "Never" });
        let told = Told::watch(&api, &name).await?;
        let asked = Instant::now();
        api.create(&PostParams::default(), &presigned_url(&name, &resource)?)
            .await?;
        let taken = asked.elapsed();
        while !is_ready(&api.get(&name).await?) {
            self.tell_if_killed(after)?;
            let waits = told.at().map_or(Duration::ZERO, |told| told.elapsed());
            ensure!(
                waits < self.wait,
                "after {after}: no first URL within {:?} since a watch told of the request",
                self.wait
            );
            ensure!(
                asked.elapsed() < API_SERVER_WAIT,
                "after {after}: no watch told of the request within {API_SERVER_WAIT:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let ready = Instant::now();
        let told = told.at().unwrap_or(ready).max(asked);
        self.tell(&format!(
            "after {after}: another's first URL after {:.2} s. The API server took {:.2} s to take the request, and \
             its watches told of it after {:.2} s; from then the operator took {:.2} s",
            (ready - asked).as_secs_f64(),
            taken.as_secs_f64(),
            (told - asked).as_secs_f64(),
            (ready - told).as_secs_f64()
        ))
    }

    fn tell_if_killed(&self, after: &str) -> Result<()> {
        let kills = self.group.kills()?;
        ensure!(
            kills == 0,
            "after {after}: the kernel killed it for its memory"
        );
        Ok(())
    }

    /// The tenant deletes all its Secrets at once.
    async fn delete_secrets(&self) -> Result<usize> {
        let api: Api<Secret> = Api::namespaced(self.world.client(), GREEDY);
        let all = api.list_metadata(&ListParams::default()).await?.items;
        let count = all.len();
        stream::iter(all)
            .map(|secret| {
                let api = api.clone();
                let name = secret.metadata.name.unwrap_or_default();
                persist(async move || {
                    let gone = api.delete(&name, &DeleteParams::default()).await;
                    gone.context("delete a Secret").map(drop)
                })
            })
            .buffer_unordered(CONCURRENCY)
            .try_collect::<()>()
            .await?;
        Ok(count)
    }

    /// The tenant makes Secrets with the operator's label and annotations as large as the API takes.
    async fn annotate(&self, count: usize) -> Result<()> {
        let api: Api<Secret> = Api::namespaced(self.world.client(), GREEDY);
        stream::iter(0..count)
            .map(|at| {
                let api = api.clone();
                persist(async move || {
                    let secret = serde_json::from_value(json!({ "metadata": {
                        "name": format!("annotated-{at}"),
                        "labels": { "presigned.dev/managed-by": "presigned-url-operator" },
                        "annotations": { "large": "x".repeat(250 * 1024) },
                    } }))?;
                    let made = api.create(&PostParams::default(), &secret).await;
                    made.context("make an annotated Secret").map(drop)
                })
            })
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// No URL of another tenant has expired or is gone, and what the greedy one has is told.
    async fn check(&mut self) -> Result<()> {
        let now = jiff::Timestamp::now();
        let all: Api<PresignedUrl> = Api::all(self.world.client());
        let mut living = 0_usize;
        let others = format!("metadata.namespace!={GREEDY}");
        let mut params = ListParams::default().limit(500).fields(&others);
        loop {
            let page = all.list(&params).await?;
            for url in &page.items {
                let expires_at = url
                    .status
                    .as_ref()
                    .and_then(|status| status.expiration_time);
                let lives = is_ready(url) && expires_at.is_some_and(|end| now < end);
                let meta = &url.metadata;
                ensure!(
                    lives,
                    "{:?}/{:?} has no URL that works any more",
                    meta.namespace,
                    meta.name
                );
            }
            living += page.items.len();
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                break;
            }
        }
        println!("  the other tenants' URLs: {living}, and all of them live");
        let api: Api<PresignedUrl> = Api::namespaced(self.world.client(), GREEDY);
        let mut reasons = std::collections::BTreeMap::<String, usize>::new();
        let mut params = ListParams::default().limit(20);
        loop {
            let page = api.list(&params).await?;
            for url in page.items {
                *reasons.entry(reason(&url)).or_default() += 1;
            }
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                break;
            }
        }
        println!("  the greedy tenant's resources: {reasons:?}");
        self.tell("the end")
    }
}

/// Does something until the API server has done it: on a busy machine it gives up writes of this size after
/// half a minute.
async fn persist(doing: impl AsyncFn() -> Result<()>) -> Result<()> {
    let mut gave_up = false;
    for _ in 0..TRIES {
        let outcome = doing().await;
        match outcome.as_ref().err().and_then(status_code) {
            Some(429 | 500 | 503 | 504) => gave_up = true,
            // What it gave up was done.
            Some(404 | 409) if gave_up => return Ok(()),
            _ => return outcome,
        }
    }
    doing().await
}

fn status_code(error: &anyhow::Error) -> Option<u16> {
    match error.downcast_ref::<kube::Error>()? {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

fn name(at: usize) -> String {
    format!("large-{at:04}")
}

/// The largest of which a Secret holds the URLs: every other one has keys of the greatest length, the others
/// more and shorter ones.
fn largest(at: usize) -> Result<PresignedUrl> {
    let (count, length) = if at.is_multiple_of(2) {
        (400, 1024)
    } else {
        (850, 300)
    };
    let keys: Vec<String> = (0..count)
        .map(|n| {
            let start = format!("{GREEDY}/{at:04}/{n:04}/");
            format!("{start}{}", "x".repeat(length - start.len()))
        })
        .collect();
    let spec = json!({ "bucket": "models", "keys": keys, "verify": "Never" });
    presigned_url(&name(at), &spec)
}

fn presigned_url(name: &str, spec: &Value) -> Result<PresignedUrl> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "presigned.dev/v1alpha1", "kind": "PresignedURL", "metadata": { "name": name }, "spec": spec,
    }))?)
}

fn ready(url: &PresignedUrl) -> Option<&presigned_core::api::Condition> {
    let conditions = url.status.as_ref().map(|status| &status.conditions)?;
    conditions
        .iter()
        .find(|condition| condition.type_ == "Ready")
}

fn is_ready(url: &PresignedUrl) -> bool {
    ready(url).is_some_and(|ready| ready.status == ConditionStatus::True)
}

fn reason(url: &PresignedUrl) -> String {
    ready(url).map_or_else(|| "none yet".to_owned(), |ready| ready.reason.to_string())
}

/// The memory in `/proc/PID/status` that is not the program's own pages.
fn anonymous(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.split_whitespace().next()?.parse().ok()
}

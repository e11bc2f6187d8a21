//! The operator at scale, on a real control plane.
//!
//! # Expected flow
//! A third of the resources are issued first: their writes are the payload of the bare client, and the memory
//! then is the lower point of the slope. Then the bare client, the operator with all resources, its restart,
//! an edit of the policy that changes nothing, and its starts without and beside Secrets of others, if some are
//! asked for. Then the bare client again: the raw bound is the mean of its two runs, since the machine may have
//! become slower or faster meanwhile.
//!
//! What holds here: writes are counted by the API server. A restart or an edit that writes to any resource,
//! Secret or Event fails the run, and so does memory that grows with Secrets of others.

pub(crate) mod counts;
pub(crate) mod operator;
pub(crate) mod raw;
pub(crate) mod watch;
pub(crate) mod world;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use presigned_core::api::PresignedUrl;

use crate::process::Usage;
use counts::Writes;
use operator::Operator;
use raw::Payload;
use watch::{Changes, Done};
use world::{Place, World, resource};

/// How many calls the bare client and the operator have under way.
pub(crate) const CONCURRENCY: usize = 32;
/// Longer than the pause between two writes of a store's counts: a late one has been written by then.
pub(crate) const AFTERGLOW: Duration = Duration::from_secs(12);
/// The longest phase of a run that works.
pub(crate) const PATIENCE: Duration = Duration::from_mins(15);

/// How many resources are issued for the bare client to copy one.
const SAMPLES: usize = 30;
/// How often the memory of a start is measured: the allocator and the threads make it differ.
const STARTS: usize = 3;
/// By how much the memory of two starts may differ, in MiB.
const SAME_MEMORY: f64 = 2.0;

/// What issuing cost.
pub(crate) struct Issued {
    /// From the start of the process to the last status.
    pub took: Duration,
    pub usage: Usage,
    pub writes: Writes,
}

/// Runs everything and prints it as it comes.
pub async fn run(resources: usize, others: usize, program: &Path) -> Result<()> {
    let third = (resources / 3).max(1);
    println!("\nscale: {resources} PresignedURLs, {CONCURRENCY} calls in flight");
    let world = World::make(CONCURRENCY, resources).await?;

    let (first, operator) = issue(&world, program, &[], third).await?;
    drop(operator);
    let payload = Payload::sample(&world).await?;
    world.empty(Place::Bench).await?;

    let before = raw(&world, &payload, resources, Done::Changed).await?;
    let (issued, operator) = issue(&world, program, &[], resources).await?;
    drop(operator);
    report_issue(&first, third, &issued, resources);

    let operator = restart(&world, program, resources).await?;
    edit(&world, &operator, resources).await?;
    drop(operator);
    if others > 0 {
        beside(&world, program, others).await?;
    }
    world.empty(Place::Bench).await?;

    let after = raw(&world, &payload, resources, Done::Changed).await?;
    report_ratio(resources, issued.took, before, after);
    Ok(())
}

/// The bare client's time for as many pairs of writes.
pub(crate) async fn raw(
    world: &World,
    payload: &Payload,
    resources: usize,
    done: Done,
) -> Result<Duration> {
    let objects = world.create(Place::Raw, resources).await?;
    // The harness watches here too, as in the operator's run.
    let urls = world.all(&resource::<PresignedUrl>());
    let changes = Changes::watch(urls, resources, done).await?;
    let started = Instant::now();
    payload.write(world, objects).await?;
    let took = started.elapsed();
    changes.done().await?;
    println!(
        "  bare client: {} pairs of Secret and status in {:.2} s, {:.0} a second",
        resources,
        took.as_secs_f64(),
        rate(resources, took)
    );
    world.empty(Place::Raw).await?;
    Ok(took)
}

/// What the operator writes for one resource, from a few that it issues and that are removed again.
pub(crate) async fn sample(world: &World, program: &Path) -> Result<Payload> {
    let (_, operator) = issue(world, program, &[], SAMPLES).await?;
    drop(operator);
    let payload = Payload::sample(world).await?;
    world.empty(Place::Bench).await?;
    Ok(payload)
}

/// Creates resources, starts an operator, and waits until each of them was issued and nothing is left to do.
pub(crate) async fn issue(
    world: &World,
    program: &Path,
    flags: &[&str],
    resources: usize,
) -> Result<(Issued, Operator)> {
    world.create(Place::Bench, resources).await?;
    let urls = world.all(&resource::<PresignedUrl>());
    let changes = Changes::watch(urls, resources, Done::Changed).await?;
    let before = world.writes().await?;
    let started = Instant::now();
    let mut operator = Operator::start_with(world, program, flags)?;
    let ready = operator.ready(started).await?;
    let done = changes.done().await.context("the operator")?;
    let took = done.duration_since(started);
    operator.process.settled(started).await?;
    tokio::time::sleep(AFTERGLOW).await;
    let writes = world.writes().await?.since(&before);
    let not_ready = world.not_ready().await?;
    ensure!(not_ready == 0, "{not_ready} resources are not Ready");
    let usage = operator.process.usage()?;
    println!(
        "  operator: {resources} resources in {:.2} s, {:.0} a second (ready after {:.2} s)",
        took.as_secs_f64(),
        rate(resources, took),
        ready.as_secs_f64()
    );
    let issued = Issued {
        took,
        usage,
        writes,
    };
    Ok((issued, operator))
}

/// A start with everything issued: it writes nothing.
async fn restart(world: &World, program: &Path, resources: usize) -> Result<Operator> {
    let before = world.writes().await?;
    let started = Instant::now();
    let mut operator = Operator::start(world, program)?;
    let ready = operator.ready(started).await?;
    let settled = operator.process.settled(started).await?;
    tokio::time::sleep(AFTERGLOW).await;
    let writes = world.writes().await?.since(&before);
    let usage = operator.process.usage()?;
    println!("\nrestart with {resources} issued:");
    println!("  writes: {}", writes.total());
    println!(
        "  ready after {:.2} s, settled after {:.2} s, CPU {:.2} s, memory {:.1} MiB (peak {:.1} MiB)",
        ready.as_secs_f64(),
        settled.as_secs_f64(),
        usage.cpu.as_secs_f64(),
        usage.resident_mib(),
        usage.peak_mib()
    );
    ensure!(writes.total() == 0, "a restart wrote: {writes}");
    Ok(operator)
}

/// An edit of the policy that changes no decision: every resource is evaluated again, and nothing is written.
async fn edit(world: &World, operator: &Operator, resources: usize) -> Result<()> {
    let before = world.writes().await?;
    let cpu = operator.process.usage()?.cpu;
    let started = Instant::now();
    world.allow("2h").await?;
    let settled = operator.process.settled(started).await?;
    tokio::time::sleep(AFTERGLOW).await;
    let writes = world.writes().await?.since(&before);
    let cpu = operator.process.usage()?.cpu.saturating_sub(cpu);
    let (policies, others) = writes.apart("presignedurlpolicies");
    println!("\npolicy edit that changes nothing for {resources}:");
    println!(
        "  writes: {others} (and {policies} of the policy itself: the edit, and its own observedGeneration)"
    );
    println!(
        "  settled after {:.2} s, CPU {:.2} s",
        settled.as_secs_f64(),
        cpu.as_secs_f64()
    );
    ensure!(others == 0, "an edit that changes nothing wrote: {writes}");
    Ok(())
}

/// The memory of a start does not grow with the Secrets of others.
async fn beside(world: &World, program: &Path, others: usize) -> Result<()> {
    let without = memory_of_a_start(world, program).await?;
    world.create_secrets(others).await?;
    let with = memory_of_a_start(world, program).await?;
    println!("\nstart beside {others} Secrets of others, the least of {STARTS}:");
    println!("  memory: {without:.1} MiB without them, {with:.1} MiB with them");
    ensure!(
        with - without < SAME_MEMORY,
        "the memory grows with the Secrets of others"
    );
    Ok(())
}

/// The memory of an operator that has settled, in MiB: the least of some starts.
async fn memory_of_a_start(world: &World, program: &Path) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..STARTS {
        let started = Instant::now();
        let mut operator = Operator::start(world, program)?;
        operator.ready(started).await?;
        operator.process.settled(started).await?;
        least = least.min(operator.process.usage()?.resident_mib());
    }
    Ok(least)
}

fn report_issue(first: &Issued, third: usize, issued: &Issued, resources: usize) {
    let each = |writes: u64| writes as f64 / resources as f64;
    let Issued {
        took: _,
        usage,
        writes,
    } = issued;
    println!("\nissue of {resources}:");
    println!("  writes: {writes}");
    let (events, others) = writes.apart("events");
    println!(
        "  writes per first issue: {:.2}, and {:.2} Events",
        each(others),
        each(events)
    );
    println!(
        "  CPU: {:.2} s, {:.2} ms a resource",
        usage.cpu.as_secs_f64(),
        usage.cpu.as_secs_f64() * 1e3 / resources as f64
    );
    println!(
        "  memory: peak {:.1} MiB at {resources}, {:.1} MiB at {third}; {:.1} and {:.1} MiB when settled",
        usage.peak_mib(),
        first.usage.peak_mib(),
        usage.resident_mib(),
        first.usage.resident_mib(),
    );
    let slope = |one: f64, two: f64| (one - two) * 1024.0 / (resources - third) as f64;
    println!(
        "  memory slope: {:.2} KiB a resource at the peak, {:.2} KiB when settled",
        slope(usage.peak_mib(), first.usage.peak_mib()),
        slope(usage.resident_mib(), first.usage.resident_mib())
    );
}

fn report_ratio(resources: usize, took: Duration, before: Duration, after: Duration) {
    let bound = mean_rate(resources, before, after);
    let ours = rate(resources, took);
    println!("\nraw bound: {bound:.0} pairs a second (the mean of before and after)");
    println!("operator: {ours:.0} resources a second, its start included");
    println!("{:.0}% of the raw bound", ours / bound * 100.0);
}

pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// The rate of the bare client, as the mean of its runs before and after.
pub(crate) fn mean_rate(resources: usize, before: Duration, after: Duration) -> f64 {
    f64::midpoint(rate(resources, before), rate(resources, after))
}

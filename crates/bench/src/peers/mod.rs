//! The operator beside External Secrets and cert-manager, in one run.
//!
//! # Expected flow
//! The bare client, the operator, each peer, and the bare client again, one after the other on one control
//! plane. Each has as many resources, which are there before its process starts.
//!
//! What holds here: all are measured in the same way. A resource is done if its condition Ready is True; one
//! watch of whole objects sees that, in the bare client's runs too. Rates count from the start of the process.

mod peer;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use kube::api::ApiResource;
use presigned_core::api::PresignedUrl;

use crate::process::{Process, Usage};
use crate::scale::counts::Writes;
use crate::scale::operator::Operator;
use crate::scale::watch::{Changes, Done};
use crate::scale::world::{Place, World, resource};
use crate::scale::{AFTERGLOW, CONCURRENCY, mean_rate, rate, raw, sample};
use peer::Peer;

/// What a program needed for its resources.
struct Row {
    name: &'static str,
    rate: f64,
    usage: Usage,
    writes: Writes,
}

/// Runs everything and prints it as it comes.
pub async fn run(resources: usize, program: &Path) -> Result<()> {
    let peers = Peer::all()?;
    println!("\npeers: {resources} resources each, {CONCURRENCY} at a time");
    let world = World::make(CONCURRENCY, resources).await?;

    let payload = sample(&world, program).await?;

    let before = raw(&world, &payload, resources, Done::Ready).await?;
    let mut rows = Vec::new();
    world.create(Place::Bench, resources).await?;
    let urls = resource::<PresignedUrl>();
    let row = measure(&world, "this operator", &urls, resources, || {
        Ok(Operator::start(&world, program)?.process)
    });
    rows.push(row.await?);
    world.empty(Place::Bench).await?;

    for peer in &peers {
        peer.install(&world, payload.secret_bytes()).await?;
        world.create_of(&peer.kind, resources, peer.spec).await?;
        let row = measure(&world, peer.name, &peer.kind, resources, || {
            peer.start(&world)
        });
        rows.push(row.await?);
        world.empty_kinds(Place::Bench, &peer.makes).await?;
        world.empty(Place::Bench).await?;
    }

    let after = raw(&world, &payload, resources, Done::Ready).await?;
    print!(
        "\n{}",
        table(&rows, resources, mean_rate(resources, before, after))
    );
    Ok(())
}

/// Starts a program whose resources are there, and waits until each of them is Ready and nothing is left to
/// do.
async fn measure(
    world: &World,
    name: &'static str,
    kind: &ApiResource,
    resources: usize,
    start: impl FnOnce() -> Result<Process>,
) -> Result<Row> {
    let changes = Changes::watch(world.all(kind), resources, Done::Ready).await?;
    let before = world.writes().await?;
    let started = Instant::now();
    let mut process = start()?;
    let done = tokio::select! {
        done = changes.done() => done,
        ended = ended(&mut process) => Err(ended),
    };
    let took = done.with_context(|| format!("{name}: {}", process.log_tail()))? - started;
    process.settled(started).await?;
    tokio::time::sleep(AFTERGLOW).await;
    let writes = world.writes().await?.since(&before);
    ensure!(writes.total() > 0, "{name} wrote nothing");
    println!(
        "  {name}: {resources} in {:.2} s: {writes}",
        took.as_secs_f64()
    );
    Ok(Row {
        name,
        rate: rate(resources, took),
        usage: process.usage()?,
        writes,
    })
}

async fn ended(process: &mut Process) -> anyhow::Error {
    loop {
        if let Err(ended) = process.check_alive() {
            return ended;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// The rows as Markdown.
fn table(rows: &[Row], resources: usize, bound: f64) -> String {
    let each = |count: u64| count as f64 / resources as f64;
    let head = format!(
        "| {resources} resources each | resources a second | share of the raw bound | writes of a resource, and \
         Events | CPU of a resource | CPU in all | peak memory |\n| --- | --- | --- | --- | --- | --- | --- |\n\
         | bare client: the raw bound | {bound:.0} | 100% | 2.0 | | | |\n"
    );
    let rows = rows.iter().map(|row| {
        let (events, others) = row.writes.apart("events");
        let cpu = row.usage.cpu.as_secs_f64();
        format!(
            "| {} | {:.0} | {:.0}% | {:.1} and {:.1} | {:.2} ms | {cpu:.1} s | {:.0} MiB |\n",
            row.name,
            row.rate,
            row.rate / bound * 100.0,
            each(others),
            each(events),
            cpu * 1e3 / resources as f64,
            row.usage.peak_mib(),
        )
    });
    head + &rows.collect::<String>()
}

//! What the operator, the API server and etcd use as the number of resources grows.
//!
//! # Expected flow
//! The bare client; the first issue of all; restarts by streamed lists and, with an API server that streams
//! none, by pages; the policy shortens all lives so that thousands of renewals are due; the bare client again.
//!
//! What holds here: each size has a control plane of its own. A goal that is missed is printed as missed.

mod renewals;
mod report;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::process::Usage;
use crate::scale::operator::Operator;
use crate::scale::watch::Done;
use crate::scale::world::World;
use crate::scale::{AFTERGLOW, CONCURRENCY, issue, mean_rate, rate, raw, sample};
use report::Figures;

/// How many pairs the bare client writes, at most: more do not change its rate.
const BARE: usize = 3000;
/// How often the operator is started on each kind of list; the middle one counts.
const STARTS: usize = 3;
/// The API server streams no lists.
const PAGES: [&str; 1] = ["--feature-gates=WatchList=false"];

/// A start with everything issued.
#[derive(Clone, Copy)]
struct Start {
    ready: Duration,
    settled: Duration,
    usage: Usage,
}

/// Several starts, of which one stands for all.
struct Starts {
    middle: Start,
    /// The writes of all.
    writes: u64,
}

/// Runs one size and prints it.
pub async fn run(resources: usize, program: &Path) -> Result<()> {
    println!("\nenvelope: {resources} PresignedURLs, {CONCURRENCY} calls in flight");
    let bare = resources.min(BARE);
    let world = World::make(CONCURRENCY, resources).await?;
    let payload = sample(&world, program).await?;
    let before = raw(&world, &payload, bare, Done::Changed).await?;

    let empty = world.servers().await?;
    let (first, operator) = issue(&world, program, &[], resources).await?;
    drop(operator);
    let issued = world.servers().await?;

    let streams = starts(&world, program).await?;
    world.restart_api(&PAGES).await?;
    let pages = starts(&world, program).await?;
    world.restart_api(&[]).await?;

    let renewals = renewals::run(&world, program, resources, rate(bare, before)).await?;
    let renewed = world.servers().await?;
    let after = raw(&world, &payload, bare, Done::Changed).await?;
    let figures = Figures {
        resources,
        bound: mean_rate(bare, before, after),
        first,
        streams,
        pages,
        renewals,
        servers: [empty, issued, renewed],
    };
    print!("\n{}", figures.tables());
    Ok(())
}

async fn starts(world: &World, program: &Path) -> Result<Starts> {
    let before = world.writes().await?;
    let mut all = Vec::new();
    for _ in 0..STARTS {
        let started = Instant::now();
        let mut operator = Operator::start(world, program)?;
        let ready = operator.ready(started).await?;
        let settled = operator.process.settled(started).await?;
        if all.len() + 1 == STARTS {
            tokio::time::sleep(AFTERGLOW).await;
        }
        all.push(Start {
            ready,
            settled,
            usage: operator.process.usage()?,
        });
    }
    let writes = world.writes().await?.since(&before);
    all.sort_by_key(|start| start.settled);
    let middle = *all.get(STARTS / 2).context("there were starts")?;
    println!(
        "  {STARTS} starts: settled after {:.2} s, peak memory {:.1} MiB, {} writes {writes}",
        middle.settled.as_secs_f64(),
        middle.usage.peak_mib(),
        writes.total()
    );
    Ok(Starts {
        middle,
        writes: writes.total(),
    })
}

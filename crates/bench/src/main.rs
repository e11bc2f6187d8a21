//! `presigned-bench`: how fast the core decides and signs, and what the operator costs at scale.
//!
//! What holds here: every figure is measured in the run that prints it, and so is the figure that it is
//! compared with, since machines differ and a busy one differs from itself. The control plane ends with this
//! process, however that ends.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are rounded for reading anyway"
)]

mod envelope;
mod memory;
mod micro;
mod peers;
mod process;
mod scale;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
#[command(about = "Benchmarks of presigned-url-operator", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The core by itself: decide, plan, sign, render.
    Micro,
    /// The operator on a real control plane, against a bare client that makes the same writes.
    Scale {
        /// How many PresignedURLs.
        #[arg(long, default_value = "3000")]
        resources: NonZeroUsize,
        /// How many Secrets of others come beside them in the end.
        #[arg(long, default_value = "0")]
        others: usize,
        /// The operator's binary.
        #[arg(long)]
        operator: PathBuf,
    },
    /// The operator, External Secrets and cert-manager, one after the other on one control plane.
    Peers {
        /// How many resources each has.
        #[arg(long, default_value = "3000")]
        resources: NonZeroUsize,
        /// The operator's binary.
        #[arg(long)]
        operator: PathBuf,
    },
    /// What the operator, the API server and etcd use at these sizes: first issue, restart, renewals.
    Envelope {
        /// How many PresignedURLs; several numbers for several runs.
        #[arg(long, default_value = "10000", value_delimiter = ',')]
        resources: Vec<NonZeroUsize>,
        /// The operator's binary.
        #[arg(long)]
        operator: PathBuf,
    },
    /// The operator in a container's memory, beside a tenant that makes as much as the API takes. It needs
    /// root, for the cgroup.
    Memory {
        /// How many of the largest resources one tenant makes.
        #[arg(long, default_value = "500")]
        resources: usize,
        /// How many Secrets with annotations of 250 KiB it makes.
        #[arg(long, default_value = "250")]
        secrets: usize,
        /// How many ordinary resources other tenants have.
        #[arg(long, default_value = "1000")]
        ordinary: usize,
        /// The container's memory limit, in MiB.
        #[arg(long, default_value = "128")]
        limit: u64,
        /// The longest that another tenant may wait for its first URL, in seconds.
        #[arg(long, default_value = "10")]
        wait: u64,
        /// The operator's binary.
        #[arg(long)]
        operator: PathBuf,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Micro => micro::run(),
        Command::Scale {
            resources,
            others,
            operator,
        } => run(async { scale::run(resources.get(), others, &operator).await }),
        Command::Peers {
            resources,
            operator,
        } => run(async { peers::run(resources.get(), &operator).await }),
        Command::Envelope {
            resources,
            operator,
        } => run(async {
            for resources in resources {
                envelope::run(resources.get(), &operator).await?;
            }
            Ok(())
        }),
        Command::Memory {
            resources,
            secrets,
            ordinary,
            limit,
            wait,
            operator,
        } => {
            let load = memory::Load {
                resources,
                secrets,
                ordinary,
                limit,
                wait: Duration::from_secs(wait),
            };
            run(async { memory::run(load, &operator).await })
        }
    }
}

/// Runs a benchmark until it is done or a signal comes; either way everything that was started ends.
fn run(benchmark: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        tokio::select! {
            done = benchmark => done,
            _ = interrupt.recv() => anyhow::bail!("interrupted"),
            _ = terminate.recv() => anyhow::bail!("terminated"),
        }
    })
}

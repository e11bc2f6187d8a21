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

mod micro;
mod scale;

use std::num::NonZeroUsize;
use std::path::PathBuf;

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
            operator,
        } => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("start the runtime")?
            .block_on(scale(resources.get(), operator)),
    }
}

/// Runs the benchmark until it is done or a signal comes; either way everything that was started ends.
async fn scale(resources: usize, operator: PathBuf) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::select! {
        done = scale::run(resources, &operator) => done,
        _ = interrupt.recv() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("terminated"),
    }
}

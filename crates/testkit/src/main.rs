//! `presigned-testkit`: the control plane and an S3 server by hand, for the demo, the bench, `make cluster` and
//! scripts.

use std::io;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use jiff::SignedDuration;
use presigned_testkit::s3::FaultyS3Proxy;
use presigned_testkit::{ControlPlane, S3Server, cluster, demo};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
#[command(about = "Test servers of presigned-url-operator", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a control plane until standard input closes or a signal comes.
    ///
    /// One line of JSON on standard output says that it is up: kubeconfig, url, folder and pid.
    ControlPlane,
    /// Run an S3 server, with one empty bucket `data`, until standard input closes or a signal comes.
    ///
    /// One line of JSON on standard output says that it is up: endpoint, region, accessKeyID and
    /// secretAccessKey.
    S3 {
        /// By how many seconds its clock is ahead.
        #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
        clock_ahead: i64,
    },
    /// A control plane that stays up.
    #[command(subcommand)]
    Cluster(Cluster),
    /// Show the operator at work, step by step, and check every step.
    Demo(demo::Options),
}

#[derive(Debug, Subcommand)]
enum Cluster {
    /// Start it, unless it is up, and print how to reach it.
    Up,
    /// End it and remove its files.
    Down,
    /// Be the process that holds it.
    #[command(hide = true)]
    Hold,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::ControlPlane => control_plane().await?,
        Command::S3 { clock_ahead } => s3(clock_ahead).await?,
        Command::Cluster(Cluster::Up) => cluster::up()?,
        Command::Cluster(Cluster::Down) => cluster::down()?,
        Command::Cluster(Cluster::Hold) => {
            let signalled = signalled()?;
            cluster::hold(async { _ = signalled.await }).await?;
        }
        Command::Demo(options) => return Ok(demo::run(&options, signalled()?).await),
    }
    Ok(ExitCode::SUCCESS)
}

async fn control_plane() -> Result<()> {
    let mut ended = std::pin::pin!(ended()?);
    let control_plane = tokio::select! {
        () = &mut ended => return Ok(()),
        control_plane = ControlPlane::start() => control_plane?,
    };
    let ready = json!({
        "kubeconfig": control_plane.kubeconfig(),
        "url": control_plane.url(),
        "folder": control_plane.folder(),
        "pid": std::process::id(),
    });
    println!("{ready}");
    ended.await;
    drop(control_plane);
    Ok(())
}

async fn s3(clock_ahead: i64) -> Result<()> {
    let ended = ended()?;
    let server = S3Server::s3s_fs()?;
    server.create_bucket("data")?;
    let shown = FaultyS3Proxy::before(&server)?;
    shown.set_clock_ahead(SignedDuration::from_secs(clock_ahead));
    let ready = json!({
        "endpoint": shown.endpoint,
        "region": server.region,
        "accessKeyID": server.access_key,
        "secretAccessKey": server.secret_key,
    });
    println!("{ready}");
    ended.await;
    Ok(())
}

/// Completes when standard input closes, or at SIGINT or SIGTERM.
fn ended() -> Result<impl Future<Output = ()>> {
    let signalled = signalled()?;
    let (closed, input) = tokio::sync::oneshot::channel();
    // A thread of its own: a read that blocks would keep the runtime from shutting down.
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = closed.send(());
    });
    Ok(async move {
        tokio::select! {
            _ = input => {}
            _ = signalled => {}
        }
    })
}

/// Completes at SIGINT, SIGTERM or SIGHUP, from the moment of this call, with the code that a shell gives to
/// such an end.
fn signalled() -> Result<impl Future<Output = u8>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut hangup = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
            _ = hangup.recv() => 129,
        }
    })
}

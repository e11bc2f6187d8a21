//! `presigned-testkit`: the control plane by hand, for the demo, the bench and `make cluster`.

use std::io::Read;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use presigned_testkit::ControlPlane;
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
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::ControlPlane => control_plane().await,
    }
}

async fn control_plane() -> Result<()> {
    // The watches are set before the first server starts: a signal during the start stops what is there already.
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

/// Completes when standard input closes, or at SIGINT or SIGTERM.
fn ended() -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let (closed, input) = tokio::sync::oneshot::channel();
    // A thread of its own: a blocked read would keep the runtime from shutting down.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock().by_ref(), &mut std::io::sink());
        let _ = closed.send(());
    });
    Ok(async move {
        tokio::select! {
            _ = input => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

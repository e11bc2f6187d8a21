//! Snapshots of etcd, and the way back to one, as an admin of a cluster goes it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::{Client, Config};
use serde::Deserialize;

use super::start::{API_SERVER, ETCD, MANAGER};
use super::{ControlPlane, Launch};
use crate::tools;

/// What etcd held at a moment, as `etcdctl snapshot save` writes it.
#[derive(Debug)]
pub struct Snapshot(PathBuf);

/// Where etcd's revisions, which are the API server's resourceVersions, go on after a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revisions {
    /// From those of the snapshot: revisions that clients have seen are given again.
    OfTheSnapshot,
    /// Far beyond all that was given, and what lies before is gone: `--bump-revision --mark-compacted`.
    Bumped,
}

/// How far [`Revisions::Bumped`] goes.
const BUMP: &str = "--bump-revision=1000000";

impl ControlPlane {
    /// Takes a snapshot of etcd while everything runs.
    ///
    /// # Errors
    /// In a cluster that somebody else runs, or if etcd gives none.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let etcd = self.launches()?.etcd.flag("--advertise-client-urls")?;
        let etcd = Config::new(etcd.parse().context("read etcd's address")?);
        let etcd = Client::try_from(etcd).context("make a client of etcd")?;
        // What `etcdctl snapshot save` calls, by etcd's gateway for HTTP.
        let request = http::Request::post("/v3/maintenance/snapshot").body(b"{}".to_vec())?;
        let answer = etcd.request_text(request).await.context("ask etcd")?;
        let taken = folder_of_snapshots(self.folder())?;
        let path = taken.join("snapshot.db");
        std::fs::write(&path, blobs(&answer)?).context("write the snapshot")?;
        Ok(Snapshot(path))
    }

    /// Ends every server, puts etcd back to the snapshot, and starts the servers again.
    ///
    /// # Errors
    /// In a cluster that somebody else runs, or if a server does not come up again.
    pub async fn restore(&self, snapshot: &Snapshot, revisions: Revisions) -> Result<()> {
        let launches = self.launches()?;
        let etcdutl = tokio::task::spawn_blocking(|| tools::path_of("etcdutl"));
        let etcdutl = etcdutl.await.context("build etcdutl")??;
        for server in [MANAGER, API_SERVER, ETCD] {
            self.stop(server)?;
        }
        put_back(&etcdutl, &launches.etcd, &snapshot.0, revisions)?;
        self.start_again(ETCD, &launches.etcd, &[])?;
        self.start_again(API_SERVER, &launches.api_server, &[])?;
        self.until_served().await?;
        self.start_again(MANAGER, &launches.manager, &[])
    }
}

/// A new folder for one snapshot.
fn folder_of_snapshots(within: &Path) -> Result<PathBuf> {
    let folder = tempfile::Builder::new()
        .prefix("snapshot-")
        .tempdir_in(within);
    Ok(folder.context("make a folder for the snapshot")?.keep())
}

/// The pieces of a snapshot, put together.
fn blobs(answer: &str) -> Result<Vec<u8>> {
    #[derive(Deserialize)]
    struct Piece {
        result: Blob,
    }
    #[derive(Deserialize)]
    struct Blob {
        blob: String,
    }
    let mut whole = Vec::new();
    for piece in serde_json::Deserializer::from_str(answer).into_iter::<Piece>() {
        let blob = piece.context("read a piece of the snapshot")?.result.blob;
        let bytes = STANDARD.decode(blob);
        whole.extend(bytes.context("decode a piece of the snapshot")?);
    }
    Ok(whole)
}

/// Replaces etcd's data by those of the snapshot.
fn put_back(etcdutl: &Path, etcd: &Launch, snapshot: &Path, revisions: Revisions) -> Result<()> {
    let data = etcd.flag("--data-dir")?;
    std::fs::remove_dir_all(data).context("remove etcd's data")?;
    let mut command = Command::new(etcdutl);
    command.args(["snapshot", "restore"]).arg(snapshot);
    for flag in [
        "--data-dir",
        "--initial-cluster",
        "--initial-advertise-peer-urls",
    ] {
        command.arg(format!("{flag}={}", etcd.flag(flag)?));
    }
    if revisions == Revisions::Bumped {
        command.args([BUMP, "--mark-compacted"]);
    }
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("run etcdutl")?;
    if !output.status.success() {
        bail!("etcdutl: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

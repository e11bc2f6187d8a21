//! The names of `PresignedURL`s, for a person who waits at a prompt.
//!
//! What holds here: a second is the longest that it takes, whatever the cluster, its network or a program
//! that logs in does, and what went wrong is told to nobody: a prompt is no place for it.

use std::sync::mpsc;
use std::time::Duration;

use kube::ResourceExt;
use kube::api::ListParams;

use crate::plugin::cluster::Session;
use crate::plugin::flags::Flags;

/// How long a person waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// The names in the namespace; none if the cluster does not give them in time.
pub fn within(cluster: &Flags) -> Vec<String> {
    let (found, names) = mpsc::channel();
    let cluster = cluster.clone();
    // A program of the kubeconfig that logs in blocks its thread. This one ends with the process.
    let asked = std::thread::Builder::new().spawn(move || {
        let _ = found.send(list(&cluster).unwrap_or_default());
    });
    match asked {
        Ok(_) => names.recv_timeout(PATIENCE).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

fn list(cluster: &Flags) -> Option<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    runtime.block_on(async {
        let session = Session::open(cluster).await.ok()?;
        let api = session.presigned_urls(Some(&session.namespace));
        let listed = api.list_metadata(&ListParams::default()).await.ok()?;
        Some(listed.iter().map(ResourceExt::name_any).collect())
    })
}

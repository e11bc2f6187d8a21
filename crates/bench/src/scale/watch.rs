//! Sees when the last status is written, by a watch of metadata alone.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use futures::TryStreamExt as _;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use presigned_core::api::PresignedUrl;
use tokio::task::JoinSet;

/// A watch that waits for changes of PresignedURLs. It reads in a task of its own: the API server drops a
/// slow reader.
pub struct Changes {
    task: JoinSet<Result<Instant>>,
}

impl Changes {
    /// Begins to wait until so many different ones have changed.
    pub async fn watch(client: Client, count: usize) -> Result<Self> {
        let api: Api<PresignedUrl> = Api::all(client);
        let list = api
            .list_metadata(&ListParams::default().limit(1))
            .await
            .context("list PresignedURLs")?;
        let mut version = list.metadata.resource_version.unwrap_or_default();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut seen = BTreeSet::new();
            let params = WatchParams::default().timeout(290);
            loop {
                let watch = api.watch_metadata(&params, &version);
                let mut stream = std::pin::pin!(watch.await.context("watch PresignedURLs")?);
                while let Some(event) = stream.try_next().await.context("watch PresignedURLs")? {
                    match event {
                        WatchEvent::Modified(object) => {
                            version = object.metadata.resource_version.unwrap_or_default();
                            seen.insert(object.metadata.uid.unwrap_or_default());
                            if seen.len() == count {
                                return Ok(Instant::now());
                            }
                        }
                        WatchEvent::Error(status) => bail!("the watch failed: {}", status.message),
                        _ => {}
                    }
                }
            }
        });
        Ok(Self { task })
    }

    /// When the last of them changed.
    pub async fn done(mut self) -> Result<Instant> {
        let done = self
            .task
            .join_next()
            .await
            .context("the watch was not begun")?;
        done.context("the watch broke")?
    }
}

//! Sees when the last status is written, by a watch of metadata alone.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client};
use presigned_core::api::PresignedUrl;

type Told = WatchEvent<PartialObjectMeta<PresignedUrl>>;

/// Changes of PresignedURLs from now on.
pub struct Changes {
    stream: BoxStream<'static, kube::Result<Told>>,
}

impl Changes {
    /// Begins to watch.
    pub async fn watch(client: Client) -> Result<Self> {
        let api: Api<PresignedUrl> = Api::all(client);
        let list = api
            .list_metadata(&ListParams::default().limit(1))
            .await
            .context("list PresignedURLs")?;
        let version = list.metadata.resource_version.unwrap_or_default();
        let stream = api
            .watch_metadata(&WatchParams::default().timeout(290), &version)
            .await
            .context("watch PresignedURLs")?;
        Ok(Self {
            stream: stream.boxed(),
        })
    }

    /// Waits until so many different ones have changed.
    pub async fn of(&mut self, count: usize) -> Result<()> {
        let mut seen = BTreeSet::new();
        while seen.len() < count {
            match self
                .stream
                .try_next()
                .await
                .context("watch PresignedURLs")?
            {
                Some(WatchEvent::Modified(object)) => {
                    seen.insert(object.metadata.uid.unwrap_or_default());
                }
                Some(WatchEvent::Error(status)) => bail!("the watch failed: {}", status.message),
                Some(_) => {}
                None => bail!("the watch ended after {} of {count} changes", seen.len()),
            }
        }
        Ok(())
    }
}

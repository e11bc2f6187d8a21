//! Sees when the last object of many is done, by a watch.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{DynamicObject, ListParams, WatchEvent, WatchParams};
use kube::{Api, ResourceExt as _};
use tokio::task::JoinSet;

use super::PATIENCE;

/// What says that an object is done.
#[derive(Clone, Copy, Debug)]
pub enum Done {
    /// Its first change, of which the watch reads the metadata alone.
    Changed,
    /// Its condition Ready, which is True.
    Ready,
}

/// A watch that waits for objects. It reads in a task of its own: the API server drops a slow reader.
pub struct Changes {
    task: JoinSet<Result<Instant>>,
}

impl Changes {
    /// Begins to wait until so many different ones are done.
    pub async fn watch(api: Api<DynamicObject>, count: usize, done: Done) -> Result<Self> {
        let one = ListParams::default().limit(1);
        let list = api.list_metadata(&one).await.context("list what is done")?;
        let version = list.metadata.resource_version.unwrap_or_default();
        let mut task = JoinSet::new();
        task.spawn(wait(api, count, done, version));
        Ok(Self { task })
    }

    /// When the last of them was done.
    pub async fn done(mut self) -> Result<Instant> {
        let done = tokio::time::timeout(PATIENCE, self.task.join_next()).await;
        let done = done.context("not everything was done in time")?;
        done.context("the watch was not begun")?
            .context("the watch broke")?
    }
}

async fn wait(
    api: Api<DynamicObject>,
    count: usize,
    done: Done,
    mut version: String,
) -> Result<Instant> {
    let mut seen = BTreeSet::new();
    let params = WatchParams::default().timeout(290);
    loop {
        let mut watch = match done {
            Done::Changed => {
                let watch = api.watch_metadata(&params, &version).await;
                let events = watch.context("watch what is done")?;
                events.map_ok(|event| told(event, |_| true)).boxed()
            }
            Done::Ready => {
                let watch = api.watch(&params, &version).await;
                let events = watch.context("watch what is done")?;
                events.map_ok(|event| told(event, is_ready)).boxed()
            }
        };
        while let Some(event) = watch.try_next().await.context("watch what is done")? {
            let Some((at, uid)) = event? else { continue };
            version = at;
            seen.extend(uid);
            if seen.len() == count {
                return Ok(Instant::now());
            }
        }
    }
}

/// The version of a change, and whose it was if that object is done.
fn told<K: kube::Resource>(
    event: WatchEvent<K>,
    done: fn(&K) -> bool,
) -> Result<Option<(String, Option<String>)>> {
    match event {
        WatchEvent::Modified(object) => {
            let version = object.resource_version().unwrap_or_default();
            Ok(Some((version, object.uid().filter(|_| done(&object)))))
        }
        WatchEvent::Error(status) => bail!("the watch failed: {}", status.message),
        _ => Ok(None),
    }
}

/// Whether an object's condition Ready is True.
pub fn is_ready(object: &DynamicObject) -> bool {
    let conditions = object.data["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

#[cfg(test)]
mod tests {
    //! Which change counts.

    use serde_json::{Value, json};

    use super::*;

    fn event(status: &Value) -> WatchEvent<DynamicObject> {
        let object = json!({
            "apiVersion": "a/v1", "kind": "A", "metadata": { "uid": "u", "resourceVersion": "7" }, "status": status,
        });
        WatchEvent::Modified(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn only_an_object_that_is_ready_counts() {
        let ready = json!({ "conditions": [{ "type": "Issuing", "status": "False" }, { "type": "Ready", "status": "True" }] });
        let issuing = json!({ "conditions": [{ "type": "Issuing", "status": "True" }, { "type": "Ready", "status": "False" }] });
        let uid = |status| told(event(status), is_ready).unwrap().unwrap().1;
        assert_eq!(uid(&ready).as_deref(), Some("u"));
        assert_eq!(uid(&issuing), None);
        assert_eq!(uid(&json!({})), None);
    }
}

//! Reads of a world's objects, and waits for their state.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use presigned_core::api::{ClusterObjectStore, Condition, PresignedUrl};

use super::secret_watcher::Version;
use super::world::World;
use super::{eventually, mounted};

impl World {
    pub(crate) fn psus(&self) -> Api<PresignedUrl> {
        Api::namespaced(self.client.clone(), &self.tenant)
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.tenant)
    }

    /// Waits until the PresignedURL is as `wanted` says.
    pub(crate) async fn until(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&PresignedUrl) -> bool,
    ) -> PresignedUrl {
        let psus = self.psus();
        eventually(&format!("{name} {what}"), async || {
            match psus.get_opt(name).await {
                Ok(Some(psu)) if wanted(&psu) => Ok(psu),
                Ok(psu) => Err(psu.map(|psu| (psu.metadata.generation, psu.status))),
                Err(error) => panic!("get {name}: {error}"),
            }
        })
        .await
    }

    /// Waits until Ready is True for the present generation.
    pub(crate) async fn ready(&self, name: &str) -> PresignedUrl {
        self.until(name, "is Ready", |psu| {
            condition(psu, "Ready").is_some_and(|ready| {
                says(Some(ready), "True", "Issued")
                    && ready.observed_generation == psu.metadata.generation
            })
        })
        .await
    }

    /// Waits until Ready is False for this reason and generation; the message.
    pub(crate) async fn unready(&self, name: &str, reason: &str) -> String {
        let psu = self
            .until(name, &format!("is not Ready: {reason}"), |psu| {
                condition(psu, "Ready").is_some_and(|ready| {
                    says(Some(ready), "False", reason)
                        && ready.observed_generation == psu.metadata.generation
                })
            })
            .await;
        condition(&psu, "Ready").expect("Ready").message.clone()
    }

    /// Waits until Verified says this of the present generation; the message.
    pub(crate) async fn verified(&self, name: &str, status: &str, reason: &str) -> String {
        let psu = self
            .until(name, &format!("is Verified={status}: {reason}"), |psu| {
                condition(psu, "Verified").is_some_and(|verified| {
                    says(Some(verified), status, reason)
                        && verified.observed_generation == psu.metadata.generation
                })
            })
            .await;
        let verified = condition(&psu, "Verified").expect("Verified");
        verified.message.clone()
    }

    /// Waits until the store is as `wanted` says.
    pub(crate) async fn until_store(
        &self,
        what: &str,
        wanted: impl Fn(&ClusterObjectStore) -> bool,
    ) -> ClusterObjectStore {
        self.until_store_named(&self.name, what, wanted).await
    }

    /// Waits until the store of this name is as `wanted` says.
    pub(crate) async fn until_store_named(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&ClusterObjectStore) -> bool,
    ) -> ClusterObjectStore {
        let stores: Api<ClusterObjectStore> = Api::all(self.client.clone());
        eventually(&format!("the store {name} {what}"), async || {
            let store = stores.get(name).await.expect("get the store");
            if wanted(&store) {
                Ok(store)
            } else {
                Err(store.status)
            }
        })
        .await
    }

    /// Waits until the store's status counts so many living URLs, all on its present credentials: its counts
    /// come last.
    pub(crate) async fn rolled_out(&self, urls: u32) {
        self.until_store("counts its URLs", |store| {
            let counts = store.status.as_ref().and_then(|status| status.urls);
            counts
                .is_some_and(|counts| (counts.total, counts.on_current_credentials) == (urls, urls))
        })
        .await;
    }

    pub(crate) async fn secret(&self, name: &str) -> Secret {
        let found = self.secrets().get_opt(name).await.expect("get the Secret");
        found.unwrap_or_else(|| panic!("there is no Secret {name}"))
    }

    /// Waits until the Secret is gone.
    pub(crate) async fn gone(&self, name: &str) {
        let secrets = self.secrets();
        eventually(
            &format!("the Secret {name} is gone"),
            async || match secrets.get_opt(name).await.expect("get the Secret") {
                None => Ok(()),
                Some(secret) => Err(secret.metadata),
            },
        )
        .await;
    }

    /// Waits until the Secret is there and as `wanted` says.
    pub(crate) async fn until_secret(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&Secret) -> bool,
    ) -> Secret {
        let secrets = self.secrets();
        eventually(&format!("the Secret {name} {what}"), async || match secrets
            .get_opt(name)
            .await
            .expect("get the Secret")
        {
            Some(secret) if wanted(&secret) => Ok(secret),
            other => Err(other.map(|secret| secret.metadata)),
        })
        .await
    }

    /// One key of a Secret.
    pub(crate) async fn value(&self, secret: &str, key: &str) -> String {
        text(&self.secret(secret).await, key)
    }

    /// The Secret written as kubelet mounts it.
    pub(crate) async fn mount(&self, secret: &str) -> PathBuf {
        mounted(&self.secret(secret).await, &self.folder)
    }

    /// The versions of a Secret that were seen so far.
    pub(crate) fn versions(&self, secret: &str) -> Vec<Version> {
        self.secrets_seen.versions(secret)
    }

    /// The Events that were told of a PresignedURL.
    pub(crate) async fn events(&self, name: &str) -> Vec<Event> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.tenant);
        let all = api.list(&ListParams::default()).await.expect("list Events");
        let about = |event: &Event| {
            event
                .regarding
                .as_ref()
                .and_then(|regarding| regarding.name.as_deref())
                == Some(name)
        };
        all.items.into_iter().filter(about).collect()
    }
}

/// A condition of a PresignedURL.
pub(crate) fn condition<'a>(psu: &'a PresignedUrl, kind: &str) -> Option<&'a Condition> {
    let status = psu.status.as_ref()?;
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
}

/// A condition of a store.
pub(crate) fn store_condition<'a>(
    store: &'a ClusterObjectStore,
    kind: &str,
) -> Option<&'a Condition> {
    let mut conditions = store.status.iter().flat_map(|status| &status.conditions);
    conditions.find(|condition| condition.type_ == kind)
}

/// Whether a condition of a store has this status and reason.
pub(crate) fn store_says(
    store: &ClusterObjectStore,
    kind: &str,
    status: &str,
    reason: &str,
) -> bool {
    says(store_condition(store, kind), status, reason)
}

/// Whether a condition has this status and reason.
pub(crate) fn says(condition: Option<&Condition>, status: &str, reason: &str) -> bool {
    condition.is_some_and(|condition| {
        format!("{:?}", condition.status) == status && condition.reason == reason
    })
}

/// One key of a Secret, as text.
pub(crate) fn text(secret: &Secret, key: &str) -> String {
    let value = secret.data.as_ref().and_then(|data| data.get(key));
    let value = value.unwrap_or_else(|| panic!("the Secret has no key {key}"));
    String::from_utf8(value.0.clone()).expect("UTF-8")
}

//! The cluster, as a person's commands use it.
//!
//! What holds here: a failure becomes a sentence that says what was asked, what is wrong and what to do; what
//! a Secret holds is in none of them. A spec is read as it stands, so that the plugin shows resources of a
//! newer operator too.

use std::error::Error as _;
use std::fmt::Write as _;

use kube::api::{ApiResource, ListParams};
use kube::core::object::Object;
use kube::{Api, Client, Resource as _};
use presigned_core::api::{PresignedUrl, PresignedUrlStatus};
use serde_json::Value;

use super::exit::Failure;
use super::flags::Flags;
use crate::http::Proxies;
use crate::kube::connect_as_person;

/// A `PresignedURL` whose spec was not interpreted.
pub type Found = Object<Value, PresignedUrlStatus>;

/// A client and the namespace that its user is in.
pub struct Session {
    /// The client.
    pub client: Client,
    /// What `--namespace` says, else the context.
    pub namespace: String,
}

impl Session {
    /// Connects as the flags say.
    ///
    /// # Errors
    /// If no API server is known.
    pub async fn open(flags: &Flags) -> anyhow::Result<Self> {
        let proxies = Proxies::from_env()?;
        let connected = connect_as_person(
            flags.kubeconfig.as_deref(),
            flags.context.as_deref(),
            &proxies,
        );
        let (client, namespace) = connected
            .await
            .map_err(|error| Failure::unknown(error.to_string()))?;
        let namespace = flags.namespace.clone().unwrap_or(namespace);
        Ok(Self { client, namespace })
    }

    /// The `PresignedURL`s of a namespace, or of all.
    #[must_use]
    pub fn presigned_urls(&self, namespace: Option<&str>) -> Api<Found> {
        let kind = ApiResource::erase::<PresignedUrl>(&());
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &kind),
            None => Api::all_with(self.client.clone(), &kind),
        }
    }

    /// Every `PresignedURL` of a namespace, or of all.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub async fn list(&self, namespace: Option<&str>) -> anyhow::Result<Vec<Found>> {
        let api = self.presigned_urls(namespace);
        let listed = api.list(&ListParams::default()).await;
        let whole = listed.map_err(|error| failure(&error, "list", &what(namespace)))?;
        Ok(whole.items)
    }
}

fn what(namespace: Option<&str>) -> String {
    let kind = PresignedUrl::plural(&());
    match namespace {
        Some(namespace) => format!("{kind} in namespace {namespace}"),
        None => format!("{kind} in all namespaces"),
    }
}

/// The sentence for a call that failed: `verb` and `object` say what was asked.
#[must_use]
pub fn failure(error: &kube::Error, verb: &str, object: &str) -> Failure {
    match error {
        kube::Error::Api(status) if status.code == 403 => Failure::unknown(format!(
            "you may not {verb} {object}: ask an admin for the ClusterRole view (to read) or edit (to write) in that \
             namespace, or name another with -n"
        )),
        kube::Error::Api(status) if status.code == 401 => Failure::unknown(format!(
            "the API server does not accept your credentials, so it did not {verb} {object}: log in again, or choose \
             another --context"
        )),
        kube::Error::Api(status)
            if status.code == 404 && status.message.starts_with("404 page not found") =>
        {
            Failure::unknown(format!(
                "the cluster has no PresignedURLs, so it did not {verb} {object}: install presigned-url-operator and its \
                 CRDs, or choose another --context"
            ))
        }
        kube::Error::Api(status) => {
            Failure::no(format!("could not {verb} {object}: {}", status.message))
        }
        error => Failure::unknown(format!(
            "the API server cannot be reached to {verb} {object}: {}; check --kubeconfig, --context and the network",
            causes(error)
        )),
    }
}

/// An error and what caused it, each once.
fn causes(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            let _ = write!(text, ": {inner_text}");
        }
        cause = inner.source();
    }
    text
}

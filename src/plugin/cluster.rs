//! The cluster, as a person's commands use it.
//!
//! What holds here: a failure becomes a sentence that says what was asked, what is wrong and what to do; what
//! a Secret holds is in none of them. Specs and statuses are read as they stand, so that the plugin shows
//! resources of a newer operator too.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{ApiResource, ListParams, TypeMeta};
use kube::core::Status;
use kube::{Api, Client, Resource as _, ResourceExt};
use presigned_core::api::{
    API_VERSION, ClusterObjectStore, KIND, MANAGED_BY_LABEL, MANAGER, NAME_ANNOTATION,
    PresignedUrl, PresignedUrlPolicy,
};
use presigned_core::text::{nearest, quoted};

use super::exit::Failure;
use super::flags::Flags;
use super::found::{Found, FoundPolicy, FoundStore, cannot_read};
use super::words;
use crate::http::Proxies;
use crate::kube::connect_as_person;

/// What has the name of a resource's Secret.
pub enum Named {
    /// The Secret that the operator wrote for the resource.
    Written(Box<Secret>),
    /// A Secret that was not written for it.
    Others,
    /// None.
    Missing,
}

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

    /// The Secrets of the namespace.
    #[must_use]
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Every `PresignedURL` of a namespace, or of all, and the version of the list.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub async fn list(&self, namespace: Option<&str>) -> anyhow::Result<(Vec<Found>, String)> {
        let listed = self.list_once(namespace).await;
        Ok(listed.map_err(|error| failure(&error, "list", &all_of(namespace)))?)
    }

    /// As [`Self::list`], with the error as it came.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub async fn list_once(
        &self,
        namespace: Option<&str>,
    ) -> Result<(Vec<Found>, String), kube::Error> {
        let api = self.presigned_urls(namespace);
        let whole = api.list(&ListParams::default()).await?;
        let version = whole.metadata.resource_version.unwrap_or_default();
        let mut items = whole.items;
        items.iter_mut().for_each(name_kind);
        Ok((items, version))
    }

    /// The `PresignedURL` of this name.
    ///
    /// # Errors
    /// If it cannot be read. If it is not there, the message names the nearest, or the namespace that has it.
    pub async fn find(&self, name: &str) -> anyhow::Result<Found> {
        let what = format!(
            "presignedurl {} in namespace {}",
            quoted(name),
            quoted(&self.namespace)
        );
        match self.presigned_urls(Some(&self.namespace)).get(name).await {
            Ok(mut found) => {
                name_kind(&mut found);
                Ok(found)
            }
            Err(kube::Error::Api(status)) if is_missing_object(&status) => {
                Err(self.missing(name).await.into())
            }
            Err(error) => Err(failure(&error, "get", &what).into()),
        }
    }

    async fn missing(&self, name: &str) -> Failure {
        let namespace = &self.namespace;
        let there_is_none = format!(
            "there is no PresignedURL {} in namespace \"{namespace}\"",
            quoted(name)
        );
        let near = self.list(Some(namespace)).await.ok().and_then(|(all, _)| {
            let names: Vec<String> = all.iter().map(ResourceExt::name_any).collect();
            nearest(name, names.iter().map(String::as_str)).map(ToOwned::to_owned)
        });
        if let Some(near) = near {
            return Failure::no(format!("{there_is_none}: did you mean {}?", quoted(&near)));
        }
        let by_name = ListParams::default().fields(&format!("metadata.name={name}"));
        let elsewhere = self.presigned_urls(None).list(&by_name).await;
        let elsewhere = elsewhere
            .ok()
            .and_then(|all| all.items.into_iter().next()?.namespace());
        if let Some(other) = elsewhere {
            return Failure::no(format!(
                "{there_is_none}: namespace {other} has one, so add -n {other}"
            ));
        }
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        match namespaces.get_opt(namespace).await {
            Ok(None) => Failure::no(format!(
                "there is no namespace {}: name another with -n",
                quoted(namespace)
            )),
            Ok(Some(_)) | Err(_) => Failure::no(format!(
                "{there_is_none}: kubectl presigned status -n {namespace} lists what is there"
            )),
        }
    }

    /// The `ClusterObjectStore` of this name, or why it cannot be read.
    ///
    /// # Errors
    /// If it cannot be read or is not there.
    pub async fn store(&self, name: &str) -> Result<FoundStore, Failure> {
        let kind = ApiResource::erase::<ClusterObjectStore>(&());
        let stores: Api<FoundStore> = Api::all_with(self.client.clone(), &kind);
        let found = stores.get(name).await;
        found.map_err(|error| {
            of_the_cluster(
                &error,
                "get",
                &format!("clusterobjectstore {}", quoted(name)),
            )
        })
    }

    /// The Secret that the operator wrote for a resource.
    ///
    /// # Errors
    /// If there is none, if it is of something else, or if it cannot be read.
    pub async fn secret_of(&self, found: &Found) -> anyhow::Result<Secret> {
        let name = found.name_any();
        let namespace = &self.namespace;
        let named = found
            .status
            .as_ref()
            .and_then(|status| status.secret_ref.as_ref());
        let Some(secret) = named else {
            let why = words::state(found)
                .why_not()
                .unwrap_or_else(|| "it has no Secret".to_owned());
            return Err(
                Failure::no(format!("{namespace}/{name} has nothing to show: {why}")).into(),
            );
        };
        let secret = &*secret.name;
        match self.secret_named(secret, &name).await? {
            Named::Written(found) => Ok(*found),
            Named::Others => Err(Failure::no(format!(
                "the Secret \"{secret}\" in namespace \"{namespace}\" was not written for the PresignedURL \"{name}\", so it is not \
                 shown: look who wrote it"
            ))
            .into()),
            Named::Missing => Err(Failure::no(format!(
                "the Secret \"{secret}\" of {namespace}/{name} is not there: the operator puts it back within seconds if it \
                 runs and the URLs live; kubectl presigned status {name} -n {namespace} says whether they do"
            ))
            .into()),
        }
    }

    /// What has the name of the Secret of the resource `name`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn secret_named(&self, secret: &str, name: &str) -> Result<Named, Failure> {
        let namespace = &self.namespace;
        match self.secrets().get_opt(secret).await {
            Ok(Some(found)) if is_of(&found, name) => Ok(Named::Written(Box::new(found))),
            Ok(Some(_)) => Ok(Named::Others),
            Ok(None) => Ok(Named::Missing),
            Err(kube::Error::Api(status)) if status.code == 403 => Err(Failure::unknown(format!(
                "you may not get the Secret \"{secret}\" in namespace \"{namespace}\": ask an admin for the ClusterRole edit there, \
                 or for get on this Secret"
            ))),
            Err(error) => {
                let what = format!(
                    "secret {} in namespace {}",
                    quoted(secret),
                    quoted(namespace)
                );
                Err(failure(&error, "get", &what))
            }
        }
    }

    /// Every `PresignedURLPolicy`.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub async fn policies(&self) -> Result<Vec<FoundPolicy>, Failure> {
        let kind = ApiResource::erase::<PresignedUrlPolicy>(&());
        let policies: Api<FoundPolicy> = Api::all_with(self.client.clone(), &kind);
        let listed = policies.list(&ListParams::default()).await;
        let listed = listed.map_err(|error| of_the_cluster(&error, "list", "presignedurlpolicies"));
        Ok(listed?.items)
    }

    /// The labels of a namespace; `None` if its reader may not read them.
    ///
    /// # Errors
    /// If the namespace is not there, or nobody answers.
    pub async fn labels_of(&self, name: &str) -> anyhow::Result<Option<BTreeMap<String, String>>> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        match namespaces.get(name).await {
            Ok(found) => Ok(Some(found.metadata.labels.unwrap_or_default())),
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(Failure::no(format!(
                "there is no namespace {}: name another with -n",
                quoted(name)
            ))
            .into()),
            Err(error) => Err(failure(&error, "get", &format!("namespace {name}")).into()),
        }
    }

    /// The issuer of the cluster's service account tokens.
    ///
    /// # Errors
    /// If it may not be read, or is not told.
    pub async fn issuer(&self) -> Result<String, Failure> {
        let what = "/.well-known/openid-configuration";
        let unknown = || Failure::unknown("the cluster does not tell its OIDC issuer");
        let request = http::Request::get(what).body(Vec::new());
        let request = request.map_err(|_| unknown())?;
        let answer = self.client.request::<serde_json::Value>(request).await;
        let answer = answer.map_err(|error| failure(&error, "get", what))?;
        answer["issuer"]
            .as_str()
            .map(ToOwned::to_owned)
            .ok_or_else(unknown)
    }

    /// The store whose name is nearest to one that is not there; `None` also if stores may not be listed.
    pub async fn nearest_store(&self, name: &str) -> Option<String> {
        let stores = self.stores().await.ok()?;
        let names: Vec<String> = stores.iter().map(ResourceExt::name_any).collect();
        nearest(name, names.iter().map(String::as_str)).map(ToOwned::to_owned)
    }

    /// Every `ClusterObjectStore`.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub async fn stores(&self) -> Result<Vec<FoundStore>, Failure> {
        let kind = ApiResource::erase::<ClusterObjectStore>(&());
        let stores: Api<FoundStore> = Api::all_with(self.client.clone(), &kind);
        let listed = stores.list(&ListParams::default()).await;
        let listed = listed.map_err(|error| of_the_cluster(&error, "list", "clusterobjectstores"));
        Ok(listed?.items)
    }
}

/// Whether the operator wrote the Secret for the resource of this name.
fn is_of(secret: &Secret, name: &str) -> bool {
    let has = |map: &Option<BTreeMap<String, String>>, key: &str, value: &str| {
        map.as_ref()
            .and_then(|map| map.get(key))
            .is_some_and(|found| found == value)
    };
    has(&secret.metadata.labels, MANAGED_BY_LABEL, MANAGER)
        && has(&secret.metadata.annotations, NAME_ANNOTATION, name)
}

/// An item of a list has no kind of its own; and who manages which field is nobody's question here.
pub fn name_kind(found: &mut Found) {
    found.metadata.managed_fields = None;
    found.types = Some(TypeMeta {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
    });
}

/// Whether the object is what is missing, and not its kind.
fn is_missing_object(status: &Status) -> bool {
    status.code == 404 && !is_missing_kind(status)
}

fn is_missing_kind(status: &Status) -> bool {
    status.code == 404
        && status
            .details
            .as_ref()
            .is_none_or(|details| details.name.is_empty())
}

fn all_of(namespace: Option<&str>) -> String {
    let kind = PresignedUrl::plural(&());
    match namespace {
        Some(namespace) => format!("{kind} in namespace \"{namespace}\""),
        None => format!("{kind} in all namespaces"),
    }
}

/// Whether a right is missing. Quotas and admission policies forbid too, in words of their own.
fn lacks_right(status: &Status) -> bool {
    status.code == 403 && status.message.contains(" cannot ")
}

/// Whether the same call may succeed a little later: nobody answered, or the API server is busy.
#[must_use]
pub fn passes(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || status.code >= 500,
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

/// As [`failure`], for what is cluster-scoped.
fn of_the_cluster(error: &kube::Error, verb: &str, object: &str) -> Failure {
    match error {
        kube::Error::Api(status) if lacks_right(status) => Failure::unknown(format!(
            "you may not {verb} {object}: ask an admin for the chart's ClusterRole cluster-view"
        )),
        error => failure(error, verb, object),
    }
}

/// The sentence for a call that failed: `verb` and `object` say what was asked.
#[must_use]
pub fn failure(error: &kube::Error, verb: &str, object: &str) -> Failure {
    match error {
        kube::Error::Api(status) if lacks_right(status) => Failure::unknown(format!(
            "you may not {verb} {object}: ask an admin for the ClusterRole view (to read) or edit (to write) in that \
             namespace, or name another with -n"
        )),
        kube::Error::Api(status) if status.code == 401 => Failure::unknown(format!(
            "the API server does not accept your credentials, so it did not {verb} {object}: log in again, or choose \
             another --context"
        )),
        kube::Error::Api(status) if is_missing_kind(status) => Failure::unknown(format!(
            "the cluster has no PresignedURLs, so it did not {verb} {object}: install presigned-url-operator and its \
                 CRDs, or choose another --context"
        )),
        kube::Error::Api(status) => {
            Failure::no(format!("could not {verb} {object}: {}", status.message))
        }
        kube::Error::SerdeError(error) if error.is_data() => Failure::unknown(format!(
            "what the API server answered to {verb} {object} is of another version: {}",
            cannot_read(&told(error, object))
        )),
        kube::Error::SerdeError(error) => Failure::unknown(format!(
            "what answers to {verb} {object} is no API server: {}; check --context, and the proxies on the way",
            told(error, object)
        )),
        error => Failure::unknown(format!(
            "the API server cannot be reached to {verb} {object}: {}; check --kubeconfig, --context and the network",
            causes(error)
        )),
    }
}

/// Why an answer cannot be read. Of a Secret it is not said, since it could quote what the Secret holds.
fn told(error: &serde_json::Error, object: &str) -> String {
    if object.starts_with("secret ") {
        "it has another form".to_owned()
    } else {
        error.to_string()
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

#[cfg(test)]
mod tests;

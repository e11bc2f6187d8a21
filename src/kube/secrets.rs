//! Secrets: created, replaced, deleted and inspected.
//!
//! What holds here: a write's answer holds metadata only; PATCH is never used, because a role with `patch`
//! reads any Secret by an empty one. Data that is read is hashed, handed to the credentials' parser or sent
//! back to the same Secret, and never printed: the answer is parsed here and not by the client, which logs a body that it cannot parse.

use std::collections::BTreeMap;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::PartialObjectMeta;
use presigned_core::engine::{
    ApiError, ObjectVersion, ObservedContent, ObservedSecret, SecretAnswer, SecretWrite,
};
use presigned_core::issue::{Owner, SecretBytes, SecretMeta, data_hash, restored};
use serde::{Deserialize, Serialize, Serializer};

use super::call::{Target, Verb};
use super::cluster::Cluster;
use super::convert;
use super::http::{JSON, METADATA_ONLY, found, managed, request, segment, version};

const SECRETS: Target = Target("secrets");
const OPAQUE: &str = "Opaque";
/// How often a Secret that a finalizer keeps, and that others change, is emptied.
const ATTEMPTS: usize = 3;

/// What a read of a whole Secret is parsed into. No Debug: it holds the data.
#[derive(Deserialize)]
struct Whole {
    metadata: ObjectMeta,
    #[serde(default)]
    data: BTreeMap<String, ByteString>,
    #[serde(rename = "type", default)]
    type_: String,
    #[serde(default)]
    immutable: bool,
}

impl Cluster {
    /// Creates a Secret; never replaces one.
    ///
    /// # Errors
    /// The failure's class. After [`ApiError::Timeout`] the Secret may be there.
    pub async fn create_secret(&self, write: &SecretWrite) -> Result<SecretAnswer, ApiError> {
        let body = body(write, None);
        let path = managed(&path(&write.namespace, None)?);
        self.metadata_call(Verb::Create, Method::POST, &path, body)
            .await
            .map(|meta| answer(write, meta))
    }

    /// Replaces a Secret whole, if it still is `target`.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if it is another or was changed; else the failure's class.
    pub async fn update_secret(
        &self,
        write: &SecretWrite,
        target: &ObjectVersion,
    ) -> Result<SecretAnswer, ApiError> {
        let path = managed(&path(&write.namespace, Some(&write.name))?);
        self.metadata_call(Verb::Update, Method::PUT, &path, body(write, Some(target)))
            .await
            .map(|meta| answer(write, meta))
    }

    /// Puts back the owner reference and the marks of a Secret, if it still is `target`. Its data are read and
    /// sent back as they are: a PUT replaces the whole object.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if it is another or was changed; else the failure's class.
    pub async fn restore_marks(
        &self,
        namespace: &str,
        name: &str,
        owner: &Owner,
        target: &ObjectVersion,
    ) -> Result<SecretAnswer, ApiError> {
        let whole = self.whole_secret(namespace, name).await?;
        let Whole { metadata, data, .. } = whole.ok_or(ApiError::NotFound)?;
        if version(&metadata) != *target {
            return Err(ApiError::Conflict);
        }
        let data = data.into_iter().map(|(k, v)| (k, SecretBytes::from(v.0)));
        let write = marked((namespace, name), metadata, owner, data.collect());
        self.update_secret(&write, target).await
    }

    /// Deletes a Secret, if it still is `target`. One that is gone already is deleted. If a finalizer keeps
    /// it, its data go: the finalizer may stand for days.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if it is another or was changed; [`ApiError::Kept`] if a finalizer keeps it with
    /// its data; else the failure's class.
    pub async fn delete_secret(
        &self,
        namespace: &str,
        name: &str,
        owner: &Owner,
        target: &ObjectVersion,
    ) -> Result<(), ApiError> {
        let path = path(namespace, Some(name))?;
        for _ in 0..ATTEMPTS {
            let Some(kept) = self.delete(&path, SECRETS, target).await? else {
                return Ok(());
            };
            let version = version(&kept);
            let empty = marked((namespace, name), kept, owner, BTreeMap::new());
            match self.update_secret(&empty, &version).await {
                Ok(_) | Err(ApiError::NotFound) => return Ok(()),
                // It changed in between. With a resourceVersion, whose it is now is looked at first.
                Err(ApiError::Conflict) if target.resource_version.is_none() => {}
                Err(ApiError::Invalid) => return Err(ApiError::Kept),
                Err(failure) => return Err(failure),
            }
        }
        Err(ApiError::Other(Some(409)))
    }

    /// Inspects a Secret; `None` if there is none. With `data` it also reads the type, and the data as a
    /// hash.
    ///
    /// # Errors
    /// The failure's class.
    pub async fn inspect_secret(
        &self,
        namespace: &str,
        name: &str,
        data: bool,
    ) -> Result<Option<ObservedSecret>, ApiError> {
        if data {
            let whole = self.whole_secret(namespace, name).await?;
            return Ok(whole.map(|whole| {
                let Whole {
                    metadata,
                    data,
                    type_,
                    immutable,
                } = whole;
                let data: BTreeMap<String, Vec<u8>> =
                    data.into_iter().map(|(k, v)| (k, v.0)).collect();
                let content = ObservedContent {
                    data_hash: data_hash(
                        data.iter()
                            .map(|(key, value)| (key.as_str(), value.as_slice())),
                    ),
                    opaque: type_ == OPAQUE,
                    immutable,
                };
                observed(metadata, Some(content))
            }));
        }
        let path = path(namespace, Some(name))?;
        found(
            self.metadata_call(Verb::Get, Method::GET, &path, Vec::new())
                .await,
        )
        .map(|meta| meta.map(|meta| observed(meta, None)))
    }

    /// The data of a Secret, for credentials; `None` if there is none.
    ///
    /// # Errors
    /// The failure's class.
    pub async fn secret_data(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<(ObjectVersion, BTreeMap<String, SecretBytes>)>, ApiError> {
        let whole = self.whole_secret(namespace, name).await?;
        Ok(whole.map(|whole| {
            let data = whole.data.into_iter();
            let data = data.map(|(k, v)| (k, SecretBytes::from(v.0))).collect();
            (version(&whole.metadata), data)
        }))
    }

    async fn whole_secret(&self, namespace: &str, name: &str) -> Result<Option<Whole>, ApiError> {
        let path = path(namespace, Some(name))?;
        let request = request(Method::GET, &path, JSON, Vec::new());
        let future = self.parsed(request);
        found(self.calls.call(Verb::Get, SECRETS, future).await)
    }

    async fn metadata_call(
        &self,
        verb: Verb,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<ObjectMeta, ApiError> {
        let future = self.parsed(request(method, path, METADATA_ONLY, body));
        let answer: PartialObjectMeta<Secret> = self.calls.call(verb, SECRETS, future).await?;
        Ok(answer.metadata)
    }
}

/// What the API server made of a write.
fn answer(write: &SecretWrite, meta: ObjectMeta) -> SecretAnswer {
    let version = version(&meta);
    let stored = observed(meta, None);
    SecretAnswer {
        version,
        as_sent: stored.labels == write.labels
            && stored.annotations == write.annotations
            && stored.owners == write.owners
            && stored.finalizers == write.finalizers,
    }
}

/// The Secret with this metadata, the marks of its owner put back, and these data.
fn marked(
    (namespace, name): (&str, &str),
    metadata: ObjectMeta,
    owner: &Owner,
    data: BTreeMap<String, SecretBytes>,
) -> SecretWrite {
    let found = observed(metadata, None);
    let kept = SecretMeta {
        labels: found.labels,
        annotations: found.annotations,
        owners: found.owners,
    };
    let SecretMeta {
        labels,
        annotations,
        owners,
    } = restored(&kept, owner);
    SecretWrite {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        labels,
        annotations,
        owners,
        finalizers: found.finalizers,
        data,
    }
}

fn path(namespace: &str, name: Option<&str>) -> Result<String, ApiError> {
    let all = format!("/api/v1/namespaces/{}/secrets", segment(namespace)?);
    match name {
        Some(name) => Ok(format!("{all}/{}", segment(name)?)),
        None => Ok(all),
    }
}

/// A Secret as it is sent. Its data become base64 as they are written: nothing of them is copied before.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: ObjectMeta,
    data: BTreeMap<&'a str, Base64<'a>>,
    #[serde(rename = "type")]
    type_: &'static str,
}

struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

/// More than the metadata of most Secrets has, in bytes.
const METADATA: usize = 4 * 1024;

fn body(write: &SecretWrite, target: Option<&ObjectVersion>) -> Vec<u8> {
    let SecretWrite {
        namespace,
        name,
        labels,
        annotations,
        owners,
        finalizers,
        data,
    } = write;
    let length: usize = data.values().map(|bytes| bytes.expose().len()).sum();
    let secret = Sent {
        api_version: "v1",
        kind: "Secret",
        metadata: ObjectMeta {
            namespace: Some(namespace.clone()),
            name: Some(name.clone()),
            labels: Some(labels.clone()),
            annotations: Some(annotations.clone()),
            owner_references: Some(owners.iter().map(owner_reference).collect()),
            finalizers: (!finalizers.is_empty()).then(|| finalizers.clone()),
            uid: target.map(|t| t.uid.clone()),
            resource_version: target.and_then(|t| t.resource_version.clone()),
            ..ObjectMeta::default()
        },
        data: data
            .iter()
            .map(|(key, bytes)| (key.as_str(), Base64(bytes.expose())))
            .collect(),
        type_: OPAQUE,
    };
    // A buffer that grows by doubling would take twice what is sent.
    let mut body = Vec::with_capacity(length.div_ceil(3) * 4 + METADATA);
    // Maps of strings and bytes always serialize; an empty body would be refused by the server.
    match serde_json::to_writer(&mut body, &secret) {
        Ok(()) => body,
        Err(_) => Vec::new(),
    }
}

fn owner_reference(owner: &Owner) -> OwnerReference {
    let Owner {
        api_version,
        kind,
        name,
        uid,
        controller,
        block_owner_deletion,
    } = owner.clone();
    OwnerReference {
        api_version,
        kind,
        name,
        uid,
        controller,
        block_owner_deletion,
    }
}

fn observed(meta: ObjectMeta, content: Option<ObservedContent>) -> ObservedSecret {
    ObservedSecret {
        deleting: meta.deletion_timestamp.is_some(),
        owners: convert::owners(&meta),
        uid: meta.uid.unwrap_or_default(),
        resource_version: meta.resource_version.unwrap_or_default(),
        labels: meta.labels.unwrap_or_default(),
        annotations: meta.annotations.unwrap_or_default(),
        finalizers: meta.finalizers.unwrap_or_default(),
        content,
    }
}

//! Deletions: of Secrets, and of resources whose URL has expired.
//!
//! What holds here: a deletion names uid and resourceVersion, so that it deletes what was decided on or
//! nothing at all.

use http::Method;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use presigned_core::api::PresignedUrl;
use presigned_core::engine::{ApiError, ObjectVersion};
use serde::Deserialize;
use serde_json::json;

use super::call::{Target, Verb};
use super::cluster::Cluster;
use super::http::{METADATA_ONLY, found, request, segment};

/// A Status, or the object that a finalizer keeps.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    metadata: ObjectMeta,
}

impl Cluster {
    /// Deletes a PresignedURL, if it still is `target`. One that is gone already is deleted.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if it is another or was changed; else the failure's class.
    pub async fn delete_resource(
        &self,
        namespace: &str,
        name: &str,
        target: &ObjectVersion,
    ) -> Result<(), ApiError> {
        let all = PresignedUrl::url_path(&(), Some(segment(namespace)?));
        let path = format!("{all}/{}", segment(name)?);
        self.delete(&path, Target("presignedurls"), target)
            .await
            .map(drop)
    }

    /// Deletes what is at a path, if it still is `target`. Returns the metadata of an object that a finalizer
    /// keeps.
    pub(super) async fn delete(
        &self,
        path: &str,
        what: Target,
        target: &ObjectVersion,
    ) -> Result<Option<ObjectMeta>, ApiError> {
        let ObjectVersion {
            uid,
            resource_version,
        } = target;
        let mut preconditions = json!({ "uid": uid });
        if let Some(version) = resource_version {
            preconditions["resourceVersion"] = version.as_str().into();
        }
        let body = json!({
            "kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions,
        });
        let request = request(
            Method::DELETE,
            path,
            METADATA_ONLY,
            body.to_string().into_bytes(),
        );
        let future = self.parsed(request);
        let answer = found(self.calls.call(Verb::Delete, what, future).await)?;
        Ok(answer
            .map(|Answer { metadata }| metadata)
            .filter(|metadata| metadata.deletion_timestamp.is_some()))
    }
}

//! The status writer: a PUT on `/status` that replaces the whole status.
//!
//! What holds here: the request holds metadata and status and nothing else; on this path the API server takes
//! the status alone and keeps spec, labels and annotations as they stand. The metadata names uid and
//! resourceVersion, and the API server compares both, so that a status is written to the very version that
//! was decided on or not at all. A write without a resourceVersion would skip that comparison, and is not
//! made.

use http::Method;
use kube::Resource;
use kube::core::PartialObjectMeta;
use presigned_core::api::{
    ClusterObjectStore, ClusterObjectStoreStatus, PresignedUrl, PresignedUrlPolicy,
    PresignedUrlPolicyStatus, PresignedUrlStatus,
};
use presigned_core::engine::{ApiError, ObjectVersion};
use serde::Serialize;
use serde_json::json;

use super::call::{Target, Verb};
use super::cluster::Cluster;
use super::http::{METADATA_ONLY, managed, request, segment, version};

/// A status that can be written, and the kind that it belongs to.
pub trait StatusKind: Serialize {
    /// The kind.
    type Kind: Resource<DynamicType = ()>;
    /// Its plural name, for metrics.
    const PLURAL: &'static str;
}

macro_rules! status_kinds {
    ($($status:ty: $kind:ty, $plural:literal;)+) => {
        $(impl StatusKind for $status {
            type Kind = $kind;
            const PLURAL: &'static str = $plural;
        })+
    };
}

status_kinds! {
    PresignedUrlStatus: PresignedUrl, "presignedurls";
    PresignedUrlPolicyStatus: PresignedUrlPolicy, "presignedurlpolicies";
    ClusterObjectStoreStatus: ClusterObjectStore, "clusterobjectstores";
}

impl Cluster {
    /// Replaces the status of an object, if it still is `target`. `namespace` is `None` for a kind of the
    /// cluster.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] if it is another object or was changed; else the failure's class.
    pub async fn write_status<S: StatusKind>(
        &self,
        namespace: Option<&str>,
        name: &str,
        target: &ObjectVersion,
        status: &S,
    ) -> Result<ObjectVersion, ApiError> {
        let url = S::Kind::url_path(&(), namespace.map(segment).transpose()?);
        let path = managed(&format!("{url}/{}/status", segment(name)?));
        let body = body(namespace, name, target, status)?;
        let future = self.parsed(request(Method::PUT, &path, METADATA_ONLY, body));
        let answer: PartialObjectMeta<S::Kind> = self
            .calls
            .call(Verb::Update, Target(S::PLURAL), future)
            .await?;
        Ok(version(&answer.metadata))
    }
}

fn body<S: StatusKind>(
    namespace: Option<&str>,
    name: &str,
    target: &ObjectVersion,
    status: &S,
) -> Result<Vec<u8>, ApiError> {
    let ObjectVersion {
        uid,
        resource_version,
    } = target;
    let Some(version) = resource_version else {
        return Err(ApiError::Conflict);
    };
    let mut metadata = json!({ "name": name, "uid": uid, "resourceVersion": version });
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    let object = json!({
        "apiVersion": S::Kind::api_version(&()),
        "kind": S::Kind::kind(&()),
        "metadata": metadata,
        "status": serde_json::to_value(status).map_err(|_| ApiError::Invalid)?,
    });
    Ok(object.to_string().into_bytes())
}

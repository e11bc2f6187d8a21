//! The status writer: one merge patch that replaces the whole.
//!
//! What holds here: a merge patch keeps what it does not name, so every field that the schema knows and the new status
//! lacks is named with null. The patch carries uid and resourceVersion, so that it lands on what was decided on or not at
//! all. The server compares the resourceVersion alone: on a custom resource's status it overlooks another uid. That is
//! enough, since no two objects ever share a resourceVersion, and it is why a write without one is not made.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use http::Method;
use kube::Resource;
use kube::core::PartialObjectMeta;
use presigned_core::api::{
    ClusterObjectStore, ClusterObjectStoreStatus, PresignedUrl, PresignedUrlPolicy,
    PresignedUrlPolicyStatus, PresignedUrlStatus,
};
use presigned_core::engine::{ApiError, ObjectVersion};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Cluster;
use super::call::{Target, Verb};
use super::http::{METADATA_ONLY, managed, request, segment, version};

/// A status that can be written, and the kind that it belongs to.
pub trait StatusKind: Serialize + JsonSchema {
    /// The kind.
    type Kind: Resource<DynamicType = ()>;
    /// Its plural name, for metrics.
    const PLURAL: &'static str;
    /// The fields that a status of this kind can have.
    fn fields() -> &'static Fields;
}

/// The fields of an object, each with those of its own where it is an object itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, Fields>);

macro_rules! status_kinds {
    ($($status:ty: $kind:ty, $plural:literal;)+) => {
        $(impl StatusKind for $status {
            type Kind = $kind;
            const PLURAL: &'static str = $plural;
            fn fields() -> &'static Fields {
                static FIELDS: OnceLock<Fields> = OnceLock::new();
                FIELDS.get_or_init(Fields::of::<Self>)
            }
        })+
    };
}

status_kinds! {
    PresignedUrlStatus: PresignedUrl, "presignedurls";
    PresignedUrlPolicyStatus: PresignedUrlPolicy, "presignedurlpolicies";
    ClusterObjectStoreStatus: ClusterObjectStore, "clusterobjectstores";
}

impl Fields {
    /// The fields of a type, from its schema.
    #[must_use]
    pub fn of<T: JsonSchema>() -> Self {
        let settings = SchemaSettings::openapi3().with(|s| s.inline_subschemas = true);
        Self::read(
            settings
                .into_generator()
                .into_root_schema_for::<T>()
                .as_value(),
        )
    }

    fn read(schema: &Value) -> Self {
        let properties = schema.get("properties").and_then(Value::as_object);
        Self(
            properties
                .into_iter()
                .flatten()
                .map(|(name, schema)| (name.clone(), Self::read(schema)))
                .collect(),
        )
    }

    /// Names with null each field that `value` lacks, so that a merge patch of it replaces the whole.
    pub fn fill(&self, value: &mut Map<String, Value>) {
        for (name, fields) in &self.0 {
            let field = value.entry(name).or_insert(Value::Null);
            if let Some(object) = field.as_object_mut() {
                fields.fill(object);
            }
        }
    }
}

impl Cluster {
    /// Replaces the status of an object, if it still is `target`. `namespace` is `None` for a kind of the cluster.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] where it is another or was changed; else the failure's class.
    pub async fn write_status<S: StatusKind>(
        &self,
        namespace: Option<&str>,
        name: &str,
        target: &ObjectVersion,
        status: &S,
    ) -> Result<ObjectVersion, ApiError> {
        let url = S::Kind::url_path(&(), namespace.map(segment).transpose()?);
        let path = managed(&format!("{url}/{}/status", segment(name)?));
        let body = patch(target, status)?;
        let future = self.parsed(request(Method::PATCH, &path, METADATA_ONLY, body));
        let target = Target(S::PLURAL);
        let answer: PartialObjectMeta<S::Kind> =
            self.calls.call(Verb::Patch, target, future).await?;
        Ok(version(&answer.metadata))
    }
}

fn patch<S: StatusKind>(target: &ObjectVersion, status: &S) -> Result<Vec<u8>, ApiError> {
    let mut status = serde_json::to_value(status).map_err(|_| ApiError::Invalid)?;
    if let Some(fields) = status.as_object_mut() {
        S::fields().fill(fields);
    }
    let ObjectVersion {
        uid,
        resource_version,
    } = target;
    let Some(version) = resource_version else {
        return Err(ApiError::Conflict);
    };
    let metadata = json!({ "uid": uid, "resourceVersion": version });
    let patch = json!({ "metadata": metadata, "status": status });
    Ok(patch.to_string().into_bytes())
}

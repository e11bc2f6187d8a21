//! The API: group `presigned.dev`, version `v1alpha1`.
//!
//! What holds here: types, their schema and the words of conditions, and nothing else. No decision is made in
//! this room, and nothing in it knows a client. What admission can refuse is refused by the schema (bounds,
//! patterns, CEL); the core parses everything again, because a schema can be edited and a stored object can
//! be older than it.

#![allow(
    clippy::duplicated_attributes,
    reason = "each printcolumn has a type of its own, which the lint takes for a repetition"
)]

mod condition;
mod issued;
mod keys;
mod policy;
mod presigned_url;
mod problem;
mod reference;
mod schema;
mod store;
mod tidy;

pub use condition::{
    Condition, ConditionStatus, ConditionType, Reason, condition, denied_since, is_ready,
    set_condition,
};
pub(crate) use issued::MAX_POLICY_REFS;
pub use issued::{LimitedBy, PresignedUrlStatus, SecretRef, SignedHashes};
pub use keys::Keys;
pub use policy::{
    AllowRule, LabelOperator, LabelRequirement, NamespaceLabels, NamespaceMatch, PolicyMethod,
    PresignedUrlPolicy, PresignedUrlPolicySpec, PresignedUrlPolicyStatus,
};
pub use presigned_url::{
    ContentLengthRange, Format, GetOptions, IfNoneMatch, ListOptions, Method, PostOptions,
    PresignedUrl, PresignedUrlSpec, PutOptions, Renew, RequestPayer, SecretTemplate,
    ServerSideEncryption, StoreKind, StoreRef, Verify,
};
pub use problem::Problem;
pub use reference::{api_reference, reasons_reference};
pub(crate) use schema::{MAX_KEY_BYTES, TOO_MANY_KEY_BYTES};
pub use store::{
    AddressingStyle, AssumeRoleCredentials, AssumedRole, ClusterObjectStore,
    ClusterObjectStoreSpec, ClusterObjectStoreStatus, CredentialsSecret, DefaultCredentials,
    NamedEndpoint, S3Store, SecretCredentials, SecretKeys, SessionScope, StoreCredentials,
    UnsignedHeaders, UrlCounts, WebIdentityCredentials,
};

/// The API group of every kind of this operator.
pub const GROUP: &str = "presigned.dev";
/// The served and stored version.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of every kind of this operator.
pub const API_VERSION: &str = "presigned.dev/v1alpha1";
/// The kind of the resource that tenants write, as in `kind:` and in owner references.
pub const KIND: &str = "PresignedURL";
/// The field manager and reporting controller of every write.
pub const MANAGER: &str = "presigned-url-operator";
/// The label on every Secret that the operator writes; its value is [`MANAGER`].
pub const MANAGED_BY_LABEL: &str = "presigned.dev/managed-by";
/// The annotation on a `PresignedURL` that asks for one renewal; any new value is a new request.
pub const RENEW_ANNOTATION: &str = "presigned.dev/renew";

/// The CRDs of the three kinds, in the order in which they are applied.
#[must_use]
pub fn crds()
-> Vec<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition>
{
    use kube::CustomResourceExt;
    vec![
        PresignedUrl::crd(),
        PresignedUrlPolicy::crd(),
        ClusterObjectStore::crd(),
    ]
    .into_iter()
    .map(tidy::tidy)
    .collect()
}

#[cfg(test)]
mod tests;

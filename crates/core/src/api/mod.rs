//! The API: group `presigned.dev`, version `v1alpha1`.
//!
//! What holds here: types, their schema and the words of conditions, and nothing else. No decision is made in
//! this room, and nothing in it knows a client. What admission can refuse is refused by the schema (bounds,
//! patterns, CEL); the core parses everything again, because a schema can be edited and a stored object can
//! be older than it. The API server keeps the unknown fields of a spec, for the admission policies
//! (`unknown_fields`) and the parser to refuse: a misspelt `createOnly` must not turn into a wider request or
//! rule by being dropped.

#![allow(
    clippy::duplicated_attributes,
    reason = "each printcolumn has a type of its own, which the lint takes for a repetition"
)]

mod appearances;
mod ca_bundle;
mod condition;
mod group;
mod issued;
mod keys;
mod method;
mod options;
mod policy;
mod presigned_url;
mod problem;
mod reference;
mod schema;
mod store;
mod store_ref;
mod tidy;
mod unknown_fields;

pub use appearances::Appearance;
pub use ca_bundle::{CA_BUNDLE_LIMIT, CaBundleSource, TrustBundleRef};
pub use condition::{
    Condition, ConditionStatus, ConditionType, Reason, condition, denied_since, is_ready,
    next_condition, set_condition,
};
pub use group::{
    API_VERSION, GROUP, KIND, MANAGED_BY_LABEL, MANAGER, NAME_ANNOTATION, RENEW_ANNOTATION, VERSION,
};
pub(crate) use issued::MAX_POLICY_NAMES;
pub use issued::{
    InternalStatus, LimitedBy, NamedPolicies, PresignedUrlStatus, SecretRef, SignedHashes,
    WrittenSecret,
};
pub use keys::Keys;
pub use method::Method;
pub use options::{
    ContentLengthRange, GetOptions, IfNoneMatch, ListOptions, PostOptions, PutOptions,
    RequestPayer, ServerSideEncryption,
};
pub use policy::{
    AllowRule, LabelOperator, LabelRequirement, NamespaceLabels, NamespaceMatch, PolicyMethod,
    PresignedUrlPolicy, PresignedUrlPolicySpec, PresignedUrlPolicyStatus,
};
pub use presigned_url::{
    DEFAULT_CLASS, Format, PresignedUrl, PresignedUrlSpec, Renew, SecretTemplate, Verify,
};
pub use problem::Problem;
pub use reference::{api_reference, reasons_reference};
pub(crate) use schema::{MAX_KEY_BYTES, TOO_MANY_KEY_BYTES};
pub use store::{
    AddressingStyle, AssumeRoleCredentials, AssumedRole, ClusterObjectStore,
    ClusterObjectStoreSpec, ClusterObjectStoreStatus, CredentialsSecret, DefaultCredentials,
    NamedEndpoint, S3Store, SecretCredentials, SecretKeys, SessionScope, StoreCredentials,
    StoreInternalStatus, StoreOperatorStatus, UnsignedHeaders, UrlCounts, WebIdentityCredentials,
};
pub use store_ref::{EffectiveStoreRef, StoreKind, StoreRef};
pub use unknown_fields::{Place, Refusal};

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

/// The places of a kind that have fields; none if the kind is not one of this API.
#[must_use]
pub fn places(kind: &str) -> Vec<Place> {
    let crds = crds();
    let found = crds.iter().find(|crd| crd.spec.names.kind == kind);
    found.map(unknown_fields::places).unwrap_or_default()
}

/// The admission policies that refuse the unknown fields of the three kinds.
#[must_use]
pub fn refusals_of_unknown_fields() -> Vec<Refusal> {
    crds().iter().map(unknown_fields::refusal).collect()
}

#[cfg(test)]
mod tests;

//! The status of a `PresignedURL`: the record of what was issued for it.
//!
//! What holds here: it is written by the operator alone and believed on restart. It never holds a URL or a
//! signature.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::method::Method;
use super::schema;
use super::store_ref::EffectiveStoreRef;

/// The most policies that the status names.
pub(crate) const MAX_POLICY_NAMES: usize = 64;

/// The record of what was issued. Written by the operator alone; it is believed on restart.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PresignedUrlStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` first, then `Allowed`, `Renewed`, `Verified` and, while it is True, `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The method that is signed: what the spec asks for, or GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Method")]
    pub method: Option<Method>,
    /// The store that is signed for: what the spec names, or `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_ref: Option<EffectiveStoreRef>,
    /// The Secret that holds the URLs; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// The same Secret, in the field where servicebinding.io looks for it, if `spec.bindingType` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Box<SecretRef>>,
    /// When the URLs were written, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub issue_time: Option<Timestamp>,
    /// When the first of the URLs expires, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub expiration_time: Option<Timestamp>,
    /// When they will be replaced, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub renewal_time: Option<Timestamp>,
    /// What limits the life of the URLs, if they live less than nine tenths of what the spec requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LimitedBy")]
    pub limited_by: Option<LimitedBy>,
    /// The names of the policies that allow what the Secret holds; if there is none, of those that allow this
    /// resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 253)))]
    pub policy_refs: Vec<String>,
    /// How many objects have a URL in the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<u32>,
    /// How many listed objects got none: their keys cannot be signed safely, or no policy allows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped_objects: Option<u32>,
    /// How often a Secret was written for this resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The value of `presigned.dev/renew` that was last served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 262_144))]
    pub last_renew_request: Option<String>,
    /// When an attempt last failed, RFC 3339; absent once one succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub last_failure_time: Option<Timestamp>,
    /// The operator's own memory. It is no API: any release may change what is in it, and nothing but the
    /// operator may read it.
    #[serde(default, skip_serializing_if = "InternalStatus::is_empty")]
    pub internal: InternalStatus,
}

/// A Secret in the namespace of the resource.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: Box<str>,
}

/// What the operator remembers of a resource over a restart, and what nobody else has a use for.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InternalStatus {
    /// The Secret as it was last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<WrittenSecret>,
    /// One-way hashes of what was signed, rendered and signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashes: Option<SignedHashes>,
    /// The date of the signature, if it is later than issueTime: a link that is signed again keeps the issueTime
    /// of its first signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub signature_time: Option<Timestamp>,
    /// By how many seconds the store's clock was ahead of the operator's at the signature; absent if the two
    /// agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -300, max = 300))]
    pub clock_offset: Option<i32>,
    /// When the Secret of a denied resource is removed, as Ready says; absent if it stays until its URLs expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub removal_time: Option<Timestamp>,
    /// How many attempts have failed since the last success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_attempts: Option<u32>,
    /// The policies that the conditions name if the policies do not allow the resource, or nobody knows whether
    /// they do; absent if they name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_policies: Option<Box<NamedPolicies>>,
}

impl InternalStatus {
    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The policies that a message names.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedPolicies {
    /// Those that the message calls unreadable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 253)))]
    pub unreadable: Vec<String>,
    /// Those of the rules that the message calls closest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 253)))]
    pub closest: Vec<String>,
}

impl NamedPolicies {
    /// Whether the message names none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A Secret as the operator last wrote it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenSecret {
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its uid.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// Its resourceVersion after the write.
    #[schemars(length(max = 64))]
    pub resource_version: String,
    /// A SHA-256 of its data, in hex.
    #[schemars(length(max = 128))]
    pub data_hash: Box<str>,
}

/// One-way hashes of meaning: they differ if something that was signed or rendered differs.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedHashes {
    /// Of what was asked and allowed: store, bucket, key, method, options.
    #[schemars(length(max = 128))]
    pub spec: String,
    /// Of the store's endpoint, region and the like. A change here is taken up within `--resign-within`.
    #[schemars(length(max = 128))]
    pub store: Box<str>,
    /// Of how it was rendered: the Secret's name and template.
    #[schemars(length(max = 128))]
    pub render: Box<str>,
    /// Of the credentials' source, never of a session.
    #[schemars(length(max = 128))]
    pub credential: String,
    /// Of the objects that a prefix listed; absent if nothing was listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub objects: Option<Box<str>>,
    /// Of what the condition `Verified` is about; absent if nothing was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub verified: Option<Box<str>>,
}

/// What cut the life of a URL short.
#[derive(
    JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum LimitedBy {
    /// The policy's `maxDuration`, if `duration` was left out.
    Duration,
    /// The signing credentials end earlier.
    Credentials,
    /// The store's `maxSignatureAge`.
    SignatureAge,
    /// The seven days of `SigV4`.
    SigV4,
}

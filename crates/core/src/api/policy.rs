//! `PresignedURLPolicy`: what a cluster admin lets namespaces ask for.
//!
//! What holds here: every list is an allow-list, so what is left out allows nothing.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::schema;

/// Which namespaces may ask for what. Policies and rules add up; there is no order and no deny rule.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "presigned.dev",
    version = "v1alpha1",
    kind = "PresignedURLPolicy",
    root = "PresignedUrlPolicy",
    plural = "presignedurlpolicies",
    singular = "presignedurlpolicy",
    shortname = "psup",
    category = "presigned",
    status = "PresignedUrlPolicyStatus",
    derive = "PartialEq",
    doc = "What the namespaces that it names may ask of a PresignedURL. Nothing is allowed that no policy allows.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = "1"
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresignedUrlPolicySpec {
    /// The namespaces that the policy speaks of.
    pub namespaces: NamespaceMatch,
    /// What they may ask for. One rule must allow the whole of one object. Left out: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub allow: Vec<AllowRule>,
}

/// The namespaces of a policy. Both given: both must match. Neither, or an empty selector: none matches.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespaceMatch {
    /// Names of namespaces; `*` stands for any run of characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63), regex(pattern = schema::NAMESPACE_PATTERN)))]
    pub names: Option<Vec<String>>,
    /// Labels of namespaces. Anybody who can edit a namespace's labels can join it to the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<NamespaceLabels>,
}

/// Kubernetes' label selector, read strictly: a misspelt `matchExpressions` beside `matchLabels` must not
/// widen the policy by being dropped. Every requirement must hold; without any, nothing is selected.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespaceLabels {
    /// Labels with exactly these values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 32), schema_with = "schema::label_values")]
    pub match_labels: Option<BTreeMap<String, String>>,
    /// Requirements on labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub match_expressions: Option<Vec<LabelRequirement>>,
}

/// A requirement on one label.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)")
        .message("In and NotIn need values, Exists and DoesNotExist take none")
)]
pub struct LabelRequirement {
    /// The label's key.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// How the label is held against the values.
    pub operator: LabelOperator,
    /// The values; with `In` and `NotIn` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    pub values: Option<Vec<String>>,
}

/// Kubernetes' operators on labels.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LabelOperator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or is not there.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

/// One thing that may be requested. A request may name less than a rule allows, never for more.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("!has(self.methods) || !('PUT' in self.methods || 'POST' in self.methods) || has(self.maxUploadBytes)")
        .message("maxUploadBytes is required with PUT and POST")
)]
pub struct AllowRule {
    /// The rule's name, unique in the policy: messages name the rule by it, and a patch or a server-side
    /// apply finds it by it. It decides nothing.
    #[schemars(length(min = 1, max = 63), regex(pattern = schema::DNS_LABEL))]
    pub name: String,
    /// Names of stores; `*` stands for any run of characters.
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 253), regex(pattern = schema::NAME_PATTERN)))]
    pub stores: Vec<String>,
    /// Names of buckets; `*` stands for any run of characters, or `{namespace}` and `{namespace.labels['x']}`
    /// expand, but not both in one name.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 400)))]
    #[x_kube(validation = schema::no_wide_templates())]
    pub buckets: Vec<String>,
    /// Prefixes of keys. `models/` and `models` allow `models` and all below it; `models*` is the raw S3
    /// prefix; `*` is the whole bucket. `{namespace}` and `{namespace.labels['x']}` expand.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 1024)))]
    #[x_kube(validation = schema::prefix_forms())]
    pub prefixes: Vec<String>,
    /// The methods. GET allows HEAD as well; a GET of a prefix needs LIST besides.
    #[schemars(length(min = 1, max = 8))]
    pub methods: Vec<PolicyMethod>,
    /// The longest life that may be requested, 1m to 168h. It is also how long a leaked URL lives.
    #[schemars(length(max = 32))]
    #[x_kube(validation = schema::between("maxDuration", "1m", "168h"))]
    pub max_duration: String,
    /// The largest upload in bytes. Required with PUT and POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 5_368_709_120_u64))]
    pub max_upload_bytes: Option<u64>,
    /// A PUT needs no contentLength; then maxUploadBytes cannot be held, since S3 signs exact sizes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_unsized_put: Option<bool>,
    /// Canned ACLs that a PUT or POST may set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 64)))]
    pub acls: Vec<String>,
    /// Storage classes that a PUT may set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 64)))]
    pub storage_classes: Vec<String>,
    /// KMS keys that a PUT may name; `aws/s3` stands for the account's default key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 512)))]
    pub kms_keys: Vec<String>,
    /// Keys of object tags that a PUT may set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 128)))]
    pub tag_keys: Vec<String>,
    /// Where a POST may send the browser after the upload (`successActionRedirect`): whole URLs, or a URL
    /// with `*` as its last character, after the host's `/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 8, max = 2048)))]
    pub redirects: Vec<String>,
    /// Named endpoints of the store that may be requested. Left out: the store's default endpoint only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63), regex(pattern = schema::NAME_PATTERN)))]
    pub endpoints: Vec<String>,
    /// A GET may set `response*` fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_response_overrides: Option<bool>,
    /// A GET may name a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_versions: Option<bool>,
    /// A GET or HEAD, and the listing for one, may be paid by the signer's account (`get.requestPayer`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_requester_pays: Option<bool>,
    /// A PUT or POST may set user metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_metadata: Option<bool>,
    /// Keys of labels and annotations that `secretTemplate` may set on the Secret; `*` stands for any run of
    /// characters. Other tools act on such keys. Left out: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 317), regex(pattern = schema::KEY_PATTERN)))]
    pub template_keys: Vec<String>,
    /// Each PUT signs `If-None-Match: *`: objects can be created and never replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_only: Option<bool>,
    /// The most objects of one resource. Left out: 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_objects: Option<u32>,
    /// The shortest `list.refreshInterval`. Left out: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = schema::between("minRefreshInterval", "1m", "168h"))]
    pub min_refresh_interval: Option<String>,
}

/// A method that a rule can allow.
#[derive(
    JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum PolicyMethod {
    /// Download, and HEAD.
    Get,
    /// Metadata only.
    Head,
    /// Upload.
    Put,
    /// Removal.
    Delete,
    /// Upload by a form.
    Post,
    /// Listing, which a GET of a prefix needs beside GET.
    List,
}

impl PolicyMethod {
    /// The method as it stands in a rule.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Post => "POST",
            Self::List => "LIST",
        }
    }
}

/// Whether the policy is in force.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PresignedUrlPolicyStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: False if the policy cannot be read and so allows nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

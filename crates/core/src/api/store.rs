//! `ClusterObjectStore`: where and with what the operator signs.
//!
//! What holds here: credentials are named, never held. A Secret that is named is read in the operator's own
//! namespace only, so that a store cannot be used to read another namespace's Secrets.

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ca_bundle::{CA_BUNDLE_LIMIT, CaBundleSource};
use super::condition::Condition;
use super::schema;

/// An object store and the credentials to sign for it.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "presigned.dev",
    version = "v1alpha1",
    kind = "ClusterObjectStore",
    plural = "clusterobjectstores",
    singular = "clusterobjectstore",
    shortname = "cos",
    category = "presigned",
    status = "ClusterObjectStoreStatus",
    derive = "PartialEq",
    doc = "An S3 store that PresignedURLs can be signed for, and where its credentials come from.",
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
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.s3.region"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".spec.s3.endpoint"),
    printcolumn(name = "URLs", type_ = "integer", json_path = ".status.urls.total"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "RolledOut",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='CredentialsRolledOut')].status",
        priority = "1"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = "1"
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterObjectStoreSpec {
    /// An S3 store.
    pub s3: S3Store,
}

/// An S3 endpoint, how buckets are addressed there, and the credentials.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("has(self.bucket) == (has(self.addressingStyle) && self.addressingStyle == 'BucketEndpoint')")
        .message("bucket names the one bucket that the endpoints stand for: give it with addressingStyle: BucketEndpoint, and with no other style"),
    validation = Rule::new("!has(self.bucket) || has(self.endpoint)")
        .message("addressingStyle: BucketEndpoint needs an endpoint: the domain that is bound to the bucket"),
    validation = Rule::new("!(has(self.caBundle) && has(self.caBundleFrom))")
        .message("caBundle holds the certificates, and caBundleFrom names where they are: set one of them")
)]
pub struct S3Store {
    /// The region, for example `eu-central-1`. It is part of the signature: a server that is not AWS names
    /// its own.
    #[schemars(length(min = 1, max = 64), regex(pattern = schema::REGION))]
    pub region: String,
    /// Where the store answers: scheme, host, port and path, for example `https://minio.example.com:9000` or
    /// `https://project.example.com/storage/v1/s3`. All of it is signed; the path is that of the S3 API and
    /// names no bucket. Left out: AWS's endpoint of the region. It is also what consumers use unless they
    /// name one of `endpoints`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = schema::ENDPOINT))]
    pub endpoint: Option<String>,
    /// Other hosts by which consumers reach the same store: the host is part of the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub endpoints: Option<Vec<NamedEndpoint>>,
    /// How a bucket is addressed. Left out: Auto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AddressingStyle")]
    pub addressing_style: Option<AddressingStyle>,
    /// The one bucket that the endpoints stand for: with `addressingStyle: BucketEndpoint`, and with no
    /// other. A PresignedURL for another bucket is refused; policies name and check this one as any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 63), regex(pattern = schema::BUCKET))]
    pub bucket: Option<String>,
    /// The oldest signature that the bucket's policy accepts (`s3:signatureAge`), for example `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = schema::between("maxSignatureAge", "2m", "168h"))]
    pub max_signature_age: Option<String>,
    /// PEM certificates of the store's private CA; written to each Secret as `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = CA_BUNDLE_LIMIT))]
    #[x_kube(validation = Rule::new("self.contains('-----BEGIN CERTIFICATE-----')")
        .message("caBundle holds PEM certificates: it must contain -----BEGIN CERTIFICATE-----"))]
    pub ca_bundle: Option<String>,
    /// Where the certificates of the store's private CA are, in place of `caBundle`: a change there reaches
    /// the operator and each Secret by itself. Without certificates nothing is signed. If they are removed
    /// later, the last ones stay in use until the operator restarts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_from: Option<CaBundleSource>,
    /// What the store does with `x-amz-*` headers that a client adds to a presigned request and that were not
    /// signed. Left out: Reject, as AWS does; a store that is found to accept them gets no PUT signed unless
    /// its role says `scope: Request`, since the client could make the upload a copy of any object that the
    /// signer reads. `Accept`: PUTs are signed all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "UnsignedHeaders")]
    pub unsigned_headers: Option<UnsignedHeaders>,
    /// Where the signing credentials come from.
    pub credentials: StoreCredentials,
}

/// A host by which consumers reach the store.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedEndpoint {
    /// The name that `PresignedURL.spec.endpoint` gives.
    #[schemars(length(min = 1, max = 63), regex(pattern = schema::DNS_LABEL))]
    pub name: String,
    /// Scheme, host, port and path, for example `https://s3.public.example.com`.
    #[schemars(length(min = 8, max = 512), regex(pattern = schema::ENDPOINT))]
    pub url: String,
}

/// How a bucket is addressed.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AddressingStyle {
    /// `VirtualHost` for AWS (`Path` if the bucket's name holds a dot), `Path` for an endpoint of one's
    /// own.
    #[default]
    Auto,
    /// `https://host/bucket/key`
    Path,
    /// `https://bucket.host/key`
    VirtualHost,
    /// `https://host/key`: the endpoint stands for one bucket, the store's `bucket`, as a domain does that is
    /// bound to it.
    BucketEndpoint,
}

/// What is known of a store and unsigned `x-amz-*` headers.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnsignedHeaders {
    /// They must be rejected: a probe tests it, and no PUT is signed if they are accepted.
    #[default]
    Reject,
    /// They may be accepted: the admin has seen what that means.
    Accept,
}

/// Where the signing credentials come from: exactly one.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("(has(self.default) ? 1 : 0) + (has(self.secretRef) ? 1 : 0) + (has(self.webIdentity) ? 1 : 0) + (has(self.assumeRole) ? 1 : 0) == 1")
    .message("credentials: set exactly one of default, secretRef, webIdentity and assumeRole"))]
pub struct StoreCredentials {
    /// The AWS chain of the operator's own process: environment, profile, web identity (IRSA), Pod Identity,
    /// IMDS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<DefaultCredentials>,
    /// A Secret in the operator's own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretCredentials>,
    /// A role that the operator's service account token is exchanged for (`AssumeRoleWithWebIdentity`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_identity: Option<WebIdentityCredentials>,
    /// A role that other credentials assume (`AssumeRole`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AssumeRoleCredentials>,
}

/// A role that sessions are of, whoever assumes it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssumedRole {
    /// The role's ARN.
    #[serde(rename = "roleARN")]
    #[schemars(length(min = 20, max = 2048), regex(pattern = schema::ROLE_ARN))]
    pub role_arn: String,
    /// How long each session lives, up to the role's maximum. Left out: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = schema::between("duration", "15m", "12h"))]
    pub duration: Option<String>,
    /// Where STS answers. Left out: AWS's of the store's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = schema::STS_ENDPOINT))]
    pub sts_endpoint: Option<String>,
    /// What each session is narrowed to by an inline policy. `Store` (left out): nothing, it may do all that
    /// the role may. `Namespace`: what the policies allow the namespace. `Request`: exactly what is being
    /// signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SessionScope")]
    pub scope: Option<SessionScope>,
}

/// A role behind a service account token, with a duration of one's own (IRSA's default is an hour).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebIdentityCredentials {
    /// The role.
    #[serde(flatten)]
    pub role: AssumedRole,
    /// The token's audience: a token of the operator's own service account is asked of Kubernetes for it.
    /// Left out: the token in the file that `AWS_WEB_IDENTITY_TOKEN_FILE` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = schema::PRINTABLE))]
    pub audience: Option<String>,
}

/// A role that other credentials assume. AWS caps a role that a role assumes at an hour.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssumeRoleCredentials {
    /// The role.
    #[serde(flatten)]
    pub role: AssumedRole,
    /// The external ID that the role's trust policy asks for.
    #[serde(
        rename = "externalID",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 2, max = 1224), regex(pattern = schema::EXTERNAL_ID))]
    pub external_id: Option<String>,
    /// The credentials that assume the role: a Secret in the operator's own namespace. Left out: the AWS
    /// chain of the operator's process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_secret_ref: Option<SecretCredentials>,
}

/// What a session may do, by an inline session policy.
#[derive(
    JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum SessionScope {
    /// All that the role may.
    #[default]
    Store,
    /// What the PresignedURLPolicies allow the namespace.
    Namespace,
    /// Exactly what is being signed.
    Request,
}

/// The AWS chain has no settings here: it reads the operator's environment.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultCredentials {}

/// A Secret in the operator's own namespace that holds the credentials.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretCredentials {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::DNS_SUBDOMAIN))]
    pub name: String,
    /// The names of its keys. Left out: `accessKeyID`, `secretAccessKey`, `sessionToken`, `expiration`, or
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_CREDENTIAL_EXPIRATION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<SecretKeys>,
}

/// The names of the keys in a credentials Secret.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeys {
    /// The key that holds the access key ID.
    #[serde(
        rename = "accessKeyID",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SECRET_KEY))]
    pub access_key_id: Option<String>,
    /// The key that holds the secret access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SECRET_KEY))]
    pub secret_access_key: Option<String>,
    /// The key that holds the session token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SECRET_KEY))]
    pub session_token: Option<String>,
    /// The key that holds the end of the session, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SECRET_KEY))]
    pub expiration: Option<String>,
}

/// Whether the store can sign, and how far a change of credentials has come. If several operators use the
/// store, the fields beside `operators` sum up what is there.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterObjectStoreStatus {
    /// The generation of the spec that this status speaks of; of several operators, the oldest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `CredentialsRolledOut`, `UnsignedHeadersRejected` and `ClockInSync`; of several operators, the
    /// worst of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// When the current credentials end, RFC 3339; absent for static keys. Of several operators, the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub credentials_expiration_time: Option<Timestamp>,
    /// The version of the Secret that the credentials in use were read from; absent if they come from
    /// elsewhere, or if several operators do not use the same one. `CredentialsRolledOut` and `urls` speak of
    /// these credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret: Option<CredentialsSecret>,
    /// How many URLs there are, and how many were signed with the current credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urls: Option<UrlCounts>,
    /// How long the operator may be away, at the worst moment, before the first renewed URL expires; of several
    /// operators, the shortest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub absence_budget: Option<String>,
    /// What each operator reports that signs for the store: its credentials and its network are its own. Absent
    /// if only the operator of the class `default` without `--namespaces` does: then the status is its report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub operators: Vec<StoreOperatorStatus>,
    /// The operator's own memory. It is no API: any release may change what is in it, and nothing but the
    /// operator may read it.
    #[serde(default, skip_serializing_if = "StoreInternalStatus::is_empty")]
    pub internal: StoreInternalStatus,
}

/// What one operator reports of a store. No other operator changes it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreOperatorStatus {
    /// Which operator, by its class, as in `class=default`. One with `--namespaces` is named by its Lease too,
    /// as in `class=default,lease=operators-system/team`.
    #[schemars(length(min = 1, max = 512))]
    pub name: String,
    /// The generation of the spec that it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `CredentialsRolledOut`, `UnsignedHeadersRejected` and `ClockInSync`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// When its current credentials end, RFC 3339; absent for static keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub credentials_expiration_time: Option<Timestamp>,
    /// The version of the Secret that its credentials in use were read from; absent if they come from
    /// elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret: Option<CredentialsSecret>,
    /// How many URLs of the resources that it serves there are, and how many were signed with its current
    /// credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urls: Option<UrlCounts>,
    /// How long it may be away, at the worst moment, before the first renewed URL expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub absence_budget: Option<String>,
    /// Its own memory, which is no API.
    #[serde(default, skip_serializing_if = "StoreInternalStatus::is_empty")]
    pub internal: StoreInternalStatus,
}

/// What the operator remembers of a store over a restart, and what nobody else has a use for.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreInternalStatus {
    /// The hash of the credentials that the store itself rejected when it was last probed, if `Ready` is
    /// False because of that; absent otherwise. It stands until the next answer or the next edit of the
    /// store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub rejected_credentials: Option<String>,
    /// True if the store ever accepted a signature at the endpoint, in the region and by the addressing style
    /// that the spec names; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven: Option<bool>,
}

impl StoreInternalStatus {
    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One version of a Secret with credentials, in the operator's own namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSecret {
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its uid.
    #[schemars(length(max = 128))]
    pub uid: String,
    /// Its resourceVersion.
    #[schemars(length(max = 128))]
    pub resource_version: String,
}

/// How many resources hold living URLs of a store.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlCounts {
    /// All of them.
    pub total: u32,
    /// Those signed with the current credentials, endpoint and region.
    pub on_current_credentials: u32,
}

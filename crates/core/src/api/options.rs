//! What a method may ask of S3 beyond the object, and how a prefix is listed.
//!
//! What holds here: no field has a schema default, so that a later release may change a default without
//! changing anybody's hash.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// How a prefix is listed, and which of its objects get a URL.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("!has(self.minObjects) || !has(self.maxObjects) || self.minObjects <= self.maxObjects")
        .message("minObjects may not be more than maxObjects")
)]
pub struct ListOptions {
    /// Fewer objects than this are a failure (`TooFewObjects`), and what was issued stays. Left out: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub min_objects: Option<u32>,
    /// More objects than this are refused. Left out: what the policy allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_objects: Option<u32>,
    /// Globs of keys, after the prefix: `*` stands for any run of characters but `/`, `**` for any run, `?`
    /// for one character but `/`. Left out: every object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 256)))]
    pub include: Option<Vec<String>>,
    /// Globs of keys that get no URL, though they are included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 256)))]
    pub exclude: Option<Vec<String>>,
    /// How often the bucket is listed again between renewals, for example `15m`. Left out: at renewals only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = schema::between("refreshInterval", "1m", "168h"))]
    pub refresh_interval: Option<String>,
}

/// What a GET or HEAD may ask of S3 beyond the object (`GetObject` in the S3 API reference).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetOptions {
    /// The version of the object. Needs `allowVersions` in the policy.
    #[serde(rename = "versionID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = schema::PRINTABLE))]
    pub version_id: Option<String>,
    /// `Content-Type` of the answer. The `response*` fields need `allowResponseOverrides` in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = schema::PRINTABLE))]
    pub response_content_type: Option<String>,
    /// `Content-Disposition` of the answer, for example `attachment; filename="report.pdf"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = schema::PRINTABLE))]
    pub response_content_disposition: Option<String>,
    /// `Content-Encoding` of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = schema::PRINTABLE))]
    pub response_content_encoding: Option<String>,
    /// `Content-Language` of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = schema::PRINTABLE))]
    pub response_content_language: Option<String>,
    /// `Cache-Control` of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = schema::PRINTABLE))]
    pub response_cache_control: Option<String>,
    /// `requester`: the signer's account pays for the request, as a bucket with requester pays demands. The
    /// client must send the header of `headers`. Needs `allowRequesterPays` in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RequestPayer")]
    pub request_payer: Option<RequestPayer>,
}

/// What a PUT fixes about the upload (`PutObject` in the S3 API reference).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("!(has(self.ifMatch) && has(self.ifNoneMatch))")
        .message("ifMatch and ifNoneMatch exclude each other: set at most one"),
    validation = Rule::new("!(has(self.checksumSHA256) && has(self.checksumCRC64NVME))")
        .message("S3 takes one checksum: set checksumSHA256 or checksumCRC64NVME"),
    validation = Rule::new("!has(self.kmsKeyID) || (has(self.serverSideEncryption) && self.serverSideEncryption == 'aws:kms')")
        .message("kmsKeyID needs serverSideEncryption: aws:kms")
)]
pub struct PutOptions {
    /// `Content-Type` of the object, printable ASCII.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = schema::PRINTABLE))]
    pub content_type: Option<String>,
    /// The exact size of the upload in bytes, at most 5 GiB (S3's limit for one PUT). Needed unless the
    /// policy says `allowUnsizedPut`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 5_368_709_120_u64))]
    pub content_length: Option<u64>,
    /// The SHA-256 of the upload, base64 of 32 bytes: S3 refuses any other content.
    #[serde(
        rename = "checksumSHA256",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 44, max = 44), regex(pattern = schema::SHA256_BASE64))]
    pub checksum_sha256: Option<String>,
    /// The CRC-64/NVME of the upload, base64 of 8 bytes: S3 refuses any other content.
    #[serde(
        rename = "checksumCRC64NVME",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 12, max = 12), regex(pattern = schema::CRC64_BASE64))]
    pub checksum_crc64nvme: Option<String>,
    /// The ETag that the object must have, with its quotes: the upload fails if the object is another by now,
    /// or is gone. No rule with `createOnly` allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = schema::PRINTABLE))]
    pub if_match: Option<String>,
    /// `*`: the upload fails if the object exists already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "IfNoneMatch")]
    pub if_none_match: Option<IfNoneMatch>,
    /// Encryption at rest. `aws:kms` needs the key in the policy's `kmsKeys` (`aws/s3` if `kmsKeyID` is
    /// left out).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ServerSideEncryption")]
    pub server_side_encryption: Option<ServerSideEncryption>,
    /// The KMS key: an ID, an ARN or an alias.
    #[serde(rename = "kmsKeyID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = schema::KMS_KEY))]
    pub kms_key_id: Option<String>,
    /// The storage class, for example `STANDARD_IA`. Needs `storageClasses` in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = schema::STORAGE_CLASS))]
    pub storage_class: Option<String>,
    /// A canned ACL, for example `bucket-owner-full-control`. Needs `acls` in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = schema::DNS_LABEL))]
    pub acl: Option<String>,
    /// User metadata (`x-amz-meta-*`): at most 32 entries, names of lower-case letters, digits and hyphens,
    /// values of printable ASCII. Needs `allowMetadata` in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::header_values")]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^[a-z0-9][a-z0-9-]{0,63}$'))")
        .message("metadata names are 1 to 64 lower-case letters, digits and hyphens"))]
    pub metadata: Option<BTreeMap<String, String>>,
    /// Object tags, at most 10. Needs each tag's key in the policy's `tagKeys`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::tag_values")]
    #[x_kube(validation = Rule::new("self.all(k, size(k) >= 1 && size(k) <= 128 && k.matches('^[A-Za-z0-9 +=._:/@-]+$'))")
        .message("tag keys are 1 to 128 letters, digits, spaces and + - = . _ : / @"))]
    pub tagging: Option<BTreeMap<String, String>>,
}

/// What a form allows of the upload ("Creating a POST Policy" in the S3 API reference).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("!(has(self.contentType) && has(self.contentTypePrefix))")
        .message("contentType and contentTypePrefix say the same thing: set at most one"),
    validation = Rule::new("!(has(self.successActionStatus) && has(self.successActionRedirect))")
        .message("successActionStatus and successActionRedirect exclude each other: set at most one")
)]
pub struct PostOptions {
    /// The sizes that are accepted. Required; the policy's `maxUploadBytes` bounds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length_range: Option<ContentLengthRange>,
    /// The `Content-Type` that the form sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = schema::PRINTABLE))]
    pub content_type: Option<String>,
    /// What the `Content-Type` that the form's sender chooses must begin with, for example `image/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = schema::PRINTABLE))]
    pub content_type_prefix: Option<String>,
    /// A canned ACL. Needs `acls` in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = schema::DNS_LABEL))]
    pub acl: Option<String>,
    /// The status of a successful upload: 200, 201 (with an XML document) or 204. Left out: 204.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 200, max = 204))]
    #[x_kube(validation = Rule::new("self in [200, 201, 204]").message("successActionStatus is 200, 201 or 204"))]
    pub success_action_status: Option<u16>,
    /// Where the browser is sent after a successful upload. Needs `redirects` in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 2048), regex(pattern = schema::REDIRECT))]
    pub success_action_redirect: Option<String>,
    /// User metadata (`x-amz-meta-*`), as for a PUT. Needs `allowMetadata` in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::header_values")]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^[a-z0-9][a-z0-9-]{0,63}$'))")
        .message("metadata names are 1 to 64 lower-case letters, digits and hyphens"))]
    pub metadata: Option<BTreeMap<String, String>>,
}

/// The sizes of an upload, in bytes, both ends included.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("!has(self.min) || self.min <= self.max").message("min may not be more than max")
)]
pub struct ContentLengthRange {
    /// The smallest size. Left out: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 5_368_709_120_u64))]
    pub min: Option<u64>,
    /// The largest size, at most 5 GiB (S3's limit for a form).
    #[schemars(range(min = 0, max = 5_368_709_120_u64))]
    pub max: u64,
}

/// The one condition that S3 knows on a PUT.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IfNoneMatch {
    /// No object of that key may exist.
    #[serde(rename = "*")]
    Any,
}

/// Who pays for a request.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestPayer {
    /// The account of the signer.
    #[serde(rename = "requester")]
    Requester,
}

impl RequestPayer {
    /// The value of the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requester => "requester",
        }
    }
}

/// How S3 encrypts the object at rest.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerSideEncryption {
    /// SSE-S3.
    AES256,
    /// SSE-KMS.
    #[serde(rename = "aws:kms")]
    AwsKms,
}

impl ServerSideEncryption {
    /// The value of the header `x-amz-server-side-encryption`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AES256 => "AES256",
            Self::AwsKms => "aws:kms",
        }
    }
}

//! `PresignedURL`: what a tenant asks for.
//!
//! What holds here: a field is in the API only if the operator acts on it, and no field has a schema default,
//! so that a later release may change a default without changing anybody's hash.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Keys, PresignedUrlStatus, schema};

/// What is to be signed, for how long, and where the result goes.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "presigned.dev",
    version = "v1alpha1",
    kind = "PresignedURL",
    root = "PresignedUrl",
    plural = "presignedurls",
    singular = "presignedurl",
    shortname = "psu",
    category = "presigned",
    namespaced,
    status = "PresignedUrlStatus",
    derive = "PartialEq",
    doc = "A presigned S3 URL, issued into a Secret of its namespace where a PresignedURLPolicy allows it, and replaced before it expires.",
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
        name = "Verified",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Verified')].status"
    ),
    printcolumn(name = "Method", type_ = "string", json_path = ".status.method"),
    printcolumn(name = "Bucket", type_ = "string", json_path = ".spec.bucket"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.expiresAt"),
    printcolumn(
        name = "Secret",
        type_ = "string",
        json_path = ".status.secretRef.name"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Key",
        type_ = "string",
        json_path = ".spec.key",
        priority = "1"
    ),
    printcolumn(
        name = "Store",
        type_ = "string",
        json_path = ".spec.storeRef.name",
        priority = "1"
    ),
    printcolumn(
        name = "Renews",
        type_ = "string",
        json_path = ".status.renewAt",
        priority = "1"
    ),
    printcolumn(
        name = "Revision",
        type_ = "integer",
        json_path = ".status.revision",
        priority = "1"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = "1"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.get) || !has(self.method) || self.method in ['GET', 'HEAD']")
        .message("get goes with method GET or HEAD: remove the block, or set method"),
    validation = Rule::new("!has(self.put) || (has(self.method) && self.method == 'PUT')")
        .message("put goes with method PUT: remove the block, or set method: PUT"),
    validation = Rule::new("!has(self.post) || (has(self.method) && self.method == 'POST')")
        .message("post goes with method POST: remove the block, or set method: POST"),
    validation = Rule::new("(has(self.key) ? 1 : 0) + (has(self.keys) ? 1 : 0) + (has(self.prefix) ? 1 : 0) == 1")
        .message("set exactly one of key, keys and prefix"),
    validation = Rule::new("!has(self.keys) || !has(self.method) || self.method != 'POST'")
        .message("keys goes with method GET, HEAD, PUT or DELETE: a form is for one key or one prefix"),
    validation = Rule::new("!has(self.prefix) || !has(self.method) || self.method in ['GET', 'POST']")
        .message("prefix goes with method GET, which lists it, or POST: name the objects in key or keys"),
    validation = Rule::new("!has(self.list) || (has(self.prefix) && (!has(self.method) || self.method == 'GET'))")
        .message("list goes with prefix and method GET: remove the block, or set prefix"),
    validation = Rule::new("!has(self.formats) || has(self.keys) || (has(self.prefix) && (!has(self.method) || self.method == 'GET'))")
        .message("formats goes with many objects (keys, or prefix with method GET): one object has its own files already"),
    validation = Rule::new("!has(self.formats) || !('aria2.txt' in self.formats) || !has(self.method) || self.method == 'GET'")
        .message("aria2.txt goes with method GET: aria2 downloads only"),
    validation = Rule::new("!(has(self.renewBefore) && has(self.renewBeforePercentage))")
        .message("renewBefore and renewBeforePercentage say the same thing: set at most one"),
    validation = schema::renews_before_the_end(),
    validation = Rule::new("!has(self.renew) || self.renew != 'Never' || (!has(self.renewBefore) && !has(self.renewBeforePercentage))")
        .message("renew: Never is never renewed: remove renewBefore and renewBeforePercentage"),
    validation = Rule::new("!has(self.renew) || self.renew != 'Never' || !has(self.list) || !has(self.list.refreshInterval)")
        .message("renew: Never lists once: remove list.refreshInterval"),
    validation = Rule::new("!has(self.ttlAfterExpiry) || (has(self.renew) && self.renew == 'Never')")
        .message("ttlAfterExpiry goes with renew: Never: what is renewed does not expire"),
    validation = schema::renew_is_immutable(),
    validation = schema::links_are_fixed()
)]
pub struct PresignedUrlSpec {
    /// The store to sign for. Left out: the `ClusterObjectStore` named `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_ref: Option<StoreRef>,

    /// Which of the store's named endpoints the consumers of the URL use. Left out: the store's default
    /// endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = schema::DNS_LABEL))]
    pub endpoint: Option<String>,

    /// The bucket: 3 to 63 lower-case letters, digits, dots and hyphens. ARNs, access points and S3 Express
    /// directory buckets are refused.
    #[schemars(length(min = 3, max = 63), regex(pattern = schema::BUCKET))]
    #[x_kube(
        validation = Rule::new("!self.contains('..') && !self.contains('.-') && !self.contains('-.')")
            .message("bucket may not hold '..', '.-' or '-.'"),
        validation = Rule::new("!self.matches('^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$')")
            .message("bucket may not look like an IP address"),
        validation = Rule::new("!self.startsWith('xn--') && !self.startsWith('sthree-') && !self.startsWith('amzn-s3-demo-') && !self.endsWith('-s3alias') && !self.endsWith('--ol-s3') && !self.endsWith('--x-s3') && !self.endsWith('.mrap') && !self.endsWith('--table-s3')")
            .message("bucket must be a general purpose bucket: names that S3 reserves for access points, S3 Express and the like are refused")
    )]
    pub bucket: String,

    /// The object's key: 1 to 1,024 bytes of UTF-8, without a leading `/`, without empty, `.` or `..`
    /// segments, without control characters and without `${`.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(
        validation = Rule::new("size(bytes(self)) <= 1024").message("key is longer than S3's 1,024 bytes (UTF-8)"),
        validation = Rule::new("!self.startsWith('/')").message("key may not begin with '/': S3 keys have no root"),
        validation = Rule::new("!self.split('/').exists(s, s == '' || s == '.' || s == '..')")
            .message("key may not hold empty, '.' or '..' segments: clients and proxies rewrite them"),
        validation = Rule::new("!self.matches(r'\\p{Cc}') && !self.contains('${')")
            .message("key may not hold control characters or '${'")
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,

    /// The keys of several objects, in the same form, for GET, HEAD, PUT or DELETE: one URL each, in
    /// `urls.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "Option<Vec<String>>",
        length(min = 1, max = 2048),
        inner(length(min = 1, max = 1024))
    )]
    #[x_kube(merge_strategy = ListMerge::Set, validation = schema::keys_that_fit())]
    pub keys: Option<Keys>,

    /// What the objects' keys begin with. With GET the bucket is listed and each object gets a URL; with POST
    /// the form's sender chooses the rest of the key. It ends in `/`, unless the policy allows it as a raw
    /// prefix; empty is the whole bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(
        validation = Rule::new("size(bytes(self)) <= 1024").message("prefix is longer than S3's 1,024 bytes (UTF-8)"),
        validation = Rule::new("!self.startsWith('/')").message("prefix may not begin with '/': S3 keys have no root"),
        validation = Rule::new("!self.contains('//') && !self.split('/').exists(s, s == '.' || s == '..')")
            .message("prefix may not hold empty, '.' or '..' segments: clients and proxies rewrite them"),
        validation = Rule::new("!self.matches(r'\\p{Cc}') && !self.contains('${')")
            .message("prefix may not hold control characters or '${'")
    )]
    pub prefix: Option<String>,

    /// How a prefix with GET is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Box<ListOptions>>,

    /// The HTTP method that the URL is good for. Left out: GET. A GET also yields a HEAD URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Method")]
    pub method: Option<Method>,

    /// `Always` (left out): the URLs are replaced before they expire. `Never`: they are issued once, and
    /// their end is fixed for good; what is signed cannot be edited then. This field cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Renew")]
    pub renew: Option<Renew>,

    /// With `renew: Never`: this long after the end the resource is deleted, for example `24h`. Left out: it
    /// stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = schema::between("ttlAfterExpiry", "0s", "8760h"))]
    pub ttl_after_expiry: Option<String>,

    /// How long each URL lives, for example `12h` or `90m`: 1m to 168h. Left out: the least of 12h, what the
    /// policy allows and what the credentials can give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = schema::between("duration", "1m", "168h"))]
    pub duration: Option<String>,

    /// Renew when this much of the life is left, for example `2h`. Left out: when two thirds of the real life
    /// are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = schema::between("renewBefore", "1s", "168h"))]
    pub renew_before: Option<String>,

    /// Renew when this percentage of the life is left: 1 to 90.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 90))]
    pub renew_before_percentage: Option<u8>,

    /// Options of a GET or HEAD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub get: Option<Box<GetOptions>>,

    /// Options of a PUT. Each becomes a signed header that the client must send as it stands in the Secret's
    /// `headers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put: Option<Box<PutOptions>>,

    /// What a POST form allows of the upload. Each becomes a condition of the signed form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<Box<PostOptions>>,

    /// Further files for programs, beside `urls.json`, where there are several objects: `urls.txt` (wget),
    /// `aria2.txt` (aria2c, GET only) and `curl.conf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub formats: Option<Vec<Format>>,

    /// Whether the URLs are tried, by a GET of the first byte. `Report` (left out): at the first issue and
    /// after a change, and the condition `Verified` says what S3 answered. `Require`: before each issue, and
    /// only what worked is published. `Never`: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Verify")]
    pub verify: Option<Verify>,

    /// The Secret that holds the result. Left out: the name of this resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::DNS_SUBDOMAIN))]
    pub secret_name: Option<String>,

    /// Labels and annotations for the Secret. Each key needs `templateKeys` in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_template: Option<Box<SecretTemplate>>,

    /// Issue nothing new. The policy is still judged and reported; what was issued stays until it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// The operator instance (`--class`) that serves this resource. Left out: the one without a class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = schema::DNS_LABEL))]
    pub class: Option<String>,
}

/// The store that a `PresignedURL` is signed for.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreRef {
    /// The kind of the store. Left out: `ClusterObjectStore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "StoreKind")]
    pub kind: Option<StoreKind>,
    /// The store's name. Left out: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::DNS_SUBDOMAIN))]
    pub name: Option<String>,
}

/// The kinds of store that can be named.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreKind {
    /// A cluster-scoped store.
    ClusterObjectStore,
}

/// The HTTP method that a URL is good for.
#[derive(
    JsonSchema,
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Download; also yields a HEAD URL.
    #[default]
    Get,
    /// Metadata only.
    Head,
    /// Upload of one object.
    Put,
    /// Removal of one object.
    Delete,
    /// Upload by a form, as browsers send it.
    Post,
}

impl Method {
    /// The method as it stands in an HTTP request line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Post => "POST",
        }
    }
}

/// Whether URLs are replaced before they expire.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Renew {
    /// They are.
    #[default]
    Always,
    /// They are issued once.
    Never,
}

/// Whether URLs are tried before or after they are published. A try is a GET of the first byte, never a
/// write.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verify {
    /// At the first issue and after a change; the condition `Verified` tells the outcome.
    #[default]
    Report,
    /// Before each issue: only what worked is published.
    Require,
    /// Not at all.
    Never,
}

/// A file for a program that takes many URLs.
#[derive(
    JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Format {
    /// One URL a line.
    #[serde(rename = "urls.txt")]
    UrlsTxt,
    /// For `aria2c -i`: each object is saved under its key.
    #[serde(rename = "aria2.txt")]
    Aria2Txt,
    /// For `curl -K`: each object is saved under its key, or uploaded from it.
    #[serde(rename = "curl.conf")]
    CurlConf,
}

impl Format {
    /// The key of the Secret.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UrlsTxt => "urls.txt",
            Self::Aria2Txt => "aria2.txt",
            Self::CurlConf => "curl.conf",
        }
    }
}

/// How a prefix is listed, and which of its objects get a URL.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.minObjects) || !has(self.maxObjects) || self.minObjects <= self.maxObjects")
        .message("minObjects may not be more than maxObjects")
)]
pub struct ListOptions {
    /// Fewer objects than this are a failure (`NoObjects`), and what was issued stays. Left out: 1.
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
#[serde(rename_all = "camelCase")]
pub struct GetOptions {
    /// The version of the object. Needs `allowVersions` in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    /// `requester`: the signer's account pays for the request, as a bucket with requester pays demands. The client
    /// must send the header of `headers`. Needs `allowRequesterPays` in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RequestPayer")]
    pub request_payer: Option<RequestPayer>,
}

/// What a PUT fixes about the upload (`PutObject` in the S3 API reference).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
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
    /// `*`: the upload fails where the object exists already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "IfNoneMatch")]
    pub if_none_match: Option<IfNoneMatch>,
    /// Encryption at rest. `aws:kms` needs the key in the policy's `kmsKeys` (`aws/s3` where `kmsKeyID` is
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
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.contentType) && has(self.contentTypePrefix))")
        .message("contentType and contentTypePrefix say the same thing: set at most one"),
    validation = Rule::new("!(has(self.successActionStatus) && has(self.successActionRedirect))")
        .message("successActionStatus and successActionRedirect exclude each other: set at most one")
)]
pub struct PostOptions {
    /// The sizes that are accepted. Needed: the policy's `maxUploadBytes` bounds it.
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
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.min) || self.min <= self.max").message("min may not be more than max")
)]
pub struct ContentLengthRange {
    /// The least. Left out: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 5_368_709_120_u64))]
    pub min: Option<u64>,
    /// The most, at most 5 GiB (S3's limit for a form).
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

/// Labels and annotations that the Secret carries besides the operator's own.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretTemplate {
    /// Labels of the Secret. Keys under presigned.dev, kubernetes.io, k8s.io, meta.helm.sh and
    /// argocd.argoproj.io are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_values")]
    #[x_kube(
        validation = schema::qualified_names("label"),
        validation = schema::no_reserved_keys("label")
    )]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations of the Secret. The same keys are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::annotation_values")]
    #[x_kube(
        validation = schema::qualified_names("annotation"),
        validation = schema::no_reserved_keys("annotation")
    )]
    pub annotations: Option<BTreeMap<String, String>>,
}

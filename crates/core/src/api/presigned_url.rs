//! `PresignedURL`: what a tenant asks for.
//!
//! What holds here: a field is in the API only if the operator acts on it, and no field has a schema default,
//! so that a later release may change a default without changing anybody's hash.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::issued::PresignedUrlStatus;
use super::keys::Keys;
use super::method::Method;
use super::options::{GetOptions, ListOptions, PostOptions, PutOptions};
use super::schema;
use super::store_ref::StoreRef;

/// What to sign, for how long, and where to put the result.
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
    selectable = ".spec.class",
    selectable = ".spec.storeRef.name",
    selectable = ".spec.bucket",
    selectable = ".status.storeRef.name",
    selectable = ".status.secretRef.name",
    doc = "A presigned S3 URL, issued into a Secret of its namespace if a PresignedURLPolicy allows it, and replaced before it expires.",
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
    printcolumn(
        name = "Expires",
        type_ = "string",
        json_path = ".status.expirationTime"
    ),
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
        json_path = ".spec['key','prefix']",
        priority = "1"
    ),
    printcolumn(
        name = "Store",
        type_ = "string",
        json_path = ".status.storeRef.name",
        priority = "1"
    ),
    printcolumn(
        name = "Class",
        type_ = "string",
        json_path = ".spec.class",
        priority = "1"
    ),
    printcolumn(
        name = "Renews",
        type_ = "string",
        json_path = ".status.renewalTime",
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
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("!has(self.get) || !has(self.method) || self.method in ['GET', 'HEAD']")
        .message("get goes with method GET or HEAD: remove the block, or set method"),
    validation = Rule::new("!has(self.put) || (has(self.method) && self.method == 'PUT')")
        .message("put goes with method PUT: remove the block, or set method: PUT"),
    validation = Rule::new("!has(self.post) || (has(self.method) && self.method == 'POST')")
        .message("post goes with method POST: remove the block, or set method: POST"),
    validation = Rule::new("!has(self.method) || self.method != 'POST' || (has(self.post) && has(self.post.contentLengthRange))")
        .message("method POST needs post.contentLengthRange: the sizes that the form accepts"),
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
    validation = schema::class_is_immutable(),
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
    /// directory buckets are refused. Capitals and underscores, which old buckets have, are taken for a store
    /// with an endpoint of its own and the bucket in the path.
    #[schemars(length(min = 3, max = 63), regex(pattern = schema::BUCKET))]
    #[x_kube(
        validation = Rule::new("!self.contains('..') && !self.contains('.-') && !self.contains('-.')")
            .message("bucket may not hold '..', '.-' or '-.'"),
        validation = Rule::new("!self.matches('^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$')")
            .message("bucket may not look like an IP address"),
        validation = Rule::new("!self.startsWith('xn--') && !self.startsWith('sthree-') && !self.startsWith('amzn-s3-demo-') && !self.endsWith('-s3alias') && !self.endsWith('--ol-s3') && !self.endsWith('--x-s3') && !self.endsWith('.mrap') && !self.endsWith('--table-s3') && !self.endsWith('--xa-s3') && !self.endsWith('--op-s3')")
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
    #[schemars(schema_with = "schema::object_keys")]
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

    /// `Always` (left out): the operator replaces the URLs before they expire. `Never`: it issues them once
    /// and never renews them, and nobody can edit what is signed. This field is immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Renew")]
    pub renew: Option<Renew>,

    /// With `renew: Never`: this long after the end the resource is deleted, for example `24h`. Left out: it
    /// stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = schema::between("ttlAfterExpiry", "0s", "8760h"))]
    pub ttl_after_expiry: Option<String>,

    /// How long each URL lives, for example `12h` or `90m`: 1m to 168h, and at least 5m (the operator's
    /// `--min-renewed-duration`) unless `renew` is `Never`. Left out: the least of 12h, what the policy allows
    /// and what the credentials can give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = schema::life())]
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

    /// Further files for programs, in addition to `urls.json`, if there are several objects: `urls.txt` (wget),
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

    /// The `type` of the Secret as a binding (servicebinding.io), for example `s3`. If it is given, the Secret
    /// also holds `type` and, unless it is of many objects, `uri`: the URL again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = schema::DNS_LABEL))]
    pub binding_type: Option<Box<str>>,

    /// Labels and annotations for the Secret. Each key needs `templateKeys` in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_template: Option<Box<SecretTemplate>>,

    /// Issue nothing new. The policy is still evaluated and reported; what was issued stays until it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// The operator that serves this resource, by its `--class`. Left out, the API server writes `default`,
    /// which is the class of an operator without that flag. This field cannot be changed.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "other_class"
    )]
    #[schemars(length(min = 1, max = 63), regex(pattern = schema::DNS_LABEL), extend("default" = DEFAULT_CLASS))]
    pub class: Option<String>,
}

/// The class of a resource that names none, and of an operator without `--class`.
pub const DEFAULT_CLASS: &str = "default";

/// Reads a class; `None` if it is the default one, which the API server writes if it is left out.
fn other_class<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let class = Option::deserialize(deserializer)?;
    Ok(class.filter(|class: &String| class != DEFAULT_CLASS))
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

/// Labels and annotations that the Secret carries besides the operator's own.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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

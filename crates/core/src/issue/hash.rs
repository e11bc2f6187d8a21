//! Hashes of what is signed and rendered: two hashes differ exactly if their content differs.
//!
//! What holds here:
//! - The encoding is written by hand and versioned, since the status keeps the hashes across upgrades.
//!   Another encoding would issue every URL of every installation again.
//! - An absent field encodes as nothing, so a new optional field changes no existing hash. Every part carries
//!   its length, so no two inputs have the same encoding.
//! - Options are destructured exhaustively: a new field of the API does not compile until it is encoded here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::api::{Format, GetOptions, IfNoneMatch, PostOptions, PutOptions};
use crate::request::{ListSelection, Objects, Options};

/// The rounds of [`credential_hash`] over a static key.
const ROUNDS: u32 = 4096;

/// The part of an allowed request that reaches the signature.
#[derive(Clone, Copy, Debug)]
pub struct SpecInputs<'a> {
    /// The name of the store.
    pub store: &'a str,
    /// The name of the store's endpoint; `None` for the default one.
    pub endpoint: Option<&'a str>,
    /// The bucket.
    pub bucket: &'a str,
    /// The requested objects.
    pub objects: &'a Objects,
    /// Method and effective options: what the grant gave, `createOnly` applied.
    pub options: &'a Options,
    /// `spec.duration` as the tenant wrote it; `None` if it is left out.
    pub requested_duration: Option<Duration>,
}

/// The part of a store that reaches the signature. If an admin changes it, a rollout signs all URLs of the
/// store again.
#[derive(Clone, Copy, Debug)]
pub struct StoreInputs<'a> {
    /// The UID of the store: another store of the same name is another store.
    pub uid: &'a str,
    /// Scheme, host and port of the URL.
    pub endpoint: &'a str,
    /// The region of the credential scope.
    pub region: &'a str,
    /// How the bucket is addressed, as resolved: `Path` or `VirtualHost`.
    pub style: &'a str,
    /// The store's `maxSignatureAge`.
    pub max_signature_age: Option<Duration>,
    /// The store's `caBundle`.
    pub ca_bundle: Option<&'a str>,
}

/// Everything that shapes the Secret, except what is signed.
#[derive(Clone, Copy, Debug)]
pub struct RenderInputs<'a> {
    /// The Secret's name.
    pub secret_name: &'a str,
    /// The template's labels.
    pub labels: &'a BTreeMap<String, String>,
    /// The template's annotations.
    pub annotations: &'a BTreeMap<String, String>,
    /// The files beside `urls.json`.
    pub formats: &'a BTreeSet<Format>,
    /// The `type` of the Secret as a binding.
    pub binding_type: Option<&'a str>,
}

/// The identity of a set of credentials.
#[derive(Clone, Copy)]
pub enum CredentialInputs<'a> {
    /// Keys that do not expire.
    Static {
        /// The access key ID.
        access_key_id: &'a str,
        /// The secret access key.
        secret_access_key: &'a str,
    },
    /// A session: where it comes from, for example a role's ARN. A new session of the same source is no
    /// change.
    Session {
        /// The source.
        source: &'a str,
    },
}

impl std::fmt::Debug for CredentialInputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Static { .. } => "Static(redacted)",
            Self::Session { .. } => "Session",
        })
    }
}

/// The hash of the allowed request (`status.internal.hashes.spec`), 32 hex digits.
#[must_use]
pub fn spec_hash(inputs: &SpecInputs<'_>) -> String {
    let SpecInputs {
        store,
        endpoint,
        bucket,
        objects,
        options,
        requested_duration,
    } = *inputs;
    let mut out = Encoding::new("presigned.dev/spec/v1");
    out.field("store", store);
    out.option("endpoint", endpoint);
    out.field("bucket", bucket);
    out.objects(objects);
    out.field("method", options.method().as_str());
    out.duration("duration", requested_duration);
    match options {
        Options::Get(get) | Options::Head(get) => out.get(get),
        Options::Put(put) => out.put(put),
        Options::Post(post) => out.post(post),
        Options::Delete => {}
    }
    out.finish()
}

/// The hash of the store that it was signed for (`status.internal.hashes.store`), 32 hex digits.
#[must_use]
pub fn store_hash(inputs: &StoreInputs<'_>) -> String {
    let StoreInputs {
        uid,
        endpoint,
        region,
        style,
        max_signature_age,
        ca_bundle,
    } = *inputs;
    let mut out = Encoding::new("presigned.dev/store/v1");
    out.field("uid", uid);
    out.field("endpoint", endpoint);
    out.field("region", region);
    out.field("style", style);
    out.duration("maxSignatureAge", max_signature_age);
    out.option("caBundle", ca_bundle);
    out.finish()
}

/// The hash of how it is rendered (`status.internal.hashes.render`), 32 hex digits.
#[must_use]
pub fn render_hash(inputs: &RenderInputs<'_>) -> String {
    let RenderInputs {
        secret_name,
        labels,
        annotations,
        formats,
        binding_type,
    } = *inputs;
    let mut out = Encoding::new("presigned.dev/render/v1");
    out.field("secretName", secret_name);
    out.map("label", labels);
    out.map("annotation", annotations);
    for format in formats {
        out.field("format", format.as_str());
    }
    out.option("bindingType", binding_type);
    out.finish()
}

/// The hash of what a listing found (`status.internal.hashes.objects`), 32 hex digits: key, size in bytes and
/// `ETag` of each object. A size that the store does not give is left out.
#[must_use]
pub fn listing_hash<'a>(
    objects: impl IntoIterator<Item = (&'a str, Option<u64>, &'a str)>,
) -> String {
    let mut out = Encoding::new("presigned.dev/listing/v1");
    for (key, size, etag) in objects {
        out.field("key", key);
        out.option("size", size.map(u64::to_be_bytes));
        out.field("etag", etag);
    }
    out.finish()
}

/// The hash of what a verification covers (`status.internal.hashes.verified`), 32 hex digits, from the hashes
/// of what was signed.
#[must_use]
pub fn verification_hash(spec: &str, store: &str, credential: &str) -> String {
    let mut out = Encoding::new("presigned.dev/proof/v1");
    out.field("spec", spec);
    out.field("store", store);
    out.field("credential", credential);
    out.finish()
}

/// The hash of what signs (`status.internal.hashes.credential`), 32 hex digits. Compute it once for each load
/// of the credentials.
///
/// The status can be read by people who cannot read the Secret. A generated secret key has 240 bits, and
/// nobody guesses it from here. If somebody made the key up, each guess costs some thousand rounds.
#[must_use]
pub fn credential_hash(inputs: CredentialInputs<'_>) -> String {
    let mut out = Encoding::new("presigned.dev/credential/v1");
    match inputs {
        CredentialInputs::Static {
            access_key_id,
            secret_access_key,
        } => {
            let mut slow = [0_u8; 32];
            for _ in 0..ROUNDS {
                let mut round = Sha256::new();
                round.update(slow);
                round.update(secret_access_key);
                slow = round.finalize().into();
            }
            out.field("accessKeyID", access_key_id);
            out.field("secretAccessKey", hex(&slow));
        }
        CredentialInputs::Session { source } => out.field("source", source),
    }
    out.finish()
}

/// The hash of a Secret's data (`status.internal.secret.dataHash`), 32 hex digits; the order of the entries
/// does not matter.
#[must_use]
pub fn data_hash<'a>(data: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let sorted: BTreeMap<&str, &[u8]> = data.into_iter().collect();
    let mut out = Encoding::new("presigned.dev/data/v1");
    for (key, value) in sorted {
        out.field(key, value);
    }
    out.finish()
}

/// A number from 0 up to 2^32 that depends on nothing but its arguments.
pub(super) fn fraction(purpose: &str, uid: &str, number: i64) -> u32 {
    let mut out = Encoding::new(purpose);
    out.field("uid", uid);
    out.field("number", number.to_be_bytes());
    let digest = out.digest();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// The share of a whole that such a number means: from nothing up to, but not including, the whole.
pub(super) const fn portion(whole: u128, fraction: u32) -> u128 {
    // Callers give at most a duration in nanoseconds (94 bits), so nothing is lost at the top.
    whole.saturating_mul(fraction as u128) >> 32
}

/// The canonical encoding: each part as its length in eight bytes, then its bytes.
struct Encoding(Sha256);

impl Encoding {
    fn new(version: &str) -> Self {
        let mut new = Self(Sha256::new());
        new.part(version);
        new
    }

    fn part(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn field(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.part(name);
        self.part(value);
    }

    fn option(&mut self, name: &str, value: Option<impl AsRef<[u8]>>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }

    /// In whole seconds: `90m` and `1h30m` mean the same.
    fn duration(&mut self, name: &str, value: Option<Duration>) {
        self.option(name, value.map(|d| d.as_secs().to_string()));
    }

    /// An empty map encodes as an absent one: it means the same.
    fn map(&mut self, name: &str, map: &BTreeMap<String, String>) {
        for (key, value) in map {
            self.part(name);
            self.part(key);
            self.part(value);
        }
    }

    fn objects(&mut self, objects: &Objects) {
        match objects {
            Objects::Key(key) => self.field("key", key.as_str()),
            Objects::Keys(keys) => {
                for key in keys {
                    self.field("keys", key.as_str());
                }
            }
            Objects::Under(prefix) => self.field("prefix", prefix.as_str()),
            Objects::List(list) => {
                let ListSelection {
                    prefix,
                    // Bounds and times of the listing: the hash of the listed objects shows their effect.
                    min_objects: _,
                    max_objects: _,
                    refresh_interval: _,
                    include,
                    exclude,
                } = list;
                self.field("list", prefix.as_str());
                for glob in include {
                    self.field("include", glob.as_str());
                }
                for glob in exclude {
                    self.field("exclude", glob.as_str());
                }
            }
        }
    }

    fn post(&mut self, options: &PostOptions) {
        let PostOptions {
            content_length_range,
            content_type,
            content_type_prefix,
            acl,
            success_action_status,
            success_action_redirect,
            metadata,
        } = options;
        self.option(
            "contentLengthRange",
            content_length_range.map(|range| format!("{}-{}", range.min.unwrap_or(0), range.max)),
        );
        self.option("contentType", content_type.as_ref());
        self.option("contentTypePrefix", content_type_prefix.as_ref());
        self.option("acl", acl.as_ref());
        self.option(
            "successActionStatus",
            success_action_status.map(|status| status.to_string()),
        );
        self.option("successActionRedirect", success_action_redirect.as_ref());
        if let Some(metadata) = metadata {
            self.map("metadata", metadata);
        }
    }

    fn get(&mut self, options: &GetOptions) {
        let GetOptions {
            version_id,
            response_content_type,
            response_content_disposition,
            response_content_encoding,
            response_content_language,
            response_cache_control,
            request_payer,
        } = options;
        self.option("versionID", version_id.as_ref());
        self.option("responseContentType", response_content_type.as_ref());
        self.option(
            "responseContentDisposition",
            response_content_disposition.as_ref(),
        );
        self.option(
            "responseContentEncoding",
            response_content_encoding.as_ref(),
        );
        self.option(
            "responseContentLanguage",
            response_content_language.as_ref(),
        );
        self.option("responseCacheControl", response_cache_control.as_ref());
        self.option(
            "requestPayer",
            request_payer.map(crate::api::RequestPayer::as_str),
        );
    }

    fn put(&mut self, options: &PutOptions) {
        let PutOptions {
            content_type,
            content_length,
            checksum_sha256,
            checksum_crc64nvme,
            if_match,
            if_none_match,
            server_side_encryption,
            kms_key_id,
            storage_class,
            acl,
            metadata,
            tagging,
        } = options;
        self.option("contentType", content_type.as_ref());
        self.option("contentLength", content_length.map(|n| n.to_string()));
        self.option("checksumSHA256", checksum_sha256.as_ref());
        self.option("checksumCRC64NVME", checksum_crc64nvme.as_ref());
        self.option("ifMatch", if_match.as_ref());
        self.option("ifNoneMatch", if_none_match.map(|IfNoneMatch::Any| "*"));
        self.option(
            "serverSideEncryption",
            server_side_encryption.map(crate::api::ServerSideEncryption::as_str),
        );
        self.option("kmsKeyID", kms_key_id.as_ref());
        self.option("storageClass", storage_class.as_ref());
        self.option("acl", acl.as_ref());
        for (name, map) in [("metadata", metadata), ("tagging", tagging)] {
            if let Some(map) = map {
                self.map(name, map);
            }
        }
    }

    fn digest(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// 128 bits: a collision is not worth finding here.
    fn finish(self) -> String {
        hex(&self.digest()[..16])
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from(DIGITS[usize::from(nibble)]));
        }
    }
    out
}

//! The method of a request and its options: each value in the form that S3 and HTTP accept.
//!
//! What holds here: options of another method cannot be expressed, and each option is checked by name, so
//! that a new one without a check does not compile.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::InvalidSpec;
use super::fields::{canned_acl, in_form, printable};
use super::redirect::redirect_fault;
use crate::api::{
    ContentLengthRange, GetOptions, Method, PostOptions, PutOptions, ServerSideEncryption,
};
use crate::text::quoted;

/// S3's limit for one PUT or POST: 5 GiB.
pub(crate) const MAX_UPLOAD: u64 = 5 * 1024 * 1024 * 1024;
/// S3's limit for user metadata, names and values together, in bytes.
const MAX_METADATA: usize = 2048;
const MAX_METADATA_ENTRIES: usize = 32;
const MAX_TAGS: usize = 10;
/// The name of the account's default key in a policy; no key has this name.
pub(crate) const DEFAULT_KMS_KEY: &str = "aws/s3";

/// A method with its options.
#[derive(Clone, Debug, PartialEq)]
pub enum Options {
    /// Download. It also yields a URL for HEAD.
    Get(GetOptions),
    /// Metadata only.
    Head(GetOptions),
    /// Upload.
    Put(PutOptions),
    /// Removal.
    Delete,
    /// Upload by a form.
    Post(PostOptions),
}

impl Options {
    /// Parses the block that goes with the method; a block of another method is refused.
    pub(super) fn parse(
        method: Method,
        get: Option<&GetOptions>,
        put: Option<&PutOptions>,
        post: Option<&PostOptions>,
    ) -> Result<Self, InvalidSpec> {
        let blocks = [
            (
                get.is_some(),
                matches!(method, Method::Get | Method::Head),
                ("spec.get", "GET or HEAD"),
            ),
            (put.is_some(), method == Method::Put, ("spec.put", "PUT")),
            (
                post.is_some(),
                method == Method::Post,
                ("spec.post", "POST"),
            ),
        ];
        let foreign = blocks.into_iter().find(|&(given, fits, _)| given && !fits);
        if let Some((_, _, (field, methods))) = foreign {
            let message = format!(
                "this block goes with method {methods}, and the method is {}; remove the block, or set spec.method",
                method.as_str()
            );
            return Err(InvalidSpec::new(field, message));
        }
        get.map_or(Ok(()), check_get)?;
        put.map_or(Ok(()), check_put)?;
        post.map_or(Ok(()), check_post)?;
        Ok(match method {
            Method::Get => Self::Get(get.cloned().unwrap_or_default()),
            Method::Head => Self::Head(get.cloned().unwrap_or_default()),
            Method::Put => Self::Put(put.cloned().unwrap_or_default()),
            Method::Delete => Self::Delete,
            Method::Post => Self::Post(post.cloned().unwrap_or_default()),
        })
    }

    /// The method that these options belong to.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self {
            Self::Get(_) => Method::Get,
            Self::Head(_) => Method::Head,
            Self::Put(_) => Method::Put,
            Self::Delete => Method::Delete,
            Self::Post(_) => Method::Post,
        }
    }
}

/// The options of a GET or HEAD.
fn check_get(get: &GetOptions) -> Result<(), InvalidSpec> {
    let GetOptions {
        version_id,
        response_content_type,
        response_content_disposition,
        response_content_encoding,
        response_content_language,
        response_cache_control,
        request_payer: _, // The type has one value.
    } = get;
    printable("spec.get.versionID", version_id.as_deref(), 1024)?;
    let overrides = [
        ("responseContentType", response_content_type, 256),
        (
            "responseContentDisposition",
            response_content_disposition,
            1024,
        ),
        ("responseContentEncoding", response_content_encoding, 256),
        ("responseContentLanguage", response_content_language, 256),
        ("responseCacheControl", response_cache_control, 256),
    ];
    for (name, value, max) in overrides {
        printable(&format!("spec.get.{name}"), value.as_deref(), max)?;
    }
    Ok(())
}

/// The options of a PUT.
fn check_put(put: &PutOptions) -> Result<(), InvalidSpec> {
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
    } = put;
    printable("spec.put.contentType", content_type.as_deref(), 256)?;
    if let Some(length) = content_length.filter(|&length| length > MAX_UPLOAD) {
        return Err(InvalidSpec::new(
            "spec.put.contentLength",
            format!(
                "{length} bytes is more than S3 takes in one PUT; give at most {MAX_UPLOAD} (5 GiB)"
            ),
        ));
    }
    checksum(
        "spec.put.checksumSHA256",
        checksum_sha256.as_deref(),
        32,
        "give what `openssl dgst -sha256 -binary FILE | base64` prints",
    )?;
    checksum(
        "spec.put.checksumCRC64NVME",
        checksum_crc64nvme.as_deref(),
        8,
        "give the CRC-64/NVME of the file, the highest byte first",
    )?;
    if checksum_sha256.is_some() && checksum_crc64nvme.is_some() {
        let message = "is given beside checksumSHA256, and S3 takes one checksum; remove one";
        return Err(InvalidSpec::new("spec.put.checksumCRC64NVME", message));
    }
    printable("spec.put.ifMatch", if_match.as_deref(), 256)?;
    if if_match.is_some() && if_none_match.is_some() {
        let message = "is given beside ifNoneMatch, and no object meets both; remove one";
        return Err(InvalidSpec::new("spec.put.ifMatch", message));
    }
    kms_key(kms_key_id.as_deref(), *server_side_encryption)?;
    in_form(
        "spec.put.storageClass",
        storage_class.as_deref(),
        64,
        |c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_',
        "give a storage class of S3, for example STANDARD_IA",
    )?;
    canned_acl("spec.put.acl", acl.as_deref())?;
    metadata.as_ref().map_or(Ok(()), |entries| {
        check_metadata("spec.put.metadata", entries)
    })?;
    tagging.as_ref().map_or(Ok(()), check_tags)
}

/// The options of a POST.
fn check_post(post: &PostOptions) -> Result<(), InvalidSpec> {
    let PostOptions {
        content_length_range,
        content_type,
        content_type_prefix,
        acl,
        success_action_status,
        success_action_redirect,
        metadata,
    } = post;
    content_length_range.map_or(Ok(()), check_range)?;
    form_field("spec.post.contentType", content_type.as_deref(), 256)?;
    let field = "spec.post.contentTypePrefix";
    form_field(field, content_type_prefix.as_deref(), 256)?;
    if content_type.is_some() && content_type_prefix.is_some() {
        let message = "is given beside contentType and says the same thing; remove one";
        return Err(InvalidSpec::new(field, message));
    }
    canned_acl("spec.post.acl", acl.as_deref())?;
    let field = "spec.post.successActionStatus";
    if let Some(status) = success_action_status.filter(|s| ![200, 201, 204].contains(s)) {
        let message = format!("{status} is no status that S3 answers with; give 200, 201 or 204");
        return Err(InvalidSpec::new(field, message));
    }
    if let Some(url) = success_action_redirect {
        let field = "spec.post.successActionRedirect";
        if let Some(fault) = redirect_fault(url) {
            return Err(InvalidSpec::new(field, format!("{} {fault}", quoted(url))));
        }
        if success_action_status.is_some() {
            let message =
                "is given beside successActionStatus, and S3 does one of them; remove one";
            return Err(InvalidSpec::new(field, message));
        }
    }
    let field = "spec.post.metadata";
    let Some(metadata) = metadata else {
        return Ok(());
    };
    check_metadata(field, metadata)?;
    metadata
        .iter()
        .try_for_each(|(name, value)| form_field(&format!("{field}[{name}]"), Some(value), 1024))
}

/// A checksum in base64, of so many bytes.
fn checksum(
    field: &str,
    value: Option<&str>,
    length: usize,
    hint: &str,
) -> Result<(), InvalidSpec> {
    let Some(value) = value else { return Ok(()) };
    match STANDARD.decode(value) {
        Ok(bytes) if bytes.len() == length => Ok(()),
        _ => Err(InvalidSpec::new(
            field,
            format!(
                "{} is not the base64 of {length} bytes; {hint}",
                quoted(value)
            ),
        )),
    }
}

fn kms_key(key: Option<&str>, encryption: Option<ServerSideEncryption>) -> Result<(), InvalidSpec> {
    let field = "spec.put.kmsKeyID";
    in_form(
        field,
        key,
        512,
        |c| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '_' | '-'),
        "give a key ID, an ARN or an alias",
    )?;
    match (key, encryption) {
        (Some(DEFAULT_KMS_KEY), _) => Err(InvalidSpec::new(
            field,
            format!(
                "{} is no key's name; leave kmsKeyID out to take the account's default key",
                quoted(DEFAULT_KMS_KEY)
            ),
        )),
        (Some(key), None | Some(ServerSideEncryption::AES256)) => Err(InvalidSpec::new(
            field,
            format!(
                "{} is given without serverSideEncryption: aws:kms; set that, or leave kmsKeyID out",
                quoted(key)
            ),
        )),
        (Some(_), Some(ServerSideEncryption::AwsKms)) | (None, _) => Ok(()),
    }
}

fn check_range(range: ContentLengthRange) -> Result<(), InvalidSpec> {
    let field = "spec.post.contentLengthRange";
    let ContentLengthRange { min, max } = range;
    let min = min.unwrap_or_default();
    let fault = if max > MAX_UPLOAD {
        format!("{max} bytes is more than S3 takes in one POST; give at most {MAX_UPLOAD} (5 GiB)")
    } else if min > max {
        format!("min is {min} and max is {max}, so no upload fits; give a min of at most max")
    } else {
        return Ok(());
    };
    Err(InvalidSpec::new(field, fault))
}

/// A field of a form: S3 expands `${filename}` in every one of them to what the sender chooses.
fn form_field(field: &str, value: Option<&str>, max: usize) -> Result<(), InvalidSpec> {
    printable(field, value, max)?;
    match value {
        Some(value) if value.contains("${") => Err(InvalidSpec::new(
            field,
            format!(
                "{} holds \"${{\", which forms expand; leave it out",
                quoted(value)
            ),
        )),
        _ => Ok(()),
    }
}

fn check_metadata(field: &str, metadata: &BTreeMap<String, String>) -> Result<(), InvalidSpec> {
    if metadata.len() > MAX_METADATA_ENTRIES {
        let message = format!(
            "{} entries are too many; give at most {MAX_METADATA_ENTRIES}",
            metadata.len()
        );
        return Err(InvalidSpec::new(field, message));
    }
    for (name, value) in metadata {
        let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let named = (1..=64).contains(&name.len())
            && name.starts_with(part)
            && name.chars().all(|c| part(c) || c == '-');
        if !named {
            let message = format!(
                "the name {} does not fit in a header; give 1 to 64 lower-case letters, digits and hyphens that \
                 begin with a letter or digit",
                quoted(name)
            );
            return Err(InvalidSpec::new(field, message));
        }
        printable(&format!("{field}[{name}]"), Some(value), 1024)?;
    }
    let size: usize = metadata
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if size > MAX_METADATA {
        let message = format!(
            "names and values have {size} bytes together; S3 takes at most {MAX_METADATA}, so shorten them"
        );
        return Err(InvalidSpec::new(field, message));
    }
    Ok(())
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), InvalidSpec> {
    let field = "spec.put.tagging";
    if tags.len() > MAX_TAGS {
        let message = format!(
            "{} tags are too many; S3 takes at most {MAX_TAGS}",
            tags.len()
        );
        return Err(InvalidSpec::new(field, message));
    }
    let fits = |text: &str, max: usize| {
        text.len() <= max
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || " +=._:/@-".contains(c))
    };
    for (key, value) in tags {
        if key.is_empty() || !fits(key, 128) || !fits(value, 256) {
            let message = format!(
                "the tag {} with the value {} is not in the form that S3 takes; give a key of 1 to 128 and a value of \
                 at most 256 letters, digits, spaces and + - = . _ : / @",
                quoted(key),
                quoted(value)
            );
            return Err(InvalidSpec::new(field, message));
        }
    }
    Ok(())
}

//! The flags of a request's options, one for each field of `spec.get`, `spec.put` and `spec.post`.
//!
//! What holds here: the blocks are filled from the flags and parsed as a resource's are, so that a flag takes
//! what its field takes; a message names the flag. A flag of another method is refused, never dropped.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use presigned_core::api::{
    ContentLengthRange, GetOptions, IfNoneMatch, Method, PostOptions, PresignedUrlSpec, PutOptions,
    RequestPayer, ServerSideEncryption,
};
use presigned_core::request::InvalidSpec;

use crate::plugin::exit::Failure;

/// What is signed besides the object.
#[derive(Args, Clone, Debug, Default)]
pub struct OptionArgs {
    /// The version of the object.
    #[arg(long, value_name = "ID", help_heading = "GET and HEAD")]
    version_id: Option<String>,
    /// Content-Type of the answer.
    #[arg(long, value_name = "TYPE", help_heading = "GET and HEAD")]
    response_content_type: Option<String>,
    /// Content-Disposition of the answer, for example 'attachment; filename="report.pdf"'.
    #[arg(long, value_name = "VALUE", help_heading = "GET and HEAD")]
    response_content_disposition: Option<String>,
    /// Content-Encoding of the answer.
    #[arg(long, value_name = "VALUE", help_heading = "GET and HEAD")]
    response_content_encoding: Option<String>,
    /// Content-Language of the answer.
    #[arg(long, value_name = "VALUE", help_heading = "GET and HEAD")]
    response_content_language: Option<String>,
    /// Cache-Control of the answer.
    #[arg(long, value_name = "VALUE", help_heading = "GET and HEAD")]
    response_cache_control: Option<String>,
    /// The signer's account pays, as a bucket with requester pays demands.
    #[arg(long, value_name = "WHO", help_heading = "GET and HEAD")]
    request_payer: Option<PayerFlag>,

    /// Content-Type of the object.
    #[arg(long, value_name = "TYPE", help_heading = "PUT and POST")]
    content_type: Option<String>,
    /// A canned ACL, for example bucket-owner-full-control.
    #[arg(long, value_name = "ACL", help_heading = "PUT and POST")]
    acl: Option<String>,
    /// User metadata (x-amz-meta-NAME); may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, help_heading = "PUT and POST")]
    metadata: Vec<(String, String)>,

    /// The exact size of the upload in bytes.
    #[arg(long, value_name = "BYTES", help_heading = "PUT")]
    content_length: Option<u64>,
    /// The SHA-256 of the upload in base64: S3 refuses any other content.
    #[arg(long, value_name = "BASE64", help_heading = "PUT")]
    checksum_sha256: Option<String>,
    /// The CRC-64/NVME of the upload in base64: S3 refuses any other content.
    #[arg(long, value_name = "BASE64", help_heading = "PUT")]
    checksum_crc64nvme: Option<String>,
    /// The `ETag` that the object must have, with its quotes.
    #[arg(long, value_name = "ETAG", help_heading = "PUT")]
    if_match: Option<String>,
    /// '*': the upload fails if the object exists already.
    #[arg(long, value_name = "*", help_heading = "PUT")]
    if_none_match: Option<NoneMatchFlag>,
    /// Encryption at rest.
    #[arg(long, value_name = "KIND", help_heading = "PUT")]
    server_side_encryption: Option<EncryptionFlag>,
    /// The KMS key: an ID, an ARN or an alias.
    #[arg(long, value_name = "KEY", help_heading = "PUT")]
    kms_key_id: Option<String>,
    /// The storage class, for example `STANDARD_IA`.
    #[arg(long, value_name = "CLASS", help_heading = "PUT")]
    storage_class: Option<String>,
    /// An object tag; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, help_heading = "PUT")]
    tagging: Vec<(String, String)>,

    /// The sizes that a form accepts: MAX or MIN-MAX, in bytes or with Ki, Mi, Gi. Required with POST.
    #[arg(long, value_name = "[MIN-]MAX", value_parser = range, help_heading = "POST")]
    content_length_range: Option<ContentLengthRange>,
    /// What the Content-Type that the form's sender chooses must begin with, for example image/.
    #[arg(long, value_name = "PREFIX", help_heading = "POST")]
    content_type_prefix: Option<String>,
    /// The status of a successful upload: 200, 201 or 204.
    #[arg(long, value_name = "STATUS", help_heading = "POST")]
    success_action_status: Option<u16>,
    /// Where the browser is sent after a successful upload.
    #[arg(long, value_name = "URL", help_heading = "POST")]
    success_action_redirect: Option<String>,
}

/// Who pays for a request.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum PayerFlag {
    Requester,
}

/// How S3 encrypts the object at rest.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum EncryptionFlag {
    #[value(name = "AES256")]
    Aes256,
    #[value(name = "aws:kms")]
    AwsKms,
}

/// The one condition that S3 knows on a PUT.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum NoneMatchFlag {
    #[value(name = "*")]
    Any,
}

/// Which methods a flag goes with.
const DOWNLOAD: &[Method] = &[Method::Get, Method::Head];
const UPLOAD: &[Method] = &[Method::Put, Method::Post];
const PUT: &[Method] = &[Method::Put];
const POST: &[Method] = &[Method::Post];

impl OptionArgs {
    /// Puts the block of the method into the spec.
    ///
    /// # Errors
    /// If a flag goes with another method, or one that the method needs is not there.
    pub fn fill(self, method: Method, spec: &mut PresignedUrlSpec) -> Result<(), Failure> {
        if let Some((flag, methods)) = self.foreign(method) {
            let methods: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
            return Err(Failure::usage(format!(
                "--{flag} goes with {}, and the method is {}: leave it out, or give another --method",
                methods.join(" and "),
                method.as_str()
            )));
        }
        match method {
            Method::Get | Method::Head => spec.get = Some(Box::new(self.get())),
            Method::Put => spec.put = Some(Box::new(self.put())),
            Method::Delete => {}
            Method::Post => {
                if self.content_length_range.is_none() {
                    return Err(Failure::usage(
                        "--method POST needs --content-length-range: without it a form takes uploads of any size; for \
                         example --content-length-range 1-10Mi",
                    ));
                }
                spec.post = Some(Box::new(self.post()));
            }
        }
        Ok(())
    }

    /// The first flag that was given and goes with other methods.
    fn foreign(&self, method: Method) -> Option<(&'static str, &'static [Method])> {
        let Self {
            version_id,
            response_content_type,
            response_content_disposition,
            response_content_encoding,
            response_content_language,
            response_cache_control,
            request_payer,
            content_type,
            acl,
            metadata,
            content_length,
            checksum_sha256,
            checksum_crc64nvme,
            if_match,
            if_none_match,
            server_side_encryption,
            kms_key_id,
            storage_class,
            tagging,
            content_length_range,
            content_type_prefix,
            success_action_status,
            success_action_redirect,
        } = self;
        let flags: [(&str, bool, &[Method]); 23] = [
            ("version-id", version_id.is_some(), DOWNLOAD),
            (
                "response-content-type",
                response_content_type.is_some(),
                DOWNLOAD,
            ),
            (
                "response-content-disposition",
                response_content_disposition.is_some(),
                DOWNLOAD,
            ),
            (
                "response-content-encoding",
                response_content_encoding.is_some(),
                DOWNLOAD,
            ),
            (
                "response-content-language",
                response_content_language.is_some(),
                DOWNLOAD,
            ),
            (
                "response-cache-control",
                response_cache_control.is_some(),
                DOWNLOAD,
            ),
            ("request-payer", request_payer.is_some(), DOWNLOAD),
            ("content-type", content_type.is_some(), UPLOAD),
            ("acl", acl.is_some(), UPLOAD),
            ("metadata", !metadata.is_empty(), UPLOAD),
            ("content-length", content_length.is_some(), PUT),
            ("checksum-sha256", checksum_sha256.is_some(), PUT),
            ("checksum-crc64nvme", checksum_crc64nvme.is_some(), PUT),
            ("if-match", if_match.is_some(), PUT),
            ("if-none-match", if_none_match.is_some(), PUT),
            (
                "server-side-encryption",
                server_side_encryption.is_some(),
                PUT,
            ),
            ("kms-key-id", kms_key_id.is_some(), PUT),
            ("storage-class", storage_class.is_some(), PUT),
            ("tagging", !tagging.is_empty(), PUT),
            ("content-length-range", content_length_range.is_some(), POST),
            ("content-type-prefix", content_type_prefix.is_some(), POST),
            (
                "success-action-status",
                success_action_status.is_some(),
                POST,
            ),
            (
                "success-action-redirect",
                success_action_redirect.is_some(),
                POST,
            ),
        ];
        let mut foreign = flags
            .into_iter()
            .filter(|(_, given, methods)| *given && !methods.contains(&method));
        foreign.next().map(|(flag, _, methods)| (flag, methods))
    }

    fn get(self) -> GetOptions {
        GetOptions {
            version_id: self.version_id,
            response_content_type: self.response_content_type,
            response_content_disposition: self.response_content_disposition,
            response_content_encoding: self.response_content_encoding,
            response_content_language: self.response_content_language,
            response_cache_control: self.response_cache_control,
            request_payer: self
                .request_payer
                .map(|PayerFlag::Requester| RequestPayer::Requester),
        }
    }

    fn put(self) -> PutOptions {
        PutOptions {
            content_type: self.content_type,
            content_length: self.content_length,
            checksum_sha256: self.checksum_sha256,
            checksum_crc64nvme: self.checksum_crc64nvme,
            if_match: self.if_match,
            if_none_match: self
                .if_none_match
                .map(|NoneMatchFlag::Any| IfNoneMatch::Any),
            server_side_encryption: self.server_side_encryption.map(|kind| match kind {
                EncryptionFlag::Aes256 => ServerSideEncryption::AES256,
                EncryptionFlag::AwsKms => ServerSideEncryption::AwsKms,
            }),
            kms_key_id: self.kms_key_id,
            storage_class: self.storage_class,
            acl: self.acl,
            metadata: entries(self.metadata),
            tagging: entries(self.tagging),
        }
    }

    fn post(self) -> PostOptions {
        PostOptions {
            content_length_range: self.content_length_range,
            content_type: self.content_type,
            content_type_prefix: self.content_type_prefix,
            acl: self.acl,
            success_action_status: self.success_action_status,
            success_action_redirect: self.success_action_redirect,
            metadata: entries(self.metadata),
        }
    }
}

fn entries(pairs: Vec<(String, String)>) -> Option<BTreeMap<String, String>> {
    (!pairs.is_empty()).then(|| pairs.into_iter().collect())
}

/// `NAME=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=');
    let (name, value) = pair.ok_or("it has no '=': give NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// `MAX` or `MIN-MAX`.
fn range(text: &str) -> Result<ContentLengthRange, String> {
    let (min, max) = match text.split_once('-') {
        Some((min, max)) => (Some(bytes(min)?), max),
        None => (None, text),
    };
    Ok(ContentLengthRange {
        min,
        max: bytes(max)?,
    })
}

/// A number of bytes.
fn bytes(text: &str) -> Result<u64, String> {
    let units = [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("", 1)];
    let number = units
        .into_iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
    number
        .and_then(|(number, bytes): (&str, u64)| number.parse::<u64>().ok()?.checked_mul(bytes))
        .ok_or_else(|| "give bytes, or a number with Ki, Mi or Gi, for example 1-10Mi".to_owned())
}

/// Fields of the API whose flags are not called as they are.
const RENAMED: [(&str, &str); 6] = [
    ("duration", "expires-in"),
    ("versionID", "version-id"),
    ("kmsKeyID", "kms-key-id"),
    ("checksumSHA256", "checksum-sha256"),
    ("checksumCRC64NVME", "checksum-crc64nvme"),
    ("contentLengthRange", "content-length-range"),
];

/// The same about the flag that fills the field.
pub fn about_flag(error: &InvalidSpec) -> Failure {
    let InvalidSpec { field, message } = error;
    let name = field.rsplit('.').next().unwrap_or(field);
    let (name, entry) = name.split_once('[').unwrap_or((name, ""));
    let subject = match name {
        "bucket" | "key" | "prefix" => "the s3:// URL".to_owned(),
        name => format!("--{}", flag(name)),
    };
    let entry = entry.trim_end_matches(']');
    let entry = if entry.is_empty() {
        String::new()
    } else {
        format!(" {entry}")
    };
    Failure::usage(format!("{subject}{entry}: {}", with_flags(message)))
}

/// A field's name as a flag.
fn flag(field: &str) -> String {
    if let Some((_, flag)) = RENAMED.iter().find(|(name, _)| *name == field) {
        return (*flag).to_owned();
    }
    let mut flag = String::new();
    for c in field.chars() {
        if c.is_ascii_uppercase() {
            flag.push('-');
        }
        flag.push(c.to_ascii_lowercase());
    }
    flag
}

/// A sentence that names fields, with their flags. Only words in camel case are fields.
fn with_flags(message: &str) -> String {
    let field = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let camel = bare.starts_with(|c: char| c.is_ascii_lowercase())
            && bare.contains(|c: char| c.is_ascii_uppercase())
            && bare.chars().all(|c| c.is_ascii_alphanumeric());
        let quoted = word.contains('"');
        (camel && !quoted).then(|| word.replace(bare, &format!("--{}", flag(bare))))
    };
    let words = message
        .split(' ')
        .map(|word| field(word).unwrap_or_else(|| word.to_owned()));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;

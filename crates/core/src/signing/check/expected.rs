//! What a URL of given options must hold: its query parameters and headers, no more and no fewer.
//!
//! What holds here: written down a second time and on its own, from the S3 API reference. Options are taken
//! apart exhaustively: a new one does not compile until it is expected.

use std::collections::BTreeMap;

use super::read::encode;
use super::signature::{ALGORITHM, ExpectedSignature};
use crate::api::{GetOptions, Method, PutOptions, RequestPayer, ServerSideEncryption};
use crate::request::{Key, Options};

/// A URL that was allowed, as plain data. Make it from the grant and the store, not from what the signer was
/// given.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedUrl<'a> {
    /// The object's key.
    pub key: &'a Key,
    /// The method. `Options` of another method are a mismatch.
    pub method: Method,
    /// The grant's effective options.
    pub options: &'a Options,
    /// Where it goes, whose signature it holds and how long it lives.
    pub signature: ExpectedSignature<'a>,
}

/// How a query parameter is checked.
pub(super) enum Param {
    Exactly(String),
    Credential,
    Date,
    Expires,
    SignedHeaders,
    Signature,
    Token,
}

/// The query parameters, by name.
pub(super) fn params(expected: &ExpectedUrl<'_>) -> BTreeMap<&'static str, Param> {
    let exactly = |text: &str| Param::Exactly(text.to_owned());
    let mut params = BTreeMap::from([
        ("X-Amz-Algorithm", exactly(ALGORITHM)),
        ("X-Amz-Credential", Param::Credential),
        ("X-Amz-Date", Param::Date),
        ("X-Amz-Expires", Param::Expires),
        ("X-Amz-SignedHeaders", Param::SignedHeaders),
        ("X-Amz-Signature", Param::Signature),
    ]);
    if expected.signature.session {
        params.insert("X-Amz-Security-Token", Param::Token);
    }
    let (operation, get) = match expected.options {
        Options::Get(get) => (Some("GetObject"), Some(get)),
        Options::Head(get) => (None, Some(get)),
        Options::Post(_) => (None, None),
        Options::Put(_) => (Some("PutObject"), None),
        Options::Delete => (Some("DeleteObject"), None),
    };
    params.extend(operation.map(|operation| ("x-id", exactly(operation))));
    if let Some(GetOptions {
        version_id,
        response_content_type,
        response_content_disposition,
        response_content_encoding,
        response_content_language,
        response_cache_control,
        request_payer: _, // A header.
    }) = get
    {
        let overrides = [
            ("versionId", version_id),
            ("response-content-type", response_content_type),
            ("response-content-disposition", response_content_disposition),
            ("response-content-encoding", response_content_encoding),
            ("response-content-language", response_content_language),
            ("response-cache-control", response_cache_control),
        ];
        for (name, value) in overrides {
            params.extend(value.as_deref().map(|value| (name, exactly(value))));
        }
    }
    params
}

/// The headers that the client must send, by lower-case name, without `host`.
pub(super) fn headers(options: &Options) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    let put = match options {
        Options::Put(put) => put,
        Options::Get(get) | Options::Head(get) => {
            if let Some(RequestPayer::Requester) = get.request_payer {
                headers.insert("x-amz-request-payer".to_owned(), "requester".to_owned());
            }
            return headers;
        }
        Options::Delete | Options::Post(_) => return headers,
    };
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
    let mut put = |name: &str, value: Option<String>| {
        headers.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("content-type", content_type.clone());
    put(
        "content-length",
        content_length.map(|size| size.to_string()),
    );
    put("if-match", if_match.clone());
    put("if-none-match", if_none_match.map(|_| String::from("*")));
    put("x-amz-checksum-sha256", checksum_sha256.clone());
    put("x-amz-checksum-crc64nvme", checksum_crc64nvme.clone());
    let encryption = server_side_encryption.map(|encryption| match encryption {
        ServerSideEncryption::AES256 => String::from("AES256"),
        ServerSideEncryption::AwsKms => String::from("aws:kms"),
    });
    put("x-amz-server-side-encryption", encryption);
    put(
        "x-amz-server-side-encryption-aws-kms-key-id",
        kms_key_id.clone(),
    );
    put("x-amz-storage-class", storage_class.clone());
    put("x-amz-acl", acl.clone());
    let tags: Vec<_> = tagging
        .iter()
        .flatten()
        .map(|(key, value)| [encode(key), encode(value)].join("="))
        .collect();
    put("x-amz-tagging", (!tags.is_empty()).then(|| tags.join("&")));
    for (name, value) in metadata.iter().flatten() {
        put(&format!("x-amz-meta-{name}"), Some(value.clone()));
    }
    headers
}

//! The signature of one page of `ListObjectsV2`, and of a request for a setting of a bucket.
//!
//! What holds here: both address the bucket as its URLs do.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::credentials::Credentials;
use super::headers::{SignedRequest, Unsigned, sign_headers};
use super::query::{Query, REQUEST_PAYER, SignError, bucket_url};
use super::target::Target;
use crate::api::{Method, RequestPayer};
use crate::request::{Bucket, Prefix};

/// One page of a listing.
#[derive(Clone, Copy, Debug)]
pub struct ListPage<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// What the keys begin with.
    pub prefix: &'a Prefix,
    /// The token that the page before named; `None` for the first page.
    pub token: Option<&'a str>,
    /// The most keys in the page.
    pub max_keys: u32,
    /// Who pays for the request.
    pub request_payer: Option<RequestPayer>,
}

/// A request for a setting of a bucket.
#[derive(Clone, Copy, Debug)]
pub struct BucketSetting<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// GET reads the setting, PUT replaces it, DELETE removes it.
    pub method: Method,
    /// The setting's name in the query, for example `cors`.
    pub name: &'a str,
    /// What is sent.
    pub body: &'a str,
}

/// Signs the request for a page: keys are requested percent-encoded, since XML cannot hold every key.
///
/// # Errors
/// Credentials that cannot sign.
pub fn sign_page(
    page: &ListPage<'_>,
    target: &Target,
    creds: &Credentials,
    signed_at: Timestamp,
) -> Result<SignedRequest, SignError> {
    let &ListPage {
        bucket,
        prefix,
        token,
        max_keys,
        request_payer,
    } = page;
    let mut url = bucket_url(target, bucket);
    url.push('/');
    let mut query = Query::of(&mut url);
    query.push("list-type", "2");
    if let Some(token) = token {
        query.push("continuation-token", token);
    }
    query.push("encoding-type", "url");
    query.push("max-keys", &max_keys.to_string());
    query.push("prefix", prefix.as_str());
    let payer = request_payer.map(|payer| (REQUEST_PAYER, payer.as_str()));
    let request = Unsigned {
        method: Method::Get,
        url,
        headers: payer.as_slice(),
        body: &[],
    };
    sign_headers(request, &target.region, creds, signed_at)
}

/// Signs the request for a setting. A body goes with its SHA-256, without which S3 takes no setting.
///
/// # Errors
/// Credentials that cannot sign.
pub fn sign_setting(
    setting: &BucketSetting<'_>,
    target: &Target,
    creds: &Credentials,
    signed_at: Timestamp,
) -> Result<SignedRequest, SignError> {
    let &BucketSetting {
        bucket,
        method,
        name,
        body,
    } = setting;
    let mut url = bucket_url(target, bucket);
    url.push('/');
    Query::of(&mut url).push(name, "");
    let checksum = BASE64_STANDARD.encode(Sha256::digest(body));
    let headers: &[(&str, &str)] = if body.is_empty() {
        &[]
    } else {
        &[
            ("content-type", "application/xml"),
            ("x-amz-checksum-sha256", &checksum),
        ]
    };
    let request = Unsigned {
        method,
        url,
        headers,
        body: body.as_bytes(),
    };
    sign_headers(request, &target.region, creds, signed_at)
}

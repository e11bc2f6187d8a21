//! Checks that a finished URL is the allowed one: promise 3.
//!
//! What holds here: nothing of the signer is used, neither its code nor its tables nor its encoder. The URL
//! is read as a server reads it and compared with the grant part by part; everything unexpected is refused,
//! so that a parameter or header that nobody thought of cannot pass. Only the canonical spelling of a URL
//! passes, so that no two servers can read it differently. A [`Mismatch`] names the difference and repeats
//! nothing of the URL.
//!
//! The check cannot see whether the signature is valid: tests prove that with an independent verifier.

mod expected;
mod form;
mod mismatch;
mod policy_document;
mod read;
mod signature;
#[cfg(test)]
mod tests;

use super::presigned::Presigned;
use super::target::Style;
use crate::api::Method;
use crate::request::Options;
pub use expected::ExpectedUrl;
use expected::Param;
pub use form::{ExpectedForm, check_form};
pub use mismatch::Mismatch;
use read::Url;
pub use signature::ExpectedSignature;
use signature::check_signature;

/// Refuses a finished URL that differs in anything from the allowed one.
pub fn check(presigned: &Presigned, expected: &ExpectedUrl<'_>) -> Result<(), Mismatch> {
    let Presigned {
        method,
        url,
        headers,
    } = presigned;
    check_method(*method, expected)?;
    let url = Url::read(url.expose())?;
    check_place(&url, expected)?;
    check_params(&url, expected)?;
    check_headers(headers, expected)
}

fn check_method(method: Method, expected: &ExpectedUrl<'_>) -> Result<(), Mismatch> {
    let of_options = match expected.options {
        Options::Get(_) => Method::Get,
        Options::Head(_) => Method::Head,
        Options::Put(_) => Method::Put,
        Options::Delete => Method::Delete,
        // A form is no URL.
        Options::Post(_) => return Err(Mismatch::Method),
    };
    let same = method == expected.method && of_options == expected.method;
    same.then_some(()).ok_or(Mismatch::Method)
}

fn check_place(url: &Url<'_>, expected: &ExpectedUrl<'_>) -> Result<(), Mismatch> {
    let ExpectedSignature { style, bucket, .. } = expected.signature;
    expected.signature.check_origin(url.scheme, url.authority)?;
    let rest = expected.signature.after_path(&url.path)?;
    let key = match style {
        Style::VirtualHost | Style::BucketEndpoint => rest,
        Style::Path => match rest.split_once('/') {
            Some((in_path, key)) if in_path == bucket.as_str() => key,
            _ => return Err(Mismatch::Bucket),
        },
    };
    (key == expected.key.as_str())
        .then_some(())
        .ok_or(Mismatch::Key)
}

fn check_params(url: &Url<'_>, expected: &ExpectedUrl<'_>) -> Result<(), Mismatch> {
    let wanted = expected::params(expected);
    for (name, value) in &url.params {
        let (known, param) = wanted
            .get_key_value(name.as_str())
            .ok_or(Mismatch::UnexpectedParameter)?;
        match param {
            Param::Exactly(wanted) if value == wanted => {}
            Param::Exactly(_) => return Err(Mismatch::Parameter(known)),
            Param::Credential => expected.signature.check_credential(value)?,
            Param::Date if *value == expected.signature.date() => {}
            Param::Date => return Err(Mismatch::SignedAt),
            Param::Expires => check_life(value, expected)?,
            Param::SignedHeaders => check_signed_headers(value, expected)?,
            Param::Token if value.is_empty() => return Err(Mismatch::Parameter(known)),
            Param::Token => {}
            Param::Signature => check_signature(value)?,
        }
    }
    match wanted.keys().find(|name| !url.params.contains_key(**name)) {
        Some(missing) => Err(Mismatch::MissingParameter(missing)),
        None => Ok(()),
    }
}

fn check_life(expires: &str, expected: &ExpectedUrl<'_>) -> Result<(), Mismatch> {
    (expires == expected.signature.life()?.to_string())
        .then_some(())
        .ok_or(Mismatch::Life)
}

fn check_signed_headers(names: &str, expected: &ExpectedUrl<'_>) -> Result<(), Mismatch> {
    let mut wanted: Vec<String> = expected::headers(expected.options).into_keys().collect();
    wanted.push("host".to_owned());
    wanted.sort_unstable();
    (names == wanted.join(";"))
        .then_some(())
        .ok_or(Mismatch::SignedHeaders)
}

fn check_headers(headers: &[(String, String)], expected: &ExpectedUrl<'_>) -> Result<(), Mismatch> {
    let mut wanted = expected::headers(expected.options);
    let every = wanted.clone();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        match wanted.remove(&name) {
            Some(allowed) if allowed == *value => {}
            Some(_) => return Err(Mismatch::Header),
            None if every.contains_key(&name) => return Err(Mismatch::RepeatedHeader),
            None => return Err(Mismatch::UnexpectedHeader),
        }
        if !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return Err(Mismatch::HeaderNotPrintable);
        }
    }
    wanted
        .is_empty()
        .then_some(())
        .ok_or(Mismatch::MissingHeader)
}

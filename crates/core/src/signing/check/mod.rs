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
mod policy_document;
mod read;
mod signature;
#[cfg(test)]
mod tests;

use thiserror::Error;

use super::presigned::Presigned;
use super::target::Style;
use crate::api::Method;
use crate::request::{Key, Options};
use expected::Param;
pub use form::{ExpectedForm, check_form};
use read::Url;
pub use signature::ExpectedSignature;
use signature::check_signature;

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

/// What differs between a finished URL or form and what was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// It is no URL in canonical spelling.
    #[error("the URL is not written in canonical form")]
    Malformed,
    /// http for https or the reverse.
    #[error("the URL's scheme is not the endpoint's")]
    Scheme,
    /// Another host, port or, by virtual host, bucket; or user information.
    #[error("the URL's host, port or virtual-host bucket is not the allowed one")]
    Authority,
    /// Another bucket in the path.
    #[error("the URL's bucket is not the allowed one")]
    Bucket,
    /// Another key.
    #[error("the URL's key is not the allowed one")]
    Key,
    /// Another method, or options of another method.
    #[error("the method is not the allowed one")]
    Method,
    /// A query parameter is missing.
    #[error("the URL lacks the query parameter {0}")]
    MissingParameter(&'static str),
    /// A query parameter that was not expected. It is not named: its name was not ours.
    #[error("the URL holds a query parameter that was not allowed")]
    UnexpectedParameter,
    /// A query parameter stands twice.
    #[error("the URL holds a query parameter twice")]
    RepeatedParameter,
    /// A query parameter has another value.
    #[error("the URL's query parameter {0} is not what was allowed")]
    Parameter(&'static str),
    /// The credential is of another key.
    #[error("the URL was signed with another access key")]
    AccessKey,
    /// The credential scope has another date.
    #[error("the date of the URL's credential scope is not the signing date")]
    ScopeDate,
    /// The credential scope has another region.
    #[error("the region of the URL's credential scope is not the store's")]
    Region,
    /// The credential scope is not S3's.
    #[error("the URL's credential scope is not one of S3")]
    Service,
    /// The life begins at another time.
    #[error("the URL was signed for another time")]
    SignedAt,
    /// The life is another than was planned.
    #[error("the URL's life is not the planned one")]
    Life,
    /// The life ends later than anything allows.
    #[error("the URL lives longer than policy, credentials and store allow")]
    LivesTooLong,
    /// Other headers are signed than were expected.
    #[error("the URL's signed headers are not the allowed ones")]
    SignedHeaders,
    /// A header that the client must send is missing.
    #[error("a signed header is not among those that the client is told to send")]
    MissingHeader,
    /// A header that was not expected.
    #[error("the client is told to send a header that was not allowed")]
    UnexpectedHeader,
    /// A header stands twice.
    #[error("the client is told to send a header twice")]
    RepeatedHeader,
    /// A header has another value.
    #[error("the value of a header that the client must send is not what was allowed")]
    Header,
    /// A header's value would end its line or is not printable.
    #[error("the value of a header that the client must send is not printable ASCII")]
    HeaderNotPrintable,
    /// The signature has not the form of one.
    #[error("the URL's signature has not the form of one")]
    Signature,
    /// A form's policy is not base64 of JSON that reads in one way only.
    #[error("the form's policy document is not written in canonical form")]
    MalformedPolicy,
    /// The policy ends at another time than was planned.
    #[error("the form's policy document ends at another time than was planned")]
    Expiration,
    /// A condition is missing.
    #[error("the form's policy document lacks the condition on {0}")]
    MissingCondition(&'static str),
    /// A condition that was not expected. It is not named: its name was not ours.
    #[error("the form's policy document holds a condition that was not allowed")]
    UnexpectedCondition,
    /// Two conditions on one thing.
    #[error("the form's policy document holds two conditions on {0}")]
    RepeatedCondition(&'static str),
    /// A condition allows something else.
    #[error("the condition on {0} in the form's policy document is not what was allowed")]
    Condition(&'static str),
    /// A field is missing.
    #[error("the form lacks the field {0}")]
    MissingField(&'static str),
    /// A field that was not expected.
    #[error("the form holds a field that was not allowed")]
    UnexpectedField,
    /// A field stands twice.
    #[error("the form holds the field {0} twice")]
    RepeatedField(&'static str),
    /// A field has another value.
    #[error("the form's field {0} is not what was allowed")]
    Field(&'static str),
    /// A value that S3 would fill in.
    #[error("the form holds a value that the name of the sent file would change")]
    FileName,
    /// A form without a bound on sizes, or with an empty one.
    #[error("the form is not bound to a range of sizes")]
    Unbounded,
}

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
    let key = match style {
        Style::VirtualHost => url.path.as_str(),
        Style::Path => match url.path.split_once('/') {
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

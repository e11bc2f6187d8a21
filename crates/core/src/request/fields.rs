//! Forms of single fields: what Kubernetes and HTTP accept as a name, a word or the value of a header.
//!
//! What holds here: a value that passes cannot begin a new line or a new header, whatever file it is written
//! to later.

use super::error::InvalidSpec;
use crate::text::quoted;

/// A DNS label (RFC 1123): the name of an endpoint or of a class.
pub(super) fn dns_label(field: &str, value: &str) -> Result<(), InvalidSpec> {
    if is_dns_label(value) {
        return Ok(());
    }
    let message = format!(
        "{} is not a name; give 1 to 63 lower-case letters, digits and hyphens that begin and end with a letter or digit",
        quoted(value)
    );
    Err(InvalidSpec::new(field, message))
}

/// A DNS subdomain (RFC 1123): the name of a store or of a Secret.
pub(super) fn dns_subdomain(field: &str, value: &str) -> Result<(), InvalidSpec> {
    if is_dns_subdomain(value) {
        return Ok(());
    }
    let message = format!(
        "{} is not a resource's name; give at most 253 lower-case letters, digits, hyphens and dots, \
         each part beginning and ending with a letter or digit",
        quoted(value)
    );
    Err(InvalidSpec::new(field, message))
}

/// Whether the text is a DNS subdomain as Kubernetes takes it: it bounds the whole, and no part by itself.
pub(crate) fn is_dns_subdomain(value: &str) -> bool {
    value.len() <= 253 && value.split('.').all(is_part_of_name)
}

/// Whether the text is a DNS label (RFC 1123).
#[must_use]
pub fn is_dns_label(value: &str) -> bool {
    value.len() <= 63 && is_part_of_name(value)
}

fn is_part_of_name(value: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !value.is_empty()
        && value.chars().all(|c| alphanumeric(c) || c == '-')
        && value.starts_with(alphanumeric)
        && value.ends_with(alphanumeric)
}

/// A header's value: printable ASCII that neither begins nor ends with a space, since clients and proxies
/// trim those.
pub(super) fn printable(field: &str, value: Option<&str>, max: usize) -> Result<(), InvalidSpec> {
    let Some(value) = value else { return Ok(()) };
    let fault = if value.is_empty() {
        "is empty; leave the field out, or give a value".to_owned()
    } else if value.len() > max {
        format!("has {} bytes; give at most {max}", value.len())
    } else if !value.bytes().all(|b| matches!(b, b' '..=b'~')) {
        "holds a character that is not printable ASCII, and HTTP headers take no other; leave it out".to_owned()
    } else if value.starts_with(' ') || value.ends_with(' ') {
        "begins or ends with a space, which clients drop; leave it out".to_owned()
    } else {
        return Ok(());
    };
    Err(InvalidSpec::new(
        field,
        format!("{} {fault}", quoted(value)),
    ))
}

/// A word of known characters.
pub(super) fn in_form(
    field: &str,
    value: Option<&str>,
    max: usize,
    is_part: impl Fn(char) -> bool,
    remedy: &str,
) -> Result<(), InvalidSpec> {
    match value {
        Some(value) if value.is_empty() || value.len() > max || !value.chars().all(is_part) => {
            let message = format!(
                "{} is not in the form that S3 takes; {remedy}",
                quoted(value)
            );
            Err(InvalidSpec::new(field, message))
        }
        _ => Ok(()),
    }
}

pub(super) fn canned_acl(field: &str, acl: Option<&str>) -> Result<(), InvalidSpec> {
    in_form(
        field,
        acl,
        64,
        |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-',
        "give a canned ACL of S3, for example bucket-owner-full-control",
    )
}

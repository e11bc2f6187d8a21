//! The namespace that a decision is about.
//!
//! What holds here: a policy sees of a namespace its name and labels, and nothing else.

use std::collections::BTreeMap;

use crate::request::is_dns_subdomain;

/// The namespace that requests.
#[derive(Clone, Copy, Debug)]
pub struct Namespace<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its labels, as the API server holds them.
    pub labels: &'a BTreeMap<String, String>,
}

/// Whether Kubernetes accepts the text as a label's key.
pub(super) fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_label_name(key),
        Some((domain, name)) => is_dns_subdomain(domain) && is_label_name(name),
    }
}

/// Whether Kubernetes accepts the text as a label's key without a domain, or as a value.
pub(super) fn is_label_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
}

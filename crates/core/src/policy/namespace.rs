//! The namespace that a decision is about.
//!
//! What holds here: a policy sees of a namespace its name and labels, and nothing else.

use std::collections::BTreeMap;

/// The namespace that requests.
#[derive(Clone, Copy, Debug)]
pub struct Namespace<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its labels, as the API server holds them.
    pub labels: &'a BTreeMap<String, String>,
}

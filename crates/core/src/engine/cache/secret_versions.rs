//! The versions of Secrets.
//!
//! What holds here:
//! - Nothing older replaces a known version.

use std::collections::BTreeMap;

use crate::engine::cache::version::{SecretVersion, older};

/// The version of each Secret, by its namespace and name.
#[derive(Debug, Default)]
pub(in crate::engine) struct SecretVersions(BTreeMap<String, BTreeMap<String, SecretVersion>>);

impl SecretVersions {
    /// The version of a Secret. Every plan asks for it.
    pub(in crate::engine) fn get(&self, namespace: &str, name: &str) -> Option<&SecretVersion> {
        self.0.get(namespace)?.get(name)
    }

    /// Stores a version, unless it is outdated. Returns whether it is news.
    pub(super) fn put(&mut self, namespace: &str, name: &str, version: SecretVersion) -> bool {
        let of_namespace = self.0.entry(namespace.to_owned()).or_default();
        let Some(known) = of_namespace.get_mut(name) else {
            of_namespace.insert(name.to_owned(), version);
            return true;
        };
        let is_old = older(&version.resource_version, &known.resource_version);
        if is_old || *known == version {
            return false;
        }
        *known = version;
        true
    }

    /// There is no such Secret any more.
    pub(in crate::engine) fn remove(&mut self, namespace: &str, name: &str) {
        if let Some(of_namespace) = self.0.get_mut(namespace) {
            of_namespace.remove(name);
            if of_namespace.is_empty() {
                self.0.remove(namespace);
            }
        }
    }

    /// Each Secret that is known.
    pub(super) fn names(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().flat_map(|(namespace, of_namespace)| {
            let names = of_namespace.keys();
            names.map(|name| (namespace.clone(), name.clone()))
        })
    }
}

//! What the rules allow a namespace in one store, as patterns of names: the input of policies of other
//! systems.
//!
//! What holds here: in names and methods, a scope is never wider than its rule. A template that does not
//! expand for the namespace has no scope.

use std::collections::BTreeSet;

use super::compile::Rule;
use super::decide::PolicySet;
use super::namespace::Namespace;
use crate::api::PolicyMethod;

/// One bucket pattern and one prefix of one rule, and what may be done there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamespaceScope {
    /// A bucket's name, with `*` for any run of characters.
    pub bucket: String,
    /// What keys begin with; without its last `/` unless it is raw.
    pub prefix: String,
    /// Whether a key may continue within the prefix's last segment. Otherwise a key is the prefix itself, or
    /// continues with a `/`.
    pub raw: bool,
    /// What may be done.
    pub methods: BTreeSet<PolicyMethod>,
    /// Versions may be named.
    pub versions: bool,
    /// ACLs may be set.
    pub acls: bool,
    /// Tags may be set.
    pub tags: bool,
}

impl PolicySet {
    /// What any rule of any readable policy allows the namespace in a store.
    #[must_use]
    pub fn namespace_scopes(
        &self,
        namespace: &Namespace<'_>,
        store: &str,
    ) -> BTreeSet<NamespaceScope> {
        self.selecting(namespace)
            .into_iter()
            .flat_map(|policy| &policy.rules)
            .filter(|rule| rule.stores.iter().any(|glob| glob.matches(store)))
            .flat_map(|rule| scopes_of(rule, namespace))
            .collect()
    }
}

fn scopes_of(rule: &Rule, namespace: &Namespace<'_>) -> Vec<NamespaceScope> {
    let methods: BTreeSet<PolicyMethod> = rule.methods().collect();
    if methods.is_empty() {
        return Vec::new();
    }
    // A pattern that does not expand is shown with a stand-in, which it does not match.
    let buckets = rule.buckets.iter().filter_map(|pattern| {
        let shown = pattern.shown(namespace);
        pattern.matches(namespace, &shown).then_some(shown)
    });
    buckets
        .flat_map(|bucket| {
            let prefixes = rule.prefixes.iter().filter_map(|pattern| {
                let shown = pattern.shown(namespace);
                let (prefix, raw) = match shown.strip_suffix('*') {
                    Some(prefix) => (prefix, true),
                    None => (shown.strip_suffix('/').unwrap_or(&shown), false),
                };
                pattern
                    .expand(namespace)?
                    .covers(prefix)
                    .then(|| NamespaceScope {
                        bucket: bucket.clone(),
                        prefix: prefix.to_owned(),
                        raw,
                        methods: methods.clone(),
                        versions: rule.versions,
                        acls: !rule.upload.acls.is_empty(),
                        tags: !rule.upload.tag_keys.is_empty(),
                    })
            });
            prefixes.collect::<Vec<_>>()
        })
        .collect()
}

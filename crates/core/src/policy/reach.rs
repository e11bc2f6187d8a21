//! What rules let a namespace reach in one store, as patterns of names: for those who write policies of other systems.
//!
//! What holds here: a reach is never wider than the rule that it comes from, as far as names and methods go; a template that does
//! not expand for the namespace reaches nothing.

use std::collections::BTreeSet;

use super::compile::Rule;
use super::decide::{Namespace, PolicySet};
use crate::api::PolicyMethod;

/// One bucket pattern and one prefix of one rule, and what may be done there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reach {
    /// A bucket's name, with `*` for any run of characters.
    pub bucket: String,
    /// What keys begin with; without its last `/` where whole segments are meant.
    pub prefix: String,
    /// Whether the prefix goes on within a segment; else the key is it, or goes on with a `/`.
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
    /// What the namespace may reach in a store by any rule of any policy that can be read.
    #[must_use]
    pub fn reach(&self, namespace: &Namespace<'_>, store: &str) -> BTreeSet<Reach> {
        self.policies
            .values()
            .flatten()
            .filter(|policy| policy.namespaces.selects(namespace))
            .flat_map(|policy| &policy.rules)
            .filter(|rule| rule.stores.iter().any(|glob| glob.matches(store)))
            .flat_map(|rule| reach_of(rule, namespace))
            .collect()
    }
}

fn reach_of(rule: &Rule, namespace: &Namespace<'_>) -> Vec<Reach> {
    let methods = methods(rule);
    if methods.is_empty() {
        return Vec::new();
    }
    // A pattern that matches what it is shown as has expanded: what could not is shown with a stand-in.
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
                pattern.reach(namespace)?.has(prefix).then(|| Reach {
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

fn methods(rule: &Rule) -> BTreeSet<PolicyMethod> {
    [
        (rule.get, PolicyMethod::Get),
        (rule.head, PolicyMethod::Head),
        (rule.put, PolicyMethod::Put),
        (rule.delete, PolicyMethod::Delete),
        (rule.post, PolicyMethod::Post),
        (rule.list, PolicyMethod::List),
    ]
    .into_iter()
    .filter(|(allowed, _)| *allowed)
    .map(|(_, method)| method)
    .collect()
}

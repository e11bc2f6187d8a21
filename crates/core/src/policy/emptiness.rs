//! Policies and rules that can allow nothing.
//!
//! What holds here: they are no error, since a list that is left out allows nothing on purpose of the API.
//! But nobody writes them on purpose, so their status does not say that all is well.

use super::compile::{CompiledPolicy, Rule};
use crate::text::quoted;

impl CompiledPolicy {
    /// What the policy lacks to allow anything; `None` if it can allow something.
    #[must_use]
    pub fn lacks(&self) -> Option<String> {
        if self.namespaces.selects_nothing() {
            let why = "spec.namespaces selects no namespace: give names, or a selector with a requirement";
            return Some(why.to_owned());
        }
        if self.rules.is_empty() {
            return Some("spec.allow holds no rule: add one".to_owned());
        }
        let mut rules = self.rules.iter();
        let all = rules.all(|rule| rule.lacks().is_some());
        all.then(|| self.lacking_rule()).flatten()
    }

    /// The first rule that can allow nothing, and what it lacks.
    #[must_use]
    pub fn lacking_rule(&self) -> Option<String> {
        self.rules.iter().find_map(|rule| {
            let (name, lacks) = (quoted(&rule.name), rule.lacks()?);
            Some(format!("rule {name} allows nothing, since it {lacks}"))
        })
    }
}

impl Rule {
    /// What the rule lacks to allow anything.
    pub(super) fn lacks(&self) -> Option<&'static str> {
        if self.stores.is_empty() {
            Some("names no store: list it in stores")
        } else if self.buckets.is_empty() {
            Some("names no bucket: list it in buckets")
        } else if self.prefixes.is_empty() {
            Some("names no prefix: list it in prefixes, or give * for the whole bucket")
        } else if self.methods().next().is_none() {
            Some("names no method: list it in methods")
        } else if self.list && self.methods().count() == 1 {
            Some("allows LIST alone, which is for GET of a prefix: add GET to methods")
        } else {
            None
        }
    }
}

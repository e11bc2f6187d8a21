//! What the rules allow in one store to all namespaces together: the input of the policy of the identity that
//! signs for all of them.
//!
//! What holds here: a scope is as wide as its rule and no wider. A template that names a namespace stands for
//! the names that the policy gives, and for any where it gives none; if the namespaces are given, it stands
//! for theirs alone.

use std::collections::BTreeSet;

use super::compile::{CompiledPolicy, Rule};
use super::decide::PolicySet;
use super::namespace::Namespace;
use super::pattern::{BucketPattern, Glob, Part, Template};
use crate::api::PolicyMethod;
use crate::request::DEFAULT_KMS_KEY;

/// A part of a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamePart {
    /// This text.
    Text(String),
    /// Any run of characters.
    Any,
}

/// One bucket pattern and one prefix of one rule, and what may be done there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignerScope {
    /// The bucket's name.
    pub bucket: Vec<NamePart>,
    /// What keys begin with; without its last `/` unless it is raw.
    pub prefix: Vec<NamePart>,
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
    /// KMS keys that an upload may name. The account's default key is not among them: its own policy lets the
    /// account use it.
    pub kms_keys: BTreeSet<String>,
}

impl PolicySet {
    /// What the rules of all readable policies allow in a store: to these namespaces, or to any if none are
    /// given.
    #[must_use]
    pub fn signer_scopes(
        &self,
        store: &str,
        namespaces: Option<&[Namespace<'_>]>,
    ) -> BTreeSet<SignerScope> {
        self.readable()
            .flat_map(|policy| {
                let values = match namespaces {
                    Some(namespaces) => namespaces
                        .iter()
                        .filter(|namespace| policy.namespaces.selects(namespace))
                        .map(|namespace| Value::Of(*namespace))
                        .collect(),
                    None => names_of(policy),
                };
                let rules = policy.rules.iter();
                let rules = rules
                    .filter(|rule| rule.stores.iter().any(|glob| glob.matches(store)))
                    .flat_map(|rule| scopes_of(rule, &values));
                rules.collect::<Vec<_>>()
            })
            .collect()
    }
}

/// What a template expands to.
enum Value<'a> {
    /// What this namespace is called and labelled.
    Of(Namespace<'a>),
    /// Namespaces of these names, whatever their labels are.
    Named(&'a Glob),
    /// Any namespace.
    Any,
}

/// The namespaces that the policy can select.
fn names_of(policy: &CompiledPolicy) -> Vec<Value<'_>> {
    if policy.namespaces.selects_nothing() {
        return Vec::new();
    }
    policy.namespaces.names().map_or_else(
        || vec![Value::Any],
        |names| names.iter().map(Value::Named).collect(),
    )
}

fn scopes_of(rule: &Rule, values: &[Value<'_>]) -> Vec<SignerScope> {
    let methods: BTreeSet<PolicyMethod> = rule.methods().collect();
    if methods.is_empty() {
        return Vec::new();
    }
    let mut scopes = Vec::new();
    for value in values {
        for bucket in &rule.buckets {
            let bucket = match bucket {
                BucketPattern::Glob(glob) => Some(parts_of(glob)),
                BucketPattern::Template(template) => expand(template, value),
            };
            for prefix in &rule.prefixes {
                let (template, raw) = prefix.parts();
                let (Some(bucket), Some(prefix)) = (&bucket, expand(template, value)) else {
                    continue;
                };
                scopes.push(SignerScope {
                    bucket: bucket.clone(),
                    prefix,
                    raw,
                    methods: methods.clone(),
                    versions: rule.versions,
                    acls: !rule.upload.acls.is_empty(),
                    tags: !rule.upload.tag_keys.is_empty(),
                    kms_keys: kms_keys(rule),
                });
            }
        }
    }
    scopes
}

fn kms_keys(rule: &Rule) -> BTreeSet<String> {
    let named = rule.upload.kms_keys.iter();
    named
        .filter(|key| *key != DEFAULT_KMS_KEY)
        .cloned()
        .collect()
}

/// The template for these namespaces; `None` if a value cannot be used.
fn expand(template: &Template, value: &Value<'_>) -> Option<Vec<NamePart>> {
    let parts = template.parts().iter().map(|part| match (part, value) {
        (Part::Text(text), _) => Some(vec![NamePart::Text(text.clone())]),
        (part, Value::Of(namespace)) => {
            let value = part.value(namespace)?;
            Some(vec![NamePart::Text(value.to_owned())])
        }
        (Part::Name, Value::Named(glob)) => Some(parts_of(glob)),
        (Part::Name | Part::Label(_), _) => Some(vec![NamePart::Any]),
    });
    let parts: Option<Vec<_>> = parts.collect();
    parts.map(|parts| parts.concat())
}

fn parts_of(glob: &Glob) -> Vec<NamePart> {
    let mut parts = Vec::new();
    for (at, text) in glob.as_str().split('*').enumerate() {
        if at > 0 {
            parts.push(NamePart::Any);
        }
        if !text.is_empty() {
            parts.push(NamePart::Text(text.to_owned()));
        }
    }
    parts
}

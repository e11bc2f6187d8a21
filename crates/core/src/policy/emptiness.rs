//! Policies and rules that can allow nothing.
//!
//! What holds here: they are no error, since a list that is left out allows nothing on purpose of the API.
//! But nobody writes them on purpose, so their status does not say that all is well.

use super::compile::{CompiledPolicy, Rule};
use super::pattern::{BucketPattern, PrefixPattern};
use crate::api::PolicyMethod;
use crate::request::{Bucket, Key};
use crate::text::{all_of, quoted};

/// The longest name of a bucket.
const MAX_BUCKET: usize = 63;

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
    pub(super) fn lacks(&self) -> Option<String> {
        let why = if self.stores.is_empty() {
            "names no store: list it in stores"
        } else if self.buckets.is_empty() {
            "names no bucket: list it in buckets"
        } else if self.prefixes.is_empty() {
            "names no prefix: list it in prefixes, or give * for the whole bucket"
        } else if self.methods().next().is_none() {
            "names no method: list it in methods"
        } else if self.methods().all(|method| method == PolicyMethod::List) {
            "allows LIST alone, which is for GET of a prefix: add GET to methods"
        } else if !self.methods().any(|method| self.can_allow(method)) {
            "takes no form, since it is createOnly, and names no other method: add PUT to methods, or leave createOnly \
             out"
        } else if !self.buckets.iter().any(can_name_a_bucket) {
            return Some(format!(
                "names no bucket that S3 can have, but {}: fix buckets",
                all_of(
                    &self
                        .buckets
                        .iter()
                        .map(BucketPattern::written)
                        .collect::<Vec<_>>()
                )
            ));
        } else if !self.prefixes.iter().any(can_cover_a_key) {
            "names no prefix that a key can have, since each is too long: fix prefixes"
        } else {
            return None;
        };
        Some(why.to_owned())
    }

    /// Whether some request of the method can pass the rule, if the rest of it fits.
    fn can_allow(&self, method: PolicyMethod) -> bool {
        match method {
            PolicyMethod::Get | PolicyMethod::Head | PolicyMethod::Put | PolicyMethod::Delete => {
                true
            }
            // A form cannot carry the condition that nothing is replaced.
            PolicyMethod::Post => !self.upload.create_only,
            PolicyMethod::List => self.get,
        }
    }
}

/// Whether a bucket can have a name that matches, for some namespace.
fn can_name_a_bucket(pattern: &BucketPattern) -> bool {
    let with = |stand_in: &str| match pattern {
        BucketPattern::Glob(glob) => glob.as_str().replace('*', stand_in),
        BucketPattern::Template(template) => template.written_with(stand_in),
    };
    // In the longest names one run must be empty for another to have a character: those are not judged.
    let is_glob = matches!(pattern, BucketPattern::Glob(_));
    let crowded = is_glob && with("").len() <= MAX_BUCKET && with("q").len() > MAX_BUCKET;
    // No name that S3 reserves begins or ends with a q, and three are enough for the shortest name.
    let mut names = ["q", "qqq"].into_iter().map(with);
    crowded || names.any(|name| Bucket::parse(&name).is_ok())
}

/// Whether a key can be covered, for some namespace.
fn can_cover_a_key(pattern: &PrefixPattern) -> bool {
    let (template, raw) = pattern.parts();
    let begin = template.written_with("v");
    Key::parse(&begin).is_ok() || raw && Key::parse(&format!("{begin}v")).is_ok()
}

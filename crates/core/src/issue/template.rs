//! `secretTemplate`: the labels and annotations that a tenant adds to the Secret, checked.
//!
//! What holds here:
//! - A label or annotation can instruct a controller. Keys of Kubernetes, of this operator and of tools that
//!   prune or adopt by them are refused, in any subdomain. An installation adds domains with
//!   `--secret-template-deny`.
//! - Everything that admission refuses is refused here again.

use std::collections::BTreeMap;

use crate::api::SecretTemplate;
use crate::request::{InvalidSpec, is_dns_subdomain};
use crate::text::quoted;

/// The domains whose keys no template may set.
pub(super) const RESERVED: [&str; 5] = [
    "presigned.dev",
    "kubernetes.io",
    "k8s.io",
    "meta.helm.sh",
    "argocd.argoproj.io",
];
/// The most entries of one map.
const MAX_ENTRIES: usize = 32;
/// The longest annotation, in bytes.
const MAX_ANNOTATION: usize = 4096;
/// The longest label value and the longest name part of a key.
const MAX_NAME: usize = 63;

/// The domains whose keys no template may set: [`RESERVED`], and those of the installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedKeys(Vec<String>);

/// A checked template: no key is reserved or malformed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

impl Default for ReservedKeys {
    fn default() -> Self {
        Self(RESERVED.map(str::to_owned).to_vec())
    }
}

impl ReservedKeys {
    /// The built-in domains and those of `--secret-template-deny`: `example.com` refuses `example.com/x` and
    /// `team.example.com/x`.
    ///
    /// # Errors
    /// A sentence that names the entry that is no domain.
    pub fn with<S: AsRef<str>>(denied: impl IntoIterator<Item = S>) -> Result<Self, String> {
        let mut all = Self::default();
        for domain in denied {
            let domain = domain.as_ref();
            if !is_dns_subdomain(domain) {
                return Err(format!(
                    "--secret-template-deny: {} is not a domain: give the part of a key before its slash, for \
                     example example.com",
                    quoted(domain)
                ));
            }
            all.0.push(domain.to_owned());
        }
        Ok(all)
    }

    /// The reserved domain that contains a key's prefix.
    fn containing(&self, prefix: &str) -> Option<&str> {
        self.0.iter().map(String::as_str).find(|domain| {
            prefix
                .strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

impl Template {
    /// Checks `spec.secretTemplate`.
    ///
    /// # Errors
    /// [`InvalidSpec`] for the first entry that is reserved or malformed.
    pub fn parse(
        template: Option<&SecretTemplate>,
        reserved: &ReservedKeys,
    ) -> Result<Self, InvalidSpec> {
        let Some(SecretTemplate {
            labels,
            annotations,
        }) = template
        else {
            return Ok(Self::default());
        };
        Ok(Self {
            labels: checked("labels", labels.as_ref(), reserved, label_problem)?,
            annotations: checked(
                "annotations",
                annotations.as_ref(),
                reserved,
                annotation_problem,
            )?,
        })
    }

    /// The labels to set.
    #[must_use]
    pub const fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// The annotations to set.
    #[must_use]
    pub const fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }
}

fn checked(
    map: &str,
    entries: Option<&BTreeMap<String, String>>,
    reserved: &ReservedKeys,
    problem: fn(&str) -> Option<&'static str>,
) -> Result<BTreeMap<String, String>, InvalidSpec> {
    let field = format!("spec.secretTemplate.{map}");
    let entries = entries.cloned().unwrap_or_default();
    if entries.len() > MAX_ENTRIES {
        return Err(InvalidSpec::new(
            field,
            format!(
                "{} entries are too many: give at most {MAX_ENTRIES}",
                entries.len()
            ),
        ));
    }
    for (key, value) in &entries {
        if let Some(wrong) = key_problem(key, reserved) {
            return Err(InvalidSpec::new(
                field,
                format!("the key {} {wrong}", quoted(key)),
            ));
        }
        if let Some(wrong) = problem(value) {
            return Err(InvalidSpec::new(
                field,
                format!("the value of {} {wrong}", quoted(key)),
            ));
        }
    }
    Ok(entries)
}

fn key_problem(key: &str, reserved: &ReservedKeys) -> Option<String> {
    let name = match key.split_once('/') {
        None => key,
        Some((prefix, name)) => {
            // Kubernetes accepts prefixes of annotations in any case, and domains are compared in lower case.
            if !is_dns_subdomain(prefix) {
                return Some(
                    "has a prefix that is no lower-case DNS name: write it as in example.com/name"
                        .to_owned(),
                );
            }
            if let Some(domain) = reserved.containing(prefix) {
                return Some(format!(
                    "is reserved: keys under {domain} mean something to the cluster's own tools, so choose another"
                ));
            }
            name
        }
    };
    (!is_name(name)).then(|| {
        format!(
            "is malformed: its name has 1 to {MAX_NAME} letters, digits, '-', '_' and '.', and begins and ends with a \
             letter or digit"
        )
    })
}

fn label_problem(value: &str) -> Option<&'static str> {
    (!is_label_value(value)).then_some(
        "is no label value: use at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit",
    )
}

fn annotation_problem(value: &str) -> Option<&'static str> {
    (value.len() > MAX_ANNOTATION).then_some("is too long: give at most 4096 bytes")
}

/// A label's value, which may be empty.
fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_name(text)
}

/// A label's value, or the part of a key after its slash.
fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME
        && bounded_by_alphanumerics(text)
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn bounded_by_alphanumerics(text: &str) -> bool {
    let ends = (text.bytes().next(), text.bytes().next_back());
    matches!(ends, (Some(a), Some(z)) if a.is_ascii_alphanumeric() && z.is_ascii_alphanumeric())
}

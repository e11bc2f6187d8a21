//! Which namespaces a policy can select that cannot be read.
//!
//! What holds here: each part of `spec.namespaces` that can be read by itself narrows the answer, as it does
//! in the policy itself; a part that cannot be read narrows nothing. So a namespace that the policy's writer
//! meant is never left out, and one that the policy can never select is never touched by it.

use serde_json::Value;

use super::namespace::Namespace;
use super::pattern::Glob;
use super::selector::{NamespaceSelector, Requirement};
use crate::api::{LabelRequirement, NamespaceMatch};

/// The namespaces that a policy can select, as far as they can be read. The default is every namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectableNamespaces(Known);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    /// All of `spec.namespaces` can be read: the fault is elsewhere.
    Whole(NamespaceSelector),
    /// Only these parts; what cannot be read may select anything.
    Parts {
        names: Option<Vec<Glob>>,
        labels: Vec<Requirement>,
    },
}

impl Default for Known {
    fn default() -> Self {
        Self::Parts {
            names: None,
            labels: Vec::new(),
        }
    }
}

impl SelectableNamespaces {
    /// Reads `spec.namespaces` of a spec that does not parse as a whole.
    #[must_use]
    pub fn read(spec: &Value) -> Self {
        let namespaces = &spec["namespaces"];
        match serde_json::from_value::<NamespaceMatch>(namespaces.clone()) {
            Ok(parsed) => Self::of(&parsed),
            Err(_) => Self::parts(namespaces),
        }
    }

    /// The namespaces that a policy can select whose fields parse, and do not all mean what they say.
    #[must_use]
    pub fn of(namespaces: &NamespaceMatch) -> Self {
        match NamespaceSelector::compile(namespaces) {
            Ok(selector) => Self(Known::Whole(selector)),
            Err(_) => serde_json::to_value(namespaces)
                .map(|namespaces| Self::parts(&namespaces))
                .unwrap_or_default(),
        }
    }

    fn parts(namespaces: &Value) -> Self {
        let names = namespaces["names"].as_array();
        let selector = &namespaces["selector"];
        let labels = selector["matchLabels"].as_object();
        let labels = labels.into_iter().flatten();
        let labels =
            labels.filter_map(|(key, value)| Requirement::equals(key, value.as_str()?).ok());
        let expressions = selector["matchExpressions"].as_array();
        let expressions = expressions.into_iter().flatten();
        let expressions = expressions.filter_map(|expression| {
            let expression: LabelRequirement = serde_json::from_value(expression.clone()).ok()?;
            Requirement::parse(&expression).ok()
        });
        Self(Known::Parts {
            // One name that cannot be read may be any.
            names: names.and_then(|names| {
                let names = names.iter().map(|name| Glob::parse(name.as_str()?).ok());
                names.collect()
            }),
            labels: labels.chain(expressions).collect(),
        })
    }

    /// Whether the policy can select this namespace.
    pub(super) fn contains(&self, namespace: &Namespace<'_>) -> bool {
        match &self.0 {
            Known::Whole(selector) => selector.selects(namespace),
            Known::Parts { names, labels } => {
                let named = names
                    .as_ref()
                    .is_none_or(|names| names.iter().any(|glob| glob.matches(namespace.name)));
                named
                    && labels
                        .iter()
                        .all(|requirement| requirement.holds(namespace))
            }
        }
    }
}

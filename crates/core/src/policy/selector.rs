//! Which namespaces a policy applies to.
//!
//! What holds here: an empty selector selects nothing, unlike Kubernetes' own. A requirement that cannot be
//! read is an error: without it the policy would apply to more namespaces. Which namespaces a policy *can*
//! select although some of it cannot be read is said by `selectable.rs`.

use super::namespace::{Namespace, is_label_key, is_label_name};
use super::pattern::Glob;
use crate::api::{LabelOperator, LabelRequirement, NamespaceLabels, NamespaceMatch};
use crate::text::quoted;

/// The namespaces of one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamespaceSelector {
    names: Option<Vec<Glob>>,
    labels: Option<Vec<Requirement>>,
}

/// A requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

impl NamespaceSelector {
    /// Compiles `spec.namespaces`; an error names the field below it.
    pub(super) fn compile(spec: &NamespaceMatch) -> Result<Self, (String, String)> {
        let NamespaceMatch { names, selector } = spec;
        let names = names.as_ref().map(|names| {
            let globs = names
                .iter()
                .enumerate()
                .map(|(at, name)| Glob::parse(name).map_err(|why| (format!("names[{at}]"), why)));
            globs.collect::<Result<Vec<_>, _>>()
        });
        Ok(Self {
            names: names.transpose()?,
            labels: selector.as_ref().map(requirements).transpose()?,
        })
    }

    /// The names of the namespaces, if the policy gives any.
    pub(super) fn names(&self) -> Option<&[Glob]> {
        self.names.as_deref()
    }

    /// Whether no namespace can ever be selected.
    pub(super) fn selects_nothing(&self) -> bool {
        let Self { names, labels } = self;
        match (names, labels) {
            (None, None) => true,
            (names, labels) => {
                names.as_ref().is_some_and(Vec::is_empty)
                    || labels.as_ref().is_some_and(Vec::is_empty)
            }
        }
    }

    /// Whether the policy applies to this namespace.
    pub(super) fn selects(&self, namespace: &Namespace<'_>) -> bool {
        let Self { names, labels } = self;
        let named = names
            .as_ref()
            .map(|names| names.iter().any(|glob| glob.matches(namespace.name)));
        let labelled = labels.as_ref().map(|requirements| {
            !requirements.is_empty() && requirements.iter().all(|r| r.holds(namespace))
        });
        match (named, labelled) {
            (None, None) => false,
            (named, labelled) => named.unwrap_or(true) && labelled.unwrap_or(true),
        }
    }
}

impl Requirement {
    /// The requirement of `matchLabels` that this label has this value.
    pub(super) fn equals(key: &str, value: &str) -> Result<Self, String> {
        checked_key(key)?;
        checked_value(value)?;
        Ok(Self {
            key: key.to_owned(),
            test: Test::In(vec![value.to_owned()]),
        })
    }

    /// Reads one of `matchExpressions`.
    pub(super) fn parse(expression: &LabelRequirement) -> Result<Self, String> {
        let LabelRequirement {
            key,
            operator,
            values,
        } = expression;
        checked_key(key)?;
        let values = values.as_deref().unwrap_or_default();
        values.iter().try_for_each(|value| checked_value(value))?;
        let test = match (operator, values) {
            (LabelOperator::In | LabelOperator::NotIn, []) => {
                return Err(format!(
                    "{operator:?} is given without values; list at least one"
                ));
            }
            (LabelOperator::In, values) => Test::In(values.to_vec()),
            (LabelOperator::NotIn, values) => Test::NotIn(values.to_vec()),
            (LabelOperator::Exists, []) => Test::Exists,
            (LabelOperator::DoesNotExist, []) => Test::DoesNotExist,
            (LabelOperator::Exists | LabelOperator::DoesNotExist, _) => {
                return Err(format!(
                    "{operator:?} is given with values, which it ignores; remove them"
                ));
            }
        };
        Ok(Self {
            key: key.clone(),
            test,
        })
    }

    /// Whether the namespace meets it.
    pub(super) fn holds(&self, namespace: &Namespace<'_>) -> bool {
        let value = namespace.labels.get(&self.key);
        match &self.test {
            Test::In(values) => value.is_some_and(|value| values.contains(value)),
            // As in Kubernetes: a namespace without the label has none of the values.
            Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Test::Exists => value.is_some(),
            Test::DoesNotExist => value.is_none(),
        }
    }
}

fn requirements(selector: &NamespaceLabels) -> Result<Vec<Requirement>, (String, String)> {
    let NamespaceLabels {
        match_labels,
        match_expressions,
    } = selector;
    let labels = match_labels.iter().flatten().map(|(key, value)| {
        Requirement::equals(key, value).map_err(|why| ("selector.matchLabels".to_owned(), why))
    });
    let expressions = match_expressions
        .iter()
        .flatten()
        .enumerate()
        .map(|(at, e)| {
            Requirement::parse(e).map_err(|why| (format!("selector.matchExpressions[{at}]"), why))
        });
    labels.chain(expressions).collect()
}

fn checked_key(key: &str) -> Result<(), String> {
    if is_label_key(key) {
        return Ok(());
    }
    Err(format!(
        "{} is not a label's key; give a name, or a domain, / and a name",
        quoted(key)
    ))
}

fn checked_value(value: &str) -> Result<(), String> {
    if value.is_empty() || is_label_name(value) {
        return Ok(());
    }
    Err(format!(
        "{} is not a label's value; give at most 63 letters, digits, hyphens, dots and underscores",
        quoted(value)
    ))
}

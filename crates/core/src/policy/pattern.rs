//! Patterns of names: globs, and templates that expand to what a namespace is called.
//!
//! What holds here: if two namespaces differ in a value that a template names, neither's expanded name
//! reaches the other's data. So a template never touches a `*`, a value never holds `/`, `*` or `..`, and in
//! a prefix a template is a whole segment: `{namespace}-archive/` would be the folder of a namespace that is
//! called so. A bucket's name has no segments; `overlap.rs` finds patterns whose names can meet.

use std::borrow::Cow;

use super::namespace::{Namespace, is_label_key};
use crate::text::quoted;

/// A text with `*` for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(String);

/// A bucket's name with `*`, or with one template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BucketPattern {
    /// Letters, digits, dots, hyphens, underscores and `*`.
    Glob(Glob),
    /// A template without `*`.
    Template(Template),
}

/// A prefix of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PrefixPattern {
    /// What a key begins with: for whole segments without the last `/`, for a raw prefix without the `*`.
    template: Template,
    raw: bool,
}

/// A prefix of keys, expanded for one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExpandedPrefix<'a> {
    begin: Cow<'a, str>,
    raw: bool,
}

/// Texts and the values that stand between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Name,
    Label(String),
}

/// A label of the namespace that a template needs and that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unusable<'a> {
    /// The label's key.
    pub(super) label: &'a str,
    /// Whether it is there, with a value that cannot stand in a name.
    pub(super) present: bool,
}

const FORMS: &str = "write {namespace} or {namespace.labels['KEY']}";

impl Glob {
    /// A pattern of resource names.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let known =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '*');
        if text.is_empty() {
            return Err("\"\" matches nothing; give a name, or remove it".to_owned());
        }
        if text.contains('{') {
            return Err(format!(
                "{} holds a template, and templates expand in buckets and prefixes only; give a name",
                quoted(text)
            ));
        }
        match text.chars().find(|&c| !known(c)) {
            None => Ok(Self(text.to_owned())),
            Some(c) => Err(format!(
                "{} holds {}; give lower-case letters, digits, dots, hyphens and *",
                quoted(text),
                quoted(c.encode_utf8(&mut [0; 4]))
            )),
        }
    }

    /// A pattern of buckets' names, or the part of one beside a template: those of old buckets too.
    fn parse_bucket(text: &str) -> Result<Self, String> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '*');
        if text.is_empty() {
            return Err("\"\" matches nothing; give a name, or remove it".to_owned());
        }
        match text.chars().find(|&c| !known(c)) {
            None => Ok(Self(text.to_owned())),
            Some(c) => Err(format!(
                "{} holds {}; give letters, digits, dots, hyphens, underscores and *",
                quoted(text),
                quoted(c.encode_utf8(&mut [0; 4]))
            )),
        }
    }

    /// A pattern of keys of labels and annotations.
    pub(super) fn parse_key(text: &str) -> Result<Self, String> {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '*');
        if !text.is_empty() && text.chars().all(known) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "{} matches no key of a label or annotation; give letters, digits, dots, hyphens, underscores, / and *, for \
             example example.com/*",
            quoted(text)
        ))
    }

    /// Whether the whole name matches.
    pub(super) fn matches(&self, name: &str) -> bool {
        let mut pieces = self.0.split('*');
        let Some(rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else {
            return false;
        };
        let Some(last) = pieces.next_back() else {
            return rest.is_empty(); // No `*`.
        };
        let Some(middle) = rest.strip_suffix(last) else {
            return false;
        };
        pieces
            .try_fold(middle, |rest, piece| {
                rest.find(piece).map(|at| &rest[at + piece.len()..])
            })
            .is_some()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl BucketPattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if !text.contains(['{', '}']) {
            return Glob::parse_bucket(text).map(Self::Glob);
        }
        let template = Template::parse(text)?;
        if text.contains('*') {
            return Err(format!(
                "{} joins a template with *, so that one namespace reaches the buckets of others; leave one of them out",
                quoted(text)
            ));
        }
        if template.values() > 1 {
            return Err(two_in_a_segment(text, "use one in a bucket's name"));
        }
        for part in &template.0 {
            if let Part::Text(part) = part {
                Glob::parse_bucket(part).map_err(|why| format!("in {}: {why}", quoted(text)))?;
            }
        }
        Ok(Self::Template(template))
    }

    /// Whether the namespace's own form of the pattern is this bucket.
    pub(super) fn matches(&self, namespace: &Namespace<'_>, bucket: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.matches(bucket),
            Self::Template(template) => template.strip(namespace, bucket) == Some(""),
        }
    }

    pub(super) fn unusable<'s>(&'s self, namespace: &Namespace<'_>) -> Option<Unusable<'s>> {
        match self {
            Self::Glob(_) => None,
            Self::Template(template) => template.unusable(namespace),
        }
    }

    /// The pattern as it was written.
    pub(super) fn written(&self) -> String {
        match self {
            Self::Glob(glob) => glob.0.clone(),
            Self::Template(template) => template.written(),
        }
    }

    /// The pattern as it stands for this namespace.
    pub(super) fn shown(&self, namespace: &Namespace<'_>) -> String {
        match self {
            Self::Glob(glob) => glob.0.clone(),
            Self::Template(template) => template.shown(namespace),
        }
    }
}

impl PrefixPattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (body, raw) = match text.strip_suffix('*') {
            Some(body) => (body, true),
            None => (text.strip_suffix('/').unwrap_or(text), false),
        };
        let template = Template::parse(body)?;
        let fault = |what: &str| Err(format!("{} {what}", quoted(text)));
        if text.is_empty() {
            return fault("matches nothing; give a prefix, or * for the whole bucket");
        }
        if body.contains('*') {
            return fault("holds * before its end; a * may only be the last character");
        }
        if text.starts_with('/') {
            return fault("begins with /, and no key does; leave it out");
        }
        if body.contains("${") || body.chars().any(char::is_control) {
            return fault("holds ${ or a control character, and no key does; leave it out");
        }
        // A value never is or holds a whole segment of dots, nor a slash: any letter can stand for it here.
        let segments = template.written_with("v");
        let mut segments: Vec<&str> = segments.split('/').collect();
        if raw {
            segments.pop(); // It goes on in the key.
        }
        if segments.iter().any(|s| matches!(*s, "" | "." | "..")) {
            return fault(
                "holds an empty segment, \".\" or \"..\", and no key does; give the plain path",
            );
        }
        if raw && template.ends_in_value_segment() {
            return fault(
                "has no / between a template and *, so that one namespace reaches the keys of another whose name \
                 begins alike; put / before the *, or leave the * out",
            );
        }
        if template.has_two_values_in_a_segment() {
            return Err(two_in_a_segment(text, "put / between them"));
        }
        if template.has_value_within_a_segment() {
            return fault(
                "holds a template beside other characters, so that it can be the folder of another namespace \
                 (\"{namespace}-archive/\" is that of namespace \"X-archive\"); write it alone between slashes, as in \
                 {namespace}/ or a/{namespace}/b/",
            );
        }
        Ok(Self { template, raw })
    }

    /// The prefix for this namespace; `None` if a value cannot be used.
    pub(super) fn expand(&self, namespace: &Namespace<'_>) -> Option<ExpandedPrefix<'_>> {
        Some(ExpandedPrefix {
            begin: self.template.expand(namespace)?,
            raw: self.raw,
        })
    }

    pub(super) fn unusable<'s>(&'s self, namespace: &Namespace<'_>) -> Option<Unusable<'s>> {
        self.template.unusable(namespace)
    }

    /// What a key begins with, and whether it may go on within the last segment.
    pub(super) const fn parts(&self) -> (&Template, bool) {
        (&self.template, self.raw)
    }

    /// The pattern as it stands for this namespace.
    pub(super) fn shown(&self, namespace: &Namespace<'_>) -> String {
        self.template.shown(namespace) + if self.raw { "*" } else { "/" }
    }
}

impl ExpandedPrefix<'_> {
    /// Whether the key is the prefix or below it, by whole segments unless the prefix is raw.
    pub(super) fn covers(&self, key: &str) -> bool {
        key.strip_prefix(&*self.begin)
            .is_some_and(|rest| self.raw || rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether every key that begins with `prefix` is covered. Unless this prefix is raw, `prefix` must end
    /// in `/`.
    pub(super) fn covers_all_under(&self, prefix: &str) -> bool {
        prefix
            .strip_prefix(&*self.begin)
            .is_some_and(|rest| self.raw || (rest.starts_with('/') && rest.ends_with('/')))
    }
}

impl Template {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(open);
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let Some((inside, after)) =
                from.strip_prefix('{').and_then(|from| from.split_once('}'))
            else {
                return Err(format!(
                    "{} holds a brace without its partner; {FORMS}",
                    quoted(text)
                ));
            };
            let part = Part::of(inside)
                .ok_or_else(|| format!("{} holds an unknown template; {FORMS}", quoted(text)))?;
            parts.push(part);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// What follows the expanded template in the text; `None` if a value cannot be used.
    fn strip<'t>(&self, namespace: &Namespace<'_>, text: &'t str) -> Option<&'t str> {
        self.0.iter().try_fold(text, |rest, part| match part {
            Part::Text(text) => rest.strip_prefix(text.as_str()),
            value => rest.strip_prefix(value.value(namespace)?),
        })
    }

    /// The text for this namespace; `None` if a value cannot be used.
    fn expand(&self, namespace: &Namespace<'_>) -> Option<Cow<'_, str>> {
        if let [Part::Text(text)] = self.0.as_slice() {
            return Some(Cow::Borrowed(text));
        }
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            value => value.value(namespace),
        });
        parts.collect::<Option<String>>().map(Cow::Owned)
    }

    fn unusable<'s>(&'s self, namespace: &Namespace<'_>) -> Option<Unusable<'s>> {
        self.0.iter().find_map(|part| match part {
            Part::Label(label) if part.value(namespace).is_none() => Some(Unusable {
                label,
                present: namespace
                    .labels
                    .get(label)
                    .is_some_and(|value| !value.is_empty()),
            }),
            Part::Text(_) | Part::Name | Part::Label(_) => None,
        })
    }

    fn shown(&self, namespace: &Namespace<'_>) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text,
                value => value.value(namespace).unwrap_or("?"),
            })
            .collect()
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.0
    }

    fn written(&self) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Name => "{namespace}".to_owned(),
            Part::Label(label) => format!("{{namespace.labels['{label}']}}"),
        });
        parts.collect()
    }

    /// The template as it was written, with a stand-in for each value.
    pub(super) fn written_with(&self, stand_in: &str) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text,
                Part::Name | Part::Label(_) => stand_in,
            })
            .collect()
    }

    fn values(&self) -> usize {
        self.0.iter().filter(|part| part.is_value()).count()
    }

    /// Whether a value stands in the last segment.
    fn ends_in_value_segment(&self) -> bool {
        self.0
            .iter()
            .rev()
            .take_while(|part| !matches!(part, Part::Text(text) if text.contains('/')))
            .any(Part::is_value)
    }

    /// Whether a value is less than a whole segment.
    fn has_value_within_a_segment(&self) -> bool {
        let bounds = |part: Option<&Part>, at_edge: fn(&str) -> bool| match part {
            None => true,
            Some(Part::Text(text)) => at_edge(text),
            Some(Part::Name | Part::Label(_)) => false,
        };
        self.0.iter().enumerate().any(|(at, part)| {
            let before = at.checked_sub(1).and_then(|before| self.0.get(before));
            part.is_value()
                && !(bounds(before, |text| text.ends_with('/'))
                    && bounds(self.0.get(at + 1), |text| text.starts_with('/')))
        })
    }

    fn has_two_values_in_a_segment(&self) -> bool {
        let mut seen = false;
        self.0.iter().any(|part| match part {
            Part::Text(text) => {
                seen &= !text.contains('/');
                false
            }
            Part::Name | Part::Label(_) => std::mem::replace(&mut seen, true),
        })
    }
}

impl Part {
    fn of(inside: &str) -> Option<Self> {
        if inside == "namespace" {
            return Some(Self::Name);
        }
        let label = inside
            .strip_prefix("namespace.labels['")?
            .strip_suffix("']")?;
        is_label_key(label).then(|| Self::Label(label.to_owned()))
    }

    const fn is_value(&self) -> bool {
        matches!(self, Self::Name | Self::Label(_))
    }

    /// The value for this namespace; `None` if it cannot stand in a name.
    pub(super) fn value<'n>(&self, namespace: &Namespace<'n>) -> Option<&'n str> {
        let value = match self {
            Self::Text(_) => return None,
            Self::Name => namespace.name,
            Self::Label(label) => namespace.labels.get(label)?.as_str(),
        };
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        let usable = !value.is_empty()
            && value.len() <= 63
            && value.bytes().all(plain)
            && !value.contains("..")
            && value != ".";
        usable.then_some(value)
    }
}

fn two_in_a_segment(text: &str, remedy: &str) -> String {
    format!(
        "{} holds two templates side by side, and a namespace that picks its labels could make another's name of them; \
         {remedy}",
        quoted(text)
    )
}

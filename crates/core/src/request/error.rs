//! Errors of parsing: what was given, what is wrong with it, and what to give.
//!
//! What holds here: foreign text stands in an error quoted and bounded.

use std::fmt;

use crate::text::quoted;

/// A spec that can never be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSpec {
    /// The field, as it is written: `spec.put.contentType`.
    pub field: String,
    /// What was given, what is wrong with it, and what to give.
    pub message: String,
}

/// Why a name was refused: what was given, what is wrong with it, and what to give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(String);

/// Why a text is no duration, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} {fault}")]
pub struct DurationError {
    text: String,
    fault: String,
}

impl InvalidSpec {
    /// An error about one field.
    #[must_use]
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for InvalidSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for InvalidSpec {}

impl NameError {
    /// An error about this name.
    pub(super) fn new(name: &str, fault: impl fmt::Display) -> Self {
        Self(format!("{} {fault}", quoted(name)))
    }
}

impl DurationError {
    /// An error about this text.
    pub(super) fn new(text: &str, fault: &'static str) -> Self {
        Self {
            text: quoted(text),
            fault: format!(
                "{fault}; write numbers with units, for example \"12h\", \"90m\" or \"1h30m\""
            ),
        }
    }

    /// An error about a text that counts in days; `written` is the same in hours.
    pub(super) fn days(text: &str, written: &str) -> Self {
        Self {
            text: quoted(text),
            fault: format!("counts in days, and days are not a unit: write {written}"),
        }
    }
}

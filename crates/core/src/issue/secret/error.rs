//! Why something cannot be written into a Secret, in words that say what to do.
//!
//! What holds here: no message shows a URL, a header's value or a form's field.

use std::fmt;

use super::bundle::names::InvalidNames;
use super::content::SECRET_LIMIT;
use crate::api::{Format, Method};
use crate::text::counted;

/// Why a result cannot be written into a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenderError {
    /// It has more than [`SECRET_LIMIT`] bytes.
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// The URLs of that many objects have more than [`SECRET_LIMIT`] bytes.
    TooManyForSecret {
        /// How many objects there are.
        objects: usize,
        /// How many of them fit, counted from the first.
        fit: usize,
    },
    /// A requested file is of no use with the method.
    Format {
        /// The file.
        format: Format,
        /// The method.
        method: Method,
    },
    /// A requested file cannot hold the names of some objects.
    Names(InvalidNames),
    /// A URL is not printable ASCII.
    Url,
    /// A header is not one line of printable ASCII.
    Header,
    /// A form's field holds a control character.
    Field,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => write!(
                f,
                "the result has {bytes} bytes, and a Secret holds {SECRET_LIMIT}: ask for less in one resource, or shorten \
                 the store's caBundle"
            ),
            Self::TooManyForSecret { objects, fit } => write!(
                f,
                "the URLs of {} are more than the {SECRET_LIMIT} bytes that a Secret holds; {fit} of them \
                 fit: ask for so many in one resource, or for fewer files in spec.formats",
                counted(*objects, "object")
            ),
            Self::Format { format, method } => write!(
                f,
                "{} is of no use with the method {}: take it out of spec.formats",
                format.as_str(),
                method.as_str()
            ),
            Self::Names(names) => names.fmt(f),
            Self::Url => f.write_str(
                "the signed URL holds characters that no URL may hold and was thrown away: this is a fault of the operator, \
                 report it",
            ),
            Self::Header => f.write_str(
                "a header to be sent is not one line of printable ASCII: fix the values under spec.put",
            ),
            Self::Field => f.write_str(
                "a field of the form holds a control character: fix the values under spec.post",
            ),
        }
    }
}

impl std::error::Error for RenderError {}

//! The HTTP methods that a URL can be good for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The HTTP method that a URL is good for.
#[derive(
    JsonSchema,
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Download; also yields a HEAD URL.
    #[default]
    Get,
    /// Metadata only.
    Head,
    /// Upload of one object.
    Put,
    /// Removal of one object.
    Delete,
    /// Upload by a form, as browsers send it.
    Post,
}

impl Method {
    /// The method as it stands in an HTTP request line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Post => "POST",
        }
    }
}

//! Why there is no session policy, and what to change.
//!
//! What holds here: foreign text stands in an error quoted and bounded.

use super::document::MAX_POLICY;
use crate::api::Reason;
use crate::text::{counted, quoted};

/// Why there is no session policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// It would be longer than STS accepts.
    #[error(
        "a session for {} needs a session policy that is longer than the {MAX_POLICY} characters that \
         STS takes; {fit} of them would fit: ask for fewer objects, or set the scope of the store's role to Namespace or Store",
        counted(*objects, "object")
    )]
    TooLarge {
        /// How many objects were requested.
        objects: usize,
        /// How many of the first of them would fit; 0 if not even one does.
        fit: usize,
    },
    /// The session policy of the namespace is longer than STS accepts.
    #[error(
        "what the policies allow namespace \"{namespace}\" in store \"{store}\" needs a session policy of {characters} characters, \
         and STS takes {MAX_POLICY}: allow it with fewer rules, buckets and prefixes, or set the scope of the store's \
         role to Request or Store"
    )]
    NamespaceTooLarge {
        /// The namespace.
        namespace: String,
        /// The store.
        store: String,
        /// How long it would be.
        characters: usize,
    },
    /// A wildcard in a name, for a server that may not know how to escape it.
    #[error(
        "{} holds * or ?, which a server other than AWS may read as a wildcard of the session policy: choose a name without \
         them, or set the scope of the store's role to Store",
        quoted(text)
    )]
    Wildcard {
        /// The key or prefix.
        text: String,
    },
    /// The policies allow the namespace nothing there.
    #[error(
        "the policies allow namespace \"{namespace}\" nothing in store \"{store}\": ask an admin for a rule"
    )]
    Nothing {
        /// The namespace.
        namespace: String,
        /// The store.
        store: String,
    },
}

impl AccessError {
    /// The reason for a condition.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TooLarge { .. } | Self::NamespaceTooLarge { .. } => Reason::SessionPolicyTooLarge,
            Self::Wildcard { .. } => Reason::InvalidSpec,
            Self::Nothing { .. } => Reason::PolicyDenied,
        }
    }
}

//! The IAM actions that a signer needs, and session policies that allow no others.
//!
//! What holds here: one table says which actions each kind of request needs ([`actions`]); everything that
//! names an action is made from it. A resource of a policy means exactly one requested object: a character
//! that IAM reads as a wildcard or a variable is escaped, or refused if the server may not know the escape.

mod actions;
mod arn;
mod document;
mod error;
mod name;
mod revocation;
mod session;
mod signer;

pub use actions::{Action, RequestKind, ResourceKind, actions};
pub use arn::{Dialect, is_aws};
pub use document::MAX_POLICY;
pub use error::AccessError;
pub use name::{namespace_session_name, session_name, store_session_name};
pub use revocation::{deny_objects, deny_sessions};
pub use session::{SessionSubject, namespace_policy, request_policy};
pub use signer::{SignerStore, signer_policy};

#[cfg(test)]
mod tests;

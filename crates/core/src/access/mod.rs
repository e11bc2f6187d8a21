//! What a signer must be allowed in the terms of IAM, and how sessions are narrowed to it.
//!
//! What holds here: one table says which actions each kind of request needs ([`actions`]); everything that names an action
//! is made from it. A resource of a policy means the one object that was asked for: what IAM reads as a wildcard or a variable
//! is escaped, or refused where the server may not know the escape.

mod actions;
mod arn;
mod document;
mod error;
mod name;
mod session;

pub use actions::{Action, On, Use, actions};
pub use arn::{Dialect, is_aws};
pub use document::MAX_POLICY;
pub use error::AccessError;
pub use name::{namespace_session_name, session_name, store_session_name};
pub use session::{Wanted, namespace_policy, request_policy};

#[cfg(test)]
mod tests;

//! May this namespace have what it asks for? Policies, the decision, and the message of a denial.
//!
//! What holds here: nothing is allowed that no rule allows whole, one rule for the whole of one object. A
//! request is taken apart field by field, so that a new field that no rule checks does not compile. A policy
//! that cannot be read allows nothing and refuses nothing: what it might have allowed is unknown, in the
//! namespaces that it can select and in no others.

mod closest_rules;
mod compile;
mod decide;
mod denial_message;
mod emptiness;
mod namespace;
mod namespace_scope;
mod overlap;
mod pattern;
mod redirect_pattern;
mod rule_check;
mod selectable;
mod selector;
mod signer_scope;

pub use compile::{CompiledPolicy, PolicyError};
pub use decide::{Decision, Grant, Listed, PolicySet};
pub use denial_message::Refusal;
pub use namespace::Namespace;
pub use namespace_scope::NamespaceScope;
pub use selectable::SelectableNamespaces;
pub use signer_scope::{NamePart, SignerScope};

#[cfg(test)]
mod tests;

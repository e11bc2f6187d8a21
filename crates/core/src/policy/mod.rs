//! May this namespace ask for this? Names, requests, policies and the decision.
//!
//! What holds here: nothing is allowed that no rule allows whole, one rule for the whole of one object. A request is
//! taken apart field by field, so that a new field without a gate does not compile. A policy that cannot be read allows
//! nothing and refuses nothing: what it might have allowed is unknown.

mod compile;
mod decide;
mod duration;
mod fields;
mod gates;
mod glob;
mod names;
mod objects;
mod pattern;
mod reach;
mod redirect;
mod refusal;
mod request;
mod selector;
mod wishes;
mod words;

pub(crate) use words::quoted;

pub use compile::{CompiledPolicy, PolicyError};
pub use decide::{Decision, Grant, Listed, Namespace, PolicySet, Refusal};
pub use duration::{DurationError, format_duration, parse_duration};
pub use glob::KeyGlob;
pub use names::{Bucket, Key, NameError, Prefix};
pub use objects::{ListSelection, Objects};
pub use reach::Reach;
pub use request::{InvalidSpec, Limits, Options, RenewBefore, Request};
pub use wishes::IssuanceOptions;

#[cfg(test)]
mod tests;

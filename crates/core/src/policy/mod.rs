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
mod names;
mod pattern;
mod reach;
mod refusal;
mod request;
mod selector;
mod words;

pub(crate) use words::quoted;

pub use compile::{CompiledPolicy, PolicyError};
pub use decide::{Decision, Grant, Namespace, PolicySet, Refusal};
pub use duration::{DurationError, format_duration, parse_duration};
pub use names::{Bucket, Key, NameError, Prefix};
pub use reach::Reach;
pub use request::{InvalidSpec, Limits, ListRequest, Objects, Options, RenewBefore, Request};

#[cfg(test)]
mod tests;

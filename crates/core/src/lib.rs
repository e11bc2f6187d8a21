//! The deciding core of presigned-url-operator.
//!
//! What holds here: everything is a function of values. No I/O, no clock, no randomness, no order that
//! depends on a hash; the shell (package `presigned-url-operator`) watches, calls and holds the clock.

pub mod access;
#[allow(
    clippy::duplicated_attributes,
    reason = "printer columns of one kind repeat type_ and priority"
)]
pub mod api;
pub mod engine;
pub mod issue;
pub mod lease;
pub mod policy;
pub mod request;
pub mod signing;
pub mod text;
mod time;

//! The deciding core of presigned-url-operator.
//!
//! What holds here: everything is a function of values. No I/O, no clock, no randomness, no order that depends on a
//! hash; the shell (package `presigned-url-operator`) watches, calls and holds the clock.

pub mod api;
pub mod engine;
pub mod issue;
pub mod lease;
pub mod policy;
pub mod signing;

//! Answers about one resource: what it is allowed, what its Secret needs, what it may still do.
//!
//! What holds here:
//! - Every answer is a function of the cache, the settings and the time.
//! - The cache is read, and nothing is started.

pub(in crate::engine) mod clock_doubt;
pub(in crate::engine) mod denial;
pub(in crate::engine) mod evaluation;
pub(in crate::engine) mod one_shot;
pub(in crate::engine) mod priority;
pub(in crate::engine) mod reissue;
pub(in crate::engine) mod sampling;
pub(in crate::engine) mod session_scope;
pub(in crate::engine) mod signing;

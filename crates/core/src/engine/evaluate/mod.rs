//! Pure answers about one resource.
//!
//! What holds here: the cache is read, and nothing is started.

pub(in crate::engine) mod evaluation;
pub(in crate::engine) mod one_shot;
pub(in crate::engine) mod reissue;
pub(in crate::engine) mod sampling;
pub(in crate::engine) mod session_scope;
pub(in crate::engine) mod signing;

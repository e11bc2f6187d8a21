//! Pure answers about one resource: whether it may be issued, why its Secret is written again, when its
//! Secret is removed.
//!
//! What holds here:
//! - Every answer is a function of the cache, the settings and the time.
//! - The cache is read, never changed, and no step is started.

pub(in crate::engine) mod clock_doubt;
pub(in crate::engine) mod denial;
pub(in crate::engine) mod evaluation;
pub(in crate::engine) mod one_shot;
mod refusals;
pub(in crate::engine) mod reissue;
pub(in crate::engine) mod sampling;
pub(in crate::engine) mod session_scope;
pub(in crate::engine) mod signing_inputs;
pub(in crate::engine) mod target;

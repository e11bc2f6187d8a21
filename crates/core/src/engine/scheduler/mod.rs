//! Who is next, and how many at once.
//!
//! What holds here: nothing of what a URL is; only keys, priorities, times and room.

pub(in crate::engine) mod limiter;
pub(in crate::engine) mod queue;
pub(in crate::engine) mod wake;

//! What happens next, and what a finished step changes, side by side.
//!
//! What holds here: each step is started and completed in one file.

mod outcome;
pub(in crate::engine) mod presigned_url;
pub(in crate::engine) mod store;

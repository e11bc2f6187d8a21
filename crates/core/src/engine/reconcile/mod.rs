//! Planning the next step of an object, and applying the result of a step.
//!
//! What holds here:
//! - Each step is planned and completed in one file.
//! - A plan depends on the cache alone and is made again after each step, so a crash between two steps is no
//!   special case.
//! - `presigned_url` and `store` meet in the cache and by a requeue, never by an import.

pub(in crate::engine) mod action;
mod cluster_events;
pub(in crate::engine) mod context;
pub(in crate::engine) mod policy;
pub(in crate::engine) mod presigned_url;
pub(in crate::engine) mod store;

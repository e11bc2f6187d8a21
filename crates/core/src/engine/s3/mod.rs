//! What an answer of a store means.
//!
//! What holds here: an answer becomes a diagnosis in one table, and a sentence is a function of the diagnosis.

pub(in crate::engine) mod diagnosis;
mod messages;

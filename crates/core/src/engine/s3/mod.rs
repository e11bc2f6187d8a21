//! What an answer of a store means: for the probe of a store, the verification of objects, and listings.
//!
//! What holds here:
//! - an answer becomes a [`Diagnosis`] in one match, and a sentence is made from a diagnosis and a
//!   [`Subject`] alone;
//! - a sentence holds no URL, and no text of a server but names of hosts in its certificate: it says what was
//!   requested, what is wrong and what to do;
//! - if an answer has two causes that look the same from outside, its sentence names both.

mod diagnosis;
mod listing;
mod messages;
mod object;
mod subject;
mod unreachable;

pub(in crate::engine) use diagnosis::{Diagnosis, diagnose};
pub(in crate::engine) use listing::{ListSubject, listing_problem};
pub(in crate::engine) use messages::describe;
pub(in crate::engine) use object::{ObjectSubject, ObjectVerdict, verify_head, verify_object};
pub(in crate::engine) use subject::Subject;

#[cfg(test)]
mod tests;

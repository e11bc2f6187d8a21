//! A problem: the reason and the message of a condition that is False.

use super::condition::Reason;

/// Why something is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The condition's reason.
    pub reason: Reason,
    /// The condition's message: what is wrong and what to do.
    pub message: String,
    /// Whether it stays until a person changes something.
    pub needs_human: bool,
}

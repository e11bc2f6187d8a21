//! How urgent an object is, and where it waits.

/// How urgent an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// What is issued expires within minutes.
    Expiring,
    /// Never issued, little life left, a denial, or a store: others wait for it.
    Urgent,
    /// Everything else.
    Routine,
}

/// Where an object waits among those of its namespace: priority, rank within it, then arrival.
pub(super) type QueuePosition = (Priority, i64, u64);

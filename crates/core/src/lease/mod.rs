//! Who may act: the election of a leader by a Lease (`coordination.k8s.io/v1`), decided as client-go's
//! `leaderelection` decides it.
//!
//! What holds here:
//! - A claim to lead is a value with an end. It ends by itself; nobody has to take it away.
//! - A Lease has expired if it was not seen to change for its duration on our own monotonic clock. The times
//!   in the Lease, which another machine's clock wrote, decide nothing.
//! - The claim ends before the Lease can expire for anybody else: it counts from the moment at which the
//!   renewal was sent, and it is shorter than the Lease's duration. That also holds if somebody deletes the
//!   Lease: who saw another's creates none before the other's would have expired.
//! - A Lease is given up only if nothing of its holder is on its way any more.

mod claim;
mod election;
mod term;

pub use claim::{CLAIM_DURATION, Claim, LEASE_DURATION, RETRY_PERIOD};
pub use election::{Decision, Election, LeaseSeen};
pub use term::{Term, Turn};

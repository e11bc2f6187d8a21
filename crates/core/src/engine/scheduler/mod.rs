//! Which object is next, and how many steps run at once.
//!
//! What holds here:
//! - Nothing here knows what a URL is: there are keys, priorities, times and slots.
//! - Rank and sequence decide the order, never a hash or a random number.

mod age_turn;
pub(in crate::engine) mod budget;
pub(in crate::engine) mod event_rate;
mod fair_queue;
pub(in crate::engine) mod limiter;
pub(in crate::engine) mod listing_rate;
pub(in crate::engine) mod priority;
pub(in crate::engine) mod queue;
pub(in crate::engine) mod retry;
pub(in crate::engine) mod wake;

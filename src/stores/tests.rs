//! What fetching credentials promises.

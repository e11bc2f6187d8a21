//! What the callers of the API server promise.

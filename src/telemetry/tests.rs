//! What telemetry promises.

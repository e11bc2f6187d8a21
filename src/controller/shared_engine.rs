//! The engine, as the loop and the scrape of metrics share it.
//!
//! What holds here: nobody holds the lock while waiting for anything else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use presigned_core::engine::Engine;

use crate::telemetry::Soonest;

/// The engine, shared with the scrape of metrics and nobody else.
#[derive(Clone, Debug)]
pub struct SharedEngine(Arc<Mutex<Engine>>);

impl SharedEngine {
    /// Shares an engine.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self(Arc::new(Mutex::new(engine)))
    }

    /// The soonest times of the URLs that will be replaced, as of now.
    #[must_use]
    pub fn soonest(&self) -> Soonest {
        let engine = self.lock();
        let mut soonest = Soonest::default();
        for figures in engine.figures() {
            if let (Some(expiry), Some(renewal)) = (figures.expires_at, figures.renew_at) {
                soonest.expiry = Some(soonest.expiry.map_or(expiry, |other| other.min(expiry)));
                soonest.renewal = Some(soonest.renewal.map_or(renewal, |other| other.min(renewal)));
            }
        }
        soonest
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Engine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

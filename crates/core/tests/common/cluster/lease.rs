//! The Lease by which the replicas elect their leader, as a healthy API server keeps it.
//!
//! What holds here: a write names the version that it replaces, and a create replaces nothing.

use std::time::Duration;

use presigned_core::engine::ApiError;
use presigned_core::lease::LeaseSeen;

/// A Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its resourceVersion; `None` before it is created.
    pub version: Option<u64>,
    /// Who holds it; empty if nobody does.
    pub holder: String,
    pub duration: Duration,
}

impl Lease {
    /// What the election sees of it.
    pub fn seen(&self) -> LeaseSeen {
        LeaseSeen {
            resource_version: self.version.unwrap_or_default().to_string(),
            holder: self.holder.clone(),
            duration: self.duration,
        }
    }
}

/// The Lease of the replicas, if it is there.
#[derive(Debug, Default)]
pub struct Leases {
    stored: Option<Lease>,
    versions: u64,
    /// Who held it last, whether or not it is still there.
    pub last_holder: String,
}

impl Leases {
    pub fn read(&self) -> Option<Lease> {
        self.stored.clone()
    }

    /// Replaces the Lease at its version, or creates it.
    pub fn write(&mut self, lease: &Lease) -> Result<Lease, ApiError> {
        let stands = self.stored.as_ref().and_then(|stored| stored.version);
        match (lease.version, stands) {
            (None, Some(_)) => return Err(ApiError::AlreadyExists),
            (Some(_), None) => return Err(ApiError::NotFound),
            (wanted, stands) if wanted != stands => return Err(ApiError::Conflict),
            _ => {}
        }
        self.versions += 1;
        let stored = Lease {
            version: Some(self.versions),
            ..lease.clone()
        };
        self.last_holder.clone_from(&stored.holder);
        self.stored = Some(stored.clone());
        Ok(stored)
    }

    /// Somebody deletes it.
    pub fn delete(&mut self) {
        self.stored = None;
    }
}

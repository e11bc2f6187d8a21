//! Versions of objects.
//!
//! What holds here:
//! - Nothing older replaces a known version, so a watch event that arrives after the answer to our own write
//!   changes nothing.

use crate::engine::protocol::ObjectVersion;

/// The version of a Secret that the operator may have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct SecretVersion {
    pub(in crate::engine) uid: String,
    pub(in crate::engine) resource_version: String,
}

/// Whether one resourceVersion is older than another. They are compared as numbers, since every supported API
/// server makes numbers; a version that is no number is never older.
#[must_use]
pub fn older(one: &str, other: &str) -> bool {
    match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one), Ok(other)) => one < other,
        _ => false,
    }
}

/// Whether a write was answered with a version that is no older than the known one: what was written then is
/// what the object holds, and not what another has written over it since.
pub(in crate::engine) fn replaces(version: &ObjectVersion, known: &str) -> bool {
    let new = version.resource_version.as_deref();
    new.is_some_and(|new| !older(new, known))
}

/// Takes the version that a write was answered with, unless the watch has reported a newer one.
pub(in crate::engine) fn take_newer(known: &mut String, version: ObjectVersion) {
    if replaces(&version, known)
        && let Some(new) = version.resource_version
    {
        *known = new;
    }
}

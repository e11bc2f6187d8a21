//! What parsing promises: tables by theme, and properties.
#![allow(clippy::expect_used, clippy::panic)]
// A table is as long as it needs to be.
#![allow(clippy::too_many_lines)]

mod duration;
mod issuance;
mod key_glob;
mod names;
mod objects;
mod redirect;
mod spec;

use std::time::Duration;

use serde_json::Value;

use super::Limits;

/// The limits of an installation that sets none.
pub(crate) fn limits() -> Limits {
    Limits {
        min_duration: Duration::from_mins(5),
    }
}

/// The fields of the second laid over the first; `null` removes.
pub(crate) fn with(mut base: Value, patch: &Value) -> Value {
    if let (Some(base), Some(patch)) = (base.as_object_mut(), patch.as_object()) {
        for (key, value) in patch {
            if value.is_null() {
                base.remove(key);
            } else {
                base.insert(key.clone(), value.clone());
            }
        }
    }
    base
}

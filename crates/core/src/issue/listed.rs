//! The objects of a resource that has many: what a listing found and the policies allow.
//!
//! What holds here: a listing signs nothing once it is older than [`FRESH`].

use std::time::Duration;

use jiff::Timestamp;

use crate::policy::Grant;
use crate::request::Key;
use crate::time::later;

/// How long a listing is good for a signature.
const FRESH: Duration = Duration::from_mins(5);
/// An object that gets a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedKey {
    pub(crate) key: Key,
    /// Size and `ETag`, where a listing told them.
    pub(crate) listed: Option<(u64, String)>,
}

/// What a listing found that gets URLs.
#[derive(Debug, PartialEq)]
pub(crate) struct FoundObjects {
    pub(crate) objects: Vec<ListedKey>,
    /// How many were left out.
    pub(crate) skipped: u32,
    pub(crate) hash: String,
    /// What signs those that are allowed.
    pub(crate) grant: Grant,
    pub(crate) at: Timestamp,
}

impl FoundObjects {
    /// Whether it may still be signed from.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        self.at <= now && now < later(self.at, FRESH)
    }
}

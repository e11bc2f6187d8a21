//! The listed objects of a bundle that the policies allow.
//!
//! What holds here:
//! - A listing signs nothing once it is older than [`FRESH`].

use std::time::Duration;

use jiff::Timestamp;

use crate::policy::Grant;
use crate::request::Key;
use crate::time::later;

/// How long a listing may be signed from.
const FRESH: Duration = Duration::from_mins(5);

/// The size in bytes, if the store gives one, and the `ETag`, which is empty if it gives none.
pub type Listed = (Option<u64>, String);

/// An object that gets a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedKey {
    pub(crate) key: Key,
    /// What the store says of it, if the object was listed.
    pub(crate) listed: Option<Listed>,
}

/// The objects of a listing that get URLs.
#[derive(Debug, PartialEq)]
pub(crate) struct FoundObjects {
    pub(crate) objects: Vec<ListedKey>,
    /// How many objects were left out.
    pub(crate) skipped: u32,
    pub(crate) hash: String,
    /// The grant that signs the allowed objects.
    pub(crate) grant: Grant,
    pub(crate) at: Timestamp,
}

impl FoundObjects {
    /// About how many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        let object = size_of::<ListedKey>();
        let texts = self.objects.iter().map(|object| {
            let etag = object.listed.as_ref().map_or(0, |(_, etag)| etag.len());
            object.key.as_str().len() + etag
        });
        self.objects.len() * object + texts.sum::<usize>()
    }

    /// Whether URLs may still be signed from it.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        self.at <= now && now < later(self.at, FRESH)
    }
}

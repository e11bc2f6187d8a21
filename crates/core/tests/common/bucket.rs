//! A model of buckets: what a listing finds in them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use presigned_core::engine::{ListFailure, ListOrder, ListedObject, Listing};

use super::cloud::Cloud;

/// Objects by key: size and `ETag`.
pub type Bucket = BTreeMap<String, (u64, String)>;

impl Cloud {
    /// Puts an object; a second put of it makes another `ETag`.
    pub fn put_object(&mut self, bucket: &str, key: &str) {
        let objects = self.buckets.entry(bucket.to_owned()).or_default();
        let version = objects
            .get(key)
            .map_or(0, |(_, etag)| etag.parse::<u64>().unwrap_or(0));
        objects.insert(key.to_owned(), (42, (version + 1).to_string()));
    }

    pub fn delete_object(&mut self, bucket: &str, key: &str) {
        if let Some(objects) = self.buckets.get_mut(bucket) {
            objects.remove(key);
        }
    }

    /// Lists as a server would, and keeps as the operator's client does.
    pub fn list(&self, order: &ListOrder, _now: Timestamp) -> Result<Listing, ListFailure> {
        if let Some(failure) = &self.listings_fail {
            return Err(failure.clone());
        }
        let none = Bucket::new();
        let objects = self.buckets.get(order.bucket.as_str()).unwrap_or(&none);
        let mut kept = Vec::new();
        for (key, (size, etag)) in objects {
            if !order.wanted.keeps(key) {
                continue;
            }
            if kept.len() >= usize::try_from(order.most).unwrap() {
                return Err(ListFailure::TooMany);
            }
            kept.push(ListedObject {
                key: key.clone(),
                size: *size,
                etag: etag.clone(),
            });
        }
        Ok(Listing {
            objects: kept,
            skew: None,
        })
    }
}

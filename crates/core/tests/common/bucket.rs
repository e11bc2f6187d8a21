//! A model of buckets: what a listing finds in them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use presigned_core::engine::{
    ErrorCode, ListError, ListRequest, ListResponse, ListedObject, PageError, S3Response,
};

use super::cloud::Cloud;
use super::iam;

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
    pub fn list(&self, request: &ListRequest, now: Timestamp) -> Result<ListResponse, ListError> {
        if let Some(failure) = &self.listings_fail {
            return Err(failure.clone());
        }
        let origin = request.target.endpoint.to_string();
        let server = self.servers.get(origin.trim_end_matches('/'));
        let server = server.cloned().unwrap_or_default();
        if let Some(unreached) = server.down.clone() {
            return Err(ListError::TransportError(unreached));
        }
        let skew = Some(SignedDuration::from_secs(server.ahead));
        let refused = |status, code| {
            Err(ListError::Refused(S3Response {
                status,
                code,
                region: server.region.clone(),
                skew,
            }))
        };
        if server.page {
            return Err(ListError::BadPage(PageError::NotAListing));
        }
        if server.foreign {
            return refused(404, None);
        }
        if server
            .region
            .as_ref()
            .is_some_and(|region| *region != request.target.region)
        {
            return refused(400, Some(ErrorCode::WrongRegion));
        }
        let its_now = super::at(now.as_second() + server.ahead);
        let off = request.signed_at.as_second() - its_now.as_second();
        if off.abs() > 15 * 60 {
            return refused(403, Some(ErrorCode::RequestTimeTooSkewed));
        }
        if let Some(code) = self.stops(&request.credentials.access_key_id, its_now) {
            return refused(403, Some(code));
        }
        let mut requester_pays = server.requester_pays.iter();
        let pays = requester_pays.any(|name| name == request.bucket.as_str());
        if !self.lists(request) || pays && request.request_payer.is_none() {
            return refused(403, Some(ErrorCode::AccessDenied));
        }
        let none = Bucket::new();
        let objects = self.buckets.get(request.bucket.as_str()).unwrap_or(&none);
        let mut kept = Vec::new();
        for (key, (size, etag)) in objects {
            if !request.wanted.keeps(key) {
                continue;
            }
            if kept.len() >= usize::try_from(request.most).unwrap() {
                return Err(ListError::TooMany);
            }
            kept.push(ListedObject {
                key: key.clone(),
                size: Some(*size),
                etag: etag.clone(),
            });
        }
        Ok(ListResponse {
            objects: kept,
            skew,
        })
    }

    fn lists(&self, request: &ListRequest) -> bool {
        let key = self.keys.get(&request.credentials.access_key_id);
        let policy = key.and_then(|key| key.policy.as_ref());
        let bucket = format!("arn:aws:s3:::{}", request.bucket);
        let prefix = request.wanted.prefix.as_str();
        policy.is_none_or(|policy| iam::allows(policy, "s3:ListBucket", &bucket, Some(prefix)))
    }
}

//! Buckets whose answers say nothing of their store: they do not exist, or are in another region.
//!
//! What holds here:
//! - a bucket is one tenant's choice, and the store is everybody's: such an answer counts only if the other
//!   buckets of a round answer the same;
//! - the next round starts after the last bucket of this one.

use std::collections::BTreeSet;

use super::version::Slot;
use crate::engine::protocol::{S3Response, S3Result};
use crate::engine::s3::{Diagnosis, diagnose};
use crate::request::Bucket;

/// Buckets that are probed one after another before an answer counts.
const ROUND: usize = 8;
/// Buckets that are remembered.
const MAX_BUCKETS: usize = 4096;

/// The buckets that said nothing of what is probed.
#[derive(Debug, Default)]
pub(super) struct InconclusiveBuckets {
    /// What the probes were made for.
    of: Option<(Slot, u64)>,
    buckets: BTreeSet<String>,
    in_a_row: usize,
    other_region: Option<S3Response>,
}

impl InconclusiveBuckets {
    /// Records an answer. Returns whether another bucket is to be probed, if there is one.
    pub(super) fn takes(&mut self, of: (Slot, u64), bucket: &Bucket, result: &S3Result) -> bool {
        let diagnosis = diagnose(result);
        if !matches!(
            diagnosis,
            Diagnosis::NoSuchBucket | Diagnosis::WrongRegion { .. }
        ) {
            return false;
        }
        if self.of != Some(of) || self.buckets.len() >= MAX_BUCKETS {
            *self = Self {
                of: Some(of),
                ..Self::default()
            };
        }
        self.buckets.insert(bucket.as_str().to_owned());
        self.in_a_row += 1;
        if matches!(diagnosis, Diagnosis::WrongRegion { .. }) {
            self.other_region = result.as_ref().ok().cloned();
        }
        self.in_a_row < ROUND
    }

    /// Whether a bucket said nothing before.
    pub(super) fn holds(&self, of: (Slot, u64), bucket: &str) -> bool {
        self.of == Some(of) && self.buckets.contains(bucket)
    }

    /// Whether none did.
    pub(super) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// There is no other bucket: the next round begins with all of them.
    pub(super) fn exhausted(&mut self) {
        self.buckets.clear();
    }

    /// An answer counts. A bucket that does not exist does not speak for a region that another one is not in.
    pub(super) fn counts(&mut self, result: &S3Result) -> S3Result {
        self.in_a_row = 0;
        let other_region = self.other_region.take();
        match other_region {
            Some(other_region) if diagnose(result) == Diagnosis::NoSuchBucket => Ok(other_region),
            _ => result.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Rounds of probes.

    use super::*;
    use crate::engine::protocol::ErrorCode;

    const OF: (Slot, u64) = (Slot::Candidate, 7);

    fn bucket(name: &str) -> Bucket {
        Bucket::parse(name).unwrap()
    }

    fn says(code: ErrorCode) -> S3Response {
        S3Response {
            status: 400,
            code: Some(code),
            region: None,
            skew: None,
        }
    }

    #[test]
    fn a_bucket_that_does_not_exist_does_not_speak_for_a_region() {
        let mut buckets_seen = InconclusiveBuckets::default();
        let (other_region, missing) = (
            Ok(says(ErrorCode::WrongRegion)),
            Ok(says(ErrorCode::NoSuchBucket)),
        );
        assert!(buckets_seen.takes(OF, &bucket("other-region"), &other_region));
        assert!(buckets_seen.takes(OF, &bucket("typo"), &missing));
        assert!(buckets_seen.holds(OF, "typo") && !buckets_seen.holds(OF, "data"));
        assert_eq!(buckets_seen.counts(&missing), other_region);
        assert_eq!(
            buckets_seen.counts(&missing),
            missing,
            "that was another round"
        );
    }

    #[test]
    fn a_round_ends_and_the_next_goes_on_with_other_buckets() {
        let mut buckets_seen = InconclusiveBuckets::default();
        let missing = Ok(says(ErrorCode::NoSuchBucket));
        let last =
            (0..100).find(|at| !buckets_seen.takes(OF, &bucket(&format!("typo-{at}")), &missing));
        assert_eq!(last, Some(ROUND - 1));
        assert_eq!(buckets_seen.counts(&missing), missing);
        assert!(buckets_seen.holds(OF, "typo-0"));
        assert!(buckets_seen.takes(OF, &bucket("another"), &missing));
    }

    #[test]
    fn what_is_probed_anew_is_probed_in_every_bucket() {
        let mut buckets_seen = InconclusiveBuckets::default();
        let missing = Ok(says(ErrorCode::NoSuchBucket));
        buckets_seen.takes(OF, &bucket("typo"), &missing);
        assert!(!buckets_seen.holds((Slot::Candidate, 8), "typo"));
        assert!(!buckets_seen.takes(
            (Slot::Candidate, 8),
            &bucket("data"),
            &Ok(says(ErrorCode::NoSuchKey))
        ));
    }
}

//! Buckets that say nothing of their store: one that does not exist, or is in another region.
//!
//! What holds here: a bucket is one tenant's choice, and the store is everybody's. What such a bucket answers counts only
//! where every other one of a few says the same; the next look goes on where the last one ended.

use std::collections::BTreeSet;

use crate::engine::protocol::{ErrorCode, S3Response, S3Result};
use crate::policy::Bucket;

/// Buckets that are looked into one after another, before an answer counts.
const ROUND: usize = 8;
/// Buckets that are remembered.
const MOST: usize = 4096;

/// Which buckets said nothing of what is looked at.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// What the looks were made for.
    of: (bool, u64),
    buckets: BTreeSet<String>,
    in_a_row: usize,
    abroad: Option<S3Response>,
}

impl Passed {
    /// Takes up an answer. Tells whether another bucket is to be asked, if there is one.
    pub(super) fn takes(&mut self, of: (bool, u64), bucket: &Bucket, asked: &S3Result) -> bool {
        let Ok(answer) = asked else {
            return false;
        };
        if !matches!(
            answer.code,
            Some(ErrorCode::NoSuchBucket | ErrorCode::WrongRegion)
        ) {
            return false;
        }
        if self.of != of || self.buckets.len() >= MOST {
            *self = Self {
                of,
                ..Self::default()
            };
        }
        self.buckets.insert(bucket.as_str().to_owned());
        self.in_a_row += 1;
        if answer.code == Some(ErrorCode::WrongRegion) {
            self.abroad = Some(answer.clone());
        }
        self.in_a_row < ROUND
    }

    /// Whether a bucket said nothing before.
    pub(super) fn holds(&self, of: (bool, u64), bucket: &str) -> bool {
        self.of == of && self.buckets.contains(bucket)
    }

    /// Whether none did.
    pub(super) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// There is no other bucket: the next look begins anew.
    pub(super) fn exhausted(&mut self) {
        self.buckets.clear();
    }

    /// An answer counts. A bucket that does not exist does not speak for a region that another one is not in.
    pub(super) fn counts(&mut self, asked: &S3Result) -> S3Result {
        self.in_a_row = 0;
        let abroad = self.abroad.take();
        match (asked, abroad) {
            (Ok(answer), Some(abroad)) if answer.code == Some(ErrorCode::NoSuchBucket) => {
                Ok(abroad)
            }
            _ => asked.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Rounds of looks.

    use super::*;

    const OF: (bool, u64) = (true, 7);

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
        let mut passed = Passed::default();
        let (abroad, missing) = (
            Ok(says(ErrorCode::WrongRegion)),
            Ok(says(ErrorCode::NoSuchBucket)),
        );
        assert!(passed.takes(OF, &bucket("abroad"), &abroad));
        assert!(passed.takes(OF, &bucket("typo"), &missing));
        assert!(passed.holds(OF, "typo") && !passed.holds(OF, "data"));
        assert_eq!(passed.counts(&missing), abroad);
        assert_eq!(passed.counts(&missing), missing, "that was another round");
    }

    #[test]
    fn a_round_ends_and_the_next_goes_on_with_other_buckets() {
        let mut passed = Passed::default();
        let missing = Ok(says(ErrorCode::NoSuchBucket));
        let asked = (0..100).find(|at| !passed.takes(OF, &bucket(&format!("typo-{at}")), &missing));
        assert_eq!(asked, Some(ROUND - 1));
        assert_eq!(passed.counts(&missing), missing);
        assert!(passed.holds(OF, "typo-0"));
        assert!(passed.takes(OF, &bucket("another"), &missing));
    }

    #[test]
    fn what_is_looked_at_anew_is_looked_at_everywhere() {
        let mut passed = Passed::default();
        let missing = Ok(says(ErrorCode::NoSuchBucket));
        passed.takes(OF, &bucket("typo"), &missing);
        assert!(!passed.holds((true, 8), "typo"));
        assert!(!passed.takes((true, 8), &bucket("data"), &Ok(says(ErrorCode::NoSuchKey))));
    }
}

//! The probe that is under way, and what is remembered of those before it.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::inconclusive_buckets::InconclusiveBuckets;
use super::probe_verdict::RecoveredRejection;
use super::version::Slot;
use crate::request::Bucket;

/// How a store is probed.
#[derive(Debug)]
pub(super) struct Probing {
    /// The rejection that the status reported before the start.
    pub(super) recovered: Option<RecoveredRejection>,
    pub(super) under_way: Option<UnderWay>,
    /// Changes with what a probe under way was made for: its answer is dropped then.
    pub(super) turn: u64,
    /// Static keys that the store in use rejected twice in a row, by the hash of the credentials.
    pub(super) rejected_keys: BTreeMap<String, RejectedKey>,
    /// Whether the store ever answered.
    pub(super) answered: bool,
    /// How often in a row a probe was signed by a wrong clock and made again.
    pub(super) redated: u8,
    /// Whether the store's clock was read, or could not be: nothing is signed before that.
    pub(super) clock_read: bool,
    pub(super) inconclusive: InconclusiveBuckets,
}

/// A static key that the store rejects: nothing that it signed for the location in use works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct RejectedKey {
    /// The store does not know the key at all; else it computes another signature.
    pub(in crate::engine) unknown: bool,
    /// The sentence.
    pub(in crate::engine) message: String,
}

#[derive(Clone, Debug)]
pub(super) struct UnderWay {
    pub(super) slot: Slot,
    pub(super) turn: u64,
    pub(super) offset: SignedDuration,
    pub(super) bucket: Bucket,
}

impl Probing {
    /// Before the first probe. The status knows whether the store ever answered, and whether it rejected a
    /// key.
    pub(super) fn new(answered: bool, recovered: Option<RecoveredRejection>) -> Self {
        Self {
            recovered,
            under_way: None,
            turn: 0,
            rejected_keys: BTreeMap::new(),
            answered,
            redated: 0,
            clock_read: false,
            inconclusive: InconclusiveBuckets::default(),
        }
    }

    /// The location is another one: what was learned of keys says nothing of it.
    pub(super) fn forget_rejected_keys(&mut self) {
        self.rejected_keys.clear();
    }
}

//! One-shot resources: `renew: Never`.
//!
//! What holds here:
//! - After the first issue `expirationTime` is fixed to the second, however often the URL is signed. `renew`
//!   is immutable.
//! - `expirationTime` moves in one case, to an earlier time and for good: a policy allows a shorter life now.
//! - After that time nothing is issued. The status keeps the times, so a restart issues nothing either.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::condition;
use crate::api::{
    ConditionType, IfNoneMatch, LimitedBy, PresignedUrlStatus, PutOptions, Reason, Renew,
    SignedHashes,
};
use crate::engine::cache::record::Record;
use crate::engine::cache::state::Unrecorded;
use crate::issue::issued::{Issued, ahead};
use crate::issue::{FixedTimes, RequestedLife};
use crate::request::{IssuanceOptions, Options};
use crate::time::later;

/// The longest life that a signature made now can have, counted from now.
const MAX_LIFE: Duration = Duration::from_secs(604_770);

/// The state of a one-shot resource.
#[derive(Debug)]
pub(in crate::engine) struct OneShot {
    /// `None` before the first issue.
    life: Option<FixedLife>,
    /// Whether the spec requests something else than was issued: somebody edited it past admission.
    pub(in crate::engine) edited: bool,
}

/// The first issue of a one-shot resource, from the last write or from the status.
#[derive(Clone, Debug)]
pub(in crate::engine) struct FixedLife {
    pub(in crate::engine) times: FixedTimes,
    pub(in crate::engine) limited_by: Option<LimitedBy>,
    pub(in crate::engine) hashes: SignedHashes,
    pub(in crate::engine) served_request: Option<String>,
}

impl FixedLife {
    fn of(issued: &Issued) -> Self {
        Self {
            times: FixedTimes {
                issued_at: issued.issued_at,
                expires_at: issued.expires_at,
            },
            limited_by: issued.limited_by,
            hashes: issued.hashes.clone(),
            served_request: issued.served_request.clone(),
        }
    }

    /// What was last issued for a resource, even if its Secret is gone.
    pub(in crate::engine) fn last(record: &Record) -> Option<Self> {
        let status = &record.seen.status;
        match &record.state.unrecorded {
            Some(Unrecorded::Written(issued) | Unrecorded::Removed(Some(issued))) => {
                let mut life = Self::of(issued);
                // The status may tell of an earlier end by now, and that is for good.
                let of_it = status.issue_time == Some(issued.issued_at);
                if let Some(told) = status.expiration_time.filter(|_| of_it) {
                    life.times.expires_at = life.times.expires_at.min(told);
                }
                return Some(life);
            }
            Some(Unrecorded::Removed(None)) | None => {}
        }
        Some(Self {
            times: FixedTimes {
                issued_at: status.issue_time?,
                expires_at: status.expiration_time?,
            },
            limited_by: status.limited_by,
            hashes: status.internal.hashes.clone()?,
            served_request: status.last_renew_request.clone(),
        })
    }

    /// The times within what the policies allow now: never later than issued, and earlier if they allow less.
    /// If a fast clock dated the issue into the future, the life counts from now.
    fn bounded(&self, requested: RequestedLife, now: Timestamp) -> FixedTimes {
        let FixedTimes {
            issued_at,
            expires_at,
        } = self.times;
        let (issued_at, longest) = if ahead(issued_at, now) {
            (now, requested.effective().min(MAX_LIFE))
        } else {
            (issued_at, requested.policy_max)
        };
        FixedTimes {
            issued_at,
            expires_at: expires_at.min(later(issued_at, longest)),
        }
    }
}

impl OneShot {
    /// The state of a one-shot resource; `None` if the resource is renewed. `hash` hashes the request with
    /// the given options.
    pub(in crate::engine) fn of(
        record: &Record,
        renew: Renew,
        requested: &Options,
        hash: impl Fn(&Options) -> String,
    ) -> Option<Self> {
        if renew != Renew::Never {
            return None;
        }
        let life = FixedLife::last(record);
        let edited = life
            .as_ref()
            .is_some_and(|life| !is_hash_of(requested, hash, &life.hashes.spec));
        Some(Self { life, edited })
    }

    /// The first issue, bounded by what the policies allow now; `None` before the first issue.
    pub(in crate::engine) fn fixed_life(
        &self,
        requested: RequestedLife,
        now: Timestamp,
    ) -> Option<FixedLife> {
        let life = self.life.as_ref()?;
        Some(FixedLife {
            times: life.bounded(requested, now),
            ..life.clone()
        })
    }

    /// The time after which nothing is signed any more; `None` before the first issue.
    pub(in crate::engine) fn expires_at(
        &self,
        requested: RequestedLife,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let life = self.life.as_ref()?;
        Some(life.bounded(requested, now).expires_at)
    }
}

/// Whether this is the hash of what the request signs: a policy may have added a condition to the requested
/// options. `hash` hashes the request with the given options.
pub(super) fn is_hash_of(
    requested: &Options,
    hash: impl Fn(&Options) -> String,
    known: &str,
) -> bool {
    [requested, &create_only(requested)]
        .into_iter()
        .any(|options| hash(options) == known)
}

/// The options with the condition that `createOnly` of a policy adds.
fn create_only(options: &Options) -> Options {
    match options {
        Options::Put(put) => Options::Put(PutOptions {
            if_none_match: Some(IfNoneMatch::Any),
            ..put.clone()
        }),
        other => other.clone(),
    }
}

/// Whether a resource is one-shot. A spec that cannot be read counts as renewed.
pub(in crate::engine) fn is_one_shot(record: &Record) -> bool {
    let spec = record.seen.spec.as_ref();
    spec.is_ok_and(|spec| spec.renew == Some(Renew::Never))
}

/// Whether a status reports that a one-shot resource has expired, as it was meant to.
pub(in crate::engine) fn reports_expiry(record: &Record, status: &PresignedUrlStatus) -> bool {
    is_one_shot(record)
        && condition(&status.conditions, ConditionType::Ready)
            .is_some_and(|ready| ready.reason == Reason::Expired.as_str())
}

/// How long after its expiry the resource is deleted; `None` keeps it. A spec that cannot be read keeps it.
pub(in crate::engine) fn ttl(record: &Record) -> Option<Duration> {
    let spec = record.seen.spec.as_ref().ok()?;
    IssuanceOptions::parse(spec).ok()?.ttl_after_expiry
}

//! Resources that are issued once, with `renew: Never`.
//!
//! What holds here:
//! - After the first issue the end is fixed to the second, whatever signs it again. `renew` is immutable.
//! - The end moves in one case, to an earlier time and for good: if a policy allows less by now.
//! - After the end nothing is issued by itself. The status keeps the times, so that a restart does not begin
//!   anew.

use std::time::Duration;

use jiff::Timestamp;

use super::evaluation::{Authorized, Evaluation};
use crate::api::condition;
use crate::api::{
    ConditionType, IfNoneMatch, LimitedBy, PresignedUrlStatus, PutOptions, Reason, Renew,
    SignedHashes,
};
use crate::engine::cache::index::Record;
use crate::engine::cache::state::Unrecorded;
use crate::issue::issued::{Issued, ahead};
use crate::issue::{FixedTimes, RequestedLife};
use crate::request::{IssuanceOptions, Options};
use crate::time::later;

/// The longest life that a signature of now has, counted from now.
const MAX_LIFE: Duration = Duration::from_secs(604_770);

/// What a one-shot resource was issued, if it was.
#[derive(Debug)]
pub(in crate::engine) struct OneShot {
    /// The one life; `None` before the first issue.
    life: Option<FixedLife>,
    /// Whether the spec asks for something else than was issued: somebody edited it past admission.
    pub(in crate::engine) edited: bool,
}

/// The one life, as a write or the status tells it.
#[derive(Clone, Debug)]
pub(in crate::engine) struct FixedLife {
    pub(in crate::engine) fixed: FixedTimes,
    pub(in crate::engine) limited_by: Option<LimitedBy>,
    pub(in crate::engine) hashes: SignedHashes,
    pub(in crate::engine) served: Option<String>,
}

impl FixedLife {
    fn of(issued: &Issued) -> Self {
        Self {
            fixed: FixedTimes {
                issued_at: issued.issued_at,
                expires_at: issued.expires_at,
            },
            limited_by: issued.limited_by,
            hashes: issued.hashes.clone(),
            served: issued.served_request.clone(),
        }
    }

    /// What was last issued for a resource, even if its Secret is gone.
    pub(in crate::engine) fn last(record: &Record) -> Option<Self> {
        match &record.state.unrecorded {
            Some(Unrecorded::Written(issued) | Unrecorded::Removed(Some(issued))) => {
                return Some(Self::of(issued));
            }
            Some(Unrecorded::Removed(None)) | None => {}
        }
        let status = &record.seen.status;
        Some(Self {
            fixed: FixedTimes {
                issued_at: status.issued_at?,
                expires_at: status.expires_at?,
            },
            limited_by: status.limited_by,
            hashes: status.hashes.clone()?,
            served: status.last_renew_request.clone(),
        })
    }

    /// The times as the policies leave them: never later, and earlier if they allow less by now. What a fast
    /// clock dated into the future counts from now.
    fn bounded(&self, asked: RequestedLife, now: Timestamp) -> FixedTimes {
        let FixedTimes {
            issued_at,
            expires_at,
        } = self.fixed;
        let (issued_at, longest) = if ahead(issued_at, now) {
            (now, asked.effective().min(MAX_LIFE))
        } else {
            (issued_at, asked.policy_max)
        };
        FixedTimes {
            issued_at,
            expires_at: expires_at.min(later(issued_at, longest)),
        }
    }
}

impl OneShot {
    /// What a resource was issued; `None` if it is renewed. `hash` hashes the request with the given options,
    /// since a policy may add a condition of its own to what the spec asks.
    pub(in crate::engine) fn of(
        record: &Record,
        renew: Renew,
        granted: &Options,
        asked: &Options,
        hash: impl Fn(&Options) -> String,
    ) -> Option<Self> {
        if renew != Renew::Never {
            return None;
        }
        let life = FixedLife::last(record);
        let edited = life.as_ref().is_some_and(|life| {
            ![granted, asked, &create_only(asked)]
                .into_iter()
                .any(|options| hash(options) == life.hashes.spec)
        });
        Some(Self { life, edited })
    }
}

/// The options with the condition that a policy's createOnly adds.
fn create_only(options: &Options) -> Options {
    match options {
        Options::Put(put) => Options::Put(PutOptions {
            if_none_match: Some(IfNoneMatch::Any),
            ..put.clone()
        }),
        other => other.clone(),
    }
}

/// Whether a resource is issued once. A spec that cannot be read tells nothing.
pub(in crate::engine) fn is_one_shot(record: &Record) -> bool {
    let spec = record.seen.spec.as_ref();
    spec.is_ok_and(|spec| spec.renew == Some(Renew::Never))
}

/// The times that every later signature keeps; `None` before the first issue.
pub(in crate::engine) fn fixed(authorized: &Authorized, now: Timestamp) -> Option<FixedTimes> {
    let life = authorized.one_shot.as_ref()?.life.as_ref()?;
    Some(life.bounded(authorized.requested_life(), now))
}

/// The one life as a policy of this longest life leaves it; `None` before the first issue.
pub(in crate::engine) fn fixed_life(
    authorized: &Authorized,
    policy_max: Duration,
    now: Timestamp,
) -> Option<FixedLife> {
    let life = authorized.one_shot.as_ref()?.life.as_ref()?;
    let asked = RequestedLife {
        policy_max,
        ..authorized.requested_life()
    };
    Some(FixedLife {
        fixed: life.bounded(asked, now),
        ..life.clone()
    })
}

/// Whether nothing is issued any more.
pub(in crate::engine) fn closed(authorized: &Authorized, now: Timestamp) -> bool {
    let edited = authorized.one_shot.as_ref().is_some_and(|one| one.edited);
    edited || fixed(authorized, now).is_some_and(|fixed| fixed.expires_at <= now)
}

/// The end that has passed, whatever is asked and allowed by now.
pub(in crate::engine) fn ended(
    record: &Record,
    evaluation: &Evaluation,
    now: Timestamp,
) -> Option<Timestamp> {
    let fixed = match evaluation.authorized() {
        Some(authorized) => fixed(authorized, now)?,
        None if is_one_shot(record) => FixedLife::last(record)?.fixed,
        None => return None,
    };
    Some(fixed.expires_at).filter(|end| *end <= now)
}

/// What the status keeps though the Secret is gone. A spec that cannot be read loses nothing.
pub(in crate::engine) fn retained(
    record: &Record,
    evaluation: &Evaluation,
    now: Timestamp,
) -> Option<FixedLife> {
    if record.seen.spec.is_ok() && !is_one_shot(record) {
        return None;
    }
    let mut life = FixedLife::last(record)?;
    if let Some(end) = ended(record, evaluation, now) {
        life.fixed.expires_at = end;
    }
    Some(life)
}

/// Whether a status says that the one life is over, as it was meant to be.
pub(in crate::engine) fn is_over(record: &Record, status: &PresignedUrlStatus) -> bool {
    is_one_shot(record)
        && condition(&status.conditions, ConditionType::Ready)
            .is_some_and(|ready| ready.reason == Reason::Expired.as_str())
}

/// How long after the end the resource is deleted; `None` keeps it. What cannot be read deletes nothing.
pub(in crate::engine) fn ttl(record: &Record) -> Option<Duration> {
    let spec = record.seen.spec.as_ref().ok()?;
    IssuanceOptions::parse(spec).ok()?.ttl_after_expiry
}

//! The figures of a resource, for metrics.
//!
//! What holds here: each is read from what the status records, so that a metric and `kubectl` say the same.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{ConditionStatus, ConditionType, LimitedBy, condition, is_ready};
use crate::engine::cache::record::{Kept, Record};
use crate::issue::DEFAULT_DURATION;
use crate::request::parse_duration;

/// The figures of one resource.
#[derive(Clone, Copy, Debug)]
pub struct ResourceFigures {
    /// Whether its Ready condition is True.
    pub ready: bool,
    /// The status of its Verified condition, if it has one.
    pub verified: Option<ConditionStatus>,
    /// What made the life of its URLs shorter than requested, if more than a tenth was lost.
    pub life_cut: Option<LifeCut>,
    /// When its URLs expire.
    pub expires_at: Option<Timestamp>,
    /// When they are renewed.
    pub renew_at: Option<Timestamp>,
}

/// A life that is shorter than requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LifeCut {
    /// What cut it.
    pub by: LimitedBy,
    /// Whether less than half is left of what was requested.
    pub below_half: bool,
}

impl ResourceFigures {
    pub(super) fn of(record: &Record) -> Self {
        let status = &record.seen.status;
        // The status of a one-shot resource keeps its times after the URL has expired.
        let secret = status.internal.secret.as_ref();
        let verified = condition(&status.conditions, ConditionType::Verified);
        Self {
            ready: is_ready(&status.conditions),
            verified: verified.map(|verified| verified.status),
            life_cut: secret.and_then(|_| life_cut(record)),
            expires_at: secret.and(status.expiration_time),
            renew_at: status.renewal_time,
        }
    }
}

/// What cut the life of the URLs, as far as the request is kept.
fn life_cut(record: &Record) -> Option<LifeCut> {
    let status = &record.seen.status;
    let by = status.limited_by?;
    let spec = record.seen.spec.as_ref().ok()?;
    if record.kept != Kept::Whole {
        return None;
    }
    let requested = match spec.duration.as_deref() {
        Some(duration) => parse_duration(duration).ok()?,
        None => DEFAULT_DURATION,
    };
    let life = status.expiration_time?.duration_since(status.issue_time?);
    let life = Duration::try_from(life).unwrap_or_default();
    Some(LifeCut {
        by,
        below_half: life.saturating_mul(2) < requested,
    })
}

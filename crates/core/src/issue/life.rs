//! How long a URL lives: promise 1.
//!
//! What holds here:
//! - `expirationTime` is counted from the date of the signature, which is 30 s in the past because some
//!   clocks are slow. It is never later than the requested life, the expiry of the credentials, the store's
//!   `maxSignatureAge` and `SigV4` allow.
//! - A life under a minute is not issued.
//! - A one-shot URL keeps its expiry to the second however often it is signed. If a signature cannot live
//!   that long, nothing is signed.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::LimitedBy;

/// The life that is requested if `spec.duration` is left out and nothing allows less.
pub const DEFAULT_DURATION: Duration = Duration::from_hours(12);
/// The shortest life that is issued.
pub const MIN_LIFE: Duration = Duration::from_mins(1);

/// How far a signature is dated back, in seconds, so that a server whose clock is a little slow accepts it.
const BACKDATE: i64 = 30;
/// `SigV4`'s limit of `X-Amz-Expires`, in seconds.
const SIGV4_LIMIT: i64 = 7 * 24 * 60 * 60;

/// The requested life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestedLife {
    /// `spec.duration`; `None` requests the longest life that is allowed, up to [`DEFAULT_DURATION`].
    pub duration: Option<Duration>,
    /// `maxDuration` of the rule that allows the request.
    pub policy_max: Duration,
}

impl RequestedLife {
    /// The life to aim at: never more than the rule allows.
    #[must_use]
    pub fn effective(&self) -> Duration {
        self.unlimited().min(self.policy_max)
    }

    /// The life before the rule limits it.
    fn unlimited(&self) -> Duration {
        self.duration.unwrap_or(DEFAULT_DURATION)
    }
}

/// The times of one issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// `X-Amz-Date`: 30 s before [`Self::issued_at`].
    pub signed_at: Timestamp,
    /// `X-Amz-Expires`, counted from [`Self::signed_at`]; whole seconds.
    pub expires_in: Duration,
    /// When the URL was issued, in whole seconds; of a link, when it was first issued.
    pub issued_at: Timestamp,
    /// The first second at which the URL has expired.
    pub expires_at: Timestamp,
    /// What cut the life short, if it lost more than a tenth.
    pub limited_by: Option<LimitedBy>,
}

/// A URL signed now would live for less than [`MIN_LIFE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooShort {
    /// The life that it would have, in seconds; negative if it would have expired already.
    pub seconds: i64,
    /// What cuts it short; `None` if less than a minute was requested.
    pub limited_by: Option<LimitedBy>,
}

impl std::fmt::Display for TooShort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let why = match self.limited_by {
            Some(LimitedBy::Credentials) => {
                "the signing credentials end too soon: renew them, or let them live longer"
            }
            Some(LimitedBy::SignatureAge) => {
                "the store's maxSignatureAge leaves no more: raise it to 2m or more"
            }
            Some(LimitedBy::Duration) => {
                "the policy's maxDuration allows no more: raise it to 1m or more"
            }
            Some(LimitedBy::SigV4) | None => {
                "no more was requested: set spec.duration to 1m or more"
            }
        };
        write!(
            f,
            "a URL signed now would live for {} s, and at least {} s are needed; {why}",
            self.seconds.max(0),
            MIN_LIFE.as_secs()
        )
    }
}

impl std::error::Error for TooShort {}

/// Plans the times of a URL that is signed now.
///
/// `creds_expiry` is the end of the session that signs, `None` for static keys; `max_signature_age` is the
/// store's.
///
/// # Errors
/// [`TooShort`] if less than [`MIN_LIFE`] would be left.
pub fn plan_life(
    now: Timestamp,
    requested: RequestedLife,
    creds_expiry: Option<Timestamp>,
    max_signature_age: Option<Duration>,
) -> Result<Life, TooShort> {
    let issued = now.as_second();
    let signed = issued.saturating_sub(BACKDATE);
    let limits = limits(signed, creds_expiry, max_signature_age);
    let mut expires_in = seconds(requested.effective()).saturating_add(BACKDATE);
    let mut limited_by =
        (requested.effective() < requested.unlimited()).then_some(LimitedBy::Duration);
    for (limit, by) in limits {
        if limit < expires_in {
            (expires_in, limited_by) = (limit, Some(by));
        }
    }

    let life = expires_in.saturating_sub(BACKDATE);
    if life < seconds(MIN_LIFE) {
        return Err(TooShort {
            seconds: life,
            limited_by,
        });
    }
    let wanted = seconds(requested.unlimited());
    let lost = wanted.saturating_sub(life);
    Ok(Life {
        signed_at: instant(signed),
        expires_in: Duration::from_secs(u64::try_from(expires_in).unwrap_or_default()),
        issued_at: instant(issued),
        expires_at: instant(signed.saturating_add(expires_in)),
        limited_by: limited_by.filter(|_| lost.saturating_mul(10) > wanted),
    })
}

/// The one life of a link that is never renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedTimes {
    /// When it was first issued, in whole seconds.
    pub issued_at: Timestamp,
    /// The first second at which it has expired, whatever signs it.
    pub expires_at: Timestamp,
}

/// A signature made now would end before the link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndOutOfReach {
    /// When the link ends.
    pub end: Timestamp,
    /// When a URL would end that is signed now.
    pub reach: Timestamp,
    /// What cuts it short.
    pub limited_by: LimitedBy,
}

impl std::fmt::Display for EndOutOfReach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            end,
            reach,
            limited_by,
        } = self;
        let (what, act) = match limited_by {
            LimitedBy::Credentials => (
                "the signing credentials end",
                "renew them, or let them live longer",
            ),
            LimitedBy::SignatureAge => ("the store's maxSignatureAge ends it", "raise it"),
            LimitedBy::SigV4 | LimitedBy::Duration => ("SigV4 ends it", "wait"),
        };
        write!(
            f,
            "the link ends at {end} for good, and {what} at {reach}: a shorter one is not signed; {act}; the operator retries \
             until the link ends"
        )
    }
}

impl std::error::Error for EndOutOfReach {}

/// Plans the times of a link that is signed again now: its end stays.
///
/// `creds_expiry` and `max_signature_age` are as in [`plan_life`].
///
/// # Errors
/// [`EndOutOfReach`] if the credentials or the store's limit end the signature earlier.
pub fn keep_end(
    now: Timestamp,
    fixed: FixedTimes,
    creds_expiry: Option<Timestamp>,
    max_signature_age: Option<Duration>,
) -> Result<Life, EndOutOfReach> {
    let signed = now.as_second().saturating_sub(BACKDATE);
    let expires_in = fixed.expires_at.as_second().saturating_sub(signed).max(0);
    let nearest = limits(signed, creds_expiry, max_signature_age).min_by_key(|(left, _)| *left);
    if let Some((left, limited_by)) = nearest.filter(|(left, _)| *left < expires_in) {
        return Err(EndOutOfReach {
            end: fixed.expires_at,
            reach: instant(signed.saturating_add(left)),
            limited_by,
        });
    }
    Ok(Life {
        signed_at: instant(signed),
        expires_in: Duration::from_secs(u64::try_from(expires_in).unwrap_or_default()),
        issued_at: fixed.issued_at,
        expires_at: fixed.expires_at,
        limited_by: None,
    })
}

/// The limits of a signature made at that second, each in seconds from it.
fn limits(
    signed: i64,
    creds_expiry: Option<Timestamp>,
    max_signature_age: Option<Duration>,
) -> impl Iterator<Item = (i64, LimitedBy)> {
    let by_credentials = creds_expiry.map(|end| {
        let left = end.as_second().saturating_sub(signed);
        (left, LimitedBy::Credentials)
    });
    let by_age = max_signature_age.map(|age| (seconds(age), LimitedBy::SignatureAge));
    [
        Some((SIGV4_LIMIT, LimitedBy::SigV4)),
        by_age,
        by_credentials,
    ]
    .into_iter()
    .flatten()
}

/// Whole seconds, rounded down; a duration beyond `i64` is as good as endless.
pub(super) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// A time from whole seconds, held within what a timestamp can say (year 9999).
pub(super) fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(if second < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

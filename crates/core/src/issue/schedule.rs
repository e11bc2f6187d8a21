//! When a URL is renewed and when a failure is retried: promises 2, 7 and 9.
//!
//! What holds here:
//! - A jitter is a hash of the resource's UID, never a random number, so a restart plans the same times.
//! - A jitter only makes a time earlier.

use std::time::Duration;

use jiff::Timestamp;

use super::hash::{fraction, portion};
use super::life::{instant, seconds};
pub use crate::request::RenewBefore as Renew;

/// The least that is left when a renewal begins, if the life is longer than three minutes: a mounted file
/// lags by the kubelet's minute or two.
const OVERLAP: i64 = 120;
/// The part of the wait that a jitter takes off at most, in percent.
const JITTER: u128 = 30;
/// The first pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause after a failure.
const MAX_PAUSE: Duration = Duration::from_mins(5);

/// When to renew a URL that was issued at `issued_at` and expires at `expires_at`, in whole seconds.
///
/// # Guarantees
/// - Left out, `renew` means: when two thirds of the real life are left.
/// - At least 2 minutes are left; of a life of 3 minutes or less, at least two thirds.
/// - A tenth of the life has passed, so that a `renewBefore` longer than the life does not issue in a loop:
///   the wait is planned as a seventh of the life at least, of which the jitter leaves a tenth.
/// - The jitter, up to 30% of the wait, is a hash of `uid` and `revision`, and only makes it earlier.
#[must_use]
pub fn renew_at(
    issued_at: Timestamp,
    expires_at: Timestamp,
    renew: Option<Renew>,
    uid: &str,
    revision: i64,
) -> Timestamp {
    let issued = issued_at.as_second();
    let life = expires_at.as_second().saturating_sub(issued).max(0);
    let planned = match renew {
        None => life / 3,
        Some(Renew::Left(left)) => life.saturating_sub(seconds(left)),
        Some(Renew::Percentage(left)) => {
            let passed = 100 - i64::from(left);
            life / 100 * passed + life % 100 * passed / 100
        }
    };
    let wait = planned.max(life / 7).min(longest_wait(life));
    let earlier = i64::try_from(portion(
        u128::from(wait.unsigned_abs()) * JITTER / 100,
        fraction("presigned.dev/renew", uid, revision),
    ))
    .unwrap_or_default();
    instant(issued.saturating_add(wait - earlier))
}

/// The latest time for which [`renew_at`] plans the renewal of such a URL, whatever its spec says.
#[must_use]
pub fn latest_renewal(issued_at: Timestamp, expires_at: Timestamp) -> Timestamp {
    let issued = issued_at.as_second();
    let life = expires_at.as_second().saturating_sub(issued).max(0);
    instant(issued.saturating_add(longest_wait(life)))
}

/// For how many seconds of a life a renewal waits at most.
fn longest_wait(life: i64) -> i64 {
    life - OVERLAP.min(life - life / 3)
}

/// The time of a renewal as it was before the jitter made it earlier, give or take two seconds.
#[must_use]
pub fn without_jitter(
    issued_at: Timestamp,
    renew_at: Timestamp,
    uid: &str,
    revision: i64,
) -> Timestamp {
    let issued = issued_at.as_second();
    let wait = renew_at.as_second().saturating_sub(issued).max(0);
    // What was left of the wait, in parts of 100 * 2^32.
    let whole = 100_u128 << 32;
    let taken = JITTER * u128::from(fraction("presigned.dev/renew", uid, revision));
    let before = u128::from(wait.unsigned_abs()) * whole / (whole - taken);
    instant(issued.saturating_add(i64::try_from(before).unwrap_or(i64::MAX)))
}

/// Whether fresh credentials are worth fetching first: they lengthen the life by a quarter of what they could
/// give.
///
/// `remaining` is what the credentials at hand have left, `session_length` what a new session would give.
#[must_use]
pub fn refresh_gains(requested: Duration, remaining: Duration, session_length: Duration) -> bool {
    let fresh = requested.min(session_length);
    let gain = fresh.saturating_sub(requested.min(remaining));
    !gain.is_zero() && gain >= fresh / 4
}

/// How long to wait after the given number of failures in a row: 5 s, doubling to 5 minutes, less a hash of
/// UID and count of up to a fifth, so failures at one time have different retries. No failure
/// counts as the first.
#[must_use]
pub fn backoff(failures: u32, uid: &str) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(MAX_PAUSE);
    let jitter = fraction("presigned.dev/backoff", uid, i64::from(failures));
    pause.saturating_sub(share(pause / 5, jitter))
}

fn share(whole: Duration, fraction: u32) -> Duration {
    Duration::from_nanos(u64::try_from(portion(whole.as_nanos(), fraction)).unwrap_or(u64::MAX))
}

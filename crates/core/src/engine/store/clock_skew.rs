//! How far the clocks of a store and of the API server are from the operator's: promise 14.
//!
//! What holds here:
//! - all times of the engine are the operator's; only the date of a signature and the end of a session are
//!   the store's;
//! - clocks that differ by 15 s or less agree; if they differ by more than 5 minutes, nothing is signed.

use jiff::{SignedDuration, Timestamp};

use crate::api::Reason;
use crate::engine::protocol::CredentialsError;
use crate::issue::issued::CLOCKS_AGREE;

/// A difference beyond which nothing is signed.
const TOO_FAR: SignedDuration = SignedDuration::from_mins(5);

/// What is known of the clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct ClockSkew {
    /// The store's less the operator's.
    store: Option<SignedDuration>,
    /// A measure that differs from it, until another one agrees: the nodes of one store may have clocks of
    /// their own.
    unsure: Option<SignedDuration>,
    /// The API server's less the operator's.
    api: Option<SignedDuration>,
}

impl ClockSkew {
    /// The store's clock was read.
    pub(super) fn read_store(&mut self, skew: SignedDuration) {
        let skew = whole(skew);
        let agrees = |known: Option<SignedDuration>| {
            known.is_some_and(|known| (skew - known).abs() <= CLOCKS_AGREE)
        };
        if self.store.is_none() || agrees(self.store) || agrees(self.unsure) {
            self.store = Some(skew);
            self.unsure = None;
        } else {
            self.unsure = Some(skew);
        }
    }

    /// Whether the last measure was another one than those before it.
    pub(super) const fn is_unsure(&self) -> bool {
        self.unsure.is_some()
    }

    /// The API server's clock was read.
    pub(in crate::engine) fn read_api(&mut self, skew: SignedDuration) {
        self.api = Some(whole(skew));
    }

    /// What is known before another endpoint answers: the API server's clock is the same.
    pub(super) const fn of_another_endpoint(self) -> Self {
        Self {
            store: None,
            unsure: None,
            api: self.api,
        }
    }

    /// The clock of an endpoint on trial was read: the last measure counts.
    pub(super) fn replace_store(&mut self, skew: SignedDuration) {
        self.store = Some(whole(skew));
        self.unsure = None;
    }

    /// The store's clock less the operator's, if it was measured.
    pub(in crate::engine) const fn store(&self) -> Option<SignedDuration> {
        self.store
    }

    /// The operator's clock was stepped: what was measured against it is worth nothing now.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The store's clock less the operator's, as far as it is known: if the store's was never
    /// measured, the API server's is taken.
    pub(in crate::engine) fn measured(&self) -> SignedDuration {
        self.store.or(self.api).unwrap_or_default()
    }

    /// What is added to the operator's time for what the store checks.
    pub(in crate::engine) fn offset(&self) -> SignedDuration {
        let measured = self.measured();
        if measured.abs() > CLOCKS_AGREE {
            measured
        } else {
            SignedDuration::ZERO
        }
    }

    /// Why nothing is signed, if the clocks are too far apart.
    pub(super) fn too_far_apart(&self) -> Option<CredentialsError> {
        (self.measured().abs() > TOO_FAR).then(|| CredentialsError {
            reason: Reason::ClockSkewed,
            message: format!(
                "{}; beyond 5m nothing is signed: set the clock of the operator's node or of the store",
                self.difference()
            ),
        })
    }

    /// Whether no clock was read since the start.
    pub(in crate::engine) const fn is_unmeasured(&self) -> bool {
        self.store.is_none() && self.api.is_none()
    }

    /// What the condition says: whether the clocks agree, and the sentence; `None` if the store's clock
    /// was not read, and the API server's does not differ.
    pub(in crate::engine) fn condition(&self) -> Option<(bool, Reason, String)> {
        let apart =
            |skew: Option<SignedDuration>| skew.is_some_and(|skew| skew.abs() > CLOCKS_AGREE);
        if let Some(too_far_apart) = self.too_far_apart() {
            return Some((false, too_far_apart.reason, too_far_apart.message));
        }
        if apart(self.store.or(self.api)) {
            let message = format!(
                "{}; what is signed is dated by the other clock: set the clock of the operator's node or of the store",
                self.difference()
            );
            return Some((false, Reason::ClockSkewed, message));
        }
        if apart(self.api) {
            let message = format!(
                "the clocks of the store and of the operator agree, and {}: set the clock of the API server's node",
                differs("the API server's", self.api.unwrap_or_default())
            );
            return Some((false, Reason::ClockSkewed, message));
        }
        self.store?;
        let message = "the clocks of the store and of the operator agree within 15s".to_owned();
        Some((true, Reason::ClockInSync, message))
    }

    fn difference(&self) -> String {
        let whose = if self.store.is_some() {
            "the store's"
        } else {
            "the API server's"
        };
        differs(whose, self.measured())
    }
}

/// A time of the operator's clock as the store's shows it.
pub(in crate::engine) fn shifted(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(time)
}

/// How a clock differs. It is rounded, so that each new measure is no news.
fn differs(whose: &str, skew: SignedDuration) -> String {
    let seconds = skew.abs().as_secs();
    let about = if seconds < 120 {
        format!("{}s", (seconds / 10 * 10).max(15))
    } else {
        format!("{}m", seconds / 60)
    };
    let way = if skew.is_negative() {
        "behind"
    } else {
        "ahead of"
    };
    format!("{whose} clock is about {about} {way} the operator's")
}

fn whole(skew: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(skew.as_secs())
}

#[cfg(test)]
mod tests {
    //! Thresholds and sentences.

    use super::*;

    fn clocks(store: i64) -> ClockSkew {
        let mut clocks = ClockSkew::default();
        clocks.read_store(SignedDuration::from_secs(store));
        clocks
    }

    #[test]
    fn fifteen_seconds_are_no_difference_and_five_minutes_are_too_many() {
        for (skew, offset, apart, too_far) in [
            (0, 0, false, false),
            (15, 0, false, false),
            (-15, 0, false, false),
            (16, 16, true, false),
            (-300, -300, true, false),
            (301, 301, true, true),
            (-301, -301, true, true),
        ] {
            let clocks = clocks(skew);
            assert_eq!(clocks.offset().as_secs(), offset);
            assert_eq!(clocks.condition().map(|(agree, ..)| agree), Some(!apart));
            assert_eq!(clocks.too_far_apart().is_some(), too_far, "{skew}");
        }
    }

    #[test]
    fn the_stores_word_counts_before_the_api_servers() {
        let mut clocks = ClockSkew::default();
        assert_eq!(clocks.condition(), None);
        clocks.read_api(SignedDuration::from_secs(3));
        assert_eq!(clocks.condition(), None, "the store's clock was not read");
        clocks.read_api(SignedDuration::from_secs(-90));
        assert_eq!(clocks.offset().as_secs(), -90);
        let (_, _, message) = clocks.condition().unwrap();
        assert!(message.contains("the API server's clock is about 90s behind"));
        clocks.read_store(SignedDuration::from_secs(3));
        assert_eq!(clocks.offset().as_secs(), 0);
        let (agree, _, message) = clocks.condition().unwrap();
        assert!(!agree && message.contains("API server"), "{message}");
        clocks.forget();
        assert_eq!(clocks.offset().as_secs(), 0);
    }

    #[test]
    fn a_measure_that_hardly_differs_is_no_news() {
        assert_eq!(clocks(61).condition(), clocks(69).condition());
        assert_eq!(clocks(-121).condition(), clocks(-130).condition());
    }

    #[test]
    fn a_measure_counts_when_the_next_one_agrees() {
        let mut clocks = clocks(0);
        for _ in 0..5 {
            // Two nodes answer in turn.
            clocks.read_store(SignedDuration::from_secs(100));
            assert!(clocks.offset().is_zero() && clocks.is_unsure());
            clocks.read_store(SignedDuration::from_secs(2));
            assert!(clocks.offset().is_zero() && !clocks.is_unsure());
        }
        clocks.read_store(SignedDuration::from_secs(100));
        clocks.read_store(SignedDuration::from_secs(101));
        assert_eq!(clocks.offset().as_secs(), 101);
    }
}

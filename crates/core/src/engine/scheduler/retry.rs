//! When something that failed is retried.
//!
//! What holds here:
//! - This is the only interpreter of the error table's retry classes.
//! - Pauses grow from five seconds to five minutes, and their jitter is a hash of a seed.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::Problem;
use crate::engine::protocol::Retry;
use crate::issue::backoff;
use crate::time::later;

/// The pause before a problem that only a person can fix is checked again.
pub(in crate::engine) const RECHECK: Duration = Duration::from_mins(5);

/// The failures of one thing, and when it is retried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct RetryState {
    /// Failures in a row.
    pub(in crate::engine) failures: u32,
    pub(in crate::engine) last_failure: Option<Timestamp>,
    /// Retries in a row that count as no failure.
    uncounted: u32,
    /// Nothing is attempted before this time.
    pub(in crate::engine) retry_at: Option<Timestamp>,
    /// Since when the pause until then lasts.
    since: Option<Timestamp>,
}

impl RetryState {
    /// The earlier failures that a status records.
    pub(in crate::engine) fn restored(failures: u32, last_failure: Option<Timestamp>) -> Self {
        Self {
            failures,
            last_failure,
            ..Self::default()
        }
    }

    /// Records a failure of a class. After `immediate` retries without a pause, pauses separate them too. A
    /// throttled call is no failure of the thing itself: all calls pause together.
    pub(in crate::engine) fn record(
        &mut self,
        class: Retry,
        immediate: u32,
        seed: &str,
        now: Timestamp,
    ) {
        match class {
            Retry::Immediately => {
                self.uncounted = self.uncounted.saturating_add(1);
                let beyond = self.uncounted.saturating_sub(immediate);
                if beyond > 0 {
                    self.pause(Some(later(now, backoff(beyond, seed))), now);
                }
            }
            Retry::Backoff => {
                self.count(now);
                self.pause(Some(later(now, backoff(self.failures, seed))), now);
            }
            Retry::OnceAllowed => {
                self.uncounted = self.uncounted.saturating_add(1);
                self.pause(Some(later(now, backoff(self.uncounted, seed))), now);
            }
            Retry::OnChange => self.pause(Some(later(now, RECHECK)), now),
            Retry::ThrottleAll(_) => {}
        }
    }

    /// Records a problem that is not an error of the API server.
    pub(in crate::engine) fn record_problem(
        &mut self,
        problem: &Problem,
        seed: &str,
        now: Timestamp,
    ) {
        self.count(now);
        let pause = if problem.needs_human {
            RECHECK
        } else {
            backoff(self.failures, seed)
        };
        self.pause(Some(later(now, pause)), now);
    }

    /// The problem is known: nothing is attempted before this time, or before something changes.
    pub(in crate::engine) fn wait_until(&mut self, time: Option<Timestamp>, now: Timestamp) {
        self.pause(time, now);
        self.uncounted = 0;
    }

    /// The problem may have gone: there is no pause any more.
    pub(in crate::engine) fn end_pause(&mut self) {
        self.retry_at = None;
        self.since = None;
    }

    /// The problem may have gone: the pause lasts no longer than this from its beginning.
    pub(in crate::engine) fn cut(&mut self, longest: Duration) {
        if let (Some(since), Some(again)) = (self.since, self.retry_at) {
            self.retry_at = Some(again.min(later(since, longest)));
        }
    }

    /// A pause that began before `end` ends then at the latest.
    pub(in crate::engine) fn end_by(&mut self, end: Timestamp) {
        if self.since.is_some_and(|since| since < end) {
            self.retry_at = self.retry_at.map(|at| at.min(end));
        }
    }

    fn pause(&mut self, until: Option<Timestamp>, now: Timestamp) {
        self.retry_at = until;
        self.since = until.and(Some(now));
    }

    /// The end of the pause, if there is one.
    pub(in crate::engine) fn blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.retry_at.filter(|at| *at > now)
    }

    /// The attempt succeeded, or something else is to be done by now.
    pub(in crate::engine) fn reset(&mut self) {
        *self = Self::default();
    }

    /// The clock was stepped: no pause becomes longer than this one.
    pub(in crate::engine) fn clock_stepped(&mut self, latest: Timestamp) {
        self.retry_at = self.retry_at.map(|at| at.min(latest));
        self.since = self.since.map(|at| at.min(latest));
    }

    fn count(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(now);
    }
}

#[cfg(test)]
mod tests {
    //! Each retry class.

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_conflict_is_retried_at_once_a_few_times_and_then_with_pauses() {
        let mut retry = RetryState::default();
        for _ in 0..5 {
            retry.record(Retry::Immediately, 5, "uid", at(0));
            assert_eq!(retry.blocked_until(at(0)), None);
        }
        retry.record(Retry::Immediately, 5, "uid", at(0));
        assert!(retry.blocked_until(at(0)).is_some());
        assert_eq!(retry.failures, 0, "a conflict is no failure");
    }

    #[test]
    fn an_outage_is_retried_with_growing_pauses() {
        let mut retry = RetryState::default();
        retry.record(Retry::Backoff, 5, "uid", at(0));
        let first = retry.retry_at.unwrap();
        retry.record(Retry::Backoff, 5, "uid", at(0));
        assert!(retry.retry_at.unwrap() > first);
        assert_eq!((retry.failures, retry.last_failure), (2, Some(at(0))));
    }

    #[test]
    fn what_only_a_change_can_fix_waits_for_five_minutes() {
        let mut retry = RetryState::default();
        retry.record(Retry::OnChange, 5, "uid", at(0));
        assert_eq!(retry.retry_at, Some(at(300)));
    }

    #[test]
    fn what_is_forbidden_is_tried_again_soon_at_first_and_every_five_minutes_in_the_end() {
        let mut retry = RetryState::default();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            retry.record(Retry::OnceAllowed, 5, "uid", at(0));
            pauses.push(retry.retry_at.unwrap().as_second() - at(0).as_second());
        }
        assert!(pauses[0] <= 5 && pauses.is_sorted(), "{pauses:?}");
        assert!((240..=300).contains(&pauses[8]), "{pauses:?}");
        assert_eq!(retry.failures, 0, "it is no failure of the server");
    }

    #[test]
    fn a_pause_ends_by_a_time_unless_it_began_after_it() {
        let mut retry = RetryState::default();
        retry.record(Retry::OnChange, 5, "uid", at(0));
        retry.end_by(at(100));
        assert_eq!(retry.retry_at, Some(at(100)));
        retry.record(Retry::OnChange, 5, "uid", at(100));
        retry.end_by(at(100));
        assert_eq!(retry.retry_at, Some(at(400)));
    }

    #[test]
    fn every_pause_can_be_cut_from_its_beginning() {
        let short = Duration::from_secs(5);
        let mut retry = RetryState::default();
        for class in [Retry::OnChange, Retry::Backoff, Retry::Backoff] {
            retry.record(class, 0, "uid", at(0));
            retry.cut(short);
            assert!(retry.retry_at.unwrap() <= at(5), "{class:?}");
        }
        retry.wait_until(Some(at(900)), at(100));
        retry.cut(short);
        assert_eq!(retry.retry_at, Some(at(105)));
        // None becomes longer, and what ended stays so.
        retry.wait_until(Some(at(101)), at(100));
        retry.cut(short);
        assert_eq!(retry.retry_at, Some(at(101)));
        retry.end_pause();
        retry.cut(short);
        assert_eq!(retry.retry_at, None);
    }

    #[test]
    fn a_throttled_call_is_no_failure_of_the_resource() {
        let mut retry = RetryState::default();
        retry.record(Retry::ThrottleAll(None), 5, "uid", at(0));
        assert_eq!(retry, RetryState::default());
    }
}

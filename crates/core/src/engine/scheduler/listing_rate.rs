//! When prefixes are listed: each resource has a rate, and so has each namespace.
//!
//! What holds here:
//! - A resource is listed [`RESOURCE_BURST`] times, and from then on once in the interval that its policy
//!   allows, whatever becomes of its spec.
//! - The resources of a namespace list [`NAMESPACE_BURST`] times, and from then on once in
//!   [`NAMESPACE_INTERVAL`]. Who must wait keeps its turn. One that is deleted gives it back, and what it
//!   listed stays counted, so whoever deletes and creates gains nothing.
//! - URLs that live are renewed in time: two thirds of their life are left for it, as by default, whatever
//!   the rates say, and one listing waits for nothing as the last renewal that is planned is due.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::issue::latest_renewal;
use crate::time::{between, later, shifted};

/// How many listings of one resource need no pause between them.
pub(in crate::engine) const RESOURCE_BURST: u32 = 3;
/// How many listings of one namespace need no pause between them.
pub(in crate::engine) const NAMESPACE_BURST: u32 = 60;
/// The pause between listings of one namespace beyond those.
pub(in crate::engine) const NAMESPACE_INTERVAL: Duration = Duration::from_secs(1);
/// A turn that is not taken for so long is lost.
const TURN_LAPSES: Duration = Duration::from_mins(1);
/// The pauses between listings for URLs of which less than two thirds of the life are left: a tenth of the
/// life, within these bounds.
const RENEWAL_PAUSES: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(5));

/// The listings of all resources and namespaces.
#[derive(Debug, Default)]
pub(in crate::engine) struct ListingRates {
    resources: BTreeMap<String, Pace>,
    namespaces: BTreeMap<String, Rate>,
}

/// The listings of a resource.
#[derive(Debug)]
struct Pace {
    /// Each listing moves it on by the interval.
    paid_until: Timestamp,
    interval: Duration,
    listed_at: Option<Timestamp>,
}

/// The listings of a namespace.
#[derive(Debug)]
struct Rate {
    /// Each listing and each turn moves it on by the interval.
    paid_until: Timestamp,
    /// When those that wait may list.
    turns: BTreeMap<String, Timestamp>,
}

/// Why a listing waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Bound {
    /// The resource was listed too often.
    Resource,
    /// The namespace listed too often.
    Namespace,
}

/// The life of URLs that a listing renews.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Life {
    pub(in crate::engine) issued_at: Timestamp,
    pub(in crate::engine) expires_at: Timestamp,
}

impl ListingRates {
    /// When a resource may list, and what makes it wait; `None` is now. `interval` is the least that its
    /// policy allows between two refreshes, `living` are the URLs that it has.
    pub(in crate::engine) fn queued_until(
        &mut self,
        (namespace, uid): (&str, &str),
        interval: Duration,
        living: Option<Life>,
        now: Timestamp,
    ) -> Option<(Timestamp, Bound)> {
        let pace = self.resources.entry(uid.to_owned()).or_insert(Pace {
            paid_until: now,
            interval,
            listed_at: None,
        });
        pace.change_interval(interval, now);
        let latest = living.map(|life| life.latest_renewal(pace.listed_at));
        if latest.is_some_and(|latest| latest <= now) {
            return None;
        }
        let (at, bound) = match burst(pace.paid_until, interval, RESOURCE_BURST) {
            own if own > now => (own, Bound::Resource),
            _ => {
                let rate = self.namespaces.entry(namespace.to_owned());
                let rate = rate.or_insert_with(|| Rate::new(now));
                (rate.turn(uid, now), Bound::Namespace)
            }
        };
        (at > now).then(|| (latest.map_or(at, |latest| at.min(latest)), bound))
    }

    /// When a resource was listed last, if that is known.
    pub(in crate::engine) fn listed_at(&self, uid: &str) -> Option<Timestamp> {
        self.resources.get(uid)?.listed_at
    }

    /// A listing of a resource starts.
    pub(in crate::engine) fn starts(&mut self, namespace: &str, uid: &str, now: Timestamp) {
        if let Some(pace) = self.resources.get_mut(uid) {
            // Renewals that could not wait for the rate are no debt: the next waits one interval at most.
            let most = later(now, pace.interval.saturating_mul(RESOURCE_BURST));
            pace.paid_until = later(pace.paid_until.max(now), pace.interval).min(most);
            pace.listed_at = Some(now);
        }
        let rate = self.namespaces.entry(namespace.to_owned());
        let rate = rate.or_insert_with(|| Rate::new(now));
        if rate.turns.remove(uid).is_none() {
            rate.paid_until = later(rate.paid_until.max(now), NAMESPACE_INTERVAL);
        }
        self.namespaces
            .retain(|_, rate| rate.paid_until > now || !rate.turns.is_empty());
    }

    /// A resource is gone.
    pub(in crate::engine) fn forget(&mut self, namespace: &str, uid: &str) {
        self.resources.remove(uid);
        if let Some(rate) = self.namespaces.get_mut(namespace)
            && rate.turns.remove(uid).is_some()
        {
            rate.paid_until = earlier(rate.paid_until, NAMESPACE_INTERVAL);
        }
    }

    /// The clock was stepped: nobody waits longer than intended.
    pub(in crate::engine) fn clock_stepped(&mut self) {
        *self = Self::default();
    }
}

impl Pace {
    /// What is owed for earlier listings counts in the new interval.
    fn change_interval(&mut self, interval: Duration, now: Timestamp) {
        let (old, new) = (self.interval.as_secs().max(1), interval.as_secs());
        if old != new {
            let owed = u128::from(between(now, self.paid_until).as_secs());
            let owed = owed * u128::from(new) / u128::from(old);
            let owed = Duration::from_secs(u64::try_from(owed).unwrap_or(u64::MAX));
            self.paid_until = later(now, owed);
            self.interval = interval;
        }
    }
}

impl Rate {
    fn new(now: Timestamp) -> Self {
        Self {
            paid_until: now,
            turns: BTreeMap::new(),
        }
    }

    /// When a resource may list. It keeps the turn that it has.
    fn turn(&mut self, uid: &str, now: Timestamp) -> Timestamp {
        let known = self.turns.get(uid).copied();
        if let Some(at) = known.filter(|at| later(*at, TURN_LAPSES) > now) {
            return at;
        }
        self.paid_until = self.paid_until.max(now);
        let at = burst(self.paid_until, NAMESPACE_INTERVAL, NAMESPACE_BURST).max(now);
        self.paid_until = later(self.paid_until, NAMESPACE_INTERVAL);
        self.turns.insert(uid.to_owned(), at);
        at
    }
}

impl Life {
    /// When the URLs are renewed at the latest, if they were last listed for at this time.
    fn latest_renewal(self, listed_at: Option<Timestamp>) -> Timestamp {
        let life = between(self.issued_at, self.expires_at);
        let third = later(self.issued_at, life / 3);
        let (least, most) = RENEWAL_PAUSES;
        let pause = (life / 10).clamp(least, most);
        let due = third.max(latest_renewal(self.issued_at, self.expires_at));
        match listed_at.map(|at| (at, third.max(later(at, pause)))) {
            // A refresh just before it does not make a renewal late.
            Some((at, next)) if at < due => next.min(due),
            Some((_, next)) => next,
            None => third,
        }
    }
}

/// When the next may follow, if so many need no pause between them.
fn burst(paid_until: Timestamp, interval: Duration, most: u32) -> Timestamp {
    earlier(paid_until, interval.saturating_mul(most - 1))
}

fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    shifted(time, -by)
}

#[cfg(test)]
mod tests {
    //! Who lists when.

    use super::*;

    const INTERVAL: Duration = Duration::from_mins(5);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    impl ListingRates {
        /// Lists if it may; else says how many seconds it waits, and why.
        fn list(&mut self, uid: &str, second: i64, living: Option<Life>) -> Option<(i64, Bound)> {
            let queued = self.queued_until(("a", uid), INTERVAL, living, at(second));
            if queued.is_none() {
                self.starts("a", uid, at(second));
            }
            queued.map(|(until, bound)| (until.as_second() - at(second).as_second(), bound))
        }
    }

    #[test]
    fn a_resource_is_listed_a_few_times_and_then_once_in_its_interval() {
        let mut rates = ListingRates::default();
        let listed = (0..3600).filter(|second| rates.list("u", *second, None).is_none());
        let listed: Vec<i64> = listed.collect();
        assert_eq!(listed[..5], [0, 1, 2, 300, 600]);
        assert_eq!(listed.len(), 14, "three, and one in each five minutes");
        assert_eq!(rates.list("u", 3598, None), Some((2, Bound::Resource)));
    }

    #[test]
    fn another_interval_counts_for_what_was_listed_before() {
        let mut rates = ListingRates::default();
        for second in 0..3 {
            rates.list("u", second, None);
        }
        let mut queued = |interval| {
            let queued = rates.queued_until(("a", "u"), interval, None, at(3));
            queued.map(|(until, _)| until.as_second() - at(0).as_second())
        };
        assert_eq!(queued(INTERVAL), Some(300));
        assert_eq!(
            queued(INTERVAL * 12),
            Some(3567),
            "an hour, less what was paid of 15 minutes"
        );
        assert_eq!(queued(INTERVAL), Some(300));
    }

    #[test]
    fn a_namespace_lists_so_many_at_once_and_then_one_a_second_whoever_asks() {
        let mut rates = ListingRates::default();
        for made in 0..60 {
            let uid = format!("u{made}");
            assert_eq!(rates.list(&uid, 0, None), None, "{uid}");
            rates.forget("a", &uid);
        }
        for (uid, wait) in [("x", 1), ("y", 2), ("z", 3)] {
            assert_eq!(rates.list(uid, 0, None), Some((wait, Bound::Namespace)));
        }
        assert_eq!(
            rates.list("y", 1, None),
            Some((1, Bound::Namespace)),
            "its turn"
        );
        rates.forget("a", "z");
        assert_eq!(rates.list("new", 0, None), Some((3, Bound::Namespace)));
        assert_eq!(rates.list("x", 1, None), None);
        let other = rates.queued_until(("b", "b0"), INTERVAL, None, at(1));
        assert_eq!(other, None, "another namespace has its own");
    }

    #[test]
    fn turns_that_are_not_taken_are_not_saved_up() {
        let mut rates = ListingRates::default();
        for made in 0..60 {
            rates.list(&format!("u{made}"), 0, None);
        }
        for waits in 0..600 {
            let queued = rates.list(&format!("w{waits}"), 0, None);
            assert_eq!(queued, Some((waits + 1, Bound::Namespace)));
        }
        let mut listed = 0;
        for waits in 0..600 {
            listed += i32::from(rates.list(&format!("w{waits}"), 700, None).is_none());
        }
        assert!(listed <= 120, "{listed} at once");
    }

    #[test]
    fn urls_that_live_are_renewed_while_two_thirds_of_their_life_are_left() {
        let mut rates = ListingRates::default();
        let life = Some(Life {
            issued_at: at(0),
            expires_at: at(600),
        });
        for second in 0..3 {
            assert_eq!(rates.list("u", second, life), None);
        }
        assert_eq!(rates.list("u", 3, life), Some((197, Bound::Resource)));
        assert_eq!(rates.list("u", 200, life), None);
        let again = rates.list("u", 210, life);
        assert_eq!(
            again,
            Some((50, Bound::Resource)),
            "a tenth of its life later"
        );
        let short = Some(Life {
            issued_at: at(300),
            expires_at: at(400),
        });
        assert_eq!(rates.list("u", 350, short), None);
        let again = rates.list("u", 351, short);
        assert_eq!(
            again,
            Some((29, Bound::Resource)),
            "it is never listed in a loop"
        );
    }

    #[test]
    fn a_refresh_just_before_a_renewal_does_not_make_it_late() {
        let mut rates = ListingRates::default();
        let life = Some(Life {
            issued_at: at(0),
            expires_at: at(900),
        });
        for second in [0, 1, 2, 300, 600, 751] {
            assert_eq!(rates.list("u", second, life), None);
        }
        assert_eq!(rates.list("u", 752, life), Some((28, Bound::Resource)));
        assert_eq!(rates.list("u", 780, life), None, "two minutes are left");
        assert_eq!(
            rates.list("u", 781, life),
            Some((89, Bound::Resource)),
            "it is never listed in a loop"
        );
    }

    #[test]
    fn renewals_that_could_not_wait_for_the_rate_are_no_debt_as_the_urls_expire() {
        let mut rates = ListingRates::default();
        let life = Some(Life {
            issued_at: at(0),
            expires_at: at(3600),
        });
        let hour = INTERVAL * 12;
        for second in 0..3600 {
            let queued = rates.queued_until(("a", "u"), hour, life, at(second));
            if queued.is_none() {
                rates.starts("a", "u", at(second));
            }
        }
        let waits = rates.list("u", 3600, None).map_or(0, |(wait, _)| wait);
        assert!(waits <= 300, "it waits {waits} s without URLs");
    }
}

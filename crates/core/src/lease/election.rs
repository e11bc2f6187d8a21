//! One instance's part in the election: what it does with the Lease that it read, and its claim.

use std::time::Duration;

use super::claim::{CLAIM_DURATION, Claim};

/// A Lease as it was read, as far as the election uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSeen {
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `spec.holderIdentity`; empty if nobody holds it.
    pub holder: String,
    /// `spec.leaseDurationSeconds`, as its holder wrote it.
    pub duration: Duration,
}

/// What comes next for the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is none: create it.
    Create,
    /// It is ours: write its time again.
    Renew,
    /// Nobody holds it any more: write our name, at the version that was read.
    Acquire,
    /// Another instance holds it.
    Wait,
}

/// One instance's part in an election. `L` is a Lease as the shell keeps it.
#[derive(Clone, Debug)]
pub struct Election<L> {
    identity: String,
    /// The Lease that was last read.
    observed: Option<Observed>,
    /// The Lease as this instance wrote it last, unless something failed since.
    held: Option<L>,
    claim: Claim,
}

/// What was seen of a Lease.
#[derive(Clone, Debug)]
struct Observed {
    version: String,
    /// When this version was first seen.
    since: Duration,
    /// When it expires, if another instance holds it.
    expires: Option<Duration>,
}

impl<L> Election<L> {
    /// An instance that follows. No other instance may have the same identity.
    #[must_use]
    pub const fn new(identity: String) -> Self {
        Self {
            identity,
            observed: None,
            held: None,
            claim: Claim::none(),
        }
    }

    /// The name by which this instance holds the Lease.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The present claim.
    #[must_use]
    pub const fn claim(&self) -> Claim {
        self.claim
    }

    /// The Lease with which an attempt begins: as this instance wrote it last. `None` if it has to be read.
    /// If the attempt fails, what was written stands no longer for certain, and the next one reads.
    pub fn begin(&mut self) -> Option<L> {
        self.held.take()
    }

    /// What comes next, by the Lease that was read; `None` if there is none. A claim ends at once if another
    /// instance holds the Lease.
    pub fn decide(&mut self, lease: Option<&LeaseSeen>, monotonic: Duration) -> Decision {
        let Some(lease) = lease else {
            self.claim = Claim::none();
            let others = self.observed.as_ref().and_then(|seen| seen.expires);
            if others.is_some_and(|expires| monotonic < expires) {
                return Decision::Wait;
            }
            self.observed = None;
            return Decision::Create;
        };
        let since = match &self.observed {
            Some(seen) if seen.version == lease.resource_version => seen.since,
            _ => monotonic,
        };
        let is_ours = lease.holder == self.identity;
        let expires = since.saturating_add(lease.duration);
        self.observed = Some(Observed {
            version: lease.resource_version.clone(),
            since,
            expires: (!is_ours && !lease.holder.is_empty()).then_some(expires),
        });
        if is_ours {
            return Decision::Renew;
        }
        self.claim = Claim::none();
        if lease.holder.is_empty() || monotonic >= expires {
            Decision::Acquire
        } else {
            Decision::Wait
        }
    }

    /// The Lease was written with our name, and is stored like this. The write was sent at `sent_at`.
    pub fn written(&mut self, lease: L, sent_at: Duration) {
        self.held = Some(lease);
        self.claim = Claim::until(sent_at.saturating_add(CLAIM_DURATION));
    }

    /// This instance stops: the claim ends. Returns the Lease to give up, if it is ours for certain. While a
    /// step is on its way it is not given up, since that step may still write: it expires by itself.
    pub fn stop(&mut self, idle: bool) -> Option<L> {
        self.claim = Claim::none();
        self.held.take().filter(|_| idle)
    }
}

#[cfg(test)]
mod tests {
    //! Elections, in seconds of one monotonic clock.

    use super::*;
    use crate::lease::LEASE_DURATION;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn lease(holder: &str, version: u64) -> LeaseSeen {
        LeaseSeen {
            resource_version: version.to_string(),
            holder: holder.to_owned(),
            duration: LEASE_DURATION,
        }
    }

    const fn election(identity: String) -> Election<()> {
        Election::new(identity)
    }

    #[test]
    fn a_claim_ends_by_itself() {
        let claim = Claim::until(at(15));
        assert!(claim.holds(at(14)));
        assert!(!claim.holds(at(15)));
        assert!(Claim::always().holds(Duration::MAX));
        assert!(!Claim::none().holds(Duration::ZERO));
    }

    #[test]
    fn the_first_instance_creates_the_lease_and_leads_once_it_is_written() {
        let mut a = election("a".to_owned());
        assert_eq!(a.decide(None, at(0)), Decision::Create);
        assert!(!a.claim().holds(at(0)), "nothing is written yet");
        a.written((), at(0));
        assert!(a.claim().holds(at(9)));
        assert!(!a.claim().holds(at(10)));
    }

    #[test]
    fn a_lease_that_changes_is_never_taken_over() {
        let mut b = election("b".to_owned());
        for second in 0..100 {
            let renewed = lease("a", second / 14);
            assert_eq!(b.decide(Some(&renewed), at(second)), Decision::Wait);
        }
    }

    #[test]
    fn a_lease_is_taken_over_after_its_duration_without_a_change() {
        let mut b = election("b".to_owned());
        assert_eq!(b.decide(Some(&lease("a", 7)), at(100)), Decision::Wait);
        assert_eq!(b.decide(Some(&lease("a", 7)), at(114)), Decision::Wait);
        assert_eq!(b.decide(Some(&lease("a", 7)), at(115)), Decision::Acquire);
    }

    #[test]
    fn a_lease_that_was_given_up_is_taken_at_once() {
        let mut b = election("b".to_owned());
        assert_eq!(b.decide(Some(&lease("a", 7)), at(100)), Decision::Wait);
        assert_eq!(b.decide(Some(&lease("", 8)), at(101)), Decision::Acquire);
    }

    #[test]
    fn who_sees_another_holder_does_not_lead_any_more() {
        let mut a = election("a".to_owned());
        a.written((), at(0));
        assert_eq!(a.decide(Some(&lease("a", 1)), at(2)), Decision::Renew);
        assert!(a.claim().holds(at(3)));
        assert_eq!(a.decide(Some(&lease("b", 2)), at(4)), Decision::Wait);
        assert!(!a.claim().holds(at(4)));
    }

    #[test]
    fn who_sees_that_the_lease_was_deleted_does_not_lead_before_it_is_written_again() {
        let mut a = election("a".to_owned());
        a.written((), at(0));
        assert_eq!(a.decide(None, at(2)), Decision::Create);
        assert!(!a.claim().holds(at(2)));
    }

    #[test]
    fn a_lease_of_another_that_was_deleted_is_created_again_once_it_would_have_expired() {
        let mut b = election("b".to_owned());
        assert_eq!(b.decide(Some(&lease("a", 7)), at(100)), Decision::Wait);
        // The other instance may act on its claim for ten seconds more.
        assert_eq!(b.decide(None, at(102)), Decision::Wait);
        assert_eq!(b.decide(None, at(114)), Decision::Wait);
        assert_eq!(b.decide(None, at(115)), Decision::Create);
    }

    #[test]
    fn a_lease_that_was_given_up_and_deleted_is_created_at_once() {
        let mut b = election("b".to_owned());
        assert_eq!(b.decide(Some(&lease("a", 7)), at(100)), Decision::Wait);
        assert_eq!(b.decide(Some(&lease("", 8)), at(101)), Decision::Acquire);
        assert_eq!(b.decide(None, at(102)), Decision::Create);
    }

    #[test]
    fn who_stops_gives_up_what_is_its_own_and_only_with_nothing_on_its_way() {
        let mut a = election("a".to_owned());
        assert_eq!(a.stop(true), None, "it holds nothing");
        for idle in [true, false] {
            a.written((), at(0));
            assert_eq!(a.stop(idle).is_some(), idle);
            assert!(!a.claim().holds(at(0)));
        }
        a.written((), at(0));
        assert!(a.begin().is_some());
        assert_eq!(a.stop(true), None, "an attempt failed since");
    }

    /// Two instances, each with pauses and lost answers of its own, in every combination of a small set: at
    /// no moment do both hold a claim.
    #[test]
    fn two_instances_never_lead_at_the_same_time() {
        for script in 0..4096_u32 {
            let mut server: Option<LeaseSeen> = None;
            let mut version = 0;
            let mut instances = ["a", "b"].map(|name| election(name.to_owned()));
            for second in 0..60_u64 {
                for (which, instance) in instances.iter_mut().enumerate() {
                    let bit = (script >> ((second / 10) * 2 + which as u64)) & 1;
                    // A paused process does nothing for ten seconds; its write was sent before the pause.
                    if bit == 1 || second % 2 != which as u64 {
                        continue;
                    }
                    match instance.decide(server.as_ref(), at(second)) {
                        Decision::Wait => {}
                        Decision::Create | Decision::Renew | Decision::Acquire => {
                            version += 1;
                            server = Some(lease(instance.identity(), version));
                            instance.written((), at(second));
                        }
                    }
                }
                let leaders = instances.iter().filter(|one| one.claim().holds(at(second)));
                assert!(leaders.count() <= 1, "script {script}, second {second}");
            }
        }
    }
}

//! Who may act: the election of a leader by a Lease (`coordination.k8s.io/v1`), decided as client-go's
//! `leaderelection` decides it.
//!
//! What holds here:
//! - A claim to lead is a value with an end. It ends by itself; nobody has to take it away.
//! - A Lease has expired if it was not seen to change for its duration on our own monotonic clock. The times
//!   in the Lease, which another machine's clock wrote, decide nothing.
//! - The claim ends before the Lease can expire for anybody else: it counts from the moment at which the
//!   renewal was sent, and it is shorter than the Lease's duration.

use std::time::Duration;

/// How long the others wait for a Lease that does not change before they take it.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How long a renewal lets its holder lead.
pub const CLAIM_DURATION: Duration = Duration::from_secs(10);
/// The pause between two attempts to renew or to acquire.
pub const RETRY_PERIOD: Duration = Duration::from_secs(2);

/// A claim to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    until: Option<Duration>,
}

impl Claim {
    /// The claim of an operator that runs alone.
    #[must_use]
    pub const fn always() -> Self {
        Self { until: None }
    }

    /// The claim of an operator that follows.
    #[must_use]
    pub const fn none() -> Self {
        Self::until(Duration::ZERO)
    }

    /// A claim that holds until a moment of the monotonic clock.
    #[must_use]
    pub const fn until(moment: Duration) -> Self {
        Self {
            until: Some(moment),
        }
    }

    /// Whether it holds at a moment of the monotonic clock.
    #[must_use]
    pub fn holds(&self, monotonic: Duration) -> bool {
        self.until.is_none_or(|until| monotonic < until)
    }
}

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

/// One instance's part in an election.
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    /// The version of the Lease that was last read, and when it was first seen.
    observed: Option<(String, Duration)>,
    claim: Claim,
}

impl Election {
    /// An instance that follows. No other instance may have the same identity.
    #[must_use]
    pub const fn new(identity: String) -> Self {
        Self {
            identity,
            observed: None,
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

    /// What comes next, by the Lease that was read; `None` if there is none. A claim ends at once if another
    /// instance holds the Lease.
    pub fn decide(&mut self, lease: Option<&LeaseSeen>, monotonic: Duration) -> Decision {
        let Some(lease) = lease else {
            self.observed = None;
            self.claim = Claim::none();
            return Decision::Create;
        };
        let since = match &self.observed {
            Some((version, since)) if *version == lease.resource_version => *since,
            _ => {
                self.observed = Some((lease.resource_version.clone(), monotonic));
                monotonic
            }
        };
        if lease.holder == self.identity {
            return Decision::Renew;
        }
        self.claim = Claim::none();
        let expired = monotonic.saturating_sub(since) >= lease.duration;
        if lease.holder.is_empty() || expired {
            Decision::Acquire
        } else {
            Decision::Wait
        }
    }

    /// The Lease was written with our name. The write was sent at `sent_at`.
    pub fn written(&mut self, sent_at: Duration) {
        self.claim = Claim::until(sent_at.saturating_add(CLAIM_DURATION));
    }
}

#[cfg(test)]
mod tests {
    //! Elections, in seconds of one monotonic clock.

    use super::*;

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
        let mut a = Election::new("a".to_owned());
        assert_eq!(a.decide(None, at(0)), Decision::Create);
        assert!(!a.claim().holds(at(0)), "nothing is written yet");
        a.written(at(0));
        assert!(a.claim().holds(at(9)));
        assert!(!a.claim().holds(at(10)));
    }

    #[test]
    fn a_lease_that_changes_is_never_taken_over() {
        let mut b = Election::new("b".to_owned());
        for second in 0..100 {
            let renewed = lease("a", second / 14);
            assert_eq!(b.decide(Some(&renewed), at(second)), Decision::Wait);
        }
    }

    #[test]
    fn a_lease_is_taken_over_after_its_duration_without_a_change() {
        let mut b = Election::new("b".to_owned());
        assert_eq!(b.decide(Some(&lease("a", 7)), at(100)), Decision::Wait);
        assert_eq!(b.decide(Some(&lease("a", 7)), at(114)), Decision::Wait);
        assert_eq!(b.decide(Some(&lease("a", 7)), at(115)), Decision::Acquire);
    }

    #[test]
    fn a_lease_that_was_given_up_is_taken_at_once() {
        let mut b = Election::new("b".to_owned());
        assert_eq!(b.decide(Some(&lease("a", 7)), at(100)), Decision::Wait);
        assert_eq!(b.decide(Some(&lease("", 8)), at(101)), Decision::Acquire);
    }

    #[test]
    fn who_sees_another_holder_does_not_lead_any_more() {
        let mut a = Election::new("a".to_owned());
        a.written(at(0));
        assert_eq!(a.decide(Some(&lease("a", 1)), at(2)), Decision::Renew);
        assert!(a.claim().holds(at(3)));
        assert_eq!(a.decide(Some(&lease("b", 2)), at(4)), Decision::Wait);
        assert!(!a.claim().holds(at(4)));
    }

    #[test]
    fn who_sees_that_the_lease_was_deleted_does_not_lead_before_it_is_written_again() {
        let mut a = Election::new("a".to_owned());
        a.written(at(0));
        assert_eq!(a.decide(None, at(2)), Decision::Create);
        assert!(!a.claim().holds(at(2)));
    }

    /// Two instances, each with pauses and lost answers of its own, in every combination of a small set: at
    /// no moment do both hold a claim.
    #[test]
    fn two_instances_never_lead_at_the_same_time() {
        for script in 0..4096_u32 {
            let mut server: Option<LeaseSeen> = None;
            let mut version = 0;
            let mut instances = ["a", "b"].map(|name| Election::new(name.to_owned()));
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
                            instance.written(at(second));
                        }
                    }
                }
                let leaders = instances.iter().filter(|one| one.claim().holds(at(second)));
                assert!(leaders.count() <= 1, "script {script}, second {second}");
            }
        }
    }
}

//! The election of the model: the attempts of each replica to hold the Lease, at their own times.
//!
//! What holds here: `presigned_core::lease` decides. While one replica leads and nothing stands in the way of
//! the Lease, its renewals are made up for when something else happens: nobody can see the difference.

use std::time::Duration;

use presigned_core::engine::ApiError;
use presigned_core::lease::{Claim, Decision, Election, LEASE_DURATION, RETRY_PERIOD, Term};

use super::{FaultInjector, World};
use crate::common::cluster::lease::Lease;

/// How long one attempt may take, in seconds.
const ATTEMPT: i64 = 4;
/// The pause between two attempts, in seconds.
const PAUSE: i64 = RETRY_PERIOD.as_secs().cast_signed();
/// The seconds before now for which each attempt is made, however steady things are.
const RECENT: i64 = 6;

/// What a replica believes of its claim and of the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    Right,
    /// A claim holds until another holder is seen.
    ClaimsNeverEnd,
    /// A claim counts from the answer to the renewal.
    ClaimsFromTheAnswer,
    /// A Lease that does not change for three seconds has expired.
    LeasesExpireEarly,
}

impl Belief {
    pub fn of(self, claim: Claim) -> Claim {
        if self == Self::ClaimsNeverEnd && claim != Claim::none() {
            Claim::always()
        } else {
            claim
        }
    }
}

/// A replica's part in the election. Times are seconds of the world's monotonic time.
pub struct Candidate {
    pub term: Term,
    /// The claim, as the loop of the shell sees it.
    pub claim: Claim,
    /// It does nothing until then.
    pub paused_until: Option<i64>,
    /// It does not reach the API server until then.
    pub cut_until: i64,
    /// Its calls for the Lease take seconds until then.
    pub slow_until: i64,
    /// Until when it starts, or something stands in its way.
    pub disturbed_until: i64,
    /// It was asked to stop: by when it ends, and after how many seconds it is back.
    pub stops_by: Option<(i64, i64)>,
    /// When its next attempt begins.
    pub(super) next: i64,
    /// When it last woke up.
    pub(super) awake: i64,
    election: Election<Lease>,
    which: usize,
    starts: u32,
    attempt: Option<Attempt>,
    /// Writes that nobody waits for any more, and when they land.
    on_their_way: Vec<(i64, Lease)>,
}

/// A call for the Lease that is under way.
struct Attempt {
    call: Call,
    begun: i64,
    gives_up: i64,
    lands: i64,
    answered: i64,
    answer: Option<Result<Option<Lease>, ApiError>>,
}

enum Call {
    Read,
    Write(Lease),
}

/// A time that never comes.
const NEVER: i64 = i64::MAX;

impl Candidate {
    pub fn new(which: usize) -> Self {
        Self {
            term: Term::new(),
            claim: Claim::none(),
            paused_until: None,
            cut_until: 0,
            slow_until: 0,
            disturbed_until: 0,
            stops_by: None,
            next: 0,
            awake: 0,
            election: Election::new(String::new()),
            which,
            starts: 0,
            attempt: None,
            on_their_way: Vec::new(),
        }
    }

    /// What the monotonic clock of this replica shows. Nobody else's shows the same.
    pub fn clock(&self, monotonic: i64) -> Duration {
        let zero = if self.which == 0 { 5_000 } else { 77 };
        Duration::from_secs(u64::try_from(monotonic + zero).unwrap())
    }

    pub fn identity(&self) -> &str {
        self.election.identity()
    }

    /// The process starts: another identity, and nothing in memory.
    pub(super) fn start(&mut self, monotonic: i64) {
        self.starts += 1;
        self.election = Election::new(format!("replica-{}-{}", self.which, self.starts));
        self.term = Term::new();
        self.claim = Claim::none();
        self.next = monotonic;
        self.disturbed_until = self.disturbed_until.max(monotonic);
        self.stops_by = None;
    }

    /// The process ends; what it sent may land.
    pub(super) fn end(&mut self, lands: bool) {
        self.claim = Claim::none();
        self.paused_until = None;
        self.stops_by = None;
        if let Some(attempt) = self.attempt.take().filter(|_| lands) {
            self.leave(attempt);
        }
    }

    pub(super) const fn attempts(&self) -> bool {
        self.attempt.is_some()
    }

    /// A write that is not awaited any more lands all the same.
    fn leave(&mut self, attempt: Attempt) {
        if let (Call::Write(lease), None) = (attempt.call, attempt.answer)
            && attempt.lands != NEVER
        {
            self.on_their_way.push((attempt.lands, lease));
        }
    }

    /// When something happens next with its Lease.
    fn due(&self, runs: bool) -> Option<i64> {
        let landing = self.on_their_way.iter().map(|(lands, _)| *lands);
        let acts = runs && self.paused_until.is_none();
        let own = match &self.attempt {
            Some(attempt)
                if attempt.answer.is_none() && (attempt.lands < attempt.gives_up || !acts) =>
            {
                (attempt.lands != NEVER).then_some(attempt.lands)
            }
            Some(attempt) if acts => Some(attempt.answered.min(attempt.gives_up).max(self.awake)),
            None if acts => Some(self.next),
            _ => None,
        };
        landing.chain(own).min()
    }

    const fn quiet(&self) -> bool {
        self.attempt.is_none() && self.on_their_way.is_empty()
    }
}

impl<M: FaultInjector> World<M> {
    /// The seconds since the world began, which no step of the clock changes.
    pub fn monotonic(&self) -> i64 {
        self.now.as_second() - super::BEGIN - self.stepped
    }

    /// When something happens next with a Lease, in seconds of the monotonic time; `None` while it is only
    /// renewed.
    pub(super) fn election_due(&self) -> Option<i64> {
        if self.steady(self.monotonic()) {
            return None;
        }
        let due = |one: &super::Replica| one.candidate.as_ref()?.due(one.engine.is_some());
        self.replicas.iter().filter_map(due).min()
    }

    /// Whether one replica leads and goes on to, until something else happens.
    fn steady(&self, monotonic: i64) -> bool {
        let quiet = self.replicas.iter().all(|one| {
            let Some(candidate) = &one.candidate else {
                return true;
            };
            candidate.quiet()
                && candidate.stops_by.is_none()
                && candidate.paused_until.is_none()
                && candidate.cut_until.max(candidate.slow_until) <= monotonic
        });
        quiet && !self.faults.api_down(self.now) && self.leader().is_some()
    }

    /// Makes up for all attempts until now, in the order of their times.
    pub fn elections(&mut self) {
        if !self.elected() {
            return;
        }
        let monotonic = self.monotonic();
        if self.steadily && monotonic > self.elected_until {
            for one in &mut self.replicas {
                let Some(candidate) = &mut one.candidate else {
                    continue;
                };
                // The others must see that the leader renewed it.
                let leads = candidate.term.leading();
                let first = if leads { 2 * RECENT } else { RECENT };
                let missed = (monotonic - first - candidate.next).max(0) / PAUSE;
                candidate.next += missed * PAUSE;
            }
        }
        while let Some((time, which)) = self.due_election(monotonic) {
            self.elect_at(which, time);
        }
        self.elected_until = monotonic;
    }

    fn due_election(&self, monotonic: i64) -> Option<(i64, usize)> {
        let due = self.replicas.iter().enumerate().filter_map(|(which, one)| {
            let time = one.candidate.as_ref()?.due(one.engine.is_some())?;
            (time <= monotonic).then_some((time, which))
        });
        due.min()
    }

    /// Does what is due at a time for the Lease of a replica.
    fn elect_at(&mut self, which: usize, time: i64) {
        let runs = self.replicas[which].engine.is_some();
        let Some(candidate) = &mut self.replicas[which].candidate else {
            return;
        };
        if let Some(landing) = candidate
            .on_their_way
            .iter()
            .position(|(at, _)| *at <= time)
        {
            let (_, lease) = candidate.on_their_way.remove(landing);
            let _ = self.cluster.leases.write(&lease);
            return;
        }
        let Some(attempt) = &mut candidate.attempt else {
            debug_assert!(runs);
            if let Some(held) = candidate.election.begin() {
                self.decide(which, Some(held), time, time + ATTEMPT);
            } else {
                self.call(which, Call::Read, time, time + ATTEMPT);
            }
            return;
        };
        if attempt.answer.is_none() && attempt.lands <= time {
            attempt.answer = Some(match &attempt.call {
                Call::Read => Ok(self.cluster.leases.read()),
                Call::Write(lease) => self.cluster.leases.write(lease).map(Some),
            });
            return;
        }
        let Some(attempt) = candidate.attempt.take() else {
            return;
        };
        let (begun, gives_up) = (attempt.begun, attempt.gives_up);
        let answered = attempt.answered <= time && attempt.answer.is_some();
        match (&attempt.call, &attempt.answer) {
            (Call::Read, Some(Ok(lease))) if answered => {
                let lease = lease.clone();
                self.decide(which, lease, time, gives_up);
            }
            (Call::Write(_), Some(Ok(Some(lease)))) if answered => {
                let sent = match self.faults.belief() {
                    Belief::ClaimsFromTheAnswer => time,
                    _ => begun,
                };
                let sent = candidate.clock(sent);
                candidate.election.written(lease.clone(), sent);
                self.attempted(which, time);
            }
            _ => {
                candidate.leave(attempt);
                self.attempted(which, time);
            }
        }
    }

    /// Decides by the Lease that is known.
    fn decide(&mut self, which: usize, known: Option<Lease>, time: i64, gives_up: i64) {
        let belief = self.faults.belief();
        let Some(candidate) = &mut self.replicas[which].candidate else {
            return;
        };
        let mut seen = known.as_ref().map(Lease::seen);
        if let Some(seen) = seen
            .as_mut()
            .filter(|_| belief == Belief::LeasesExpireEarly)
        {
            seen.duration = Duration::from_secs(3);
        }
        let clock = candidate.clock(time);
        if candidate.election.decide(seen.as_ref(), clock) == Decision::Wait {
            return self.attempted(which, time);
        }
        let lease = Lease {
            version: known.and_then(|known| known.version),
            holder: candidate.election.identity().to_owned(),
            duration: LEASE_DURATION,
        };
        self.call(which, Call::Write(lease), time, gives_up);
    }

    /// Sends a call for the Lease.
    fn call(&mut self, which: usize, call: Call, time: i64, gives_up: i64) {
        let down = self.faults.api_down(self.now);
        let Some(candidate) = &self.replicas[which].candidate else {
            return;
        };
        let (cut, slow) = (candidate.cut_until > time, candidate.slow_until > time);
        let mut seconds = |of| i64::try_from(self.faults.first(of)).unwrap();
        let (lands, answered) = if down {
            (NEVER, time)
        } else if cut {
            (NEVER, NEVER)
        } else if slow {
            let lands = time + seconds(9);
            (lands, lands + seconds(5))
        } else {
            (time, time)
        };
        if let Some(candidate) = &mut self.replicas[which].candidate {
            candidate.attempt = Some(Attempt {
                call,
                begun: time,
                gives_up,
                lands,
                answered,
                answer: None,
            });
        }
    }

    /// An attempt is over, and the loop learns of the claim.
    fn attempted(&mut self, which: usize, time: i64) {
        let Some(candidate) = &mut self.replicas[which].candidate else {
            return;
        };
        candidate.claim = candidate.election.claim();
        candidate.next = time + PAUSE;
    }

    /// A replica stops, and gives its Lease up.
    pub(super) fn give_up_lease(&mut self, which: usize, idle: bool) {
        let down = self.faults.api_down(self.now);
        let monotonic = self.monotonic();
        let Some(candidate) = &mut self.replicas[which].candidate else {
            return;
        };
        let cut = candidate.cut_until > monotonic;
        let given_up = candidate.election.stop(idle).filter(|_| !down && !cut);
        if let Some(mut lease) = given_up {
            lease.holder = String::new();
            lease.duration = Duration::from_secs(1);
            let _ = self.cluster.leases.write(&lease);
        }
    }
}

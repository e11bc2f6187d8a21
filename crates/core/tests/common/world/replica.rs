//! One replica of the operator: an engine, its watches, its steps under way, and its part in the election.

use jiff::Timestamp;
use presigned_core::engine::{ApiError, Engine, StepResult, Watched};
use presigned_core::lease::Turn;

use super::election::Candidate;
use super::flights::Flight;
use super::steps::{calls_the_api, failed};
use super::{FaultInjector, World};
use crate::common::at;
use crate::common::watch::{KINDS, Stream};

/// One replica.
pub struct Replica {
    /// `None` while the process does not run.
    pub engine: Option<Engine>,
    pub streams: Vec<Stream>,
    /// Its part in the election; without one it leads always.
    pub candidate: Option<Candidate>,
    /// By how many seconds its wall clock is ahead.
    pub ahead: i64,
    /// Whether it was told to follow, by a scene without an election.
    pub(super) follows: bool,
    pub(super) flights: Vec<Flight>,
    pub(super) restart_at: Option<Timestamp>,
}

impl Replica {
    pub(super) const fn new(candidate: Option<Candidate>, ahead: i64) -> Self {
        Self {
            engine: None,
            streams: Vec::new(),
            candidate,
            ahead,
            follows: false,
            flights: Vec::new(),
            restart_at: None,
        }
    }

    pub(super) fn paused(&self) -> bool {
        let candidate = self.candidate.as_ref();
        candidate.is_some_and(|candidate| candidate.paused_until.is_some())
    }

    pub fn stopping(&self) -> bool {
        let candidate = self.candidate.as_ref();
        candidate.is_some_and(|candidate| candidate.stops_by.is_some())
    }
}

/// What happens to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// It dies, and is back after so many seconds.
    Kill(i64),
    /// It does nothing for so many seconds, and goes on then as if nothing had been.
    Pause(i64),
    /// It reaches the API server no more for so many seconds.
    Cut(i64),
    /// It is asked to stop, and is back so many seconds after its end.
    Stop(i64),
    /// What it asks of its Lease takes seconds, for so many seconds.
    SlowLease(i64),
}

impl<M: FaultInjector> World<M> {
    /// Two replicas that elect their leader; by how many seconds the wall clock of each is ahead. To be
    /// called before the first second.
    pub fn elect(&mut self, ahead: [i64; 2]) {
        self.replicas = Vec::new();
        for (which, ahead) in ahead.into_iter().enumerate() {
            let candidate = Candidate::new(which);
            self.replicas.push(Replica::new(Some(candidate), ahead));
            self.start_replica(which);
        }
    }

    /// Whether the replicas elect their leader.
    pub fn elected(&self) -> bool {
        self.replicas.iter().any(|one| one.candidate.is_some())
    }

    /// The replica that leads, if one does.
    pub fn leader(&self) -> Option<usize> {
        (0..self.replicas.len()).find(|which| self.leads(*which))
    }

    /// Whether a replica acts now.
    pub fn leads(&self, which: usize) -> bool {
        let replica = &self.replicas[which];
        replica.engine.is_some()
            && match &replica.candidate {
                None => !replica.follows,
                Some(candidate) => {
                    candidate.paused_until.is_none()
                        && candidate.term.leading()
                        && candidate.claim.holds(candidate.clock(self.monotonic()))
                }
            }
    }

    /// Whether a replica holds a claim, by its own clock.
    pub fn claims(&self, which: usize) -> bool {
        let replica = &self.replicas[which];
        let candidate = replica
            .candidate
            .as_ref()
            .filter(|_| replica.engine.is_some());
        candidate.is_some_and(|candidate| candidate.claim.holds(candidate.clock(self.monotonic())))
    }

    /// Whether the calls of a replica for its Lease take seconds.
    pub fn is_lease_slow(&self) -> bool {
        let monotonic = self.monotonic();
        let mut candidates = self
            .replicas
            .iter()
            .filter_map(|one| one.candidate.as_ref());
        candidates.any(|one| one.slow_until >= monotonic)
    }

    /// By how many seconds a replica's clock differs from the API server's at most.
    pub fn most_ahead(&self) -> i64 {
        let ahead = self.replicas.iter().map(|one| one.ahead.abs());
        ahead.max().unwrap_or(0)
    }

    /// For how many seconds nothing has stood in the way of a replica.
    pub fn undisturbed_for(&self, which: usize) -> i64 {
        let replica = &self.replicas[which];
        let Some(candidate) = &replica.candidate else {
            return 0;
        };
        if replica.engine.is_none() || replica.paused() || replica.stopping() {
            return 0;
        }
        (self.monotonic() - candidate.disturbed_until).max(0)
    }

    /// The time on a replica's wall clock.
    pub(super) fn wall(&self, which: usize) -> Timestamp {
        match self.replicas[which].ahead {
            0 => self.now,
            ahead => at(self.now.as_second() + ahead),
        }
    }

    pub(super) fn start_replica(&mut self, which: usize) {
        self.log(|| format!("the operator starts ({which})"));
        let streams = KINDS
            .into_iter()
            .filter(|kind| *kind != Watched::Secrets || !self.cluster.blind)
            .map(|kind| {
                let delay = self.faults.list_delay(kind);
                Stream::new(kind, at(self.now.as_second() + delay))
            })
            .collect();
        let monotonic = self.monotonic();
        let replica = &mut self.replicas[which];
        replica.restart_at = None;
        replica.engine = Some(Engine::new(self.settings.clone()).unwrap());
        replica.streams = streams;
        if let Some(candidate) = &mut replica.candidate {
            candidate.start(monotonic);
        }
        self.blind_at = self.now;
    }

    /// Whoever is struck while it holds the Lease is waited for until the Lease ends, though it may not have
    /// led by it yet.
    fn note_holder(&mut self, which: usize) {
        if self.claims(which) {
            self.led_at = self.monotonic();
        }
    }

    /// A replica dies. What it had sent may still land.
    pub(super) fn crash_replica(&mut self, which: usize, back_in: i64) {
        self.note_holder(which);
        self.log(|| format!("the operator dies for {back_in} s ({which})"));
        let restart_at = at(self.now.as_second() + back_in);
        let lands = self.elected() && self.faults.first(2) == 1;
        let replica = &mut self.replicas[which];
        replica.engine = None;
        replica.streams.clear();
        replica.restart_at = Some(restart_at);
        if let Some(candidate) = &mut replica.candidate {
            candidate.end(lands);
        }
        self.blind_at = self.now;
        self.lose_flights(which);
    }

    /// Nobody hears of the steps in flight any more; some of them land.
    pub(super) fn lose_flights(&mut self, which: usize) {
        let flights = std::mem::take(&mut self.replicas[which].flights);
        for flight in flights {
            if flight.result.is_none() && flight.fault.is_none() && self.faults.first(2) == 1 {
                self.land(which, &flight);
            }
        }
    }

    /// Something happens to a replica that runs.
    pub fn strike(&mut self, which: usize, blow: Blow) {
        self.elections();
        let replica = &self.replicas[which];
        if replica.engine.is_none() || replica.paused() || replica.stopping() {
            return;
        }
        self.log(|| format!("{blow:?} for the replica {which}"));
        self.note_holder(which);
        let until = |seconds: i64| self.monotonic() + seconds;
        match blow {
            Blow::Kill(back_in) => self.crash_replica(which, back_in),
            Blow::Pause(seconds) => {
                let until = until(seconds);
                self.pause(which, until);
            }
            Blow::Cut(seconds) => {
                let until = until(seconds);
                self.cut(which, until, seconds);
            }
            Blow::Stop(back_in) => {
                let stops_by = until(DRAIN);
                let replica = &mut self.replicas[which];
                if let (Some(engine), Some(candidate)) =
                    (&mut replica.engine, &mut replica.candidate)
                {
                    engine.drain();
                    candidate.stops_by = Some((stops_by, back_in));
                }
            }
            Blow::SlowLease(seconds) => {
                let until = until(seconds);
                if let Some(candidate) = &mut self.replicas[which].candidate {
                    candidate.slow_until = until;
                    candidate.disturbed_until = candidate.disturbed_until.max(until);
                }
            }
        }
    }

    /// A paused process has sent some of its requests, and sends the others as it wakes up.
    fn pause(&mut self, which: usize, until: i64) {
        let mut flights = std::mem::take(&mut self.replicas[which].flights);
        for flight in &mut flights {
            flight.held = flight.result.is_none() && self.faults.first(2) == 1;
        }
        self.replicas[which].flights = flights;
        // Half of the pauses catch it while it waits for an answer about its Lease.
        if self.faults.first(2) == 1 {
            let monotonic = self.monotonic();
            if let Some(candidate) = &mut self.replicas[which].candidate {
                candidate.next = monotonic;
                candidate.slow_until = candidate.slow_until.max(monotonic + 1);
            }
            self.elections();
        }
        if let Some(candidate) = &mut self.replicas[which].candidate {
            candidate.paused_until = Some(until);
            candidate.disturbed_until = candidate.disturbed_until.max(until);
        }
    }

    fn cut(&mut self, which: usize, until: i64, seconds: i64) {
        let back_at = at(self.now.as_second() + seconds);
        let mut flights = std::mem::take(&mut self.replicas[which].flights);
        for flight in &mut flights {
            if !calls_the_api(&flight.step) {
                continue;
            }
            self.faulted.insert(flight.key.clone(), self.now);
            if flight.result.is_some() {
                flight.result = Some(failed(&flight.step, ApiError::Timeout));
            } else if flight.fault.is_none() {
                let landed = self.faults.first(2) == 1;
                flight.fault = Some(if landed {
                    super::Fault::Landed(ApiError::Timeout)
                } else {
                    super::Fault::Lost(ApiError::Timeout)
                });
            }
        }
        let replica = &mut self.replicas[which];
        replica.flights = flights;
        for stream in &mut replica.streams {
            stream.break_until(back_at);
        }
        if let Some(candidate) = &mut replica.candidate {
            candidate.cut_until = until;
            candidate.disturbed_until = candidate.disturbed_until.max(until);
        }
        self.blind_at = self.blind_at.max(back_at);
    }

    /// Paused processes go on if it is time.
    pub(super) fn wake(&mut self) {
        let monotonic = self.monotonic();
        for which in 0..self.replicas.len() {
            let Some(candidate) = &mut self.replicas[which].candidate else {
                continue;
            };
            if candidate.paused_until.is_none_or(|until| until > monotonic) {
                continue;
            }
            candidate.paused_until = None;
            candidate.awake = monotonic;
            candidate.next = monotonic + i64::try_from(self.faults.first(2)).unwrap();
            let claim = self.faults.belief().of(candidate.claim);
            let holds = claim.holds(candidate.clock(monotonic));
            self.blind_at = self.now;
            self.log(|| format!("the replica {which} wakes up"));
            let mut flights = std::mem::take(&mut self.replicas[which].flights);
            for flight in flights.iter_mut().filter(|flight| flight.held) {
                flight.held = false;
                flight.lands = self.now;
                flight.answered = flight.answered.max(self.now);
                self.faulted.insert(flight.key.clone(), self.now);
                // Most had not reached the check of the claim, which stands before each write. The others
                // were past it: nothing can hold them.
                if self.faults.first(3) > 0 && calls_the_api(&flight.step) && !holds {
                    flight.result = Some(StepResult::NotRun);
                }
            }
            self.replicas[which].flights = flights;
        }
    }

    /// Ends the replicas that were asked to stop and have nothing more to do. Returns whether one ended.
    pub(super) fn end_those_that_stop(&mut self) -> bool {
        let monotonic = self.monotonic();
        for which in 0..self.replicas.len() {
            let replica = &self.replicas[which];
            let Some(candidate) = &replica.candidate else {
                return false;
            };
            let Some((by, back_in)) = candidate.stops_by else {
                continue;
            };
            let idle = replica.flights.is_empty();
            if candidate.paused_until.is_some()
                || candidate.attempts()
                || !idle && monotonic <= by
                || replica.engine.is_none()
            {
                continue;
            }
            self.give_up_lease(which, idle);
            self.crash_replica(which, back_in);
            return true;
        }
        false
    }

    /// Makes the engine of a replica lead or follow.
    pub(super) fn turn(&mut self, which: usize) {
        let monotonic = self.monotonic();
        let wall = self.wall(which);
        let belief = self.faults.belief();
        let replica = &mut self.replicas[which];
        let (Some(engine), Some(candidate)) = (&mut replica.engine, &mut replica.candidate) else {
            return;
        };
        let idle = replica.flights.is_empty() && candidate.stops_by.is_none();
        let clock = candidate.clock(monotonic);
        match candidate.term.turn(belief.of(candidate.claim), clock, idle) {
            None => {}
            Some(Turn::Follow) => engine.follow(),
            Some(Turn::Lead) => {
                engine.lead(wall);
                for event in self.faults.on_lead(&self.cluster) {
                    engine.on(event, wall);
                }
                self.blind_at = self.blind_at.max(self.now);
                self.led_at = monotonic;
                self.log(|| format!("the replica {which} leads"));
            }
        }
    }

    /// The claim by which a replica begins a step.
    pub(super) fn may_act(&self, which: usize) -> bool {
        let candidate = self.replicas[which].candidate.as_ref();
        candidate.is_none_or(|candidate| {
            let claim = self.faults.belief().of(candidate.claim);
            claim.holds(candidate.clock(self.monotonic()))
        })
    }
}

/// How long a stop waits for what is in flight.
const DRAIN: i64 = 20;

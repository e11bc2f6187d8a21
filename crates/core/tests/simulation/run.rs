//! One seed from start to end: hours with faults, hours of calm, a stretch without any write, and a restart
//! that must write nothing either.

use jiff::Timestamp;
use presigned_core::engine::{SecretAccess, Settings};

use crate::at_rest;
use crate::chaos::Chaos;
use crate::common::at;
use crate::common::rng::Rng;
use crate::common::world::{StepKind, World};
use crate::invariants::InvariantChecker;
use crate::planted_bugs::{Bug, PlantedBug};
use crate::replica_events;
use crate::user_actions;

/// Seconds with faults.
const CHAOS: i64 = 10 * 3600;
/// Seconds of calm after them.
const CALM: i64 = 14 * 3600;
/// Of so many seeds one runs two replicas.
const TWO_REPLICAS: u64 = 3;

/// The result of a seed.
pub struct Outcome {
    pub violations: Vec<String>,
    pub steps: usize,
}

/// Runs one seed.
pub fn seed(seed: u64, bug: Bug, trace: bool) -> Outcome {
    let mut rng = Rng::new(seed, "users");
    let settings = Settings {
        secret_access: if rng.permille(150) {
            SecretAccess::None
        } else {
            SecretAccess::Watch
        },
        concurrency: *rng.pick(&[1, 2, 32]),
        ..Settings::default()
    };
    let mut world = World::new(settings, Chaos::new(seed, PlantedBug::new(bug)));
    world.trace = trace;
    let mut replicas = Rng::new(seed, "replicas");
    if seed.is_multiple_of(TWO_REPLICAS) {
        replica_events::begin(&mut world, &mut replicas);
    }
    let mut checker = InvariantChecker::default();
    user_actions::begin(&mut world, &mut rng);
    let mut run = Run {
        world: &mut world,
        checker: &mut checker,
        replicas,
    };
    run.all(&mut rng);
    Outcome {
        violations: checker.violations,
        steps: world.records.len(),
    }
}

struct Run<'a> {
    world: &'a mut World<Chaos>,
    checker: &'a mut InvariantChecker,
    /// What happens to the replicas, if there are two.
    replicas: Rng,
}

impl Run<'_> {
    fn all(&mut self, rng: &mut Rng) {
        self.checker.record_inputs(self.world);
        let mut left = CHAOS;
        while left > 0 && self.fine() {
            let pause = match rng.range(0, 10) {
                0..3 => rng.range(0, 10),
                3..8 => rng.range(10, 900),
                _ => rng.range(900, 7200),
            };
            left -= pause;
            self.until(at(self.world.now.as_second() + pause));
            let before = self.world.now;
            user_actions::act(self.world, rng);
            replica_events::act(self.world, &mut self.replicas);
            let by = self.world.now.as_second() - before.as_second();
            if by != 0 {
                self.checker.clock_stepped(by, self.world.now);
            }
            self.checker.record_inputs(self.world);
            self.checker.check(self.world);
        }
        self.world.faults.on = false;
        self.world.faults.outage_until = Timestamp::MIN;
        self.world.ambush = None;
        user_actions::settle(self.world);
        self.checker.record_inputs(self.world);
        self.checker.calm_since = Some(self.world.now);
        let begun = self.world.now.as_second();
        self.until(at(begun + 3600));
        self.settled();
        let calm = at_rest::count(self.world);
        self.changes_of_the_leader(at(begun + CALM - 3600));
        self.until(at(begun + CALM));
        if self.fine() {
            at_rest::renewals(self.world, self.checker, &calm);
        }
        self.settled();
        self.silence();
    }

    /// Without any other fault, the replicas change places: nothing is issued twice, and no URL dies.
    fn changes_of_the_leader(&mut self, end: Timestamp) {
        while self.world.elected() && self.fine() {
            let pause = self.replicas.range(300, 5400);
            let next = at(self.world.now.as_second() + pause);
            if next > end {
                return;
            }
            self.until(next);
            replica_events::change_the_leader(self.world, &mut self.replicas);
        }
    }

    fn fine(&self) -> bool {
        self.checker.violations.is_empty()
    }

    fn settled(&mut self) {
        if self.fine() {
            at_rest::statuses(self.world, self.checker);
        }
    }

    /// Lets time pass, one second at a time if something happens in it.
    fn until(&mut self, end: Timestamp) {
        while self.fine() {
            self.world.second();
            self.checker.check(self.world);
            let next = self.world.next_time().filter(|next| *next <= end);
            let Some(next) = next else { break };
            self.world.now = next.max(at(self.world.now.as_second() + 1));
            self.world.elections();
            // The invariants must still hold before the operator acts in this second.
            self.checker.check(self.world);
        }
        self.world.now = self.world.now.max(end);
        self.world.elections();
        self.checker.note_leader(self.world);
    }

    /// Waits for five minutes in which nothing is due; short sessions may leave none.
    fn nothing_is_due(&mut self) -> bool {
        for _ in 0..500 {
            let soon = self.world.now.as_second() + 300;
            if !self.fine() {
                return false;
            }
            if self
                .world
                .next_time()
                .is_none_or(|next| next.as_second() > soon)
            {
                return true;
            }
            self.until(at(self.world.now.as_second() + 20));
        }
        false
    }

    /// Nothing is due, so nothing is written; after a restart neither.
    fn silence(&mut self) {
        for restart in [false, true] {
            if !self.nothing_is_due() {
                return;
            }
            let stale = at_rest::stale(self.world);
            let before = self.world.records.len();
            if restart {
                self.world.crash(0);
            }
            self.until(at(self.world.now.as_second() + 250));
            if !self.fine() {
                return;
            }
            let written = self.world.records[before..]
                .iter()
                .find(|record| record.kind.writes() && !at_rest::excused(record, &stale));
            if let Some(record) = written.filter(|record| record.kind != StepKind::PublishEvent) {
                let when = if restart {
                    "after a restart"
                } else {
                    "in silence"
                };
                self.checker
                    .violations
                    .push(format!("a write {when}: {record:?}"));
            }
        }
    }
}

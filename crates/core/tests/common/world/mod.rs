//! The shell of the model: it carries events to the engine, its steps to the cluster and their results back,
//! second by second.
//!
//! What holds here: a step lands at one moment and is answered at another, and between any two moments the
//! operator may crash. The [`FaultInjector`] decides the faults. One replica runs and leads always, or two
//! elect their leader by a Lease.

mod election;
mod faults;
mod flights;
mod replica;
pub mod steps;

use std::collections::BTreeMap;

use jiff::Timestamp;
use presigned_core::engine::{Engine, Event, EventRecord, ObjectKey, SecretAccess, Settings};

use super::at;
use super::cloud::Cloud;
use super::cluster::Cluster;
pub use election::Belief;
pub use faults::{Fault, FaultInjector};
pub use replica::{Blow, Replica};
pub use steps::{Record, StepKind, place};

/// No faults.
pub struct Calm;
impl FaultInjector for Calm {}

/// Everything.
pub struct World<M> {
    pub now: Timestamp,
    pub settings: Settings,
    pub cluster: Cluster,
    pub cloud: Cloud,
    pub faults: M,
    pub records: Vec<Record>,
    pub events: Vec<EventRecord>,
    /// The violations that the model itself sees: leaks, loops.
    pub violations: Vec<String>,
    pub trace: bool,
    /// When a fault last hit a step of an object.
    pub faulted: BTreeMap<ObjectKey, Timestamp>,
    /// When the operator was last down or half blind.
    pub blind_at: Timestamp,
    /// Until when the API server asked all calls to pause.
    pub paused_until: Timestamp,
    pub replicas: Vec<Replica>,
    /// What happens to the replica that begins the next write.
    pub ambush: Option<Blow>,
    /// By how many seconds the clock was stepped so far.
    stepped: i64,
    /// Until when the attempts to hold the Lease were made.
    elected_until: i64,
    /// Whether the Lease was only renewed after that.
    steadily: bool,
    /// When a replica last began to lead, or was struck while it led, in seconds of the monotonic time.
    pub led_at: i64,
    /// How many writes have landed.
    landed: u64,
    /// Which replica wrote an object last, and as which write.
    written_by: BTreeMap<steps::Changed, (usize, u64)>,
    garbage_at: Option<Timestamp>,
}

/// When the world begins.
const BEGIN: i64 = 1_800_000_000;

/// More rounds than this within one second are a loop.
const ROUNDS: usize = 5_000;
/// How long the engine pauses if the API server asks for a pause and says not how long.
const DEFAULT_PAUSE: std::time::Duration = std::time::Duration::from_secs(5);

impl<M: FaultInjector> World<M> {
    pub fn new(settings: Settings, faults: M) -> Self {
        let now = at(BEGIN);
        let mut world = Self {
            now,
            cluster: Cluster::new(settings.secret_access == SecretAccess::None),
            settings,
            cloud: Cloud::default(),
            faults,
            records: Vec::new(),
            events: Vec::new(),
            violations: Vec::new(),
            trace: false,
            faulted: BTreeMap::new(),
            blind_at: now,
            paused_until: now,
            replicas: vec![Replica::new(None, 0)],
            ambush: None,
            stepped: 0,
            elected_until: 0,
            steadily: false,
            led_at: 0,
            landed: 0,
            written_by: BTreeMap::new(),
            garbage_at: None,
        };
        world.start();
        world
    }

    pub fn log(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{} {}", self.now, what());
        }
    }

    /// Whether a replica acts.
    pub fn running(&self) -> bool {
        self.leader().is_some()
    }

    /// The engine of the first replica.
    pub fn engine(&mut self) -> &mut Engine {
        self.replicas[0].engine.as_mut().expect("it runs")
    }

    /// The engine of the second replica.
    pub fn follower(&mut self) -> &mut Engine {
        self.replicas[1].engine.as_mut().expect("it runs")
    }

    /// Starts the operator with nothing in memory.
    pub fn start(&mut self) {
        self.start_replica(0);
    }

    /// The operator dies: of two replicas the one that leads. What it had sent may still land.
    pub fn crash(&mut self, back_in: i64) {
        let leader = self.leader().unwrap_or(0);
        self.elections();
        self.crash_replica(leader, back_in);
    }

    /// The objects with a step in flight.
    pub fn in_flight(&self) -> Vec<ObjectKey> {
        let flights = self.replicas.iter().flat_map(|one| &one.flights);
        flights.map(|flight| flight.key.clone()).collect()
    }

    /// A second instance runs and follows.
    pub fn add_follower(&mut self) {
        let mut follower = Replica::new(None, 0);
        follower.follows = true;
        self.replicas.push(follower);
        self.start_replica(1);
        self.follower().follow();
    }

    /// The leader gives up its Lease with nothing in flight, and the follower takes it.
    pub fn hand_over(&mut self) {
        assert!(self.in_flight().is_empty(), "a leader drains first");
        let now = self.now;
        self.engine().follow();
        self.follower().lead(now);
        self.replicas.swap(0, 1);
        (self.replicas[0].follows, self.replicas[1].follows) = (false, true);
    }

    /// The leader dies with steps in flight, and the follower takes the Lease.
    pub fn leader_dies(&mut self) {
        let now = self.now;
        self.lose_flights(0);
        self.replicas.remove(0);
        self.replicas[0].follows = false;
        self.engine().lead(now);
    }

    /// All clocks jump.
    pub fn step_clock(&mut self, by: i64) {
        self.log(|| format!("the clock steps by {by} s"));
        self.elections();
        let moved = |time: Timestamp| at(time.as_second() + by);
        self.now = moved(self.now);
        self.stepped += by;
        self.garbage_at = self.garbage_at.map(moved);
        for which in 0..self.replicas.len() {
            let wall = self.wall(which);
            let one = &mut self.replicas[which];
            for flight in &mut one.flights {
                flight.lands = moved(flight.lands);
                flight.answered = moved(flight.answered);
            }
            one.restart_at = one.restart_at.map(moved);
            for stream in &mut one.streams {
                // What was on its way comes with the new list.
                stream.break_until(self.now);
            }
            if let Some(engine) = &mut one.engine {
                engine.on(Event::ClockStepped, wall);
            }
        }
        self.blind_at = self.now;
    }

    /// An event that was heard is heard again.
    pub fn repeat_event(&mut self, replica: usize, which: usize) {
        let wall = self.wall(replica);
        let one = &mut self.replicas[replica];
        let stream = one.streams.get(which);
        let Some(event) = stream.and_then(|stream| stream.again(&self.cluster)) else {
            return;
        };
        if let Some(engine) = &mut one.engine {
            engine.on(event, wall);
        }
    }

    pub fn break_stream(&mut self, replica: usize, which: usize, seconds: i64) {
        let until = at(self.now.as_second() + seconds);
        if let Some(stream) = self.replicas[replica].streams.get_mut(which) {
            stream.break_until(until);
            let kind = stream.kind;
            self.log(|| format!("the watch of {kind:?} breaks for {seconds} s ({replica})"));
            self.blind_at = self.blind_at.max(until);
        }
    }

    /// Delivers an event that no watch carries.
    pub fn report(&mut self, event: &Event) {
        for which in 0..self.replicas.len() {
            let wall = self.wall(which);
            if let Some(engine) = &mut self.replicas[which].engine {
                engine.on(event.clone(), wall);
            }
        }
    }

    pub fn engine_debug(&self) -> String {
        let engines = self.replicas.iter().map(|one| &one.engine);
        format!("{:?}", engines.collect::<Vec<_>>())
    }

    /// When an engine is due next that leads.
    pub fn next_due(&self) -> Option<Timestamp> {
        let leads = |which: &usize| self.leads(*which);
        let due = (0..self.replicas.len()).filter(leads).filter_map(|which| {
            let one = &self.replicas[which];
            let due = one.engine.as_ref()?.next_due()?;
            Some(match one.ahead {
                0 => due,
                ahead => at(due.as_second() - ahead),
            })
        });
        due.min()
    }

    /// When anything happens next.
    pub fn next_time(&self) -> Option<Timestamp> {
        let of_replicas = self.replicas.iter().filter_map(|one| {
            let paused = one.paused();
            let flights = one.flights.iter().filter_map(|flight| flight.due(paused));
            let streams = one.streams.iter().filter(|_| !paused);
            let streams = streams.filter_map(|stream| stream.due(&self.cluster));
            flights.chain(streams).chain(one.restart_at).min()
        });
        of_replicas
            .chain(self.next_due())
            .chain(self.garbage_at)
            .chain(self.next_of_the_lease())
            .min()
    }

    /// When anything happens next with the Lease, with a paused process or with one that stops.
    fn next_of_the_lease(&self) -> Option<Timestamp> {
        if !self.elected() {
            return None;
        }
        let ends = self.replicas.iter().filter_map(|one| {
            let candidate = one.candidate.as_ref()?;
            let stops_by = candidate.stops_by.map(|(by, _)| by + 1);
            candidate.paused_until.or(stops_by)
        });
        let next = ends.chain(self.election_due()).min()?;
        Some(at(next - self.monotonic() + self.now.as_second()))
    }

    /// Everything that happens in this second.
    pub fn second(&mut self) {
        self.faults
            .tick(&mut self.cluster, &mut self.cloud, self.now);
        let elected = self.elected();
        if elected {
            self.wake();
            self.elections();
        }
        for round in 0.. {
            if round > ROUNDS {
                self.violations
                    .push(format!("a loop: {ROUNDS} rounds within one second"));
                return;
            }
            for which in 0..self.replicas.len() {
                let restart_at = self.replicas[which].restart_at;
                if restart_at.is_some_and(|time| time <= self.now) {
                    self.start_replica(which);
                }
            }
            if self.garbage_at.is_some_and(|time| time <= self.now) {
                self.garbage_at = None;
                self.cluster.collect_garbage(self.now);
            }
            if !(self.something() || (elected && self.end_those_that_stop())) {
                break;
            }
        }
        if elected {
            self.elections();
            self.steadily = self.election_due().is_none();
        }
        if let Some(due) = self.next_due().filter(|due| *due <= self.now) {
            self.violations.push(format!(
                "the engine has nothing to do and asks to be called at {due}"
            ));
        }
    }

    /// Does one of the things that are due now.
    fn something(&mut self) -> bool {
        let now = self.now;
        let mut due: Vec<(usize, usize)> = Vec::new();
        for (replica, one) in self.replicas.iter().enumerate() {
            let paused = one.paused();
            let streams = one.streams.len();
            due.extend((0..streams).filter_map(|which| {
                let time = one.streams[which].due(&self.cluster)?;
                (time <= now && !paused).then_some((replica, which))
            }));
            due.extend(
                one.flights
                    .iter()
                    .enumerate()
                    .filter_map(|(which, flight)| {
                        (flight.due(paused)? <= now).then_some((replica, streams + which))
                    }),
            );
        }
        if due.is_empty() {
            return self.begin();
        }
        let (replica, which) = due[self.faults.first(due.len())];
        let streams = self.replicas[replica].streams.len();
        if which < streams {
            self.hear(replica, which);
        } else {
            self.fly(replica, which - streams);
        }
        true
    }

    fn hear(&mut self, replica: usize, which: usize) {
        let wall = self.wall(replica);
        let one = &mut self.replicas[replica];
        let Some(event) = one.streams[which].hear(&self.cluster, self.now) else {
            return;
        };
        let Some(event) = self.faults.filter_event(event) else {
            return;
        };
        if let Some(engine) = &mut one.engine {
            engine.on(event, wall);
            assert!(!engine.history_went_back(), "nobody restored a backup");
        }
    }

    /// The garbage collector runs after so many seconds.
    pub fn collect_garbage_in(&mut self, seconds: i64) {
        self.garbage_at = Some(at(self.now.as_second() + seconds));
    }
}

/// Words that every secret of the model and every signature contain.
pub const SECRETS: [&str; 3] = ["X-Amz-Signature", "SIMSECRET", "SIMTOKEN"];

//! The shell of the model: it carries events to the engine, its steps to the cluster and their results back,
//! second by second.
//!
//! What holds here: a step lands at one moment and is answered at another, and between any two moments the
//! operator may crash. The [`FaultInjector`] decides the faults.

mod faults;
pub mod steps;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use presigned_core::engine::{
    ApiError, Engine, Event, EventRecord, ObjectKey, SecretAccess, Settings, Step, StepResult,
    TransportError, Watched,
};

use super::at;
use super::cloud::Cloud;
use super::cluster::Cluster;
use super::watch::{KINDS, Stream};
pub use faults::{Fault, FaultInjector};
pub use steps::{Record, StepKind, place};
use steps::{describe, failed, timeout, went_well};

/// No faults.
pub struct Calm;
impl FaultInjector for Calm {}

struct Flight {
    key: ObjectKey,
    step: Step,
    lands: Timestamp,
    answered: Timestamp,
    fault: Option<Fault>,
    result: Option<StepResult>,
}

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
    pub streams: Vec<Stream>,
    pub engine: Option<Engine>,
    /// An instance that follows: it gets every event, and takes no step.
    pub follower: Option<Engine>,
    restart_at: Option<Timestamp>,
    garbage_at: Option<Timestamp>,
    flights: Vec<Flight>,
}

/// More rounds than this within one second are a loop.
const ROUNDS: usize = 5_000;
/// How long the engine pauses if the API server asks for a pause and says not how long.
const DEFAULT_PAUSE: std::time::Duration = std::time::Duration::from_secs(5);

impl<M: FaultInjector> World<M> {
    pub fn new(settings: Settings, faults: M) -> Self {
        let now = at(1_800_000_000);
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
            streams: Vec::new(),
            engine: None,
            follower: None,
            restart_at: None,
            garbage_at: None,
            flights: Vec::new(),
        };
        world.start();
        world
    }

    pub fn log(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{} {}", self.now, what());
        }
    }

    pub fn running(&self) -> bool {
        self.engine.is_some()
    }

    /// Starts the operator with nothing in memory.
    pub fn start(&mut self) {
        self.log(|| "the operator starts".to_owned());
        self.restart_at = None;
        self.engine = Some(Engine::new(self.settings.clone()).unwrap());
        self.streams = KINDS
            .into_iter()
            .filter(|kind| *kind != Watched::Secrets || !self.cluster.blind)
            .map(|kind| {
                let delay = self.faults.list_delay(kind);
                Stream::new(kind, at(self.now.as_second() + delay))
            })
            .collect();
        self.blind_at = self.now;
    }

    /// The operator dies. What it had sent may still land.
    pub fn crash(&mut self, back_in: i64) {
        self.log(|| format!("the operator dies for {back_in} s"));
        self.engine = None;
        self.streams.clear();
        self.restart_at = Some(at(self.now.as_second() + back_in));
        self.blind_at = self.now;
        self.lose_flights();
    }

    /// The objects with a step in flight.
    pub fn in_flight(&self) -> Vec<ObjectKey> {
        self.flights
            .iter()
            .map(|flight| flight.key.clone())
            .collect()
    }

    /// Nobody hears of the steps in flight any more; some of them land.
    fn lose_flights(&mut self) {
        let flights = std::mem::take(&mut self.flights);
        for flight in flights {
            if flight.result.is_none() && flight.fault.is_none() && self.faults.first(2) == 1 {
                self.land(&flight.key, &flight.step);
            }
        }
    }

    /// A second instance runs and follows. It has to be there before the first second.
    pub fn add_follower(&mut self) {
        let mut follower = Engine::new(self.settings.clone()).unwrap();
        follower.follow();
        self.follower = Some(follower);
    }

    /// The leader gives up its Lease with nothing in flight, and the follower takes it.
    pub fn hand_over(&mut self) {
        assert!(self.flights.is_empty(), "a leader drains first");
        let (Some(leader), Some(follower)) = (&mut self.engine, &mut self.follower) else {
            panic!("two instances run");
        };
        leader.follow();
        follower.lead(self.now);
        std::mem::swap(leader, follower);
    }

    /// The leader dies with steps in flight, and the follower takes the Lease.
    pub fn leader_dies(&mut self) {
        self.engine = self.follower.take();
        self.lose_flights();
        let leader = self.engine.as_mut().expect("a follower runs");
        leader.lead(self.now);
    }

    /// All clocks jump.
    pub fn step_clock(&mut self, by: i64) {
        self.log(|| format!("the clock steps by {by} s"));
        let moved = |time: Timestamp| at(time.as_second() + by);
        self.now = moved(self.now);
        for flight in &mut self.flights {
            flight.lands = moved(flight.lands);
            flight.answered = moved(flight.answered);
        }
        self.restart_at = self.restart_at.map(moved);
        self.garbage_at = self.garbage_at.map(moved);
        for stream in &mut self.streams {
            // What was on its way comes with the new list.
            stream.break_until(self.now);
        }
        self.blind_at = self.now;
        if let Some(engine) = &mut self.engine {
            engine.on(Event::ClockStepped, self.now);
        }
    }

    /// An event that was heard is heard again.
    pub fn repeat_event(&mut self, which: usize) {
        let Some(event) = self
            .streams
            .get(which)
            .and_then(|stream| stream.again(&self.cluster))
        else {
            return;
        };
        if let Some(engine) = &mut self.engine {
            engine.on(event, self.now);
        }
    }

    pub fn break_stream(&mut self, which: usize, seconds: i64) {
        let until = at(self.now.as_second() + seconds);
        if let Some(stream) = self.streams.get_mut(which) {
            stream.break_until(until);
            let kind = stream.kind;
            self.log(|| format!("the watch of {kind:?} breaks for {seconds} s"));
            self.blind_at = self.blind_at.max(until);
        }
    }

    /// Delivers an event that no watch carries.
    pub fn report(&mut self, event: Event) {
        if let Some(engine) = &mut self.engine {
            engine.on(event, self.now);
        }
    }

    pub fn engine_debug(&self) -> String {
        format!("{:?}", self.engine)
    }

    /// When the engine is due next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.engine.as_ref().and_then(Engine::next_due)
    }

    /// When anything happens next.
    pub fn next_time(&self) -> Option<Timestamp> {
        let flights = self.flights.iter().map(|flight| match flight.result {
            None => flight.lands,
            Some(_) => flight.answered,
        });
        let streams = self
            .streams
            .iter()
            .filter_map(|stream| stream.due(&self.cluster));
        flights
            .chain(streams)
            .chain(self.next_due())
            .chain(self.restart_at)
            .chain(self.garbage_at)
            .min()
    }

    /// Everything that happens in this second.
    pub fn second(&mut self) {
        let mut faults_ticked = false;
        for round in 0.. {
            if round > ROUNDS {
                self.violations
                    .push(format!("a loop: {ROUNDS} rounds within one second"));
                return;
            }
            if !faults_ticked {
                faults_ticked = true;
                self.faults
                    .tick(&mut self.cluster, &mut self.cloud, self.now);
            }
            if self.restart_at.is_some_and(|time| time <= self.now) {
                self.start();
            }
            if self.garbage_at.is_some_and(|time| time <= self.now) {
                self.garbage_at = None;
                self.cluster.collect_garbage(self.now);
            }
            if !self.something() {
                break;
            }
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
        let mut due: Vec<usize> = Vec::new();
        let streams = self.streams.len();
        due.extend((0..streams).filter(|which| {
            self.streams[*which]
                .due(&self.cluster)
                .is_some_and(|time| time <= now)
        }));
        due.extend(
            (0..self.flights.len())
                .filter(|which| {
                    let flight = &self.flights[*which];
                    let time = match flight.result {
                        None => flight.lands,
                        Some(_) => flight.answered,
                    };
                    time <= now
                })
                .map(|which| streams + which),
        );
        if !due.is_empty() {
            let which = due[self.faults.first(due.len())];
            if which < streams {
                self.hear(which);
            } else {
                self.fly(which - streams);
            }
        } else if !self.begin() {
            return false;
        }
        true
    }

    fn hear(&mut self, which: usize) {
        let Some(event) = self.streams[which].hear(&self.cluster, self.now) else {
            return;
        };
        let Some(event) = self.faults.filter_event(event) else {
            return;
        };
        if let Some(follower) = &mut self.follower {
            follower.on(event.clone(), self.now);
        }
        if let Some(engine) = &mut self.engine {
            engine.on(event, self.now);
        }
    }

    /// Takes the next step from the engine.
    fn begin(&mut self) -> bool {
        let Some((key, step)) = self
            .engine
            .as_mut()
            .and_then(|engine| engine.next(self.now))
        else {
            return false;
        };
        let shown = format!("{step:?}");
        for word in SECRETS {
            if shown.contains(word) {
                self.violations.push(format!(
                    "Debug of a step shows {word}: {:?}",
                    StepKind::of(&step)
                ));
            }
        }
        let fault = self.faults.fault(&key, &step, self.now);
        let (to_land, to_answer) = self.faults.latency(&step);
        if let Some(fault) = &fault {
            self.log(|| format!("{fault:?} for {key:?} {:?}", StepKind::of(&step)));
            self.faulted.insert(key.clone(), self.now);
        }
        let (fault, to_land, to_answer) = match timeout(&step) {
            Some(most) if fault.is_none() && to_land + to_answer > most => {
                (Some(Fault::TimedOut), most, 0)
            }
            _ => (fault, to_land, to_answer),
        };
        let lands = at(self.now.as_second() + to_land);
        if let Some(Fault::Lost(ApiError::TooManyRequests { retry_after })) = &fault {
            let pause = retry_after.unwrap_or(DEFAULT_PAUSE).as_secs();
            let until = at(lands.as_second() + to_answer + i64::try_from(pause).unwrap());
            self.paused_until = self.paused_until.max(until);
        }
        self.flights.push(Flight {
            key,
            step,
            lands,
            answered: at(lands.as_second() + to_answer),
            fault,
            result: None,
        });
        true
    }

    fn fly(&mut self, which: usize) {
        if self.flights[which].result.is_some() {
            let flight = self.flights.remove(which);
            if let (Some(engine), Some(result)) = (&mut self.engine, flight.result) {
                engine.done(&flight.key, result, self.now);
            }
            return;
        }
        let (key, step, fault) = {
            let flight = &self.flights[which];
            (
                flight.key.clone(),
                flight.step.clone(),
                flight.fault.clone(),
            )
        };
        let result = match fault {
            None => self.land(&key, &step),
            Some(Fault::Lost(failure)) => failed(&step, failure),
            Some(Fault::Landed(failure)) => {
                self.land(&key, &step);
                failed(&step, failure)
            }
            Some(Fault::NoCredentials(failure)) => StepResult::Credentials(Err(failure)),
            Some(Fault::TimedOut) => match &step {
                Step::SendRequests { requests, .. } => {
                    let answer = TransportError::Timeout(Duration::from_secs(2));
                    StepResult::Responses(vec![Err(answer); requests.len()])
                }
                step => failed(step, ApiError::Timeout),
            },
            Some(Fault::CrashBefore(back_in)) => {
                self.flights.remove(which);
                return self.crash(back_in);
            }
            Some(Fault::CrashAfter(back_in)) => {
                self.land(&key, &step);
                self.flights.remove(which);
                return self.crash(back_in);
            }
        };
        if let Some(flight) = self.flights.get_mut(which) {
            flight.result = Some(result);
        }
    }

    fn land(&mut self, key: &ObjectKey, step: &Step) -> StepResult {
        let result = self
            .faults
            .land(&mut self.cluster, &mut self.cloud, key, step, self.now);
        if let Step::PublishEvent(event) = step {
            self.events.push((**event).clone());
        }
        self.log(|| describe(key, step, &result));
        self.records.push(Record {
            at: self.now,
            key: key.clone(),
            kind: StepKind::of(step),
            place: place(step),
            ok: went_well(&result),
        });
        if self.garbage_at.is_none() && matches!(step, Step::CreateSecret(_)) {
            self.collect_garbage_in(20);
        }
        result
    }

    /// The garbage collector runs after so many seconds.
    pub fn collect_garbage_in(&mut self, seconds: i64) {
        self.garbage_at = Some(at(self.now.as_second() + seconds));
    }
}

/// Words that every secret of the model and every signature contain.
pub const SECRETS: [&str; 3] = ["X-Amz-Signature", "SIMSECRET", "SIMTOKEN"];

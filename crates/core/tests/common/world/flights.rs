//! Steps under way: they begin, land and are answered.
//!
//! What holds here: no step that writes begins in a replica while the Lease names another, and none changes
//! what another replica wrote after it began; both are violations.

use std::time::Duration;

use jiff::Timestamp;
use presigned_core::engine::{ApiError, ObjectKey, Step, StepResult, TransportError};

use super::steps::{Changed, calls_the_api, changed, describe, failed, target, timeout, went_well};
use super::{DEFAULT_PAUSE, Fault, FaultInjector, Record, SECRETS, StepKind, World, place};
use crate::common::at;

/// A step under way.
pub struct Flight {
    pub key: ObjectKey,
    pub step: Step,
    pub lands: Timestamp,
    pub answered: Timestamp,
    pub fault: Option<Fault>,
    pub result: Option<StepResult>,
    /// A paused process has not sent it yet.
    pub held: bool,
    /// How many writes had landed as it began.
    pub begun: u64,
}

impl Flight {
    /// When it lands or is answered; `None` if it waits for its process.
    pub fn due(&self, paused: bool) -> Option<Timestamp> {
        match self.result {
            None => (!self.held).then_some(self.lands),
            Some(_) => (!paused).then_some(self.answered),
        }
    }
}

impl<M: FaultInjector> World<M> {
    /// Takes the next step from an engine.
    pub(super) fn begin(&mut self) -> bool {
        (0..self.replicas.len()).any(|which| self.begin_in(which))
    }

    fn begin_in(&mut self, which: usize) -> bool {
        if self.replicas[which].paused() {
            return false;
        }
        self.turn(which);
        let wall = self.wall(which);
        let engine = self.replicas[which].engine.as_mut();
        let Some((key, step)) = engine.and_then(|engine| engine.next(wall)) else {
            return false;
        };
        if !self.may_act(which) {
            if let Some(engine) = &mut self.replicas[which].engine {
                engine.done(&key, StepResult::NotRun, wall);
            }
            return false;
        }
        self.look_at(which, &step);
        let fault = self.faults.fault(&key, &step, self.now);
        let cut = self.is_cut(which) && calls_the_api(&step);
        let fault = if cut {
            Some(Fault::Lost(ApiError::Unavailable))
        } else {
            fault
        };
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
        let writes = changed(&step).is_some();
        self.replicas[which].flights.push(Flight {
            key,
            step,
            lands,
            answered: at(lands.as_second() + to_answer),
            fault,
            result: None,
            held: false,
            begun: self.landed,
        });
        if writes && let Some(blow) = self.ambush.take() {
            self.strike(which, blow);
        }
        true
    }

    /// Looks at a step as it begins.
    fn look_at(&mut self, which: usize, step: &Step) {
        let shown = format!("{step:?}");
        for word in SECRETS {
            if shown.contains(word) {
                self.violations.push(format!(
                    "Debug of a step shows {word}: {:?}",
                    StepKind::of(step)
                ));
            }
        }
        let candidate = self.replicas[which].candidate.as_ref();
        let holder = &self.cluster.leases.last_holder;
        if let Some(candidate) = candidate
            && StepKind::of(step).writes()
            && candidate.identity() != holder
        {
            self.violations.push(format!(
                "{} writes, and the Lease is held by {holder:?}",
                candidate.identity()
            ));
        }
    }

    pub(super) fn is_cut(&self, which: usize) -> bool {
        let candidate = self.replicas[which].candidate.as_ref();
        candidate.is_some_and(|candidate| candidate.cut_until > self.monotonic())
    }

    pub(super) fn fly(&mut self, replica: usize, which: usize) {
        let wall = self.wall(replica);
        let one = &mut self.replicas[replica];
        if one.flights[which].result.is_some() {
            let flight = one.flights.remove(which);
            if let (Some(engine), Some(result)) = (&mut one.engine, flight.result) {
                engine.done(&flight.key, result, wall);
            }
            return;
        }
        let mut flight = one.flights.remove(which);
        let result = match flight.fault.clone() {
            None => self.land(replica, &flight),
            Some(Fault::Lost(failure)) => failed(&flight.step, failure),
            Some(Fault::Landed(failure)) => {
                self.land(replica, &flight);
                failed(&flight.step, failure)
            }
            Some(Fault::NoCredentials(failure)) => StepResult::Credentials(Err(failure)),
            Some(Fault::TimedOut) => match &flight.step {
                Step::SendRequests { requests, .. } => {
                    let answer = TransportError::Timeout(Duration::from_secs(2));
                    StepResult::Responses(vec![Err(answer); requests.len()])
                }
                step => failed(step, ApiError::Timeout),
            },
            Some(Fault::CrashBefore(back_in)) => return self.crash_replica(replica, back_in),
            Some(Fault::CrashAfter(back_in)) => {
                self.land(replica, &flight);
                return self.crash_replica(replica, back_in);
            }
        };
        flight.result = Some(result);
        self.replicas[replica].flights.insert(which, flight);
    }

    pub(super) fn land(&mut self, replica: usize, flight: &Flight) -> StepResult {
        let (key, step) = (&flight.key, &flight.step);
        let stood = match changed(step).filter(|_| self.elected()) {
            Some(Changed::Secret(place)) => self.cluster.secrets.contains_key(&place),
            Some(Changed::Resource(place)) => self.cluster.resources.contains_key(&place),
            Some(_) => true,
            None => false,
        };
        let result = self
            .faults
            .land(&mut self.cluster, &mut self.cloud, key, step, self.now);
        if let Step::PublishEvent(event) = step {
            self.events.push((**event).clone());
        }
        self.log(|| describe(key, step, &result));
        if let Some(changed) = changed(step).filter(|_| self.elected() && went_well(&result)) {
            self.landed += 1;
            let last = self.written_by.insert(changed, (replica, self.landed));
            // Without the right to read Secrets, one that somebody else edited is known by its uid alone.
            let by_uid = self.cluster.blind
                && target(step).is_some_and(|target| target.resource_version.is_none());
            if let Some((by, when)) = last.filter(|_| stood && !by_uid)
                && by != replica
                && when > flight.begun
            {
                self.violations.push(format!(
                    "{key:?}: {:?} changed what another replica wrote after it began",
                    StepKind::of(step)
                ));
            }
        }
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
}

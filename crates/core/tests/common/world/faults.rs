//! Faults of steps and of events.

use jiff::Timestamp;
use presigned_core::engine::{
    ApiError, CredentialsError, Event, ObjectKey, Step, StepResult, Watched,
};

use super::Belief;
use super::steps::execute;
use crate::common::cloud::Cloud;
use crate::common::cluster::Cluster;

/// The fault of one step.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// It never lands; the answer is this failure.
    Lost(ApiError),
    /// It lands, and the answer is this failure.
    Landed(ApiError),
    /// The operator dies before it lands, and comes back after so many seconds.
    CrashBefore(i64),
    /// The operator dies as it has landed.
    CrashAfter(i64),
    /// Credentials cannot be had.
    NoCredentials(CredentialsError),
    /// No answer comes within the time that the step gives.
    TimedOut,
}

/// Injects faults into steps and events. The default injects none.
pub trait FaultInjector {
    fn fault(&mut self, _key: &ObjectKey, _step: &Step, _now: Timestamp) -> Option<Fault> {
        None
    }

    /// Seconds until a step lands, and from then until it is answered.
    fn latency(&mut self, _step: &Step) -> (i64, i64) {
        (0, 0)
    }

    /// Executes a step.
    fn land(
        &mut self,
        cluster: &mut Cluster,
        cloud: &mut Cloud,
        key: &ObjectKey,
        step: &Step,
        now: Timestamp,
    ) -> StepResult {
        execute(cluster, cloud, key, step, now)
    }

    /// The event as the engine receives it; `None` loses it.
    fn filter_event(&mut self, event: Event) -> Option<Event> {
        Some(event)
    }

    /// Which of the things that happen in the same second comes first.
    fn first(&mut self, _of: usize) -> usize {
        0
    }

    /// How long a list takes to begin after a start of the operator.
    fn list_delay(&mut self, _kind: Watched) -> i64 {
        0
    }

    /// Whether the API server answers nobody.
    fn api_down(&self, _now: Timestamp) -> bool {
        false
    }

    /// A fault in what a replica believes of its claim and of the Lease.
    fn belief(&self) -> Belief {
        Belief::Right
    }

    /// A replica begins to lead; what it is told beyond what its watches tell.
    fn on_lead(&mut self, _cluster: &Cluster) -> Vec<Event> {
        Vec::new()
    }

    /// Runs before anything else in a second.
    fn tick(&mut self, _cluster: &mut Cluster, _cloud: &mut Cloud, _now: Timestamp) {}
}

//! Planted bugs: each breaks one promise, and some seed among the first few must find it.

use jiff::Timestamp;
use presigned_core::engine::{Event, Step, StepResult, Work};

use crate::common::cloud::Cloud;
use crate::common::cluster::Cluster;

/// A bug between the engine and the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    None,
}

/// A planted bug with what it has to remember.
pub struct Sabotage {
    pub bug: Bug,
}

impl Sabotage {
    pub fn new(bug: Bug) -> Self {
        Self { bug }
    }

    pub fn land(
        &mut self,
        _cluster: &mut Cluster,
        _cloud: &mut Cloud,
        _work: &Work,
        _step: &Step,
        _now: Timestamp,
    ) -> Option<StepResult> {
        None
    }

    pub fn hears(&mut self, _event: &Event, _now: Timestamp) -> bool {
        true
    }

    pub fn tick(&mut self, _cluster: &mut Cluster, _cloud: &mut Cloud, _now: Timestamp) {}
}

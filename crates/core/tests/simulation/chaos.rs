//! What goes wrong on the way between engine and servers, from the seed; and the planted bugs.
//!
//! What holds here: every fault is one that a healthy operator must survive. What a planted bug does is done here, between
//! the engine and the model, so that the judge sees just what a faulty engine would have done.

use jiff::Timestamp;
use presigned_core::api::Reason;
use presigned_core::engine::{
    ApiFailure, CredentialsFailure, Event, Step, StepResult, Watched, Work,
};

use crate::common::cloud::Cloud;
use crate::common::cluster::Cluster;
use crate::common::rng::Rng;
use crate::common::world::{Fault, Meddler, carry_out, place};
use crate::sabotage::Sabotage;

/// A Secret as it was written.
#[derive(Clone, Debug)]
pub struct Written {
    pub at: Timestamp,
    pub uid: String,
    pub namespace: String,
    pub url: String,
    pub method: String,
    /// What stood there before, and whether somebody else had edited it.
    pub before: Option<(String, bool)>,
}

/// The faults of a seed.
pub struct Chaos {
    pub rng: Rng,
    /// Whether anything goes wrong at all.
    pub on: bool,
    pub outage_until: Timestamp,
    pub written: Vec<Written>,
    pub sabotage: Sabotage,
}

impl Chaos {
    pub fn new(seed: u64, sabotage: Sabotage) -> Self {
        Self {
            rng: Rng::new(seed ^ 0xC4A0_5000),
            on: true,
            outage_until: Timestamp::MIN,
            written: Vec::new(),
            sabotage,
        }
    }

    fn api_fault(&mut self) -> Option<Fault> {
        let back_in = self.rng.range(0, 90);
        Some(match self.rng.range(0, 1000) {
            0..8 => Fault::Lost(ApiFailure::Timeout),
            8..18 => Fault::Landed(ApiFailure::Timeout),
            18..26 => Fault::Lost(ApiFailure::Unavailable),
            26..30 => Fault::Landed(ApiFailure::Unavailable),
            30..34 => Fault::Lost(ApiFailure::Other(Some(418))),
            34..37 => Fault::Lost(ApiFailure::Forbidden),
            37..42 => Fault::Lost(ApiFailure::TooManyRequests {
                retry_after: (back_in > 30).then(|| std::time::Duration::from_secs(20)),
            }),
            42..48 => Fault::Lost(ApiFailure::Conflict),
            48..54 => Fault::CrashBefore(back_in),
            54..62 => Fault::CrashAfter(back_in),
            _ => return None,
        })
    }
}

impl Meddler for Chaos {
    fn fault(&mut self, _work: &Work, step: &Step, now: Timestamp) -> Option<Fault> {
        if !self.on {
            return None;
        }
        if let Step::FetchCredentials { .. } = step {
            return match self.rng.range(0, 100) {
                0..4 => Some(Fault::NoCredentials(CredentialsFailure {
                    reason: Reason::CredentialsUnavailable,
                    message: "the model's provider is down".to_owned(),
                })),
                4 => Some(Fault::CrashAfter(5)),
                _ => None,
            };
        }
        if now < self.outage_until {
            return Some(Fault::Lost(ApiFailure::Unavailable));
        }
        self.api_fault()
    }

    fn latency(&mut self, step: &Step) -> (i64, i64) {
        if let Some(latency) = self.sabotage.latency(step, !self.on) {
            return latency;
        }
        let slow = if self.on { 4 } else { 2 };
        (self.rng.range(0, slow), self.rng.range(0, slow))
    }

    fn land(
        &mut self,
        cluster: &mut Cluster,
        cloud: &mut Cloud,
        work: &Work,
        step: &Step,
        now: Timestamp,
    ) -> StepResult {
        let before = place(step)
            .and_then(|place| cluster.secrets.get(&place))
            .and_then(|secret| Some((secret.text("url")?.to_owned(), secret.edited.is_some())));
        let result = match self.sabotage.land(cluster, cloud, work, step, now) {
            Some(result) => result,
            None => carry_out(cluster, cloud, work, step, now),
        };
        let stored = match (step, &result) {
            (
                Step::CreateSecret(write) | Step::UpdateSecret { write, .. },
                StepResult::SecretWritten(Ok(_)),
            ) => Some((write.namespace.clone(), write.name.clone())),
            _ => None,
        };
        if let (Work::Resource(uid), Some(place)) = (work, stored)
            && let Some(secret) = cluster.secrets.get(&place)
        {
            self.written.push(Written {
                at: now,
                uid: uid.to_string(),
                namespace: place.0.clone(),
                url: secret.text("url").unwrap_or_default().to_owned(),
                method: secret.text("method").unwrap_or_default().to_owned(),
                before,
            });
        }
        result
    }

    fn hears(&mut self, event: Event) -> Option<Event> {
        self.sabotage.hears(event)
    }

    fn first(&mut self, of: usize) -> usize {
        usize::try_from(self.rng.next() % of as u64).unwrap()
    }

    fn list_delay(&mut self, _kind: Watched) -> i64 {
        self.rng.range(0, 5)
    }

    fn tick(&mut self, cluster: &mut Cluster, cloud: &mut Cloud, now: Timestamp) {
        self.sabotage.tick(cluster, cloud, now);
    }
}

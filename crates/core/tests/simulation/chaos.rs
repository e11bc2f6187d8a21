//! Faults between engine and servers, from the seed; and the planted bugs.
//!
//! What holds here: every fault is one that a healthy operator must survive. A planted bug acts here, between
//! the engine and the model, so that the invariant checker sees exactly what a faulty engine would have done.

use std::collections::BTreeMap;

use jiff::Timestamp;
use presigned_core::api::{Reason, Renew};
use presigned_core::engine::{
    ApiError, CredentialsError, Event, ObjectKey, Step, StepResult, Uid, Watched,
};

use crate::common::cloud::Cloud;
use crate::common::cluster::{Cluster, Place};
use crate::common::rng::Rng;
use crate::common::world::steps::execute;
use crate::common::world::{Belief, Fault, FaultInjector, place};
use crate::planted_bugs::PlantedBug;
use crate::secret_contents::SecretContents;

/// A Secret as it was written.
#[derive(Clone, Debug)]
pub struct Written {
    pub at: Timestamp,
    pub uid: String,
    pub namespace: String,
    pub contents: Result<SecretContents, String>,
    /// The Secret's contents before, and whether somebody else had edited it.
    pub before: Option<(SecretContents, bool)>,
    /// When the status tells that what it knows of ends, and when that is renewed.
    pub told: Option<(Timestamp, Timestamp)>,
}

/// A Secret of valid URLs that the operator removed.
#[derive(Clone, Debug)]
pub struct Removed {
    pub at: Timestamp,
    pub uid: String,
    pub place: Place,
    pub contents: SecretContents,
}

/// The faults of a seed.
pub struct Chaos {
    pub rng: Rng,
    /// Whether faults are injected.
    pub on: bool,
    pub outage_until: Timestamp,
    pub written: Vec<Written>,
    pub removed: Vec<Removed>,
    /// The repairs and their times: of an endpoint, or of listings by the empty name.
    pub repairs: Vec<(Timestamp, String)>,
    pub sts_down_until: Timestamp,
    /// The time until which a store has or had a fault.
    pub store_faults_until: Timestamp,
    pub planted_bug: PlantedBug,
    /// `renew` of each resource as it was created: the API server refuses its change, even if the rest cannot
    /// be read.
    pub renew: BTreeMap<Uid, Option<Renew>>,
}

impl Chaos {
    pub fn new(seed: u64, planted_bug: PlantedBug) -> Self {
        Self {
            rng: Rng::new(seed, "faults"),
            on: true,
            outage_until: Timestamp::MIN,
            written: Vec::new(),
            removed: Vec::new(),
            repairs: Vec::new(),
            sts_down_until: Timestamp::MIN,
            store_faults_until: Timestamp::MIN,
            renew: BTreeMap::new(),
            planted_bug,
        }
    }

    fn api_fault(&mut self) -> Option<Fault> {
        let back_in = self.rng.range(0, 90);
        Some(match self.rng.range(0, 1000) {
            0..8 => Fault::Lost(ApiError::Timeout),
            8..18 => Fault::Landed(ApiError::Timeout),
            18..26 => Fault::Lost(ApiError::Unavailable),
            26..30 => Fault::Landed(ApiError::Unavailable),
            30..34 => Fault::Lost(ApiError::Other(Some(418))),
            34..37 => Fault::Lost(ApiError::Forbidden),
            37..42 => Fault::Lost(ApiError::TooManyRequests {
                retry_after: (back_in > 30).then(|| std::time::Duration::from_secs(20)),
            }),
            42..48 => Fault::Lost(ApiError::Conflict),
            48..54 => Fault::CrashBefore(back_in),
            54..62 => Fault::CrashAfter(back_in),
            _ => return None,
        })
    }
}

impl FaultInjector for Chaos {
    fn fault(&mut self, _work: &ObjectKey, step: &Step, now: Timestamp) -> Option<Fault> {
        if !self.on {
            return None;
        }
        if let Step::FetchCredentials { .. } = step {
            if now < self.sts_down_until {
                return Some(Fault::NoCredentials(CredentialsError {
                    reason: Reason::CredentialsUnavailable,
                    message: "the model's STS is down".to_owned(),
                }));
            }
            return match self.rng.range(0, 100) {
                0..4 => Some(Fault::NoCredentials(CredentialsError {
                    reason: Reason::CredentialsUnavailable,
                    message: "the model's provider is down".to_owned(),
                })),
                4 => Some(Fault::CrashAfter(5)),
                _ => None,
            };
        }
        if let Step::Sign(_) = step {
            return None;
        }
        if now < self.outage_until && !matches!(step, Step::List { .. } | Step::SendRequests { .. })
        {
            return Some(Fault::Lost(ApiError::Unavailable));
        }
        self.api_fault()
    }

    fn latency(&mut self, step: &Step) -> (i64, i64) {
        if let Some(latency) = self.planted_bug.latency(step, !self.on) {
            return latency;
        }
        let slow = if self.on { 4 } else { 2 };
        (self.rng.range(0, slow), self.rng.range(0, slow))
    }

    fn land(
        &mut self,
        cluster: &mut Cluster,
        cloud: &mut Cloud,
        key: &ObjectKey,
        step: &Step,
        now: Timestamp,
    ) -> StepResult {
        let writes = matches!(
            step,
            Step::CreateSecret(_) | Step::UpdateSecret { .. } | Step::DeleteSecret { .. }
        );
        let standing = place(step)
            .filter(|_| writes)
            .and_then(|place| cluster.secrets.get(&place));
        let own = standing.is_some_and(|secret| {
            let mut owners = secret.owners.iter();
            owners.any(|owner| *key == ObjectKey::Resource(owner.uid.as_str().into()))
        });
        let before = standing.and_then(|secret| {
            Some((
                SecretContents::of(&secret.data).ok()?,
                secret.edited.is_some(),
            ))
        });
        let result = match self.planted_bug.land(cluster, cloud, key, step, now) {
            Some(result) => result,
            None => execute(cluster, cloud, key, step, now),
        };
        let stored = match (step, &result) {
            (
                Step::CreateSecret(write) | Step::UpdateSecret { write, .. },
                StepResult::SecretWritten(Ok(_)),
            ) => Some((write.namespace.clone(), write.name.clone())),
            _ => None,
        };
        if let (ObjectKey::Resource(uid), Some(place)) = (key, stored)
            && let Some(secret) = cluster.secrets.get(&place)
        {
            let mut resources = cluster.resources.values();
            let seen = resources.find(|seen| seen.uid == *uid);
            let told = seen
                .and_then(|seen| Some((seen.status.expiration_time?, seen.status.renewal_time?)));
            self.written.push(Written {
                told,
                at: now,
                uid: uid.to_string(),
                namespace: place.0.clone(),
                contents: SecretContents::of(&secret.data),
                before,
            });
        } else if let (
            ObjectKey::Resource(uid),
            Step::DeleteSecret { .. },
            StepResult::SecretDeleted(Ok(())),
            Some((contents, false)),
            Some(place),
        ) = (key, step, &result, before, place(step))
            && own
            && contents.ends > now
        {
            let uid = uid.to_string();
            self.removed.push(Removed {
                at: now,
                uid,
                place,
                contents,
            });
        }
        result
    }

    fn filter_event(&mut self, event: Event) -> Option<Event> {
        self.planted_bug.filter_event(event)
    }

    fn first(&mut self, of: usize) -> usize {
        usize::try_from(self.rng.next() % of as u64).unwrap()
    }

    fn list_delay(&mut self, _kind: Watched) -> i64 {
        self.rng.range(0, 5)
    }

    fn api_down(&self, now: Timestamp) -> bool {
        self.on && now < self.outage_until
    }

    fn belief(&self) -> Belief {
        self.planted_bug.belief()
    }

    fn on_lead(&mut self, cluster: &Cluster) -> Vec<Event> {
        if self.on {
            return Vec::new();
        }
        self.planted_bug.on_lead(cluster)
    }

    fn tick(&mut self, cluster: &mut Cluster, cloud: &mut Cloud, now: Timestamp) {
        let due = self.repairs.iter().filter(|(time, _)| *time <= now);
        for (_, what) in due {
            if what.is_empty() {
                cloud.listings_fail = None;
            } else {
                cloud.server(what).repair();
            }
        }
        self.repairs.retain(|(time, _)| *time > now);
        self.planted_bug.tick(cluster, cloud, now);
    }
}

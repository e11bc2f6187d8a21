//! The election: it keeps the claim to lead alive, and gives it up at the end.
//!
//! What holds here: `presigned_core::lease` decides, and this carries it out, every two seconds, beside the
//! loop and never within it, so that a busy loop loses no claim. A call that hangs is given up before the
//! claim ends. When the operator stops, the Lease is given up after the last step, so that another replica
//! leads at once. If a step does not end in time, the Lease expires by itself.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use presigned_core::engine::ApiError;
use presigned_core::lease::{Claim, Decision, Election, LEASE_DURATION, LeaseSeen, RETRY_PERIOD};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::kube::Cluster;

/// How long one attempt may take. Two of them fit into a claim.
const ATTEMPT: Duration = Duration::from_secs(4);

/// Which Lease, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidacy {
    /// The Lease's name. It stands in the operator's own namespace.
    pub lease: String,
    /// `holderIdentity`: no other process has it.
    pub identity: String,
}

/// The claim of this instance, as the loop sees it.
pub(super) struct Leadership {
    pub(super) claims: watch::Receiver<Claim>,
    election: Option<(CancellationToken, JoinHandle<Elector>)>,
}

impl Leadership {
    /// This instance leads always.
    pub(super) fn alone() -> Self {
        Self {
            claims: watch::channel(Claim::always()).1,
            election: None,
        }
    }

    /// This instance stands for election.
    pub(super) fn elected(
        cluster: Cluster,
        clock: Clock,
        namespace: String,
        candidacy: Candidacy,
    ) -> Self {
        let (sender, claims) = watch::channel(Claim::none());
        let end = CancellationToken::new();
        let elector = Elector {
            cluster,
            clock,
            namespace,
            lease: candidacy.lease,
            election: Election::new(candidacy.identity),
            last_failure: None,
        };
        let task = tokio::spawn(elector.run(sender, end.clone()));
        Self {
            claims,
            election: Some((end, task)),
        }
    }

    /// Gives the Lease up, if this instance holds it. `idle` says that no step is on its way.
    pub(super) async fn release(self, idle: bool) {
        if let Some((end, task)) = self.election {
            end.cancel();
            if let Ok(elector) = task.await {
                elector.release(idle).await;
            } else {
                tracing::error!("the election ended by itself; this is a fault of the operator");
            }
        }
    }
}

struct Elector {
    cluster: Cluster,
    clock: Clock,
    namespace: String,
    lease: String,
    election: Election<Lease>,
    /// The last failure, so that it is logged once.
    last_failure: Option<ApiError>,
}

impl Elector {
    async fn run(mut self, claims: watch::Sender<Claim>, end: CancellationToken) -> Self {
        while !end.is_cancelled() {
            // What was written before a time-out is read again at the next attempt.
            let attempt = tokio::time::timeout(ATTEMPT, self.attempt());
            let result = attempt.await.unwrap_or(Err(ApiError::Timeout));
            self.log(result);
            let claim = self.election.claim();
            claims.send_if_modified(|known| std::mem::replace(known, claim) != claim);
            tokio::select! {
                () = tokio::time::sleep(RETRY_PERIOD) => {}
                () = end.cancelled() => {}
            }
        }
        self
    }

    /// Reads the Lease if it is not ours for certain, and writes it if the election says so.
    async fn attempt(&mut self) -> Result<(), ApiError> {
        let known = match self.election.begin() {
            Some(held) => Some(held),
            None => {
                self.cluster
                    .read_lease(&self.namespace, &self.lease)
                    .await?
            }
        };
        let seen = known.as_ref().map(seen);
        let decision = self.election.decide(seen.as_ref(), self.clock.monotonic());
        if decision == Decision::Wait {
            return Ok(());
        }
        let identity = self.election.identity();
        let lease = next(known, decision, &self.lease, identity, self.clock.wall());
        let sent_at = self.clock.monotonic();
        let written = self
            .cluster
            .write_lease(&self.namespace, &self.lease, &lease)
            .await?;
        self.election.written(written, sent_at);
        Ok(())
    }

    async fn release(mut self, idle: bool) {
        let Some(mut lease) = self.election.stop(idle) else {
            return;
        };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(self.clock.wall()));
        }
        let release = self
            .cluster
            .write_lease(&self.namespace, &self.lease, &lease);
        if let Ok(Ok(_)) = tokio::time::timeout(ATTEMPT, release).await {
            tracing::info!(lease = self.lease, "the Lease is given up");
        } else {
            tracing::warn!(lease = self.lease, "the Lease could not be given up");
        }
    }

    fn log(&mut self, result: Result<(), ApiError>) {
        let failure = match result {
            // Another instance was faster.
            Ok(()) | Err(ApiError::Conflict | ApiError::AlreadyExists) => None,
            Err(failure) => Some(failure),
        };
        if failure != self.last_failure {
            match &failure {
                Some(ApiError::Forbidden) => tracing::error!(
                    lease = self.lease,
                    namespace = self.namespace,
                    "the operator may not read or write its Lease: grant get, create and update of leases \
                     (coordination.k8s.io), as the chart does, or leave --leader-elect out and run one replica"
                ),
                Some(failure) => tracing::warn!(
                    lease = self.lease,
                    ?failure,
                    "the Lease cannot be read or written"
                ),
                None => tracing::info!(lease = self.lease, "the Lease can be written again"),
            }
            self.last_failure = failure;
        }
    }
}

/// A Lease, as the election uses it.
fn seen(lease: &Lease) -> LeaseSeen {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds;
    let duration = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    LeaseSeen {
        resource_version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec.holder_identity.unwrap_or_default(),
        duration: duration.map_or(LEASE_DURATION, Duration::from_secs),
    }
}

/// The Lease as it is written next. What others wrote to its metadata stays.
fn next(
    known: Option<Lease>,
    decision: Decision,
    name: &str,
    identity: &str,
    now: Timestamp,
) -> Lease {
    let mut lease = known.unwrap_or_else(|| Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        spec: None,
    });
    let old = lease.spec.take().unwrap_or_default();
    let transitions = old.lease_transitions.unwrap_or_default();
    let (acquire_time, lease_transitions) = match decision {
        Decision::Renew => (old.acquire_time, transitions),
        Decision::Acquire => (Some(MicroTime(now)), transitions.saturating_add(1)),
        Decision::Create | Decision::Wait => (Some(MicroTime(now)), 0),
    };
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
        acquire_time,
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(lease_transitions),
        ..old
    });
    lease
}

#[cfg(test)]
mod tests {
    //! What is written to the Lease.

    use super::*;

    fn noon() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_lease_that_is_taken_over_says_so_and_keeps_what_others_wrote() {
        let first = next(None, Decision::Create, "op", "a", noon());
        assert_eq!(first.metadata.name.as_deref(), Some("op"));
        let mut stored = first.clone();
        stored.metadata.resource_version = Some("7".to_owned());
        stored.metadata.labels = Some([("of".to_owned(), "others".to_owned())].into());
        let spec = stored.spec.as_mut().unwrap();
        spec.preferred_holder = Some("c".to_owned());
        let later = noon() + jiff::SignedDuration::from_secs(20);
        let second = next(Some(stored.clone()), Decision::Acquire, "op", "b", later);
        assert_eq!(second.metadata, stored.metadata);
        let spec = second.spec.clone().unwrap();
        assert_eq!(spec.holder_identity.as_deref(), Some("b"));
        assert_eq!(spec.lease_transitions, Some(1));
        assert_eq!(spec.acquire_time, Some(MicroTime(later)));
        assert_eq!(spec.preferred_holder.as_deref(), Some("c"));
        let third = next(Some(second), Decision::Renew, "op", "b", later);
        let spec = third.spec.unwrap();
        assert_eq!(spec.lease_transitions, Some(1));
        assert_eq!(spec.acquire_time, Some(MicroTime(later)));
    }

    #[test]
    fn a_lease_without_a_spec_is_held_by_nobody() {
        let empty = seen(&Lease::default());
        assert_eq!(
            (empty.holder.as_str(), empty.duration),
            ("", LEASE_DURATION)
        );
    }
}

//! Planted bugs: each breaks one promise between the engine and the world, and the invariant checker must
//! find it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use presigned_core::api::{PresignedUrlStatus, Renew};
use presigned_core::engine::{
    ApiError, Change, Event, ObjectKey, ObjectVersion, PresignedUrlSeen, SecretAnswer, Step,
    StepResult, Uid,
};
use presigned_core::issue::{Owner, OwnerId};
use presigned_core::policy::SelectableNamespaces;

use crate::common::at;
use crate::common::cloud::Cloud;
use crate::common::cluster::{Cluster, Place, Secret};
use crate::common::url::Parts;
use crate::common::world::steps::execute;
use crate::common::world::{Belief, place};
use crate::forgeries::{any_bucket, leaking_status, longer, misread, without_decision};

/// A bug between the engine and the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    None,
    /// Preconditions are dropped: an update overwrites any Secret of the name.
    OverwritesForeign,
    /// Preconditions are dropped: a delete removes any Secret of the name.
    DeletesForeign,
    /// A renewal writes the old URL again.
    PublishesOldUrl,
    /// The Secret of one resource gets another's URL.
    PublishesAnothersUrl,
    /// The URL lives for a week, whatever was planned.
    LivesTooLong,
    /// The engine takes a session to end an hour later.
    OutlivesSession,
    /// The status is written first, the Secret minutes after it.
    StatusBeforeSecret,
    /// Each renewal writes the Secret twice.
    WritesTwice,
    /// Each reconcile of a Secret starts the next.
    ReconcilesForEver,
    /// A refused resource keeps its Secret.
    KeepsDenied,
    /// A resource that is being deleted keeps its Secret.
    KeepsDeleting,
    /// The engine takes a Secret without owner for one of its own.
    OverlooksLostOwner,
    /// Each report of a status makes the engine forget what it listed.
    ForgetsListings,
    /// A Secret of expired URLs stays.
    KeepsExpired,
    /// The engine sees no change of a policy.
    IgnoresPolicies,
    /// A renewal waits until half a minute is left.
    RenewsLate,
    /// A condition shows the URL.
    LeaksUrl,
    /// A first issue waits behind everything else.
    FirstIssueWaits,
    /// A start forgets the statuses.
    ForgetsAtStart,
    /// The Secret of the earlier name stays.
    LeavesRenamed,
    /// The engine takes an edited Secret for unchanged.
    OverlooksDrift,
    /// A listed key gets a URL whatever the policies allow.
    SignsWithoutDecision,
    /// A form has no condition of its bucket.
    FormOfAnyBucket,
    /// A link is renewed.
    RenewsLinks,
    /// The engine takes a link to end ten minutes later than its status says.
    MovesLinkEnds,
    /// A start forgets that a link was issued.
    ForgetsLinks,
    /// The engine ignores the clocks of stores.
    DropsSkew,
    /// The engine takes a store that accepts unsigned headers for one that rejects them.
    TrustsStoreWithUnsignedHeaders,
    /// The engine takes each verification for a success.
    PublishesUnverified,
    /// Sessions are not narrowed.
    WidensSessions,
    /// A start takes a valid URL for an expired one.
    TakesForExpired,
    /// The engine takes a policy that cannot be read for one of every namespace.
    UnreadableTouchesAll,
    /// The engine takes a refusal of the key for an accepted signature, when it probes a store.
    AcceptsUnknownKeys,
    /// The engine takes a namespace that comes for one without the label that policies forbid.
    OverlooksQuarantine,
    /// A leader goes on after the end of its claim, until it sees that another leads.
    OutlivesClaim,
    /// A claim counts from the answer to the renewal.
    ClaimsFromTheAnswer,
    /// A follower takes the Lease after three seconds.
    LeadsEarly,
    /// A status or a Secret is written whatever its version is.
    OverwritesNewer,
    /// A new leader issues everything again, once the faults are over.
    IssuesAgain,
}

/// A planted bug and its state.
pub struct PlantedBug {
    bug: Bug,
    now: Timestamp,
    ends: BTreeMap<Place, Timestamp>,
    backlog: Vec<(Timestamp, ObjectKey, Step)>,
    generations: BTreeMap<Uid, i64>,
}

impl PlantedBug {
    pub fn new(bug: Bug) -> Self {
        Self {
            bug,
            now: Timestamp::MIN,
            ends: BTreeMap::new(),
            backlog: Vec::new(),
            generations: BTreeMap::new(),
        }
    }

    /// Does what a faulty engine would have done instead of this step; `None` leaves the step as it is.
    #[allow(clippy::too_many_lines, reason = "one arm for each bug")]
    pub fn land(
        &mut self,
        cluster: &mut Cluster,
        cloud: &mut Cloud,
        key: &ObjectKey,
        step: &Step,
        now: Timestamp,
    ) -> Option<StepResult> {
        let standing = place(step).and_then(|place| cluster.secrets.get(&place).cloned());
        let forged = |write| match self.bug {
            Bug::SignsWithoutDecision => without_decision(write, cloud),
            Bug::FormOfAnyBucket => any_bucket(write, cloud),
            _ => None,
        };
        let forgery = match step {
            Step::CreateSecret(write) => forged(write).map(Step::CreateSecret),
            Step::UpdateSecret { write, target } => forged(write).map(|write| Step::UpdateSecret {
                write,
                target: target.clone(),
            }),
            _ => None,
        };
        if let Some(step) = forgery {
            return Some(execute(cluster, cloud, key, &step, now));
        }
        match (self.bug, step) {
            (
                Bug::WidensSessions,
                Step::FetchCredentials {
                    store,
                    source,
                    session,
                },
            ) if session.policy.is_some() => {
                let mut session = session.clone();
                session.policy = None;
                let (store, source) = (store.clone(), source.clone());
                let step = Step::FetchCredentials {
                    store,
                    source,
                    session,
                };
                Some(execute(cluster, cloud, key, &step, now))
            }
            (bug, Step::SendRequests { .. } | Step::List { .. }) => {
                let mut result = execute(cluster, cloud, key, step, now);
                misread(bug, key, step, &mut result);
                Some(result)
            }
            (Bug::OverwritesForeign, Step::CreateSecret(write)) => {
                let step = Step::UpdateSecret {
                    write: write.clone(),
                    target: version(&standing?),
                };
                Some(execute(cluster, cloud, key, &step, now))
            }
            (Bug::DeletesForeign, Step::CreateSecret(write)) => {
                let step = Step::DeleteSecret {
                    namespace: write.namespace.clone(),
                    name: write.name.clone(),
                    owner: write.owners[0].clone(),
                    target: version(&standing?),
                };
                execute(cluster, cloud, key, &step, now);
                Some(StepResult::SecretWritten(Err(ApiError::AlreadyExists)))
            }
            (Bug::PublishesOldUrl, Step::UpdateSecret { write, target }) => {
                let mut write = write.clone();
                write.data = data(&standing?);
                let target = target.clone();
                Some(execute(
                    cluster,
                    cloud,
                    key,
                    &Step::UpdateSecret { write, target },
                    now,
                ))
            }
            (Bug::OverwritesNewer, Step::UpdateSecret { write, .. }) => {
                let write = write.clone();
                let target = version(&standing?);
                let step = Step::UpdateSecret { write, target };
                Some(execute(cluster, cloud, key, &step, now))
            }
            (Bug::OverwritesNewer, Step::WriteStatus { status, .. }) => {
                let (namespace, name) = place(step)?;
                let seen = cluster.resources.get(&(namespace.clone(), name.clone()))?;
                let step = Step::WriteStatus {
                    target: ObjectVersion {
                        uid: seen.uid.to_string(),
                        resource_version: Some(seen.resource_version.clone()),
                    },
                    namespace,
                    name,
                    status: status.clone(),
                };
                Some(execute(cluster, cloud, key, &step, now))
            }
            (Bug::PublishesAnothersUrl, Step::UpdateSecret { write, target }) => {
                let (namespace, name) = place(step)?;
                let other = cluster.secrets.iter().find(|((_, other), secret)| {
                    *other != name && secret.created_for.is_some() && secret.edited.is_none()
                })?;
                let mut write = write.clone();
                debug_assert_eq!(write.namespace, namespace);
                write.data = data(other.1);
                let target = target.clone();
                Some(execute(
                    cluster,
                    cloud,
                    key,
                    &Step::UpdateSecret { write, target },
                    now,
                ))
            }
            (Bug::LivesTooLong, Step::CreateSecret(write)) => {
                let write = longer(write, cloud)?;
                Some(execute(
                    cluster,
                    cloud,
                    key,
                    &Step::CreateSecret(write),
                    now,
                ))
            }
            (Bug::OutlivesSession, Step::FetchCredentials { .. }) => {
                let mut result = execute(cluster, cloud, key, step, now);
                if let StepResult::Credentials(Ok(fetched)) = &mut result {
                    let credentials = &mut fetched.credentials;
                    credentials.expires_at =
                        credentials.expires_at.map(|end| at(end.as_second() + 3600));
                }
                Some(result)
            }
            (Bug::StatusBeforeSecret, Step::CreateSecret(_)) if standing.is_none() => {
                let later = at(now.as_second() + 900);
                self.backlog.push((later, key.clone(), step.clone()));
                Some(StepResult::SecretWritten(Ok(SecretAnswer {
                    version: ObjectVersion {
                        uid: "uid-not-yet".to_owned(),
                        resource_version: Some("1".to_owned()),
                    },
                    as_sent: true,
                })))
            }
            (Bug::WritesTwice, Step::UpdateSecret { write, .. }) => {
                let StepResult::SecretWritten(Ok(first)) = execute(cluster, cloud, key, step, now)
                else {
                    return Some(StepResult::SecretWritten(Err(ApiError::Conflict)));
                };
                let target = first.version;
                let write = write.clone();
                Some(execute(
                    cluster,
                    cloud,
                    key,
                    &Step::UpdateSecret { write, target },
                    now,
                ))
            }
            (Bug::LeaksUrl, Step::WriteStatus { .. }) => {
                Some(leaking_status(cluster, cloud, key, step, now))
            }
            (Bug::ReconcilesForEver, Step::InspectSecret { data: true, .. }) => {
                let result = execute(cluster, cloud, key, step, now);
                cluster.edit_secret(&place(step)?, now, |secret| {
                    let looks = secret.annotations.len().to_string();
                    secret.annotations.insert(format!("looks-{looks}"), looks);
                });
                Some(result)
            }
            (Bug::KeepsDenied, Step::DeleteSecret { .. })
                if status(cluster, key).is_some_and(|status| says(status, "PolicyDenied")) =>
            {
                Some(StepResult::SecretDeleted(Ok(())))
            }
            (Bug::KeepsDeleting, Step::DeleteSecret { .. }) if is_deleting(cluster, key) => {
                Some(StepResult::SecretDeleted(Ok(())))
            }
            (Bug::OverlooksLostOwner, Step::InspectSecret { .. }) => {
                let mut result = execute(cluster, cloud, key, step, now);
                if let StepResult::Inspected(Ok(Some(seen))) = &mut result
                    && let ObjectKey::Resource(uid) = key
                    && !seen
                        .owners
                        .iter()
                        .any(|owner| owner.controller == Some(true))
                {
                    let (uid, name) = (&**uid, "any");
                    seen.owners = vec![Owner::of(OwnerId { uid, name })];
                }
                Some(result)
            }
            (Bug::KeepsExpired, Step::DeleteSecret { .. })
                if standing
                    .as_ref()
                    .and_then(|secret| Parts::of(secret.text("url")?))
                    .is_some_and(|parts| parts.end <= now) =>
            {
                Some(StepResult::SecretDeleted(Ok(())))
            }
            (Bug::LeavesRenamed, Step::DeleteSecret { name, .. })
                if status(cluster, key).is_some_and(|status| {
                    status
                        .internal
                        .secret
                        .as_ref()
                        .is_some_and(|told| told.name == *name)
                        && !says(status, "PolicyDenied")
                }) =>
            {
                Some(StepResult::SecretDeleted(Ok(())))
            }
            (Bug::OverlooksDrift, Step::InspectSecret { data: true, .. }) => {
                let mut result = execute(cluster, cloud, key, step, now);
                if let StepResult::Inspected(Ok(Some(seen))) = &mut result
                    && let Some(content) = &mut seen.content
                    && let Some(told) =
                        status(cluster, key).and_then(|s| s.internal.secret.as_ref())
                {
                    content.data_hash = told.data_hash.to_string();
                }
                Some(result)
            }
            (Bug::RenewsLate, Step::CreateSecret(_) | Step::UpdateSecret { .. }) => {
                let result = execute(cluster, cloud, key, step, now);
                let place = place(step)?;
                let parts = Parts::of(cluster.secrets.get(&place)?.text("url")?)?;
                self.ends.insert(place, parts.end);
                Some(result)
            }
            _ => None,
        }
    }

    /// How long a step takes if the bug makes it slow.
    pub fn latency(&self, step: &Step, calm: bool) -> Option<(i64, i64)> {
        match (self.bug, step) {
            (Bug::FirstIssueWaits, Step::CreateSecret(_)) => Some((7200, 0)),
            (Bug::RenewsLate, Step::UpdateSecret { .. }) if calm => {
                let end = self.ends.get(&place(step)?)?;
                Some(((end.as_second() - 30 - self.now.as_second()).max(0), 0))
            }
            _ => None,
        }
    }

    pub fn belief(&self) -> Belief {
        match self.bug {
            Bug::OutlivesClaim => Belief::ClaimsNeverEnd,
            Bug::ClaimsFromTheAnswer => Belief::ClaimsFromTheAnswer,
            Bug::LeadsEarly => Belief::LeasesExpireEarly,
            _ => Belief::Right,
        }
    }

    /// What a faulty engine would take the resources for as it begins to lead.
    pub fn on_lead(&self, cluster: &Cluster) -> Vec<Event> {
        if self.bug != Bug::IssuesAgain {
            return Vec::new();
        }
        let asked_for = cluster.resources.values().cloned().map(|mut seen| {
            seen.renew_request = Some("as a new leader".to_owned());
            let version: u64 = seen.resource_version.parse().unwrap();
            seen.resource_version = (version + 1).to_string();
            Event::Resource(Change::Apply(seen))
        });
        asked_for.collect()
    }

    pub fn filter_event(&mut self, event: Event) -> Option<Event> {
        match (self.bug, event) {
            (Bug::IgnoresPolicies, Event::Policy(Change::Apply(_) | Change::Delete(_))) => None,
            (Bug::UnreadableTouchesAll, Event::Policy(Change::Apply(mut seen))) => {
                if let Err(unreadable) = &mut seen.spec {
                    unreadable.namespaces = SelectableNamespaces::default();
                }
                Some(Event::Policy(Change::Apply(seen)))
            }
            (Bug::OverlooksQuarantine, Event::Namespace(Change::Apply(mut seen))) => {
                seen.labels.remove("quarantine");
                Some(Event::Namespace(Change::Apply(seen)))
            }
            (Bug::ForgetsAtStart, Event::Resource(Change::InitApply(mut seen))) => {
                seen.status = Box::default();
                Some(Event::Resource(Change::InitApply(seen)))
            }
            (Bug::ForgetsListings, Event::Resource(Change::Apply(seen)))
                if self.generations.insert(seen.uid.clone(), seen.generation)
                    == Some(seen.generation) =>
            {
                Some(Event::ClockStepped)
            }
            (bug, Event::Resource(change)) => Some(Event::Resource(self.misheard(bug, change))),
            (_, event) => Some(event),
        }
    }

    /// The resource as a faulty engine would see it.
    fn misheard(&self, bug: Bug, change: Change<PresignedUrlSeen>) -> Change<PresignedUrlSeen> {
        let once = |seen: &PresignedUrlSeen| {
            let spec = seen.spec.as_ref().ok();
            spec.is_some_and(|spec| spec.renew == Some(Renew::Never))
        };
        match (bug, change) {
            (Bug::RenewsLinks, Change::InitApply(seen)) => Change::InitApply(renewed(seen)),
            (Bug::RenewsLinks, Change::Apply(seen)) => Change::Apply(renewed(seen)),
            (Bug::MovesLinkEnds, Change::InitApply(mut seen)) if once(&seen) => {
                seen.status.expiration_time = seen
                    .status
                    .expiration_time
                    .map(|end| at(end.as_second() + 600));
                Change::InitApply(seen)
            }
            (Bug::ForgetsLinks, Change::InitApply(mut seen)) if once(&seen) => {
                seen.status = Box::default();
                Change::InitApply(seen)
            }
            (Bug::TakesForExpired, Change::InitApply(mut seen)) => {
                let now = self.now;
                seen.status.expiration_time = seen.status.expiration_time.map(|end| end.min(now));
                Change::InitApply(seen)
            }
            (_, change) => change,
        }
    }

    pub fn tick(&mut self, cluster: &mut Cluster, cloud: &mut Cloud, now: Timestamp) {
        self.now = now;
        let (due, waits) = std::mem::take(&mut self.backlog)
            .into_iter()
            .partition(|(time, _, _)| *time <= now);
        self.backlog = waits;
        for (_, key, step) in due {
            execute(cluster, cloud, &key, &step, now);
        }
    }
}

/// The resource without `renew: Never`.
fn renewed(mut seen: PresignedUrlSeen) -> PresignedUrlSeen {
    if let Ok(spec) = &mut seen.spec {
        spec.renew = None;
        spec.ttl_after_expiry = None;
    }
    seen
}

fn version(secret: &Secret) -> ObjectVersion {
    ObjectVersion {
        uid: secret.uid.clone(),
        resource_version: Some(secret.resource_version.clone()),
    }
}

fn data(secret: &Secret) -> BTreeMap<String, presigned_core::issue::SecretBytes> {
    secret
        .data
        .iter()
        .map(|(key, value)| (key.clone(), value.clone().into()))
        .collect()
}

fn status<'a>(cluster: &'a Cluster, key: &ObjectKey) -> Option<&'a PresignedUrlStatus> {
    let ObjectKey::Resource(uid) = key else {
        return None;
    };
    cluster
        .resources
        .values()
        .find(|seen| seen.uid == *uid)
        .map(|seen| &*seen.status)
}

fn is_deleting(cluster: &Cluster, key: &ObjectKey) -> bool {
    let mut resources = cluster.resources.values();
    resources.any(|seen| seen.deleting && *key == ObjectKey::Resource(seen.uid.clone()))
}

fn says(status: &PresignedUrlStatus, reason: &str) -> bool {
    status
        .conditions
        .first()
        .is_some_and(|ready| ready.reason == reason)
}

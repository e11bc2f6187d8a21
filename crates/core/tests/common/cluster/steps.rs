//! Steps of the operator, as a healthy API server answers them.
//!
//! What holds here: a write to a Secret that is not the acting resource's own is recorded in `violations`,
//! and so is a status of which two conditions say the same, or with a reason where the manual has none.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use presigned_core::api::{
    Condition, GROUP, KIND, MANAGED_BY_LABEL, MANAGER, NAME_ANNOTATION, Reason,
};
use presigned_core::engine::{
    ApiError, Change, Event, ObjectKey, ObjectVersion, ObservedContent, ObservedSecret,
    SecretAnswer, SecretWrite, Step, StepResult, Watched,
};
use presigned_core::issue::{Owner, data_hash};

use super::{Cluster, Place, Secret, matches};

impl Cluster {
    /// Executes a step as a healthy API server would.
    #[allow(clippy::too_many_lines, reason = "one arm for each step")]
    pub fn execute(&mut self, key: &ObjectKey, step: &Step, now: Timestamp) -> StepResult {
        match step {
            Step::InspectSecret {
                namespace,
                name,
                data,
            } => StepResult::Inspected(Ok(self.inspect(namespace, name, *data))),
            Step::ReadResource { namespace, name } => {
                let place = (namespace.clone(), name.clone());
                let found = self.resources.get(&place).cloned();
                StepResult::ResourceRead(Ok(found.map(Box::new)))
            }
            Step::CreateSecret(write) => {
                let made = self.create(key, write, now);
                StepResult::SecretWritten(made.map(|version| self.answered(write, version)))
            }
            Step::UpdateSecret { write, target } => {
                let made = self.update(key, write, target, now);
                StepResult::SecretWritten(made.map(|version| self.answered(write, version)))
            }
            Step::RestoreMarks {
                namespace,
                name,
                owner,
                target,
            } => {
                let place = (namespace.clone(), name.clone());
                let made = self.restore(key, &place, owner, target, now);
                StepResult::SecretWritten(made.map(|version| SecretAnswer {
                    version,
                    as_sent: true,
                }))
            }
            Step::DeleteSecret {
                namespace,
                name,
                owner: _,
                target,
            } => StepResult::SecretDeleted(self.delete(key, namespace, name, target, now)),
            Step::DeleteResource {
                namespace,
                name,
                target,
            } => StepResult::ResourceDeleted(self.delete_meant(namespace, name, target, now)),
            Step::WriteStatus {
                namespace,
                name,
                target,
                status,
            } => {
                if let Some(twice) = told_twice(&status.conditions) {
                    let violation =
                        format!("the status of {namespace}/{name} tells twice: {twice}");
                    self.violations.push(violation);
                }
                self.check_reasons("PresignedURL", name, &status.conditions);
                let version = self.version();
                let place = (namespace.clone(), name.clone());
                let written = self
                    .resources
                    .get_mut(&place)
                    .ok_or(ApiError::NotFound)
                    .and_then(|seen| {
                        matches(target, &seen.uid, &seen.resource_version)?;
                        if *seen.status != **status {
                            *seen.status = (**status).clone();
                            seen.resource_version = version;
                        }
                        Ok(seen.clone())
                    });
                if written.is_ok() {
                    self.writes.entry(acting(key)).or_default().1 += 1;
                }
                StepResult::StatusWritten(written.map(|seen| {
                    let answer = answer(&seen.uid, &seen.resource_version);
                    self.report(
                        Watched::Resources,
                        Event::Resource(Change::Apply(seen)),
                        now,
                    );
                    answer
                }))
            }
            Step::WriteStoreStatus {
                name,
                target,
                status,
            } => {
                self.check_reasons("ClusterObjectStore", name, &status.conditions);
                let version = self.version();
                let written = self
                    .stores
                    .get_mut(name)
                    .ok_or(ApiError::NotFound)
                    .and_then(|seen| {
                        matches(target, &seen.uid, &seen.resource_version)?;
                        seen.status = (**status).clone();
                        seen.resource_version = version;
                        Ok(seen.clone())
                    });
                StepResult::StatusWritten(written.map(|seen| {
                    let answer = answer(&seen.uid, &seen.resource_version);
                    self.report(Watched::Stores, Event::Store(Change::Apply(seen)), now);
                    answer
                }))
            }
            Step::WritePolicyStatus {
                name,
                target,
                status,
            } => {
                self.check_reasons("PresignedURLPolicy", name, &status.conditions);
                let version = self.version();
                let written = self
                    .policies
                    .get_mut(name)
                    .ok_or(ApiError::NotFound)
                    .and_then(|seen| {
                        matches(target, &seen.uid, &seen.resource_version)?;
                        seen.status = (**status).clone();
                        seen.resource_version = version;
                        Ok(seen.clone())
                    });
                StepResult::StatusWritten(written.map(|seen| {
                    let answer = answer(&seen.uid, &seen.resource_version);
                    self.report(Watched::Policies, Event::Policy(Change::Apply(seen)), now);
                    answer
                }))
            }
            Step::PublishEvent(_) => StepResult::Published,
            Step::FetchCredentials { .. }
            | Step::List { .. }
            | Step::SendRequests { .. }
            | Step::Sign(_) => unreachable!("the cloud's"),
        }
    }

    /// The manual says in which conditions of which kinds each reason appears.
    fn check_reasons(&mut self, kind: &str, name: &str, conditions: &[Condition]) {
        for Condition { type_, reason, .. } in conditions {
            let appears = Reason::named(reason).is_some_and(|reason| {
                let mut appearances = reason.appearances().iter();
                appearances.any(|appearance| {
                    appearance.kind == kind
                        && appearance.conditions.iter().any(|c| c.as_str() == type_)
                })
            });
            if !appears {
                let violation = format!("{kind} {name}: {type_} has the reason {reason}");
                self.violations.push(violation);
            }
        }
    }

    fn inspect(&mut self, namespace: &str, name: &str, data: bool) -> Option<ObservedSecret> {
        if self.blind {
            self.violations.push(format!(
                "the Secret {namespace}/{name} was read without the right to"
            ));
        }
        let secret = self.secrets.get(&(namespace.to_owned(), name.to_owned()))?;
        Some(ObservedSecret {
            uid: secret.uid.clone(),
            resource_version: secret.resource_version.clone(),
            labels: secret.labels.clone(),
            annotations: secret.annotations.clone(),
            owners: secret.owners.clone(),
            finalizers: Vec::new(),
            deleting: false,
            content: data.then(|| ObservedContent {
                data_hash: data_hash(
                    secret
                        .data
                        .iter()
                        .map(|(key, value)| (key.as_str(), value.as_slice())),
                ),
                opaque: secret.opaque,
                immutable: secret.immutable,
            }),
        })
    }

    fn create(
        &mut self,
        key: &ObjectKey,
        write: &SecretWrite,
        now: Timestamp,
    ) -> Result<ObjectVersion, ApiError> {
        let place = (write.namespace.clone(), write.name.clone());
        match self.namespaces.get(&write.namespace) {
            None => return Err(ApiError::NotFound),
            Some(namespace) if namespace.deleting => return Err(ApiError::NamespaceTerminating),
            Some(_) => {}
        }
        if self.secrets.contains_key(&place) {
            return Err(ApiError::AlreadyExists);
        }
        let mut secret = Secret {
            uid: self.uid(),
            resource_version: String::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            owners: Vec::new(),
            data: BTreeMap::new(),
            opaque: true,
            immutable: false,
            edited: None,
            created_for: Some(acting(key)),
        };
        fill(&mut secret, write);
        let injected = self.webhook_label.iter();
        secret
            .labels
            .extend(injected.map(|label| (label.clone(), String::new())));
        self.writes.entry(acting(key)).or_default().0 += 1;
        let uid = secret.uid.clone();
        self.secrets.insert(place.clone(), secret);
        self.secret_changed(&place, false, now);
        Ok(answer(&uid, &self.secrets[&place].resource_version))
    }

    /// The answer to a write.
    fn answered(&self, write: &SecretWrite, version: ObjectVersion) -> SecretAnswer {
        let place = (write.namespace.clone(), write.name.clone());
        let stored = &self.secrets[&place];
        SecretAnswer {
            as_sent: stored.labels == write.labels
                && stored.annotations == write.annotations
                && stored.owners == write.owners,
            version,
        }
    }

    fn update(
        &mut self,
        key: &ObjectKey,
        write: &SecretWrite,
        target: &ObjectVersion,
        now: Timestamp,
    ) -> Result<ObjectVersion, ApiError> {
        let place = (write.namespace.clone(), write.name.clone());
        let secret = self.secrets.get(&place).ok_or(ApiError::NotFound)?;
        matches(target, &secret.uid, &secret.resource_version)?;
        if secret.immutable || !secret.opaque {
            return Err(ApiError::Invalid);
        }
        self.check_owner(key, &place, "wrote over");
        self.writes.entry(acting(key)).or_default().0 += 1;
        let secret = self.secrets.get_mut(&place).ok_or(ApiError::NotFound)?;
        let was = secret.labelled();
        fill(secret, write);
        secret.edited = None;
        secret.created_for = Some(acting(key));
        let uid = secret.uid.clone();
        self.secret_changed(&place, was, now);
        Ok(answer(&uid, &self.secrets[&place].resource_version))
    }

    /// The owner reference and the marks come back; the data stay.
    fn restore(
        &mut self,
        key: &ObjectKey,
        place: &Place,
        owner: &Owner,
        target: &ObjectVersion,
        now: Timestamp,
    ) -> Result<ObjectVersion, ApiError> {
        let secret = self.secrets.get(place).ok_or(ApiError::NotFound)?;
        matches(target, &secret.uid, &secret.resource_version)?;
        self.check_owner(key, place, "put its mark on");
        self.writes.entry(acting(key)).or_default().0 += 1;
        let secret = self.secrets.get_mut(place).ok_or(ApiError::NotFound)?;
        let was = secret.labelled();
        let label = (MANAGED_BY_LABEL.to_owned(), MANAGER.to_owned());
        secret.labels.extend([label]);
        let annotation = (NAME_ANNOTATION.to_owned(), owner.name.clone());
        secret.annotations.extend([annotation]);
        secret.owners.retain(|other| other.uid != owner.uid);
        secret.owners.insert(0, owner.clone());
        secret.edited = None;
        let uid = secret.uid.clone();
        self.secret_changed(place, was, now);
        Ok(answer(&uid, &self.secrets[place].resource_version))
    }

    fn delete(
        &mut self,
        key: &ObjectKey,
        namespace: &str,
        name: &str,
        target: &ObjectVersion,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let place = (namespace.to_owned(), name.to_owned());
        let Some(secret) = self.secrets.get(&place) else {
            return Ok(());
        };
        matches(target, &secret.uid, &secret.resource_version)?;
        self.check_owner(key, &place, "deleted");
        self.remove_secret(&place, now);
        Ok(())
    }

    /// Records a violation if a Secret is not the acting resource's: promise 4.
    pub fn check_owner(&mut self, key: &ObjectKey, place: &Place, what: &str) {
        let Some(secret) = self.secrets.get(place) else {
            return;
        };
        let acting = acting(key);
        let name = self
            .resources
            .values()
            .find(|seen| *seen.uid == *acting)
            .map(|seen| seen.name.clone());
        let controller = secret
            .owners
            .iter()
            .find(|owner| owner.controller == Some(true));
        let own = controller.is_some_and(|owner| owner.uid == acting);
        // A namesake that is gone from the cluster has left it behind. Where the actor itself is gone, its
        // step was under way when it went, and what it left is whoever's comes next.
        let left = controller.is_some_and(|owner| {
            owner.kind == KIND
                && owner.api_version.starts_with(GROUP)
                && name.as_ref().is_none_or(|name| *name == owner.name)
                && !self.resources.values().any(|seen| *seen.uid == *owner.uid)
        });
        let written = secret.created_for.as_ref() == Some(&acting);
        let known = self.blind && written;
        // Another tool dropped the reference, and left what else tells whose it is. The name of an actor that
        // is gone is not known any more.
        let named = secret.annotations.get(NAME_ANNOTATION);
        let disowned = controller.is_none()
            && written
            && secret.labelled()
            && (name.is_none() || named == name.as_ref());
        if !own && !left && !known && !disowned {
            self.violations.push(format!(
                "a foreign Secret was touched: {acting} {what} {}/{} of {controller:?}",
                place.0, place.1
            ));
        }
    }
}

fn acting(key: &ObjectKey) -> String {
    match key {
        ObjectKey::Resource(uid) => uid.to_string(),
        ObjectKey::Store(name) | ObjectKey::Policy(name) => name.clone(),
    }
}

fn fill(secret: &mut Secret, write: &SecretWrite) {
    secret.labels.clone_from(&write.labels);
    secret.annotations.clone_from(&write.annotations);
    secret.owners.clone_from(&write.owners);
    secret.data = write
        .data
        .iter()
        .map(|(key, value)| (key.clone(), value.expose().to_vec()))
        .collect();
}

fn answer(uid: &str, version: &str) -> ObjectVersion {
    ObjectVersion {
        uid: uid.to_owned(),
        resource_version: Some(version.to_owned()),
    }
}

/// A sentence of two conditions: each has its own.
fn told_twice(conditions: &[Condition]) -> Option<&str> {
    let mut told = BTreeSet::new();
    let mut messages = conditions
        .iter()
        .map(|condition| condition.message.as_str());
    messages.find(|message| !message.is_empty() && !told.insert(*message))
}

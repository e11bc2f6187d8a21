//! The decision: every policy that is known, one namespace, one request.
//!
//! What holds here: allowed means that one rule allows the whole of it. The decision is a function of the policies, not of
//! the order in which they came. What no readable policy allows is denied only where every policy can be read.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use super::compile::{CompiledPolicy, Rule};
use super::refusal;
use super::request::{Options, Request};
use crate::api::{IfNoneMatch, PutOptions};

/// The namespace that asks.
#[derive(Clone, Copy, Debug)]
pub struct Namespace<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its labels, as the API server holds them.
    pub labels: &'a BTreeMap<String, String>,
}

/// Every policy of the cluster, by name.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    pub(super) policies: BTreeMap<String, Result<CompiledPolicy, String>>,
}

/// What the policies say to one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// One rule allows the whole of it.
    Allowed(Box<Grant>),
    /// No rule does, and every policy was read.
    Denied(Refusal),
    /// No rule that was read does, and not every policy could be read.
    Unknown {
        /// The names of the policies that cannot be read, in their order.
        policies: Vec<String>,
        /// A sentence for the condition, at most 1 KiB.
        message: String,
    },
}

/// What one rule allows for the request.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The policy's name.
    pub policy: String,
    /// The rule's place in `spec.allow`.
    pub rule: usize,
    /// The longest life that the rule allows.
    pub max_duration: Duration,
    /// What is to be signed: the request's options, and `ifNoneMatch` where the rule says `createOnly`.
    pub options: Options,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked, and what the closest rules of the namespace allow; at most 1 KiB.
    pub message: String,
}

impl PolicySet {
    /// Puts a policy in force, in place of what had its name.
    pub fn insert(&mut self, policy: CompiledPolicy) {
        self.policies.insert(policy.name.clone(), Ok(policy));
    }

    /// Records that there is a policy of this name that cannot be read, and why.
    pub fn insert_broken(&mut self, name: &str, why: impl Into<String>) {
        self.policies.insert(name.to_owned(), Err(why.into()));
    }

    /// Forgets the policy of this name; whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.policies.remove(name).is_some()
    }

    /// Why the policy of this name cannot be read, where that is so.
    #[must_use]
    pub fn broken(&self, name: &str) -> Option<&str> {
        self.policies.get(name)?.as_ref().err().map(String::as_str)
    }

    /// Whether the policy of this name has a say in this namespace. One that cannot be read may have a say anywhere.
    #[must_use]
    pub fn affects(&self, name: &str, namespace: &Namespace<'_>) -> bool {
        match self.policies.get(name) {
            None => false,
            Some(Err(_)) => true,
            Some(Ok(policy)) => policy.namespaces.selects(namespace),
        }
    }

    /// Whether the namespace may ask for this. Of several rules that allow it, the one that forces nothing on it is taken,
    /// then the one with the longest life, then the first by policy name and place.
    #[must_use]
    pub fn decide(&self, namespace: &Namespace<'_>, request: &Request) -> Decision {
        let selecting: Vec<&CompiledPolicy> = self
            .policies
            .values()
            .filter_map(|policy| policy.as_ref().ok())
            .filter(|policy| policy.namespaces.selects(namespace))
            .collect();
        let best = selecting
            .iter()
            .flat_map(|policy| {
                policy
                    .rules
                    .iter()
                    .enumerate()
                    .map(|(at, rule)| (policy.name(), at, rule))
            })
            .filter(|(_, _, rule)| rule.allows(namespace, request))
            // The first of equals stays, and they come in the order of names and places.
            .min_by_key(|(_, _, rule)| {
                (
                    forces_create(rule, &request.options),
                    Reverse(rule.max_duration),
                )
            });
        if let Some((policy, at, rule)) = best {
            return Decision::Allowed(Box::new(Grant {
                policy: policy.to_owned(),
                rule: at,
                max_duration: rule.max_duration,
                options: effective(rule, &request.options),
            }));
        }
        let broken: Vec<String> = self
            .policies
            .iter()
            .filter(|(_, policy)| policy.is_err())
            .map(|(name, _)| name.clone())
            .collect();
        if broken.is_empty() {
            let message = refusal::denied(&selecting, namespace, request);
            return Decision::Denied(Refusal { message });
        }
        Decision::Unknown {
            message: refusal::unknown(&broken, namespace, request),
            policies: broken,
        }
    }
}

/// Whether the rule makes the request sign a condition that it did not ask for.
fn forces_create(rule: &Rule, options: &Options) -> bool {
    match (options, &rule.put) {
        (Options::Put(put), Some(rule)) => rule.create_only && put.if_none_match.is_none(),
        _ => false,
    }
}

fn effective(rule: &Rule, options: &Options) -> Options {
    match options {
        Options::Put(put) if forces_create(rule, options) => Options::Put(PutOptions {
            if_none_match: Some(IfNoneMatch::Any),
            ..put.clone()
        }),
        options => options.clone(),
    }
}

//! The decision: every policy that is known, one namespace, one request.
//!
//! What holds here: allowed means that for each object one rule allows the whole of it. The decision is a function of the
//! policies, not of the order in which they came. What no readable policy allows is denied only where every policy can be
//! read.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::compile::{CompiledPolicy, Rule};
use super::gates::About;
use super::names::Key;
use super::objects::Objects;
use super::pattern::Reach;
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
    /// For each object one rule allows the whole of it.
    Allowed(Box<Grant>),
    /// That is not so, and every policy was read.
    Denied(Refusal),
    /// That is not so by the policies that were read, and not every one could be.
    Unknown {
        /// The names of the policies that cannot be read, in their order.
        policies: Vec<String>,
        /// A sentence for the condition, at most 1 KiB.
        message: String,
    },
}

/// What the policies allow for the request.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The names of the policies whose rules were taken, in their order, each once.
    pub policies: Vec<String>,
    /// The longest life that every rule that was taken allows.
    pub max_duration: Duration,
    /// What is to be signed: the request's options, and `ifNoneMatch` where a rule that was taken says `createOnly`.
    pub options: Options,
    /// The most objects of the resource: the largest `maxObjects` of the rules that allow any of them. It bounds the size
    /// of one resource, not what a namespace can reach, so rules add up here as they do elsewhere.
    pub max_objects: u32,
}

/// What the policies say to the objects that a listing found.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// For each key, in its order, whether a URL of it may be issued.
    pub allowed: Vec<bool>,
    /// What signs those that are allowed; `None` where none is.
    pub grant: Option<Grant>,
    /// Whether a key that is not allowed might be by a policy that cannot be read: then nothing is to be taken away.
    pub unknown: bool,
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

    /// Whether the namespace may ask for this. Of several rules that allow an object, the one that forces nothing on it is
    /// taken, then the one with the longest life, then the first by policy name and place.
    #[must_use]
    pub fn decide(&self, namespace: &Namespace<'_>, request: &Request) -> Decision {
        let selecting = self.selecting(namespace);
        let asked = (&*selecting, namespace, request);
        let denied = match &request.objects {
            Objects::Key(key) => {
                let found = ByKey::of(asked, std::slice::from_ref(key));
                match found.grant() {
                    Some(grant) => return Decision::Allowed(Box::new(grant)),
                    None => refusal::denied(&selecting, namespace, request),
                }
            }
            Objects::Keys(keys) => {
                let found = ByKey::of(asked, keys);
                let refused: Vec<&Key> = found.refused().collect();
                match found.grant() {
                    Some(grant) if refused.is_empty() => {
                        if keys.len() <= usize::try_from(grant.max_objects).unwrap_or(usize::MAX) {
                            return Decision::Allowed(Box::new(grant));
                        }
                        refusal::too_many(namespace, request, grant.max_objects)
                    }
                    _ => refusal::denied_keys(&selecting, namespace, request, &refused),
                }
            }
            Objects::List(_) | Objects::Under(_) => {
                let ranked = ranked(asked, About::Whole);
                let taken = ranked.get(..1).unwrap_or_default();
                match grant(taken, &ranked, &request.options) {
                    Some(grant) => return Decision::Allowed(Box::new(grant)),
                    None => refusal::denied(&selecting, namespace, request),
                }
            }
        };
        let broken = self.all_broken();
        if broken.is_empty() {
            return Decision::Denied(Refusal { message: denied });
        }
        Decision::Unknown {
            message: refusal::unknown(&broken, namespace, request),
            policies: broken,
        }
    }

    /// What of a listing may be signed: each key is judged as a key that is asked for by itself, with all else of the
    /// request. How many there may be is [`Grant::max_objects`] of the decision that allowed the listing.
    #[must_use]
    pub fn decide_listed(
        &self,
        namespace: &Namespace<'_>,
        request: &Request,
        keys: &[Key],
    ) -> Listed {
        let selecting = self.selecting(namespace);
        let found = ByKey::of((&*selecting, namespace, request), keys);
        let allowed: Vec<bool> = found.taken.iter().map(Option::is_some).collect();
        Listed {
            unknown: allowed.contains(&false) && self.policies.values().any(Result::is_err),
            grant: found.grant(),
            allowed,
        }
    }

    fn selecting(&self, namespace: &Namespace<'_>) -> Vec<&CompiledPolicy> {
        self.policies
            .values()
            .filter_map(|policy| policy.as_ref().ok())
            .filter(|policy| policy.namespaces.selects(namespace))
            .collect()
    }

    fn all_broken(&self) -> Vec<String> {
        self.policies
            .iter()
            .filter(|(_, policy)| policy.is_err())
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// The policies of a namespace, the namespace, and what it asks.
type Asking<'a> = (&'a [&'a CompiledPolicy], &'a Namespace<'a>, &'a Request);

/// A rule that allows what was asked about.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    policy: &'a str,
    rule: &'a Rule,
}

/// For each of several keys, the rule that was taken.
struct ByKey<'a> {
    keys: &'a [Key],
    options: &'a Options,
    /// The rules that allow all but perhaps the key, the one to be taken first.
    ranked: Vec<Candidate<'a>>,
    /// What each of them reaches.
    reaches: Vec<Vec<Reach<'a>>>,
    /// For each key, the place of the rule in `ranked`.
    taken: Vec<Option<usize>>,
}

impl<'a> ByKey<'a> {
    fn of(asking: Asking<'a>, keys: &'a [Key]) -> Self {
        let (_, namespace, request) = asking;
        // All but the keys is judged once: two thousand of them cost two thousand looks at prefixes, and no more.
        let ranked = ranked(asking, About::EachKey);
        let reaches: Vec<_> = ranked
            .iter()
            .map(|candidate| candidate.rule.reaches(namespace))
            .collect();
        let taken = keys
            .iter()
            .map(|key| reaches.iter().position(|reach| has(reach, key)))
            .collect();
        Self {
            keys,
            options: &request.options,
            ranked,
            reaches,
            taken,
        }
    }

    fn refused(&self) -> impl Iterator<Item = &'a Key> {
        let all = self.keys.iter().zip(&self.taken);
        all.filter(|(_, taken)| taken.is_none()).map(|(key, _)| key)
    }

    /// What signs the keys that are allowed; nothing where none is.
    fn grant(&self) -> Option<Grant> {
        let taken: BTreeSet<usize> = self.taken.iter().copied().flatten().collect();
        let (mut signing, mut allow_any) = (Vec::new(), Vec::new());
        for (at, (candidate, reach)) in self.ranked.iter().zip(&self.reaches).enumerate() {
            if taken.contains(&at) {
                signing.push(*candidate);
            }
            if taken.contains(&at) || self.keys.iter().any(|key| has(reach, key)) {
                allow_any.push(*candidate);
            }
        }
        grant(&signing, &allow_any, self.options)
    }
}

fn has(reaches: &[Reach<'_>], key: &Key) -> bool {
    reaches.iter().any(|reach| reach.has(key.as_str()))
}

/// The rules that allow what was asked about, the one to be taken first.
fn ranked((policies, namespace, request): Asking<'_>, about: About) -> Vec<Candidate<'_>> {
    let mut ranked: Vec<_> = policies
        .iter()
        .flat_map(|policy| {
            policy.rules.iter().map(|rule| Candidate {
                policy: policy.name(),
                rule,
            })
        })
        .filter(|candidate| candidate.rule.allows(namespace, request, about))
        .collect();
    // The first of equals stays, and they come in the order of names and places.
    ranked.sort_by_key(|Candidate { rule, .. }| {
        (
            forces_create(rule, &request.options),
            Reverse(rule.max_duration),
        )
    });
    ranked
}

/// What the rules that were taken allow together, among all that allow any of the objects; nothing where none was taken.
fn grant(taken: &[Candidate<'_>], allow_any: &[Candidate<'_>], options: &Options) -> Option<Grant> {
    let rules = || taken.iter().map(|candidate| candidate.rule);
    let policies: BTreeSet<&str> = taken.iter().map(|candidate| candidate.policy).collect();
    Some(Grant {
        max_duration: rules().map(|rule| rule.max_duration).min()?,
        policies: policies.into_iter().map(str::to_owned).collect(),
        options: if rules().any(|rule| forces_create(rule, options)) {
            creating(options)
        } else {
            options.clone()
        },
        max_objects: allow_any
            .iter()
            .map(|candidate| candidate.rule.max_objects)
            .max()?,
    })
}

/// Whether the rule makes the request sign a condition that it did not ask for.
fn forces_create(rule: &Rule, options: &Options) -> bool {
    match options {
        Options::Put(put) => rule.upload.create_only && put.if_none_match.is_none(),
        // A form cannot carry the condition, and its gate is closed; the others replace nothing, or all there is.
        Options::Get(_) | Options::Head(_) | Options::Delete | Options::Post(_) => false,
    }
}

/// The options with the condition that nothing is replaced.
fn creating(options: &Options) -> Options {
    match options {
        Options::Put(put) => Options::Put(PutOptions {
            if_none_match: Some(IfNoneMatch::Any),
            ..put.clone()
        }),
        options => options.clone(),
    }
}

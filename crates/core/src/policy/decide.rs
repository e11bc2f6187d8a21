//! The decision: every policy that is known, one namespace, one request.
//!
//! What holds here: "allowed" means that for each object one rule allows the whole of it. The decision
//! depends on the policies, not on the order in which they came. A request is denied only if every policy
//! that can select the namespace can be read.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::compile::{CompiledPolicy, Rule};
use super::denial_message::{self, Refusal};
use super::namespace::Namespace;
use super::pattern::ExpandedPrefix;
use super::rule_check::Subject;
use super::selectable::SelectableNamespaces;
use crate::api::{IfNoneMatch, Method, PutOptions};
use crate::request::{Key, Objects, Options, Request};

/// Every policy of the cluster, by name.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    policies: BTreeMap<String, Known>,
}

/// A policy of the cluster.
#[derive(Clone, Debug)]
enum Known {
    InForce(CompiledPolicy),
    /// It cannot be read; these are the namespaces that it can select.
    Unreadable(SelectableNamespaces),
}

/// What the policies decide about one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// For each object, one rule allows the whole of it.
    Allowed(Box<Grant>),
    /// No rule allows an object, and every policy that can select the namespace can be read.
    Denied(Refusal),
    /// No readable rule allows an object, and a policy that cannot be read might.
    Unknown {
        /// The names of the policies that cannot be read and can select the namespace, in their order.
        policies: Vec<String>,
        /// That it is not known, and why.
        unknown: Refusal,
        /// What the policies that can be read say.
        refusal: Refusal,
    },
}

/// What the policies allow, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The names of the policies whose rules were chosen, in their order, each once.
    pub policies: Vec<String>,
    /// The longest life that every chosen rule allows.
    pub max_duration: Duration,
    /// What is to be signed: the request's options, and `ifNoneMatch` if a chosen rule says `createOnly`.
    pub options: Options,
    /// The most objects of the resource: the largest `maxObjects` of the rules that allow any of them. It
    /// bounds the size of one resource, not what a namespace can reach, so rules add up here as they do
    /// elsewhere.
    pub max_objects: u32,
    /// The least time between two refreshes of a listing that every chosen rule allows.
    pub min_refresh_interval: Duration,
}

/// What the policies decide about the objects that a listing found.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// For each key, in its order, whether a URL of it may be issued.
    pub allowed: Vec<bool>,
    /// The grant for the keys that are allowed; `None` if no key is.
    pub grant: Option<Grant>,
    /// Whether a policy that cannot be read might allow a key that no other allows: then nothing may be
    /// removed.
    pub unknown: bool,
}

impl PolicySet {
    /// Puts a policy in force, in place of one of the same name.
    pub fn insert(&mut self, policy: CompiledPolicy) {
        self.policies
            .insert(policy.name.clone(), Known::InForce(policy));
    }

    /// Records that the policy of this name cannot be read, and which namespaces it can select.
    pub fn insert_unreadable(&mut self, name: &str, namespaces: SelectableNamespaces) {
        self.policies
            .insert(name.to_owned(), Known::Unreadable(namespaces));
    }

    /// Removes the policy of this name; true if there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.policies.remove(name).is_some()
    }

    /// Whether the policy of this name applies to this namespace, or can apply if it cannot be read.
    #[must_use]
    pub fn affects(&self, name: &str, namespace: &Namespace<'_>) -> bool {
        match self.policies.get(name) {
            None => false,
            Some(Known::Unreadable(namespaces)) => namespaces.contains(namespace),
            Some(Known::InForce(policy)) => policy.namespaces.selects(namespace),
        }
    }

    /// Whether the policy of this name is in force for this namespace, with a rule that can allow the method.
    #[must_use]
    pub fn serves(&self, name: &str, namespace: &Namespace<'_>, method: Method) -> bool {
        self.in_force(name).is_some_and(|policy| {
            let allows = |rule: &Rule| rule.allows_method(method) && rule.lacks().is_none();
            policy.namespaces.selects(namespace) && policy.rules.iter().any(allows)
        })
    }

    /// The policies that can be read.
    pub(super) fn readable(&self) -> impl Iterator<Item = &CompiledPolicy> {
        self.policies.values().filter_map(|known| match known {
            Known::InForce(policy) => Some(policy),
            Known::Unreadable(_) => None,
        })
    }

    /// Whether the namespace may have this. Of several rules that allow an object, the decision chooses one
    /// that adds no condition, then one with the longest life, then the first by policy name and place in the
    /// policy.
    #[must_use]
    pub fn decide(&self, namespace: &Namespace<'_>, request: &Request) -> Decision {
        let selecting = self.selecting(namespace);
        let query = (&*selecting, namespace, request);
        let refusal = match &request.objects {
            Objects::Key(key) => {
                let found = ByKey::of(query, std::slice::from_ref(key));
                match found.grant() {
                    Some(grant) => return Decision::Allowed(Box::new(grant)),
                    None => denial_message::denied(&selecting, namespace, request),
                }
            }
            Objects::Keys(keys) => {
                let found = ByKey::of(query, keys);
                let refused: Vec<&Key> = found.refused().collect();
                match found.grant() {
                    Some(grant) if refused.is_empty() => {
                        if keys.len() <= usize::try_from(grant.max_objects).unwrap_or(usize::MAX) {
                            return Decision::Allowed(Box::new(grant));
                        }
                        denial_message::too_many(namespace, request, grant.max_objects)
                    }
                    _ => denial_message::denied_keys(&selecting, namespace, request, &refused),
                }
            }
            Objects::List(_) | Objects::Under(_) => {
                let ranked = ranked(query, Subject::Whole);
                let chosen = ranked.get(..1).unwrap_or_default();
                match grant(chosen, &ranked, &request.options) {
                    Some(grant) => return Decision::Allowed(Box::new(grant)),
                    None => denial_message::denied(&selecting, namespace, request),
                }
            }
        };
        let unreadable = self.unreadable(namespace);
        if unreadable.is_empty() {
            return Decision::Denied(refusal);
        }
        Decision::Unknown {
            unknown: denial_message::unknown(&selecting, &unreadable, namespace, request),
            policies: unreadable,
            refusal,
        }
    }

    /// The rules by which [`PolicySet::decide`] allows the request, each as the names of its policy and of
    /// itself, in the order of their policies; empty if it does not.
    #[must_use]
    pub fn chosen_rules(&self, namespace: &Namespace<'_>, request: &Request) -> Vec<(&str, &str)> {
        if !matches!(self.decide(namespace, request), Decision::Allowed(_)) {
            return Vec::new();
        }
        let selecting = self.selecting(namespace);
        let query = (&*selecting, namespace, request);
        let chosen: Vec<Candidate<'_>> = match &request.objects {
            Objects::Key(key) => ByKey::of(query, std::slice::from_ref(key)).signing(),
            Objects::Keys(keys) => ByKey::of(query, keys).signing(),
            Objects::List(_) | Objects::Under(_) => {
                ranked(query, Subject::Whole).into_iter().take(1).collect()
            }
        };
        let names: BTreeSet<(&str, &str)> = chosen
            .iter()
            .map(|candidate| (candidate.policy, candidate.rule.name.as_str()))
            .collect();
        // The names outlive the list of the policies that select the namespace.
        self.all_in_force()
            .flat_map(|policy| {
                policy
                    .rules
                    .iter()
                    .map(|rule| (policy.name(), rule.name.as_str()))
            })
            .filter(|name| names.contains(name))
            .collect()
    }

    /// What of a listing may be signed: each key is checked as if it were requested by itself, with the rest
    /// of the request. How many there may be is [`Grant::max_objects`] of the decision that allowed the
    /// listing.
    #[must_use]
    pub fn decide_listed(
        &self,
        namespace: &Namespace<'_>,
        request: &Request,
        keys: &[Key],
    ) -> Listed {
        let selecting = self.selecting(namespace);
        let found = ByKey::of((&*selecting, namespace, request), keys);
        let allowed: Vec<bool> = found.chosen.iter().map(Option::is_some).collect();
        Listed {
            unknown: allowed.contains(&false) && !self.unreadable(namespace).is_empty(),
            grant: found.grant(),
            allowed,
        }
    }

    /// The policy of this name, if it is in force.
    #[must_use]
    pub fn in_force(&self, name: &str) -> Option<&CompiledPolicy> {
        match self.policies.get(name)? {
            Known::InForce(policy) => Some(policy),
            Known::Unreadable(_) => None,
        }
    }

    /// The policies in force.
    pub(super) fn all_in_force(&self) -> impl Iterator<Item = &CompiledPolicy> {
        self.policies.values().filter_map(|policy| match policy {
            Known::InForce(policy) => Some(policy),
            Known::Unreadable(_) => None,
        })
    }

    /// The policies in force that select the namespace.
    pub(super) fn selecting(&self, namespace: &Namespace<'_>) -> Vec<&CompiledPolicy> {
        self.all_in_force()
            .filter(|policy| policy.namespaces.selects(namespace))
            .collect()
    }

    /// The names of the policies that cannot be read and can select the namespace.
    fn unreadable(&self, namespace: &Namespace<'_>) -> Vec<String> {
        let unreadable = self.policies.iter().filter(|(_, policy)| match policy {
            Known::InForce(_) => false,
            Known::Unreadable(namespaces) => namespaces.contains(namespace),
        });
        unreadable.map(|(name, _)| name.clone()).collect()
    }
}

/// The policies that select a namespace, the namespace, and its request.
type Query<'a> = (&'a [&'a CompiledPolicy], &'a Namespace<'a>, &'a Request);

/// A rule that allows the subject.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    policy: &'a str,
    rule: &'a Rule,
}

/// For each of several keys, the chosen rule.
struct ByKey<'a> {
    keys: &'a [Key],
    options: &'a Options,
    /// The rules that allow all but perhaps the key, the best one first.
    ranked: Vec<Candidate<'a>>,
    /// The prefixes of each of them, expanded for the namespace.
    prefixes: Vec<Vec<ExpandedPrefix<'a>>>,
    /// For each key, the place of the rule in `ranked`.
    chosen: Vec<Option<usize>>,
}

impl<'a> ByKey<'a> {
    fn of(query: Query<'a>, keys: &'a [Key]) -> Self {
        let (_, namespace, request) = query;
        // Everything but the keys is checked once: each further key costs only a comparison with prefixes.
        let ranked = ranked(query, Subject::EachKey);
        let prefixes: Vec<_> = ranked
            .iter()
            .map(|candidate| candidate.rule.expanded_prefixes(namespace))
            .collect();
        let chosen = keys
            .iter()
            .map(|key| prefixes.iter().position(|of_rule| any_covers(of_rule, key)))
            .collect();
        Self {
            keys,
            options: &request.options,
            ranked,
            prefixes,
            chosen,
        }
    }

    fn refused(&self) -> impl Iterator<Item = &'a Key> {
        let all = self.keys.iter().zip(&self.chosen);
        all.filter(|(_, chosen)| chosen.is_none())
            .map(|(key, _)| key)
    }

    /// The rules that were chosen for any of the keys.
    fn signing(&self) -> Vec<Candidate<'a>> {
        let chosen: BTreeSet<usize> = self.chosen.iter().copied().flatten().collect();
        let ranked = chosen.into_iter().filter_map(|at| self.ranked.get(at));
        ranked.copied().collect()
    }

    /// The grant for the keys that are allowed; `None` if no key is.
    fn grant(&self) -> Option<Grant> {
        let chosen: BTreeSet<usize> = self.chosen.iter().copied().flatten().collect();
        let (mut signing, mut allow_any) = (Vec::new(), Vec::new());
        for (at, (candidate, prefixes)) in self.ranked.iter().zip(&self.prefixes).enumerate() {
            if chosen.contains(&at) {
                signing.push(*candidate);
            }
            if chosen.contains(&at) || self.keys.iter().any(|key| any_covers(prefixes, key)) {
                allow_any.push(*candidate);
            }
        }
        grant(&signing, &allow_any, self.options)
    }
}

fn any_covers(prefixes: &[ExpandedPrefix<'_>], key: &Key) -> bool {
    prefixes.iter().any(|prefix| prefix.covers(key.as_str()))
}

/// The rules that allow the subject, the best one first.
fn ranked((policies, namespace, request): Query<'_>, subject: Subject) -> Vec<Candidate<'_>> {
    let mut ranked: Vec<_> = policies
        .iter()
        .flat_map(|policy| {
            policy.rules.iter().map(|rule| Candidate {
                policy: policy.name(),
                rule,
            })
        })
        .filter(|candidate| candidate.rule.allows(namespace, request, subject))
        .collect();
    // The sort is stable, and the rules come by policy name and place.
    ranked.sort_by_key(|Candidate { rule, .. }| {
        (
            forces_create(rule, &request.options),
            Reverse(rule.max_duration),
        )
    });
    ranked
}

/// What the chosen rules allow together, among all that allow any of the objects; `None` if no rule was
/// chosen.
fn grant(
    chosen: &[Candidate<'_>],
    allow_any: &[Candidate<'_>],
    options: &Options,
) -> Option<Grant> {
    let rules = || chosen.iter().map(|candidate| candidate.rule);
    let mut policies: Vec<&str> = chosen.iter().map(|candidate| candidate.policy).collect();
    policies.sort_unstable();
    policies.dedup();
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
        min_refresh_interval: rules().map(|rule| rule.min_refresh_interval).max()?,
    })
}

/// Whether the rule adds a condition that the request does not have.
fn forces_create(rule: &Rule, options: &Options) -> bool {
    match options {
        Options::Put(put) => rule.upload.create_only && put.if_none_match.is_none(),
        // A form cannot carry the condition and is denied; the others replace nothing, or remove the object.
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

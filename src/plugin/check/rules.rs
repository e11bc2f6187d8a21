//! What decides: policies, stores and namespaces, wherever they were read.

use std::collections::BTreeMap;

use presigned_core::api::{
    ClusterObjectStoreSpec, IfNoneMatch, PresignedUrlPolicySpec, PresignedUrlSpec, PutOptions,
};
use presigned_core::engine::{no_store, store_target};
use presigned_core::issue::{ReservedKeys, Template};
use presigned_core::policy::{
    CompiledPolicy, Decision, Grant, Namespace, PolicySet, SelectableNamespaces,
};
use presigned_core::request::{IssuanceOptions, Limits, Options, Request, format_duration};
use presigned_core::text::quoted;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::plugin::manifests::Written;
use crate::plugin::output::Colour;

/// What decides.
#[derive(Debug)]
pub struct Rules {
    reserved: ReservedKeys,
    limits: Limits,
    policies: PolicySet,
    /// Those that select namespaces by name alone: what they allow is allowed whatever the labels are.
    by_name: PolicySet,
    /// `None` if none is known.
    stores: Option<BTreeMap<String, Result<ClusterObjectStoreSpec, String>>>,
    /// The labels of each namespace; `None` if they cannot be read.
    namespaces: BTreeMap<String, Option<BTreeMap<String, String>>>,
    /// Whether a policy may select or expand by labels.
    by_labels: bool,
}

/// The answer about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is allowed.
    Allowed {
        /// By which rules.
        by: Vec<String>,
        /// What else is to be said.
        notes: Vec<String>,
    },
    /// It is not, or its store cannot be used.
    Refused(String),
    /// It can never be signed.
    Invalid(String),
    /// It is not known.
    Unknown(String),
}

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Checked {
    pub namespace: String,
    pub name: String,
    pub answer: Answer,
}

impl Rules {
    /// No policy, no store, no namespace.
    pub fn new(reserved: ReservedKeys, limits: Limits) -> Self {
        Self {
            reserved,
            limits,
            policies: PolicySet::default(),
            by_name: PolicySet::default(),
            stores: None,
            namespaces: BTreeMap::new(),
            by_labels: false,
        }
    }

    /// Adds a policy; what is wrong with it.
    pub fn policy(&mut self, policy: &Written) -> Option<String> {
        let name = &policy.name;
        let of = |why: String| format!("PresignedURLPolicy {}: {why}", quoted(name));
        let selects_by_labels = !policy.spec["namespaces"]["selector"].is_null();
        self.by_labels |=
            selects_by_labels || policy.spec.to_string().contains("{namespace.labels");
        let compiled = parse::<PresignedUrlPolicySpec>(policy).and_then(|spec| {
            CompiledPolicy::compile(name, &spec).map_err(|error| error.to_string())
        });
        match compiled {
            Ok(compiled) => {
                let lacks = compiled.lacks();
                if !selects_by_labels {
                    self.by_name.insert(compiled.clone());
                }
                self.policies.insert(compiled);
                lacks.map(|why| of(format!("it allows nothing: {why}")))
            }
            Err(why) => {
                let selects = SelectableNamespaces::read(&policy.spec);
                self.policies.insert_unreadable(name, selects);
                Some(of(why))
            }
        }
    }

    /// Adds a store; what is wrong with it.
    pub fn store(&mut self, store: &Written) -> Option<String> {
        let parsed = parse::<ClusterObjectStoreSpec>(store);
        let why = parsed.as_ref().err();
        let problem = why.map(|why| format!("ClusterObjectStore {}: {why}", quoted(&store.name)));
        let stores = self.stores.get_or_insert_default();
        stores.insert(store.name.clone(), parsed);
        problem
    }

    /// Adds a namespace; without labels, they cannot be read.
    pub fn namespace(&mut self, name: &str, labels: Option<BTreeMap<String, String>>) {
        self.namespaces.insert(name.to_owned(), labels);
    }

    /// The answer about a request.
    pub fn answer(&self, namespace: &str, request: &Written) -> Answer {
        let spec: PresignedUrlSpec = match parse(request) {
            Ok(spec) => spec,
            Err(why) => return Answer::Invalid(why),
        };
        let parsed = Request::parse(&spec, &self.limits).and_then(|parsed| {
            IssuanceOptions::parse(&spec)?;
            Template::parse(spec.secret_template.as_deref(), &self.reserved)?;
            Ok(parsed)
        });
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => return Answer::Invalid(error.to_string()),
        };
        let unlabelled = BTreeMap::new();
        let known = self.namespaces.get(namespace).and_then(Option::as_ref);
        let by = Namespace {
            name: namespace,
            labels: known.unwrap_or(&unlabelled),
        };
        let depends_on_labels = known.is_none() && self.by_labels;
        let unknown = |without: &str| {
            Answer::Unknown(format!(
                "the labels of namespace {} are not known, and a policy selects or expands by labels. Without labels: \
                 {without}",
                quoted(namespace)
            ))
        };
        match self.policies.decide(&by, &parsed) {
            Decision::Allowed(_) if depends_on_labels => {
                match self.by_name.decide(&by, &parsed) {
                    Decision::Allowed(grant) => {
                        self.allowed(&self.by_name, &by, &parsed, &grant).with(format!(
                            "a policy that asks for the labels of namespace {}, which are not known, may allow it for longer",
                            quoted(namespace)
                        ))
                    }
                    // A selector can be open for a namespace without a label, and closed for one with it.
                    Decision::Denied(_) | Decision::Unknown { .. } => {
                        let rules = by_rules(&self.policies, &by, &parsed).join(", ");
                        unknown(&format!("it is allowed by {rules}."))
                    }
                }
            }
            Decision::Allowed(grant) => self.allowed(&self.policies, &by, &parsed, &grant),
            Decision::Denied(refusal) if depends_on_labels => unknown(&refusal.message),
            Decision::Denied(refusal) => Answer::Refused(refusal.message),
            Decision::Unknown { unknown, .. } => Answer::Unknown(unknown.message),
        }
    }

    /// The answer if these policies allow the request.
    fn allowed(
        &self,
        policies: &PolicySet,
        by: &Namespace<'_>,
        request: &Request,
        grant: &Grant,
    ) -> Answer {
        if let Some(stores) = &self.stores {
            let store = &request.store;
            let used = match stores.get(store) {
                None => Err(no_store(store).1),
                Some(Err(why)) => Err(format!(
                    "the ClusterObjectStore {} cannot be read: {why}",
                    quoted(store)
                )),
                Some(Ok(spec)) => store_target(store, spec, request).map_err(|(_, why)| why),
            };
            if let Err(why) = used {
                return Answer::Refused(format!("the policies allow it, and {why}"));
            }
        }
        let mut notes = vec![format!(
            "for {} at the longest",
            format_duration(grant.max_duration)
        )];
        let creates = |options: &Options| {
            matches!(
                options,
                Options::Put(PutOptions {
                    if_none_match: Some(IfNoneMatch::Any),
                    ..
                })
            )
        };
        if creates(&grant.options) && !creates(&request.options) {
            notes.push("signed with If-None-Match: *, so that it replaces nothing".to_owned());
        }
        Answer::Allowed {
            by: by_rules(policies, by, request),
            notes,
        }
    }
}

/// The rules by which policies allow a request, in words.
fn by_rules(policies: &PolicySet, by: &Namespace<'_>, request: &Request) -> Vec<String> {
    let rules = policies.chosen_rules(by, request).into_iter();
    rules
        .map(|(policy, rule)| format!("policy {} rule {}", quoted(policy), quoted(rule)))
        .collect()
}

/// The spec of an object; else what is misspelt, or does not parse.
fn parse<T: DeserializeOwned>(object: &Written) -> Result<T, String> {
    if !object.misspelt.is_empty() {
        return Err(object.misspelt.join("; "));
    }
    serde_json::from_value(object.spec.clone()).map_err(|error| format!("spec: {error}"))
}

impl Answer {
    fn with(self, note: String) -> Self {
        match self {
            Self::Allowed { by, mut notes } => {
                notes.push(note);
                Self::Allowed { by, notes }
            }
            other => other,
        }
    }

    /// One word, and its colour.
    pub const fn word(&self) -> (&'static str, Colour) {
        match self {
            Self::Allowed { .. } => ("allowed", Colour::Green),
            Self::Refused(_) => ("refused", Colour::Red),
            Self::Invalid(_) => ("invalid", Colour::Red),
            Self::Unknown(_) => ("unknown", Colour::Yellow),
        }
    }

    /// The rules that allow it.
    pub fn by(&self) -> String {
        match self {
            Self::Allowed { by, .. } => by.join(", "),
            Self::Refused(_) | Self::Invalid(_) | Self::Unknown(_) => String::new(),
        }
    }

    /// What is to be said of it.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Allowed { notes, .. } => notes.clone(),
            Self::Refused(why) | Self::Invalid(why) | Self::Unknown(why) => vec![why.clone()],
        }
    }
}

impl Checked {
    /// As JSON.
    pub fn value(&self) -> Value {
        let rules = match &self.answer {
            Answer::Allowed { by, .. } => by.as_slice(),
            Answer::Refused(_) | Answer::Invalid(_) | Answer::Unknown(_) => &[],
        };
        json!({ "namespace": self.namespace, "name": self.name, "result": self.answer.word().0,
            "rules": rules, "messages": self.answer.words() })
    }
}

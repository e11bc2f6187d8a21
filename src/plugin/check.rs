//! `check`: would the policies allow this, by which rule, or why not?
//!
//! What holds here: the answer is that of the operator's own evaluation (`PolicySet::decide`), of what it
//! knows. What cannot be known here is Unknown, never a guess.

mod report;
pub mod rules;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kube::ResourceExt as _;
use presigned_core::api::{ConditionStatus, ConditionType, Method, condition};
use presigned_core::issue::ReservedKeys;
use presigned_core::request::Limits;
use serde_json::{Map, Value, json};

use self::report::Report;
use self::rules::{Answer, Checked, Rules};
use super::cluster::Session;
use super::exit::{Exit, Failure};
use super::flags::{Flags, duration};
use super::found::{Found, cannot_read};
use super::manifests::{Manifests, Written};
use super::method_flag::MethodFlag;
use super::output;

/// Say whether the policies would allow a request, by which rule, or why not
///
/// What is checked: PresignedURLs of the cluster (NAME), those of files (-f), or one that the flags describe
/// (--bucket and so on). By what: if the files hold a PresignedURLPolicy, by the policies, stores and
/// namespaces of the files alone, and no cluster is called, so that CI can check a change before it is
/// applied; else by those of the cluster, which the role cluster-view of the chart may read. A NAME that its
/// reader may not check is answered with what the operator said of it.
///
///   kubectl presigned check model
///   kubectl presigned check --bucket models --key team-a/model.bin --duration 12h
///   kubectl presigned check -f policies.yaml -f requests.yaml
///
/// Misspelt fields are found with the nearest name, as at admission.
///
/// Exit codes: 0 all of it is allowed; 1 something is refused, invalid or misspelt; 2 the command line cannot
/// be used, or a file cannot be read; 3 it is not known, and the message says what right or object is missing.
#[derive(Args, Clone, Debug)]
#[command(verbatim_doc_comment)]
pub struct CheckArgs {
    /// PresignedURLs of the cluster.
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// A file, a folder, or - for stdin. Can be given several times.
    #[arg(short, long, value_name = "FILE")]
    file: Vec<PathBuf>,

    /// Call no cluster, even if the files hold no policy.
    #[arg(long, conflicts_with = "names")]
    offline: bool,

    /// The bucket of a request that does not exist.
    #[arg(
        long,
        value_name = "BUCKET",
        conflicts_with = "names",
        help_heading = "Request"
    )]
    bucket: Option<String>,

    /// Its key. Can be given several times.
    #[arg(
        long,
        value_name = "KEY",
        requires = "bucket",
        help_heading = "Request"
    )]
    key: Vec<String>,

    /// Its prefix, in place of keys.
    #[arg(
        long,
        value_name = "PREFIX",
        requires = "bucket",
        conflicts_with = "key",
        help_heading = "Request"
    )]
    prefix: Option<String>,

    /// Its method. Left out: GET.
    #[arg(
        long,
        value_name = "METHOD",
        ignore_case = true,
        requires = "bucket",
        help_heading = "Request"
    )]
    method: Option<MethodFlag>,

    /// How long its URLs are to live, for example 12h.
    #[arg(
        long,
        value_name = "DURATION",
        requires = "bucket",
        help_heading = "Request"
    )]
    duration: Option<String>,

    /// Its store. Left out: default.
    #[arg(
        long,
        value_name = "NAME",
        requires = "bucket",
        help_heading = "Request"
    )]
    store: Option<String>,

    /// The store's named endpoint.
    #[arg(
        long,
        value_name = "NAME",
        requires = "bucket",
        help_heading = "Request"
    )]
    endpoint: Option<String>,

    /// The size of its upload in bytes; of a form the largest.
    #[arg(
        long,
        value_name = "BYTES",
        requires = "bucket",
        help_heading = "Request"
    )]
    content_length: Option<u64>,

    /// The operator's --min-renewed-duration.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration, help_heading = "Operator")]
    min_renewed_duration: Duration,

    /// The operator's --secret-template-deny, separated by commas.
    #[arg(
        long,
        value_name = "DOMAINS",
        value_delimiter = ',',
        help_heading = "Operator"
    )]
    secret_template_deny: Vec<String>,
}

impl CheckArgs {
    /// Runs the command.
    pub async fn run(self, flags: &Flags) -> anyhow::Result<Exit> {
        let reserved = ReservedKeys::with(&self.secret_template_deny).map_err(Failure::usage)?;
        let limits = Limits {
            min_duration: self.min_renewed_duration,
        };
        let mut manifests = Manifests::read(&self.file)?;
        manifests.requests.extend(self.described());
        if manifests.requests.is_empty() && self.names.is_empty() && manifests.policies.is_empty() {
            return Err(Failure::usage(
                "there is nothing to check: give the NAME of a PresignedURL, -f with one, or --bucket and --key",
            )
            .into());
        }
        let rules = Rules::new(reserved, limits);
        let checked = if self.offline || !manifests.policies.is_empty() {
            if !self.names.is_empty() {
                return Err(Failure::usage(
                    "NAME is of a cluster, and the files hold policies, so that none is called: leave one of them out",
                )
                .into());
            }
            let namespace = flags.namespace.as_deref().unwrap_or("default");
            offline(rules, &manifests, namespace)
        } else {
            self.online(rules, flags, &manifests).await?
        };
        output::print(&checked.text(flags.output)?)?;
        Ok(checked.exit())
    }

    /// The request that the flags describe.
    fn described(&self) -> Option<Written> {
        let bucket = self.bucket.as_ref()?;
        let mut spec = Map::new();
        let mut set = |field: &str, value: Value| {
            if !value.is_null() {
                spec.insert(field.to_owned(), value);
            }
        };
        set("bucket", json!(bucket));
        match self.key.as_slice() {
            [] => {}
            [key] => set("key", json!(key)),
            keys => set("keys", json!(keys)),
        }
        set("prefix", json!(self.prefix));
        let method = self.method.map(|flag| flag.0);
        set("method", json!(method));
        set("duration", json!(self.duration));
        set("endpoint", json!(self.endpoint));
        if let Some(store) = &self.store {
            set("storeRef", json!({ "name": store }));
        }
        if let Some(bytes) = self.content_length {
            match method {
                Some(Method::Post) => {
                    set("post", json!({ "contentLengthRange": { "max": bytes } }));
                }
                _ => set("put", json!({ "contentLength": bytes })),
            }
        }
        Some(Written {
            namespace: None,
            name: "the request".to_owned(),
            spec: Value::Object(spec),
            misspelt: Vec::new(),
        })
    }

    async fn online(
        &self,
        mut rules: Rules,
        flags: &Flags,
        manifests: &Manifests,
    ) -> anyhow::Result<Report> {
        let session = Session::open(flags).await?;
        let mut found = Vec::new();
        for name in &self.names {
            found.push(session.find(name).await?);
        }
        let mut report = Report::default();
        let missing = match session.policies().await {
            Ok(policies) => {
                for policy in policies {
                    report
                        .problems
                        .extend(rules.policy(&written(policy.name_any(), policy.spec)));
                }
                None
            }
            Err(why) => Some(why),
        };
        match session.stores().await {
            Ok(stores) => {
                for store in stores {
                    rules.store(&written(store.name_any(), store.spec));
                }
            }
            // Whether the policies allow it is known without the stores.
            Err(why) => report
                .notes
                .push(format!("stores were not checked: {}", why.message)),
        }
        let existing = found.iter().map(|one| (Some(one), of_cluster(one)));
        let requested = manifests.requests.iter().map(|one| (None, one.clone()));
        for (resource, request) in existing.chain(requested) {
            let namespace = request
                .namespace
                .clone()
                .unwrap_or_else(|| session.namespace.clone());
            let answer = match (&missing, resource) {
                (Some(_), Some(resource)) => told(resource),
                (Some(why), None) => Answer::Unknown(why.message.clone()),
                (None, _) => {
                    let labels = session.labels_of(&namespace).await?;
                    rules.namespace(&namespace, labels);
                    let answer = rules.answer(&namespace, &request);
                    resource.map_or(answer.clone(), |resource| of_version(answer, resource))
                }
            };
            report.checked.push(Checked {
                namespace,
                name: request.name,
                answer,
            });
        }
        Ok(report)
    }
}

/// An object of the cluster, as if it were written in a file.
pub fn written(name: String, spec: Value) -> Written {
    Written {
        namespace: None,
        name,
        spec,
        misspelt: Vec::new(),
    }
}

/// A resource of the cluster, as if it were written in a file.
pub fn of_cluster(found: &Found) -> Written {
    Written {
        namespace: found.namespace(),
        ..written(found.name_any(), found.spec.clone())
    }
}

/// The answer about a resource of the cluster. A spec that the operator reads and this version does not is of a
/// newer one.
fn of_version(answer: Answer, resource: &Found) -> Answer {
    match (answer, told(resource)) {
        (Answer::Invalid(why), Answer::Allowed { .. }) => {
            Answer::Unknown(format!("the operator allows it, and {}", cannot_read(&why)))
        }
        (answer, _) => answer,
    }
}

/// What the operator said of a resource, for a reader who may not read the policies.
pub fn told(resource: &Found) -> Answer {
    let status = resource.status.clone().unwrap_or_default();
    let unread = status.unread();
    let status = status.into_known();
    let ready = condition(&status.conditions, ConditionType::Ready);
    let allowed = condition(&status.conditions, ConditionType::Allowed);
    let current = status.observed_generation == resource.metadata.generation;
    match allowed {
        Some(allowed) if current && allowed.status == ConditionStatus::True => Answer::Allowed {
            by: status.policy_refs,
            notes: vec!["as the operator says in its status".to_owned()],
        },
        Some(allowed) if current && allowed.status == ConditionStatus::False => {
            // The problem's sentence stands in Ready.
            let told = ready.filter(|ready| ready.reason == allowed.reason);
            Answer::Refused(told.unwrap_or(allowed).message.clone())
        }
        _ if unread.is_some() => Answer::Unknown(unread.unwrap_or_default()),
        _ => Answer::Unknown(
            "the operator has not said yet, and you may not list presignedurlpolicies: wait, or ask an admin for the \
             chart's role cluster-view"
                .to_owned(),
        ),
    }
}

/// Checks files by files.
fn offline(mut rules: Rules, manifests: &Manifests, namespace: &str) -> Report {
    let mut report = Report::default();
    for policy in &manifests.policies {
        report.problems.extend(rules.policy(policy));
    }
    for store in &manifests.stores {
        report.problems.extend(rules.store(store));
    }
    if manifests.stores.is_empty() {
        report
            .notes
            .push("stores were not checked: no file holds a ClusterObjectStore".to_owned());
    }
    for (name, labels) in &manifests.namespaces {
        rules.namespace(name, Some(labels.clone()));
    }
    for request in &manifests.requests {
        let namespace = request.namespace.as_deref().unwrap_or(namespace);
        report.checked.push(Checked {
            namespace: namespace.to_owned(),
            name: request.name.clone(),
            answer: rules.answer(namespace, request),
        });
    }
    report
}

#[cfg(test)]
mod tests;

//! The judge's own reading of the policies: written from the documentation, and sharing nothing with the engine.

use std::collections::BTreeMap;

use presigned_core::api::{
    AllowRule, Method, PolicyMethod, PresignedUrlPolicySpec, PresignedUrlSpec,
};
use presigned_core::engine::{NamespaceSeen, PolicySeen};
use presigned_core::policy::parse_duration;

use crate::common::cluster::Cluster;

/// The policies and namespaces of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    policies: BTreeMap<String, Result<PresignedUrlPolicySpec, String>>,
    labels: BTreeMap<String, BTreeMap<String, String>>,
}

/// What the policies say.
#[derive(Clone, Debug, PartialEq)]
pub enum Say {
    /// For so many seconds.
    Allowed(i64),
    Denied,
    Unknown,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub namespace: &'a str,
    pub store: &'a str,
    pub bucket: &'a str,
    pub key: &'a str,
    pub method: Method,
    /// Seconds; `None` takes what there is.
    pub seconds: Option<i64>,
    pub endpoint: Option<&'a str>,
}

impl Rules {
    pub fn of(cluster: &Cluster) -> Self {
        let spec = |seen: &PolicySeen| seen.spec.clone().map(|spec| *spec);
        let labels = |seen: &NamespaceSeen| seen.labels.clone();
        Self {
            policies: cluster
                .policies
                .iter()
                .map(|(name, seen)| (name.clone(), spec(seen)))
                .collect(),
            labels: cluster
                .namespaces
                .iter()
                .map(|(name, seen)| (name.clone(), labels(seen)))
                .collect(),
        }
    }

    pub fn say(&self, ask: &Ask<'_>) -> Say {
        let Some(labels) = self.labels.get(ask.namespace) else {
            return Say::Denied;
        };
        let readable = self
            .policies
            .values()
            .filter_map(|policy| policy.as_ref().ok());
        let longest = readable
            .filter(|policy| selects(policy, ask.namespace, labels))
            .flat_map(|policy| &policy.allow)
            .filter(|rule| allows(rule, ask))
            .map(|rule| seconds(&rule.max_duration))
            .filter(|max| ask.seconds.is_none_or(|asked| asked <= *max))
            .max();
        match longest {
            Some(max) => Say::Allowed(max),
            None if self.policies.values().any(Result::is_err) => Say::Unknown,
            None => Say::Denied,
        }
    }
}

/// What a spec asks.
pub fn ask<'a>(namespace: &'a str, spec: &'a PresignedUrlSpec) -> Ask<'a> {
    Ask {
        namespace,
        store: store(spec),
        bucket: &spec.bucket,
        key: spec.key.as_deref().unwrap_or_default(),
        method: spec.method.unwrap_or(Method::Get),
        seconds: spec.duration.as_deref().map(seconds),
        endpoint: spec.endpoint.as_deref(),
    }
}

/// The store that a spec names.
pub fn store(spec: &PresignedUrlSpec) -> &str {
    spec.store_ref
        .as_ref()
        .and_then(|store| store.name.as_deref())
        .unwrap_or("default")
}

pub fn seconds(text: &str) -> i64 {
    i64::try_from(parse_duration(text).unwrap().as_secs()).unwrap()
}

fn selects(
    policy: &PresignedUrlPolicySpec,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> bool {
    let named = policy.namespaces.names.as_ref().map(|names| {
        names.iter().any(|name| match name.strip_suffix('*') {
            Some(start) => namespace.starts_with(start),
            None => name == namespace,
        })
    });
    let labelled = policy
        .namespaces
        .selector
        .as_ref()
        .and_then(|selector| selector.match_labels.as_ref())
        .map(|wanted| {
            wanted
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
        });
    match (named, labelled) {
        (None, None) => false,
        (named, labelled) => named.unwrap_or(true) && labelled.unwrap_or(true),
    }
}

fn allows(rule: &AllowRule, ask: &Ask<'_>) -> bool {
    let method = match ask.method {
        Method::Get => rule.methods.contains(&PolicyMethod::Get),
        Method::Head => {
            rule.methods.contains(&PolicyMethod::Get) || rule.methods.contains(&PolicyMethod::Head)
        }
        Method::Put => rule.methods.contains(&PolicyMethod::Put),
        Method::Delete => rule.methods.contains(&PolicyMethod::Delete),
        Method::Post => rule.methods.contains(&PolicyMethod::Post),
    };
    let prefix = rule.prefixes.iter().any(|prefix| {
        let prefix = prefix.replace("{namespace}", ask.namespace);
        if let Some(raw) = prefix.strip_suffix('*') {
            return ask.key.starts_with(raw);
        }
        let folder = prefix.trim_end_matches('/');
        ask.key == folder || ask.key.starts_with(&format!("{folder}/"))
    });
    method
        && prefix
        && rule
            .stores
            .iter()
            .any(|store| store == "*" || store == ask.store)
        && rule.buckets.iter().any(|bucket| bucket == ask.bucket)
        && ask
            .endpoint
            .is_none_or(|name| rule.endpoints.iter().any(|allowed| allowed == name))
}

//! A second reading of the policies: written from the documentation, and sharing no code with the engine.

use std::collections::BTreeMap;

use presigned_core::api::{
    AllowRule, Keys, LabelOperator, ListOptions, Method, NamespaceLabels, NamespaceMatch,
    PolicyMethod, PostOptions, PresignedUrlPolicySpec, PresignedUrlSpec,
};
use presigned_core::engine::{NamespaceSeen, PolicySeen, PresignedUrlSeen};
use presigned_core::request::parse_duration;
use serde_json::Value;

use crate::common::cluster::Cluster;

/// The policies and namespaces of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Of what cannot be read: its `spec.namespaces`, as it was written.
    policies: BTreeMap<String, Result<PresignedUrlPolicySpec, Value>>,
    labels: BTreeMap<String, BTreeMap<String, String>>,
}

/// The decision of the policies.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyAnswer {
    /// Allowed, for so many seconds and so many objects.
    Allowed(i64, u32),
    Denied,
    Unknown,
}

/// The requested objects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ObjectScope<'a> {
    Key(&'a str),
    /// All under a prefix, to be listed: the list's options are in the spec.
    List(&'a str, Option<&'a ListOptions>),
    /// Any under a prefix, for a form's sender to choose.
    Under(&'a str),
}

/// A request to the policies.
#[derive(Clone, Debug)]
pub struct PolicyQuery<'a> {
    pub namespace: &'a str,
    pub store: &'a str,
    pub bucket: &'a str,
    pub what: ObjectScope<'a>,
    pub method: Method,
    /// Seconds; `None` takes the most that is allowed.
    pub seconds: Option<i64>,
    pub endpoint: Option<&'a str>,
    pub post: Option<&'a PostOptions>,
}

impl Rules {
    pub fn of(cluster: &Cluster) -> Self {
        let spec = |seen: &PolicySeen| match &seen.spec {
            Ok(spec) => Ok((**spec).clone()),
            Err(_) => Err(cluster
                .unreadable
                .get(&seen.name)
                .cloned()
                .unwrap_or_default()),
        };
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

    /// Whether a policy of this name cannot be read, and may select this namespace.
    pub fn is_unreadable(&self, name: &str, namespace: &str) -> bool {
        let Some(Err(namespaces)) = self.policies.get(name) else {
            return false;
        };
        let labels = self.labels.get(namespace);
        labels.is_none_or(|labels| may_select(namespaces, namespace, labels))
    }

    /// Whether a policy of this name is in force for a namespace, with a rule for the method.
    pub fn serves(&self, name: &str, namespace: &str, method: Method) -> bool {
        let Some(labels) = self.labels.get(namespace) else {
            return false;
        };
        let Some(Ok(policy)) = self.policies.get(name) else {
            return false;
        };
        selects(policy, namespace, labels)
            && policy.allow.iter().any(|rule| names_method(rule, method))
    }

    /// The least interval between two listings that any rule for a namespace sets.
    pub fn least_refresh_interval(&self, namespace: &str) -> i64 {
        let none = BTreeMap::new();
        let labels = self.labels.get(namespace).unwrap_or(&none);
        let policies = self.policies.values().flatten();
        let selected = policies.filter(|policy| selects(policy, namespace, labels));
        let lists = selected.flat_map(|policy| &policy.allow);
        let lists = lists.filter(|rule| rule.methods.contains(&PolicyMethod::List));
        let least = lists.map(fastest).min();
        least.unwrap_or(i64::MAX)
    }

    pub fn answer(&self, ask: &PolicyQuery<'_>) -> PolicyAnswer {
        let Some(labels) = self.labels.get(ask.namespace) else {
            return PolicyAnswer::Unknown;
        };
        let readable = self
            .policies
            .values()
            .filter_map(|policy| policy.as_ref().ok());
        let fitting: Vec<&AllowRule> = readable
            .filter(|policy| selects(policy, ask.namespace, labels))
            .flat_map(|policy| &policy.allow)
            .filter(|rule| allows(rule, ask))
            .filter(|rule| {
                ask.seconds
                    .is_none_or(|asked| asked <= seconds(&rule.max_duration))
            })
            .collect();
        // A rule that makes an upload conditional decides only where no other allows it.
        let conditional =
            |rule: &&&AllowRule| ask.method == Method::Put && rule.create_only == Some(true);
        let free = fitting.iter().filter(|rule| !conditional(rule));
        let longest = free.map(|rule| seconds(&rule.max_duration)).max();
        let longest =
            longest.or_else(|| fitting.iter().map(|rule| seconds(&rule.max_duration)).max());
        let objects = fitting
            .iter()
            .map(|rule| rule.max_objects.unwrap_or(1000))
            .max();
        match (longest, objects) {
            (Some(longest), Some(objects)) => PolicyAnswer::Allowed(longest, objects),
            _ => self.none_allows(ask.namespace, labels),
        }
    }

    /// What is not allowed is refused, unless a policy might allow it that cannot be read.
    fn none_allows(&self, namespace: &str, labels: &BTreeMap<String, String>) -> PolicyAnswer {
        let mut unreadable = self
            .policies
            .values()
            .filter_map(|spec| spec.as_ref().err());
        if unreadable.any(|namespaces| may_select(namespaces, namespace, labels)) {
            PolicyAnswer::Unknown
        } else {
            PolicyAnswer::Denied
        }
    }

    /// The decision for all objects of a spec; `None` if the spec names its objects wrongly.
    pub fn answer_all(&self, namespace: &str, spec: &PresignedUrlSpec) -> Option<PolicyAnswer> {
        let method = spec.method.unwrap_or_default();
        let what = match (&spec.key, &spec.keys, &spec.prefix, method) {
            (Some(key), None, None, _) => ObjectScope::Key(key),
            (None, None, Some(prefix), Method::Get) => {
                ObjectScope::List(prefix, spec.list.as_deref())
            }
            (None, None, Some(prefix), Method::Post) => ObjectScope::Under(prefix),
            (None, Some(keys), None, _) => return Some(self.say_keys(namespace, spec, keys)),
            _ => return None,
        };
        Some(self.answer(&ask(namespace, spec, what)))
    }

    /// Each key by whatever rule, and not more than the widest of these lets one resource have.
    fn say_keys(&self, namespace: &str, spec: &PresignedUrlSpec, keys: &Keys) -> PolicyAnswer {
        let (mut longest, mut most) = (i64::MAX, 0);
        for key in keys.iter() {
            match self.answer(&ask(namespace, spec, ObjectScope::Key(key))) {
                PolicyAnswer::Allowed(seconds, objects) => {
                    longest = longest.min(seconds);
                    most = most.max(objects);
                }
                other => return other,
            }
        }
        if keys.len() <= usize::try_from(most).unwrap() {
            return PolicyAnswer::Allowed(longest, most);
        }
        self.labels
            .get(namespace)
            .map_or(PolicyAnswer::Unknown, |labels| {
                self.none_allows(namespace, labels)
            })
    }
}

/// A spec's request for some objects.
pub fn ask<'a>(
    namespace: &'a str,
    spec: &'a PresignedUrlSpec,
    what: ObjectScope<'a>,
) -> PolicyQuery<'a> {
    PolicyQuery {
        namespace,
        store: store(spec),
        bucket: &spec.bucket,
        what,
        method: spec.method.unwrap_or(Method::Get),
        seconds: spec.duration.as_deref().map(seconds),
        endpoint: spec.endpoint.as_deref(),
        post: spec.post.as_deref(),
    }
}

/// The store that a spec names.
pub fn store(spec: &PresignedUrlSpec) -> &str {
    spec.store_ref
        .as_ref()
        .and_then(|store| store.name.as_deref())
        .unwrap_or("default")
}

/// The name of a resource's store.
pub fn store_name(seen: &PresignedUrlSeen) -> &str {
    seen.spec.as_ref().map_or("default", |spec| store(spec))
}

pub fn seconds(text: &str) -> i64 {
    i64::try_from(parse_duration(text).unwrap().as_secs()).unwrap()
}

fn selects(
    policy: &PresignedUrlPolicySpec,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> bool {
    let NamespaceMatch { names, selector } = &policy.namespaces;
    let named = names
        .as_ref()
        .map(|names| names.iter().any(|name| is_called(name, namespace)));
    let labelled = selector.as_ref().map(|selector| fits(selector, labels));
    match (named, labelled) {
        (None, None) => false,
        (named, labelled) => named.unwrap_or(true) && labelled.unwrap_or(true),
    }
}

fn is_called(name: &str, namespace: &str) -> bool {
    match name.strip_suffix('*') {
        Some(start) => namespace.starts_with(start),
        None => name == namespace,
    }
}

fn fits(selector: &NamespaceLabels, labels: &BTreeMap<String, String>) -> bool {
    let wanted = selector.match_labels.iter().flatten();
    let mut required = selector.match_expressions.iter().flatten();
    wanted
        .into_iter()
        .all(|(key, value)| labels.get(key) == Some(value))
        && required.all(|required| {
            let label = labels.get(&required.key);
            let listed =
                label.is_some_and(|label| required.values.iter().flatten().any(|v| v == label));
            match required.operator {
                LabelOperator::In => listed,
                LabelOperator::NotIn => !listed,
                LabelOperator::Exists => label.is_some(),
                LabelOperator::DoesNotExist => label.is_none(),
            }
        })
}

/// Whether a policy might select a namespace of which only `spec.namespaces` is known. This simulation
/// misspells no more of it than whole parts and single names and labels.
fn may_select(namespaces: &Value, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
    let names = namespaces["names"].as_array().into_iter().flatten();
    let names: Option<Vec<&str>> = names.map(Value::as_str).collect();
    let called = names.is_none_or(|names| {
        names.is_empty() || names.iter().any(|name| is_called(name, namespace))
    });
    let wanted = namespaces["selector"]["matchLabels"].as_object();
    let mut wanted = wanted.into_iter().flatten();
    called
        && wanted.all(|(key, value)| {
            value
                .as_str()
                .is_none_or(|value| labels.get(key).map(String::as_str) == Some(value))
        })
}

fn names_method(rule: &AllowRule, method: Method) -> bool {
    match method {
        Method::Get => rule.methods.contains(&PolicyMethod::Get),
        Method::Head => {
            rule.methods.contains(&PolicyMethod::Get) || rule.methods.contains(&PolicyMethod::Head)
        }
        Method::Put => rule.methods.contains(&PolicyMethod::Put),
        Method::Delete => rule.methods.contains(&PolicyMethod::Delete),
        Method::Post => rule.methods.contains(&PolicyMethod::Post),
    }
}

fn allows(rule: &AllowRule, ask: &PolicyQuery<'_>) -> bool {
    let method = names_method(rule, ask.method);
    let prefix = rule.prefixes.iter().any(|prefix| {
        let prefix = prefix.replace("{namespace}", ask.namespace);
        let folder = prefix.trim_end_matches('/');
        match (ask.what, prefix.strip_suffix('*')) {
            (
                ObjectScope::Key(asked) | ObjectScope::List(asked, _) | ObjectScope::Under(asked),
                Some(raw),
            ) => asked.starts_with(raw),
            (ObjectScope::Key(key), None) => {
                key == folder || key.starts_with(&format!("{folder}/"))
            }
            (ObjectScope::List(asked, _) | ObjectScope::Under(asked), None) => {
                asked.ends_with('/') && asked.starts_with(&format!("{folder}/"))
            }
        }
    });
    let listed = match ask.what {
        ObjectScope::List(_, options) => lists(rule, options),
        ObjectScope::Key(_) | ObjectScope::Under(_) => true,
    };
    let form = ask.method != Method::Post || ask.post.is_some_and(|post| takes(rule, post));
    method
        && prefix
        && listed
        && form
        && rule
            .stores
            .iter()
            .any(|store| store == "*" || store == ask.store)
        && rule.buckets.iter().any(|bucket| bucket == ask.bucket)
        && ask
            .endpoint
            .is_none_or(|name| rule.endpoints.iter().any(|allowed| allowed == name))
}

/// The least seconds between two listings that a rule allows.
fn fastest(rule: &AllowRule) -> i64 {
    rule.min_refresh_interval.as_deref().map_or(300, seconds)
}

fn lists(rule: &AllowRule, options: Option<&ListOptions>) -> bool {
    let most = rule.max_objects.unwrap_or(1000);
    let fastest = fastest(rule);
    let asked = options.cloned().unwrap_or_default();
    let wanted = [
        asked.min_objects.unwrap_or(1),
        asked.max_objects.unwrap_or(0),
    ];
    let every = asked.refresh_interval.as_deref().map(seconds);
    rule.methods.contains(&PolicyMethod::List)
        && wanted.iter().all(|wanted| *wanted <= most)
        && every.is_none_or(|every| every >= fastest)
}

fn takes(rule: &AllowRule, post: &PostOptions) -> bool {
    let sized = post
        .content_length_range
        .is_some_and(|range| rule.max_upload_bytes.is_some_and(|most| range.max <= most));
    let redirect = post.success_action_redirect.as_ref();
    let metadata = post
        .metadata
        .as_ref()
        .is_some_and(|contents| !contents.is_empty());
    let open = |url: &String| {
        rule.redirects
            .iter()
            .any(|allowed| match allowed.strip_suffix('*') {
                Some(start) => url.starts_with(start),
                None => url == allowed,
            })
    };
    sized
        && rule.create_only != Some(true)
        && redirect.is_none_or(open)
        && (!metadata || rule.allow_metadata == Some(true))
        && post.acl.as_ref().is_none_or(|acl| rule.acls.contains(acl))
}

//! Policies and requests: any JSON, and templates that two namespaces expand.

use std::collections::BTreeMap;
use std::time::Duration;

use presigned_core::api::{PresignedUrlPolicySpec, PresignedUrlSpec};
use presigned_core::policy::{CompiledPolicy, Decision, Namespace, PolicySet};
use presigned_core::request::{Limits, Request};
use serde_json::{Value, json};

use crate::is_a_sentence;

const LIMITS: Limits = Limits {
    min_duration: Duration::from_mins(5),
};
const NAME: &str = "{namespace}";
const LABEL: &str = "{namespace.labels['team']}";

pub(super) const TEMPLATE_SEEDS: &[&str] = &[
    "{namespace}/\nmodels\nteam-a\nteam-ab\nred\nblue\n/x",
    "x-{namespace.labels['team']}\ndata-{namespace}\na\na-b\nb-c\nc\n/x",
    "{namespace}/*\nmodels*\na\nb\n\n\nx/y",
    "*\nm*d*\na\nb\nr\nr\n/x",
];
pub(super) const POLICY_SEEDS: &[&str] = &[
    r#"{"namespaces":{"names":["*"],"selector":{"matchLabels":{"team":"red"}}},"allow":[{"name":"read","stores":["default"],"buckets":["models"],"prefixes":["{namespace}/"],"methods":["GET","PUT"],"maxDuration":"12h","maxUploadBytes":5}]}"#,
    r#"{"namespaces":{"names":["a-*"]},"allow":[{"name":"upload","stores":["*"],"buckets":["{namespace}-x"],"prefixes":["models*"],"methods":["PUT"],"maxDuration":"1h","createOnly":true,"tagKeys":["a"],"acls":["private"]}]}"#,
];
pub(super) const REQUEST_SEEDS: &[&str] = &[
    r#"{"bucket":"models","key":"team-a/x","duration":"1h"}"#,
    r#"{"bucket":"models","key":"k","method":"PUT","put":{"contentType":"text/plain","metadata":{"a":"b"},"tagging":{"a":"b"}}}"#,
    r#"{"bucket":"models","prefix":"team-a/","list":{"maxObjects":5,"include":["**"]},"method":"GET"}"#,
    r#"{"bucket":"models","keys":["a","b"],"formats":["curl.conf"],"renew":"Never"}"#,
];

/// What a namespace may be called and carry, made of any text: the API server lets nothing else in.
struct Tenant {
    name: String,
    labels: BTreeMap<String, String>,
}

impl Tenant {
    fn new(name: &str, label: &str) -> Option<Self> {
        let edge = |c: char| c.is_ascii_alphanumeric();
        let fits = |text: &str| text.len() <= 63 && text.starts_with(edge) && text.ends_with(edge);
        let small = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let inner = |c: char| edge(c) || "-_.".contains(c);
        let named = fits(name) && name.chars().all(small);
        let labelled = label.is_empty() || (fits(label) && label.chars().all(inner));
        (named && labelled).then(|| Self {
            name: name.to_owned(),
            labels: [("team".to_owned(), label.to_owned())].into(),
        })
    }

    fn label(&self) -> &str {
        &self.labels["team"]
    }

    fn expanded(&self, template: &str) -> String {
        template
            .replace(NAME, &self.name)
            .replace(LABEL, self.label())
    }

    fn is_allowed(&self, set: &PolicySet, request: &Request) -> bool {
        let namespace = Namespace {
            name: &self.name,
            labels: &self.labels,
        };
        match set.decide(&namespace, request) {
            Decision::Allowed(_) => true,
            Decision::Denied(refusal) => {
                is_a_sentence(&refusal.message);
                assert!(refusal.message.len() <= 1024);
                false
            }
            Decision::Unknown { unknown, .. } => {
                is_a_sentence(&unknown.message);
                false
            }
        }
    }
}

/// Whether `*` for any run makes the pattern of the name.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|at| glob(rest, &name[at..])),
        ([p, pattern @ ..], [n, name @ ..]) => p == n && glob(pattern, name),
        _ => false,
    }
}

/// Whether a key lies in a prefix as it is expanded.
fn lies_in(key: &str, prefix: &str) -> bool {
    if let Some(raw) = prefix.strip_suffix('*') {
        return key.starts_with(raw);
    }
    let folder = prefix.strip_suffix('/').unwrap_or(prefix);
    key.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Lines: a rule's prefix and bucket, two namespaces, their labels, and the tail of a key in the first one's
/// prefix.
pub(super) fn template(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.split('\n').collect();
    let [prefix, bucket, one, two, red, blue, tail] = lines[..] else {
        return;
    };
    // The oracle for `*` goes through all ways to share out a name.
    if bucket.matches('*').count() > 3 {
        return;
    }
    let (Some(one), Some(two)) = (Tenant::new(one, red), Tenant::new(two, blue)) else {
        return;
    };
    let spec = json!({
        "namespaces": { "names": ["*"] },
        "allow": [{ "name": "read", "stores": ["default"], "buckets": [bucket], "prefixes": [prefix], "methods": ["GET"],
                    "maxDuration": "12h" }],
    });
    let spec: PresignedUrlPolicySpec = serde_json::from_value(spec).unwrap();
    let mut set = PolicySet::default();
    match CompiledPolicy::compile("one", &spec) {
        Ok(policy) => set.insert(policy),
        Err(refused) => return is_a_sentence(&refused.to_string()),
    }
    let own = one.expanded(prefix);
    let key = format!("{}{tail}", own.trim_end_matches('*').trim_end_matches('/'));
    let place = one.expanded(bucket).replace('*', "x");
    let asked = json!({ "bucket": place, "key": key, "duration": "1h" });
    let asked: PresignedUrlSpec = serde_json::from_value(asked).unwrap();
    let Ok(asked) = Request::parse(&asked, &LIMITS) else {
        return;
    };
    let allowed = [&one, &two].map(|tenant| {
        let allowed = tenant.is_allowed(&set, &asked);
        if allowed {
            let (prefix, bucket) = (tenant.expanded(prefix), tenant.expanded(bucket));
            assert!(lies_in(&key, &prefix), "{key:?} by {prefix:?}");
            assert!(
                glob(bucket.as_bytes(), place.as_bytes()),
                "{place} by {bucket}"
            );
        }
        allowed
    });
    if allowed == [true, true] {
        for template in [prefix, bucket] {
            assert!(!template.contains(NAME) || one.name == two.name);
            assert!(!template.contains(LABEL) || one.label() == two.label());
        }
    }
}

/// Any JSON as a policy's spec.
pub(super) fn policy(data: &[u8]) {
    let Ok(spec) = serde_json::from_slice::<PresignedUrlPolicySpec>(data) else {
        return;
    };
    let mut set = PolicySet::default();
    match CompiledPolicy::compile("one", &spec) {
        Ok(policy) => set.insert(policy),
        Err(refused) => return is_a_sentence(&refused.to_string()),
    }
    let tenant = Tenant::new("team-a", "red").unwrap();
    for seed in REQUEST_SEEDS {
        let asked: PresignedUrlSpec = serde_json::from_str(seed).unwrap();
        if let Ok(asked) = Request::parse(&asked, &LIMITS)
            && tenant.is_allowed(&set, &asked)
        {
            assert!(!spec.allow.is_empty(), "no rule allows nothing");
        }
    }
}

/// Any JSON as a resource's spec, before a policy that allows much.
pub(super) fn request(data: &[u8]) {
    let Ok(spec) = serde_json::from_slice::<PresignedUrlSpec>(data) else {
        return;
    };
    match Request::parse(&spec, &LIMITS) {
        Err(refused) => is_a_sentence(&refused.to_string()),
        Ok(asked) => {
            let mut set = PolicySet::default();
            let open: Value = serde_json::from_str(POLICY_SEEDS[0]).unwrap();
            let open: PresignedUrlPolicySpec = serde_json::from_value(open).unwrap();
            set.insert(CompiledPolicy::compile("one", &open).unwrap());
            let tenant = Tenant::new("team-a", "red").unwrap();
            if tenant.is_allowed(&set, &asked) {
                assert_eq!(asked.bucket.as_str(), "models");
            }
        }
    }
}

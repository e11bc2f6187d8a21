//! One decision among 100 policies: may this namespace have this URL?

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use presigned_core::api::{PresignedUrlPolicySpec, PresignedUrlSpec};
use presigned_core::policy::{CompiledPolicy, Decision, Namespace, PolicySet};
use presigned_core::request::{Limits, Request};
use serde_json::json;

use super::measure;

const POLICIES: usize = 100;
const KEYS: usize = 2000;

/// The limits of a default installation.
pub(super) const LIMITS: Limits = Limits {
    min_duration: std::time::Duration::from_mins(5),
};

pub(super) fn run() -> Result<()> {
    let labels = BTreeMap::from([("team".to_owned(), "vision".to_owned())]);
    let namespace = Namespace {
        name: "vision-prod",
        labels: &labels,
    };
    let request = request("models", "vision-prod/resnet/weights.bin")?;
    let refused = request_of_another(&request)?;

    // One policy in ten selects the namespace, and the last of them allows the request.
    let mut selecting_few = PolicySet::default();
    // All select it and all templates are expanded; the last allows the request.
    let mut selecting_all = PolicySet::default();
    for at in 0..POLICIES {
        let bucket = if at + 1 == POLICIES {
            "models"
        } else {
            "other"
        };
        let names = if (at + 1) % 10 == 0 {
            "vision-*"
        } else {
            "somebody-else"
        };
        selecting_few.insert(policy(&format!("policy-{at:03}"), names, bucket)?);
        selecting_all.insert(policy(&format!("policy-{at:03}"), "vision-*", bucket)?);
    }
    for (set, which) in [
        (&selecting_few, "10 of 100 policies select the namespace"),
        (&selecting_all, "100 of 100 select it"),
    ] {
        ensure!(
            matches!(set.decide(&namespace, &request), Decision::Allowed(_)),
            "it is allowed"
        );
        ensure!(
            matches!(set.decide(&namespace, &refused), Decision::Denied(_)),
            "it is denied"
        );
        measure(&format!("decide, allowed: {which}"), || {
            set.decide(&namespace, &request)
        });
        measure(&format!("decide, denied with a sentence: {which}"), || {
            set.decide(&namespace, &refused)
        });
    }
    let keys: Vec<String> = (0..KEYS)
        .map(|at| format!("vision-prod/resnet/weights-{at}.bin"))
        .collect();
    let many = serde_json::from_value(json!({ "bucket": "models", "keys": keys }))?;
    let many = Request::parse(&many, &LIMITS).context("parse a request of many keys")?;
    ensure!(
        matches!(
            selecting_all.decide(&namespace, &many),
            Decision::Allowed(_)
        ),
        "all of them are allowed"
    );
    measure("decide, 2,000 keys: 100 of 100 select it", || {
        selecting_all.decide(&namespace, &many)
    });
    measure("compile one policy", || policy("one", "vision-*", "models"));
    Ok(())
}

fn policy(name: &str, names: &str, bucket: &str) -> Result<CompiledPolicy> {
    let spec: PresignedUrlPolicySpec = serde_json::from_value(json!({
        "namespaces": { "names": [names], "selector": { "matchLabels": { "team": "vision" } } },
        "allow": [
            { "name": "read", "stores": ["default"], "buckets": [bucket], "methods": ["GET", "HEAD"], "maxDuration": "12h",
              "prefixes": ["{namespace}/", "shared/{namespace.labels['team']}/"], "maxObjects": KEYS },
            { "name": "upload", "stores": ["default"], "buckets": ["uploads"], "methods": ["PUT"], "maxDuration": "1h",
              "prefixes": ["{namespace}/"], "maxUploadBytes": 1_000_000 },
        ],
    }))?;
    CompiledPolicy::compile(name, &spec).context("compile a policy")
}

pub(super) fn request(bucket: &str, key: &str) -> Result<Request> {
    let spec: PresignedUrlSpec =
        serde_json::from_value(json!({ "bucket": bucket, "key": key, "duration": "1h" }))?;
    Request::parse(&spec, &LIMITS).context("parse a request")
}

/// The same request for the key of another namespace.
fn request_of_another(request: &Request) -> Result<Request> {
    self::request(request.bucket.as_str(), "somebody-else/weights.bin")
}

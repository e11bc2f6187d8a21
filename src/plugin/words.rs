//! Facts of a resource in words: when, what, and why not.
//!
//! What holds here: nothing is decided; what a condition says is passed on as it stands. A spec is read field
//! by field, so that one of a newer operator has words too.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use presigned_core::api::{
    ClusterObjectStoreSpec, Condition, ConditionStatus, ConditionType, LimitedBy, Reason,
    StoreCredentials, condition,
};
use serde_json::Value;

use super::found::Found;
use super::output::Colour;

/// A time and how far away it is: `in 3h20m`, `5m ago`.
#[must_use]
pub fn from_now(time: Timestamp, now: Timestamp) -> String {
    let left = time.duration_since(now);
    if left.is_negative() {
        format!("{} ago", span(left.abs()))
    } else {
        format!("in {}", span(left))
    }
}

/// The two largest units of a time: `2d3h`, `3h20m`, `5m`, `12s`.
#[must_use]
pub fn span(time: SignedDuration) -> String {
    let seconds = time.as_secs();
    let units = [
        (seconds / 86400, 'd'),
        (seconds / 3600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let largest = units.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let mut text = String::new();
    for (count, unit) in units.iter().skip(largest).take(2) {
        if *count > 0 || text.is_empty() {
            let _ = write!(text, "{count}{unit}");
        }
    }
    text
}

/// The objects of a spec: `s3://models/a/b`, `s3://models/a/*`, `s3://models (3 keys)`.
#[must_use]
pub fn objects(spec: &Value) -> String {
    let bucket = spec["bucket"].as_str().unwrap_or("?");
    if let Some(key) = spec["key"].as_str() {
        format!("s3://{bucket}/{key}")
    } else if let Some(prefix) = spec["prefix"].as_str() {
        format!("s3://{bucket}/{prefix}*")
    } else {
        let keys = spec["keys"].as_array().map_or(0, Vec::len);
        format!("s3://{bucket} ({keys} keys)")
    }
}

/// The method of a resource.
#[must_use]
pub fn method(found: &Found) -> String {
    let signed = found.status.as_ref().and_then(|status| status.method);
    match (signed, found.spec["method"].as_str()) {
        (_, Some(method)) => method.to_owned(),
        (Some(method), None) => method.as_str().to_owned(),
        (None, None) => "GET".to_owned(),
    }
}

/// Whether it is issued once.
#[must_use]
pub fn is_link(spec: &Value) -> bool {
    spec["renew"] == "Never"
}

/// Whether a resource is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The Secret holds what the spec asks for.
    Ready,
    /// It does not, or nobody knows: the condition's status, reason and message.
    Not {
        /// True, False or Unknown, as a word.
        status: &'static str,
        /// The condition's reason.
        reason: String,
        /// The condition's message.
        message: String,
        /// Whether only a person can change it.
        stalled: bool,
    },
    /// The operator has not seen the newest edit.
    Behind,
    /// No operator has seen it.
    Unseen,
    /// A newer operator wrote it, and this version cannot read it: why.
    Unread(String),
}

/// The state of a resource.
#[must_use]
pub fn state(found: &Found) -> State {
    let conditions = found
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    let Some(ready) = condition(conditions, ConditionType::Ready) else {
        return unread(found).map_or(State::Unseen, State::Unread);
    };
    let seen = found.status.as_ref().and_then(|s| s.observed_generation);
    if seen.is_some() && seen != found.metadata.generation {
        return State::Behind;
    }
    if ready.status == ConditionStatus::True {
        return State::Ready;
    }
    let is_true = |stalled: &Condition| stalled.status == ConditionStatus::True;
    State::Not {
        status: status_word(ready.status),
        reason: ready.reason.to_string(),
        message: ready.message.clone(),
        stalled: condition(conditions, ConditionType::Stalled).is_some_and(is_true),
    }
}

/// What of its status this version cannot read.
#[must_use]
pub fn unread(found: &Found) -> Option<String> {
    found.status.as_ref()?.unread()
}

/// What is wrong with a resource, in sentences: why it is not ready, or what it will suffer from although it
/// is; and what of it cannot be read.
#[must_use]
pub fn troubles(found: &Found) -> Vec<String> {
    let state = state(found);
    let unread = unread(found).filter(|_| !matches!(state, State::Unread(_)));
    let mut troubles = state
        .why_not()
        .map_or_else(|| failing(found), |why| vec![why]);
    troubles.extend(unread);
    troubles
}

/// What a resource that is ready will suffer from.
fn failing(found: &Found) -> Vec<String> {
    let conditions = found.status.iter().flat_map(|status| &status.conditions);
    let failing = conditions.filter(|told| told.status == ConditionStatus::False);
    failing
        .filter_map(|told| {
            let what = match &*told.type_ {
                "Renewed" => "it is not renewed",
                "Verified" => "it was tried and does not work",
                _ => return None,
            };
            Some(format!("{what}: {}", told.message))
        })
        .collect()
}

/// The word of a condition's status.
#[must_use]
pub const fn status_word(status: ConditionStatus) -> &'static str {
    match status {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
        ConditionStatus::Unknown => "Unknown",
    }
}

impl State {
    /// `Ready` as in `kubectl get`, its reason, and its colour.
    #[must_use]
    pub fn cells(&self) -> (&'static str, &str, Colour) {
        match self {
            Self::Ready => ("True", "Issued", Colour::Green),
            Self::Not { reason, .. } if reason == Reason::Progressing.as_str() => {
                ("False", reason, Colour::Yellow)
            }
            Self::Not { status, reason, .. } => (status, reason, Colour::Red),
            Self::Behind => ("Unknown", "Edited", Colour::Yellow),
            Self::Unseen => ("Unknown", "Unseen", Colour::Yellow),
            Self::Unread(_) => ("Unknown", "Unread", Colour::Yellow),
        }
    }

    /// Why it is not ready and what to do; `None` if it is.
    #[must_use]
    pub fn why_not(&self) -> Option<String> {
        match self {
            Self::Ready => None,
            Self::Not { message, .. } | Self::Unread(message) => Some(message.clone()),
            Self::Behind => Some(
                "the operator has not seen the newest edit yet: wait, or look whether it runs".to_owned(),
            ),
            Self::Unseen => Some(
                "no operator has seen it yet: look whether presigned-url-operator runs, and whether it serves this \
                 namespace and spec.class"
                    .to_owned(),
            ),
        }
    }
}

/// What cut a life short, in words.
#[must_use]
pub const fn limit(by: LimitedBy) -> &'static str {
    match by {
        LimitedBy::Duration => "the policy's maxDuration",
        LimitedBy::Credentials => "the end of the signing credentials",
        LimitedBy::SignatureAge => "the store's maxSignatureAge",
        LimitedBy::SigV4 => "the seven days that a signature may live",
    }
}

/// Where the credentials of a store come from.
#[must_use]
pub fn credentials(spec: &ClusterObjectStoreSpec) -> String {
    let StoreCredentials {
        default: _,
        secret_ref,
        web_identity,
        assume_role,
    } = &spec.s3.credentials;
    if let Some(secret) = secret_ref {
        format!("Secret {}", secret.name)
    } else if let Some(web) = web_identity {
        format!("web identity {}", web.role.role_arn)
    } else if let Some(assumed) = assume_role {
        format!("role {}", assumed.role.role_arn)
    } else {
        "operator's AWS chain".to_owned()
    }
}

#[cfg(test)]
mod tests {
    //! Times and objects as people read them.

    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_is_said_in_its_two_largest_units() {
        let said = |seconds| span(SignedDuration::from_secs(seconds));
        let table = [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3661, "1h1m"),
            (3600, "1h"),
            (90_000, "1d1h"),
            (86_461, "1d"),
        ];
        for (seconds, words) in table {
            assert_eq!(said(seconds), words);
        }
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let later = now + SignedDuration::from_mins(90);
        assert_eq!(from_now(later, now), "in 1h30m");
        assert_eq!(from_now(now, later), "1h30m ago");
    }

    fn found(status: &Value) -> Found {
        let object = json!({ "metadata": { "name": "a", "generation": 2 },
            "spec": { "bucket": "b", "key": "k" }, "status": status });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_condition_of_an_earlier_edit_says_nothing_of_this_one() {
        let ready = json!([{ "type": "Ready", "status": "True", "reason": "Issued", "message": "",
            "lastTransitionTime": "2026-11-28T12:00:00Z" }]);
        let of = |generation| {
            state(&found(
                &json!({ "observedGeneration": generation, "conditions": ready }),
            ))
        };
        assert_eq!(of(2), State::Ready);
        assert_eq!(of(1), State::Behind);
        assert_eq!(state(&found(&json!({}))), State::Unseen);
        let at = "2026-11-28T12:00:00Z";
        let failing = json!([ready[0], { "type": "Renewed", "status": "False", "reason": "StoreUnavailable",
            "message": "no answer", "lastTransitionTime": at }]);
        let of = |conditions: &Value| {
            troubles(&found(
                &json!({ "observedGeneration": 2, "conditions": conditions }),
            ))
        };
        assert_eq!(of(&ready), Vec::<String>::new());
        assert_eq!(of(&failing), ["it is not renewed: no answer"]);
    }

    #[test]
    fn the_objects_of_each_kind_of_spec_have_words() {
        let table = [
            (json!({ "bucket": "b", "key": "a/k" }), "s3://b/a/k"),
            (json!({ "bucket": "b", "prefix": "" }), "s3://b/*"),
            (
                json!({ "bucket": "b", "keys": ["a", "b"] }),
                "s3://b (2 keys)",
            ),
        ];
        for (spec, words) in table {
            assert_eq!(objects(&spec), words);
        }
    }
}

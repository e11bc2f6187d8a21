//! Messages of a PresignedURL's conditions.
//!
//! What holds here: a message says what is so and what comes of it, and is a function of the facts that it
//! names.

use jiff::Timestamp;

use crate::api::{Method, Problem, Reason};
use crate::engine::cache::index::Record;
use crate::engine::evaluate::denial::removal_at;
use crate::engine::evaluate::one_shot::{FixedLife, ttl};
use crate::engine::protocol::{Settings, classify};
use crate::engine::reconcile::presigned_url::conditions::ConditionDraft;
use crate::issue::issued::Issued;
use crate::time::later;

/// What is said of a one-shot spec that was edited past admission.
pub(super) const EDITED: &str = "with renew: Never what is signed is fixed for good, and the spec asks for something else than was issued: put it \
     back, or create another PresignedURL; what was issued stays until its end";

pub(super) fn allowed_by(policies: &[String]) -> String {
    let (word, verb) = match policies {
        [_] => ("PresignedURLPolicy", "allows"),
        _ => ("PresignedURLPolicies", "allow"),
    };
    let names: Vec<String> = policies.iter().map(|name| format!("\"{name}\"")).collect();
    format!("the {word} {} {verb} it", names.join(", "))
}

pub(super) fn holds(record: &Record, issued: &Issued, renews: Option<Timestamp>) -> String {
    let spec = record.seen.spec.as_ref().ok();
    let many = spec.is_some_and(|spec| {
        spec.keys.is_some() || spec.prefix.is_some() && issued.method != Method::Post
    });
    let what = match (issued.method, many) {
        (Method::Get, false) => "URLs to GET and HEAD".to_owned(),
        (Method::Post, _) => "a form to POST".to_owned(),
        (method, false) => format!("a URL to {}", method.as_str()),
        (method, true) => format!("URLs to {} {} objects of", method.as_str(), issued.objects),
    };
    let object = spec.map_or_else(String::new, |spec| {
        let path = match (&spec.key, &spec.prefix) {
            (Some(key), _) => key.as_str(),
            (None, Some(prefix)) => prefix.as_str(),
            (None, None) => "",
        };
        format!("{}/{path}", spec.bucket)
    });
    let next = renews.map_or_else(
        || "it is not renewed".to_owned(),
        |at| format!("it is renewed at {at}"),
    );
    format!(
        "the Secret \"{}\" holds {what} {object}, good until {}; {next}",
        issued.secret.name, issued.expires_at
    )
}

pub(super) fn denied(
    why: String,
    record: &Record,
    issued: Option<&Issued>,
    settings: &Settings,
    now: Timestamp,
) -> String {
    let Some(issued) = issued else { return why };
    // The refusal is a sentence of its own; here it goes on.
    let why = why.strip_suffix('.').unwrap_or(&why);
    let secret = &issued.secret.name;
    match removal_at(record, settings, now) {
        Some(at) if at < issued.expires_at => {
            format!(
                "{why}; unless a policy allows it again, the Secret \"{secret}\" is removed at {at}"
            )
        }
        _ => format!(
            "{why}; the Secret \"{secret}\" is removed when its URL expires at {}",
            issued.expires_at
        ),
    }
}

/// What Ready says after the end of a one-shot resource.
pub(super) fn expired_message(record: &Record, end: Timestamp) -> String {
    let next = match ttl(record) {
        Some(ttl) => format!("; this resource is deleted at {}", later(end, ttl)),
        None => String::new(),
    };
    format!(
        "the link ended at {end}, as it was issued to, and is never renewed: create another PresignedURL where one is needed{next}"
    )
}

/// What stands in the way of the deletion of a one-shot resource.
pub(super) fn undeleted(record: &Record) -> Option<Problem> {
    let class = classify(record.state.removal.undeleted.as_ref()?);
    let why = class.sentence;
    Some(Problem {
        reason: class.reason,
        message: format!("the resource is to be deleted after spec.ttlAfterExpiry: {why}"),
        needs_human: true,
    })
}

/// What Renewed says of a one-shot resource: False if it was asked for what it never does, or cannot be
/// signed again.
pub(super) fn renewed(record: &Record) -> Option<ConditionDraft> {
    if let Some(Problem {
        reason, message, ..
    }) = &record.state.issue.problem
    {
        return Some(ConditionDraft::new(false, *reason, message.clone()));
    }
    renewal_refused(record)
}

/// What Renewed says if a one-shot resource was asked for a renewal.
pub(super) fn renewal_refused(record: &Record) -> Option<ConditionDraft> {
    let asked = record.seen.renew_request.as_ref()?;
    let served = FixedLife::last(record)?.served_request;
    (served.as_ref() != Some(asked)).then(|| {
        let sentence = "the annotation presigned.dev/renew asks for a renewal, and with renew: Never there is none: remove the annotation, and \
             create another PresignedURL where one is needed";
        ConditionDraft::new(false, Reason::NeverRenewed, sentence.to_owned())
    })
}

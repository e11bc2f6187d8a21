//! The messages of a PresignedURL's conditions.
//!
//! What holds here:
//! - A message says what is so, what follows, and what a person can do.
//! - Nothing is decided here, and no decision reads a message.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::api::Method;
use crate::engine::cache::record::Record;
use crate::engine::evaluate::denial::early_removal_at;
use crate::engine::evaluate::one_shot::ttl;
use crate::engine::protocol::Settings;
use crate::issue::issued::Issued;
use crate::text::{counted, quoted};
use crate::time::later;

/// A one-shot spec was edited past admission.
pub(super) const EDITED: &str = "with renew: Never what is signed is fixed for good, and the spec now says something else than was issued: put it \
     back, or create another PresignedURL; what was issued stays until its end";

/// The annotation requests a renewal of a one-shot resource.
pub(super) const NEVER_RENEWED: &str = "the annotation presigned.dev/renew requests a renewal, and with renew: Never there is none: remove the annotation, and \
     create another PresignedURL if one is needed";

/// No policy allows the request.
pub(super) const DENIED: &str =
    "no PresignedURLPolicy allows it: the condition Ready says what the closest rules allow";

/// What the policies would say is not known.
pub(super) const NOT_DECIDED: &str = "the policies have not decided: the condition Ready says why";

/// The Secret is out of date, and Ready says why.
pub(super) const SEE_READY: &str = "it cannot be renewed now: the condition Ready says why";

/// A person must act, and Ready says how.
pub(super) const STALLED: &str =
    "nothing changes until somebody acts: the condition Ready says what to do";

/// A person must act, while the Secret is current.
pub(super) const STALLED_RENEWAL: &str =
    "nothing changes until somebody acts: the condition Renewed says what to do";

/// What follows the sentence on a current Secret if a person must act before it is renewed.
pub(super) const SOMEBODY_MUST_ACT: &str =
    "; somebody must act: the condition Renewed says what to do";

/// The policies allow the request.
pub(super) fn allowed_message(policies: &[String]) -> String {
    let (word, verb) = match policies {
        [_] => ("policy", "allows"),
        _ => ("policies", "allow"),
    };
    let names = policies.join("\", \"");
    [word, " \"", &names, "\" ", verb, " it"].concat()
}

/// The Secret is current. `not_renewed` says why it is not renewed, if it is not.
pub(super) fn issued_message(
    record: &Record,
    issued: &Issued,
    not_renewed: Option<&str>,
) -> String {
    let spec = record.seen.spec.as_ref().ok();
    let many = spec.is_some_and(|spec| {
        spec.keys.is_some() || spec.prefix.is_some() && issued.method != Method::Post
    });
    let what = match (issued.method, many) {
        (Method::Get, false) => Cow::Borrowed("URLs to GET and HEAD"),
        (Method::Post, _) => Cow::Borrowed("a form to POST"),
        (method, false) => Cow::Owned(format!("a URL to {}", method.as_str())),
        (method, true) => {
            let objects = counted(issued.objects, "object");
            Cow::Owned(format!("URLs to {} {objects} of", method.as_str()))
        }
    };
    let object = spec.map_or_else(String::new, |spec| {
        let path = match (&spec.key, &spec.prefix) {
            (Some(key), _) => key.as_str(),
            (None, Some(prefix)) => prefix.as_str(),
            (None, None) => "",
        };
        quoted(&[&spec.bucket, "/", path].concat())
    });
    // When it is renewed says the condition Renewed.
    let next = not_renewed.map_or_else(String::new, |why| format!("; it is not renewed{why}"));
    let end = issued.expires_at.to_string();
    let name = &*issued.secret.name;
    // Every plan writes it, so its parts are joined at once.
    let parts = [
        "the Secret \"",
        name,
        "\" holds ",
        &what,
        " ",
        &object,
        ", good until ",
        &end,
        &next,
    ];
    parts.concat()
}

/// The policies deny the request. `why` is a sentence, and what happens to the Secret follows it.
pub(super) fn denied_message(
    why: String,
    record: &Record,
    issued: Option<&Issued>,
    settings: &Settings,
    now: Timestamp,
) -> String {
    let Some(issued) = issued else { return why };
    let why = why.strip_suffix('.').unwrap_or(&why);
    let secret = &issued.secret.name;
    match early_removal_at(record, issued, settings, now) {
        Some(at) => format!(
            "{why}; unless a policy allows it again, the Secret \"{secret}\" is removed at {at}"
        ),
        None => format!(
            "{why}; the Secret \"{secret}\" is removed when its URL expires at {}",
            issued.expires_at
        ),
    }
}

/// Renewals are not blocked.
pub(super) fn renewal_message(next: Option<Timestamp>) -> String {
    next.map_or_else(
        || "nothing blocks renewals".to_owned(),
        |at| ["the next is due at ", &at.to_string()].concat(),
    )
}

/// Somebody changed the Secret again, soon after it was fixed.
pub(super) fn healing_message(at: Timestamp) -> String {
    format!(
        "somebody changed the Secret again within a minute after it was fixed: it is fixed again at {at}; find out who \
         writes it"
    )
}

/// A one-shot resource has expired.
pub(super) fn expired_message(record: &Record, end: Timestamp) -> String {
    let next = match ttl(record) {
        Some(ttl) => format!("; this resource is deleted at {}", later(end, ttl)),
        None => String::new(),
    };
    format!(
        "the link expired at {end}, as planned, and is never renewed: create another PresignedURL if one is needed{next}"
    )
}

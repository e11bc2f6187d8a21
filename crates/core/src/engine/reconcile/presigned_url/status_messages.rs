//! Sentences of the conditions that need more than a line.
//!
//! What holds here: a sentence says what is so and what comes of it, and is a function of the facts that it names.

use jiff::Timestamp;

use crate::api::Method;
use crate::engine::cache::index::Record;
use crate::engine::protocol::Settings;
use crate::engine::reconcile::presigned_url::status::removal_at;
use crate::issue::issued::Issued;

pub(in crate::engine) fn allowed_by(policies: &[String]) -> String {
    let (word, verb) = match policies {
        [_] => ("PresignedURLPolicy", "allows"),
        _ => ("PresignedURLPolicies", "allow"),
    };
    let names: Vec<String> = policies.iter().map(|name| format!("\"{name}\"")).collect();
    format!("the {word} {} {verb} it", names.join(", "))
}

pub(in crate::engine) fn holds(
    record: &Record,
    issued: &Issued,
    renews: Option<Timestamp>,
) -> String {
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

pub(in crate::engine) fn denied(
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

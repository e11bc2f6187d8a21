//! The message of a denial: what was requested, and what the closest rules allow.
//!
//! What holds here: a message names only rules of policies that select the requesting namespace, so that a
//! tenant learns nothing about another. The same request gets the same message, of at most [`MAX_MESSAGE`]
//! bytes. The policies that a message names are returned beside it, so nobody reads the message for them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::closest_rules::{Words, closest};
use super::compile::CompiledPolicy;
use super::namespace::Namespace;
use crate::api::NamedPolicies;
use crate::request::{Key, Objects, Options, Request, format_duration};
use crate::text::{MAX_LIST, all_of, bounded, counted, first_of, quoted};

/// The longest message, in bytes.
const MAX_MESSAGE: usize = 1024;
/// How many bytes the names of denied keys have; a first name may be longer.
const MAX_KEYS: usize = 160;

/// Why a request is not allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// What was requested, and what the closest rules of the namespace allow; at most 1 KiB.
    pub message: String,
    /// The policies that the message names.
    pub named: NamedPolicies,
}

impl Refusal {
    /// `first`, as many of the closest rules as fit, and `last`.
    fn of(first: &str, closest: &[Words<'_>], last: &str) -> Self {
        let texts: Vec<&str> = closest.iter().map(|words| words.text.as_str()).collect();
        let (message, fitting) = bounded(first, "; ", &texts, last, MAX_MESSAGE);
        let told = closest.iter().take(fitting);
        let policies: BTreeSet<&str> = told.flat_map(|words| &words.policies).copied().collect();
        Self {
            message,
            named: NamedPolicies {
                unreadable: Vec::new(),
                closest: policies.into_iter().map(str::to_owned).collect(),
            },
        }
    }
}

/// The message if no rule allows the request.
pub(super) fn denied(
    policies: &[&CompiledPolicy],
    namespace: &Namespace<'_>,
    request: &Request,
) -> Refusal {
    no_rule(policies, namespace, &requested(request), "", request)
}

/// The message if no rule allows these of the request's keys.
pub(super) fn denied_keys(
    policies: &[&CompiledPolicy],
    namespace: &Namespace<'_>,
    request: &Request,
    refused: &[&Key],
) -> Refusal {
    let (Objects::Keys(all), Some(&first)) = (&request.objects, refused.first()) else {
        return denied(policies, namespace, request);
    };
    let (which, to) = if all.len() == 1 {
        (quoted(first.as_str()), "")
    } else {
        let names: Vec<&str> = refused.iter().map(|key| key.as_str()).collect();
        let (none, of) = (refused.len(), all.len());
        let first = first_of(&names, MAX_KEYS);
        (format!("{none} of {of} keys, {first},"), " to the first")
    };
    // The first key stands for all: other rules may be the closest to the other keys.
    let one = Request {
        objects: Objects::Key(first.clone()),
        ..request.clone()
    };
    no_rule(
        policies,
        namespace,
        &requested_objects(&which, request),
        to,
        &one,
    )
}

/// The message if each of the keys is allowed, and all together are too many for one resource.
pub(super) fn too_many(namespace: &Namespace<'_>, request: &Request, max: u32) -> Refusal {
    let count = match &request.objects {
        Objects::Keys(keys) => keys.len(),
        Objects::Key(_) | Objects::List(_) | Objects::Under(_) => 1,
    };
    let first = format!(
        "No policy allows namespace {} to {} in one resource: the rules that allow them take at most {max}",
        quoted(namespace.name),
        requested_objects(&counted(count, "key"), request),
    );
    Refusal::of(
        &first,
        &[],
        ". Name fewer keys, and the rest in other resources, or ask an admin for a larger maxObjects.",
    )
}

/// The message if no rule allows what was requested, with the rules that are closest `to` it.
fn no_rule(
    policies: &[&CompiledPolicy],
    namespace: &Namespace<'_>,
    what: &str,
    to: &str,
    request: &Request,
) -> Refusal {
    let who = quoted(namespace.name);
    if policies.is_empty() {
        let first = format!("No policy selects namespace {who}, so it may not {what}");
        let last = ". Ask an admin for a PresignedURLPolicy that selects it and allows this.";
        return Refusal::of(&first, &[], last);
    }
    let first = format!("No policy allows namespace {who} to {what}.");
    let closest = closest(policies, namespace, request);
    if closest.is_empty() {
        let last = " The policies that select it hold no rules: ask an admin for one.";
        return Refusal::of(&first, &[], last);
    }
    Refusal::of(
        &format!("{first} Closest{to}: "),
        &closest,
        ". Ask for what a rule allows, or ask an admin for a rule.",
    )
}

/// The message if no readable rule allows the request, and some policies cannot be read. It names the closest
/// of the `readable` rules, since the requester may be able to ask for less.
pub(super) fn unknown(
    readable: &[&CompiledPolicy],
    broken: &[String],
    namespace: &Namespace<'_>,
    request: &Request,
) -> Refusal {
    let (policies, them) = match broken {
        [_] => ("policy", "it"),
        _ => ("policies", "them"),
    };
    let first = format!(
        "It is not known whether namespace {} may {}: {policies} {} cannot be read, and no other allows it",
        quoted(namespace.name),
        requested(request),
        all_of(broken)
    );
    let mut closest = closest(readable, namespace, request);
    if let Some(entry) = closest.first_mut() {
        entry.text.insert_str(0, ". Closest: ");
    }
    let mut refusal = Refusal::of(
        &first,
        &closest,
        &format!(
            ". An admin must fix {them}; until then nothing new is issued, and nothing is removed because of it."
        ),
    );
    refusal.named.unreadable = broken.iter().take(MAX_LIST).cloned().collect();
    refusal
}

/// The request in words that follow "may": `GET "a" in bucket "b" of store "c" for 24h`.
fn requested(request: &Request) -> String {
    requested_objects(&objects_in_words(&request.objects), request)
}

/// As [`requested`], with these words for the objects.
fn requested_objects(objects: &str, request: &Request) -> String {
    let Request {
        store,
        endpoint,
        bucket,
        objects: requested,
        duration,
        renew_before: _,
        options,
        template_keys: _, // A clause names the key that is not allowed.
    } = request;
    let listing = if matches!(requested, Objects::List(_)) {
        "LIST and "
    } else {
        ""
    };
    let method = options.method().as_str();
    let mut text = format!(
        "{listing}{method} {objects} in bucket {} of store {}",
        quoted(bucket.as_str()),
        quoted(store)
    );
    if let Some(endpoint) = endpoint {
        let _ = write!(text, " by endpoint {}", quoted(endpoint));
    }
    if let Some(duration) = duration {
        let _ = write!(text, " for {}", format_duration(*duration));
    }
    match options {
        Options::Put(put) => {
            if let Some(bytes) = put.content_length {
                let _ = write!(text, " with {bytes} bytes");
            }
        }
        Options::Post(post) => {
            if let Some(range) = post.content_length_range {
                let _ = write!(text, " with up to {} bytes", range.max);
            }
        }
        Options::Get(_) | Options::Head(_) | Options::Delete => {}
    }
    text
}

/// The objects in words; of several, the first.
fn objects_in_words(objects: &Objects) -> String {
    let all = |which: &str, prefix: &str| match prefix {
        "" => format!("{which} object"),
        prefix => format!("{which} object under {}", quoted(prefix)),
    };
    match objects {
        Objects::Key(key) => quoted(key.as_str()),
        Objects::Keys(keys) => match keys.as_slice() {
            [] => "no object".to_owned(),
            [key] => quoted(key.as_str()),
            [key, more @ ..] => format!("{} and {} more", quoted(key.as_str()), more.len()),
        },
        Objects::List(list) => all("every", list.prefix.as_str()),
        Objects::Under(prefix) => all("any", prefix.as_str()),
    }
}

//! The message of a denial: what was requested, and what the closest rules allow.
//!
//! What holds here: a message names only rules of policies that select the requesting namespace, so that a
//! tenant learns nothing about another. The same request gets the same message, of at most [`MAX_MESSAGE`]
//! bytes.

use std::fmt::Write as _;
use std::ops::ControlFlow::Continue;

use super::compile::{CompiledPolicy, Rule};
use super::namespace::Namespace;
use super::pattern::{ExpandedPrefix, Glob, Unusable};
use super::redirect_pattern::RedirectPattern;
use super::rule_check::{Subject, Violation};
use crate::api::PolicyMethod;
use crate::request::{Key, ListSelection, Objects, Options, Request, format_duration};
use crate::text::{all_of, any_of, bounded, first_of, quoted};

/// The longest message, in bytes.
const MAX_MESSAGE: usize = 1024;
/// How many rules a message names.
const CLOSEST: usize = 3;
/// How many bytes the clauses about one rule have; a first clause may be longer.
const MAX_CLAUSES: usize = 200;

/// How many bytes the names of denied keys have; a first name may be longer.
const MAX_KEYS: usize = 160;

/// The message if no rule allows the request.
pub(super) fn denied(
    policies: &[&CompiledPolicy],
    namespace: &Namespace<'_>,
    request: &Request,
) -> String {
    no_rule(policies, namespace, &requested(request), "", request)
}

/// The message if no rule allows these of the request's keys.
pub(super) fn denied_keys(
    policies: &[&CompiledPolicy],
    namespace: &Namespace<'_>,
    request: &Request,
    refused: &[&Key],
) -> String {
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
pub(super) fn too_many(namespace: &Namespace<'_>, request: &Request, max: u32) -> String {
    let count = match &request.objects {
        Objects::Keys(keys) => keys.len(),
        Objects::Key(_) | Objects::List(_) | Objects::Under(_) => 1,
    };
    let first = format!(
        "No policy allows namespace {} to {} in one resource: the rules that allow them take at most {max}",
        quoted(namespace.name),
        requested_objects(&format!("{count} keys"), request)
    );
    bounded(
        &first,
        "",
        &[],
        ". Name fewer keys, and the rest in other resources, or ask an admin for a larger maxObjects.",
        MAX_MESSAGE,
    )
}

/// The message if no rule allows what was requested, with the rules that are closest `to` it.
fn no_rule(
    policies: &[&CompiledPolicy],
    namespace: &Namespace<'_>,
    what: &str,
    to: &str,
    request: &Request,
) -> String {
    let who = quoted(namespace.name);
    if policies.is_empty() {
        let first = format!("No policy selects namespace {who}, so it may not {what}");
        return bounded(
            &first,
            "",
            &[],
            ". Ask an admin for a PresignedURLPolicy that selects it and allows this.",
            MAX_MESSAGE,
        );
    }
    let first = format!("No policy allows namespace {who} to {what}.");
    let closest = closest(policies, namespace, request);
    if closest.is_empty() {
        return bounded(
            &first,
            "",
            &[],
            " The policies that select it hold no rules: ask an admin for one.",
            MAX_MESSAGE,
        );
    }
    bounded(
        &format!("{first} Closest{to}: "),
        "; ",
        &closest,
        ". Ask for what a rule allows, or ask an admin for a rule.",
        MAX_MESSAGE,
    )
}

/// The message if no readable rule allows the request, and some policies cannot be read.
pub(super) fn unknown(broken: &[String], namespace: &Namespace<'_>, request: &Request) -> String {
    let (policies, them) = match broken {
        [_] => ("policy", "it"),
        _ => ("policies", "them"),
    };
    let first = format!(
        "It is not known whether namespace {} may {}: {policies} {} cannot be read, and no other allows it. An admin \
         must fix {them}",
        quoted(namespace.name),
        requested(request),
        all_of(broken)
    );
    bounded(
        &first,
        "",
        &[],
        "; until then nothing new is issued, and nothing is removed because of it.",
        MAX_MESSAGE,
    )
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

fn closest(
    policies: &[&CompiledPolicy],
    namespace: &Namespace<'_>,
    request: &Request,
) -> Vec<String> {
    let mut ranked: Vec<_> = policies
        .iter()
        .flat_map(|policy| {
            policy
                .rules
                .iter()
                .enumerate()
                .map(move |(at, rule)| (policy.name(), at, rule))
        })
        .map(|(policy, at, rule)| (distance(rule, namespace, request), policy, at, rule))
        .collect();
    ranked.sort_by_key(|&(distance, policy, at, _)| (distance, policy, at));
    ranked
        .into_iter()
        .take(CLOSEST)
        .map(|(_, policy, _, rule)| {
            let clauses = clauses(rule, namespace, request);
            format!(
                "policy {} rule {} {clauses}",
                quoted(policy),
                quoted(&rule.name)
            )
        })
        .collect()
}

/// How many violations there are, those about the object first: a rule about another object is never close.
fn distance(rule: &Rule, namespace: &Namespace<'_>, request: &Request) -> (usize, usize) {
    let (mut object, mut options) = (0, 0);
    let _ = rule.check(namespace, request, Subject::Whole, &mut |violation| {
        *if violation.is_of_the_object() {
            &mut object
        } else {
            &mut options
        } += 1;
        Continue(())
    });
    (object, options)
}

fn clauses(rule: &Rule, namespace: &Namespace<'_>, request: &Request) -> String {
    let mut clauses = Vec::new();
    let _ = rule.check(namespace, request, Subject::Whole, &mut |violation| {
        clauses.push(clause(rule, namespace, request, &violation));
        Continue(())
    });
    let mut length = 0;
    let fitting = clauses
        .iter()
        .take_while(|clause| {
            length += clause.len();
            length <= MAX_CLAUSES
        })
        .count();
    clauses.truncate(fitting.max(1));
    match clauses.pop() {
        None => String::new(),
        Some(last) if clauses.is_empty() => last,
        Some(last) => format!("{} and {last}", clauses.join(", ")),
    }
}

/// What the rule says about the violation, in words that follow the rule's name.
fn clause(
    rule: &Rule,
    namespace: &Namespace<'_>,
    request: &Request,
    violation: &Violation<'_>,
) -> String {
    let upload = &rule.upload;
    let (block, size) = match &request.options {
        Options::Post(_) => ("post", "contentLengthRange"),
        _ => ("put", "contentLength"),
    };
    match violation {
        Violation::Label(Unusable {
            label,
            present: false,
        }) => {
            format!(
                "needs the namespace's label {}, which is not set",
                quoted(label)
            )
        }
        Violation::Label(Unusable {
            label,
            present: true,
        }) => format!(
            "needs the namespace's label {}, whose value cannot stand in a name",
            quoted(label)
        ),
        Violation::Store => only("is for store", "names no store", &globs(&rule.stores)),
        Violation::Bucket => {
            let buckets: Vec<_> = rule.buckets.iter().map(|b| b.shown(namespace)).collect();
            only("is for bucket", "names no bucket", &buckets)
        }
        Violation::Key => {
            let prefixes: Vec<_> = rule.prefixes.iter().map(|p| p.shown(namespace)).collect();
            only(
                key_clause(rule, namespace, request),
                "names no prefix",
                &prefixes,
            )
        }
        Violation::Method => match method_names(rule).as_slice() {
            [] => "names no method".to_owned(),
            [one] => format!("allows only {one}"),
            [first @ .., last] => format!("allows only {} and {last}", first.join(", ")),
        },
        Violation::Endpoint => only(
            "allows only endpoint",
            "allows only the store's default endpoint",
            &globs(&rule.endpoints),
        ),
        Violation::Duration => format!("allows at most {}", format_duration(rule.max_duration)),
        Violation::Version => "does not allow get.versionID".to_owned(),
        Violation::RequesterPays => "does not allow get.requestPayer".to_owned(),
        Violation::ResponseOverrides => "does not allow get.response* fields".to_owned(),
        Violation::Objects => format!("allows at most {} objects", rule.max_objects),
        Violation::RefreshInterval => format!(
            "needs list.refreshInterval of {} or more",
            format_duration(rule.min_refresh_interval)
        ),
        Violation::SizeMissing => format!("needs {block}.{size}, at most {}", upload.max_bytes),
        Violation::Size => format!("allows at most {} bytes", upload.max_bytes),
        Violation::KmsKey => only("allows only KMS key", "allows no KMS key", &upload.kms_keys),
        Violation::StorageClass => only(
            "allows only put.storageClass",
            "does not allow put.storageClass",
            &upload.storage_classes,
        ),
        Violation::Acl => only(
            &format!("allows only {block}.acl"),
            &format!("does not allow {block}.acl"),
            &upload.acls,
        ),
        Violation::Metadata => format!("does not allow {block}.metadata"),
        Violation::Tag(key) => format!(
            "does not allow the tag {}{}",
            quoted(key),
            only(", only", "", &upload.tag_keys)
        ),
        Violation::Redirect => {
            let urls: Vec<_> = upload
                .redirects
                .iter()
                .map(RedirectPattern::shown)
                .collect();
            only(
                "allows only post.successActionRedirect",
                "does not allow post.successActionRedirect",
                &urls,
            )
        }
        Violation::TemplateKey(key) => format!(
            "does not allow the key {} in secretTemplate{}",
            quoted(key),
            only(", only", "", &globs(&rule.template_keys))
        ),
        Violation::CreateOnly => match &request.options {
            Options::Post(_) => "takes no form, since it is createOnly (use method PUT)".to_owned(),
            _ => "does not allow put.ifMatch, since it is createOnly".to_owned(),
        },
    }
}

/// The clause about keys. If the prefix lacks only the slash at its end, the clause says so.
fn key_clause(rule: &Rule, namespace: &Namespace<'_>, request: &Request) -> &'static str {
    let (Objects::List(ListSelection { prefix, .. }) | Objects::Under(prefix)) = &request.objects
    else {
        return "is for keys under";
    };
    let slashed = format!("{}/", prefix.as_str());
    let covers = |expanded: ExpandedPrefix<'_>| expanded.covers_all_under(&slashed);
    if !prefix.as_str().ends_with('/') && rule.expanded_prefixes(namespace).into_iter().any(covers)
    {
        "needs a / at the end of the prefix, since it is for whole folders under"
    } else {
        "is for keys under"
    }
}

fn only(some: &str, none: &str, values: &[impl AsRef<str>]) -> String {
    if values.is_empty() {
        none.to_owned()
    } else {
        format!("{some} {}", any_of(values))
    }
}

fn globs(globs: &[Glob]) -> Vec<&str> {
    globs.iter().map(Glob::as_str).collect()
}

fn method_names(rule: &Rule) -> Vec<&'static str> {
    rule.methods().map(PolicyMethod::as_str).collect()
}

//! A refusal in words: what was asked, and what the closest rules allow.
//!
//! What holds here: only rules of policies that select the asking namespace are named, so that a refusal tells a tenant
//! nothing of another. The same question gets the same words, and never more than [`LONGEST_MESSAGE`] bytes.

use std::fmt::Write as _;
use std::ops::ControlFlow::Continue;

use super::compile::{CompiledPolicy, PutRule, Rule};
use super::decide::Namespace;
use super::duration::format_duration;
use super::gates::Fault;
use super::pattern::{Glob, Unusable};
use super::request::{Objects, Options, Request};
use super::words::{all_of, any_of, bounded, quoted};

/// The most that a message holds, in bytes.
const LONGEST_MESSAGE: usize = 1024;
/// How many rules a refusal names.
const CLOSEST: usize = 3;
/// How much of one rule it tells: at least one clause, then as many as stay within this many bytes.
const LONGEST_CLAUSES: usize = 200;

/// No rule allows it.
pub(super) fn denied(
    policies: &[&CompiledPolicy],
    namespace: &Namespace<'_>,
    request: &Request,
) -> String {
    let asked = asked(request);
    let who = quoted(namespace.name);
    if policies.is_empty() {
        let first = format!("No policy selects namespace {who}, so it may not {asked}");
        return bounded(
            &first,
            "",
            &[],
            ". Ask an admin for a PresignedURLPolicy that selects it and allows this.",
            LONGEST_MESSAGE,
        );
    }
    let first = format!("No policy allows namespace {who} to {asked}.");
    let closest = closest(policies, namespace, request);
    if closest.is_empty() {
        return bounded(
            &first,
            "",
            &[],
            " The policies that select it hold no rules: ask an admin for one.",
            LONGEST_MESSAGE,
        );
    }
    bounded(
        &(first + " Closest: "),
        "; ",
        &closest,
        ". Ask for what a rule allows, or ask an admin for a rule.",
        LONGEST_MESSAGE,
    )
}

/// No rule that can be read allows it, and there are policies that cannot be read.
pub(super) fn unknown(broken: &[String], namespace: &Namespace<'_>, request: &Request) -> String {
    let (policies, them) = match broken {
        [_] => ("policy", "it"),
        _ => ("policies", "them"),
    };
    let first = format!(
        "It cannot be told whether namespace {} may {}: {policies} {} cannot be read, and no other allows it. An admin \
         must mend {them}",
        quoted(namespace.name),
        asked(request),
        all_of(broken)
    );
    bounded(
        &first,
        "",
        &[],
        "; until then nothing new is issued and nothing is removed on this account.",
        LONGEST_MESSAGE,
    )
}

/// What was asked, to stand after "may": `GET "a" in bucket "b" of store "c" for 24h`.
fn asked(request: &Request) -> String {
    let Request {
        store,
        endpoint,
        bucket,
        objects,
        duration,
        renew_before: _,
        options,
    } = request;
    let method = options.method().as_str();
    let mut text = format!(
        "{method} {} in bucket {} of store {}",
        named(objects),
        quoted(bucket.as_str()),
        quoted(store)
    );
    if let Some(endpoint) = endpoint {
        let _ = write!(text, " by endpoint {}", quoted(endpoint));
    }
    if let Some(duration) = duration {
        let _ = write!(text, " for {}", format_duration(*duration));
    }
    if let Options::Put(put) = options
        && let Some(bytes) = put.content_length
    {
        let _ = write!(text, " with {bytes} bytes");
    }
    text
}

/// The objects in words; of several, the first.
fn named(objects: &Objects) -> String {
    match objects {
        Objects::Key(key) => quoted(key.as_str()),
        Objects::Keys(keys) => match keys.as_slice() {
            [] => "no object".to_owned(),
            [key] => quoted(key.as_str()),
            [key, more @ ..] => format!("{} and {} more", quoted(key.as_str()), more.len()),
        },
        Objects::List(list) => format!("every object under {}", quoted(list.prefix.as_str())),
        Objects::Under(prefix) => format!("any object under {}", quoted(prefix.as_str())),
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
        .map(|(_, policy, at, rule)| {
            let clauses = clauses(rule, namespace, request);
            format!("policy {} allow[{at}] {}", quoted(policy), clauses)
        })
        .collect()
}

/// How many gates are closed: those of the object first, for a rule about another object is no near miss.
fn distance(rule: &Rule, namespace: &Namespace<'_>, request: &Request) -> (usize, usize) {
    let (mut object, mut options) = (0, 0);
    let _ = rule.judge(namespace, request, &mut |fault| {
        *if fault.is_of_the_object() {
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
    let _ = rule.judge(namespace, request, &mut |fault| {
        clauses.push(clause(rule, namespace, &fault));
        Continue(())
    });
    let mut length = 0;
    let fitting = clauses
        .iter()
        .take_while(|clause| {
            length += clause.len();
            length <= LONGEST_CLAUSES
        })
        .count();
    clauses.truncate(fitting.max(1));
    match clauses.pop() {
        None => String::new(),
        Some(last) if clauses.is_empty() => last,
        Some(last) => format!("{} and {last}", clauses.join(", ")),
    }
}

/// What the rule says where the gate is closed, to stand after the rule's name.
fn clause(rule: &Rule, namespace: &Namespace<'_>, fault: &Fault<'_>) -> String {
    match fault {
        Fault::Label(Unusable {
            label,
            present: false,
        }) => {
            format!(
                "needs the namespace's label {}, which is not set",
                quoted(label)
            )
        }
        Fault::Label(Unusable {
            label,
            present: true,
        }) => format!(
            "needs the namespace's label {}, whose value cannot stand in a name",
            quoted(label)
        ),
        Fault::Store => only("is for store", "names no store", &globs(&rule.stores)),
        Fault::Bucket => {
            let buckets: Vec<_> = rule.buckets.iter().map(|b| b.shown(namespace)).collect();
            only("is for bucket", "names no bucket", &buckets)
        }
        Fault::Key => {
            let prefixes: Vec<_> = rule.prefixes.iter().map(|p| p.shown(namespace)).collect();
            only("is for keys under", "names no prefix", &prefixes)
        }
        Fault::Method => match methods(rule).as_slice() {
            [] => "names no method".to_owned(),
            [one] => format!("allows only {one}"),
            [first @ .., last] => format!("allows only {} and {last}", first.join(", ")),
        },
        Fault::Endpoint => only(
            "allows only endpoint",
            "allows only the store's default endpoint",
            &globs(&rule.endpoints),
        ),
        Fault::Duration => format!("allows at most {}", format_duration(rule.max_duration)),
        Fault::Version => "does not allow get.versionId".to_owned(),
        Fault::ResponseOverrides => "does not allow get.response* fields".to_owned(),
        Fault::SizeMissing(PutRule { max_bytes, .. }) => {
            format!("needs put.contentLength, at most {max_bytes}")
        }
        Fault::Size(PutRule { max_bytes, .. }) => format!("allows at most {max_bytes} bytes"),
        Fault::KmsKey(put) => only("allows only KMS key", "allows no KMS key", &put.kms_keys),
        Fault::StorageClass(put) => only(
            "allows only put.storageClass",
            "does not allow put.storageClass",
            &put.storage_classes,
        ),
        Fault::Acl(put) => only("allows only put.acl", "does not allow put.acl", &put.acls),
        Fault::Metadata => "does not allow put.metadata".to_owned(),
        Fault::Tag(put, key) => format!(
            "does not allow the tag {}{}",
            quoted(key),
            only(", only", "", &put.tag_keys)
        ),
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

fn methods(rule: &Rule) -> Vec<&'static str> {
    let methods = [
        (rule.get, "GET"),
        (rule.head, "HEAD"),
        (rule.put.is_some(), "PUT"),
        (rule.delete, "DELETE"),
    ];
    methods
        .into_iter()
        .filter_map(|(allowed, name)| allowed.then_some(name))
        .collect()
}

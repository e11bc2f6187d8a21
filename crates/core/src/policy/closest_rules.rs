//! The rules that are closest to a request that was denied, and why each does not allow it.
//!
//! What holds here: the rules are those of the policies that are given. The same request gets the same words,
//! and each entry has a bound.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::ControlFlow::Continue;

use super::compile::{CompiledPolicy, Rule};
use super::namespace::Namespace;
use super::pattern::{ExpandedPrefix, Glob, Unusable};
use super::redirect_pattern::RedirectPattern;
use super::rule_check::{Subject, Violation};
use crate::api::PolicyMethod;
use crate::request::{ListSelection, Objects, Options, Request, format_duration};
use crate::text::{any_of, counted, quoted};

/// How many entries there are.
const CLOSEST: usize = 3;
/// How many of the closest rules are put into words.
const MAX_READ: usize = 16;
/// How many bytes the clauses about one rule have; a first clause may be longer.
const MAX_CLAUSES: usize = 200;
/// How many bytes the names of rules like the first have.
const MAX_LIKE: usize = 120;

/// What is to be said of one entry.
pub(super) struct Words<'a> {
    pub(super) text: String,
    /// The policies that the text names.
    pub(super) policies: BTreeSet<&'a str>,
}

/// Which rules are closest to the request, and why each does not allow it, the closest first. Rules of which
/// the same is to be said share one entry.
pub(super) fn closest<'a>(
    policies: &[&'a CompiledPolicy],
    namespace: &Namespace<'_>,
    request: &Request,
) -> Vec<Words<'a>> {
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
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for (_, policy, _, rule) in ranked.into_iter().take(MAX_READ) {
        let words = clauses(rule, namespace, request);
        let name = (policy, rule.name.as_str());
        if let Some(entry) = entries.iter_mut().find(|entry| entry.words == words) {
            entry.like.push(name);
        } else if entries.len() < CLOSEST {
            entries.push(Entry {
                name,
                like: Vec::new(),
                words,
            });
        }
    }
    entries.iter().map(Entry::in_words).collect()
}

/// The names of a policy and of a rule in it.
type RuleName<'a> = (&'a str, &'a str);

/// What is to be said of a rule, and of those like it.
struct Entry<'a> {
    name: RuleName<'a>,
    like: Vec<RuleName<'a>>,
    words: String,
}

impl<'a> Entry<'a> {
    /// `policy "p" rule "a" (like rule "b") allows only GET`.
    fn in_words(&self) -> Words<'a> {
        let (policy, rule) = self.name;
        let mut policies = BTreeSet::from([policy]);
        let mut text = format!("policy {} rule {}", quoted(policy), quoted(rule));
        let mut like = String::new();
        for (at, &(of, rule)) in self.like.iter().enumerate() {
            let name = if of == policy {
                format!("rule {}", quoted(rule))
            } else {
                format!("policy {} rule {}", quoted(of), quoted(rule))
            };
            if like.len() + name.len() > MAX_LIKE {
                like.push_str(if at == 0 { "others" } else { " and others" });
                break;
            }
            like.push_str(match at {
                0 => "",
                _ if at + 1 == self.like.len() => " and ",
                _ => ", ",
            });
            like.push_str(&name);
            policies.insert(of);
        }
        if !like.is_empty() {
            let _ = write!(text, " (like {like})");
        }
        Words {
            text: format!("{text} {}", self.words),
            policies,
        }
    }
}

/// How many violations there are, those about the object first: a rule about another object is never close.
fn distance(rule: &Rule, namespace: &Namespace<'_>, request: &Request) -> (usize, usize) {
    let violations = violations(rule, namespace, request);
    let object = violations.iter().filter(|v| v.is_of_the_object()).count();
    (object, violations.len() - object)
}

/// What the rule does not allow. A rule of other methods says nothing of this method's options: its sizes are
/// 0 and its lists empty because nobody gave them.
fn violations<'a>(
    rule: &'a Rule,
    namespace: &Namespace<'_>,
    request: &'a Request,
) -> Vec<Violation<'a>> {
    let mut violations = Vec::new();
    let _ = rule.check(namespace, request, Subject::Whole, &mut |violation| {
        violations.push(violation);
        Continue(())
    });
    if violations.iter().any(|v| matches!(v, Violation::Method)) {
        violations.retain(|violation| !violation.is_of_the_methods_options());
    }
    violations
}

fn clauses(rule: &Rule, namespace: &Namespace<'_>, request: &Request) -> String {
    let mut clauses: Vec<_> = violations(rule, namespace, request)
        .iter()
        .map(|violation| clause(rule, namespace, request, violation))
        .collect();
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
        Violation::Objects => format!("allows at most {}", counted(rule.max_objects, "object")),
        Violation::RefreshInterval => format!(
            "needs list.refreshInterval of {} or more",
            format_duration(rule.min_refresh_interval)
        ),
        Violation::SizeMissing => format!("needs {block}.{size}, at most {}", upload.max_bytes),
        Violation::Size => format!("allows at most {}", counted(upload.max_bytes, "byte")),
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

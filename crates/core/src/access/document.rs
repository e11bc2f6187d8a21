//! The text of a session policy: as short as it can be, in the characters that STS accepts.
//!
//! What holds here: what one statement says of a resource, no other repeats; the text is ASCII, since STS
//! refuses a policy that holds a character beyond Latin 1 and JSON can say each of them otherwise.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::actions::{Action, ResourceKind};
use crate::text::ascii_json;

/// The longest inline session policy in characters (`Policy` of `AssumeRole` in the STS API reference).
pub const MAX_POLICY: usize = 2048;
/// The policy language in which `${*}` means something.
const VERSION: &str = "2012-10-17";

/// What is allowed so far.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Actions by the resource that they are checked on: objects and KMS keys.
    resources: BTreeMap<(ResourceKind, String), BTreeSet<Action>>,
    /// What may be listed of a bucket.
    listings: BTreeMap<String, Listings>,
}

/// Which prefixes may be listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Listings {
    /// Any.
    all: bool,
    /// Exactly these.
    exactly: BTreeSet<String>,
    /// Those that match, with `*`.
    like: BTreeSet<String>,
}

/// The prefixes that may be listed.
#[derive(Clone, Debug)]
pub(super) enum Listable {
    /// Any.
    All,
    /// This one.
    Exactly(String),
    /// Those that match; escaped, with `*`.
    Like(String),
}

impl Document {
    /// Allows these actions on a resource.
    pub(super) fn allow(&mut self, actions: impl IntoIterator<Item = Action>, arn: &str) {
        for action in actions {
            self.resources
                .entry((action.on(), arn.to_owned()))
                .or_default()
                .insert(action);
        }
    }

    /// Allows a bucket to be listed.
    pub(super) fn allow_listing(&mut self, bucket: String, what: Listable) {
        let listings = self.listings.entry(bucket).or_default();
        match what {
            Listable::All => listings.all = true,
            Listable::Exactly(prefix) => {
                listings.exactly.insert(prefix);
            }
            Listable::Like(pattern) => {
                listings.like.insert(pattern);
            }
        }
    }

    /// Whether nothing is allowed.
    pub(super) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.listings.is_empty()
    }

    /// The policy. Resources of the same actions share a statement.
    pub(super) fn text(&self) -> String {
        let wider = Wider::of(&self.resources);
        let mut groups: BTreeMap<(ResourceKind, Vec<&str>), Vec<&str>> = BTreeMap::new();
        for ((on, arn), actions) in &self.resources {
            if !wider.cover(*on, arn, actions) {
                let actions = actions.iter().map(|action| action.as_str()).collect();
                groups.entry((*on, actions)).or_default().push(arn);
            }
        }
        let mut statements: Vec<Value> = groups
            .iter()
            .map(|((on, actions), resources)| {
                // Through S3 only: a session is no way to the key itself.
                let condition = (*on == ResourceKind::KmsKey)
                    .then(|| json!({"StringLike": {"kms:ViaService": "s3.*"}}));
                statement(actions, resources, condition)
            })
            .collect();
        let mut buckets: BTreeMap<&Listings, Vec<&str>> = BTreeMap::new();
        for (bucket, listings) in &self.listings {
            buckets.entry(listings).or_default().push(bucket);
        }
        for (listings, buckets) in buckets {
            let action = [Action::ListBucket.as_str()];
            let conditions = listings.conditions().into_iter();
            statements.extend(conditions.map(|condition| statement(&action, &buckets, condition)));
        }
        ascii_json(&json!({"Version": VERSION, "Statement": statements}).to_string())
    }
}

/// The patterns that end in `*`, by the kind of resource and the text before the `*`.
struct Wider<'a>(BTreeMap<ResourceKind, BTreeMap<&'a str, &'a BTreeSet<Action>>>);

impl<'a> Wider<'a> {
    fn of(resources: &'a BTreeMap<(ResourceKind, String), BTreeSet<Action>>) -> Self {
        let mut patterns: BTreeMap<ResourceKind, BTreeMap<_, _>> = BTreeMap::new();
        for ((on, arn), actions) in resources {
            if let Some(stem) = arn.strip_suffix('*') {
                patterns.entry(*on).or_default().insert(stem, actions);
            }
        }
        Self(patterns)
    }

    /// Whether one of them says the same and more.
    fn cover(&self, on: ResourceKind, arn: &str, actions: &BTreeSet<Action>) -> bool {
        let Some(patterns) = self.0.get(&on) else {
            return false;
        };
        let covers = |stem: &str| {
            let wider = patterns.get(stem);
            wider.is_some_and(|wider| actions.is_subset(wider))
        };
        // A pattern does not cover itself.
        let own = arn.strip_suffix('*');
        let stem = own.unwrap_or(arn);
        stem.char_indices().any(|(at, _)| covers(&stem[..at])) || (own.is_none() && covers(stem))
    }
}

impl Listings {
    /// One condition for each statement, since all conditions of a statement must hold.
    fn conditions(&self) -> Vec<Option<Value>> {
        let Self { all, exactly, like } = self;
        if *all {
            return vec![None];
        }
        [("StringEquals", exactly), ("StringLike", like)]
            .into_iter()
            .filter(|(_, prefixes)| !prefixes.is_empty())
            .map(|(operator, prefixes)| {
                let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
                Some(json!({operator: {"s3:prefix": short(&prefixes)}}))
            })
            .collect()
    }
}

fn statement(actions: &[&str], resources: &[&str], condition: Option<Value>) -> Value {
    let mut statement = json!({
        "Effect": "Allow",
        "Action": short(actions),
        "Resource": short(resources),
    });
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    statement
}

/// A list of one is written without brackets.
fn short(values: &[&str]) -> Value {
    match values {
        [one] => json!(one),
        several => json!(several),
    }
}

/// How long a resource is among others in the text, with the comma.
pub(super) fn length(resource: &str) -> usize {
    ascii_json(&json!(resource).to_string()).len() + 1
}

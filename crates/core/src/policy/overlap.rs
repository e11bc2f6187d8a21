//! Buckets that two namespaces can meet in.
//!
//! What holds here: a bucket's name has no segments, so `{namespace}-data` of namespace `x` is `x-data`,
//! which another pattern may give to namespace `y`. Nobody can refuse that pattern by pattern: two policies
//! that are good alone can meet. So the policy with the template says so in its status. Two names meet here
//! if any namespaces that the policies' `names` allow could make them equal; labels of namespaces are not
//! read. A rule for every bucket (`*`) meets all of them on purpose, and is left out.

use super::compile::{CompiledPolicy, Rule};
use super::decide::PolicySet;
use super::pattern::{BucketPattern, Glob, Part, Template};
use crate::text::quoted;

/// How many pairs of patterns are compared for one policy. Beyond it nothing is said.
const MAX_PAIRS: usize = 200_000;

/// One step of a pattern of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    /// Any one character.
    One,
    /// Any run of characters, perhaps none.
    Run,
}

/// A bucket pattern of one rule, and the namespaces that its policy names.
#[derive(Clone, Copy)]
struct Use<'a> {
    policy: &'a str,
    rule: &'a Rule,
    pattern: &'a BucketPattern,
    names: Option<&'a [Glob]>,
}

impl PolicySet {
    /// The first bucket with a template of this policy in which another namespace may have rights by another
    /// pattern: a sentence, or `None`.
    #[must_use]
    pub fn shared_bucket(&self, policy: &str) -> Option<String> {
        let policy = self.in_force(policy)?;
        let own = uses(policy).filter(|own| matches!(own.pattern, BucketPattern::Template(_)));
        let pairs = own.flat_map(|own| {
            let others = self.all_in_force().flat_map(uses);
            others.map(move |other| (own, other))
        });
        let (own, other) = pairs
            .take(MAX_PAIRS)
            .find(|(own, other)| meet(*own, *other))?;
        Some(format!(
            "bucket {} of rule {} can be, for another namespace, the bucket {} that rule {} of policy {} is for: give them \
             names that cannot be equal",
            quoted(&own.pattern.written()),
            quoted(&own.rule.name),
            quoted(&other.pattern.written()),
            quoted(&other.rule.name),
            quoted(other.policy)
        ))
    }
}

/// The bucket patterns of the rules of a policy that can allow something.
fn uses(policy: &CompiledPolicy) -> impl Iterator<Item = Use<'_>> {
    let rules = policy.rules.iter().filter(|rule| rule.lacks().is_none());
    rules.flat_map(move |rule| {
        rule.buckets.iter().map(move |pattern| Use {
            policy: policy.name(),
            rule,
            pattern,
            names: policy.namespaces.names(),
        })
    })
}

/// Whether the template makes, for some namespace, a bucket that the other pattern makes for another one.
fn meet(own: Use<'_>, other: Use<'_>) -> bool {
    let BucketPattern::Template(template) = own.pattern else {
        return false;
    };
    if own.pattern == other.pattern || other.pattern.written() == "*" {
        return false; // Equal templates make equal names of equal values only.
    }
    // The one namespace that the other policy is for, and what may be called as it does not matter.
    let sole = match other.names {
        Some([name]) if !name.as_str().contains('*') => Some(name.as_str()),
        _ => None,
    };
    let of_other: Vec<_> = match other.pattern {
        BucketPattern::Glob(glob) => vec![tokens(glob.as_str())],
        BucketPattern::Template(template) => forms(template, other.names, None),
    };
    let stores =
        |one: &Glob, other: &Glob| intersect(&tokens(one.as_str()), &tokens(other.as_str()));
    let mut own_stores = own.rule.stores.iter();
    own_stores.any(|one| other.rule.stores.iter().any(|other| stores(one, other)))
        && forms(template, own.names, sole)
            .iter()
            .any(|one| of_other.iter().any(|other| intersect(one, other)))
        && !owned_by(template, other.pattern, sole)
}

/// Whether the other pattern is the one bucket that the template makes for the one namespace of the other
/// policy: then they are one namespace's.
fn owned_by(template: &Template, other: &BucketPattern, sole: Option<&str>) -> bool {
    let (BucketPattern::Glob(bucket), Some(sole)) = (other, sole) else {
        return false;
    };
    let own = template.parts().iter().map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        Part::Name => Some(sole),
        Part::Label(_) => None,
    });
    own.collect::<Option<String>>().as_deref() == Some(bucket.as_str())
}

/// What a template can make, for the namespaces of these names but `without`.
fn forms(template: &Template, names: Option<&[Glob]>, without: Option<&str>) -> Vec<Vec<Token>> {
    let any = || vec![Token::One, Token::Run];
    let by_name = template.parts().contains(&Part::Name);
    let values: Vec<Vec<Token>> = match names {
        Some(names) if by_name => {
            let names = names.iter().map(Glob::as_str);
            let names = names.filter(|name| Some(*name) != without);
            // A namespace's name is not empty.
            let value = |name: &str| if name == "*" { any() } else { tokens(name) };
            names.map(value).collect()
        }
        _ => vec![any()],
    };
    let form = |value: &Vec<Token>| {
        let parts = template.parts().iter().flat_map(|part| match part {
            Part::Text(text) => tokens(text),
            Part::Name => value.clone(),
            Part::Label(_) => any(),
        });
        parts.collect()
    };
    values.iter().map(form).collect()
}

fn tokens(glob: &str) -> Vec<Token> {
    let token = |c| if c == '*' { Token::Run } else { Token::Char(c) };
    glob.chars().map(token).collect()
}

/// Whether some text matches both.
fn intersect(one: &[Token], other: &[Token]) -> bool {
    // `later[j]`: whether what is left of `one` after the present token meets `other[j..]`.
    let mut later: Vec<bool> = (0..=other.len())
        .map(|from| other[from..].iter().all(|token| *token == Token::Run))
        .collect();
    for token in one.iter().rev() {
        let mut now = vec![false; other.len() + 1];
        for from in (0..=other.len()).rev() {
            now[from] = match (token, other.get(from)) {
                (Token::Run, None) => later[from],
                (Token::Run, Some(_)) => later[from] || now[from + 1],
                (_, None) => false,
                (_, Some(Token::Run)) => now[from + 1] || later[from],
                (Token::Char(one), Some(Token::Char(other))) => one == other && later[from + 1],
                (_, Some(_)) => later[from + 1],
            };
        }
        later = now;
    }
    later[0]
}

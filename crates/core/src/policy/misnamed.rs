//! Policies that a message of an earlier decision names, and one of now would not.
//!
//! What holds here: a tenant reads the name of a policy only as long as it concerns the tenant's namespace. A
//! message that is true but for its wording names nothing wrong.

use super::decide::PolicySet;
use super::namespace::Namespace;
use crate::text::quoted;

/// A policy in a message: its name in quotes, as a message writes it.
#[derive(Debug, PartialEq, Eq)]
struct Named<'a> {
    quoted: &'a str,
    /// Whether the message says that it cannot be read.
    unreadable: bool,
}

impl PolicySet {
    /// Whether a message of an earlier decision about this namespace names a policy that does not concern the
    /// namespace now, or names one as unreadable that can be read now.
    #[must_use]
    pub fn misnames(&self, message: &str, namespace: &Namespace<'_>) -> bool {
        named(message).into_iter().any(|named| {
            let mut concerned = self.concerning(namespace, named.unreadable);
            !concerned.any(|name| quoted(name) == named.quoted)
        })
    }
}

/// The policies that a message of `denial_message.rs` names, in their order.
fn named(message: &str) -> Vec<Named<'_>> {
    const UNREADABLE: &str = " cannot be read";
    let mut found = Vec::new();
    let mut rest = message;
    // What others wrote stands in quotes, and holds none that is not escaped.
    while let Some((many, after)) = next(rest) {
        let (names, after) = list(after);
        let unreadable = many || after.starts_with(UNREADABLE);
        found.extend(names.into_iter().map(|quoted| Named { quoted, unreadable }));
        rest = after;
    }
    found
}

/// What follows the next `policy` or `policies` before a quote, and whether there may be several names.
fn next(text: &str) -> Option<(bool, &str)> {
    let of = |word: &str| text.find(word).map(|at| at + word.len() - 1);
    let (one, many) = (of("policy \""), of("policies \""));
    let at = one.into_iter().chain(many).min()?;
    Some((many == Some(at), &text[at..]))
}

/// The quoted names with which the text begins, and what follows them.
fn list(text: &str) -> (Vec<&str>, &str) {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.strip_prefix('"').and_then(|inside| inside.find('"')) {
        let (name, after) = rest.split_at(end + 2);
        names.push(name);
        let more = [", ", " and "].into_iter();
        rest = more
            .filter_map(|separator| after.strip_prefix(separator))
            .find(|after| after.starts_with('"'))
            .unwrap_or(after);
        if rest.len() == after.len() {
            break;
        }
    }
    (names, rest)
}

#[cfg(test)]
mod tests {
    use super::{Named, named};

    fn names(message: &str) -> Vec<(&str, bool)> {
        let of = |Named { quoted, unreadable }| (quoted, unreadable);
        named(message).into_iter().map(of).collect()
    }

    #[test]
    fn each_policy_is_found_that_a_message_names() {
        let closest = "No policy allows namespace \"policy\" to GET \"a policy \\\"x\\\"\". Closest: policy \"p\" rule \
                       \"a\" (like rule \"b\" and policy \"q\" rule \"c\") is for bucket \"policies\"; policy \"r\" rule \"a\" \
                       allows only PUT.";
        assert_eq!(
            names(closest),
            [("\"p\"", false), ("\"q\"", false), ("\"r\"", false)]
        );
        let one = "It is not known whether: policy \"x\" cannot be read, and no other allows it. Closest: policy \"y\" \
                   rule \"a\" allows only PUT.";
        assert_eq!(names(one), [("\"x\"", true), ("\"y\"", false)]);
        let more = "policies \"x\", \"y\", \"z\" and 2 more cannot be read";
        let expected = [("\"x\"", true), ("\"y\"", true), ("\"z\"", true)];
        assert_eq!(names(more), expected);
        assert_eq!(
            names("policies \"x\" and \"y\" cannot be read"),
            expected[..2]
        );
        for none in [
            "",
            "policy",
            "policy \"cut",
            "policies \"",
            "No policy allows it",
        ] {
            assert_eq!(names(none), [], "{none}");
        }
    }
}

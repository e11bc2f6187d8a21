//! A reader of IAM policies: `Allow` statements, wildcards, AWS's three escapes and the conditions on
//! `s3:prefix`.

use serde_json::Value;

use super::statements;

/// Whether the policy allows the action on the resource; `prefix` is the value of `s3:prefix`, where there is
/// one.
pub(super) fn allows(policy: &str, action: &str, resource: &str, prefix: Option<&str>) -> bool {
    statements(policy).iter().any(|statement| {
        assert_eq!(statement["Effect"], "Allow");
        texts(&statement["Action"]).contains(&action.to_owned())
            && texts(&statement["Resource"])
                .iter()
                .any(|pattern| matches(pattern, resource))
            && holds(&statement["Condition"], prefix)
    })
}

fn holds(condition: &Value, prefix: Option<&str>) -> bool {
    let Some(condition) = condition.as_object() else {
        return true;
    };
    condition.iter().all(|(operator, keys)| {
        keys.as_object()
            .unwrap()
            .iter()
            .all(|(name, values)| match (name.as_str(), prefix) {
                ("kms:ViaService", _) => true,
                ("s3:prefix", None) => false,
                ("s3:prefix", Some(prefix)) => {
                    texts(values).iter().any(|value| match operator.as_str() {
                        "StringEquals" => value == prefix,
                        "StringLike" => matches(value, prefix),
                        other => panic!("unknown operator {other}"),
                    })
                }
                (other, _) => panic!("unknown condition key {other}"),
            })
    })
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(several) => several
            .iter()
            .map(|v| v.as_str().unwrap().to_owned())
            .collect(),
        other => panic!("neither a text nor a list: {other}"),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Token {
    This(char),
    One,
    Any,
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let (token, length) = if let Some(inside) = rest.strip_prefix("${") {
            let escaped = inside.chars().next().unwrap();
            assert!(
                "*?$".contains(escaped) && inside[1..].starts_with('}'),
                "a variable: {pattern}"
            );
            (Token::This(escaped), 4)
        } else {
            match c {
                '*' => (Token::Any, 1),
                '?' => (Token::One, 1),
                c => (Token::This(c), c.len_utf8()),
            }
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    tokens
}

/// Dynamic programming over the pattern, a character of the text at a time.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let tokens = tokens(pattern);
    let mut open = vec![false; tokens.len() + 1];
    open[0] = true;
    let skip_stars = |open: &mut Vec<bool>| {
        for at in 0..tokens.len() {
            if open[at] && tokens[at] == Token::Any {
                open[at + 1] = true;
            }
        }
    };
    skip_stars(&mut open);
    for c in text.chars() {
        let mut next = vec![false; tokens.len() + 1];
        for at in 0..tokens.len() {
            match tokens[at] {
                Token::Any => next[at] |= open[at],
                Token::One => next[at + 1] |= open[at],
                Token::This(this) => next[at + 1] |= open[at] && this == c,
            }
        }
        skip_stars(&mut next);
        open = next;
    }
    open[tokens.len()]
}

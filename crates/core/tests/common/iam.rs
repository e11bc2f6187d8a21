//! A reader of session policies: what a server with IAM lets a session do.
//!
//! What holds here: only what this project writes is understood (Allow, actions, resources, conditions on the
//! listed prefix), and what is not understood allows nothing.

use serde_json::Value;

/// Whether a session with this policy may do `action` on an object; `prefix` where it lists.
pub fn allows(policy: &str, action: &str, resource: &str, prefix: Option<&str>) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else {
        return false;
    };
    let statements = policy["Statement"].as_array().cloned().unwrap_or_default();
    statements.iter().any(|statement| {
        statement["Effect"] == "Allow"
            && texts(&statement["Action"]).any(|known| known == action)
            && texts(&statement["Resource"]).any(|known| like(known, resource))
            && met(&statement["Condition"], prefix)
    })
}

fn met(condition: &Value, prefix: Option<&str>) -> bool {
    let Some(all) = condition.as_object() else {
        return condition.is_null();
    };
    all.iter().all(|(operator, what)| {
        let Some(prefix) = prefix else { return false };
        texts(&what["s3:prefix"]).any(|wanted| match operator.as_str() {
            "StringEquals" => wanted == prefix,
            "StringLike" => like(wanted, prefix),
            _ => false,
        })
    })
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(Value::as_str).chain(value.as_str())
}

/// `*` stands for any run, `?` for one character, `${*}` and its like for the character itself.
pub fn like(pattern: &str, text: &str) -> bool {
    let escaped = ['*', '?', '$'].into_iter().find_map(|c| {
        let rest = pattern.strip_prefix("${")?.strip_prefix(c)?;
        Some((c, rest.strip_prefix('}')?))
    });
    if let Some((c, rest)) = escaped {
        return text.strip_prefix(c).is_some_and(|text| like(rest, text));
    }
    let Some(first) = pattern.chars().next() else {
        return text.is_empty();
    };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '*' => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| like(rest, &text[at..]))
        }
        '?' => text
            .chars()
            .next()
            .is_some_and(|c| like(rest, &text[c.len_utf8()..])),
        c => text.strip_prefix(c).is_some_and(|text| like(rest, text)),
    }
}

//! How this room speaks: quoting and bounding what others wrote, so that a message stays one readable line.
//!
//! What holds here: whatever stands in a name, label or key, what comes out has no control characters and a bound.

use std::fmt::Write as _;

/// The longest piece of foreign text in a message, in characters.
const LONGEST_QUOTE: usize = 80;
/// How many entries of a list a message names before it counts the rest.
const LONGEST_LIST: usize = 3;

/// The text in double quotes, escaped, and cut in the middle where it is long: both ends of a key tell something.
pub(super) fn quoted(text: &str) -> String {
    let length = text.chars().count();
    let mut out = String::from("\"");
    if length <= LONGEST_QUOTE {
        escape_into(&mut out, text.chars());
    } else {
        let side = (LONGEST_QUOTE - 1) / 2;
        escape_into(&mut out, text.chars().take(side));
        out.push('…');
        escape_into(&mut out, text.chars().skip(length - side));
    }
    out.push('"');
    out
}

/// A list of quoted names in words: `"a", "b" or "c"`; long lists end in `or 4 more`.
pub(super) fn any_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    joined(names, "or")
}

/// As [`any_of`], with `and`.
pub(super) fn all_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    joined(names, "and")
}

fn joined<'a>(names: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let shown = names.len().min(LONGEST_LIST);
    let rest = names.len() - shown;
    let mut out = String::new();
    for (at, name) in names.iter().take(shown).enumerate() {
        let separator = match at {
            0 => "",
            _ if rest == 0 && at + 1 == shown => &format!(" {last} "),
            _ => ", ",
        };
        out.push_str(separator);
        out.push_str(&quoted(name));
    }
    if rest > 0 {
        let _ = write!(out, " {last} {rest} more");
    }
    out
}

fn escape_into(out: &mut String, text: impl Iterator<Item = char>) {
    for c in text {
        match c {
            '"' => out.push_str("\\\""),
            '\'' => out.push('\''),
            c => out.extend(c.escape_debug()),
        }
    }
}

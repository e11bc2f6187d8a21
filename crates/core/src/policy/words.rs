//! How this room speaks: quoting and bounding what others wrote, so that a message stays one readable line.
//!
//! What holds here: whatever stands in a name, label or key, what comes out has no control characters and a bound.

use std::fmt::Write as _;

/// The longest piece of foreign text in a message, in bytes, without its quotes.
const MAX_QUOTE: usize = 96;
/// How many entries of a list a message names before it counts the rest.
const MAX_LIST: usize = 3;

/// The text in double quotes, escaped, and cut in the middle where it is long: both ends of a key tell something.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    if text.chars().map(escaped_len).sum::<usize>() <= MAX_QUOTE {
        escape_into(&mut out, text);
    } else {
        let side = MAX_QUOTE / 2;
        let head = within(
            text.char_indices().map(|(at, c)| (at + c.len_utf8(), c)),
            side,
        )
        .unwrap_or(0);
        let tail = within(text.char_indices().rev(), side).unwrap_or(text.len());
        escape_into(&mut out, &text[..head]);
        out.push('…');
        escape_into(&mut out, &text[tail..]);
    }
    out.push('"');
    out
}

/// A list of quoted names in words: `"a", "b" or "c"`; long lists end in `or 4 more`.
pub(super) fn any_of(names: &[impl AsRef<str>]) -> String {
    joined(names, "or")
}

/// As [`any_of`], with `and`.
pub(super) fn all_of(names: &[impl AsRef<str>]) -> String {
    joined(names, "and")
}

/// As [`all_of`], and after the first only names that stay within so many bytes together.
pub(super) fn first_of(names: &[impl AsRef<str>], most: usize) -> String {
    let mut length = 0;
    let fitting = names.iter().take(MAX_LIST).take_while(|name| {
        length += quoted(name.as_ref()).len();
        length <= most
    });
    joined_up_to(names, fitting.count().max(1), "and")
}

/// Whole parts as long as they fit, so that a message is cut at the end of a thought.
pub(super) fn bounded(
    first: &str,
    separator: &str,
    parts: &[String],
    last: &str,
    most: usize,
) -> String {
    let mut out = cut(first, most.saturating_sub(last.len())).to_owned();
    for (at, part) in parts.iter().enumerate() {
        let separator = if at == 0 { "" } else { separator };
        if out.len() + separator.len() + part.len() + last.len() > most {
            break;
        }
        out.push_str(separator);
        out.push_str(part);
    }
    out.push_str(last);
    out
}

fn cut(text: &str, most: usize) -> &str {
    let end = text
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|&end| end <= most)
        .last();
    &text[..end.unwrap_or(0)]
}

fn joined(names: &[impl AsRef<str>], last: &str) -> String {
    joined_up_to(names, MAX_LIST, last)
}

fn joined_up_to(names: &[impl AsRef<str>], most: usize, last: &str) -> String {
    let shown = names.len().min(most);
    let rest = names.len() - shown;
    let mut out = String::new();
    for (at, name) in names.iter().take(shown).enumerate() {
        if at > 0 && rest == 0 && at + 1 == shown {
            let _ = write!(out, " {last} ");
        } else if at > 0 {
            out.push_str(", ");
        }
        out.push_str(&quoted(name.as_ref()));
    }
    if rest > 0 {
        let _ = write!(out, " {last} {rest} more");
    }
    out
}

/// The last of the positions up to which the characters fit, escaped.
fn within(chars: impl Iterator<Item = (usize, char)>, most: usize) -> Option<usize> {
    let mut used = 0;
    chars
        .take_while(|&(_, c)| {
            used += escaped_len(c);
            used <= most
        })
        .map(|(at, _)| at)
        .last()
}

fn escaped_len(c: char) -> usize {
    match c {
        '\'' => 1,
        c => c.escape_debug().map(char::len_utf8).sum(),
    }
}

fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\'' => out.push('\''),
            c => out.extend(c.escape_debug()),
        }
    }
}

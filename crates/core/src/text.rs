//! Foreign text: names, labels and keys that others wrote, made fit for a message or a policy document.
//!
//! What holds here: in a message, foreign text holds no control character and has a bound.

use std::fmt::Write as _;

/// The longest piece of foreign text in a message, in bytes, without its quotes.
const MAX_TEXT: usize = 96;
/// Two names are near if this percentage of their pairs of letters is the same.
pub const NEAR: usize = 30;
/// How many entries of a list a message names before it counts the rest.
pub const MAX_LIST: usize = 3;

/// The text in double quotes, as [`escaped`] writes it.
#[must_use]
pub fn quoted(text: &str) -> String {
    // Every plan of a resource quotes some text.
    if is_as_it_is(text) {
        return ["\"", text, "\""].concat();
    }
    format!("\"{}\"", escaped(text))
}

/// The text on one line, its control characters, quotes and backslashes escaped, and a long one cut in the
/// middle: both ends of a key say something.
#[must_use]
pub fn escaped(text: &str) -> String {
    if is_as_it_is(text) {
        return text.to_owned();
    }
    let mut out = String::new();
    if text.chars().map(escaped_len).sum::<usize>() <= MAX_TEXT {
        escape_into(&mut out, text);
        return out;
    }
    let side = MAX_TEXT / 2;
    let ends = text.char_indices().map(|(at, c)| (at + c.len_utf8(), c));
    let head = last_within(ends, side).unwrap_or(0);
    let tail = last_within(text.char_indices().rev(), side).unwrap_or(text.len());
    escape_into(&mut out, &text[..head]);
    out.push('…');
    escape_into(&mut out, &text[tail..]);
    out
}

/// The text without characters that cannot be seen or that reorder what can: control and format characters
/// (Unicode Cc and Cf, such as U+202E) are escaped. For sentences that others made, which quote on their own.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
    out
}

/// A list of quoted names: `"a", "b" or "c"`; a long list ends in `or 4 more`.
#[must_use]
pub fn any_of(names: &[impl AsRef<str>]) -> String {
    joined(names, "or")
}

/// As [`any_of`], with `and`.
#[must_use]
pub fn all_of(names: &[impl AsRef<str>]) -> String {
    joined(names, "and")
}

/// As [`all_of`]; after the first, only names that have at most `max` bytes together.
#[must_use]
pub fn first_of(names: &[impl AsRef<str>], max: usize) -> String {
    let mut length = 0;
    let fitting = names.iter().take(MAX_LIST).take_while(|name| {
        length += quoted(name.as_ref()).len();
        length <= max
    });
    joined_up_to(names, fitting.count().max(1), "and")
}

/// A number with its noun, in the plural unless it is 1: `1 object`, `0 objects`.
#[must_use]
pub fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// A message of at most `max` bytes: `first`, as many whole `parts` as fit, and `last`. Also how many fit.
#[must_use]
pub fn bounded(
    first: &str,
    separator: &str,
    parts: &[&str],
    last: &str,
    max: usize,
) -> (String, usize) {
    let mut out = cut(first, max.saturating_sub(last.len())).to_owned();
    let mut fitting = 0;
    for part in parts {
        let separator = if fitting == 0 { "" } else { separator };
        if out.len() + separator.len() + part.len() + last.len() > max {
            break;
        }
        out.push_str(separator);
        out.push_str(part);
        fitting += 1;
    }
    out.push_str(last);
    (out, fitting)
}

/// The beginning of the text, at most `max` bytes, cut between characters.
#[must_use]
pub fn cut(text: &str, max: usize) -> &str {
    let end = text
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|&end| end <= max)
        .last();
    &text[..end.unwrap_or(0)]
}

/// JSON text in which every character is ASCII: S3 and IAM accept other characters of a policy document only
/// as `\u` escapes.
#[must_use]
pub fn ascii_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// How alike two names are, in percent: the part of their pairs of letters that is the same. Capitals are no
/// difference, and the ends of a name are letters as well. The admission policies of unknown fields count in
/// the same way.
#[must_use]
pub fn likeness(one: &str, other: &str) -> usize {
    let (one, other) = (pairs(one), pairs(other));
    let same = one.iter().filter(|pair| other.contains(pair)).count();
    200 * same / (one.len() + other.len()).max(1)
}

/// The name that is most like the text, if one is near: of several the first.
pub fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut best = None;
    for name in names {
        let like = likeness(name, text);
        if like >= NEAR && best.is_none_or(|(most, _)| like > most) {
            best = Some((like, name));
        }
    }
    best.map(|(_, name)| name)
}

fn pairs(name: &str) -> Vec<(char, char)> {
    let letters = name.chars().map(|c| c.to_ascii_lowercase());
    let from: Vec<char> = std::iter::once('^').chain(letters).collect();
    let to = from.iter().skip(1).copied().chain(std::iter::once('$'));
    from.iter().copied().zip(to).collect()
}

/// Whether no character of a text is escaped and it is not cut: nearly all texts are such.
fn is_as_it_is(text: &str) -> bool {
    text.len() <= MAX_TEXT && text.bytes().all(is_plain)
}

/// Whether a byte is a visible ASCII character or a space that no escape changes.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\'' | b'\\')
}

fn joined(names: &[impl AsRef<str>], last: &str) -> String {
    joined_up_to(names, MAX_LIST, last)
}

fn joined_up_to(names: &[impl AsRef<str>], max: usize, last: &str) -> String {
    let shown = names.len().min(max);
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
fn last_within(chars: impl Iterator<Item = (usize, char)>, max: usize) -> Option<usize> {
    let mut used = 0;
    chars
        .take_while(|&(_, c)| {
            used += escaped_len(c);
            used <= max
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

#[cfg(test)]
mod tests;

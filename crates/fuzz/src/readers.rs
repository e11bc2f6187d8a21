//! The readers of the Secret's files, written after the programs' manuals and sources, not after the
//! renderer.

/// An option of curl's configuration and its value.
pub(super) type CurlOption = (String, String);

/// What curl's `-K` reads: comments and empty lines left out, one option a line, `=`, `:` or blanks between,
/// and a value that ends with its quotation or at the first blank.
pub(super) fn curl(text: &str) -> Vec<CurlOption> {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\u{b}' | '\u{c}');
    let mut options = Vec::new();
    for line in text.split('\n') {
        let line = line.trim_start_matches(blank);
        if line.is_empty() || line.starts_with(['#', '/', '*']) {
            continue;
        }
        let separator = |c: char| blank(c) || matches!(c, '=' | ':');
        let end = line.find(separator).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let rest = rest.trim_start_matches(separator);
        let value = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => rest.split(blank).next().unwrap_or_default().to_owned(),
        };
        options.push((name.to_owned(), value));
    }
    options
}

fn unquoted(text: &str) -> String {
    let (mut value, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                assert_eq!(chars.as_str(), "", "curl drops what follows");
                return value;
            }
            '\\' => match chars.next() {
                Some('t') => value.push('\t'),
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('v') => value.push('\u{b}'),
                Some(other) => value.push(other),
                None => {}
            },
            other => value.push(other),
        }
    }
    panic!("a quotation without an end: {text:?}")
}

/// A download of aria2's input file: its URLs and its options.
pub(super) type Aria2Download = (Vec<String>, Vec<(String, String)>);

/// What aria2c's `-i` reads: URLs with tabs between, and indented options below them, blanks around all of it
/// dropped.
pub(super) fn aria2(text: &str) -> Vec<Aria2Download> {
    let strip = |text: &str| text.trim_matches(['\r', '\n', '\t', ' ']).to_owned();
    let mut downloads: Vec<Aria2Download> = Vec::new();
    for line in text.split('\n') {
        if line.starts_with('#') || strip(line).is_empty() {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            let (name, value) = line.split_once('=').expect("an option has a value");
            let (_, options) = downloads.last_mut().expect("a URL comes first");
            options.push((strip(name), strip(value)));
        } else {
            downloads.push((line.split('\t').map(strip).collect(), Vec::new()));
        }
    }
    downloads
}

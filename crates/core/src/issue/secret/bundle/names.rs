//! Which keys a file cannot hold as names of files below one folder, and why.
//!
//! What holds here: a key that passes fits on one line, is a path that stays below the folder on Linux and on
//! Windows, and collides with no other there. The checks take any text; they do not rely on keys having been
//! parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::api::{Format, Method};
use crate::issue::secret::curl::FileOption;
use crate::text::escaped;

/// The longest name of a file or folder on Linux's file systems, in bytes.
const MAX_NAME: usize = 255;
/// aria2 keeps a control file beside the file that it fetches, under the file's name and this suffix.
const ARIA2_SUFFIX: &str = ".aria2";
/// How many keys a message shows.
const SHOWN: usize = 3;

/// The keys that a file cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidNames {
    /// The file.
    pub format: Format,
    /// The first of them.
    pub first: Vec<InvalidName>,
    /// How many there are in all.
    pub count: usize,
}

/// A key that a file cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName {
    /// The key, fit for a sentence.
    pub key: String,
    /// What is wrong with it.
    pub problem: NameProblem,
}

/// Why a file cannot hold a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameProblem {
    /// It holds a control character, which would end the line.
    Control,
    /// It names no file below a folder: it is absolute, or has an empty, `.` or `..` segment.
    NotAPath,
    /// A segment is longer than a name in a file system.
    TooLong {
        /// How many bytes it may have.
        max: usize,
    },
    /// It holds a backslash, which separates folders on Windows: `..\\x` lies beside the folder there.
    Backslash,
    /// It ends in a space, which aria2 leaves out.
    TrailingSpace,
    /// Another object has the same key.
    Duplicate,
    /// It would be a file and a folder at once.
    Folder {
        /// An object in that folder, fit for a sentence.
        of: String,
    },
    /// It is the name of aria2's control file for another object.
    ControlFile {
        /// The other object, fit for a sentence.
        of: String,
    },
}

impl fmt::Display for NameProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control => f.write_str("holds a control character"),
            Self::NotAPath => f.write_str("is no path below a folder"),
            Self::Backslash => f.write_str("holds a backslash, which separates folders on Windows"),
            Self::TooLong { max } => write!(f, "has a segment of more than {max} bytes"),
            Self::TrailingSpace => f.write_str("ends in a space, which aria2 leaves out"),
            Self::Duplicate => f.write_str("is there twice"),
            Self::Folder { of } => write!(f, "is a file, and the folder of \"{of}\""),
            Self::ControlFile { of } => write!(f, "is where aria2 keeps notes on \"{of}\""),
        }
    }
}

impl fmt::Display for InvalidNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            format,
            first,
            count,
        } = self;
        write!(f, "{} can't hold ", format.as_str())?;
        for (at, InvalidName { key, problem }) in first.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}the key \"{key}\", which {problem}")?;
        }
        let more = count.saturating_sub(first.len());
        if more > 0 {
            write!(f, ", and {more} more")?;
        }
        f.write_str(
            ": leave such objects out, or take the file out of spec.formats; urls.json holds any key",
        )
    }
}

/// The names that the reader of a file accepts.
#[derive(Clone, Copy)]
struct Rules {
    /// The longest last segment, in bytes.
    max_file_name: usize,
    /// Whether the reader drops spaces at the end.
    trims: bool,
    /// The suffix of the file that the reader writes beside each, if it writes one.
    control_file: Option<&'static str>,
}

/// The keys that a file cannot hold, if there are any. A file that names no files holds every key.
pub(super) fn problem<'a>(
    format: Format,
    method: Method,
    keys: impl Iterator<Item = &'a str>,
) -> Option<InvalidNames> {
    let bad = unfit(format, method, keys);
    (!bad.is_empty()).then(|| InvalidNames {
        format,
        count: bad.len(),
        first: bad
            .into_iter()
            .take(SHOWN)
            .map(|(key, problem)| InvalidName {
                key: escaped(key),
                problem,
            })
            .collect(),
    })
}

/// The keys that the files of these formats cannot hold. Without these keys every file can be written.
#[must_use]
pub fn unfit_keys<'a>(
    formats: &BTreeSet<Format>,
    method: Method,
    keys: &[&'a str],
) -> BTreeSet<&'a str> {
    formats
        .iter()
        .flat_map(|format| unfit(*format, method, keys.iter().copied()))
        .map(|(key, _)| key)
        .collect()
}

fn unfit<'a>(
    format: Format,
    method: Method,
    keys: impl Iterator<Item = &'a str>,
) -> Vec<(&'a str, NameProblem)> {
    let rules = match format {
        Format::UrlsTxt => return Vec::new(),
        Format::CurlConf if matches!(FileOption::of(method), None | Some(FileOption::None)) => {
            return Vec::new();
        }
        Format::CurlConf => Rules {
            max_file_name: MAX_NAME,
            trims: false,
            control_file: None,
        },
        Format::Aria2Txt => Rules {
            max_file_name: MAX_NAME - ARIA2_SUFFIX.len(),
            trims: true,
            control_file: Some(ARIA2_SUFFIX),
        },
    };
    let mut bad = Vec::new();
    // Each path below the folder that an object takes as a file, and the key of that object.
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    let mut good = Vec::new();
    for key in keys {
        if let Some(problem) = by_itself(key, rules) {
            bad.push((key, problem));
        } else if taken.insert(key.to_owned(), key).is_some() {
            bad.push((key, NameProblem::Duplicate));
        } else {
            good.push(key);
        }
    }
    if let Some(suffix) = rules.control_file {
        for key in &good {
            let of = escaped(key);
            if let Some(other) = taken.insert(format!("{key}{suffix}"), key) {
                bad.push((other, NameProblem::ControlFile { of }));
            }
        }
    }
    // Each path is reported once, for the first object that needs it as a folder.
    for key in good {
        for (end, _) in key.match_indices('/') {
            let folder = key.get(..end).unwrap_or_default();
            match taken.remove(folder) {
                Some(file) if file == folder => {
                    bad.push((file, NameProblem::Folder { of: escaped(key) }));
                }
                Some(file) => bad.push((key, NameProblem::ControlFile { of: escaped(file) })),
                None => {}
            }
        }
    }
    bad
}

/// What is wrong with a key by itself, whatever other keys there are.
fn by_itself(key: &str, rules: Rules) -> Option<NameProblem> {
    if key.chars().any(char::is_control) {
        return Some(NameProblem::Control);
    }
    if key.contains('\\') {
        return Some(NameProblem::Backslash);
    }
    if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Some(NameProblem::NotAPath);
    }
    let (folders, name) = key.rsplit_once('/').unwrap_or(("", key));
    if name.len() > rules.max_file_name {
        let max = rules.max_file_name;
        return Some(NameProblem::TooLong { max });
    }
    if folders.split('/').any(|part| part.len() > MAX_NAME) {
        return Some(NameProblem::TooLong { max: MAX_NAME });
    }
    (rules.trims && key.ends_with(' ')).then_some(NameProblem::TrailingSpace)
}

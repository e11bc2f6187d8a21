//! Which keys a file can't hold as names of files below one folder, and why.
//!
//! What holds here: what passes can be written line by line, is a path that stays below the folder, and stands in nobody's
//! way there. Nothing relies on keys having been parsed: a key is judged as any text would be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::super::shown;
use super::files::Path;
use crate::api::{Format, Method};

/// The longest name of a file or folder on Linux's file systems, in bytes.
const MAX_NAME: usize = 255;
/// aria2 keeps its notes beside a file that it is fetching, under the file's name and this.
const ARIA2_NOTES: &str = ".aria2";
/// How many keys a refusal shows.
const SHOWN: usize = 3;

/// The keys that a file can't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadNames {
    /// The file.
    pub format: Format,
    /// The first of them.
    pub first: Vec<BadName>,
    /// How many there are in all.
    pub count: usize,
}

/// A key that a file can't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName {
    /// The key, fit for a sentence.
    pub key: String,
    /// What is wrong with it.
    pub trouble: NameTrouble,
}

/// Why a key can't stand in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameTrouble {
    /// It holds a control character, which would end the line.
    Control,
    /// It names no file below a folder: it is absolute, or has an empty, `.` or `..` segment.
    NoPath,
    /// A segment is longer than a name in a file system.
    Long {
        /// How many bytes it may have.
        most: usize,
    },
    /// It ends in a space, which aria2 leaves out.
    Space,
    /// Another object has the same key.
    Twice,
    /// It would have to be a file and a folder at once.
    Folder {
        /// An object in that folder, fit for a sentence.
        of: String,
    },
    /// aria2 keeps its notes on another object where this one would be.
    Notes {
        /// The other object, fit for a sentence.
        of: String,
    },
}

impl fmt::Display for NameTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control => f.write_str("holds a control character"),
            Self::NoPath => f.write_str("is no path below a folder"),
            Self::Long { most } => write!(f, "has a segment of more than {most} bytes"),
            Self::Space => f.write_str("ends in a space, which aria2 leaves out"),
            Self::Twice => f.write_str("is there twice"),
            Self::Folder { of } => write!(f, "is a file, and the folder of \"{of}\""),
            Self::Notes { of } => write!(f, "is where aria2 keeps notes on \"{of}\""),
        }
    }
}

impl fmt::Display for BadNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            format,
            first,
            count,
        } = self;
        write!(f, "{} can't hold ", format.as_str())?;
        for (at, BadName { key, trouble }) in first.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}the key \"{key}\", which {trouble}")?;
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

/// What a file's reader asks of names.
#[derive(Clone, Copy)]
struct Rules {
    /// The longest last segment, in bytes.
    longest_last: usize,
    /// Whether it drops spaces at the end.
    trims: bool,
    /// What it writes beside each file, if anything.
    beside: Option<&'static str>,
}

/// The keys that a file can't hold, if there are any. A file without names of files holds any.
pub(super) fn trouble<'a>(
    format: Format,
    method: Method,
    keys: impl Iterator<Item = &'a str>,
) -> Option<BadNames> {
    let bad = unfit(format, method, keys);
    (!bad.is_empty()).then(|| BadNames {
        format,
        count: bad.len(),
        first: bad
            .into_iter()
            .take(SHOWN)
            .map(|(key, trouble)| BadName {
                key: shown(key),
                trouble,
            })
            .collect(),
    })
}

/// The keys that the files of these formats can't hold: without them, all can be written.
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
) -> Vec<(&'a str, NameTrouble)> {
    let rules = match format {
        Format::UrlsTxt => return Vec::new(),
        Format::CurlConf if matches!(Path::of(method), None | Some(Path::None)) => {
            return Vec::new();
        }
        Format::CurlConf => Rules {
            longest_last: MAX_NAME,
            trims: false,
            beside: None,
        },
        Format::Aria2Txt => Rules {
            longest_last: MAX_NAME - ARIA2_NOTES.len(),
            trims: true,
            beside: Some(ARIA2_NOTES),
        },
    };
    let mut bad = Vec::new();
    // Each place below the folder that one of the objects takes as a file, and whose it is.
    let mut places: BTreeMap<String, &str> = BTreeMap::new();
    let mut good = Vec::new();
    for key in keys {
        if let Some(trouble) = alone(key, rules) {
            bad.push((key, trouble));
        } else if places.insert(key.to_owned(), key).is_some() {
            bad.push((key, NameTrouble::Twice));
        } else {
            good.push(key);
        }
    }
    if let Some(beside) = rules.beside {
        for key in &good {
            let of = shown(key);
            if let Some(other) = places.insert(format!("{key}{beside}"), key) {
                bad.push((other, NameTrouble::Notes { of }));
            }
        }
    }
    // A place once, by the first object that makes a folder of it.
    for key in good {
        for (end, _) in key.match_indices('/') {
            let folder = key.get(..end).unwrap_or_default();
            match places.remove(folder) {
                Some(file) if file == folder => {
                    bad.push((file, NameTrouble::Folder { of: shown(key) }));
                }
                Some(file) => bad.push((key, NameTrouble::Notes { of: shown(file) })),
                None => {}
            }
        }
    }
    bad
}

/// What is wrong with a key whatever others there are.
fn alone(key: &str, rules: Rules) -> Option<NameTrouble> {
    if key.chars().any(char::is_control) {
        return Some(NameTrouble::Control);
    }
    if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Some(NameTrouble::NoPath);
    }
    let (folders, name) = key.rsplit_once('/').unwrap_or(("", key));
    if name.len() > rules.longest_last {
        let most = rules.longest_last;
        return Some(NameTrouble::Long { most });
    }
    if folders.split('/').any(|part| part.len() > MAX_NAME) {
        return Some(NameTrouble::Long { most: MAX_NAME });
    }
    (rules.trims && key.ends_with(' ')).then_some(NameTrouble::Space)
}

//! Names of S3: buckets, keys and prefixes of keys.
//!
//! What holds here: a [`Bucket`] is a general purpose bucket, of today's rules or with the capitals and
//! underscores that old buckets have, and a [`Key`] is one object of it, whatever a
//! client, a proxy or a server makes of dots and slashes. Signers take any string: an ARN as bucket signs
//! another resource, and `..` in a key reaches another object where somebody normalises paths. Neither can be
//! expressed by these types.

use std::fmt;

use super::error::NameError;
use crate::text::quoted;

/// S3's limit for a key, in bytes of UTF-8.
const MAX_KEY_BYTES: usize = 1024;
/// The form of a bucket's name; it ends the sentence of each error.
const BUCKET_FORM: &str = "give the name of a general purpose bucket: 3 to 63 lower-case letters, digits, dots \
                           and hyphens (old buckets: capitals and underscores too) that begin and end with a letter \
                           or digit";

/// The name of an S3 general purpose bucket ("Bucket naming rules" in the S3 user guide), or one with
/// capitals or underscores, as S3 allowed until 2018 and Ceph and `MinIO` may still hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(String);

/// The key of one object: 1 to 1,024 bytes, no leading `/`, no empty, `.` or `..` segment, no control
/// character, no `${`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// What keys begin with: like a [`Key`], but empty for the whole bucket, and it may end in `/` or within a
/// segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(String);

impl Bucket {
    /// Parses the name of a bucket, strictly: names that S3 reserves for something else are refused.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        match bucket_fault(name) {
            None => Ok(Self(name.to_owned())),
            Some(fault) => Err(NameError::new(name, format!("{fault}; {BUCKET_FORM}"))),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether only old buckets have such a name: no host name can hold it, and AWS makes none any more.
    #[must_use]
    pub fn is_old(&self) -> bool {
        self.0.bytes().any(|b| b.is_ascii_uppercase() || b == b'_')
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Key {
    /// Parses the key of one object.
    pub fn parse(key: &str) -> Result<Self, NameError> {
        match key_fault(key) {
            None => Ok(Self(key.to_owned())),
            Some(fault) => Err(NameError::new(key, fault)),
        }
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Prefix {
    /// Parses a prefix of keys.
    pub fn parse(prefix: &str) -> Result<Self, NameError> {
        // A slash at the end leaves no empty segment: the key continues after it.
        let whole = match prefix.strip_suffix('/') {
            Some(whole) if !whole.is_empty() && prefix.len() <= MAX_KEY_BYTES => whole,
            _ => prefix,
        };
        match (!prefix.is_empty()).then(|| key_fault(whole)).flatten() {
            None => Ok(Self(prefix.to_owned())),
            Some(fault) => Err(NameError::new(prefix, fault)),
        }
    }

    /// The prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Prefixes of names that S3 keeps for itself.
const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
/// Endings of names that are no general purpose bucket, and what they are.
const RESERVED_SUFFIXES: [(&str, &str); 7] = [
    ("-s3alias", "an access point alias"),
    ("--ol-s3", "an Object Lambda access point alias"),
    ("--x-s3", "an S3 Express directory bucket"),
    (".mrap", "a Multi-Region Access Point"),
    ("--table-s3", "an S3 table bucket"),
    ("--xa-s3", "an access point of a directory bucket"),
    ("--op-s3", "an access point alias of S3 on Outposts"),
];

fn bucket_fault(name: &str) -> Option<String> {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    if name.starts_with("arn:") {
        return Some("is an ARN".to_owned());
    }
    if let Some(c) = name
        .chars()
        .find(|&c| !alphanumeric(c) && !matches!(c, '.' | '-' | '_'))
    {
        return Some(format!("holds {}", quoted(c.encode_utf8(&mut [0; 4]))));
    }
    if !(3..=63).contains(&name.len()) {
        return Some(format!("has {} characters", name.len()));
    }
    if !(name.starts_with(alphanumeric) && name.ends_with(alphanumeric)) {
        return Some("begins or ends with a dot, hyphen or underscore".to_owned());
    }
    if let Some(pair) = ["..", ".-", "-."].into_iter().find(|p| name.contains(p)) {
        return Some(format!("holds {}", quoted(pair)));
    }
    if name.split('.').count() == 4 && name.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Some("looks like an IP address".to_owned());
    }
    // A server may not tell capitals apart.
    let begins = |prefix: &str| {
        let start = name.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let ends = |suffix: &str| {
        let from = name.len().checked_sub(suffix.len());
        let end = from.and_then(|from| name.get(from..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    if let Some(prefix) = RESERVED_PREFIXES.into_iter().find(|p| begins(p)) {
        return Some(format!("begins with {}, which S3 reserves", quoted(prefix)));
    }
    RESERVED_SUFFIXES
        .into_iter()
        .find(|(suffix, _)| ends(suffix))
        .map(|(_, what)| format!("is the name of {what}"))
}

fn key_fault(key: &str) -> Option<String> {
    if key.is_empty() {
        return Some("is empty; give the key of one object".to_owned());
    }
    if key.len() > MAX_KEY_BYTES {
        return Some(format!(
            "has {} bytes in UTF-8; S3 allows {MAX_KEY_BYTES}, so shorten it",
            key.len()
        ));
    }
    if key.starts_with('/') {
        return Some("begins with \"/\"; S3 keys have no root, so leave it out".to_owned());
    }
    if has_control(key) {
        return Some("holds a control character; leave it out".to_owned());
    }
    if key.contains("${") {
        return Some(
            "holds \"${\", which S3 policies and forms expand; give the object another key"
                .to_owned(),
        );
    }
    // By bytes, which is much faster, since a resource may have thousands of keys.
    let mut segments = key.as_bytes().split(|byte| *byte == b'/');
    let fault = |dots| {
        format!(
            "holds the segment \"{dots}\", which clients and proxies rewrite; give the plain path"
        )
    };
    segments.find_map(|segment| match segment {
        b"" => Some("holds an empty segment (\"//\", or \"/\" at the end); name one object, with single slashes".to_owned()),
        b"." => Some(fault(".")),
        b".." => Some(fault("..")),
        _ => None,
    })
}

/// Whether the text holds a control character.
fn has_control(text: &str) -> bool {
    if text.is_ascii() {
        text.bytes().any(|byte| byte.is_ascii_control())
    } else {
        text.chars().any(char::is_control)
    }
}

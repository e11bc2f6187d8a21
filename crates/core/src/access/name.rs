//! Names of sessions: the audit log of the S3 side shows by them for whom a URL was signed.
//!
//! What holds here: a name has 2 to 64 letters, digits and `+=,.@_-` (`RoleSessionName` in the STS API
//! reference), and two that differ before they are cut differ afterwards too, by a hash of the whole.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::text::cut;

/// The longest name that STS accepts.
const MAX_NAME: usize = 64;
/// How many digits of the hash a name that was cut ends in.
const HASH_DIGITS: usize = 10;

/// The name of a session for one resource: `NAMESPACE@NAME`. Neither holds an `@`.
#[must_use]
pub fn session_name(namespace: &str, name: &str) -> String {
    let whole = format!("{namespace}@{name}");
    if whole.len() <= MAX_NAME {
        return clean(&whole);
    }
    let room = MAX_NAME - HASH_DIGITS - 2;
    let namespace_room = (room - name.len().min(room / 2)).min(namespace.len());
    let name_room = room - namespace_room;
    clean(&format!(
        "{}@{}={}",
        cut(namespace, namespace_room),
        cut(name, name_room),
        hash(&whole)
    ))
}

/// The name of a session for all that a namespace may do.
#[must_use]
pub fn namespace_session_name(namespace: &str) -> String {
    labelled("namespace", namespace)
}

/// The name of a session for a whole store.
#[must_use]
pub fn store_session_name(store: &str) -> String {
    labelled("store", store)
}

fn labelled(label: &str, name: &str) -> String {
    let whole = format!("{label}={name}");
    if whole.len() <= MAX_NAME {
        return clean(&whole);
    }
    clean(&format!(
        "{}={}",
        cut(&whole, MAX_NAME - HASH_DIGITS - 1),
        hash(&whole)
    ))
}

/// Replaces the characters that STS refuses; names of Kubernetes hold none.
fn clean(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            '+' | '=' | ',' | '.' | '@' | '_' | '-' => c,
            c if c.is_ascii_alphanumeric() => c,
            _ => '_',
        })
        .collect()
}

fn hash(whole: &str) -> String {
    let digest = Sha256::digest(whole);
    digest[..HASH_DIGITS / 2]
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

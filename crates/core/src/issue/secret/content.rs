//! A Secret but for its name and owner: its data as they grow, its labels and annotations.
//!
//! What holds here: every Secret begins with the same files. No template overrules the operator's own labels
//! and annotations. Debug shows no value.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::api::{MANAGED_BY_LABEL, MANAGER, Method, NAME_ANNOTATION};
use crate::issue::hash::data_hash;
use crate::issue::merge::{TEMPLATE_KEYS, template_keys};
use crate::issue::template::Template;
use crate::time::whole;

/// The most bytes of data that Kubernetes stores in a Secret.
pub const SECRET_LIMIT: usize = 1024 * 1024;

/// Velero backs up nothing that has this label: a backup of live bearer URLs is a leak, and useless later.
const NO_BACKUP_LABEL: &str = "velero.io/exclude-from-backup";
/// Reloader restarts no pod when something with this annotation changes: a rotation needs no restart.
const NO_RELOAD_ANNOTATION: &str = "reloader.stakater.com/ignore";
/// For readers: when the URLs die.
const EXPIRES_AT_ANNOTATION: &str = "presigned.dev/expires-at";

/// When the URLs of a Secret expire, as its annotation tells.
pub(crate) fn told_expiry(annotations: &BTreeMap<String, String>) -> Option<Timestamp> {
    annotations.get(EXPIRES_AT_ANNOTATION)?.parse().ok()
}

/// A Secret's value; Debug shows its length alone.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// The bytes, for the code that writes the Secret.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<String> for SecretBytes {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redacted({} bytes)", self.0.len())
    }
}

/// The Secret, but for its name and owner. Its type is Opaque, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretContent {
    /// `data`
    pub data: BTreeMap<String, SecretBytes>,
    /// The labels that the operator sets: its own and the template's.
    pub labels: BTreeMap<String, String>,
    /// The annotations that the operator sets: its own and the template's.
    pub annotations: BTreeMap<String, String>,
}

impl SecretContent {
    /// The hash of the data, as it goes into `status.internal.secret.dataHash`.
    #[must_use]
    pub fn data_hash(&self) -> String {
        data_hash(
            self.data
                .iter()
                .map(|(key, value)| (key.as_str(), value.expose())),
        )
    }
}

/// The `data` of a Secret as it grows. It begins with the files that every Secret has.
pub(super) struct SecretData(BTreeMap<String, SecretBytes>);

impl SecretData {
    pub(super) fn new(
        method: Method,
        headers: &[(String, String)],
        expires_at: Timestamp,
        ca_bundle: Option<&str>,
    ) -> Self {
        let mut data = Self(BTreeMap::new());
        data.put("method", method.as_str().to_owned());
        data.put("expires-at", seconds(expires_at));
        data.put("headers", header_lines(headers));
        if let Some(ca_bundle) = ca_bundle {
            data.put("ca.crt", ca_bundle.to_owned());
        }
        data
    }

    pub(super) fn put(&mut self, key: &str, text: String) {
        self.0.insert(key.to_owned(), SecretBytes::from(text));
    }

    /// The bytes that count against [`SECRET_LIMIT`].
    pub(super) fn bytes(&self) -> usize {
        self.0.values().map(|value| value.0.len()).sum()
    }

    /// The Secret with its labels and annotations.
    pub(super) fn content(
        self,
        name: &str,
        expires_at: Timestamp,
        template: &Template,
    ) -> SecretContent {
        let own_labels = [(MANAGED_BY_LABEL, Some(MANAGER.to_owned()))];
        let own_annotations = [
            (EXPIRES_AT_ANNOTATION, Some(seconds(expires_at))),
            (NAME_ANNOTATION, Some(name.to_owned())),
            (
                TEMPLATE_KEYS,
                template_keys(template.labels(), template.annotations()),
            ),
        ];
        SecretContent {
            data: self.0,
            labels: with_defaults(NO_BACKUP_LABEL, template.labels(), own_labels),
            annotations: with_defaults(
                NO_RELOAD_ANNOTATION,
                template.annotations(),
                own_annotations,
            ),
        }
    }
}

/// The default, which the template may overrule, then the template, then the operator's own, which nothing
/// overrules.
fn with_defaults<const N: usize>(
    default: &str,
    template: &BTreeMap<String, String>,
    own: [(&str, Option<String>); N],
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([(default.to_owned(), "true".to_owned())]);
    all.extend(template.clone());
    all.extend(
        own.into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?))),
    );
    all
}

/// RFC 3339 in whole seconds, with `Z`.
pub(super) fn seconds(time: Timestamp) -> String {
    whole(time).to_string()
}

/// One `Name: value` a line, each line ended; empty if the client has no headers to send.
fn header_lines(headers: &[(String, String)]) -> String {
    let lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect();
    lines.concat()
}

/// Whether a text has a URL's characters alone, and so is one word in any file.
pub(super) fn is_url(url: &str) -> bool {
    !url.is_empty() && url.bytes().all(|b| b.is_ascii_graphic())
}

/// Whether a header is one line: a token (RFC 9110, 5.6.2) and printable ASCII without spaces around it.
pub(super) fn is_header(name: &str, value: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty()
        && name.bytes().all(token)
        && value.bytes().all(|b| (b' '..=b'~').contains(&b))
        && value.trim_matches(' ') == value
}

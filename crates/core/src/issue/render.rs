//! What the Secret holds: files for programs, a configuration for curl, labels and annotations for other tools.
//!
//! What holds here: no value that a tenant chose can begin a line, or end a quotation, of `headers` or `curl.conf`. What does
//! not fit those forms is refused, though it was refused at parsing before. Debug shows no URL.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use super::hash::data_hash;
use super::many::BadNames;
use super::merge::{TEMPLATE_KEYS, memory};
use super::template::Template;
use crate::api::{Format, MANAGED_BY_LABEL, MANAGER, Method};

/// The most bytes of data that Kubernetes stores in a Secret.
pub const SECRET_LIMIT: usize = 1024 * 1024;

/// Velero leaves what has this label out of its backups: a backup of live bearer URLs is a leak, and useless later.
const NO_BACKUP_LABEL: &str = "velero.io/exclude-from-backup";
/// Reloader restarts no pods over what has this annotation: a rotation needs no restart.
const NO_RELOAD_ANNOTATION: &str = "reloader.stakater.com/ignore";
/// For readers: when the URLs die.
const EXPIRES_AT_ANNOTATION: &str = "presigned.dev/expires-at";
/// For readers: the name of the resource behind the Secret.
const NAME_ANNOTATION: &str = "presigned.dev/presigned-url";
/// What curl does in every file: an error is an error and is shown, and the URL is taken as it was signed.
pub(super) const CURL_BASE: &str = "fail\nshow-error\ngloboff\npath-as-is\nretry = 3\n";

/// What is put into the Secret.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// The name of the `PresignedURL`.
    pub name: &'a str,
    /// The method that was signed.
    pub method: Method,
    /// The URL.
    pub url: &'a str,
    /// The URL for HEAD that goes with one for GET.
    pub head_url: Option<&'a str>,
    /// The headers that the client must send, in the order to show them.
    pub headers: &'a [(String, String)],
    /// When the URLs die.
    pub expires_at: Timestamp,
    /// The store's private CA.
    pub ca_bundle: Option<&'a str>,
    /// The tenant's labels and annotations.
    pub template: &'a Template,
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("name", &self.name)
            .field("method", &self.method)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A Secret's value; Debug shows its length alone.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// The bytes, for the one who writes the Secret.
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
    /// Every label that is ours: the operator's and the template's.
    pub labels: BTreeMap<String, String>,
    /// Every annotation that is ours.
    pub annotations: BTreeMap<String, String>,
}

impl SecretContent {
    /// The hash of the data, as it goes into `status.secretRef.dataHash`.
    #[must_use]
    pub fn data_hash(&self) -> String {
        data_hash(
            self.data
                .iter()
                .map(|(key, value)| (key.as_str(), value.expose())),
        )
    }
}

/// A result that no Secret can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenderError {
    /// It has more than [`SECRET_LIMIT`] bytes.
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// The URLs of so many objects have more than [`SECRET_LIMIT`] bytes.
    TooManyForSecret {
        /// How many there are.
        objects: usize,
        /// How many of them, from the first on, would fit.
        fit: usize,
    },
    /// A file that was asked for is of no use with the method.
    Format {
        /// The file.
        format: Format,
        /// The method.
        method: Method,
    },
    /// Objects have names that a file can't hold, or that no folder can.
    Names(BadNames),
    /// A URL holds something else than printable ASCII.
    Url,
    /// A header is not one line of printable ASCII.
    Header,
    /// A form's field holds a control character.
    Field,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => write!(
                f,
                "the result has {bytes} bytes, and a Secret holds {SECRET_LIMIT}: ask for less in one resource, or shorten \
                 the store's caBundle"
            ),
            Self::TooManyForSecret { objects, fit } => write!(
                f,
                "the URLs of {objects} objects are more than the {SECRET_LIMIT} bytes that a Secret holds; {fit} of them \
                 fit: ask for so many in one resource, or for fewer files in spec.formats"
            ),
            Self::Format { format, method } => write!(
                f,
                "{} is of no use with the method {}: take it out of spec.formats",
                format.as_str(),
                method.as_str()
            ),
            Self::Names(names) => names.fmt(f),
            Self::Url => f.write_str(
                "the signed URL holds characters that no URL may hold and was thrown away: this is a fault of the operator, \
                 report it",
            ),
            Self::Header => f.write_str(
                "a header to be sent is not one line of printable ASCII: mend the values under spec.put",
            ),
            Self::Field => f.write_str(
                "a field of the form holds a control character: mend the values under spec.post",
            ),
        }
    }
}

impl std::error::Error for RenderError {}

/// Renders the Secret. The same content renders the same bytes.
///
/// # Errors
/// [`RenderError`] where the result would not fit, or a URL or header could not be written without a line of its own making.
pub fn render(content: &Content<'_>) -> Result<SecretContent, RenderError> {
    let Content {
        name,
        method,
        url,
        head_url,
        headers,
        expires_at,
        ca_bundle,
        template,
    } = *content;
    if ![Some(url), head_url].into_iter().flatten().all(is_url) {
        return Err(RenderError::Url);
    }
    if !headers.iter().all(|(name, value)| is_header(name, value)) {
        return Err(RenderError::Header);
    }
    let mut data = Data::new(method, headers, expires_at, ca_bundle);
    data.put("url", url.to_owned());
    data.put("curl.conf", curl_conf(method, url, headers));
    if let Some(head_url) = head_url {
        data.put("head-url", head_url.to_owned());
    }
    let bytes = data.bytes();
    if bytes > SECRET_LIMIT {
        return Err(RenderError::TooLarge { bytes });
    }
    Ok(data.content(name, expires_at, template))
}

/// The `data` of a Secret as it grows, begun with what every Secret holds.
pub(super) struct Data(BTreeMap<String, SecretBytes>);

impl Data {
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

    /// What counts against [`SECRET_LIMIT`].
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
                memory(template.labels(), template.annotations()),
            ),
        ];
        SecretContent {
            data: self.0,
            labels: marked(NO_BACKUP_LABEL, template.labels(), own_labels),
            annotations: marked(
                NO_RELOAD_ANNOTATION,
                template.annotations(),
                own_annotations,
            ),
        }
    }
}

/// A default that the template may overrule, the template, and what is the operator's own, which nothing overrules.
fn marked<const N: usize>(
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
fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// One `Name: value` a line, each line ended; empty where nothing is to be sent.
fn header_lines(headers: &[(String, String)]) -> String {
    let lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect();
    lines.concat()
}

/// For `curl -K curl.conf -o FILE` and `curl -K curl.conf -T FILE`. No `output` and no path stands in it: an `output`
/// here would beat `-o`, and a path would be relative to wherever curl is started.
fn curl_conf(method: Method, url: &str, headers: &[(String, String)]) -> String {
    let url = format!("url = {}\n", quoted(url));
    [
        url,
        curl_method(method),
        curl_headers(headers),
        CURL_BASE.to_owned(),
    ]
    .concat()
}

/// The line that names the method.
pub(super) fn curl_method(method: Method) -> String {
    match method {
        // `request = "HEAD"` would wait for a body that never comes.
        Method::Head => "head\n".to_owned(),
        Method::Get | Method::Put | Method::Delete | Method::Post => {
            format!("request = {}\n", quoted(method.as_str()))
        }
    }
}

/// The lines of the headers that curl can't count itself.
pub(super) fn curl_headers(headers: &[(String, String)]) -> String {
    let lines: Vec<String> = headers
        .iter()
        // curl counts the file that it is given. A length set here would be sent even where the file has another,
        // and the server would wait for the rest; so the client gets S3's refusal of the signature at once.
        .filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"))
        .map(|(name, value)| format!("header = {}\n", quoted(&curl_header(name, value))))
        .collect();
    lines.concat()
}

/// curl takes `Name:` for a wish to leave the header out, and `Name;` for one without a value.
fn curl_header(name: &str, value: &str) -> String {
    if value.is_empty() {
        format!("{name};")
    } else {
        format!("{name}: {value}")
    }
}

/// curl's quotation, "-K, --config" in its manual: backslash and quote are escaped. Line breaks never get here.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether a text is a URL's characters, and so one word in any file.
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

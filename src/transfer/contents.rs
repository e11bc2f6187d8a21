//! What a Secret says, by its files: which method, which URLs, which headers or fields, until when.
//!
//! What holds here: a file that is missing, empty or cut off is told apart from one that is wrong, since the
//! first may be whole a moment later. Debug shows no URL and no field.

use std::collections::BTreeMap;
use std::fmt;

use http::{HeaderName, HeaderValue, Uri};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use presigned_core::text::quoted;
use serde::Deserialize;

use super::error::{Error, Kind};

/// The files of a Secret, by their names.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// A URL whose query is a secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SignedUrl(Uri);

/// Scheme, host and path.
impl fmt::Display for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let host = self.0.host().unwrap_or_default();
        write!(f, "{scheme}://{host}")?;
        if let Some(port) = self.0.port_u16() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.0.path())
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedUrl({self})")
    }
}

impl SignedUrl {
    /// Reads a URL. `from` says where it stood; the text itself is not repeated.
    ///
    /// # Errors
    /// If it is no URL of HTTP.
    pub(super) fn parse(text: &str, from: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::usage(format!(
                "{from} holds no URL: it must begin with https:// or http:// and hold no space"
            ))
        };
        let uri: Uri = text.trim().parse().map_err(|_| wrong())?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri.authority().ok_or_else(wrong)?;
        if !is_http || authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(wrong());
        }
        Ok(Self(uri))
    }

    pub(super) const fn uri(&self) -> &Uri {
        &self.0
    }

    /// The last part of the path, decoded: the name of the file that it is saved as.
    pub(super) fn file_name(&self) -> String {
        let last = self.0.path().rsplit('/').next().unwrap_or_default();
        percent_decode_str(last).decode_utf8_lossy().into_owned()
    }
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// The key; `None` if the URL alone says what it is of.
    pub(super) key: Option<String>,
    pub(super) url: SignedUrl,
    /// The size in bytes, if the bucket was listed and the store gave it.
    pub(super) size: Option<u64>,
    /// The `ETag` without its quotes, if the bucket was listed.
    pub(super) etag: Option<String>,
}

/// What a source holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Contents {
    /// `GET`, `PUT` and so on; `None` if the source does not say.
    pub(super) method: Option<String>,
    pub(super) items: Vec<Item>,
    /// Whether the source is a list of keys, which are the names of files.
    pub(super) many: bool,
    /// What must be sent with each URL.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// The fields of a form, in their order.
    pub(super) fields: Vec<Field>,
    /// When the URLs expire.
    pub(super) expires_at: Option<Timestamp>,
    /// Authorities that are trusted besides the system's.
    pub(super) ca: Option<String>,
}

/// A field of a form. Debug shows its name alone.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: String,
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// An entry of `urls.json`.
#[derive(Deserialize)]
struct Entry {
    key: String,
    url: String,
    size: Option<u64>,
    etag: Option<String>,
}

impl Contents {
    /// Reads the files of a Secret; `place` names it.
    ///
    /// # Errors
    /// [`Kind::NotReady`] for files that are missing, empty or cut off; [`Kind::Usage`] for files that are of
    /// no Secret of the operator's.
    pub(super) fn of_secret(files: &Files, place: &str) -> Result<Self, Error> {
        let text = |name: &str| -> Result<Option<String>, Error> {
            let Some(bytes) = files.get(name) else {
                return Ok(None);
            };
            let text = str::from_utf8(bytes);
            let text =
                text.map_err(|_| Error::usage(format!("{name} of {place} is no text of UTF-8")))?;
            Ok(Some(text.to_owned()))
        };
        let mut contents = match (text("urls.json")?, text("url")?) {
            (Some(json), _) => Self::of_json(&json, &format!("urls.json of {place}"))?,
            (None, Some(url)) => {
                let from = format!("the file url of {place}");
                if url.trim().is_empty() {
                    return Err(unfinished(&from, "is empty"));
                }
                Self::of_url(SignedUrl::parse(&url, &from)?)
            }
            (None, None) => match (text("curl.conf")?, text("urls.txt")?) {
                (_, Some(lines)) => Self::of_lines(&lines, &format!("urls.txt of {place}"))?,
                (Some(_), None) => {
                    return Err(unfinished(
                        place,
                        "holds curl.conf alone: mount the Secret whole, with url or urls.json",
                    ));
                }
                (None, None) => {
                    return Err(unfinished(
                        place,
                        "holds neither url nor urls.json, so it is no Secret of a PresignedURL, or is not written yet",
                    ));
                }
            },
        };
        let method = text("method")?.map(|method| method.trim().to_owned());
        contents.method = method.filter(|method| !method.is_empty());
        if let Some(lines) = text("headers")? {
            contents.headers = headers(&lines, place)?;
        }
        if let Some(json) = text("fields.json")? {
            contents.fields = fields(&json, place)?;
        }
        let expires_at = text("expires-at")?;
        contents.expires_at = expires_at.and_then(|at| at.trim().parse().ok());
        contents.ca = text("ca.crt")?.filter(|pem| !pem.trim().is_empty());
        Ok(contents)
    }

    /// What a file or standard input holds: `urls.json`, or URLs one a line.
    ///
    /// # Errors
    /// As for a Secret.
    pub(super) fn of_text(text: &str, from: &str) -> Result<Self, Error> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(unfinished(from, "is empty"));
        }
        if trimmed.starts_with('[') {
            return Self::of_json(trimmed, from);
        }
        Self::of_lines(trimmed, from)
    }

    /// One URL.
    pub(super) fn of_url(url: SignedUrl) -> Self {
        let item = Item {
            key: None,
            url,
            size: None,
            etag: None,
        };
        Self {
            items: vec![item],
            ..Self::default()
        }
    }

    fn of_json(json: &str, from: &str) -> Result<Self, Error> {
        let entries: Vec<Entry> = serde_json::from_str(json).map_err(|error| {
            if error.is_eof() {
                unfinished(from, "is cut off")
            } else {
                Error::usage(format!(
                    "{from} is no array of objects with key and url (line {}, column {})",
                    error.line(),
                    error.column()
                ))
            }
        })?;
        let item = |entry: Entry| {
            let from = format!("{from} for the key {}", quoted(&entry.key));
            Ok(Item {
                url: SignedUrl::parse(&entry.url, &from)?,
                key: Some(entry.key),
                size: entry.size,
                etag: entry.etag.map(|etag| etag.trim_matches('"').to_owned()),
            })
        };
        Ok(Self {
            items: entries
                .into_iter()
                .map(item)
                .collect::<Result<_, Error>>()?,
            many: true,
            ..Self::default()
        })
    }

    fn of_lines(lines: &str, from: &str) -> Result<Self, Error> {
        let lines = lines.lines().filter(|line| !line.trim().is_empty());
        let mut items = Vec::new();
        for (at, line) in lines.enumerate() {
            let from = format!("line {} of {from}", at + 1);
            items.push(Item {
                key: None,
                url: SignedUrl::parse(line, &from)?,
                size: None,
                etag: None,
            });
        }
        Ok(Self {
            many: items.len() > 1,
            items,
            ..Self::default()
        })
    }
}

fn unfinished(what: &str, problem: &str) -> Error {
    Error::new(
        Kind::NotReady,
        format!(
            "{what} {problem}: look at the conditions of the PresignedURL (kubectl describe psu), or give --wait 5m to \
             wait for it"
        ),
    )
}

/// One `Name: value` a line.
fn headers(lines: &str, place: &str) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let name = HeaderName::try_from(name.trim()).ok()?;
        Some((name, HeaderValue::try_from(value.trim()).ok()?))
    };
    let lines = lines.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            header(line).ok_or_else(|| {
                Error::usage(format!(
                    "the file headers of {place} holds a line that is no header"
                ))
            })
        })
        .collect()
}

/// One object of strings; its order is kept.
fn fields(json: &str, place: &str) -> Result<Vec<Field>, Error> {
    struct InOrder(Vec<Field>);
    impl<'de> Deserialize<'de> for InOrder {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct Fields;
            impl<'de> serde::de::Visitor<'de> for Fields {
                type Value = Vec<Field>;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object of strings")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<Vec<Field>, A::Error> {
                    let mut fields = Vec::new();
                    while let Some((name, value)) = map.next_entry()? {
                        fields.push(Field { name, value });
                    }
                    Ok(fields)
                }
            }
            from.deserialize_map(Fields).map(Self)
        }
    }
    let read: Result<InOrder, _> = serde_json::from_str(json);
    read.map(|fields| fields.0).map_err(|error| {
        let from = format!("fields.json of {place}");
        if error.is_eof() {
            unfinished(&from, "is cut off")
        } else {
            Error::usage(format!("{from} is no object of strings"))
        }
    })
}

#[cfg(test)]
mod tests;

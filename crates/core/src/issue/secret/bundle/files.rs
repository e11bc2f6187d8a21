//! The files of many objects: JSON, one URL a line, aria2's input file, curl's configuration.
//!
//! What holds here: a file grows by one object at a time, so that its size is known after each. A path begins
//! with `./`, so that no key is an option, standard input (`-`) or something that a program expands.

use std::fmt;

use serde::Serialize;

use crate::api::{Format, Method};
use crate::issue::secret::curl::{CURL_BASE, FileOption, curl_headers, curl_method, quoted};
use crate::issue::secret::error::RenderError;

/// aria2 replaces a file of the same name instead of saving beside it under a name of its own, and does not
/// fetch what a downloaded torrent or metalink names.
const ARIA2_OPTIONS: &str = " allow-overwrite=true\n auto-file-renaming=false\n follow-torrent=false\n follow-metalink=false\n";

/// One object and its URL.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    /// The key.
    pub key: &'a str,
    /// The URL.
    pub url: &'a str,
    /// The size in bytes, if the object was listed and the store gives it.
    pub size: Option<u64>,
    /// The `ETag`, if the object was listed and the store gives it.
    pub etag: Option<&'a str>,
}

impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("key", &self.key)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// A file of the Secret as it grows.
pub(super) struct File {
    kind: Kind,
    text: String,
    /// The lines that end each object's entry.
    options: String,
    objects: usize,
}

enum Kind {
    Json,
    Lines,
    Aria2,
    Curl(FileOption),
}

/// An entry of `urls.json`.
#[derive(Serialize)]
struct Entry<'a> {
    key: &'a str,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
}

impl File {
    /// `urls.json`: an array with one object a line.
    pub(super) fn json() -> Self {
        Self::new(Kind::Json, "[")
    }

    /// A file that `spec.formats` names.
    pub(super) fn of(
        format: Format,
        method: Method,
        headers: &[(String, String)],
    ) -> Result<Self, RenderError> {
        let no_use = RenderError::Format { format, method };
        match format {
            Format::UrlsTxt => Ok(Self::new(Kind::Lines, "")),
            Format::Aria2Txt if method == Method::Get => {
                let headers: Vec<String> = headers
                    .iter()
                    .map(|(name, value)| format!(" header={name}: {value}\n"))
                    .collect();
                let mut file = Self::new(Kind::Aria2, "");
                file.options = format!("{ARIA2_OPTIONS}{}", headers.concat());
                Ok(file)
            }
            Format::Aria2Txt => Err(no_use),
            Format::CurlConf => {
                let path = FileOption::of(method).ok_or(no_use)?;
                let folders = match path {
                    FileOption::Output => "create-dirs\n",
                    FileOption::Upload | FileOption::None => "",
                };
                // Without `fail-early` curl's exit code is that of the last object alone.
                let head = [
                    CURL_BASE,
                    "fail-early\n",
                    folders,
                    &curl_method(method),
                    &curl_headers(headers),
                ];
                Ok(Self::new(Kind::Curl(path), &head.concat()))
            }
        }
    }

    fn new(kind: Kind, head: &str) -> Self {
        Self {
            kind,
            text: head.to_owned(),
            options: String::new(),
            objects: 0,
        }
    }

    /// The key of the Secret.
    pub(super) const fn name(&self) -> &'static str {
        match self.kind {
            Kind::Json => "urls.json",
            Kind::Lines => Format::UrlsTxt.as_str(),
            Kind::Aria2 => Format::Aria2Txt.as_str(),
            Kind::Curl(_) => Format::CurlConf.as_str(),
        }
    }

    /// The last bytes of the finished file.
    const fn tail(&self) -> &'static str {
        match self.kind {
            Kind::Json => "\n]\n",
            Kind::Lines | Kind::Aria2 | Kind::Curl(_) => "",
        }
    }

    /// How many bytes the file has if it ends here.
    pub(super) const fn bytes(&self) -> usize {
        self.text.len() + self.tail().len()
    }

    /// The finished file.
    pub(super) fn text(self) -> String {
        let tail = self.tail();
        let mut text = self.text + tail;
        // It grew by doubling.
        text.shrink_to_fit();
        text
    }

    /// Adds an object whose key this file can hold.
    pub(super) fn push(&mut self, item: &Item<'_>) {
        let Item {
            key,
            url,
            size,
            etag,
        } = *item;
        let entry = match self.kind {
            Kind::Json => {
                let entry = Entry {
                    key,
                    url,
                    size,
                    etag,
                };
                let comma = if self.objects > 0 { "," } else { "" };
                // Strings and a number always serialize.
                let entry = serde_json::to_string(&entry).unwrap_or_default();
                format!("{comma}\n{entry}")
            }
            Kind::Lines => format!("{url}\n"),
            Kind::Aria2 => format!("{url}\n out=./{key}\n{}", self.options),
            Kind::Curl(path) => {
                let path = match path {
                    FileOption::Output => format!("output = {}\n", quoted(&format!("./{key}"))),
                    FileOption::Upload => {
                        format!("upload-file = {}\n", quoted(&format!("./{key}")))
                    }
                    FileOption::None => String::new(),
                };
                format!("url = {}\n{path}", quoted(url))
            }
        };
        self.text.push_str(&entry);
        self.objects += 1;
    }
}

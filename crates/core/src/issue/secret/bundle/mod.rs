//! The Secret of many objects: `urls.json` always, and the files that `spec.formats` names.
//!
//! What holds here: a key is data in every file. It ends no quotation, begins no line, is no option and names
//! no path but its own below the folder in which the program runs. If a file cannot express a key so, the
//! file is refused and the message names such keys; `urls.json` holds any key. Nothing is cut off. Debug
//! shows no URL.

mod files;
mod names;

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use super::content::{SECRET_LIMIT, SecretContent, SecretData, is_header, is_url};
use super::error::RenderError;
use crate::api::{Format, Method};
use crate::issue::template::Template;
use files::File;
pub use names::{InvalidName, InvalidNames, NameProblem, unfit_keys};

/// One object and its URL.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    /// The key.
    pub key: &'a str,
    /// The URL.
    pub url: &'a str,
    /// The size in bytes, if the object was listed.
    pub size: Option<u64>,
    /// The `ETag`, if the object was listed.
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

/// What the Secret of many objects is made of.
#[derive(Clone, Copy)]
pub struct BundleContent<'a> {
    /// The name of the `PresignedURL`.
    pub name: &'a str,
    /// The method that was signed.
    pub method: Method,
    /// The objects, in the order to write them.
    pub items: &'a [Item<'a>],
    /// The headers that the client must send with each URL, in the order to show them.
    pub headers: &'a [(String, String)],
    /// The files besides `urls.json`.
    pub formats: &'a BTreeSet<Format>,
    /// When the first of the URLs dies.
    pub expires_at: Timestamp,
    /// The store's private CA.
    pub ca_bundle: Option<&'a str>,
    /// The tenant's labels and annotations.
    pub template: &'a Template,
}

impl fmt::Debug for BundleContent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BundleContent")
            .field("name", &self.name)
            .field("method", &self.method)
            .field("items", &self.items.len())
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Renders the Secret of many objects. The same content renders the same bytes.
///
/// # Errors
/// [`RenderError`] if the result is too large, if a file is of no use with the method or cannot hold a key,
/// or if a URL or a header is not one line of printable ASCII.
pub fn render_bundle(content: &BundleContent<'_>) -> Result<SecretContent, RenderError> {
    let BundleContent {
        name,
        method,
        items,
        headers,
        formats,
        expires_at,
        ca_bundle,
        template,
    } = *content;
    if !items.iter().all(|item| is_url(item.url)) {
        return Err(RenderError::Url);
    }
    if !headers.iter().all(|(name, value)| is_header(name, value)) {
        return Err(RenderError::Header);
    }
    let mut files = vec![File::json()];
    for format in formats {
        files.push(File::of(*format, method, headers)?);
        if let Some(names) = names::problem(*format, method, items.iter().map(|item| item.key)) {
            return Err(RenderError::Names(names));
        }
    }

    let mut data = SecretData::new(method, headers, expires_at, ca_bundle);
    let used = data.bytes();
    let bytes = |files: &[File]| used + files.iter().map(File::bytes).sum::<usize>();
    if used > SECRET_LIMIT {
        return Err(RenderError::TooLarge { bytes: used });
    }
    for (fit, item) in items.iter().enumerate() {
        for file in &mut files {
            file.push(item);
        }
        let bytes = bytes(&files);
        if bytes > SECRET_LIMIT {
            let objects = items.len();
            return Err(match fit {
                0 => RenderError::TooLarge { bytes },
                fit => RenderError::TooManyForSecret { objects, fit },
            });
        }
    }
    for file in files {
        data.put(file.name(), file.text());
    }
    Ok(data.content(name, expires_at, template))
}

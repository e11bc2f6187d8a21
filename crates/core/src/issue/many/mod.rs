//! What the Secret holds where the objects are many: `urls.json` always, and the files for programs that were asked for.
//!
//! What holds here: a key is data in every file. It ends no quotation, begins no line, is no option and names no path but
//! its own below the folder that the program is run in; where a file's form can't express that, the file is refused with the
//! keys that are in the way, and `urls.json` never is. Nothing is cut off. Debug shows no URL.

mod files;
mod names;

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use super::render::{Data, RenderError, SECRET_LIMIT, SecretContent, is_header, is_url};
use super::template::Template;
use crate::api::{Format, Method};
use files::File;
pub use names::{BadName, BadNames, NameTrouble, unfit_keys};

/// One object and its URL.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    /// The key.
    pub key: &'a str,
    /// The URL.
    pub url: &'a str,
    /// The size in bytes, where the object was listed.
    pub size: Option<u64>,
    /// The `ETag`, where the object was listed.
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

/// What is put into the Secret.
#[derive(Clone, Copy)]
pub struct ManyContent<'a> {
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

impl fmt::Debug for ManyContent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManyContent")
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
/// [`RenderError`] where the result would not fit, where a file has no use for the method or can't hold a key, or where a
/// URL or header could not be written without a line of its own making.
pub fn render_many(content: &ManyContent<'_>) -> Result<SecretContent, RenderError> {
    let ManyContent {
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
        if let Some(names) = names::trouble(*format, method, items.iter().map(|item| item.key)) {
            return Err(RenderError::Names(names));
        }
    }

    let mut data = Data::new(method, headers, expires_at, ca_bundle);
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
